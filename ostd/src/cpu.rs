//! Per-CPU data and the loop that runs tasks on a CPU.
#![expect(unsafe_code, reason = "per-CPU cells are reached through the CPU-local pointer")]

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cell::{Cell, UnsafeCell};
use core::panic::Location;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use ostd_hal::hal::Resumed;
use ostd_hal::{CpuId, Hal, Interrupt, SafePoint, Step, TaskEvent};

use crate::check::Atomic;
use crate::machine::Core;
use crate::sched::{Enqueue, Scheduler};
use crate::sync::HeldLocks;
use crate::task::{SwitchReason, Task};
use crate::timer::CpuTimers;
use crate::{Backend, Machine};

/// One CPU's own data. Cells are touched only by the hardware thread whose CPU-local pointer names this CPU.
pub(crate) struct Cpu {
    pub(crate) id: CpuId,
    pub(crate) timers: CpuTimers,
    core: AtomicPtr<Core>,
    current: UnsafeCell<Option<Arc<Task>>>,
    scheduler: UnsafeCell<Option<Arc<dyn Scheduler>>>,
    off_depth: Cell<u32>,
    /// Where interrupts were first kept away.
    off_since: Cell<Option<&'static Location<'static>>>,
    /// Spin locks held.
    spins: Cell<u32>,
    /// Calls of `PerCpu::here` that have not returned.
    pins: Cell<u32>,
    in_interrupt: Cell<bool>,
    resched: AtomicBool,
}

// SAFETY: `current`, `scheduler`, `off_depth`, `spins`, `pins` and `in_interrupt` are used only through `CurrentCpu`, on
// the hardware thread that runs this CPU, or before any CPU runs (`set_scheduler`, `clear_scheduler`); the rest is
// atomic or locked.
unsafe impl Sync for Cpu {}
// SAFETY: nothing in it is tied to the thread that made it.
unsafe impl Send for Cpu {}

/// The CPU this code runs on. Looked up afresh each time: nothing from it lives across a switch of context.
pub(crate) struct CurrentCpu(*const ());

impl CurrentCpu {
    #[inline(never)]
    fn pointer() -> *const Cpu {
        Backend::cpu_local().cast()
    }

    /// Calls `f` with the current CPU, or returns `None` where there is none (a thread that is not running a machine).
    ///
    /// If `f` switches contexts (by [`Cpu::safe_point`], as the release of a spin lock does), then last of all: it may
    /// be on another CPU afterwards, and what it would do to its own it would do to one that others use.
    #[inline]
    pub(crate) fn with<R>(f: impl FnOnce(&Cpu) -> R) -> Option<R> {
        // SAFETY: the pointer is null or names a `Cpu` of the machine that this thread is running, which `run`'s
        // borrow keeps alive until `restore`. Where `f` is suspended, the machine outlives the context.
        unsafe { Self::pointer().as_ref() }.map(f)
    }

    /// The CPU of `machine` that this code runs on, if it runs on one.
    #[inline]
    pub(crate) fn on(machine: &Machine) -> Option<CpuId> {
        Self::with(|cpu| ptr::eq(cpu.core(), Arc::as_ptr(&machine.0)).then_some(cpu.id)).flatten()
    }

    /// Remembers what is current, so that a machine can be run from inside another's CPU.
    pub(crate) fn save() -> Self {
        Self(Backend::cpu_local())
    }

    /// The same, and stands on no CPU until `restore`.
    pub(crate) fn leave() -> Self {
        let outer = Self::save();
        Backend::set_cpu_local(ptr::null());
        outer
    }

    pub(crate) fn restore(self) {
        Backend::set_cpu_local(self.0);
    }

    /// The current task; `None` outside tasks.
    pub(crate) fn task() -> Option<Arc<Task>> {
        Self::with(|cpu| cpu.current().cloned()).flatten()
    }

    /// Offers to interleave here (deterministic machines), but not under a spin lock: who waits for that may be on no
    /// context that could give way, an interrupt handler of an idle CPU say, and a task that is ended where it stands
    /// must not leave one locked.
    #[inline]
    pub(crate) fn safe_point(kind: SafePoint) {
        Self::after_safe_point(kind, |_| ());
    }

