//! What a kernel's scheduler is to ostd.

use alloc::sync::Arc;

use ostd_hal::CpuId;

use crate::task::Task;

/// Why a task goes on a run queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueue {
    /// It is new.
    Spawned,
    /// What it waited for has happened.
    Woken,
    /// It gave way, or its time was up.
    Yielded,
}

/// Run queues and the policy over them. Called with interrupts off; must not sleep. ostd sees to it that a task is on
/// at most one queue and never on a queue while a CPU still uses its stack.
pub trait Scheduler: Send + Sync {
    /// Takes a runnable task; returns the CPU that should look at its queue, if one should.
    fn enqueue(&self, task: Arc<Task>, why: Enqueue) -> Option<CpuId>;
    /// The next task for `cpu`; `None` lets it idle.
    fn pick_next(&self, cpu: CpuId) -> Option<Arc<Task>>;
    /// Nanoseconds that `task`, just picked, may run before it is asked to give way.
    fn slice_ns(&self, task: &Task) -> u64;
    /// Whether `current`, whose slice is over on `cpu`, should give way. When not, it gets another slice.
    fn should_yield(&self, cpu: CpuId, current: &Task) -> bool;
}

/// First come, first served, on one queue for all CPUs: the scheduler of kernels that have no opinion.
#[derive(Default)]
pub struct Fifo(crate::sync::SpinLock<alloc::collections::VecDeque<Arc<Task>>>);

impl Scheduler for Fifo {
    fn enqueue(&self, task: Arc<Task>, _why: Enqueue) -> Option<CpuId> {
        self.0.lock().push_back(task);
        Some(CpuId(0))
    }

    fn pick_next(&self, _cpu: CpuId) -> Option<Arc<Task>> {
        self.0.lock().pop_front()
    }

    fn slice_ns(&self, _task: &Task) -> u64 {
        10_000_000
    }

    fn should_yield(&self, _cpu: CpuId, _current: &Task) -> bool {
        !self.0.lock().is_empty()
    }
}
