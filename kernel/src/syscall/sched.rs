//! Scheduling: all programs are SCHED_NORMAL, on every CPU, in turn.

use alloc::vec;

use super::Context;
use crate::abi::Pid;
use crate::abi::flags::SchedPolicy;
use crate::abi::types::{SchedParam, Timespec, UserMut, UserPtr};
use crate::error::{Errno, Result};

fn find(cx: &Context<'_>, who: Pid) -> Result<()> {
    if who.0 < 0 {
        return Err(Errno::EINVAL);
    }
    let processes = cx.process().processes().ok_or(Errno::ESRCH)?;
    if who.0 == 0 || processes.find_thread(who.0).is_some() { Ok(()) } else { Err(Errno::ESRCH) }
}

pub(super) fn sched_yield(_cx: &mut Context<'_>) -> Result {
    ostd::task::Task::yield_now();
    Ok(0)
}

pub(super) fn sched_getaffinity(cx: &mut Context<'_>, who: Pid, len: u32, into: UserMut<u64>) -> Result {
    let space = cx.space();
    let cpus = space.machine().cpu_count();
    let bytes = cpus.div_ceil(64) * 8;
    if (len as usize) < bytes || !len.is_multiple_of(8) {
        return Err(Errno::EINVAL);
    }
    find(cx, who)?;
    let mut mask = vec![0u8; bytes];
    for cpu in 0..cpus {
        mask[cpu / 8] |= 1 << (cpu % 8);
    }
    space.write(into.addr, &mask)?;
    Ok(bytes)
}

pub(super) fn sched_getscheduler(cx: &mut Context<'_>, who: Pid) -> Result {
    find(cx, who)?;
    Ok(SchedPolicy::SCHED_NORMAL.0 as usize)
}

pub(super) fn sched_getparam(cx: &mut Context<'_>, who: Pid, into: UserMut<SchedParam>) -> Result {
    find(cx, who)?;
    cx.space().write_value(into.addr, &SchedParam::default())?;
    Ok(0)
}

pub(super) fn sched_setparam(cx: &mut Context<'_>, who: Pid, from: UserPtr<SchedParam>) -> Result {
    let param: SchedParam = cx.space().read_value(from.addr)?;
    find(cx, who)?;
    if param.sched_priority == 0 { Ok(0) } else { Err(Errno::EINVAL) }
}

fn priorities(policy: SchedPolicy) -> Result<(usize, usize)> {
    match policy {
        SchedPolicy::SCHED_FIFO | SchedPolicy::SCHED_RR => Ok((1, 99)),
        SchedPolicy::SCHED_NORMAL
        | SchedPolicy::SCHED_BATCH
        | SchedPolicy::SCHED_IDLE
        | SchedPolicy::SCHED_DEADLINE => Ok((0, 0)),
        _ => Err(Errno::EINVAL),
    }
}

pub(super) fn sched_get_priority_max(_cx: &mut Context<'_>, policy: SchedPolicy) -> Result {
    Ok(priorities(policy)?.1)
}

pub(super) fn sched_get_priority_min(_cx: &mut Context<'_>, policy: SchedPolicy) -> Result {
    Ok(priorities(policy)?.0)
}

pub(super) fn sched_rr_get_interval(cx: &mut Context<'_>, who: Pid, into: UserMut<Timespec>) -> Result {
    find(cx, who)?;
    let slice = Timespec { tv_sec: 0, tv_nsec: crate::sched::SLICE_NS as i64 };
    cx.space().write_value(into.addr, &slice)?;
    Ok(0)
}