    /// A safe point, and then [`with`](Self::with): in one look-up where nothing happened.
    #[inline]
    pub(crate) fn after_safe_point<R>(kind: SafePoint, f: impl FnOnce(&Cpu) -> R) -> Option<R> {
        // SAFETY: as in `with`.
        let cpu = unsafe { Self::pointer().as_ref() }?;
        if cpu.safe_point(kind) { Self::with(f) } else { Some(f(cpu)) }
    }

    /// Ends one level of `interrupts_off`; at the last one lets interrupts in. A task whose time is up gives way on its
    /// way to user mode, not here: kernel code is not preempted.
    pub(crate) fn interrupts_on() {
        Self::with(Cpu::interrupts_on);
    }

    /// Whether sleeping is allowed here; the reason why not.
    pub(crate) fn atomic_context() -> Option<Atomic> {
        Self::with(Cpu::atomic_context).unwrap_or(None)
    }
}

impl Cpu {
    pub(crate) fn new(id: CpuId) -> Self {
        Self {
            id,
            timers: CpuTimers::default(),
            core: AtomicPtr::new(ptr::null_mut()),
            current: UnsafeCell::new(None),
            scheduler: UnsafeCell::new(None),
            off_depth: Cell::new(0),
            off_since: Cell::new(None),
            spins: Cell::new(0),
            pins: Cell::new(0),
            in_interrupt: Cell::new(false),
            resched: AtomicBool::new(false),
        }
    }

    pub(crate) fn bind(&self, core: &Arc<Core>) {
        self.core.store(Arc::as_ptr(core).cast_mut(), Ordering::Relaxed);
    }

    pub(crate) fn set_scheduler(&self, scheduler: Option<Arc<dyn Scheduler>>) {
        // SAFETY: no CPU runs while a kernel installs its scheduler or takes it away (`Machine::run` has not begun or
        // has returned).
        unsafe { *self.scheduler.get() = scheduler };
    }

    pub(crate) fn clear_scheduler(&self) {
        self.set_scheduler(None);
    }

    /// The machine this CPU belongs to.
    pub(crate) fn core(&self) -> &Core {
        // SAFETY: set by `bind` to the core that contains this CPU.
        unsafe { &*self.core.load(Ordering::Relaxed) }
    }

    pub(crate) fn current(&self) -> Option<&Arc<Task>> {
        // SAFETY: only this CPU's hardware thread gets here, and it changes `current` only in `step`, outside tasks.
        unsafe { &*self.current.get() }.as_ref()
    }

    fn set_current(&self, task: Option<Arc<Task>>) -> Option<Arc<Task>> {
        // SAFETY: called from `step`, where no reference from `current` is alive.
        core::mem::replace(unsafe { &mut *self.current.get() }, task)
    }

    fn scheduler(&self) -> Option<&dyn Scheduler> {
        // SAFETY: changed only while no CPU runs.
        unsafe { &*self.scheduler.get() }.as_deref()
    }

    /// [`CurrentCpu::safe_point`], for who does not need this CPU afterwards unless the answer is `false`: it may be on
    /// another by then.
    #[inline]
    pub(crate) fn safe_point(&self, kind: SafePoint) -> bool {
        self.spins.get() == 0 && self.core().backend.safe_point(self.id, kind)
    }

    /// Shows the ranked locks of the current task, on a machine with checkers. An interrupt handler is not the task.
    #[inline]
    pub(crate) fn with_held(&self, f: impl FnOnce(&mut HeldLocks)) {
        if self.core().checks_now()
            && !self.in_interrupt.get()
            && let Some(task) = self.current()
        {
            task.with_held(f);
        }
    }

    pub(crate) fn interrupts_off(&self, place: &'static Location<'static>) {
        if self.off_depth.get() == 0 {
            self.off_since.set(Some(place));
            self.core().backend.interrupts_disable();
        }
        self.off_depth.set(self.off_depth.get() + 1);
    }

    /// Before a spin lock is taken: keeps interrupts away.
    #[inline]
    pub(crate) fn begin_spin(&self, place: &'static Location<'static>) {
        self.interrupts_off(place);
        self.spins.set(self.spins.get() + 1);
    }

    /// After it was given back.
    #[inline]
    pub(crate) fn end_spin(&self) {
        self.spins.set(self.spins.get() - 1);
        self.interrupts_on();
    }

