//! Clocks and sleeps.

use alloc::boxed::Box;
use alloc::sync::Arc;

use ostd::Machine;
use ostd::sync::{Sleep, WaitError, WaitQueue};

use crate::abi::arg::{UserMut, UserPtr};
use crate::abi::flags::{CAP_SYS_TIME, CAP_WAKE_ALARM, ClockId, TimerFlags};
use crate::abi::structs::{Timespec, Timeval, Timezone, Tms};
use crate::error::{Errno, Result};
use crate::process::{Thread, ticks};
use crate::syscall::Context;
use crate::time::clock::{may_sleep_by, resolution_ns};

pub(super) use super::itimer::{alarm, getitimer, setitimer};

const NS_PER_SEC: u64 = 1_000_000_000;
/// How far from Greenwich a time zone is at most.
const ZONE_MINUTES_MAX: u32 = 15 * 60;

/// Time spent by the process or thread that a CPU clock belongs to: clock_getcpuclockid(3) and its kin make the numbers.
fn cpu_ns(cx: &Context<'_>, clock: ClockId) -> Result<u64> {
    const PER_THREAD: i32 = 4;
    match clock {
        ClockId::CLOCK_PROCESS_CPUTIME_ID => return Ok(cx.process().spent().total_ns()),
        ClockId::CLOCK_THREAD_CPUTIME_ID => return Ok(cx.thread.spent().total_ns()),
        _ => {}
    }
    let who = !(clock.0 >> 3);
    let spent = match (clock.0 & PER_THREAD != 0, who) {
        (true, 0) => cx.thread.spent(),
        (false, 0) => cx.process().spent(),
        (true, tid) => cx.kernel.processes().find_thread(tid).ok_or(Errno::EINVAL)?.spent(),
        (false, pid) => cx.kernel.processes().find(pid).ok_or(Errno::EINVAL)?.spent(),
    };
    match clock.0 & 3 {
        0 | 2 => Ok(spent.total_ns()),
        1 => Ok(spent.user_ns),
        _ => Err(Errno::EINVAL),
    }
}

/// What `clock` shows.
fn now_ns(cx: &Context<'_>, clock: ClockId) -> Result<u64> {
    let is_cpu_clock =
        clock.0 < 0 || matches!(clock, ClockId::CLOCK_PROCESS_CPUTIME_ID | ClockId::CLOCK_THREAD_CPUTIME_ID);
    if is_cpu_clock { cpu_ns(cx, clock) } else { cx.kernel.clock().now_ns(clock) }
}

pub(super) fn clock_gettime(cx: &mut Context<'_>, clock: ClockId, into: UserMut<Timespec>) -> Result {
    let now = now_ns(cx, clock)?;
    cx.space().write_value(into.addr, &Timespec::from_ns(now))?;
    Ok(0)
}

pub(super) fn clock_getres(cx: &mut Context<'_>, clock: ClockId, into: UserMut<Timespec>) -> Result {
    now_ns(cx, clock)?;
    if !into.is_null() {
        cx.space().write_value(into.addr, &Timespec::from_ns(resolution_ns(clock)))?;
    }
    Ok(0)
}

pub(super) fn clock_settime(cx: &mut Context<'_>, clock: ClockId, from: UserPtr<Timespec>) -> Result {
    if clock != ClockId::CLOCK_REALTIME {
        return Err(Errno::EINVAL);
    }
    let now = cx.space().read_value::<Timespec>(from.addr)?.to_ns().ok_or(Errno::EINVAL)?;
    if !cx.credentials().can(CAP_SYS_TIME) {
        return Err(Errno::EPERM);
    }
    cx.kernel.clock().set_realtime_ns(now)?;
    Ok(0)
}

pub(super) fn time(cx: &mut Context<'_>, into: UserMut<i64>) -> Result {
    let seconds = cx.kernel.clock().realtime_ns() / NS_PER_SEC;
    if !into.is_null() {
        cx.space().write_value(into.addr, &seconds)?;
    }
    Ok(seconds as usize)
}

pub(super) fn gettimeofday(cx: &mut Context<'_>, into: UserMut<Timeval>, zone: UserMut<Timezone>) -> Result {
    if !into.is_null() {
        cx.space().write_value(into.addr, &Timeval::from_ns(cx.kernel.clock().realtime_ns()))?;
    }
    if !zone.is_null() {
        cx.space().write_value(zone.addr, &Timezone::default())?;
    }
    Ok(0)
}

pub(super) fn settimeofday(cx: &mut Context<'_>, from: UserPtr<Timeval>, zone: UserPtr<Timezone>) -> Result {
    let space = cx.space();
    let mut now = None;
    if !from.is_null() {
        now = Some(space.read_value::<Timeval>(from.addr)?.to_ns().ok_or(Errno::EINVAL)?);
    }
    // Of no use to a clock that runs on universal time.
    let zone = if zone.is_null() { Timezone::default() } else { space.read_value::<Timezone>(zone.addr)? };
    if !cx.credentials().can(CAP_SYS_TIME) {
        return Err(Errno::EPERM);
    }
    if zone.tz_minuteswest.unsigned_abs() > ZONE_MINUTES_MAX {
        return Err(Errno::EINVAL);
    }
    if let Some(now) = now {
        cx.kernel.clock().set_realtime_ns(now)?;
    }
    Ok(0)
}

