//! Kernel tasks: threads of kernel code, each on a stack of its own.
#![expect(unsafe_code, reason = "a task's context is used only by the CPU that runs the task")]

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::UnsafeCell;
use core::panic::Location;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use ostd_hal::hal::Resumed;
use ostd_hal::{CpuId, Hal, TaskEvent};

use crate::check::Culprit;
use crate::cpu::{Cpu, CurrentCpu, make_runnable};
use crate::sched::Enqueue;
use crate::sync::raw::Parker;
use crate::sync::{HeldLocks, lock_order};
use crate::{Backend, Error, Machine};

type Context = <Backend as Hal>::Context;

/// Why a task left its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum SwitchReason {
    Yield = 0,
    Park = 1,
}

/// A thread of kernel code. It runs until its entry function returns; nothing ends it from outside.
pub struct Task {
    id: u64,
    name: String,
    data: Box<dyn Any + Send + Sync>,
    machine: Machine,
    context: UnsafeCell<Option<Context>>,
    parker: Parker,
    reason: AtomicU8,
    interrupted: AtomicBool,
    cpu: AtomicUsize,
    waits_at: AtomicPtr<Location<'static>>,
    spawned_at: &'static Location<'static>,
    /// Time on CPUs up to when it last left one.
    ran_ns: AtomicU64,
    /// Since when it runs; `u64::MAX` while it does not.
    since_ns: AtomicU64,
    /// Ranked locks, on a machine with checkers.
    held: UnsafeCell<HeldLocks>,
}

// SAFETY: `context` and `held` are used only by the CPU that runs the task: `Parker` and the scheduler's contract (a
// task is on at most one queue, and on none while a CPU uses its stack) make that one CPU at a time. The rest is Sync.
unsafe impl Sync for Task {}
// SAFETY: `Context` is Send by `Hal`'s bound, and so is everything else.
unsafe impl Send for Task {}

impl Task {
    /// Starts a task that runs `entry`. `data` is whatever its kernel wants to find again by [`data`](Self::data).
    ///
    /// Fails when there is no memory for a stack.
    #[track_caller]
    pub fn spawn(
        machine: &Machine,
        name: impl Into<String>,
        data: Box<dyn Any + Send + Sync>,
        entry: impl FnOnce() + Send + 'static,
    ) -> Result<Arc<Self>, Error> {
        let entry = move || {
            entry();
            CurrentCpu::with(|cpu| lock_order::expect_none(cpu, "a task ended"));
        };
        let spawned_at = Location::caller();
        machine.0.faults.allocation(spawned_at)?;
        let context = machine.0.backend.context_new(Box::new(entry)).ok_or(Error::NoMemory)?;
        let task = machine.0.enlist(|id| {
            Arc::new(Self {
                id,
                name: name.into(),
                data,
                machine: machine.clone(),
                context: UnsafeCell::new(Some(context)),
                parker: Parker::running(),
                reason: AtomicU8::new(0),
                interrupted: AtomicBool::new(false),
                cpu: AtomicUsize::new(0),
                waits_at: AtomicPtr::new(ptr::null_mut()),
                spawned_at,
                ran_ns: AtomicU64::new(0),
                since_ns: AtomicU64::new(u64::MAX),
                held: UnsafeCell::new(HeldLocks::new()),
            })
        });
        machine.0.backend.note(CurrentCpu::on(machine), task.id, TaskEvent::Spawned(&task.name));
        make_runnable(Arc::clone(&task), Enqueue::Spawned);
        Ok(task)
    }

    /// The task that runs this code; `None` outside tasks (boot, a plain test thread).
    #[inline]
    pub fn current() -> Option<Arc<Self>> {
        CurrentCpu::task()
    }

    /// Gives the CPU to another runnable task, if there is one.
    ///
    /// Panics in atomic context.
    #[track_caller]
    pub fn yield_now() {
        Self::switch_away(SwitchReason::Yield);
    }

    /// Between the parts of long work in the kernel, which is not preempted: lets interrupts in, and gives the CPU to
    /// others if this task's time is up. A virtual clock counts `cost_ns` for the part before.
    ///
    /// Panics in atomic context.
    #[track_caller]
    pub fn between_parts(cost_ns: u64) {
        let look = |cpu: &Cpu| {
            cpu.core().backend.spend(cost_ns);
            let atomic = cpu.atomic_context();
            if atomic.is_none() {
                cpu.take_interrupts();
            }
            atomic.is_some() || cpu.resched_is_due()
        };
        if CurrentCpu::with(look) == Some(true) {
            Self::yield_now();
        }
    }

