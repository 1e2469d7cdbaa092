//! The machine as a value.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::fmt::Write as _;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use ostd_hal::{Client, CpuId, Hal, Interrupt, RunError, Step};

use crate::Backend;
use crate::census::Census;
use crate::cpu::{Cpu, CurrentCpu};
use crate::faults::{FaultPlan, Faults};
use crate::frame::FramePool;
use crate::irq::Lines;
use crate::sched::Scheduler;
use crate::sync::SpinLock;
use crate::task::Task;

/// What a machine is told about itself besides its backend.
#[derive(Clone, Debug)]
pub struct MachineConfig {
    /// Whether the checkers run (ignored where the backend has none).
    pub checks: bool,
    /// What fails on request (nothing where the backend has no checkers).
    pub faults: FaultPlan,
}

impl Default for MachineConfig {
    fn default() -> Self {
        Self { checks: true, faults: FaultPlan::default() }
    }
}

/// Memory, CPUs, clock, entropy and devices. A handle: clones name the same machine.
#[derive(Clone)]
pub struct Machine(pub(crate) Arc<Core>);

/// Why [`Machine::run`] returned although nobody asked it to stop.
pub enum RunEnd {
    /// Nothing can run and nothing can change that. The text says who waits where.
    Deadlock(String),
    /// The machine was to be looked at here; it can be run on.
    Paused,
    /// Kernel code panicked; no kernel code has run since. The payload is the panic's own.
    Panicked(Box<dyn Any + Send>),
}

impl core::fmt::Debug for RunEnd {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Deadlock(report) => write!(f, "deadlock: {report}"),
            Self::Paused => f.write_str("paused"),
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
    pub(crate) census: Census,
    pub(crate) faults: Faults,
    /// The most that any finished task used of its stack, in bytes, as far as checkers looked.
    pub(crate) stack_max: AtomicUsize,
    scheduler: SpinLock<Option<Arc<dyn Scheduler>>>,
    tasks: SpinLock<BTreeMap<u64, Weak<Task>>>,
    next_task: AtomicU64,
    stopping: AtomicBool,
    poisoned: AtomicBool,
    /// No task will run again: it was poisoned, or its tasks were ended.
    over: AtomicBool,
    running: AtomicBool,
    panic: SpinLock<Option<Box<dyn Any + Send>>>,
    // Last: everything above may still reach into its memory while it is dropped.
    pub(crate) backend: Backend,
}

impl Machine {
    /// A machine on `backend`, with nothing running.
    pub fn new(backend: Backend, config: MachineConfig) -> Self {
        let checks = Backend::CHECKS && config.checks;
        let cpus = (0..backend.cpu_count()).map(|id| Cpu::new(CpuId(id))).collect();
        let core = Arc::new(Core {
            frames: FramePool::new(&backend, checks),
            cpus,
            lines: Lines::default(),
            checks,
            census: Census::default(),
            faults: Faults::new(config.faults),
            stack_max: AtomicUsize::new(0),
            scheduler: SpinLock::new(None),
            tasks: SpinLock::new(BTreeMap::new()),
            next_task: AtomicU64::new(1),
            stopping: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            over: AtomicBool::new(false),
            running: AtomicBool::new(false),
            panic: SpinLock::new(None),
            backend,
        });
        for cpu in &core.cpus {
            cpu.bind(&core);
        }
        core.frames.bind(&core);
        Self(core)
    }

    /// Gives the backend back, for another machine to be made of: every clone of the handle, every task and every frame
    /// must be gone; else the machine stays as it is.
    pub fn into_backend(self) -> Result<Backend, Self> {
        Arc::try_unwrap(self.0).map(|core| core.backend).map_err(Self)
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
        if self.0.over() {
            return Err(RunEnd::Panicked(Box::new("the machine is over, by a panic or because its tasks were ended")));
        }
        assert!(!self.0.running.swap(true, Ordering::AcqRel), "a machine is run by one caller at a time");
        self.0.stopping.store(false, Ordering::Release);
        let outer = CurrentCpu::save();
        let end = self.0.backend.run(&*self.0);
        if end != Err(RunError::Paused) {
            self.0.finish_turns();
        }
        outer.restore();
        self.0.running.store(false, Ordering::Release);
        if let Some(payload) = self.0.panic.lock().take() {
            return Err(RunEnd::Panicked(payload));
        }
        end.map_err(|why| match why {
            RunError::Deadlock => RunEnd::Deadlock(self.wait_report()),
            RunError::Paused => RunEnd::Paused,
        })
    }

