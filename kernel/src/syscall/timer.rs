//! Timers that ring by signals: timer_create(2).

use alloc::sync::Arc;

use super::Context;
use super::event::{schedule, shown};
use crate::abi::Signal;
use crate::abi::arg::{UserMut, UserPtr};
use crate::abi::flags::{
    CAP_WAKE_ALARM, ClockId, Resource, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID, TimerFlags,
};
use crate::abi::structs::{Itimerspec, Sigevent, Timespec};
use crate::error::{Errno, Result};
use crate::process::{PosixTimer, Tells};
use crate::time::Schedule;
use crate::time::clock::may_sleep_by;

/// Whom a program wants to be told.
fn tells(cx: &Context<'_>, event: &Sigevent) -> Result<Tells> {
    let signal = || Signal::from_number(event.sigev_signo).ok_or(Errno::EINVAL);
    match event.sigev_notify {
        SIGEV_NONE => Ok(Tells::Nobody),
        // SIGEV_THREAD is the C library's business; to the kernel it is a signal.
        SIGEV_SIGNAL | SIGEV_THREAD => Ok(Tells::Process(signal()?, event.sigev_value)),
        SIGEV_THREAD_ID => {
            let thread = cx.kernel.processes().find_thread(event.sigev_tid);
            let thread = thread.filter(|thread| Arc::ptr_eq(thread.process(), cx.process())).ok_or(Errno::EINVAL)?;
            Ok(Tells::Thread(Arc::downgrade(&thread), signal()?, event.sigev_value))
        }
        _ => Err(Errno::EINVAL),
    }
}

pub(super) fn timer_create(cx: &mut Context<'_>, clock: ClockId, event: UserPtr<Sigevent>, id: UserMut<i32>) -> Result {
    let wish: Option<Sigevent> = if event.is_null() { None } else { Some(cx.space().read_value(event.addr)?) };
    if !matches!(clock, ClockId::CLOCK_PROCESS_CPUTIME_ID | ClockId::CLOCK_THREAD_CPUTIME_ID) {
        may_sleep_by(clock)?;
    }
    // A timer that is refused from here on has used up a number, as with Linux.
    let made = cx.process().next_timer(cx.process().limit(Resource::RLIMIT_SIGPENDING))?;
    let alarms = [ClockId::CLOCK_REALTIME_ALARM, ClockId::CLOCK_BOOTTIME_ALARM];
    let tells = wish.map(|wish| tells(cx, &wish)).transpose()?;
    cx.space().write_value(id.addr, &made)?;
    if alarms.contains(&clock) && !cx.credentials().can(CAP_WAKE_ALARM) {
        return Err(Errno::EPERM);
    }
    cx.process().add_timer(made, clock, cx.thread, tells)?;
    Ok(0)
}

pub(super) fn timer_settime(
    cx: &mut Context<'_>,
    timer: i32,
    flags: TimerFlags,
    new: UserPtr<Itimerspec>,
    old: UserMut<Itimerspec>,
) -> Result {
    if new.is_null() {
        return Err(Errno::EINVAL);
    }
    let wish: Itimerspec = cx.space().read_value(new.addr)?;
    if wish.it_value.to_ns().is_none() || wish.it_interval.to_ns().is_none() {
        return Err(Errno::EINVAL);
    }
    let timer = cx.process().timer(timer)?;
    let is_absolute = flags.contains(TimerFlags::TIMER_ABSTIME);
    let new = match timer.cpu_ns() {
        Some(now) => cpu_schedule(now, &wish, is_absolute)?,
        // Of a thread that is gone.
        None if timer.clock() == ClockId::CLOCK_THREAD_CPUTIME_ID => return Err(Errno::ESRCH),
        None => schedule(cx, timer.clock(), &wish, is_absolute)?,
    };
    let before = timer.set(new);
    if !old.is_null() {
        cx.space().write_value(old.addr, &shown_by(cx, &timer, before))?;
    }
    Ok(0)
}

/// When a timer of CPU time rings that is armed when its process or thread has used `now_ns`.
fn cpu_schedule(now_ns: u64, wish: &Itimerspec, is_absolute: bool) -> Result<Schedule> {
    let value = wish.it_value.to_ns().ok_or(Errno::EINVAL)?;
    let interval_ns = wish.it_interval.to_ns().ok_or(Errno::EINVAL)?;
    let next_ns = if value == 0 || is_absolute { value } else { now_ns.saturating_add(value) };
    Ok(Schedule { next_ns, interval_ns })
}

/// What a schedule of a timer's looks like now.
fn shown_by(cx: &Context<'_>, timer: &PosixTimer, schedule: Schedule) -> Itimerspec {
    let left = |now_ns| Itimerspec {
        it_interval: Timespec::from_ns(schedule.interval_ns),
        it_value: Timespec::from_ns(schedule.left_ns(now_ns)),
    };
    timer.cpu_ns().map_or_else(|| shown(cx, schedule), left)
}

pub(super) fn timer_gettime(cx: &mut Context<'_>, timer: i32, into: UserMut<Itimerspec>) -> Result {
    let timer = cx.process().timer(timer)?;
    cx.space().write_value(into.addr, &shown_by(cx, &timer, timer.schedule()))?;
    Ok(0)
}

pub(super) fn timer_getoverrun(cx: &mut Context<'_>, timer: i32) -> Result {
    cx.process().timer(timer)?;
    Ok(cx.process().overrun(timer).unsigned_abs() as usize)
}

pub(super) fn timer_delete(cx: &mut Context<'_>, timer: i32) -> Result {
    cx.process().remove_timer(timer)?;
    Ok(0)
}
