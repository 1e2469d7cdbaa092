//! How nice processes are, to CPUs and to disks.

use alloc::vec;
use alloc::vec::Vec;

use super::Context;
use crate::abi::Pid;
use crate::abi::flags::{CAP_SYS_ADMIN, CAP_SYS_NICE, PriorityWhich, Resource, SchedPolicy};
use crate::error::{Errno, Result};
use crate::process::{Process, Scheduled};

/// What ioprio(2) counts from one: a process, a group, a user.
const IO_WHO: [PriorityWhich; 3] = [PriorityWhich::PRIO_PROCESS, PriorityWhich::PRIO_PGRP, PriorityWhich::PRIO_USER];
const IO_WHO_PROCESS: i32 = 1;
const IO_WHO_USER: i32 = 3;
const IO_CLASS_SHIFT: u32 = 13;
/// What is between this and the class hints at a disk's own rules.
const IO_LEVEL_MASK: u16 = 7;
/// How much nicer one has to be for the next level.
const NICE_PER_IO_LEVEL: u32 = 5;

/// Whom a call means; ESRCH when that is nobody.
fn targets(cx: &Context<'_>, which: PriorityWhich, who: Pid) -> Result<Vec<Scheduled>> {
    let processes = cx.kernel.processes();
    let found: Vec<_> = match (which, who.0) {
        (PriorityWhich::PRIO_PROCESS, 0) => vec![cx.thread.into()],
        (PriorityWhich::PRIO_PROCESS, tid) => processes.find_scheduled(tid).into_iter().collect(),
        (PriorityWhich::PRIO_PGRP, group) => {
            let own = || processes.place(cx.process().pid()).map(|(_, group, ..)| group).ok_or(Errno::ESRCH);
            let group = if group == 0 { own()? } else { group };
            processes.group(group).iter().flat_map(Process::scheduled).collect()
        }
        (PriorityWhich::PRIO_USER, 0) => of_user(cx, cx.credentials().user.real),
        (PriorityWhich::PRIO_USER, user) => of_user(cx, user.cast_unsigned()),
        _ => return Err(Errno::EINVAL),
    };
    if found.is_empty() { Err(Errno::ESRCH) } else { Ok(found) }
}

/// Whoever is scheduled for this real user.
fn of_user(cx: &Context<'_>, user: u32) -> Vec<Scheduled> {
    let mut found: Vec<_> = cx.kernel.processes().all().iter().flat_map(Process::scheduled).collect();
    found.retain(|one| one.credentials().user.real == user);
    found
}

fn is_own(cx: &Context<'_>, other: &Scheduled) -> bool {
    let (ours, theirs) = (cx.credentials(), other.credentials());
    ours.can(CAP_SYS_NICE) || [theirs.user.real, theirs.user.effective].contains(&ours.user.effective)
}

/// The answer is 20 less what is nice, so that no answer looks like an error.
pub(super) fn getpriority(cx: &mut Context<'_>, which: PriorityWhich, who: Pid) -> Result {
    let nicest = targets(cx, which, who)?.iter().map(|one| 20 - one.scheduling().nice).max();
    Ok(nicest.ok_or(Errno::ESRCH)?.unsigned_abs() as usize)
}

pub(super) fn setpriority(cx: &mut Context<'_>, which: PriorityWhich, who: Pid, nice: i32) -> Result {
    let nice = nice.clamp(-20, 19);
    let mut result = Ok(0);
    for other in targets(cx, which, who)? {
        let allowed = other.process().limit(Resource::RLIMIT_NICE) >= u64::from((20 - nice).unsigned_abs());
        if !is_own(cx, &other) {
            result = Err(Errno::EPERM);
        } else if nice < other.scheduling().nice && !allowed && !cx.credentials().can(CAP_SYS_NICE) {
            result = Err(Errno::EACCES);
        } else {
            other.with(|scheduling| scheduling.nice = nice);
        }
    }
    result
}

/// Whom ioprio(2) means.
fn io_targets(cx: &Context<'_>, which: i32, who: Pid) -> Result<Vec<Scheduled>> {
    let which =
        *which.checked_sub(1).and_then(|which| IO_WHO.get(usize::try_from(which).ok()?)).ok_or(Errno::EINVAL)?;
    targets(cx, which, who)
}

/// What counts where several are asked at once: who chose no class has one by its policy, and a level by how nice it is.
fn effective(one: &Scheduled) -> u16 {
    let scheduling = one.scheduling();
    if scheduling.io_priority >> IO_CLASS_SHIFT != 0 {
        return scheduling.io_priority;
    }
    let class = match scheduling.policy {
        SchedPolicy::SCHED_FIFO | SchedPolicy::SCHED_RR => 1,
        SchedPolicy::SCHED_IDLE => 3,
        _ => 2,
    };
    let level = (scheduling.nice + 20).unsigned_abs() / NICE_PER_IO_LEVEL;
    class << IO_CLASS_SHIFT | level as u16
}

pub(super) fn ioprio_get(cx: &mut Context<'_>, which: i32, who: Pid) -> Result {
    let found = io_targets(cx, which, who)?;
    let one = (which == IO_WHO_PROCESS).then(|| found.first().map(|one| one.scheduling().io_priority)).flatten();
    // The best has the lowest number.
    let best = one.or_else(|| found.iter().map(effective).min());
    Ok(usize::from(best.ok_or(Errno::ESRCH)?))
}

pub(super) fn ioprio_set(cx: &mut Context<'_>, which: i32, who: Pid, priority: i32) -> Result {
    // Linux looks at sixteen bits.
    let priority = (priority.cast_unsigned() & u32::from(u16::MAX)) as u16;
    let (class, level) = (priority >> IO_CLASS_SHIFT, priority & IO_LEVEL_MASK);
    match class {
        0 if level != 0 => return Err(Errno::EINVAL),
        1 if !cx.credentials().can(CAP_SYS_ADMIN) && !cx.credentials().can(CAP_SYS_NICE) => return Err(Errno::EPERM),
        0..=3 => {}
        _ => return Err(Errno::EINVAL),
    }
    // No user is nobody in particular elsewhere; here it is root.
    let found = if which == IO_WHO_USER && who.0 == 0 {
        Some(of_user(cx, 0)).filter(|found| !found.is_empty()).ok_or(Errno::ESRCH)?
    } else {
        io_targets(cx, which, who)?
    };
    for other in found {
        let (ours, theirs) = (cx.credentials(), other.credentials());
        if ![ours.user.real, ours.user.effective].contains(&theirs.user.real) && !ours.can(CAP_SYS_NICE) {
            return Err(Errno::EPERM);
        }
        if other.is_alive() {
            other.with(|scheduling| scheduling.io_priority = priority);
        }
    }
    Ok(0)
}