    /// Makes [`run`](Self::run) return once every CPU has come to the end of its step.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
        for cpu in &self.0.cpus {
            // A program that runs alone would never have to.
            cpu.ask_to_give_way();
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

    /// Bytes of the kernel's heap that are left for objects that programs ask for. What the kernel needs on its way is
    /// kept back: its own allocations do not fail.
    pub fn heap_room(&self) -> usize {
        self.0.backend.heap_room()
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

    /// Ends every task that is left, where it stands: its stack is unwound, on no CPU and without checkers, and it wakes
    /// nobody. Returns who they were and where they waited, one line each. No task runs on this machine afterwards.
    ///
    /// Destructors on those stacks must not wait for a lock that another of these tasks holds.
    ///
    /// Panics while the machine runs.
    pub fn end_tasks(&self) -> Vec<String> {
        assert!(!self.0.running.load(Ordering::Acquire), "tasks of a running machine end by themselves");
        self.0.over.store(true, Ordering::Release);
        let tasks: Vec<_> = self.0.tasks.lock().values().filter_map(Weak::upgrade).collect();
        let lines = tasks.iter().map(line_of).collect();
        // Whoever was left in the middle of a turn may hold locks that others' destructors take: first.
        let abandoned: Vec<_> = self.0.cpus.iter().filter_map(Cpu::abandon).collect();
        abandoned.iter().chain(&tasks).for_each(|task| task.unwind());
        lines
    }

    /// What the kernel counts (see [`Presence`](crate::census::Presence)) and still exists: how many, and at most
    /// `limit` of them, one line each; without checkers no lines.
    pub fn present(&self, limit: usize) -> (usize, Vec<String>) {
        self.0.census.list(limit)
    }

    /// What programs hold outside the machine.
    pub fn outside_use(&self) -> ostd_hal::OutsideUse {
        self.0.backend.outside_use()
    }

    /// Whether the checkers run.
    pub fn checks(&self) -> bool {
        self.0.checks
    }

    /// The kernel-stack high-water mark: bytes, in whole pages, of the stack that any finished task used most of. Without
    /// checkers, 0.
    pub fn stack_high_water(&self) -> usize {
        self.0.stack_max.load(Ordering::Relaxed)
    }

    /// Tasks that exist, running or not.
    pub fn task_count(&self) -> usize {
        self.0.tasks.lock().len()
    }

    /// The tasks that exist, oldest first.
    pub fn tasks(&self) -> Vec<Arc<Task>> {
        self.0.tasks.lock().values().filter_map(Weak::upgrade).collect()
    }

    /// The ranked locks that `task` holds and where it took them, one line each; none without checkers.
    ///
    /// Panics while the machine runs.
    pub fn locks_held_by(&self, task: &Task) -> Vec<String> {
        assert!(!self.0.running.load(Ordering::Acquire), "a running machine's tasks take and give back locks");
        task.locks_held()
    }

    /// Who waits where, one line per task, for reports.
    pub fn wait_report(&self) -> String {
        let tasks = self.tasks();
        let mut report = String::new();
        for task in tasks {
            let _ = writeln!(report, "  {}", line_of(&task));
        }
        report
    }

    /// Nanoseconds since the machine started.
    #[inline]
    pub fn monotonic_ns(&self) -> u64 {
        self.0.backend.monotonic_ns()
    }

    /// Nanoseconds since 1970 at the moment the machine started.
    pub fn boot_realtime_ns(&self) -> u64 {
        self.0.backend.boot_realtime_ns()
    }

    /// Whether the caller's stack is being unwound by a panic already.
    pub fn is_unwinding() -> bool {
        Backend::unwinding()
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

/// A task and where it waits.
fn line_of(task: &Arc<Task>) -> String {
    match task.waits_at() {
        Some(place) => format!("{task:?} waits at {place}, spawned at {}", task.spawned_at()),
        None => format!("{task:?} does not wait, spawned at {}", task.spawned_at()),
    }
}

impl Core {
    pub(crate) fn scheduler(&self) -> Option<Arc<dyn Scheduler>> {
        self.scheduler.lock().clone()
    }

    /// Whether no kernel code runs any more: after a panic, or because the tasks were ended.
    pub(crate) fn over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Whether a checker should speak up now.
    pub(crate) fn checks_now(&self) -> bool {
        self.checks && !self.over() && !Backend::unwinding()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// CPUs that were left in the middle of a turn, when the machine was stopped, come to its end: so a task that said
    /// `stop` last has really ended.
    fn finish_turns(&self) {
        while !self.over() && self.cpus.iter().any(|cpu| cpu.current().is_some()) {
            for cpu in self.cpus.iter().filter(|cpu| cpu.current().is_some()) {
                cpu.step(self);
            }
        }
    }

    pub(crate) fn poison(&self, payload: Box<dyn Any + Send>) {
        self.poisoned.store(true, Ordering::Release);
        self.over.store(true, Ordering::Release);
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
        self.is_stopping()
    }

    fn task_name(&self, cpu: CpuId) -> Option<&str> {
        self.cpus[cpu.0].current().map(|task| task.name())
    }
}

#[cfg(any(test, feature = "tests"))]
pub(crate) mod tests {
    crate::tests::list! { panic_messages_are_found_in_both_kinds_of_payload }

    #[cfg_attr(test, test)]
    fn panic_messages_are_found_in_both_kinds_of_payload() {
        assert_eq!(super::panic_message(&"a"), "a");
        assert_eq!(super::panic_message(&alloc::string::String::from("b")), "b");
    }
}
