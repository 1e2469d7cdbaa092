//! A process: what its threads share.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use ostd::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use ostd::sync::{SpinLock, WaitQueue};

use super::timers::Timers;
use super::{Limits, Processes, Scheduling, Session, Thread};
use crate::abi::Signal;
use crate::abi::flags::{CAP_IPC_LOCK, PR_MDWE_NO_INHERIT, PR_MDWE_REFUSE_EXEC_GAIN, RLIM_INFINITY, Resource};
use crate::credentials::Credentials;
use crate::mm::MemoryLimits;
use crate::signal::{Actions, Pending};
use crate::vfs::Path;

/// What /proc tells of the program a process executes.
#[derive(Clone, Default)]
pub struct ExecInfo {
    /// The file: of a script, its interpreter.
    pub file: Option<Path>,
    /// Where its arguments are in its memory.
    pub args: (usize, usize),
    /// Where its environment is.
    pub env: (usize, usize),
    /// Where its auxiliary vector is.
    pub auxv: (usize, usize),
    /// Where its stack began.
    pub stack: usize,
}

/// That it is decided how a process ends.
const ENDS: u64 = 1 << 32;

/// A thread group.
pub struct Process {
    pid: i32,
    processes: Weak<Processes>,
    pub(super) threads: SpinLock<BTreeMap<i32, Weak<Thread>>>,
    pub(super) actions: SpinLock<Arc<SpinLock<Actions>>>,
    pub(super) pending: SpinLock<Pending>,
    /// A child's are its parent's until one of them changes something.
    pub(super) limits: SpinLock<Arc<Limits>>,
    pub(super) session: SpinLock<Arc<Session>>,
    /// The first thread's credentials, for who asks about the process.
    pub(super) credentials: SpinLock<Arc<Credentials>>,
    pub(super) info: SpinLock<Arc<ExecInfo>>,
    /// The status word it will end with, and [`ENDS`], once that is decided; zero before.
    ending: AtomicU64,
    /// The status word of the first thread, or of the last.
    pub(super) first_status: SpinLock<Option<i32>>,
    /// The thread that executes a new program, and so outlives the others.
    pub(super) survivor: SpinLock<Option<i32>>,
    /// The signal that stopped it; 0 while it runs.
    pub(super) stopped: AtomicU32,
    pub(super) resumed: WaitQueue,
    pub(super) children_changed: WaitQueue,
    pub(super) threads_changed: WaitQueue,
    pub(super) has_executed: AtomicBool,
    /// Whether it gave up its session's terminal (TIOCNOTTY).
    pub(super) has_left_terminal: AtomicBool,
    /// How its first thread asked to be scheduled, once that is gone.
    pub(super) scheduling: SpinLock<Scheduling>,
    pub(super) started_ns: AtomicU64,
    /// Apart: allocators have pieces of a kilobyte at hand, and no longer ones.
    pub(super) timers: Box<Timers>,
    /// The signal it wants when its parent ends; 0 is none.
    pub(super) death_signal: AtomicU32,
    /// Whether orphans among its descendants become its children.
    pub(super) is_reaper: AtomicBool,
    /// Whether signals do nothing to it for which it has no handler: it is init. What the processor raises still does.
    pub(super) is_unkillable: AtomicBool,
    /// Whether it asked to leave no core.
    pub(super) is_secret: AtomicBool,
    /// What personality(2) was told.
    pub(super) persona: AtomicU32,
    /// Whether it wants no large pages.
    pub(super) has_small_pages: AtomicBool,
    /// `PR_MDWE_*`.
    pub(super) no_exec_gain: AtomicU32,
    /// Whether its last thread has ended.
    pub(super) is_gone: AtomicBool,
    pub(super) gone: WaitQueue,
    /// Who wants to know of every signal.
    watchers: SpinLock<Vec<Weak<WaitQueue>>>,
}

