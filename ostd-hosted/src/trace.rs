//! `Trace`: what happened in a machine, step by step, with its virtual time; or only a digest of it.
//!
//! A step is an event. Its number, and everything before it, is the same in every run of a deterministic machine: so
//! a run can be [paused](Trace::pausing_at) at a step that another run recorded. A machine without a trace pays a
//! branch for each event.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ostd_hal::user::{Access, PageFault, SyscallFrame, Trap};
use ostd_hal::{CpuId, Interrupt, TaskEvent};

/// Events that are kept; of what comes after them only the digest knows.
const EVENTS_MAX: usize = 4_000_000;
/// Steps from one [checkpoint](Trace::checkpoints) to the next.
pub const CHECKPOINT_STEPS: u64 = 64;
/// Words of the largest event.
const WORDS_MAX: usize = 9;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Counted from 1.
    pub step: u64,
    /// Nanoseconds since the machine started, by its clock.
    pub time_ns: u64,
    /// Where; `None` outside the machine's CPUs.
    pub cpu: Option<CpuId>,
    /// Whose it is: the task that it is about, or ran when it came; 0 if none did.
    pub task: u64,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The task is new and has this name.
    Spawned(String),
    /// What it waited for has happened.
    Woken,
    /// Its turn on a CPU begins.
    Resumed,
    /// It left its CPU, and could go on.
    Yielded,
    /// It left its CPU to wait.
    Parked,
    /// Its entry function has returned, or panicked.
    Ended,
    /// Its program made a system call.
    Call {
        /// The number.
        number: usize,
        /// The arguments.
        args: [usize; 6],
    },
    /// The program goes on, with this as the call's result.
    Returned(usize),
    /// Its program used memory that was not there for it.
    Fault(PageFault),
    /// Its program raised a processor exception.
    Exception,
    /// Its program's time was up.
    Preempted,
    /// Its CPU took an interrupt.
    Interrupt(Interrupt),
}

impl What {
    fn words(&self, words: &mut [u64; WORDS_MAX]) {
        let mut put = |index: usize, value: usize| words[index] = value as u64;
        match self {
            Self::Spawned(name) => {
                put(0, 1);
                name.bytes()
                    .enumerate()
                    .for_each(|(at, byte)| words[1 + at % 8] ^= u64::from(byte) << (at / 8 % 8 * 8));
            }
            Self::Woken => put(0, 2),
            Self::Resumed => put(0, 3),
            Self::Yielded => put(0, 4),
            Self::Parked => put(0, 5),
            Self::Ended => put(0, 6),
            Self::Call { number, args } => {
                put(0, 7);
                put(1, *number);
                args.iter().enumerate().for_each(|(index, arg)| put(2 + index, *arg));
            }
            Self::Returned(value) => {
                put(0, 8);
                put(1, *value);
            }
            Self::Fault(PageFault { addr, access }) => {
                put(0, 9);
                put(1, addr.as_usize());
                put(
                    2,
                    match access {
                        Access::Read => 0,
                        Access::Write => 1,
                        Access::Execute => 2,
                    },
                );
            }
            Self::Exception => put(0, 10),
            Self::Preempted => put(0, 11),
            Self::Interrupt(interrupt) => {
                put(0, 12);
                put(
                    1,
                    match interrupt {
                        Interrupt::Timer => 0,
                        Interrupt::Ipi => 1,
                        Interrupt::Device(line) => 2 + *line as usize,
                    },
                );
            }
        }
    }
}

/// A record of one machine's life. Given to it by its configuration.
#[derive(Debug)]
pub struct Trace {
    keeps: bool,
    pause_at: u64,
    is_due: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    step: u64,
    digest: Digest,
    schedule: Digest,
    last_cpu: Option<usize>,
    checkpoints: Vec<u64>,
    events: Vec<Event>,
    /// Of each CPU, the task on it, and whether its program waits for the answer to a call.
    cpus: Vec<u64>,
    /// Tasks whose program waits for the answer to a call.
    calling: std::collections::BTreeSet<u64>,
    doubt: Option<Doubt>,
}

/// Why another run may come out differently, and since which step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The last step before it.
    pub step: u64,
    /// The reason.
    pub reason: &'static str,
}

#[derive(Clone, Copy, Debug, Default)]
struct Digest(u64);

impl Digest {
    fn add(&mut self, word: u64) {
        let mixed = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 29);
    }
}

impl Trace {
    fn with(keeps: bool, pause_at: u64) -> Arc<Self> {
        Arc::new(Self { keeps, pause_at, is_due: AtomicBool::new(false), state: Mutex::default() })
    }

    /// Keeps every event.
    pub fn recording() -> Arc<Self> {
        Self::with(true, 0)
    }

    /// Keeps a digest only.
    pub fn digest_only() -> Arc<Self> {
        Self::with(false, 0)
    }

