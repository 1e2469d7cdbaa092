//! Everybody: the table of processes and threads, and the first program.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use ostd::Machine;
use ostd::sync::{Rank, Sleep, SpinLock, WaitQueue};
use ostd::task::Task;
use ostd::user::UserContext;

use super::exec::{Executable, Failure, Words};
use super::tree::{State, Tree};
use super::{Calls, ControllingTerminal, Found, Names, PROCESSES_MAX, Process, Session, Thread, Who};
use crate::abi::flags::{SIG_IGN, WaitOptions};
use crate::abi::structs::{Sigaction, Siginfo, status_signaled};
use crate::abi::{SigSet, Signal};
use crate::credentials::Credentials;
use crate::error::{Errno, Result};
use crate::mm::{AddressSpace, MemoryLimits, Relief};
use crate::vfs::{FdTable, Follow, FsContext};

/// The tree of processes.
const TREE: Rank = Rank::new("process tree", 100);
/// What the program is that the machine was started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// Process 2, one like any other. The kernel is process 1, and takes orphans, which it does not keep waiting.
    Program,
    /// Process 1, which takes orphans and does not hear signals for which it has no handler.
    Init,
}

impl First {
    /// The kernel's own number: that of the first program's parent.
    fn kernel_pid(self) -> i32 {
        match self {
            Self::Program => 1,
            Self::Init => 0,
        }
    }
}

/// How long those who were killed have before they are killed again.
const KILL_AGAIN_NS: u64 = 10_000_000;

/// The first program.
pub struct Program {
    /// Its file's path.
    pub path: Vec<u8>,
    /// Its arguments, its name first.
    pub argv: Vec<Vec<u8>>,
    /// Its environment.
    pub envp: Vec<Vec<u8>>,
    /// Its descriptors.
    pub files: Arc<FdTable>,
    /// Its root, working directory and umask.
    pub fs: Arc<FsContext>,
    /// What it may do.
    pub credentials: Credentials,
    /// The signals it begins with ignoring.
    pub ignored: SigSet,
    /// Its session's terminal.
    pub terminal: Option<Arc<dyn ControllingTerminal>>,
}

/// The table.
pub struct Processes {
    machine: Machine,
    first: First,
    pub(super) calls: Arc<dyn Calls>,
    pub(super) tree: SpinLock<Tree<Arc<Process>>>,
    pub(super) threads: SpinLock<BTreeMap<i32, Weak<Thread>>>,
    /// What dead threads still hold in the place of memory.
    pub(super) nothing: Arc<AddressSpace>,
    pub(super) program_status: SpinLock<Option<i32>>,
    pub(super) ended: WaitQueue,
    forks: ostd::sync::atomic::AtomicU64,
    names: Names,
}

impl Processes {
    /// A table with nobody in it but the kernel. System calls go to `calls`; `nothing`, an empty address space, is what
    /// dead threads have.
    pub fn new(machine: &Machine, first: First, nothing: Arc<AddressSpace>, calls: Arc<dyn Calls>) -> Arc<Self> {
        let pid = first.kernel_pid();
        let now = machine.monotonic_ns();
        Arc::new_cyclic(|processes| {
            let kernel = Arc::new(Process::first(pid, Weak::clone(processes), Arc::new(Credentials::root()), now));
            Self {
                machine: machine.clone(),
                first,
                calls,
                tree: SpinLock::ranked(TREE, Tree::new(pid, kernel)),
                threads: SpinLock::default(),
                nothing,
                program_status: SpinLock::new(None),
                ended: WaitQueue::new(),
                forks: ostd::sync::atomic::AtomicU64::new(0),
                names: Names::default(),
            }
        })
    }

    /// The machine.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The kernel itself: parent of the first program.
    pub fn kernel_pid(&self) -> i32 {
        self.first.kernel_pid()
    }

    /// The program the machine was started for.
    pub fn program_pid(&self) -> i32 {
        self.kernel_pid() + 1
    }