    /// Unique on its machine, counted from 1, never reused.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What it was called when it was spawned.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The machine it runs on.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The kernel's own data, if it is a `T`.
    pub fn data<T: 'static>(&self) -> Option<&T> {
        self.data.downcast_ref()
    }

    /// The CPU it runs on, or ran on last.
    pub fn last_cpu(&self) -> CpuId {
        CpuId(self.cpu.load(Ordering::Relaxed))
    }

    /// How long it has had a CPU, its programs' time included.
    #[inline]
    pub fn cpu_ns(&self) -> u64 {
        let (ran, since) = (self.ran_ns.load(Ordering::Relaxed), self.since_ns.load(Ordering::Relaxed));
        if since == u64::MAX { ran } else { ran + self.machine.monotonic_ns().saturating_sub(since) }
    }

    /// Asks the task to come out of its interruptible sleep, now or at its next one. Stays in force until
    /// [`clear_interrupt`](Self::clear_interrupt).
    pub fn interrupt(self: &Arc<Self>) {
        self.interrupted.store(true, Ordering::SeqCst);
        self.unpark();
    }

    /// Takes [`interrupt`](Self::interrupt) back; the kernel calls it when it has looked at what was to be done, before
    /// looking.
    pub fn clear_interrupt(&self) {
        self.interrupted.store(false, Ordering::SeqCst);
    }

    /// Whether interruptible sleeps end at once.
    #[inline]
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// Where the task sleeps, in source.
    pub fn waits_at(&self) -> Option<&'static Location<'static>> {
        // SAFETY: only ever null or a `&'static Location`.
        unsafe { self.waits_at.load(Ordering::Relaxed).as_ref() }
    }

    /// Where it was spawned, in source.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    pub(crate) fn set_waits_at(&self, place: Option<&'static Location<'static>>) {
        let pointer = place.map_or(ptr::null(), ptr::from_ref);
        self.waits_at.store(pointer.cast_mut(), Ordering::Relaxed);
    }

    /// Called on the CPU that runs the task, by the task.
    pub(crate) fn with_held(&self, f: impl FnOnce(&mut HeldLocks)) {
        // SAFETY: only the task itself comes here, from code that does not come here again.
        f(unsafe { &mut *self.held.get() });
    }

    /// Called while the machine does not run.
    pub(crate) fn locks_held(&self) -> Vec<String> {
        // SAFETY: only the task itself changes it, and no task runs.
        unsafe { &*self.held.get() }.lines()
    }

    pub(crate) fn parker(&self) -> &Parker {
        &self.parker
    }

    /// Makes a parked task runnable, or its next park return at once. Callable from anywhere.
    pub(crate) fn unpark(self: &Arc<Self>) {
        if self.parker.unpark() {
            self.machine.0.backend.note(CurrentCpu::on(&self.machine), self.id, TaskEvent::Woken);
            make_runnable(Arc::clone(self), Enqueue::Woken);
        }
    }

    /// Sleeps until [`unpark`](Self::unpark); may return early.
    pub(crate) fn park() {
        let task = Self::current().expect("only tasks can sleep");
        let begun = task.parker.begin_park();
        // The machine's own count keeps the task alive while it is away; this one must not outlive the switch.
        drop(task);
        if begun {
            Self::switch_away(SwitchReason::Park);
        }
    }

    #[track_caller]
    pub(crate) fn switch_away(reason: SwitchReason) {
        if let Some(why) = CurrentCpu::atomic_context() {
            panic!("a task gave way {why}, at {}, {Culprit}", Location::caller());
        }
        let task = Self::current().expect("only tasks can give way");
        task.reason.store(reason as u8, Ordering::Relaxed);
        let machine = Arc::as_ptr(&task.machine.0);
        drop(task);
        // SAFETY: the running task, kept by its CPU or by whoever will wake it, holds the machine.
        unsafe { &*machine }.backend.context_suspend();
    }

    pub(crate) fn switch_reason(&self) -> SwitchReason {
        if self.reason.load(Ordering::Relaxed) == SwitchReason::Park as u8 {
            SwitchReason::Park
        } else {
            SwitchReason::Yield
        }
    }

    /// Its turn on `cpu` begins at `now_ns`.
    pub(crate) fn resumed_on(&self, cpu: CpuId, now_ns: u64) {
        self.since_ns.store(now_ns, Ordering::Relaxed);
        self.parker.resumed();
        self.cpu.store(cpu.0, Ordering::Relaxed);
    }

    /// Its turn has ended.
    pub(crate) fn paused(&self, now_ns: u64) {
        let since = self.since_ns.swap(u64::MAX, Ordering::Relaxed);
        self.ran_ns.fetch_add(now_ns.saturating_sub(since), Ordering::Relaxed);
    }

    pub(crate) fn resume(&self, backend: &Backend) -> Resumed {
        // SAFETY: called from the step of the one CPU whose current task this is.
        let context = unsafe { &mut *self.context.get() };
        backend.context_resume(context.as_mut().expect("a finished task is on no queue"))
    }

    /// Ends a task that will not run again where it stands: the destructors of what is on its stack run, on no CPU.
    /// Must not be called while a CPU may run it.
    pub(crate) fn unwind(&self) {
        // SAFETY: the machine is not running, so no CPU uses the context.
        let context = unsafe { &mut *self.context.get() }.take();
        let outer = CurrentCpu::leave();
        drop(context);
        outer.restore();
        self.machine.0.strike(self.id);
    }

    /// Frees the stack of a task whose entry has returned. With checkers, says what is wrong with how it was used.
    pub(crate) fn finished(&self) -> Option<String> {
        // SAFETY: as in `resume`; the context is not running any more.
        let context = unsafe { &mut *self.context.get() }.take();
        let core = &self.machine.0;
        let checked = context.filter(|_| core.checks_now());
        let stack = checked.and_then(|mut context| core.backend.context_stack(&mut context));
        core.strike(self.id);
        let stack = stack?;
        core.stack_max.fetch_max(stack.used, Ordering::Relaxed);
        let said = || {
            let (used, size) = (stack.used >> 10, stack.size >> 10);
            format!("{self:?}, spawned at {}, used {used} KiB of its stack of {size} KiB", self.spawned_at)
        };
        stack.is_deep().then(said)
    }
}

impl Drop for Task {
    /// A task dropped before its entry returned (its machine ended first) is unwound by its context.
    fn drop(&mut self) {
        if self.context.get_mut().is_some() {
            self.unwind();
        }
    }
}

impl core::fmt::Debug for Task {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "task {} `{}`", self.id, self.name)
    }
}
