//! Starting a stub: clone(2) with shared memory, a few direct calls, execveat(2) of a file in memory.
#![expect(unsafe_code, reason = "runs a child on our memory until it execs")]

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};

use libc::{c_int, c_long, c_void, pid_t};

use super::sys::{self, Stop};
use super::{image, sys::trace_me};

/// The executable of all stubs.
pub(super) struct StubFile(File);

impl StubFile {
    /// Writes the executable to a file in memory.
    pub(super) fn new() -> io::Result<Self> {
        let mut file = File::from(sys::executable_memfd(c"orrery-stub")?);
        file.write_all(&image::elf())?;
        Ok(Self(file))
    }

    /// Starts a stub that has `ram` and `commands` open and nothing else. It is traced by this thread and stands at
    /// [`image::ELF_ENTRY`].
    pub(super) fn spawn(&self, ram: RawFd, commands: RawFd) -> io::Result<pid_t> {
        let mut order =
            Order { executable: self.0.as_raw_fd(), ram, commands, parent: std::process::id(), failed: ("", 0) };
        let pid = clone_and_exec(&mut order)?;
        match order.failed {
            ("", _) => {}
            (what, errno) => {
                sys::end(pid);
                let error = io::Error::from_raw_os_error(errno);
                return Err(io::Error::new(error.kind(), format!("starting a stub process: {what}: {error}")));
            }
        }
        // The stop after a successful exec.
        if sys::wait(pid) != Stop::Signal(libc::SIGTRAP) {
            sys::end(pid);
            return Err(io::Error::other("starting a stub process: it died during exec"));
        }
        if let Err(error) = sys::set_options(pid).and_then(|()| sys::clear_signal_mask(pid)) {
            sys::end(pid);
            return Err(error);
        }
        Ok(pid)
    }
}

/// What the child is to do and what became of it.
struct Order {
    executable: RawFd,
    ram: RawFd,
    commands: RawFd,
    parent: u32,
    failed: (&'static str, c_int),
}

/// Runs [`child`] on our memory with every signal blocked, so that no handler of ours runs in it, and returns when it
/// has exec'ed or exited.
fn clone_and_exec(order: &mut Order) -> io::Result<pid_t> {
    const STACK_LEN: usize = 32 * 1024;
    let mut stack = vec![0_u128; STACK_LEN / 16];
    let all = !(1_u64 << (libc::SIGTRAP - 1));
    let mut before = 0_u64;
    signal_mask(Some(&all), Some(&mut before));
    // SAFETY: `child` touches only `order` and its own stack, both of which outlive it, because CLONE_VFORK keeps us
    // here until it has exec'ed or exited; it takes no lock and allocates nothing.
    let (pid, error) = unsafe {
        let top = stack.as_mut_ptr().add(stack.len());
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let pid = libc::clone(child, top.cast(), flags, std::ptr::from_mut(order).cast());
        (pid, io::Error::last_os_error())
    };
    signal_mask(Some(&before), None);
    if pid < 0 { Err(error) } else { Ok(pid) }
}

/// rt_sigprocmask(2) with all 64 signals, including those that the C library keeps to itself.
fn signal_mask(set: Option<&u64>, old: Option<&mut u64>) {
    let set = set.map_or(std::ptr::null(), std::ptr::from_ref);
    let old = old.map_or(std::ptr::null_mut(), std::ptr::from_mut);
    // SAFETY: the kernel reads and writes eight bytes each, where given.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, set, old, 8) };
}

/// The child, from clone to exec.
extern "C" fn child(order: *mut c_void) -> c_int {
    // SAFETY: `clone_and_exec` passes its `order`, which nobody else touches meanwhile.
    let order = unsafe { &mut *order.cast::<Order>() };
    let failed = prepare_and_exec(order);
    // SAFETY: reads this thread's errno, which is the suspended parent's.
    order.failed = (failed, unsafe { *libc::__errno_location() });
    // SAFETY: leaves without running anything of the parent's.
    unsafe { libc::_exit(1) }
}

/// Returns only to say which step failed.
fn prepare_and_exec(order: &Order) -> &'static str {
    const CLOSE_RANGE_MAX: c_long = 0xffff_ffff;
    const EXECUTABLE_FD: RawFd = 5;
    // Out of the way of the numbers that the stub will use.
    const SPARE_FD: c_int = 64;

    // SAFETY: the arguments are plain values or valid for the duration of the call.
    unsafe {
        // In its own session no terminal signal reaches it; it dies with the thread that traces it.
        if libc::setsid() < 0 {
            return "setsid";
        }
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) < 0 || libc::getppid() as u32 != order.parent {
            return "prctl(PR_SET_PDEATHSIG)";
        }
        let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        if libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core) < 0 {
            return "setrlimit(RLIMIT_CORE)";
        }
        // exec resets handlers; what we ignore it would ignore too.
        let default = [0_u64; 4];
        for signal in 1..=64 {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), 0, 8);
        }

        let executable = libc::fcntl(order.executable, libc::F_DUPFD_CLOEXEC, SPARE_FD);
        let ram = libc::fcntl(order.ram, libc::F_DUPFD_CLOEXEC, SPARE_FD);
        let commands = libc::fcntl(order.commands, libc::F_DUPFD_CLOEXEC, SPARE_FD);
        if executable < 0 || ram < 0 || commands < 0 {
            return "fcntl(F_DUPFD)";
        }
        if libc::dup2(ram, image::RAM_FD) < 0
            || libc::dup2(commands, image::COMMAND_FD) < 0
            || libc::dup3(executable, EXECUTABLE_FD, libc::O_CLOEXEC) < 0
        {
            return "dup2";
        }
        for (first, last) in [(0, c_long::from(image::RAM_FD) - 1), (c_long::from(EXECUTABLE_FD) + 1, CLOSE_RANGE_MAX)]
        {
            if libc::syscall(libc::SYS_close_range, first, last, 0) < 0 {
                return "close_range (Linux 5.9 is the oldest that has it)";
            }
        }
        if !trace_me() {
            return "ptrace(PTRACE_TRACEME) is not permitted here";
        }
        let arguments = [c"orrery-stub".as_ptr(), std::ptr::null()];
        let environment = [std::ptr::null::<libc::c_char>()];
        libc::syscall(
            libc::SYS_execveat,
            EXECUTABLE_FD,
            c"".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    "execveat of a memfd"
}
