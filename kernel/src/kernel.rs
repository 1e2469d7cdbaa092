//! `Kernel`: one of everything, its boot; its end is in `kernel/end.rs`, its limits in `kernel/limits.rs`,
//! what it prints of calls in `kernel/trace.rs`.

mod devices;
mod end;
mod limits;
mod trace;

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use alloc::{boxed::Box, vec};

use kernel_abi::flags::{OpenFlags, ST_RDONLY};
use kernel_abi::structs::Siginfo;
use kernel_abi::{Errno, SigSet, Signal};
use ostd::device::{ByteChannel, ChannelKind, Devices, OutsideEvent, SharedFolder};
use ostd::sync::SpinLock;
use ostd::sync::atomic::{AtomicBool, AtomicU64};
use ostd::task::Task;
use ostd::user::UserContext;
use ostd::{Machine, RunEnd};

use crate::credentials::Credentials;
use crate::error::{OrErrno as _, Result};
use crate::fs::dev::{self, DeviceTable};
use crate::fs::initramfs::Archive;
use crate::fs::memory::{MemoryFs, NamelessFiles};
use crate::fs::proc::ProcFs;
use crate::fs::stream::StreamFile;
use crate::futex::FutexTable;
use crate::ipc::Fifos;
use crate::mm::AddressSpace;
use crate::process::{Calls, First, Processes, Program as Start, Thread, identity_of};
use crate::sched::RoundRobin;
use crate::syscall;
use crate::time::Clock;
use crate::tty::{Console, Foreground, Job, TtyFile};
use crate::vfs::{
    CloseOnExec, FdTable, File, FileKind, FileSystem as _, Follow, FsContext, LockTable, MountTable, OpenFile,
    OpenRequest, Quota, SliceSource, Source as _,
};

pub use end::{Booted, Leaks, Report};
use limits::{Limits, open_files};

/// Device numbers that stat(2) shows for the mounts a kernel begins with.
const ROOT_DEV: u64 = 0x20;
const DEV_DEV: u64 = 0x21;
const PROC_DEV: u64 = 0x22;
const SYS_DEV: u64 = 0x24;
/// And for files that have no name.
const NAMELESS_DEV: u64 = 0x23;
/// And for pipes.
pub(crate) const PIPE_DEV: u64 = 0x25;
/// And for processes as files.
pub(crate) const PIDFD_DEV: u64 = 0x26;
/// And for what programs mount.
const FIRST_DEV: u64 = 0x30;
/// Permission bits of `/dev`.
const DEV_MODE: u32 = 0o755;

/// What lies below the root's writable tree in memory.
pub enum Root {
    /// Nothing but places for what a kernel mounts, and `/tmp`.
    Empty,
    /// Files outside the machine.
    Folder(Arc<dyn SharedFolder>),
    /// What is unpacked from an archive.
    Archive(Archive),
}

/// What a kernel is told when it boots.
pub struct Boot {
    /// The root file system.
    pub root: Root,
    /// What descriptors 0, 1 and 2 of the program are.
    pub stdio: [Arc<dyn ByteChannel>; 3],
    /// What the program will be.
    pub first: First,
    /// What else the machine carries.
    pub devices: Devices,
    /// Which calls to print: none, all (an empty text), or those it names, comma-separated.
    pub strace: Option<String>,
}

/// The program a kernel runs.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its arguments, its name first; a name without a slash is looked for in the environment's PATH.
    pub arguments: Vec<Vec<u8>>,
    /// Its environment, `K=V` each.
    pub environment: Vec<Vec<u8>>,
    /// Its working directory.
    pub directory: Vec<u8>,
    /// The signals it begins with ignoring.
    pub ignored: SigSet,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Exited(u8),
    /// By this signal.
    Killed(u8),
    /// It did not begin, for this reason.
    NotStarted(Errno),
    /// Somebody outside stopped the machine.
    Stopped,
}

