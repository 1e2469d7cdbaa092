//! Timers that ring by signals: alarm(2), setitimer(2), timer_create(2), and the limit on CPU time.
//!
//! Timers of real time are alarms. Those of CPU time are looked at when a thread comes out of its program, once in a tick
//! of the process's CPU time, so they ring late by a tick and a slice at most; nothing is looked at as long as none is armed.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use ostd::sync::atomic::AtomicBool;
use ostd::sync::{Sleep, SpinLock, WaitError, WaitQueue};

use super::{Process, Spent, Thread};
use crate::abi::Signal;
use crate::abi::flags::{ClockId, RLIM_INFINITY, Resource, SI_TIMER};
use crate::abi::structs::{Rlimit, Siginfo, status_signaled};
use crate::error::{Errno, Result};
use crate::time::{Alarm, Schedule};

const NS_PER_SEC: u64 = 1_000_000_000;
/// How often CPU time is looked at, in CPU time: Linux does so when the clock ticks, a thousand times a second at most.
const TICK_NS: u64 = 1_000_000;

/// Whom a timer of timer_create(2) tells.
#[derive(Clone)]
pub enum Tells {
    /// Nobody: it is only asked.
    Nobody,
    /// The process, by this signal and value.
    Process(Signal, u64),
    /// One thread.
    Thread(Weak<Thread>, Signal, u64),
}

/// A timer of timer_create(2).
pub struct PosixTimer {
    clock: ClockId,
    count: Count,
}

/// What makes a timer ring.
enum Count {
    Time(Alarm),
    /// The CPU time of the timer's process, or of this thread of it.
    Cpu {
        process: Weak<Process>,
        thread: Option<Weak<Thread>>,
        schedule: SpinLock<Schedule>,
        ring: Box<dyn Fn(u64) + Send + Sync>,
    },
}

impl PosixTimer {
    /// By which clock its times are meant.
    pub fn clock(&self) -> ClockId {
        self.clock
    }

    /// Rings by `schedule` from now on; gives the schedule it replaced. For CPU clocks its times count from the beginning
    /// of the process or thread.
    pub fn set(&self, new: Schedule) -> Schedule {
        match &self.count {
            Count::Time(alarm) => alarm.set(new),
            Count::Cpu { process, schedule, .. } => {
                let old = core::mem::replace(&mut *schedule.lock(), new);
                if let Some(process) = process.upgrade() {
                    process.watch_cpu_time();
                }
                old
            }
        }
    }

    /// When it rings.
    pub fn schedule(&self) -> Schedule {
        match &self.count {
            Count::Time(alarm) => alarm.schedule(),
            Count::Cpu { schedule, .. } => *schedule.lock(),
        }
    }

    /// The CPU time that it counts, so far; `None` if it counts another time.
    pub fn cpu_ns(&self) -> Option<u64> {
        match &self.count {
            Count::Time(_) => None,
            Count::Cpu { process, thread: None, .. } => Some(process.upgrade()?.spent().total_ns()),
            Count::Cpu { thread: Some(thread), .. } => Some(thread.upgrade()?.spent().total_ns()),
        }
    }

    /// Rings if that is due by CPU time; whether it may be later.
    fn look(&self) -> bool {
        let (Count::Cpu { schedule, ring, .. }, Some(now_ns)) = (&self.count, self.cpu_ns()) else { return false };
        let (due, is_armed) = {
            let mut schedule = schedule.lock();
            (schedule.advance(now_ns), schedule.next_ns != 0)
        };
        if due > 0 {
            ring(due);
        }
        is_armed
    }
}

/// Which CPU time an interval timer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuTimer {
    /// In the program: ITIMER_VIRTUAL.
    User,
    /// And in the kernel: ITIMER_PROF.
    Both,
}

/// The timers of a process, and the CPU time that is not its threads'.
#[derive(Default)]
pub(super) struct Timers {
    real: SpinLock<Option<Arc<Alarm>>>,
    posix: SpinLock<Posix>,
    /// Whether anything below is to be looked at.
    watches_cpu: AtomicBool,
    cpu: SpinLock<CpuTimers>,
    /// Who sleeps until the process has used so much CPU time.
    cpu_sleepers: WaitQueue,
    /// What threads used that are gone, and what children did.
    pub(super) spent_by_dead: SpinLock<Spent>,
    pub(super) spent_by_children: SpinLock<Spent>,
}

#[derive(Default)]
struct Posix {
    timers: BTreeMap<i32, Arc<PosixTimer>>,
    /// How many rings the last signal of each timer stood for, its own not counted.
    overruns: BTreeMap<i32, i32>,
    next: i32,
}

