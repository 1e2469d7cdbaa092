//! Interval timers: alarm(2) and setitimer(2).

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};

use ostd::sync::Mutex;

use crate::abi::Signal;
use crate::abi::arg::{UserMut, UserPtr};
use crate::abi::flags::ItimerKind;
use crate::abi::structs::{Itimerval, Siginfo, Timeval};
use crate::error::{Errno, Result};
use crate::process::Process;
use crate::syscall::Context;
use crate::time::{Alarm, Schedule};

const NS_PER_SEC: u64 = 1_000_000_000;

/// The real-time interval timer of each process that ever armed one.
#[derive(Default)]
pub(crate) struct Itimers(Mutex<BTreeMap<i32, (Weak<Process>, Alarm)>>);

impl Itimers {
    fn schedule(&self, process: &Process) -> Schedule {
        self.0.lock().get(&process.pid()).map_or(Schedule::default(), |(_, alarm)| alarm.schedule())
    }

    fn set(&self, cx: &Context<'_>, schedule: Schedule) -> Schedule {
        let mut timers = self.0.lock();
        timers.retain(|_, (process, _)| process.strong_count() > 0);
        let process = cx.process();
        let (_, alarm) = timers.entry(process.pid()).or_insert_with(|| {
            let owner = Arc::downgrade(process);
            let weak = Weak::clone(&owner);
            let ring = move |_| {
                if let Some(process) = weak.upgrade() {
                    // One that is still waiting is enough.
                    let _ = process.send(Signal::SIGALRM, Siginfo::kernel(Signal::SIGALRM));
                }
            };
            (owner, Alarm::new(cx.kernel.machine(), ring))
        });
        alarm.set(schedule)
    }
}

pub(super) fn alarm(cx: &mut Context<'_>, seconds: u32) -> Result {
    let now = cx.kernel.machine().monotonic_ns();
    let next_ns = if seconds == 0 { 0 } else { now + u64::from(seconds) * NS_PER_SEC };
    let old = cx.kernel.itimers().set(cx, Schedule { next_ns, interval_ns: 0 });
    // Rounded, but what is armed is never shown as nothing: alarm(2) of Linux.
    let left = old.left_ns(now);
    let rounded = (left + NS_PER_SEC / 2) / NS_PER_SEC;
    Ok(if left > 0 { rounded.max(1) } else { 0 } as usize)
}

pub(super) fn getitimer(cx: &mut Context<'_>, which: ItimerKind, into: UserMut<Itimerval>) -> Result {
    only_real(which)?;
    let schedule = cx.kernel.itimers().schedule(cx.process());
    cx.space().write_value(into.addr, &shown(schedule, cx.kernel.machine().monotonic_ns()))?;
    Ok(0)
}

pub(super) fn setitimer(
    cx: &mut Context<'_>,
    which: ItimerKind,
    new: UserPtr<Itimerval>,
    old: UserMut<Itimerval>,
) -> Result {
    let wanted = if new.is_null() { Itimerval::default() } else { cx.space().read_value::<Itimerval>(new.addr)? };
    let value = wanted.it_value.to_ns().ok_or(Errno::EINVAL)?;
    let interval_ns = wanted.it_interval.to_ns().ok_or(Errno::EINVAL)?;
    only_real(which)?;
    let now = cx.kernel.machine().monotonic_ns();
    let next_ns = if value == 0 { 0 } else { now.saturating_add(value) };
    let was = cx.kernel.itimers().set(cx, Schedule { next_ns, interval_ns });
    if !old.is_null() {
        cx.space().write_value(old.addr, &shown(was, now))?;
    }
    Ok(0)
}

/// CPU time is not accounted yet, so its timers are refused rather than never due.
fn only_real(which: ItimerKind) -> Result<()> {
    if which == ItimerKind::ITIMER_REAL { Ok(()) } else { Err(Errno::EINVAL) }
}

fn shown(schedule: Schedule, now_ns: u64) -> Itimerval {
    let left = schedule.left_ns(now_ns);
    // Less than a microsecond is not nothing.
    let left = if left > 0 { left.max(1000) } else { 0 };
    Itimerval { it_interval: Timeval::from_ns(schedule.interval_ns), it_value: Timeval::from_ns(left) }
}