/// One Linux, on one machine. [`Kernel::boot`] gives it with the duty to end it, as a [`Booted`].
pub struct Kernel {
    machine: Machine,
    clock: Clock,
    futexes: Arc<FutexTable>,
    locks: LockTable,
    nameless: NamelessFiles,
    limits: Limits,
    mounts: Arc<MountTable>,
    processes: Arc<Processes>,
    console: Option<Arc<Console>>,
    /// Terminals besides.
    consoles: Vec<Arc<Console>>,
    stdio: [Option<Arc<OpenFile>>; 3],
    strace: Option<String>,
    missing: SpinLock<BTreeSet<String>>,
    anonymous: AtomicU64,
    /// Device number of the next file system that a program mounts.
    next_dev: AtomicU64,
    stopped: AtomicBool,
    /// What lies below the root, to be asked at the end whether all of it was given back.
    folder: Option<Arc<dyn SharedFolder>>,
}

/// What processes call; it knows its kernel without keeping it.
struct Answers(Weak<Kernel>);

impl Answers {
    fn kernel(&self) -> Option<Arc<Kernel>> {
        self.0.upgrade()
    }
}

impl Calls for Answers {
    fn call(&self, thread: &Arc<Thread>, space: &Arc<AddressSpace>, user: &mut UserContext) -> Result {
        let kernel = self.kernel().ok_or(syscall::MISSING)?;
        syscall::answer(&kernel, thread, space, user)
    }

    fn thread_ends(&self, thread: &Thread, cleared: Option<usize>) {
        if let Some(kernel) = self.kernel() {
            syscall::thread_ends(&kernel, thread, cleared);
        }
    }
}

/// Speaks for the terminal to processes.
struct Jobs(Weak<Kernel>);

impl Foreground for Jobs {
    fn signal(&self, group: i32, signal: Signal) {
        if let Some(kernel) = self.0.upgrade() {
            // A group that has gone needs no signal.
            let _ = kernel.processes.signal_group(group, signal, Siginfo::kernel(signal));
        }
    }

    fn hang_up(&self, session: i32) {
        if let Some(kernel) = self.0.upgrade() {
            kernel.processes.hang_up(session);
        }
    }
}

impl Kernel {
    /// Boots on `machine`: mounts, devices, standard streams; no program runs yet.
    pub fn boot(machine: Machine, boot: Boot) -> Result<Booted> {
        machine.set_scheduler(Arc::new(RoundRobin::new(&machine)));
        let console = Self::console(&machine, &boot.stdio)?;
        let limits = Limits::of(&machine);
        let (mounts, consoles) = Self::mount(&machine, limits.inodes(), &boot, console.as_ref())?;
        let stdio = Self::streams(&machine, &boot.stdio, console.as_ref(), &mounts)?;
        let nothing = AddressSpace::new(&machine)?;
        let folder = match boot.root {
            Root::Folder(folder) => Some(folder),
            _ => None,
        };
        let kernel = Booted::new(|kernel| Self {
            clock: Clock::new(&machine),
            futexes: Arc::new(FutexTable::new()),
            locks: LockTable::new(&machine),
            nameless: NamelessFiles::new(&machine, limits.inodes(), NAMELESS_DEV),
            limits,
            mounts,
            processes: Processes::new(&machine, boot.first, nothing, Arc::new(Answers(Weak::clone(kernel)))),
            console,
            consoles,
            stdio,
            strace: boot.strace,
            missing: SpinLock::default(),
            anonymous: AtomicU64::new(1),
            next_dev: AtomicU64::new(FIRST_DEV),
            stopped: AtomicBool::new(false),
            folder,
            machine,
        });
        kernel.mount_proc()?;
        kernel.share().connect();
        Ok(kernel)
    }

    /// Every terminal of the machine.
    fn terminals(&self) -> impl Iterator<Item = &Arc<Console>> {
        self.console.iter().chain(&self.consoles)
    }

