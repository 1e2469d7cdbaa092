//! Interval timers: alarm(2) and setitimer(2).

use crate::abi::arg::{UserMut, UserPtr};
use crate::abi::flags::ItimerKind;
use crate::abi::structs::{Itimerval, Timeval};
use crate::error::{Errno, Result};
use crate::process::CpuTimer;
use crate::syscall::Context;
use crate::time::Schedule;

const NS_PER_SEC: u64 = 1_000_000_000;

pub(super) fn alarm(cx: &mut Context<'_>, seconds: u32) -> Result {
    let now = cx.kernel.machine().monotonic_ns();
    let next_ns = if seconds == 0 { 0 } else { now + u64::from(seconds) * NS_PER_SEC };
    let old = cx.process().set_real_timer(Schedule { next_ns, interval_ns: 0 });
    // Rounded, but what is armed is never shown as nothing: alarm(2) of Linux.
    let left = old.left_ns(now);
    let rounded = left.saturating_add(NS_PER_SEC / 2) / NS_PER_SEC;
    // An unsigned int, however long setitimer made it.
    Ok(if left > 0 { rounded.max(1) } else { 0 } as u32 as usize)
}

/// Which CPU time a timer counts, and how much of it there is; `None` is real time.
fn cpu_time(cx: &Context<'_>, which: ItimerKind) -> Result<Option<(CpuTimer, u64)>> {
    let spent = cx.process().spent();
    Ok(match which {
        ItimerKind::ITIMER_REAL => None,
        ItimerKind::ITIMER_VIRTUAL => Some((CpuTimer::User, spent.user_ns)),
        ItimerKind::ITIMER_PROF => Some((CpuTimer::Both, spent.total_ns())),
        _ => return Err(Errno::EINVAL),
    })
}

pub(super) fn getitimer(cx: &mut Context<'_>, which: ItimerKind, into: UserMut<Itimerval>) -> Result {
    let told = match cpu_time(cx, which)? {
        None => shown(cx.process().real_timer(), cx.kernel.machine().monotonic_ns()),
        Some((timer, now)) => shown(cx.process().cpu_timer(timer), now),
    };
    cx.space().write_value(into.addr, &told)?;
    Ok(0)
}

pub(super) fn setitimer(
    cx: &mut Context<'_>,
    which: ItimerKind,
    new: UserPtr<Itimerval>,
    old: UserMut<Itimerval>,
) -> Result {
    let wanted = if new.is_null() { Itimerval::default() } else { cx.space().read_value::<Itimerval>(new.addr)? };
    // Linux counts with a sign.
    let span = |of: Timeval| of.to_ns().map(|ns| ns.min(i64::MAX as u64)).ok_or(Errno::EINVAL);
    let (value, interval_ns) = (span(wanted.it_value)?, span(wanted.it_interval)?);
    let cpu = cpu_time(cx, which)?;
    let now = cpu.map_or_else(|| cx.kernel.machine().monotonic_ns(), |(_, now)| now);
    let next_ns = if value == 0 { 0 } else { now.saturating_add(value).min(i64::MAX as u64) };
    let schedule = Schedule { next_ns, interval_ns };
    let was = match cpu {
        None => cx.process().set_real_timer(schedule),
        Some((timer, _)) => cx.process().set_cpu_timer(timer, schedule),
    };
    if !old.is_null() {
        cx.space().write_value(old.addr, &shown(was, now))?;
    }
    Ok(0)
}

fn shown(schedule: Schedule, now_ns: u64) -> Itimerval {
    let left = schedule.left_ns(now_ns);
    // Less than a microsecond is not nothing.
    let left = if left > 0 { left.max(1000) } else { 0 };
    Itimerval { it_interval: Timeval::from_ns(schedule.interval_ns), it_value: Timeval::from_ns(left) }
}
