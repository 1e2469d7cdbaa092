//! The machine as a value.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::fmt::Write as _;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ostd_hal::{Client, CpuId, Hal, Interrupt, RunError, Step};

use crate::Backend;
use crate::cpu::{Cpu, CurrentCpu};
use crate::frame::FramePool;
use crate::irq::Lines;
use crate::sched::Scheduler;
use crate::sync::SpinLock;
use crate::task::Task;

/// What a machine is told about itself besides its backend.
#[derive(Clone, Copy, Debug)]
pub struct MachineConfig {
    /// Whether the checkers run (ignored where the backend has none).
    pub checks: bool,
}

impl Default for MachineConfig {
    fn default() -> Self {
        Self { checks: true }
    }
}

/// Memory, CPUs, clock, entropy and devices. A handle: clones name the same machine.
#[derive(Clone)]
pub struct Machine(pub(crate) Arc<Core>);

/// Why [`Machine::run`] returned although nobody asked it to stop.
pub enum RunEnd {
    /// Nothing can run and nothing can change that. The text says who waits where.
    Deadlock(String),
    /// Kernel code panicked; no kernel code has run since. The payload is the panic's own.
    Panicked(Box<dyn Any + Send>),
}

impl core::fmt::Debug for RunEnd {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Deadlock(report) => write!(f, "deadlock: {report}"),
            Self::Panicked(payload) => write!(f, "kernel panic: {}", panic_message(payload.as_ref())),
        }
    }
}

/// The message of a panic's payload.
pub fn panic_message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "(a panic without a message)"
    }
}

pub(crate) struct Core {
    pub(crate) frames: FramePool,
    pub(crate) cpus: Box<[Cpu]>,
    pub(crate) lines: Lines,
    pub(crate) checks: bool,
    scheduler: SpinLock<Option<Arc<dyn Scheduler>>>,
    tasks: SpinLock<BTreeMap<u64, Weak<Task>>>,
    next_task: AtomicU64,
    stopping: AtomicBool,
    poisoned: AtomicBool,
    panic: SpinLock<Option<Box<dyn Any + Send>>>,
    // Last: everything above may still reach into its memory while it is dropped.
    pub(crate) backend: Backend,
}

impl Machine {
    /// A machine on `backend`, with nothing running.
    pub fn new(backend: Backend, config: MachineConfig) -> Self {
        let cpus = (0..backend.cpu_count()).map(|id| Cpu::new(CpuId(id))).collect();
        let core = Arc::new(Core {
            frames: FramePool::new(&backend),
            cpus,
            lines: Lines::default(),
            checks: Backend::CHECKS && config.checks,
            scheduler: SpinLock::new(None),
            tasks: SpinLock::new(BTreeMap::new()),
            next_task: AtomicU64::new(1),
            stopping: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            panic: SpinLock::new(None),
            backend,
        });
        for cpu in &core.cpus {
            cpu.bind(&core);
        }
        core.frames.bind(&core);
        Self(core)
    }

    /// The backend, for what only it has (a hosted machine's scripted programs, say).
    pub fn backend(&self) -> &Backend {
        &self.0.backend
    }

    /// Installs the scheduler. The first task cannot be spawned before.
    pub fn set_scheduler(&self, scheduler: Arc<dyn Scheduler>) {
        *self.0.scheduler.lock() = Some(scheduler);
        // Read without the lock by every CPU from now on.
        for cpu in &self.0.cpus {
            cpu.set_scheduler(self.0.scheduler());
        }
    }

    /// Lends the CPUs to the machine's tasks until [`stop`](Self::stop). On a hosted deterministic machine everything
    /// happens on the calling thread.
    pub fn run(&self) -> Result<(), RunEnd> {
        if self.0.poisoned.load(Ordering::Acquire) {
            return Err(RunEnd::Panicked(Box::new("the machine is poisoned by an earlier panic")));
        }
        self.0.stopping.store(false, Ordering::Release);
        let outer = CurrentCpu::save();
        let end = self.0.backend.run(&*self.0);
        outer.restore();
        if let Some(payload) = self.0.panic.lock().take() {
            return Err(RunEnd::Panicked(payload));
        }
        end.map_err(|RunError::Deadlock| RunEnd::Deadlock(self.wait_report()))
    }