    /// What host and domain are called.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Starts the first program, in a session of its own. Call it in a task: reading the file may sleep.
    pub fn start_program(self: &Arc<Self>, program: Program) -> Result<Arc<Process>> {
        let Program { path, argv, envp, files, fs, credentials, ignored, terminal } = program;
        let limits = MemoryLimits::default();
        let credentials = Arc::new(credentials);
        let words = Words::new(argv, envp, &path, limits.stack)?;
        let executable = Executable::open(&fs, &credentials, None, &path, Follow::Yes)?;
        let image = super::exec::load(self, &fs, &credentials, executable, words, limits).map_err(Failure::errno)?;
        let open_regs = image.regs();
        let pid = self.program_pid();
        let now = self.machine.monotonic_ns();
        let process = Arc::new(Process::first(pid, Arc::downgrade(self), Arc::clone(&credentials), now));
        *process.info.lock() = Arc::new(image.info.clone());
        process.set_reaper(self.first == First::Init);
        process.is_unkillable.store(self.first == First::Init);
        process.session().set_terminal(terminal);
        for signal in ignored.iter() {
            let action = Sigaction { handler: SIG_IGN, ..Sigaction::default() };
            process.actions().lock().set(signal, action);
        }
        let thread = Arc::new(Thread::new(pid, Arc::clone(&process), image.space, files, fs, credentials));
        thread.set_name(&image.name);
        {
            let mut tree = self.tree.lock();
            if tree.get(pid).is_some() {
                return Err(Errno::EBUSY);
            }
            tree.next_pid(|_| false);
            tree.add(pid, self.kernel_pid(), Signal::SIGCHLD.number(), Arc::clone(&process));
            tree.set_session(pid)?;
        }
        self.enlist(&thread);
        let user = UserContext::new(&self.machine, open_regs);
        super::run::start(thread, user)?;
        Ok(process)
    }

    /// Sleeps until the first program has ended and everybody it left behind has been killed; gives its status word.
    /// Call it in a task.
    pub fn wait_for_program(&self) -> i32 {
        let over = || *self.program_status.lock();
        let status = self.ended.wait_until(Sleep::uninterruptible(), over).unwrap_or(0);
        self.kill_all(u64::MAX);
        status
    }

    /// Kills everybody and sleeps until they are gone, at most until `deadline_ns`. Call it in a task.
    pub fn kill_all(&self, deadline_ns: u64) {
        let alone = || self.is_alone().then_some(());
        // Again and again: somebody may just have been forked.
        while !self.is_alone() && self.machine.monotonic_ns() < deadline_ns {
            for process in self.all() {
                process.begin_exit(status_signaled(Signal::SIGKILL.number(), false));
            }
            let look_again_ns = self.machine.monotonic_ns().saturating_add(KILL_AGAIN_NS);
            let sleep = Sleep::uninterruptible().until(Some(deadline_ns.min(look_again_ns)));
            let _ = self.ended.wait_until(sleep, alone);
        }
    }

    /// Whether nobody is there but the kernel.
    pub fn is_alone(&self) -> bool {
        self.tree.lock().len() == 1
    }

    /// The first program's status word, once it has ended.
    pub fn program_status(&self) -> Option<i32> {
        *self.program_status.lock()
    }

    /// A process, zombies included.
    pub fn find(&self, pid: i32) -> Option<Arc<Process>> {
        self.tree.lock().get(pid)
    }

    /// Whether another thread, of whatever process, uses the same memory.
    pub(super) fn share_memory_with(&self, thread: &Thread) -> bool {
        let others: Vec<_> = self.threads.lock().values().filter_map(Weak::upgrade).collect();
        let space = thread.space();
        others.iter().any(|other| other.tid() != thread.tid() && Arc::ptr_eq(&other.space(), &space))
    }

    /// A living thread.
    pub fn find_thread(&self, tid: i32) -> Option<Arc<Thread>> {
        self.threads.lock().get(&tid).and_then(Weak::upgrade)
    }

    /// Everybody but the kernel, zombies included.
    pub fn all(&self) -> Vec<Arc<Process>> {
        self.tree.lock().select(|pid, _, _| pid != self.kernel_pid())
    }

    /// The members of a process group.
    pub fn group(&self, group: i32) -> Vec<Arc<Process>> {
        self.tree.lock().select(|pid, of, _| pid != self.kernel_pid() && of == group)
    }

    /// Parent, group, session and state of a process.
    pub fn place(&self, pid: i32) -> Option<(i32, i32, i32, State)> {
        self.tree.lock().place(pid)
    }

    /// A process's children.
    pub fn children(&self, pid: i32) -> Vec<i32> {
        self.tree.lock().children(pid)
    }