    /// What runs here stays here until `unpin`.
    pub(crate) fn pin(&self) {
        self.pins.set(self.pins.get() + 1);
    }

    /// Ends one `pin`.
    pub(crate) fn unpin(&self) {
        self.pins.set(self.pins.get() - 1);
    }

    #[inline]
    fn interrupts_on(&self) {
        let depth = self.off_depth.get();
        debug_assert!(depth > 0, "interrupts were let in more often than kept away");
        self.off_depth.set(depth - 1);
        if depth > 1 || self.in_interrupt.get() {
            return;
        }
        self.core().backend.interrupts_enable();
        self.take_interrupts();
    }

    /// Handles whatever is pending, on machines whose interrupts come at safe points.
    #[inline]
    pub(crate) fn take_interrupts(&self) {
        let core = self.core();
        if self.in_interrupt.get() || core.over() {
            return;
        }
        if let Some(interrupt) = core.backend.poll_interrupt(self.id) {
            self.take_all_from(core, interrupt);
        }
    }

    /// Handles an interrupt, and those behind it.
    #[cold]
    fn take_all_from(&self, core: &Core, first: Interrupt) {
        self.interrupted(core, first);
        while let Some(interrupt) = core.backend.poll_interrupt(self.id) {
            self.interrupted(core, interrupt);
        }
    }

    pub(crate) fn interrupted(&self, core: &Core, interrupt: Interrupt) {
        self.in_interrupt.set(true);
        match interrupt {
            Interrupt::Timer => self.timer_fired(core),
            // The sender has put a task on a queue; a running task hears of it at the end of its slice.
            Interrupt::Ipi => {}
            Interrupt::Device(line) => core.lines.raise(line),
        }
        self.in_interrupt.set(false);
    }

    fn timer_fired(&self, core: &Core) {
        let now = core.backend.monotonic_ns();
        self.timers.expire(now);
        if let (Some(task), Some(scheduler)) = (self.current(), self.scheduler())
            && self.timers.slice_is_over(now)
        {
            if scheduler.should_yield(self.id, task) {
                self.resched.store(true, Ordering::Relaxed);
                // A deadline that has passed would interrupt again at once, for ever where time is virtual.
                self.timers.end_slice();
            } else {
                self.timers.begin_slice(now + scheduler.slice_ns(task));
            }
        }
        self.timers.rearm(&core.backend, self.id);
    }

    /// Asks the current task to give way on its way to user mode.
    pub(crate) fn ask_to_give_way(&self) {
        self.resched.store(true, Ordering::Relaxed);
    }

    /// Whether sleeping is allowed here; the reason why not.
    #[inline]
    pub(crate) fn atomic_context(&self) -> Option<Atomic> {
        // Under a spin lock interrupts are off.
        let is_atomic = self.off_depth.get() > 0 || self.in_interrupt.get() || self.pins.get() > 0;
        if is_atomic { self.why_atomic() } else { None }
    }

    #[cold]
    fn why_atomic(&self) -> Option<Atomic> {
        let since = self.off_since.get().filter(|_| self.off_depth.get() > 0);
        let why = if self.in_interrupt.get() {
            "in an interrupt handler"
        } else if self.spins.get() > 0 {
            "with a spin lock held"
        } else if self.pins.get() > 0 {
            "while it used its CPU's own data"
        } else if self.off_depth.get() > 0 {
            "with interrupts off"
        } else {
            return None;
        };
        Some(Atomic { why, since })
    }

    /// Whether the current task has been asked to give way.
    pub(crate) fn resched_is_due(&self) -> bool {
        self.resched.load(Ordering::Relaxed)
    }

    /// Takes the task that was left in the middle of its turn, when no CPU runs.
    pub(crate) fn abandon(&self) -> Option<Arc<Task>> {
        self.set_current(None)
    }