    /// Makes [`run`](Self::run) return once every CPU has come to the end of its step.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
        for cpu in &self.0.cpus {
            self.0.backend.ipi(cpu.id);
        }
    }

    /// How many CPUs there are.
    pub fn cpu_count(&self) -> usize {
        self.0.cpus.len()
    }

    /// The frame allocator.
    pub fn frames(&self) -> crate::frame::Frames<'_> {
        crate::frame::Frames(&self.0)
    }

    /// Fills `out` with random bytes, from the seed on a deterministic machine.
    pub fn entropy(&self, out: &mut [u8]) {
        self.0.backend.entropy(out);
    }

    /// Writes to the emergency console: the kernel log and panics, never a program's output.
    pub fn emergency_write(&self, bytes: &[u8]) {
        self.0.backend.emergency_write(bytes);
    }

    /// Takes the next event from outside (see [`outside_line`](Self::outside_line)).
    pub fn outside_event(&self) -> Option<crate::device::OutsideEvent> {
        self.0.backend.outside_event()
    }

    /// The interrupt line raised when there is an event from outside.
    pub fn outside_line(&self) -> u32 {
        self.0.backend.outside_line()
    }

    /// Calls `handler` in interrupt context whenever device line `line` is raised. One handler per line; the handler
    /// must not sleep.
    pub fn on_interrupt(&self, line: u32, handler: Arc<dyn Fn() + Send + Sync>) {
        self.0.lines.set(line, handler);
    }

    /// Forgets every interrupt handler, the scheduler and all pending timers: what a kernel does last, so that the
    /// machine no longer points into it.
    pub fn detach(&self) {
        self.0.lines.clear();
        for cpu in &self.0.cpus {
            cpu.timers.clear();
            cpu.clear_scheduler();
        }
        let scheduler = self.0.scheduler.lock().take();
        drop(scheduler);
    }

    /// Tasks that exist, running or not.
    pub fn task_count(&self) -> usize {
        self.0.tasks.lock().len()
    }

    /// Who waits where, one line per task, for reports.
    pub fn wait_report(&self) -> String {
        let tasks: Vec<_> = self.0.tasks.lock().values().filter_map(Weak::upgrade).collect();
        let mut report = String::new();
        for task in tasks {
            let _ = match task.waits_at() {
                Some(place) => writeln!(report, "  task {} `{}` waits at {place}", task.id(), task.name()),
                None => writeln!(report, "  task {} `{}` does not wait", task.id(), task.name()),
            };
        }
        report
    }

    /// Nanoseconds since the machine started.
    pub fn monotonic_ns(&self) -> u64 {
        self.0.backend.monotonic_ns()
    }

    /// Nanoseconds since 1970 at the moment the machine started.
    pub fn boot_realtime_ns(&self) -> u64 {
        self.0.backend.boot_realtime_ns()
    }

    /// Whether a kernel panic ended this machine.
    pub fn is_poisoned(&self) -> bool {
        self.0.poisoned.load(Ordering::Acquire)
    }
}

impl core::fmt::Debug for Machine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Machine").field("cpus", &self.cpu_count()).finish_non_exhaustive()
    }
}

impl Core {
    pub(crate) fn scheduler(&self) -> Option<Arc<dyn Scheduler>> {
        self.scheduler.lock().clone()
    }

    pub(crate) fn poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Relaxed)
    }

    pub(crate) fn poison(&self, payload: Box<dyn Any + Send>) {
        self.poisoned.store(true, Ordering::Release);
        self.panic.lock().get_or_insert(payload);
        self.stopping.store(true, Ordering::Release);
    }

    pub(crate) fn enlist(&self, task: impl FnOnce(u64) -> Arc<Task>) -> Arc<Task> {
        let id = self.next_task.fetch_add(1, Ordering::Relaxed);
        let task = task(id);
        self.tasks.lock().insert(id, Arc::downgrade(&task));
        task
    }

    pub(crate) fn strike(&self, task: u64) {
        self.tasks.lock().remove(&task);
    }
}

impl Client for Core {
    fn step(&self, cpu: CpuId) -> Step {
        if self.stopping() {
            return Step::Idle;
        }
        self.cpus[cpu.0].step(self)
    }

    fn interrupt(&self, cpu: CpuId, interrupt: Interrupt) {
        self.cpus[cpu.0].interrupted(self, interrupt);
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn panic_messages_are_found_in_both_kinds_of_payload() {
        assert_eq!(super::panic_message(&"a"), "a");
        assert_eq!(super::panic_message(&alloc::string::String::from("b")), "b");
    }
}
