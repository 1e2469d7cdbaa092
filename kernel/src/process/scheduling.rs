//! How a thread asked to be scheduled. All take turns alike: what was asked for is remembered, inherited and told.

use super::Thread;
use crate::abi::flags::SchedPolicy;

/// What sched_setscheduler(2), sched_setaffinity(2) and ioprio_set(2) have set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduling {
    /// Its policy.
    pub policy: SchedPolicy,
    /// Its static priority, 1 to 99 under a real-time policy, else 0.
    pub priority: i32,
    /// Whether children lose a real-time policy: `SCHED_RESET_ON_FORK`.
    pub resets_on_fork: bool,
    /// Bit `n` for CPU `n`.
    pub cpus: u64,
    /// Class and level for disks.
    pub io_priority: u16,
}

impl Default for Scheduling {
    fn default() -> Self {
        let policy = SchedPolicy::SCHED_NORMAL;
        Self { policy, priority: 0, resets_on_fork: false, cpus: u64::MAX, io_priority: 0 }
    }
}

impl Scheduling {
    /// What a child begins with.
    pub(super) fn of_child(self) -> Self {
        let is_realtime = matches!(self.policy, SchedPolicy::SCHED_FIFO | SchedPolicy::SCHED_RR);
        if self.resets_on_fork && is_realtime {
            return Self { cpus: self.cpus, io_priority: self.io_priority, ..Self::default() };
        }
        Self { resets_on_fork: false, ..self }
    }
}

impl Thread {
    /// How it asked to be scheduled.
    pub fn scheduling(&self) -> Scheduling {
        *self.scheduling.lock()
    }

    /// Changes that.
    pub fn with_scheduling(&self, change: impl FnOnce(&mut Scheduling)) {
        change(&mut self.scheduling.lock());
    }
}
