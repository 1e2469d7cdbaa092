//! What threads and processes have used: time on CPUs, and page faults.

use core::ops::{Add, AddAssign};

use ostd::sync::atomic::AtomicU64;

use super::{Process, Thread};
use crate::abi::flags::USER_HZ;

/// Time and faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Spent {
    /// In the program.
    pub user_ns: u64,
    /// In the kernel on its behalf.
    pub system_ns: u64,
    /// Page faults that were answered.
    pub faults: u64,
}

impl Spent {
    /// Both times together.
    pub const fn total_ns(&self) -> u64 {
        self.user_ns + self.system_ns
    }
}

impl Add for Spent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            user_ns: self.user_ns + other.user_ns,
            system_ns: self.system_ns + other.system_ns,
            faults: self.faults + other.faults,
        }
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// Clock ticks, as siginfo, times(2) and /proc count time.
pub const fn ticks(ns: u64) -> i64 {
    (ns / (1_000_000_000 / USER_HZ as u64)).cast_signed()
}

/// What a thread's loop counts.
#[derive(Default)]
pub(super) struct Meter {
    pub(super) user_ns: AtomicU64,
    pub(super) faults: AtomicU64,
}

impl Thread {
    /// What it has used so far.
    pub fn spent(&self) -> Spent {
        let user_ns = self.meter.user_ns.load();
        // A thread that has not begun, or is at its end, has no task.
        let total_ns = self.task().map_or(user_ns, |task| task.cpu_ns());
        Spent { user_ns, system_ns: total_ns.saturating_sub(user_ns), faults: self.meter.faults.load() }
    }
}

impl Process {
    /// What its threads have used, those that have ended too.
    pub fn spent(&self) -> Spent {
        let before = *self.timers.spent_by_dead.lock();
        self.threads().iter().fold(before, |sum, thread| sum + thread.spent())
    }

    /// What children used that it has waited for, and theirs.
    pub fn spent_by_children(&self) -> Spent {
        *self.timers.spent_by_children.lock()
    }

    /// Takes over from a child that has been waited for.
    pub(super) fn inherit_spent(&self, child: &Self) {
        let spent = child.spent() + child.spent_by_children();
        *self.timers.spent_by_children.lock() += spent;
    }
}
