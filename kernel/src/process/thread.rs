//! A thread: what each has of its own.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use ostd::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};
use ostd::sync::{SpinLock, WaitQueue};
use ostd::task::Task;

use super::spent::Meter;
use super::{Process, Scheduling};
use crate::abi::SigSet;
use crate::abi::flags::{CAP_DAC_OVERRIDE, CAP_FSETID, CAP_IPC_LOCK};
use crate::credentials::Credentials;
use crate::error::Result;
use crate::mm::AddressSpace;
use crate::signal::frame::AltStack;
use crate::signal::{Pending, UNBLOCKABLE};
use crate::vfs::{FdTable, FsContext, Identity};

/// How a call interrupted by a signal without a handler goes on: restart_syscall(2).
pub type Restart = Box<dyn FnOnce(&Arc<Thread>) -> Result + Send>;

/// How late a sleep of the first thread may end.
const SLACK_NS: u64 = 50_000;
/// The longest name of a thread.
pub(super) const NAME_MAX: usize = 15;

/// What a thread does with signals.
#[derive(Default)]
pub(super) struct Signals {
    pub(super) mask: SigSet,
    /// What the mask becomes again after sigsuspend(2) and its kin.
    pub(super) saved: Option<SigSet>,
    /// What rt_sigtimedwait(2) waits for.
    pub(super) awaited: SigSet,
    pub(super) pending: Pending,
    pub(super) stack: AltStack,
    /// Address, error code and number of the last exception.
    pub(super) fault: [u64; 3],
}

/// A thread of a program.
pub struct Thread {
    pub(super) tid: AtomicU32,
    pub(super) process: Arc<Process>,
    pub(super) task: SpinLock<Weak<Task>>,
    pub(super) space: SpinLock<Arc<AddressSpace>>,
    /// Set by execve(2) for the thread's own loop, which keeps the space it runs in.
    pub(super) has_new_space: AtomicBool,
    pub(super) files: SpinLock<Arc<FdTable>>,
    pub(super) fs: SpinLock<Arc<FsContext>>,
    pub(super) credentials: SpinLock<Arc<Credentials>>,
    pub(super) signals: SpinLock<Signals>,
    pub(super) name: SpinLock<Vec<u8>>,
    pub(super) restart: SpinLock<Option<Restart>>,
    /// Where zero is written and a futex woken at its end; 0 is nowhere.
    pub(super) clear_child_tid: AtomicUsize,
    pub(super) robust_list: AtomicUsize,
    /// Where its number is written before it begins; 0 is nowhere.
    pub(super) set_child_tid: AtomicUsize,
    pub(super) leaving: AtomicBool,
    /// Whether it became a user with too many processes, and has executed nothing since.
    became_too_many: AtomicBool,
    /// Whether any call but a few ends it.
    strict: AtomicBool,
    /// Whether it has handed on its locks, at its end.
    owns_no_more: AtomicBool,
    /// How often in a row there was no memory for it.
    pub(super) hungry: AtomicU32,
    pub(super) status: SpinLock<i32>,
    pub(super) meter: Meter,
    pub(super) scheduling: SpinLock<Scheduling>,
    /// How late its sleeps may end, in nanoseconds, and how late they might at first.
    pub(super) slack_ns: SpinLock<(u64, u64)>,
    /// Set when it no longer uses the memory of a parent in vfork(2).
    pub(super) released: AtomicBool,
    pub(super) release: WaitQueue,
}