pub(super) fn times(cx: &mut Context<'_>, into: UserMut<Tms>) -> Result {
    let now = cx.kernel.clock().monotonic_ns();
    if !into.is_null() {
        let (own, children) = (cx.process().spent(), cx.process().spent_by_children());
        let shown = Tms {
            tms_utime: ticks(own.user_ns),
            tms_stime: ticks(own.system_ns),
            tms_cutime: ticks(children.user_ns),
            tms_cstime: ticks(children.system_ns),
        };
        cx.space().write_value(into.addr, &shown)?;
    }
    Ok(ticks(now) as usize)
}

pub(super) fn nanosleep(cx: &mut Context<'_>, request: UserPtr<Timespec>, remain: UserMut<Timespec>) -> Result {
    let span = cx.space().read_value::<Timespec>(request.addr)?.to_ns().ok_or(Errno::EINVAL)?;
    sleep_for(cx, span, remain.addr)
}

pub(super) fn clock_nanosleep(
    cx: &mut Context<'_>,
    clock: ClockId,
    flags: TimerFlags,
    request: UserPtr<Timespec>,
    remain: UserMut<Timespec>,
) -> Result {
    if clock != ClockId::CLOCK_PROCESS_CPUTIME_ID {
        may_sleep_by(clock)?;
    }
    let at = cx.space().read_value::<Timespec>(request.addr)?.to_ns().ok_or(Errno::EINVAL)?;
    let wakes = matches!(clock, ClockId::CLOCK_REALTIME_ALARM | ClockId::CLOCK_BOOTTIME_ALARM);
    if wakes && !cx.credentials().can(CAP_WAKE_ALARM) {
        return Err(Errno::EPERM);
    }
    let is_absolute = flags.contains(TimerFlags::TIMER_ABSTIME);
    if clock == ClockId::CLOCK_PROCESS_CPUTIME_ID {
        let until_ns = if is_absolute { at } else { cx.process().spent().total_ns().saturating_add(at) };
        return sleep_by_cpu(cx.thread, until_ns, (!is_absolute).then_some(remain.addr));
    }
    if !is_absolute {
        return sleep_for(cx, at, remain.addr);
    }
    let deadline_ns = cx.kernel.clock().monotonic_deadline(clock, at);
    match sleep(deadline_ns) {
        WaitError::TimedOut => Ok(0),
        WaitError::Interrupted => Err(Errno::ERESTARTNOHAND),
    }
}

/// Sleeps until the process has used so much CPU time; where it is a span, what remains of that may be told at an address.
fn sleep_by_cpu(thread: &Arc<Thread>, until_ns: u64, span: Option<usize>) -> Result {
    let process = thread.process();
    if process.sleep_by_cpu_time(until_ns).is_ok() {
        return Ok(0);
    }
    let remain = span.ok_or(Errno::ERESTARTNOHAND)?;
    let left = until_ns.saturating_sub(process.spent().total_ns());
    if remain != 0 {
        thread.space().write_value(remain, &Timespec::from_ns(left))?;
    }
    thread.set_restart(Box::new(move |thread| sleep_by_cpu(thread, until_ns, span)));
    Err(Errno::ERESTART_RESTARTBLOCK)
}

fn sleep_for(cx: &Context<'_>, span_ns: u64, remain: usize) -> Result {
    let machine = cx.kernel.machine();
    sleep_until(machine, cx.thread, machine.monotonic_ns().saturating_add(span_ns), remain)
}

/// Sleeps; a signal without a handler lets it go on until the same moment.
fn sleep_until(machine: &Machine, thread: &Arc<Thread>, deadline_ns: u64, remain: usize) -> Result {
    if sleep(deadline_ns) == WaitError::TimedOut {
        return Ok(0);
    }
    let left = deadline_ns.saturating_sub(machine.monotonic_ns());
    if left == 0 {
        return Ok(0);
    }
    if remain != 0 {
        thread.space().write_value(remain, &Timespec::from_ns(left))?;
    }
    let machine = machine.clone();
    thread.set_restart(Box::new(move |thread| sleep_until(&machine, thread, deadline_ns, remain)));
    Err(Errno::ERESTART_RESTARTBLOCK)
}

fn sleep(deadline_ns: u64) -> WaitError {
    let until = Sleep::interruptible().until(Some(deadline_ns));
    match WaitQueue::new().wait_until(until, || None::<()>) {
        Err(why) => why,
        Ok(()) => WaitError::TimedOut,
    }
}
