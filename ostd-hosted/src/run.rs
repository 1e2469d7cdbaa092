//! Who runs when: what the CPUs of a machine share while they take `turns`, and their `interrupts`.
//!
//! A deterministic machine runs all CPUs on the calling thread; the dice decide whose turn it is and where in kernel
//! code a CPU is left for another. A parallel machine has a thread per CPU, or, where the engine is bound to one
//! thread, turns as well, but by a real clock.

mod interrupts;
mod turns;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ostd_hal::device::OutsideEvent;
use ostd_hal::hal::Resumed;
use ostd_hal::user::Trap;
use ostd_hal::{CpuId, SafePoint, TaskEvent};

use crate::clock::Clock;
use crate::config::Mode;
use crate::random::Dice;
use crate::schedule::{Policy, Schedule};
use crate::trace::Trace;

/// The line raised when something happens to the machine from outside.
pub(crate) const OUTSIDE_LINE: u32 = 0;

/// How often a busy machine looks outside.
const LOOK_OUTSIDE_EVERY_NS: u64 = 1_000_000;
/// A busy machine reads the host's clock only once in so many turns, or entries to user mode, to see whether it is time
/// to look outside.
const TURNS_PER_GLANCE: u32 = 16;
/// Turns that a CPU sits out after a whole quantum.
const REST_TURNS: u64 = 256;

/// How a turn ended: its task went off the CPU, was left at a safe point, or gave way by itself.
const SWITCHED: u8 = 0;
const LEFT: u8 = 1;
const GAVE_WAY: u8 = 2;

/// One CPU's interrupts.
#[derive(Default)]
struct CpuState {
    ipi: AtomicBool,
    deadline: AtomicU64Max,
    polls: AtomicUsize,
    idle: AtomicBool,
    /// Turns to sit out, on a deterministic machine, after a program computed for a whole quantum: a turn of the others
    /// is a few instructions of kernel code, and they would get nowhere beside it.
    rest: AtomicU64,
    /// Polls until the interrupt that is on its way arrives, where chance says so; 0 while none is.
    late: AtomicU32,
}

struct AtomicU64Max(AtomicU64);

impl Default for AtomicU64Max {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

/// The state of the loop.
pub(crate) struct Runner {
    cpus: Box<[CpuState]>,
    mode: Mode,
    schedule: Mutex<Schedule>,
    /// Whether a safe point may be more than nothing.
    has_safe_points: bool,
    /// Whether whose turn it is, is left to chance alone.
    is_random: bool,
    /// Decides by how much interrupts are late; `None`: by nothing.
    lateness: Option<Mutex<Dice>>,
    /// How the last turn ended, as far as the backend knows: a [`TurnEnd`](crate::schedule::TurnEnd).
    ended: AtomicU8,
    trace: Option<std::sync::Arc<Trace>>,
    /// A program that computes is interrupted by the host's clock.
    preempts_by_time: bool,
    /// Device lines raised and not yet delivered.
    lines: Mutex<Vec<u32>>,
    lines_pending: AtomicBool,
    /// Where CPU threads of a parallel machine nap.
    bed: Mutex<()>,
    wake: Condvar,
    outside: Option<std::sync::Arc<crate::outside::Outside>>,
    watch: Option<std::sync::Arc<crate::watch::Watch>>,
    made: Instant,
    /// When a busy machine last looked outside, in nanoseconds after `made`.
    looked_ns: AtomicU64,
    entries: AtomicUsize,
    /// The CPU whose program runs now has had the one thread for long enough.
    turn_is_over: AtomicBool,
}

impl Runner {
    pub(crate) fn new(config: &crate::config::HostedConfig) -> Self {
        let seed = match config.mode {
            Mode::Deterministic { seed } => seed,
            Mode::Parallel => 0,
        };
        let cpus = config.cpus.max(1);
        let is_random = matches!(config.policy, Policy::Random);
        if let Some(trace) = &config.trace {
            trace.begin(cpus);
        }
        Self {
            cpus: (0..config.cpus.max(1)).map(|_| CpuState::default()).collect(),
            mode: config.mode,
            schedule: Mutex::new(Schedule::new(&config.policy, seed, cpus)),
            has_safe_points: config.trace.is_some() || (cpus > 1 && config.mode != Mode::Parallel),
            is_random,
            lateness: (is_random && config.mode != Mode::Parallel).then(|| Mutex::new(Dice::new(!seed))),
            ended: AtomicU8::new(SWITCHED),
            trace: config.trace.clone(),
            preempts_by_time: config.engine == crate::config::Engine::Ptrace,
            lines: Mutex::new(Vec::new()),
            lines_pending: AtomicBool::new(false),
            bed: Mutex::new(()),
            wake: Condvar::new(),
            outside: config.outside.clone(),
            watch: config.watch.clone(),
            made: Instant::now(),
            looked_ns: AtomicU64::new(0),
            entries: AtomicUsize::new(0),
            turn_is_over: AtomicBool::new(false),
        }
    }