impl Thread {
    pub(super) fn new(
        tid: i32,
        process: Arc<Process>,
        space: Arc<AddressSpace>,
        files: Arc<FdTable>,
        fs: Arc<FsContext>,
        credentials: Arc<Credentials>,
    ) -> Self {
        Self {
            tid: AtomicU32::new(tid.unsigned_abs()),
            process,
            task: SpinLock::new(Weak::new()),
            space: SpinLock::new(space),
            has_new_space: AtomicBool::new(false),
            files: SpinLock::new(files),
            fs: SpinLock::new(fs),
            credentials: SpinLock::new(credentials),
            signals: SpinLock::default(),
            name: SpinLock::default(),
            restart: SpinLock::new(None),
            clear_child_tid: AtomicUsize::new(0),
            robust_list: AtomicUsize::new(0),
            set_child_tid: AtomicUsize::new(0),
            leaving: AtomicBool::new(false),
            became_too_many: AtomicBool::new(false),
            strict: AtomicBool::new(false),
            owns_no_more: AtomicBool::new(false),
            hungry: AtomicU32::new(0),
            status: SpinLock::new(0),
            meter: Meter::default(),
            scheduling: SpinLock::default(),
            slack_ns: SpinLock::new((SLACK_NS, SLACK_NS)),
            released: AtomicBool::new(false),
            release: WaitQueue::new(),
        }
    }

    /// The thread on whose behalf this code runs; `None` in tasks of the kernel's own.
    pub fn current() -> Option<Arc<Self>> {
        Task::current()?.data::<Weak<Self>>().and_then(Weak::upgrade)
    }

    /// Its number.
    pub fn tid(&self) -> i32 {
        self.tid.load() as i32
    }