    /// setsid(2).
    pub fn set_session(&self, process: &Process) -> Result<i32> {
        self.tree.lock().set_session(process.pid())?;
        let old = core::mem::replace(&mut *process.session.lock(), Session::new(process.pid()));
        drop(old);
        process.has_left_terminal.store(false);
        Ok(process.pid())
    }

    /// setpgid(2).
    pub fn set_group(&self, caller: i32, pid: i32, group: i32) -> Result<()> {
        self.tree.lock().set_group(caller, pid, group, |process| process.has_executed.load())
    }

    /// Whether stops from the terminal do nothing to a group.
    pub fn is_orphaned(&self, group: i32) -> bool {
        self.tree.lock().is_orphaned(group)
    }

    /// Sends a signal to every member of a group; ESRCH when there is none.
    pub fn signal_group(&self, group: i32, signal: Signal, info: Siginfo) -> Result<()> {
        let members = self.group(group);
        if members.is_empty() {
            return Err(Errno::ESRCH);
        }
        members.iter().try_for_each(|member| member.send(signal, info))
    }

    /// Processes and threads started since boot, for /proc/stat.
    pub fn fork_count(&self) -> u64 {
        self.forks.load()
    }

    /// How many threads live.
    pub fn thread_count(&self) -> usize {
        self.threads.lock().len()
    }

    pub(super) fn find_child(
        &self,
        parent: i32,
        who: Who,
        options: WaitOptions,
    ) -> Result<Option<(Found, Option<Arc<Process>>)>> {
        self.tree.lock().find(parent, who, options)
    }

    pub(super) fn enlist(&self, thread: &Arc<Thread>) {
        self.forks.fetch_add(1);
        self.threads.lock().insert(thread.tid(), Arc::downgrade(thread));
        thread.process.threads.lock().insert(thread.tid(), Arc::downgrade(thread));
    }

    /// Takes a thread off the table; returns whether it was the last of its process.
    pub(super) fn strike(&self, thread: &Thread) -> bool {
        self.threads.lock().remove(&thread.tid());
        let mut threads = thread.process.threads.lock();
        threads.remove(&thread.tid());
        threads.is_empty()
    }

    /// Threads whose real user is `user`; zombies count.
    pub fn count_of(&self, user: u32) -> u64 {
        let all = self.all();
        let owned = all.iter().filter(|process| process.credentials().user.real == user);
        owned.map(|process| process.threads().len().max(1) as u64).sum()
    }

    /// A free number, and whether the caller's user may have one more.
    pub(super) fn next_pid(&self, who: &Credentials, limit: u64) -> Result<i32> {
        let taken: Vec<i32> = self.threads.lock().keys().copied().collect();
        if taken.len() >= PROCESSES_MAX {
            return Err(Errno::EAGAIN);
        }
        if who.user.real != 0 && self.count_of(who.user.real) >= limit {
            return Err(Errno::EAGAIN);
        }
        Ok(self.tree.lock().next_pid(|pid| taken.binary_search(&pid).is_ok()))
    }

    /// No frame is left for `thread`, which will try again: kills whoever has most, unless somebody is dying already.
    pub(super) fn out_of_memory(&self, thread: &Thread) {
        /// So often a thread waits for others to let go; then it is its own turn, however little it has.
        const TRIES_MAX: u32 = 1000;
        let all = self.all();
        let tries = thread.hungry.fetch_add(1);
        let is_dying = |process: &Arc<Process>| process.ending().is_some() && !process.threads().is_empty();
        if tries < TRIES_MAX && all.iter().any(is_dying) {
            return Task::yield_now();
        }
        thread.hungry.store(0);
        let size = |process: &Arc<Process>| {
            process.threads().first().map_or(0, |thread| thread.space().usage().resident_pages)
        };
        let largest = all.iter().filter(|process| process.ending().is_none()).max_by_key(|process| size(process));
        let victim = if tries < TRIES_MAX { largest } else { None }.unwrap_or(&thread.process);
        tracing::error!(pid = victim.pid(), "killed: no memory is left");
        victim.begin_exit(status_signaled(Signal::SIGKILL.number(), false));
        Task::yield_now();
    }
}

impl Relief for Processes {
    fn relieve(&self) -> bool {
        let Some(thread) = Thread::current().filter(|thread| !thread.is_ending()) else { return false };
        self.out_of_memory(&thread);
        !thread.is_ending()
    }
}
