//! Descriptors that are made to be polled, and a file without a path.

use alloc::sync::Arc;

use super::Context;
use crate::abi::SigSet;
use crate::abi::arg::{Fd, UserMut, UserName, UserPtr};
use crate::abi::flags::{
    CAP_WAKE_ALARM, ClockId, EventfdFlags, MemfdFlags, NAME_MAX, OpenFlags, Resource, SignalfdFlags, TimerfdFlags,
    TimerfdSettimeFlags,
};
use crate::abi::structs::{Itimerspec, Timespec};
use crate::error::{Errno, Result};
use crate::fs::memory::Seals;
use crate::ipc::eventfd::Takes;
use crate::ipc::{EventFd, SignalFd, TimerFd};
use crate::time::Schedule;
use crate::vfs::{Attributes, CloseOnExec, File, OpenFile};

/// Gives a program a new file without a path.
fn give(cx: &Context<'_>, file: Arc<dyn File>, never_waits: bool, close: bool) -> Result {
    let mut how = OpenFlags::O_RDWR;
    how.set(OpenFlags::O_NONBLOCK, never_waits);
    let limit = cx.process().limit(Resource::RLIMIT_NOFILE);
    let file = OpenFile::new(cx.kernel.mounts().admit()?, file, how);
    let fd = cx.files().insert(0, file, CloseOnExec::when(close), limit)?;
    Ok(fd.cast_unsigned() as usize)
}

pub(super) fn eventfd(cx: &mut Context<'_>, count: u32) -> Result {
    eventfd2(cx, count, EventfdFlags::empty())
}

pub(super) fn eventfd2(cx: &mut Context<'_>, count: u32, flags: EventfdFlags) -> Result {
    if flags.unknown() != 0 {
        return Err(Errno::EINVAL);
    }
    let takes = if flags.contains(EventfdFlags::EFD_SEMAPHORE) { Takes::One } else { Takes::All };
    let file = EventFd::new(count, takes, Attributes::nameless());
    give(cx, file, flags.contains(EventfdFlags::EFD_NONBLOCK), flags.contains(EventfdFlags::EFD_CLOEXEC))
}

pub(super) fn signalfd(cx: &mut Context<'_>, file: Fd, mask: UserPtr<SigSet>, size: usize) -> Result {
    signalfd4(cx, file, mask, size, SignalfdFlags::empty())
}

pub(super) fn signalfd4(
    cx: &mut Context<'_>,
    file: Fd,
    mask: UserPtr<SigSet>,
    size: usize,
    flags: SignalfdFlags,
) -> Result {
    if size != size_of::<SigSet>() {
        return Err(Errno::EINVAL);
    }
    let mask = SigSet(cx.space().read_value::<u64>(mask.addr)?);
    if flags.unknown() != 0 {
        return Err(Errno::EINVAL);
    }
    if file.0 == -1 {
        let new = SignalFd::new(mask, Attributes::nameless());
        let waits_never = flags.contains(SignalfdFlags::SFD_NONBLOCK);
        return give(cx, new, waits_never, flags.contains(SignalfdFlags::SFD_CLOEXEC));
    }
    let open = cx.files().get(file.0)?;
    open.file().as_any().downcast_ref::<SignalFd>().ok_or(Errno::EINVAL)?.set(mask);
    Ok(file.0.cast_unsigned() as usize)
}

pub(super) fn timerfd_create(cx: &mut Context<'_>, clock: ClockId, flags: TimerfdFlags) -> Result {
    let alarms = [ClockId::CLOCK_REALTIME_ALARM, ClockId::CLOCK_BOOTTIME_ALARM];
    let known = [ClockId::CLOCK_REALTIME, ClockId::CLOCK_MONOTONIC, ClockId::CLOCK_BOOTTIME];
    if flags.unknown() != 0 || !(known.contains(&clock) || alarms.contains(&clock)) {
        return Err(Errno::EINVAL);
    }
    if alarms.contains(&clock) && !cx.credentials().can(CAP_WAKE_ALARM) {
        return Err(Errno::EPERM);
    }
    let file = TimerFd::new(cx.kernel.machine(), clock, Attributes::nameless());
    give(cx, file, flags.contains(TimerfdFlags::TFD_NONBLOCK), flags.contains(TimerfdFlags::TFD_CLOEXEC))
}