    /// Keeps every event, and pauses the machine behind event `step`, at the first place where its kernel holds no spin
    /// lock.
    pub fn pausing_at(step: u64) -> Arc<Self> {
        Self::with(true, step)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What stands for the whole run: equal when every event was the same, at the same time and place.
    pub fn digest(&self) -> u64 {
        self.state().digest.0
    }

    /// What stands for the order in which CPUs had their turns, and how far each got, alone.
    pub fn schedule_digest(&self) -> u64 {
        self.state().schedule.0
    }

    /// Events so far.
    pub fn steps(&self) -> u64 {
        self.state().step
    }

    /// The digest after each [`CHECKPOINT_STEPS`] steps.
    pub fn checkpoints(&self) -> Vec<u64> {
        self.state().checkpoints.clone()
    }

    /// What was kept.
    pub fn events(&self) -> Vec<Event> {
        self.state().events.clone()
    }

    /// Why the run may not be replayable from what its machine was told; `None` if there is no reason.
    pub fn doubt(&self) -> Option<Doubt> {
        self.state().doubt.clone()
    }

    pub(crate) fn begin(&self, cpus: usize) {
        self.state().cpus = vec![0; cpus];
    }

    fn record(&self, state: &mut State, time_ns: u64, cpu: Option<CpuId>, task: u64, what: What) {
        state.step += 1;
        let mut words = [0; WORDS_MAX];
        what.words(&mut words);
        state.digest.add(time_ns);
        state.digest.add(cpu.map_or(u64::MAX, |cpu| cpu.0 as u64));
        state.digest.add(task);
        words.iter().for_each(|word| state.digest.add(*word));
        if state.step.is_multiple_of(CHECKPOINT_STEPS) {
            let digest = state.digest.0;
            if self.keeps {
                state.checkpoints.push(digest);
            }
        }
        if self.keeps && state.events.len() < EVENTS_MAX {
            state.events.push(Event { step: state.step, time_ns, cpu, task, what });
        }
        if state.step == self.pause_at {
            self.is_due.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn task(&self, time_ns: u64, cpu: Option<CpuId>, task: u64, event: TaskEvent<'_>) {
        let mut state = self.state();
        let what = match event {
            TaskEvent::Spawned(name) => What::Spawned(name.to_owned()),
            TaskEvent::Woken => What::Woken,
            TaskEvent::Resumed => What::Resumed,
            TaskEvent::Yielded => What::Yielded,
            TaskEvent::Parked => What::Parked,
            TaskEvent::Ended => What::Ended,
        };
        if let Some(on) = cpu.and_then(|cpu| state.cpus.get_mut(cpu.0)) {
            match event {
                TaskEvent::Resumed => *on = task,
                TaskEvent::Yielded | TaskEvent::Parked | TaskEvent::Ended => *on = 0,
                TaskEvent::Spawned(_) | TaskEvent::Woken => {}
            }
        }
        self.record(&mut state, time_ns, cpu, task, what);
    }

    /// A program is entered on `cpu`, with `value` as the answer if it waits for one.
    pub(crate) fn entered(&self, time_ns: u64, cpu: CpuId, value: usize) {
        let mut state = self.state();
        let task = state.cpus[cpu.0];
        if state.calling.remove(&task) {
            self.record(&mut state, time_ns, Some(cpu), task, What::Returned(value));
        }
    }

    pub(crate) fn trapped(&self, time_ns: u64, cpu: CpuId, trap: &Trap, frame: &SyscallFrame) {
        let mut state = self.state();
        let task = state.cpus[cpu.0];
        let what = match trap {
            Trap::Syscall => {
                state.calling.insert(task);
                What::Call { number: frame.number, args: frame.args }
            }
            Trap::PageFault(fault) => What::Fault(*fault),
            Trap::Exception(_) => What::Exception,
            Trap::Interrupt => What::Preempted,
        };
        self.record(&mut state, time_ns, Some(cpu), task, what);
    }

    pub(crate) fn interrupt(&self, time_ns: u64, cpu: CpuId, interrupt: Interrupt) {
        let mut state = self.state();
        let task = state.cpus[cpu.0];
        self.record(&mut state, time_ns, Some(cpu), task, What::Interrupt(interrupt));
    }

    /// `cpu` did something, after so many safe points of whose turn was before.
    pub(crate) fn turn(&self, cpu: usize, safe_points: u32) {
        let mut state = self.state();
        if state.last_cpu != Some(cpu) {
            state.last_cpu = Some(cpu);
            state.schedule.add(cpu as u64);
            state.schedule.add(u64::from(safe_points));
        }
    }

    /// Another run may come out differently from here on.
    pub(crate) fn doubt_because(&self, reason: &'static str) {
        let mut state = self.state();
        let step = state.step;
        state.doubt.get_or_insert(Doubt { step, reason });
    }

    /// Whether the machine is to pause.
    #[inline]
    pub(crate) fn pause_is_due(&self) -> bool {
        self.is_due.load(Ordering::Relaxed)
    }

    /// It does, and may go on afterwards.
    pub(crate) fn take_pause(&self) -> bool {
        self.is_due.swap(false, Ordering::Relaxed)
    }
}