#[derive(Clone, Copy, Debug, Default)]
struct CpuTimers {
    user: Schedule,
    both: Schedule,
    /// CPU time when it was looked at last.
    looked_ns: u64,
    sleepers: usize,
}

impl Process {
    /// Sets the timer of real time; gives the schedule it replaced.
    pub fn set_real_timer(self: &Arc<Self>, schedule: Schedule) -> Schedule {
        let Some(processes) = self.processes() else { return Schedule::default() };
        let current = self.timers.real.lock().clone();
        let alarm = current.unwrap_or_else(|| {
            let weak = Arc::downgrade(self);
            let ring = move |_| {
                if let Some(process) = weak.upgrade() {
                    // One that is still waiting is enough.
                    let _ = process.send(Signal::SIGALRM, Siginfo::kernel(Signal::SIGALRM));
                }
            };
            let new = Arc::new(Alarm::new(processes.machine(), ring));
            Arc::clone(self.timers.real.lock().get_or_insert(new))
        });
        alarm.set(schedule)
    }

    /// When the timer of real time rings.
    pub fn real_timer(&self) -> Schedule {
        let alarm = self.timers.real.lock().clone();
        alarm.map_or(Schedule::default(), |alarm| alarm.schedule())
    }

    /// A number for a timer, which no other gets. EAGAIN when there are `count_max`.
    pub fn next_timer(&self, count_max: u64) -> Result<i32> {
        let mut posix = self.timers.posix.lock();
        if posix.timers.len() as u64 >= count_max {
            return Err(Errno::EAGAIN);
        }
        while posix.timers.contains_key(&posix.next) {
            posix.next = posix.next.checked_add(1).unwrap_or(0);
        }
        let id = posix.next;
        posix.next = posix.next.checked_add(1).unwrap_or(0);
        Ok(id)
    }

    /// Makes the timer of that number, of `thread` if it counts that one's CPU time.
    pub fn add_timer(
        self: &Arc<Self>,
        id: i32,
        clock: ClockId,
        thread: &Arc<Thread>,
        tells: Option<Tells>,
    ) -> Result<()> {
        let processes = self.processes().ok_or(Errno::EAGAIN)?;
        // Without a wish, SIGALRM with the timer's number.
        let tells = tells.unwrap_or(Tells::Process(Signal::SIGALRM, u64::from(id.unsigned_abs())));
        let ring = self.ring_of(id, tells);
        let cpu = |thread, ring| Count::Cpu {
            process: Arc::downgrade(self),
            thread,
            schedule: SpinLock::new(Schedule::default()),
            ring,
        };
        let count = match clock {
            ClockId::CLOCK_PROCESS_CPUTIME_ID => cpu(None, ring),
            ClockId::CLOCK_THREAD_CPUTIME_ID => cpu(Some(Arc::downgrade(thread)), ring),
            _ => Count::Time(Alarm::new(processes.machine(), ring)),
        };
        let timer = PosixTimer { clock, count };
        self.timers.posix.lock().timers.insert(id, Arc::new(timer));
        Ok(())
    }

    fn ring_of(self: &Arc<Self>, id: i32, tells: Tells) -> Box<dyn Fn(u64) + Send + Sync> {
        let weak = Arc::downgrade(self);
        let info = move |signal, due: u64, value| {
            let extra = i32::try_from(due.saturating_sub(1)).unwrap_or(i32::MAX);
            Siginfo::timer(signal, id, extra, value)
        };
        Box::new(move |due| match &tells {
            Tells::Nobody => {}
            Tells::Process(signal, value) => {
                if let Some(process) = weak.upgrade() {
                    process.send_of_timer(*signal, info(*signal, due, *value));
                }
            }
            Tells::Thread(thread, signal, value) => {
                if let Some(thread) = thread.upgrade() {
                    thread.send_of_timer(*signal, info(*signal, due, *value));
                }
            }
        })
    }

    /// A timer by its number; EINVAL.
    pub fn timer(&self, id: i32) -> Result<Arc<PosixTimer>> {
        self.timers.posix.lock().timers.get(&id).cloned().ok_or(Errno::EINVAL)
    }

    /// timer_delete(2).
    pub fn remove_timer(&self, id: i32) -> Result<()> {
        let mut posix = self.timers.posix.lock();
        let removed = posix.timers.remove(&id).ok_or(Errno::EINVAL)?;
        posix.overruns.remove(&id);
        drop(posix);
        drop(removed);
        Ok(())
    }

    /// timer_getoverrun(2).
    pub fn overrun(&self, id: i32) -> i32 {
        self.timers.posix.lock().overruns.get(&id).copied().unwrap_or(0)
    }

