//! Timers that ring by signals: timer_create(2).

use alloc::sync::Arc;

use super::Context;
use super::event::{schedule, shown};
use crate::abi::Signal;
use crate::abi::arg::{UserMut, UserPtr};
use crate::abi::flags::{
    CAP_WAKE_ALARM, ClockId, Resource, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID, TimerFlags,
};
use crate::abi::structs::{Itimerspec, Sigevent};
use crate::error::{Errno, Result};
use crate::process::Tells;
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
    may_sleep_by(clock)?;
    let alarms = [ClockId::CLOCK_REALTIME_ALARM, ClockId::CLOCK_BOOTTIME_ALARM];
    let tells = wish.map(|wish| tells(cx, &wish)).transpose()?;
    if alarms.contains(&clock) && !cx.credentials().can(CAP_WAKE_ALARM) {
        return Err(Errno::EPERM);
    }
    let made = cx.process().add_timer(clock, tells, cx.process().limit(Resource::RLIMIT_SIGPENDING))?;
    if let Err(errno) = cx.space().write_value(id.addr, &made) {
        // Nobody knows its number.
        let _ = cx.process().remove_timer(made);
        return Err(errno);
    }
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
    let before = timer.set(schedule(cx, timer.clock(), &wish, is_absolute)?);
    if !old.is_null() {
        cx.space().write_value(old.addr, &shown(cx, before))?;
    }
    Ok(0)
}

pub(super) fn timer_gettime(cx: &mut Context<'_>, timer: i32, into: UserMut<Itimerspec>) -> Result {
    let schedule = cx.process().timer(timer)?.schedule();
    cx.space().write_value(into.addr, &shown(cx, schedule))?;
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
