//! How a thread asked to be scheduled. All take turns alike: what was asked for is remembered, inherited and told.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Process, Processes, Thread};
use crate::abi::flags::SchedPolicy;
use crate::credentials::Credentials;

/// What sched_setscheduler(2), sched_setaffinity(2), setpriority(2) and ioprio_set(2) have set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduling {
    /// Its policy.
    pub policy: SchedPolicy,
    /// Its static priority, 1 to 99 under a real-time policy, else 0.
    pub priority: i32,
    /// How much it gives way to others, -20 to 19.
    pub nice: i32,
    /// Whether children lose a real-time policy, and what is not nice: `SCHED_RESET_ON_FORK`.
    pub resets_on_fork: bool,
    /// Bit `n` for CPU `n`.
    pub cpus: u64,
    /// Class and level for disks.
    pub io_priority: u16,
}

impl Default for Scheduling {
    fn default() -> Self {
        let policy = SchedPolicy::SCHED_NORMAL;
        Self { policy, priority: 0, nice: 0, resets_on_fork: false, cpus: u64::MAX, io_priority: 0 }
    }
}

impl Scheduling {
    /// What a child begins with.
    pub(super) fn of_child(self) -> Self {
        if !self.resets_on_fork {
            return self;
        }
        let is_realtime = matches!(self.policy, SchedPolicy::SCHED_FIFO | SchedPolicy::SCHED_RR);
        if is_realtime {
            return Self { cpus: self.cpus, io_priority: self.io_priority, ..Self::default() };
        }
        Self { resets_on_fork: false, nice: self.nice.max(0), ..self }
    }
}

impl Thread {
    /// How it asked to be scheduled.
    pub fn scheduling(&self) -> Scheduling {
        *self.scheduling.lock()
    }
}

/// Who is scheduled: a thread, or, as long as nobody has waited for it, what is left of a process's first one.
pub struct Scheduled {
    /// The process, of which a dead one is the first.
    process: Arc<Process>,
    /// None of a dead one.
    thread: Option<Arc<Thread>>,
}

impl Scheduled {
    /// The process it belongs to.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Whether it still runs.
    pub fn is_alive(&self) -> bool {
        self.thread.is_some()
    }

    /// For whom it acts.
    pub fn credentials(&self) -> Arc<Credentials> {
        self.thread.as_ref().map_or_else(|| self.process.credentials(), |thread| thread.credentials())
    }

    /// How it asked to be scheduled.
    pub fn scheduling(&self) -> Scheduling {
        self.with(|scheduling| *scheduling)
    }

    /// Changes that.
    pub fn with<R>(&self, change: impl FnOnce(&mut Scheduling) -> R) -> R {
        change(&mut self.thread.as_ref().map_or(&self.process.scheduling, |thread| &thread.scheduling).lock())
    }
}

impl From<&Arc<Thread>> for Scheduled {
    fn from(thread: &Arc<Thread>) -> Self {
        Self { process: Arc::clone(thread.process()), thread: Some(Arc::clone(thread)) }
    }
}

impl Process {
    /// Whoever is scheduled of it, the first thread first.
    pub fn scheduled(self: &Arc<Self>) -> Vec<Scheduled> {
        let threads = self.threads();
        let is_first_gone = threads.first().is_none_or(|thread| thread.tid() != self.pid());
        let first = is_first_gone.then(|| Scheduled { process: Arc::clone(self), thread: None });
        first.into_iter().chain(threads.iter().map(Scheduled::from)).collect()
    }
}

impl Processes {
    /// Whoever has this number.
    pub fn find_scheduled(&self, tid: i32) -> Option<Scheduled> {
        let dead = || Some(Scheduled { process: self.find(tid)?, thread: None });
        self.find_thread(tid).as_ref().map(Scheduled::from).or_else(dead)
    }
}