    fn mount_proc(&self) -> Result<()> {
        let fs = FsContext::new(&self.mounts);
        if let Ok(at) = fs.resolve(None, b"/proc", Follow::Yes, &identity_of(&Credentials::root())) {
            let proc = ProcFs::new(&self.machine, &self.processes, &self.mounts, PROC_DEV, syscall::RELEASE);
            self.mounts.mount(proc, &at, 0, b"proc")?;
        }
        Ok(())
    }

    /// Hears of the terminal's keys and of what happens outside.
    fn connect(self: &Arc<Self>) {
        for console in self.terminals() {
            console.set_foreground(Arc::new(Jobs(Arc::downgrade(self))));
        }
        let kernel = Arc::downgrade(self);
        let heard = move || {
            if let Some(kernel) = kernel.upgrade() {
                kernel.outside();
            }
        };
        self.machine.on_interrupt(self.machine.outside_line(), Arc::new(heard));
    }

    fn outside(&self) {
        while let Some(event) = self.machine.outside_event() {
            match event {
                OutsideEvent::WindowChanged => self.console.iter().for_each(|console| console.window_changed()),
                OutsideEvent::Signal(number) => {
                    if let (Some(program), Some(signal)) =
                        (self.processes.find(self.processes.program_pid()), Signal::from_number(number))
                    {
                        // It may just have ended.
                        let _ = program.send(signal, Siginfo::kernel(signal));
                    }
                }
                OutsideEvent::Key(number) => {
                    if let Some(signal) = Signal::from_number(number) {
                        let program = self.processes.program_pid();
                        let group = self.console.as_ref().map_or(program, |console| console.job().group);
                        // As above.
                        let _ = self.processes.signal_group(group, signal, Siginfo::kernel(signal));
                    }
                }
                OutsideEvent::Stop => {
                    self.stopped.store(true);
                    self.machine.stop();
                }
            }
        }
    }

    fn run(self: &Arc<Self>, program: &Program) -> core::result::Result<Ending, RunEnd> {
        let ending = Arc::new(SpinLock::new(Ending::Stopped));
        let (kernel, program, told) = (Arc::clone(self), program.clone(), Arc::clone(&ending));
        let init = move || {
            let end = match kernel.start(&program) {
                Ok(()) => ending_of(kernel.processes.wait_for_program()),
                Err(errno) => Ending::NotStarted(errno),
            };
            *told.lock() = end;
            kernel.terminals().for_each(|console| console.close());
            kernel.machine.stop();
        };
        if Task::spawn(&self.machine, "init", Box::new(()), init).or_errno().is_err() {
            return Ok(Ending::NotStarted(Errno::ENOMEM));
        }
        self.machine.run()?;
        let ending = *ending.lock();
        Ok(ending)
    }

    /// Starts the program, in a session of its own, with the standard streams.
    fn start(&self, program: &Program) -> Result<()> {
        let root = Credentials::root();
        let fs = FsContext::new(&self.mounts);
        // A directory that the guest's root does not have leaves the program at the top.
        if let Ok(directory) = fs.resolve(None, &program.directory, Follow::Yes, &identity_of(&root)) {
            fs.set_cwd(directory);
        }
        let files = FdTable::new();
        for (fd, file) in (0..).zip(&self.stdio) {
            if let Some(file) = file {
                files.replace(fd, Arc::clone(file), CloseOnExec::No)?;
            }
        }
        let name = program.arguments.first().ok_or(Errno::ENOENT)?;
        if let Some(console) = &self.console {
            let program = self.processes.program_pid();
            console.set_job(Job { session: program, group: program });
        }
        let mut refusal = Errno::ENOENT;
        for path in candidates(name, &program.environment) {
            let start = Start {
                path,
                argv: program.arguments.clone(),
                envp: program.environment.clone(),
                files: Arc::clone(&files),
                fs: Arc::clone(&fs),
                credentials: root.clone(),
                ignored: program.ignored,
                terminal: self.console.clone().map(|console| console as _),
            };
            match self.processes.start_program(start) {
                Ok(_) => return Ok(()),
                Err(Errno::ENOENT | Errno::ENOTDIR) => {}
                Err(Errno::EACCES) => refusal = Errno::EACCES,
                Err(errno) => return Err(errno),
            }
        }
        Err(refusal)
    }

