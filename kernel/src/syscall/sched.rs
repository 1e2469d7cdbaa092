//! Scheduling: who asked for what. All programs run on every CPU in turn.

use alloc::vec;

use ostd::task::Task;

use super::Context;
use crate::abi::Pid;
use crate::abi::arg::UserAddr;
use crate::abi::flags::{CAP_SYS_NICE, Resource, SchedPolicy};
use crate::abi::types::{SchedParam, Timespec, UserMut, UserPtr};
use crate::error::{Errno, Result};
use crate::process::{Scheduled, Scheduling};

/// The highest real-time priority.
const PRIORITY_MAX: i32 = 99;

fn find(cx: &Context<'_>, who: Pid) -> Result<Scheduled> {
    match who.0 {
        ..0 => Err(Errno::EINVAL),
        0 => Ok(cx.thread.into()),
        tid => cx.kernel.processes().find_scheduled(tid).ok_or(Errno::ESRCH),
    }
}

/// EPERM unless the caller may schedule `other`.
fn permit(cx: &Context<'_>, other: &Scheduled) -> Result<()> {
    let (ours, theirs) = (cx.credentials(), other.credentials());
    let same = [theirs.user.real, theirs.user.effective].contains(&ours.user.effective);
    if same || ours.can(CAP_SYS_NICE) { Ok(()) } else { Err(Errno::EPERM) }
}

pub(super) fn sched_yield(_cx: &mut Context<'_>) -> Result {
    Task::yield_now();
    Ok(0)
}