/// The schedule that a program means by the times of a clock.
pub(super) fn schedule(cx: &Context<'_>, clock: ClockId, wish: &Itimerspec, is_absolute: bool) -> Result<Schedule> {
    let value = wish.it_value.to_ns().ok_or(Errno::EINVAL)?;
    let interval_ns = wish.it_interval.to_ns().ok_or(Errno::EINVAL)?;
    let next_ns = match value {
        0 => 0,
        // What is past rings at once.
        at if is_absolute => cx.kernel.clock().monotonic_deadline(clock, at).max(1),
        span => cx.kernel.clock().monotonic_ns().saturating_add(span),
    };
    Ok(Schedule { next_ns, interval_ns })
}

/// What a schedule looks like to a program now.
pub(super) fn shown(cx: &Context<'_>, schedule: Schedule) -> Itimerspec {
    let left = schedule.left_ns(cx.kernel.clock().monotonic_ns());
    Itimerspec { it_interval: Timespec::from_ns(schedule.interval_ns), it_value: Timespec::from_ns(left) }
}

pub(super) fn timerfd_settime(
    cx: &mut Context<'_>,
    file: Fd,
    flags: TimerfdSettimeFlags,
    new: UserPtr<Itimerspec>,
    old: UserMut<Itimerspec>,
) -> Result {
    let wish: Itimerspec = cx.space().read_value(new.addr)?;
    if flags.unknown() != 0 || wish.it_value.to_ns().is_none() || wish.it_interval.to_ns().is_none() {
        return Err(Errno::EINVAL);
    }
    let open = cx.files().get(file.0)?;
    let timer = open.file().as_any().downcast_ref::<TimerFd>().ok_or(Errno::EINVAL)?;
    let is_absolute = flags.contains(TimerfdSettimeFlags::TFD_TIMER_ABSTIME);
    let before = timer.set(schedule(cx, timer.clock(), &wish, is_absolute)?);
    if !old.is_null() {
        cx.space().write_value(old.addr, &shown(cx, before))?;
    }
    Ok(0)
}

pub(super) fn timerfd_gettime(cx: &mut Context<'_>, file: Fd, into: UserMut<Itimerspec>) -> Result {
    let open = cx.files().get(file.0)?;
    let timer = open.file().as_any().downcast_ref::<TimerFd>().ok_or(Errno::EINVAL)?;
    cx.space().write_value(into.addr, &shown(cx, timer.schedule()))?;
    Ok(0)
}

pub(super) fn memfd_create(cx: &mut Context<'_>, name: UserName, flags: MemfdFlags) -> Result {
    const PREFIX: &[u8] = b"memfd:";
    if flags.unknown() != 0 || flags.contains(MemfdFlags::MFD_EXEC | MemfdFlags::MFD_NOEXEC_SEAL) {
        return Err(Errno::EINVAL);
    }
    // Pages of one size only.
    if flags.contains(MemfdFlags::MFD_HUGETLB) {
        return Err(Errno::ENODEV);
    }
    let name_max = NAME_MAX as usize - PREFIX.len();
    let name = cx.space().read_string(name.0, name_max + 1).map_err(|errno| match errno {
        Errno::ENAMETOOLONG => Errno::EINVAL,
        other => other,
    })?;
    let (mode, seals) = if flags.contains(MemfdFlags::MFD_NOEXEC_SEAL) {
        (0o666, Seals::NoProgram)
    } else if flags.contains(MemfdFlags::MFD_ALLOW_SEALING) {
        (0o777, Seals::Allowed)
    } else {
        (0o777, Seals::Refused)
    };
    let share = cx.kernel.mounts().admit()?;
    let file = cx.kernel.nameless().make(share, &[PREFIX, &name].concat(), mode, seals, &cx.thread.identity())?;
    let close = CloseOnExec::when(flags.contains(MemfdFlags::MFD_CLOEXEC));
    let fd = cx.files().insert(0, file, close, cx.process().limit(Resource::RLIMIT_NOFILE))?;
    Ok(fd.cast_unsigned() as usize)
}