    /// The terminal, if one of the standard streams is one.
    fn console(machine: &Machine, stdio: &[Arc<dyn ByteChannel>; 3]) -> Result<Option<Arc<Console>>> {
        let terminal = stdio.iter().find(|channel| channel.kind() == ChannelKind::Terminal);
        terminal.map(|channel| Console::new(machine, Arc::clone(channel))).transpose()
    }

    /// The standard streams as open files.
    fn streams(
        machine: &Machine,
        stdio: &[Arc<dyn ByteChannel>; 3],
        console: Option<&Arc<Console>>,
        mounts: &Arc<MountTable>,
    ) -> Result<[Option<Arc<OpenFile>>; 3]> {
        let terminal = console.map(|console| {
            let request = OpenRequest { flags: OpenFlags::O_RDWR, ..OpenRequest::default() };
            let named = FsContext::new(mounts).open(None, b"/dev/console", request, &identity_of(&Credentials::root()));
            // A root without /dev still has its terminal.
            named.or_else(|_| Ok(OpenFile::new(mounts.admit()?, TtyFile::of(console), OpenFlags::O_RDWR)))
        });
        let terminal = terminal.transpose()?;
        Ok([OpenFlags::empty(), OpenFlags::O_WRONLY, OpenFlags::O_WRONLY].map({
            let mut channels = stdio.iter();
            move |flags| {
                let channel = channels.next()?;
                match (channel.kind(), &terminal) {
                    (ChannelKind::Closed, _) => None,
                    (ChannelKind::Terminal, Some(terminal)) => Some(Arc::clone(terminal)),
                    _ => Some(StreamFile::open(mounts.admit().ok()?, machine, Arc::clone(channel), flags)),
                }
            }
        }))
    }

    fn mount(
        machine: &Machine,
        inodes: &Arc<Quota>,
        boot: &Boot,
        console: Option<&Arc<Console>>,
    ) -> Result<(Arc<MountTable>, Vec<Arc<Console>>)> {
        let root = &boot.root;
        let top = match root {
            Root::Folder(folder) => MemoryFs::over(machine, inodes, ROOT_DEV, folder)?,
            Root::Empty | Root::Archive(_) => MemoryFs::new(machine, inodes, ROOT_DEV, 0o755),
        };
        if let Root::Archive(archive) = root {
            archive.unpack(&top.root())?;
        }
        [b"dev".as_slice(), b"proc", b"sys"].iter().try_for_each(|name| top.make_place(name, 0o755))?;
        if !matches!(root, Root::Folder(_)) {
            top.make_place(b"tmp", 0o1777)?;
        }
        let mounts = MountTable::new(top, b"root", open_files(machine));
        let fifos = Fifos::new(machine);
        let devices = DeviceTable::new(machine, Box::new(move |node, flags| fifos.open(node, flags)));
        devices.add(dev::TTY, Box::new(|_| own_terminal()));
        if let Some(console) = console.cloned() {
            devices.add(dev::CONSOLE, Box::new(move |_| Ok(TtyFile::of(&console))));
        }
        let (nodes, consoles) = devices::add(machine, &boot.devices, &devices)?;
        mounts.set_devices(Arc::new(devices));
        let dev = MemoryFs::new(machine, inodes, DEV_DEV, DEV_MODE);
        dev::populate(&dev.root(), &nodes)?;
        // Nothing of the host's own devices is to be seen.
        let sys = MemoryFs::new(machine, inodes, SYS_DEV, 0o555);
        let fs = FsContext::new(&mounts);
        let root = identity_of(&Credentials::root());
        for (path, tree, flags) in [(b"/dev", dev, 0), (b"/sys", sys, ST_RDONLY)] {
            match fs.resolve(None, path, Follow::No, &root) {
                Ok(at) if at.inode.kind() == FileKind::Directory => drop(mounts.mount(tree, &at, flags, &path[1..])?),
                _ => {}
            }
        }
        Ok((mounts, consoles))
    }