impl Process {
    fn new(
        pid: i32,
        processes: Weak<Processes>,
        session: Arc<Session>,
        actions: Arc<SpinLock<Actions>>,
        credentials: Arc<Credentials>,
        now_ns: u64,
    ) -> Self {
        Self {
            pid,
            processes,
            threads: SpinLock::default(),
            actions: SpinLock::new(actions),
            pending: SpinLock::default(),
            limits: SpinLock::default(),
            session: SpinLock::new(session),
            credentials: SpinLock::new(credentials),
            info: SpinLock::default(),
            ending: AtomicU64::new(0),
            first_status: SpinLock::new(None),
            survivor: SpinLock::new(None),
            stopped: AtomicU32::new(0),
            resumed: WaitQueue::new(),
            children_changed: WaitQueue::new(),
            threads_changed: WaitQueue::new(),
            has_executed: AtomicBool::new(false),
            has_left_terminal: AtomicBool::new(false),
            scheduling: SpinLock::default(),
            started_ns: AtomicU64::new(now_ns),
            timers: Box::default(),
            death_signal: AtomicU32::new(0),
            is_reaper: AtomicBool::new(false),
            is_unkillable: AtomicBool::new(false),
            is_secret: AtomicBool::new(false),
            persona: AtomicU32::new(0),
            has_small_pages: AtomicBool::new(false),
            no_exec_gain: AtomicU32::new(0),
            is_gone: AtomicBool::new(false),
            gone: WaitQueue::new(),
            watchers: SpinLock::default(),
        }
    }

    /// One that has nothing of a parent's.
    pub(super) fn first(pid: i32, processes: Weak<Processes>, credentials: Arc<Credentials>, now_ns: u64) -> Self {
        Self::new(pid, processes, Session::new(pid), Arc::default(), credentials, now_ns)
    }

