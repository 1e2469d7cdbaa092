//! Timers that ring once or again and again: what setitimer(2), timer_create(2) and timerfd share.

use alloc::boxed::Box;
use alloc::sync::Arc;

use ostd::Machine;
use ostd::sync::SpinLock;
use ostd::timer::Timer;

/// Between two interrupts of one alarm at least.
const INTERVAL_MIN_NS: u64 = 50_000;

/// When a timer rings next, and how often after that. Zero: never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Schedule {
    /// Monotonic time of the next ring.
    pub next_ns: u64,
    /// From one ring to the next.
    pub interval_ns: u64,
}

impl Schedule {
    /// Moves past `now_ns`; returns how many rings were due.
    pub fn advance(&mut self, now_ns: u64) -> u64 {
        if self.next_ns == 0 || now_ns < self.next_ns {
            return 0;
        }
        if self.interval_ns == 0 {
            self.next_ns = 0;
            return 1;
        }
        let due = (now_ns - self.next_ns) / self.interval_ns + 1;
        self.next_ns = self.next_ns.saturating_add(due.saturating_mul(self.interval_ns));
        due
    }

    /// What is left at `now_ns`: zero only when nothing is armed, as getitimer(2) has it.
    pub const fn left_ns(&self, now_ns: u64) -> u64 {
        if self.next_ns == 0 {
            0
        } else if self.next_ns > now_ns {
            self.next_ns - now_ns
        } else {
            1
        }
    }
}

/// A timer that calls back at each ring, with how many rings were due. Dropping it silences it.
pub struct Alarm {
    machine: Machine,
    shared: Arc<Shared>,
}

struct Shared {
    schedule: SpinLock<Schedule>,
    /// Armed again from its own callback, hence here; taken out when the alarm is dropped.
    timer: SpinLock<Option<Arc<Timer>>>,
    ring: Box<dyn Fn(u64) + Send + Sync>,
}

impl Alarm {
    /// A silent alarm. `ring` runs in interrupt context and must not sleep.
    pub fn new(machine: &Machine, ring: impl Fn(u64) + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            schedule: SpinLock::new(Schedule::default()),
            timer: SpinLock::new(None),
            ring: Box::new(ring),
        });
        let weak = Arc::downgrade(&shared);
        let clock = machine.clone();
        let timer = Timer::new(machine, move || {
            if let Some(shared) = weak.upgrade() {
                shared.expire(clock.monotonic_ns());
            }
        });
        *shared.timer.lock() = Some(Arc::new(timer));
        Self { machine: machine.clone(), shared }
    }

    /// Rings by `schedule` from now on; returns the schedule it replaced.
    pub fn set(&self, schedule: Schedule) -> Schedule {
        let mut current = self.shared.schedule.lock();
        current.advance(self.machine.monotonic_ns());
        let old = core::mem::replace(&mut *current, schedule);
        drop(current);
        if let Some(timer) = self.shared.timer() {
            if schedule.next_ns == 0 { timer.disarm() } else { timer.arm(schedule.next_ns) }
        }
        old
    }

    /// When it rings.
    pub fn schedule(&self) -> Schedule {
        *self.shared.schedule.lock()
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let timer = self.shared.timer.lock().take();
        if let Some(timer) = timer {
            timer.disarm();
        }
    }
}

impl Shared {
    fn timer(&self) -> Option<Arc<Timer>> {
        self.timer.lock().clone()
    }

    fn expire(&self, now_ns: u64) {
        let mut schedule = self.schedule.lock();
        let due = schedule.advance(now_ns);
        let next_ns = schedule.next_ns;
        drop(schedule);
        if next_ns != 0
            && let Some(timer) = self.timer()
        {
            // A program may ask for more rings than a machine has time for; they are counted all the same.
            timer.arm(next_ns.max(now_ns + INTERVAL_MIN_NS));
        }
        if due > 0 {
            (self.ring)(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn a_schedule_counts_the_rings_it_missed() {
        let mut schedule = Schedule { next_ns: 100, interval_ns: 30 };
        assert_eq!(schedule.advance(99), 0);
        assert_eq!(schedule.advance(160), 3);
        assert_eq!(schedule, Schedule { next_ns: 190, interval_ns: 30 });
        assert_eq!(schedule.left_ns(150), 40);
    }

    #[test]
    fn a_single_ring_leaves_nothing_and_what_is_due_is_never_shown_as_unarmed() {
        let mut schedule = Schedule { next_ns: 100, interval_ns: 0 };
        assert_eq!(schedule.left_ns(100), 1);
        assert_eq!(schedule.advance(500), 1);
        assert_eq!((schedule.advance(900), schedule.left_ns(900)), (0, 0));
    }
}