    /// One turn: go on with the interleaved task, or pick one, and run it until it gives way.
    ///
    /// Outside tasks interrupts are kept away: one that was taken after an empty queue had been looked at would make a
    /// task runnable that the CPU then sleeps over. Who finds the CPU idle looks for pending interrupts before it lets
    /// it sleep, or lets them in as it begins to.
    pub(crate) fn step(&self, core: &Core) -> Step {
        Backend::set_cpu_local(ptr::from_ref(self).cast());
        self.take_interrupts_outside_tasks();
        if self.current().is_none() && !self.outside_tasks(|| self.take_up_next(core)) {
            return Step::Idle;
        }
        let task = Arc::clone(self.current().expect("taken up just above, or interleaved earlier"));
        let resumed = task.resume(&core.backend);
        if !matches!(resumed, Resumed::Interleaved) {
            self.outside_tasks(|| self.left(core, task, resumed));
        }
        Step::Busy
    }

    /// Does the loop's own work, in atomic context. The backend keeps interrupts away around tasks by itself, and is not
    /// asked to let them in: the next task, or the wait for an interrupt, does that.
    fn outside_tasks<R>(&self, work: impl FnOnce() -> R) -> R {
        self.off_depth.set(self.off_depth.get() + 1);
        let answer = work();
        self.off_depth.set(self.off_depth.get() - 1);
        answer
    }

    /// Makes the next task current; says whether there is one.
    fn take_up_next(&self, core: &Core) -> bool {
        let Some(scheduler) = self.scheduler() else { return false };
        let Some(task) = scheduler.pick_next(self.id) else {
            if self.timers.end_slice() {
                self.timers.rearm(&core.backend, self.id);
            }
            return false;
        };
        let now = core.backend.monotonic_ns();
        task.resumed_on(self.id, now);
        core.backend.note(Some(self.id), task.id(), TaskEvent::Resumed);
        self.timers.begin_slice(now + scheduler.slice_ns(&task));
        self.timers.rearm(&core.backend, self.id);
        self.resched.store(core.is_stopping(), Ordering::Relaxed);
        self.set_current(Some(task));
        true
    }

    /// The current task has given way or ended.
    fn left(&self, core: &Core, task: Arc<Task>, resumed: Resumed) {
        self.set_current(None);
        task.paused(core.backend.monotonic_ns());
        let note = |event| core.backend.note(Some(self.id), task.id(), event);
        match resumed {
            Resumed::Interleaved => {}
            Resumed::Suspended => match task.switch_reason() {
                SwitchReason::Yield => {
                    note(TaskEvent::Yielded);
                    self.enqueue(core, task, Enqueue::Yielded);
                }
                SwitchReason::Park => {
                    note(TaskEvent::Parked);
                    if !task.parker().finish_park() {
                        self.enqueue(core, task, Enqueue::Woken);
                    }
                }
            },
            Resumed::Finished => {
                note(TaskEvent::Ended);
                if let Some(report) = task.finished() {
                    core.poison(Box::new(report));
                }
            }
            Resumed::Panicked(payload) => {
                note(TaskEvent::Ended);
                let _ = task.finished();
                core.poison(payload);
            }
        }
    }

    /// A CPU between two tasks that took its last interrupt inside a task may still have `off_depth` zero: nothing to
    /// balance here, only to deliver.
    fn take_interrupts_outside_tasks(&self) {
        if self.off_depth.get() == 0 {
            self.take_interrupts();
        }
    }

    fn enqueue(&self, core: &Core, task: Arc<Task>, why: Enqueue) {
        if let Some(scheduler) = self.scheduler() {
            kick(core, self.id, scheduler.enqueue(task, why));
        }
    }
}

/// Puts a task on a run queue from wherever the caller is.
pub(crate) fn make_runnable(task: Arc<Task>, why: Enqueue) {
    // The machine is reached through the task: the caller may be on no CPU at all.
    let machine = task.machine().clone();
    if machine.0.over() {
        return;
    }
    let here = CurrentCpu::on(&machine);
    let off = crate::irq::InterruptsOff::new();
    match here {
        // Its own way to the scheduler takes no lock.
        Some(id) => machine.0.cpus[id.0].enqueue(&machine.0, task, why),
        None => {
            let target = machine.0.scheduler().and_then(|scheduler| scheduler.enqueue(task, why));
            target.into_iter().for_each(|cpu| machine.0.backend.ipi(cpu));
        }
    }
    drop(off);
}

fn kick(core: &Core, here: CpuId, target: Option<CpuId>) {
    if let Some(target) = target.filter(|cpu| *cpu != here) {
        core.backend.ipi(target);
    }
}