    /// A child that begins with what `parent` has, and acts for `credentials`. Out of line: a process is large, and the
    /// forker's stack goes deeper yet.
    #[inline(never)]
    pub(super) fn child_of(
        parent: &Self,
        pid: i32,
        actions: Arc<SpinLock<Actions>>,
        credentials: Arc<Credentials>,
        now_ns: u64,
    ) -> Arc<Self> {
        let child = Self::new(pid, parent.processes.clone(), parent.session(), actions, credentials, now_ns);
        let mut child = Arc::new(child);
        // In its place: it would be on the stack twice otherwise.
        let own = Arc::get_mut(&mut child).expect("nobody else has it yet");
        *own.limits.get_mut() = parent.limits();
        *own.info.get_mut() = parent.info();
        if own.limits.get_mut().soft(Resource::RLIMIT_CPU) != RLIM_INFINITY {
            own.watch_cpu_time();
        }
        own.is_secret = AtomicBool::new(parent.is_secret.load());
        own.persona = AtomicU32::new(parent.persona.load());
        own.has_small_pages = AtomicBool::new(parent.has_small_pages.load());
        let no_exec_gain = parent.no_exec_gain.load();
        if no_exec_gain & PR_MDWE_NO_INHERIT == 0 {
            own.no_exec_gain = AtomicU32::new(no_exec_gain);
        }
        own.has_left_terminal = AtomicBool::new(parent.has_left_terminal.load());
        child
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Everybody.
    pub fn processes(&self) -> Option<Arc<Processes>> {
        self.processes.upgrade()
    }

    /// The signal it wants when its parent ends (`PR_SET_PDEATHSIG`).
    pub fn death_signal(&self) -> Option<Signal> {
        Signal::from_number(self.death_signal.load() as i32)
    }

    /// Says which it wants.
    pub fn set_death_signal(&self, signal: Option<Signal>) {
        self.death_signal.store(signal.map_or(0, |signal| signal.number().unsigned_abs()));
    }

    /// Whether orphans among its descendants become its children (`PR_SET_CHILD_SUBREAPER`).
    pub fn is_reaper(&self) -> bool {
        self.is_reaper.load()
    }

    /// Says whether they do.
    pub fn set_reaper(&self, reaper: bool) {
        self.is_reaper.store(reaper);
    }

    /// Whether it leaves a core, and others may look into it (`PR_SET_DUMPABLE`).
    pub fn is_dumpable(&self) -> bool {
        !self.is_secret.load()
    }

    /// Says whether it does.
    pub fn set_dumpable(&self, dumpable: bool) {
        self.is_secret.store(!dumpable);
    }

    /// Whether a parent is told of a core: none is written here, and with the usual limit none is on Linux.
    pub fn may_leave_core(&self) -> bool {
        self.is_dumpable() && self.limit(Resource::RLIMIT_CORE) > 0
    }

    /// What personality(2) was told.
    pub fn personality(&self) -> u32 {
        self.persona.load()
    }

    /// Tells it.
    pub fn set_personality(&self, persona: u32) {
        self.persona.store(persona);
    }

    /// Whether it wants no large pages (`PR_SET_THP_DISABLE`): there are none.
    pub fn has_small_pages(&self) -> bool {
        self.has_small_pages.load()
    }

    /// Says whether it does.
    pub fn set_small_pages(&self, only: bool) {
        self.has_small_pages.store(only);
    }

    /// How its memory may become executable (`PR_SET_MDWE`).
    pub fn no_exec_gain(&self) -> u32 {
        self.no_exec_gain.load()
    }

    /// Says how; its address space is to be told of the new limits.
    pub fn set_no_exec_gain(&self, bits: u32) {
        self.no_exec_gain.store(bits);
    }

    /// Its living threads, the first one first.
    pub fn threads(&self) -> Vec<Arc<Thread>> {
        let mut threads: Vec<_> = self.threads.lock().values().filter_map(Weak::upgrade).collect();
        threads.sort_by_key(|thread| (thread.tid() != self.pid, thread.tid()));
        threads
    }

    /// The table of actions, which other processes may share (`CLONE_SIGHAND`).
    pub fn actions(&self) -> Arc<SpinLock<Actions>> {
        self.actions.lock().clone()
    }

    /// All limits.
    pub fn limits(&self) -> Arc<Limits> {
        self.limits.lock().clone()
    }

    /// The limit in force on `resource`.
    pub fn limit(&self, resource: Resource) -> u64 {
        self.limits.lock().soft(resource)
    }

    /// What its memory is limited to: `RLIMIT_AS`, `RLIMIT_DATA`, `RLIMIT_STACK`.
    pub fn memory_limits(&self) -> MemoryLimits {
        let limits = self.limits();
        let soft = |resource| usize::try_from(limits.soft(resource)).unwrap_or(usize::MAX);
        let locks_anything = self.credentials().can(CAP_IPC_LOCK);
        MemoryLimits {
            total: soft(Resource::RLIMIT_AS),
            data: soft(Resource::RLIMIT_DATA),
            stack: soft(Resource::RLIMIT_STACK),
            locked: if locks_anything { usize::MAX } else { soft(Resource::RLIMIT_MEMLOCK) },
            no_exec_gain: self.no_exec_gain() & PR_MDWE_REFUSE_EXEC_GAIN != 0,
        }
    }

    /// Changes the limits.
    pub fn with_limits<R>(&self, change: impl FnOnce(&mut Limits) -> R) -> R {
        change(Arc::make_mut(&mut self.limits.lock()))
    }

    /// Its session.
    pub fn session(&self) -> Arc<Session> {
        self.session.lock().clone()
    }

    /// Whose it is.
    pub fn credentials(&self) -> Arc<Credentials> {
        self.credentials.lock().clone()
    }

    /// What it executes.
    pub fn info(&self) -> Arc<ExecInfo> {
        self.info.lock().clone()
    }

    /// The signal that stopped it, while it is stopped.
    pub fn stopped_by(&self) -> Option<Signal> {
        Signal::from_number(self.stopped.load() as i32)
    }

    /// The status word it is ending with.
    pub fn ending(&self) -> Option<i32> {
        let word = self.ending.load();
        (word != 0).then_some(word as i32)
    }

    /// Decides it, unless that has been done.
    pub(super) fn decide_ending(&self, status: i32) {
        let _ = self.ending.compare_exchange(0, ENDS | u64::from(status.cast_unsigned()));
    }

    /// When it began, on the monotonic clock.
    pub fn started_ns(&self) -> u64 {
        self.started_ns.load()
    }

    /// Whether its last thread has ended.
    pub fn has_ended(&self) -> bool {
        self.is_gone.load()
    }

    /// Woken when that happens.
    pub fn end_queue(&self) -> &WaitQueue {
        &self.gone
    }

    /// Woken when a thread has ended.
    pub fn threads_queue(&self) -> &WaitQueue {
        &self.threads_changed
    }

    /// Wakes `queue` with every signal that is sent from now on.
    pub fn watch_signals(&self, queue: &Arc<WaitQueue>) {
        let mut watchers = self.watchers.lock();
        if !watchers.iter().any(|watcher| core::ptr::eq(watcher.as_ptr(), Arc::as_ptr(queue))) {
            watchers.retain(|watcher| watcher.strong_count() > 0);
            watchers.push(Arc::downgrade(queue));
        }
    }

    pub(super) fn tell_watchers(&self) {
        let watchers: Vec<_> = self.watchers.lock().iter().filter_map(Weak::upgrade).collect();
        for watcher in watchers {
            watcher.wake_all();
        }
    }

    /// Signals sent to the process as a whole and not yet delivered.
    pub fn pending(&self) -> crate::abi::SigSet {
        self.pending.lock().set()
    }
}

// An `Arc` of it is a piece that allocators keep at hand, as they do up to a kilobyte.
const _: () = assert!(size_of::<Process>() + 2 * size_of::<usize>() <= 1024);
