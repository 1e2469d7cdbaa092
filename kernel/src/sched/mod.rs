//! Scheduling: round robin over one queue per CPU; who has nothing to do takes from the others.
//!
//! Lock order: one queue at a time, nothing inside.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use ostd::sched::{Enqueue, Scheduler};
use ostd::sync::SpinLock;
use ostd::sync::atomic::AtomicBool;
use ostd::task::Task;
use ostd::{CpuId, Machine, PerCpu};

/// How long a task runs before it is asked to give way.
pub const SLICE_NS: u64 = 10_000_000;

/// The run queues of one machine.
pub struct RoundRobin {
    cpus: PerCpu<Cpu>,
}

#[derive(Default)]
struct Cpu {
    queue: SpinLock<VecDeque<Arc<Task>>>,
    idle: AtomicBool,
}

impl RoundRobin {
    /// Empty queues for the CPUs of `machine`.
    pub fn new(machine: &Machine) -> Self {
        Self { cpus: PerCpu::new(machine, |_| Cpu::default()) }
    }

    fn shortest(&self) -> CpuId {
        let lengths = self.cpus.iter().map(|(id, cpu)| {
            // Looking at the flag may let other CPUs run, which look for a task outside tasks: no lock may be held.
            let len = cpu.queue.lock().len();
            (len, !cpu.idle.load(), id)
        });
        lengths.min().map_or(CpuId(0), |(_, _, id)| id)
    }
}

impl Scheduler for RoundRobin {
    fn enqueue(&self, task: Arc<Task>, why: Enqueue) -> Option<CpuId> {
        let home = match why {
            Enqueue::Spawned => self.shortest(),
            // Where its memory may still be warm.
            Enqueue::Woken | Enqueue::Yielded => task.last_cpu(),
        };
        self.cpus.of(home).queue.lock().push_back(task);
        // A busy home comes to it in time; an idle CPU comes at once.
        let mut all = core::iter::once(home).chain(self.cpus.iter().map(|(id, _)| id));
        Some(all.find(|&id| self.cpus.of(id).idle.swap(false)).unwrap_or(home))
    }

    fn pick_next(&self, cpu: CpuId) -> Option<Arc<Task>> {
        let own = self.cpus.of(cpu);
        // Said first: who puts a task on a queue after our look at it sees the flag.
        own.idle.store(true);
        let count = self.cpus.iter().len();
        let others = (1..count).map(|step| self.cpus.of(CpuId((cpu.0 + step) % count)));
        let next = core::iter::once(own).chain(others).find_map(|cpu| cpu.queue.lock().pop_front());
        if next.is_some() {
            own.idle.store(false);
        }
        next
    }

    fn slice_ns(&self, _task: &Task) -> u64 {
        SLICE_NS
    }

    fn should_yield(&self, cpu: CpuId, _current: &Task) -> bool {
        !self.cpus.of(cpu).queue.lock().is_empty()
    }
}