/// The CPUs there are, bit `n` for CPU `n`.
fn all_cpus(cx: &Context<'_>) -> u64 {
    let count = cx.kernel.machine().cpu_count();
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

pub(super) fn sched_getaffinity(cx: &mut Context<'_>, who: Pid, len: u32, into: UserMut<u64>) -> Result {
    let space = cx.space();
    let bytes = cx.kernel.machine().cpu_count().div_ceil(64) * 8;
    // Linux counts bits, in 32 of them.
    if len.wrapping_mul(8) as usize == 0 || (len as usize) < bytes || !len.is_multiple_of(8) {
        return Err(Errno::EINVAL);
    }
    if who.0 < 0 {
        return Err(Errno::ESRCH);
    }
    let mut mask = vec![0; bytes];
    mask[..8].copy_from_slice(&(find(cx, who)?.scheduling().cpus & all_cpus(cx)).to_ne_bytes());
    space.write(into.addr, &mask)?;
    Ok(bytes)
}

pub(super) fn sched_setaffinity(cx: &mut Context<'_>, who: Pid, len: u32, from: UserPtr<u64>) -> Result {
    let mut mask = [0; 8];
    let len = (len as usize).min(mask.len());
    cx.space().read(from.addr, &mut mask[..len])?;
    if who.0 < 0 {
        return Err(Errno::ESRCH);
    }
    let other = find(cx, who)?;
    permit(cx, &other)?;
    let cpus = u64::from_ne_bytes(mask) & all_cpus(cx);
    if cpus == 0 {
        return Err(Errno::EINVAL);
    }
    other.with(|scheduling| scheduling.cpus = cpus);
    Ok(0)
}

pub(super) fn sched_getscheduler(cx: &mut Context<'_>, who: Pid) -> Result {
    let Scheduling { policy, resets_on_fork, .. } = find(cx, who)?.scheduling();
    let reset = if resets_on_fork { SchedPolicy::SCHED_RESET_ON_FORK.0 } else { 0 };
    Ok((policy.0 | reset) as usize)
}

fn is_realtime(policy: SchedPolicy) -> bool {
    matches!(policy, SchedPolicy::SCHED_FIFO | SchedPolicy::SCHED_RR)
}

fn set_scheduler(cx: &Context<'_>, other: &Scheduled, policy: SchedPolicy, resets: bool, priority: i32) -> Result {
    const SIMPLE: [SchedPolicy; 3] = [SchedPolicy::SCHED_NORMAL, SchedPolicy::SCHED_BATCH, SchedPolicy::SCHED_IDLE];
    // Deadlines take more than a number: sched_setattr(2).
    if !is_realtime(policy) && !SIMPLE.contains(&policy) {
        return Err(Errno::EINVAL);
    }
    if !(0..=PRIORITY_MAX).contains(&priority) || is_realtime(policy) != (priority != 0) {
        return Err(Errno::EINVAL);
    }
    let now = other.scheduling();
    if !cx.credentials().can(CAP_SYS_NICE) {
        permit(cx, other)?;
        let limit = other.process().limit(Resource::RLIMIT_RTPRIO);
        let is_new = policy != now.policy && limit == 0;
        let is_more = priority > now.priority && priority.unsigned_abs() as u64 > limit;
        // Who leaves idleness is as nice as it was before, which it must be allowed to be.
        let may_be_nice = other.process().limit(Resource::RLIMIT_NICE) >= u64::from((20 - now.nice).unsigned_abs());
        let leaves_idle = now.policy == SchedPolicy::SCHED_IDLE && policy != now.policy && !may_be_nice;
        if (is_realtime(policy) && (is_new || is_more)) || leaves_idle || (now.resets_on_fork && !resets) {
            return Err(Errno::EPERM);
        }
    }
    other.with(|scheduling| {
        (scheduling.policy, scheduling.priority, scheduling.resets_on_fork) = (policy, priority, resets);
    });
    Ok(0)
}

pub(super) fn sched_setscheduler(
    cx: &mut Context<'_>,
    who: Pid,
    policy: SchedPolicy,
    param: UserPtr<SchedParam>,
) -> Result {
    let reset = SchedPolicy::SCHED_RESET_ON_FORK.0;
    if policy.0.cast_signed() < 0 || param.is_null() || who.0 < 0 {
        return Err(Errno::EINVAL);
    }
    let param: SchedParam = cx.space().read_value(param.addr)?;
    let other = find(cx, who)?;
    set_scheduler(cx, &other, SchedPolicy(policy.0 & !reset), policy.0 & reset != 0, param.sched_priority)
}

pub(super) fn sched_getparam(cx: &mut Context<'_>, who: Pid, into: UserMut<SchedParam>) -> Result {
    if into.is_null() {
        return Err(Errno::EINVAL);
    }
    let sched_priority = find(cx, who)?.scheduling().priority;
    cx.space().write_value(into.addr, &SchedParam { sched_priority })?;
    Ok(0)
}

pub(super) fn sched_setparam(cx: &mut Context<'_>, who: Pid, from: UserPtr<SchedParam>) -> Result {
    if from.is_null() || who.0 < 0 {
        return Err(Errno::EINVAL);
    }
    let param: SchedParam = cx.space().read_value(from.addr)?;
    let other = find(cx, who)?;
    let now = other.scheduling();
    set_scheduler(cx, &other, now.policy, now.resets_on_fork, param.sched_priority)
}

fn priorities(policy: SchedPolicy) -> Result<(usize, usize)> {
    match policy {
        SchedPolicy::SCHED_FIFO | SchedPolicy::SCHED_RR => Ok((1, PRIORITY_MAX as usize)),
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
    let policy = find(cx, who)?.scheduling().policy;
    // Who is first in, first out has no slice.
    let slice = if policy == SchedPolicy::SCHED_FIFO { 0 } else { crate::sched::SLICE_NS };
    cx.space().write_value(into.addr, &Timespec::from_ns(slice))?;
    Ok(0)
}

pub(super) fn getcpu(cx: &mut Context<'_>, cpu: UserMut<u32>, node: UserMut<u32>, _unused: UserAddr) -> Result {
    let here = Task::current().map_or(0, |task| task.last_cpu().0);
    let tell = |to: UserMut<u32>, number: u32| {
        if to.is_null() { Ok(()) } else { cx.space().write_value(to.addr, &number) }
    };
    // Both are told before it counts whether one could not be. All memory is equally far.
    let told = [tell(cpu, u32::try_from(here).unwrap_or(0)), tell(node, 0)];
    told.into_iter().collect::<Result<()>>().map(|()| 0)
}