    pub(crate) fn cpu_count(&self) -> usize {
        self.cpus.len()
    }

    /// Whether safe points have to be asked about at all.
    #[inline]
    pub(crate) fn has_safe_points(&self) -> bool {
        self.has_safe_points
    }

    /// Whether this safe point is one where the CPU is left for another, or for whoever looks at the machine.
    #[inline]
    pub(crate) fn wants_interleaving(&self, cpu: CpuId, kind: SafePoint, clock: &Clock) -> bool {
        if let Some(trace) = &self.trace
            && trace.pause_is_due()
        {
            return true;
        }
        if self.cpus.len() == 1 || self.mode == Mode::Parallel {
            return false;
        }
        let leaves = self.schedule().leaves(cpu.0, kind, clock.now_ns(), &self.pending(clock));
        if leaves {
            self.ended.store(LEFT, Ordering::Relaxed);
        }
        leaves
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a CPU has an interrupt to take.
    fn pending<'a>(&'a self, clock: &'a Clock) -> impl Fn(usize) -> bool + 'a {
        |cpu| {
            let state = &self.cpus[cpu];
            state.ipi.load(Ordering::Relaxed)
                || self.lines_pending.load(Ordering::Relaxed)
                || state.deadline.0.load(Ordering::Relaxed) <= clock.now_ns()
        }
    }

    /// How a context gave its CPU back.
    #[inline]
    pub(crate) fn context_left(&self, resumed: &Resumed) {
        if !matches!(resumed, Resumed::Interleaved) {
            self.ended.store(SWITCHED, Ordering::Relaxed);
        }
    }

    /// What became of a task.
    #[inline]
    pub(crate) fn note(&self, cpu: Option<CpuId>, task: u64, event: TaskEvent<'_>, clock: &Clock) {
        if let Some(trace) = &self.trace {
            trace.task(clock.now_ns(), cpu, task, event);
        }
        if self.cpus.len() > 1 && self.mode != Mode::Parallel {
            self.schedule().note(cpu, task, event);
        }
    }

    /// Whether a program that has just trapped waits here for those it is explored with.
    #[inline]
    pub(crate) fn holds(&self, cpu: CpuId) -> bool {
        !self.is_random && self.schedule().holds(cpu.0)
    }

    #[inline]
    pub(crate) fn trace(&self) -> Option<&Trace> {
        self.trace.as_deref()
    }

    /// Whether a CPU about to enter user mode is left for another first: where CPUs share a thread, a program that never
    /// waits must not keep the others from running.
    #[inline]
    pub(crate) fn turn_is_over(&self) -> bool {
        self.cpus.len() > 1
            && self.turn_is_over.load(Ordering::Relaxed)
            && self.turn_is_over.swap(false, Ordering::Relaxed)
    }

    /// Called on the way out of user mode: a machine that is never idle looks outside here, since a program that spins,
    /// or calls without end, leaves no other place.
    #[inline]
    pub(crate) fn left_user_mode(&self, cpu: CpuId, trap: &Trap) {
        // Counted roughly: where CPUs are threads, some entries are lost.
        let entry = self.entries.load(Ordering::Relaxed);
        self.entries.store(entry.wrapping_add(1), Ordering::Relaxed);
        if *trap == Trap::Interrupt {
            if let Some(trace) = &self.trace
                && self.preempts_by_time
            {
                trace.doubt_because("a program computed for so long that the host's clock interrupted it");
            }
            self.turn_is_over.store(true, Ordering::Relaxed);
            let state = &self.cpus[cpu.0];
            state.rest.store(REST_TURNS, Ordering::Relaxed);
            // The next poll reads the clock, and what ended the program's time has arrived.
            state.polls.store(0, Ordering::Relaxed);
            state.late.store(1, Ordering::Relaxed);
        }
        if *trap == Trap::Interrupt || entry.is_multiple_of(TURNS_PER_GLANCE as usize) {
            self.glance();
        }
    }

    /// Whether a CPU sits this turn out.
    fn rests(&self, cpu: usize) -> bool {
        let rest = &self.cpus[cpu].rest;
        let left = rest.load(Ordering::Relaxed);
        if left == 0 || self.mode == Mode::Parallel || !self.is_random {
            return false;
        }
        rest.store(left - 1, Ordering::Relaxed);
        true
    }

    /// Looks outside if the last look was long ago.
    fn glance(&self) {
        let now = u64::try_from(self.made.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let last = self.looked_ns.load(Ordering::Relaxed);
        if now.saturating_sub(last) >= LOOK_OUTSIDE_EVERY_NS {
            self.looked_ns.store(now, Ordering::Relaxed);
            if self.mode == Mode::Parallel {
                self.turn_is_over.store(true, Ordering::Relaxed);
            }
            if self.watch.is_some() {
                self.look_outside(Some(Duration::ZERO));
            }
        }
    }

    fn raise(&self, raised: Vec<u32>) {
        if !raised.is_empty() {
            if let Some(trace) = &self.trace {
                trace.doubt_because("something happened outside, at a time of its own");
            }
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.extend(raised);
            self.lines_pending.store(true, Ordering::Relaxed);
            drop(lines);
            self.ring();
        }
    }

    pub(crate) fn ipi(&self, cpu: CpuId) {
        self.cpus[cpu.0].ipi.store(true, Ordering::Release);
        if self.mode == Mode::Parallel {
            self.ring();
        }
    }

    /// Wakes napping CPU threads.
    fn ring(&self) {
        let bed = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
        self.wake.notify_all();
        drop(bed);
        if let Some(watch) = &self.watch {
            watch.wake();
        }
    }

    pub(crate) fn timer_arm(&self, cpu: CpuId, deadline_ns: Option<u64>) {
        let deadline = deadline_ns.unwrap_or(u64::MAX);
        let before = self.cpus[cpu.0].deadline.0.swap(deadline, Ordering::Relaxed);
        if deadline < before && self.cpus[cpu.0].idle.load(Ordering::Relaxed) {
            self.ring();
        }
    }

    pub(crate) fn outside_event(&self) -> Option<OutsideEvent> {
        self.outside.as_ref()?.next()
    }

    fn first_deadline(&self) -> u64 {
        self.cpus.iter().map(|cpu| cpu.deadline.0.load(Ordering::Relaxed)).min().unwrap_or(u64::MAX)
    }

    fn interrupt_is_pending(&self, now_ns: u64) -> bool {
        self.lines_pending.load(Ordering::Relaxed)
            || self.cpus.iter().any(|cpu| cpu.ipi.load(Ordering::Relaxed))
            || self.first_deadline() <= now_ns
    }

    fn has_sources(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.has_sources())
    }

    /// Looks outside, waiting at most `timeout` (`None`: until something happens).
    fn look_outside(&self, timeout: Option<Duration>) {
        if let Some(watch) = &self.watch {
            self.raise(watch.poll(timeout));
        } else if let Some(timeout) = timeout {
            std::thread::sleep(timeout);
        }
    }

    fn stop_requested(&self) -> bool {
        self.outside.as_ref().is_some_and(|outside| outside.stop_requested())
    }
}