    /// Its process.
    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }

    /// Its memory.
    pub fn space(&self) -> Arc<AddressSpace> {
        self.space.lock().clone()
    }

    /// Its descriptors.
    pub fn files(&self) -> Arc<FdTable> {
        self.files.lock().clone()
    }

    /// Its root, working directory and umask.
    pub fn fs(&self) -> Arc<FsContext> {
        self.fs.lock().clone()
    }

    /// What it may do.
    pub fn credentials(&self) -> Arc<Credentials> {
        self.credentials.lock().clone()
    }

    /// Changes what it may do. Who begins to act for somebody else, or may do more, is nobody's to look into, and no
    /// longer told of its parent's end: prctl(2).
    pub fn set_credentials(&self, new: Credentials) {
        let new = Arc::new(new);
        let old = core::mem::replace(&mut *self.credentials.lock(), Arc::clone(&new));
        if new.acts_for_others_than(&old) {
            self.process.set_dumpable(false);
            self.process.set_death_signal(None);
        }
        let locks_otherwise = old.can(CAP_IPC_LOCK) != new.can(CAP_IPC_LOCK);
        drop(old);
        let old = core::mem::replace(&mut *self.process.credentials.lock(), new);
        drop(old);
        if locks_otherwise {
            self.space().set_limits(self.process.memory_limits());
        }
    }

    /// Whether it became a user with too many processes, and has executed nothing since.
    pub fn became_too_many(&self) -> bool {
        self.became_too_many.load()
    }

    /// Says whether it has.
    pub fn set_became_too_many(&self, too_many: bool) {
        self.became_too_many.store(too_many);
    }

    /// Whether any call but read, write, exit and rt_sigreturn ends it (`SECCOMP_MODE_STRICT`).
    pub fn is_strict(&self) -> bool {
        self.strict.load()
    }

    /// From now on it does.
    pub fn set_strict(&self) {
        self.strict.store(true);
    }

    /// Gives it descriptors of its own, unshare(2).
    pub fn set_files(&self, files: Arc<FdTable>) {
        let old = core::mem::replace(&mut *self.files.lock(), files);
        drop(old);
    }

    /// Its name, as prctl(2) and /proc tell it.
    pub fn name(&self) -> Vec<u8> {
        self.name.lock().clone()
    }

    /// Names it; what is too long is cut off.
    pub fn set_name(&self, name: &[u8]) {
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len()).min(NAME_MAX);
        *self.name.lock() = name[..end].to_vec();
    }

    /// Where the list of its robust futexes begins; 0 when there is none.
    pub fn robust_list(&self) -> usize {
        self.robust_list.load()
    }

    /// Says where, set_robust_list(2).
    pub fn set_robust_list(&self, head: usize) {
        self.robust_list.store(head);
    }

    /// Whether it can own a lock that the kernel hands on: not when it has handed on all that it owned, at its end.
    pub fn may_own(&self) -> bool {
        !self.owns_no_more.load()
    }

    /// It has handed on its locks: if it is at its end, nobody may wait for it any more.
    pub fn set_owns_no_more(&self) {
        self.owns_no_more.store(self.is_ending());
    }

    /// Where zero is written at its end; 0 is nowhere.
    pub fn clear_child_tid(&self) -> usize {
        self.clear_child_tid.load()
    }

    /// Says where, set_tid_address(2).
    pub fn set_clear_child_tid(&self, at: usize) {
        self.clear_child_tid.store(at);
    }

    /// Its task, while it has one.
    pub fn task(&self) -> Option<Arc<Task>> {
        self.task.lock().upgrade()
    }

    /// Asks it to look up.
    pub fn interrupt(&self) {
        if let Some(task) = self.task() {
            task.interrupt();
        }
    }

    /// What it blocks.
    pub fn mask(&self) -> SigSet {
        self.signals.lock().mask
    }

    /// Changes what it blocks; signals that were waiting are delivered before it goes on.
    pub fn set_mask(&self, mask: SigSet) {
        self.signals.lock().mask = mask.difference(UNBLOCKABLE);
        self.look_up_if_signalled();
    }

    /// Changes what it blocks until the call at hand is over and its signals have been delivered.
    pub fn set_mask_for_now(&self, mask: SigSet) {
        let mut signals = self.signals.lock();
        let old = core::mem::replace(&mut signals.mask, mask.difference(UNBLOCKABLE));
        signals.saved.get_or_insert(old);
        drop(signals);
        self.look_up_if_signalled();
    }

    /// Interrupts it if a signal waits that the mask lets through now; it would end a sleep for nothing otherwise.
    fn look_up_if_signalled(&self) {
        if !self.pending().difference(self.mask()).is_empty() {
            self.interrupt();
        }
    }

    /// Takes [`set_mask_for_now`](Self::set_mask_for_now) back: the call ended without a signal.
    pub fn restore_mask(&self) {
        let mut signals = self.signals.lock();
        if let Some(mask) = signals.saved.take() {
            signals.mask = mask;
        }
    }

    /// What waits for it: its own signals and its process's.
    pub fn pending(&self) -> SigSet {
        let own = self.signals.lock().pending.set();
        own.union(self.process.pending())
    }

    /// Its alternate signal stack.
    pub fn alt_stack(&self) -> AltStack {
        self.signals.lock().stack
    }

    /// Changes it.
    pub fn set_alt_stack(&self, stack: AltStack) {
        self.signals.lock().stack = stack;
    }

    /// How late its sleeps may end (`PR_SET_TIMERSLACK`). It is remembered; no sleep ends late on purpose.
    pub fn slack_ns(&self) -> u64 {
        self.slack_ns.lock().0
    }

    /// Says how late; zero is what it was at first.
    pub fn set_slack_ns(&self, slack_ns: u64) {
        let mut slack = self.slack_ns.lock();
        slack.0 = if slack_ns == 0 { slack.1 } else { slack_ns };
    }

    /// Says how the call at hand goes on if it returns `ERESTART_RESTARTBLOCK`.
    pub fn set_restart(&self, restart: Restart) {
        let old = self.restart.lock().replace(restart);
        drop(old);
    }

    /// Takes that.
    pub fn take_restart(&self) -> Option<Restart> {
        self.restart.lock().take()
    }

    /// Whether its process is at its end, or it is itself.
    pub fn is_ending(&self) -> bool {
        self.leaving.load() || self.process.ending().is_some()
    }
}

/// On whose behalf files are used by somebody with these credentials.
pub fn identity_of(credentials: &Credentials) -> Identity {
    Identity {
        uid: credentials.user.fs,
        gid: credentials.group.fs,
        groups: credentials.groups.to_vec(),
        may_override: credentials.can(CAP_DAC_OVERRIDE),
        keeps_set_ids: credentials.can(CAP_FSETID),
    }
}

impl Thread {
    /// On whose behalf it uses files.
    pub fn identity(&self) -> Identity {
        identity_of(&self.credentials.lock())
    }
}