    /// Notes what the signal of a timer said that a program takes now.
    pub(super) fn note_taken(&self, info: &Siginfo) {
        if info.si_code == SI_TIMER {
            let mut posix = self.timers.posix.lock();
            if posix.timers.contains_key(&info.timer_id()) {
                posix.overruns.insert(info.timer_id(), info.timer_overrun());
            }
        }
    }

    /// Another program begins: timer_create(2)'s timers end, the others go on.
    pub(super) fn forget_timers(&self) {
        let old = core::mem::take(&mut *self.timers.posix.lock());
        drop(old);
    }

    /// The process has ended.
    pub(super) fn silence(&self) {
        let real = self.timers.real.lock().take();
        drop(real);
        self.forget_timers();
        self.timers.watches_cpu.store(false);
    }

    /// Sets a timer of CPU time; times in the schedules count from the process's beginning. Gives the one it replaced.
    pub fn set_cpu_timer(&self, which: CpuTimer, schedule: Schedule) -> Schedule {
        let mut cpu = self.timers.cpu.lock();
        let timer = if which == CpuTimer::User { &mut cpu.user } else { &mut cpu.both };
        let old = core::mem::replace(timer, schedule);
        self.timers.watches_cpu.store(true);
        old
    }

    /// Timers or a limit of it have changed.
    pub fn watch_cpu_time(&self) {
        let _cpu = self.timers.cpu.lock();
        self.timers.watches_cpu.store(true);
    }

    /// Sleeps until the process has used `until_ns` of CPU time.
    pub fn sleep_by_cpu_time(&self, until_ns: u64) -> core::result::Result<(), WaitError> {
        let count = |change: fn(usize) -> usize| {
            let mut cpu = self.timers.cpu.lock();
            cpu.sleepers = change(cpu.sleepers);
            self.timers.watches_cpu.store(true);
        };
        count(|sleepers| sleepers + 1);
        let used = || (self.spent().total_ns() >= until_ns).then_some(());
        let slept = self.timers.cpu_sleepers.wait_until(Sleep::interruptible(), used);
        count(|sleepers| sleepers - 1);
        slept
    }

    /// When a timer of CPU time rings.
    pub fn cpu_timer(&self, which: CpuTimer) -> Schedule {
        let cpu = self.timers.cpu.lock();
        if which == CpuTimer::User { cpu.user } else { cpu.both }
    }

    /// Rings what is due by CPU time.
    pub(super) fn look_at_cpu_time(&self) {
        if !self.timers.watches_cpu.load() {
            return;
        }
        let spent = self.spent();
        {
            let mut cpu = self.timers.cpu.lock();
            if spent.total_ns() / TICK_NS == cpu.looked_ns / TICK_NS {
                return;
            }
            cpu.looked_ns = spent.total_ns();
        }
        // What is armed meanwhile says so afterwards.
        self.timers.watches_cpu.store(false);
        let timers: Vec<_> = self.timers.posix.lock().timers.values().cloned().collect();
        let is_armed = timers.iter().filter(|timer| timer.look()).count() > 0;
        drop(timers);
        self.timers.cpu_sleepers.wake_all();
        let limit = self.limits().of(Resource::RLIMIT_CPU).unwrap_or_default();
        let is_over = |seconds: u64| spent.total_ns() >= seconds.saturating_mul(NS_PER_SEC);
        let mut cpu = self.timers.cpu.lock();
        let user_is_due = cpu.user.advance(spent.user_ns) > 0;
        let both_is_due = cpu.both.advance(spent.total_ns()) > 0;
        let is_limited = limit.rlim_cur != RLIM_INFINITY;
        if is_armed || is_limited || cpu.user.next_ns != 0 || cpu.both.next_ns != 0 || cpu.sleepers > 0 {
            self.timers.watches_cpu.store(true);
        }
        drop(cpu);
        if is_limited && is_over(limit.rlim_max) {
            return self.begin_exit(status_signaled(Signal::SIGKILL.number(), false));
        }
        let over = is_limited && is_over(limit.rlim_cur);
        if over {
            // Once a second: getrlimit(2).
            let next = Rlimit { rlim_cur: limit.rlim_cur + 1, ..limit };
            let _ = self.with_limits(|limits| limits.set(Resource::RLIMIT_CPU, next, false));
        }
        let told = [(user_is_due, Signal::SIGVTALRM), (both_is_due, Signal::SIGPROF), (over, Signal::SIGXCPU)];
        for (_, signal) in told.into_iter().filter(|(is_due, _)| *is_due) {
            let _ = self.send(signal, Siginfo::kernel(signal));
        }
    }
}
