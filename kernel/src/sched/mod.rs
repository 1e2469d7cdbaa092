//! Scheduling: round robin over one queue per CPU; who has nothing to do takes from the others.
//!
//! Lock order: one queue at a time, nothing inside.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

use ostd::CpuId;
use ostd::sched::{Enqueue, Scheduler};
use ostd::sync::SpinLock;
use ostd::sync::atomic::AtomicBool;
use ostd::task::Task;

/// How long a task runs before it is asked to give way.
pub const SLICE_NS: u64 = 10_000_000;

/// The run queues of one machine.
pub struct RoundRobin {
    cpus: Box<[Cpu]>,
}

#[derive(Default)]
struct Cpu {
    queue: SpinLock<VecDeque<Arc<Task>>>,
    idle: AtomicBool,
}

impl RoundRobin {
    /// Empty queues for `cpus` CPUs.
    pub fn new(cpus: usize) -> Self {
        Self { cpus: (0..cpus.max(1)).map(|_| Cpu::default()).collect() }
    }

    fn shortest(&self) -> usize {
        let lengths = self.cpus.iter().enumerate().map(|(at, cpu)| {
            // Looking at the flag may let other CPUs run, which look for a task outside tasks: no lock may be held.
            let len = cpu.queue.lock().len();
            (len, !cpu.idle.load(), at)
        });
        lengths.min().map_or(0, |(_, _, at)| at)
    }
}

impl Scheduler for RoundRobin {
    fn enqueue(&self, task: Arc<Task>, why: Enqueue) -> Option<CpuId> {
        let home = match why {
            Enqueue::Spawned => self.shortest(),
            // Where its memory may still be warm.
            Enqueue::Woken | Enqueue::Yielded => task.last_cpu().0 % self.cpus.len(),
        };
        self.cpus[home].queue.lock().push_back(task);
        // A busy home comes to it in time; an idle CPU comes at once.
        let idle = core::iter::once(home).chain(0..self.cpus.len()).find(|&at| self.cpus[at].idle.swap(false));
        Some(CpuId(idle.unwrap_or(home)))
    }

    fn pick_next(&self, cpu: CpuId) -> Option<Arc<Task>> {
        let count = self.cpus.len();
        // Said first: who puts a task on a queue after our look at it sees the flag.
        self.cpus[cpu.0].idle.store(true);
        let next = (0..count).find_map(|step| self.cpus[(cpu.0 + step) % count].queue.lock().pop_front());
        if next.is_some() {
            self.cpus[cpu.0].idle.store(false);
        }
        next
    }

    fn slice_ns(&self, _task: &Task) -> u64 {
        SLICE_NS
    }

    fn should_yield(&self, cpu: CpuId, _current: &Task) -> bool {
        !self.cpus[cpu.0].queue.lock().is_empty()
    }
}