    /// Puts a file into the root, as its owner root would: what a machine without other files starts from.
    pub fn install(&self, path: &[u8], mode: u32, bytes: &[u8]) -> Result<()> {
        let flags = OpenFlags::O_CREAT | OpenFlags::O_EXCL | OpenFlags::O_WRONLY;
        let request = OpenRequest { flags, mode, ..OpenRequest::default() };
        let file = FsContext::new(&self.mounts).open(None, path, request, &identity_of(&Credentials::root()))?;
        let mut source = SliceSource::new(bytes);
        while source.remaining() > 0 {
            file.write(&mut source)?;
        }
        Ok(())
    }

    /// The machine it runs on.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// What time it is.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Who waits for which word of memory.
    pub fn futexes(&self) -> &Arc<FutexTable> {
        &self.futexes
    }

    /// Locks on files.
    pub(crate) fn locks(&self) -> &LockTable {
        &self.locks
    }

    /// Files of memfd_create(2).
    pub(crate) fn nameless(&self) -> &NamelessFiles {
        &self.nameless
    }

    /// Everybody there is.
    pub fn processes(&self) -> &Arc<Processes> {
        &self.processes
    }

    /// What is mounted where.
    pub fn mounts(&self) -> &Arc<MountTable> {
        &self.mounts
    }

    /// A device number for what a program mounts.
    pub(crate) fn next_dev(&self) -> u64 {
        self.next_dev.fetch_add(1)
    }

    /// A number for an inode without a name (a pipe, a pidfd).
    pub fn next_anonymous_inode(&self) -> u64 {
        self.anonymous.fetch_add(1)
    }
}

/// What `/dev/tty` is to whoever opens it.
fn own_terminal() -> Result<Arc<dyn File>> {
    let thread = Thread::current().ok_or(Errno::ENXIO)?;
    thread.process().terminal().map(|terminal| terminal.open()).ok_or(Errno::ENXIO)
}

/// What a status word of wait(2) says.
fn ending_of(status: i32) -> Ending {
    let [low, code, ..] = status.to_le_bytes();
    if low & 0x7f == 0 { Ending::Exited(code) } else { Ending::Killed(low & 0x7f) }
}

/// Where a program may be: its own path, or its name in each directory of PATH.
fn candidates(name: &[u8], environment: &[Vec<u8>]) -> Vec<Vec<u8>> {
    if name.is_empty() {
        return Vec::new();
    }
    if name.contains(&b'/') {
        return vec![name.to_vec()];
    }
    let path = environment.iter().find_map(|entry| entry.strip_prefix(b"PATH="));
    let directories = path.unwrap_or(b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    let join = |directory: &[u8]| [if directory.is_empty() { b"." } else { directory }, b"/", name].concat();
    directories.split(|byte| *byte == b':').map(join).collect()
}

#[cfg(test)]
mod tests {
    use super::{Ending, candidates, ending_of};

    #[test]
    fn a_status_word_tells_code_or_signal() {
        assert_eq!(ending_of(7 << 8), Ending::Exited(7));
        assert_eq!(ending_of(11 | 0x80), Ending::Killed(11));
    }

    #[test]
    fn a_name_without_a_slash_is_looked_for_where_path_says() {
        assert_eq!(candidates(b"./x", &[]), [b"./x".to_vec()]);
        assert_eq!(candidates(b"x", &[b"PATH=/a::/b".to_vec()]), [b"/a/x".to_vec(), b"./x".to_vec(), b"/b/x".to_vec()]);
    }
}
