//! Timers that ring by signals: alarm(2), setitimer(2), timer_create(2), and the limit on CPU time.
//!
//! Timers of real time are alarms. Those of CPU time are looked at whenever a thread comes out of its program, so they
//! ring late by a slice at most; nothing is looked at as long as none is armed.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};

use ostd::sync::SpinLock;
use ostd::sync::atomic::AtomicBool;

use super::{Process, Thread};
use crate::abi::Signal;
use crate::abi::flags::{ClockId, Resource, SI_TIMER};
use crate::abi::structs::{Siginfo, status_signaled};
use crate::error::{Errno, Result};
use crate::time::{Alarm, Schedule};

const NS_PER_SEC: u64 = 1_000_000_000;

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
    alarm: Alarm,
}

impl PosixTimer {
    /// By which clock its times are meant.
    pub fn clock(&self) -> ClockId {
        self.clock
    }

    /// Rings by `schedule` from now on; gives the schedule it replaced.
    pub fn set(&self, schedule: Schedule) -> Schedule {
        self.alarm.set(schedule)
    }

    /// When it rings.
    pub fn schedule(&self) -> Schedule {
        self.alarm.schedule()
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

/// The timers of a process.
#[derive(Default)]
pub(super) struct Timers {
    real: SpinLock<Option<Arc<Alarm>>>,
    posix: SpinLock<Posix>,
    /// Whether anything below is to be looked at.
    watches_cpu: AtomicBool,
    cpu: SpinLock<CpuTimers>,
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
    /// CPU time at which RLIMIT_CPU speaks next; 0 is its first time.
    limit_ns: u64,
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

    /// Makes a timer; gives its number. EAGAIN when there are `count_max`.
    pub fn add_timer(self: &Arc<Self>, clock: ClockId, tells: Option<Tells>, count_max: u64) -> Result<i32> {
        let processes = self.processes().ok_or(Errno::EAGAIN)?;
        let id = {
            let mut posix = self.timers.posix.lock();
            if posix.timers.len() as u64 >= count_max {
                return Err(Errno::EAGAIN);
            }
            while posix.timers.contains_key(&posix.next) {
                posix.next = posix.next.checked_add(1).unwrap_or(0);
            }
            let id = posix.next;
            posix.next = posix.next.checked_add(1).unwrap_or(0);
            id
        };
        // Without a wish, SIGALRM with the timer's number.
        let tells = tells.unwrap_or(Tells::Process(Signal::SIGALRM, u64::from(id.unsigned_abs())));
        let timer = PosixTimer { clock, alarm: Alarm::new(processes.machine(), self.ring_of(id, tells)) };
        self.timers.posix.lock().timers.insert(id, Arc::new(timer));
        Ok(id)
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
        drop(cpu);
        self.timers.watches_cpu.store(true);
        old
    }

    /// When a timer of CPU time rings.
    pub fn cpu_timer(&self, which: CpuTimer) -> Schedule {
        let cpu = self.timers.cpu.lock();
        if which == CpuTimer::User { cpu.user } else { cpu.both }
    }

    /// RLIMIT_CPU has changed, or was inherited.
    pub fn watch_cpu_limit(&self) {
        self.timers.cpu.lock().limit_ns = 0;
        self.timers.watches_cpu.store(true);
    }

    /// Rings what is due by CPU time.
    pub(super) fn look_at_cpu_time(&self) {
        if !self.timers.watches_cpu.load() {
            return;
        }
        let spent = self.spent();
        let limits = self.limits();
        let soft_ns = limits.soft(Resource::RLIMIT_CPU).saturating_mul(NS_PER_SEC);
        let hard_ns = limits.of(Resource::RLIMIT_CPU).map_or(u64::MAX, |limit| limit.rlim_max);
        let hard_ns = hard_ns.saturating_mul(NS_PER_SEC);
        let mut cpu = self.timers.cpu.lock();
        let user_is_due = cpu.user.advance(spent.user_ns) > 0;
        let both_is_due = cpu.both.advance(spent.total_ns()) > 0;
        let over = spent.total_ns() >= soft_ns.max(cpu.limit_ns);
        if over {
            // Once a second: getrlimit(2).
            cpu.limit_ns = spent.total_ns() + NS_PER_SEC;
        }
        if cpu.user.next_ns == 0 && cpu.both.next_ns == 0 && soft_ns == u64::MAX && hard_ns == u64::MAX {
            self.timers.watches_cpu.store(false);
        }
        drop(cpu);
        let told = [(user_is_due, Signal::SIGVTALRM), (both_is_due, Signal::SIGPROF), (over, Signal::SIGXCPU)];
        for (_, signal) in told.into_iter().filter(|(is_due, _)| *is_due) {
            let _ = self.send(signal, Siginfo::kernel(signal));
        }
        if spent.total_ns() >= hard_ns {
            self.begin_exit(status_signaled(Signal::SIGKILL.number(), false));
        }
    }
}
