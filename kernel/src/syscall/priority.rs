//! How nice processes are, to CPUs and to disks.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::Context;
use crate::abi::Pid;
use crate::abi::flags::{CAP_SYS_ADMIN, CAP_SYS_NICE, PriorityWhich, Resource, SchedPolicy};
use crate::error::{Errno, Result};
use crate::process::{Process, Thread};

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
fn targets(cx: &Context<'_>, which: PriorityWhich, who: Pid) -> Result<Vec<Arc<Process>>> {
    let processes = cx.kernel.processes();
    let found = match (which, who.0) {
        (PriorityWhich::PRIO_PROCESS, 0) => vec![Arc::clone(cx.process())],
        (PriorityWhich::PRIO_PROCESS, tid) => {
            processes.find_thread(tid).map(|thread| Arc::clone(thread.process())).into_iter().collect()
        }
        (PriorityWhich::PRIO_PGRP, 0) => processes.group(processes.place(cx.process().pid()).ok_or(Errno::ESRCH)?.1),
        (PriorityWhich::PRIO_PGRP, group) => processes.group(group),
        (PriorityWhich::PRIO_USER, user) => {
            return of_user(cx, if user == 0 { cx.credentials().user.real } else { user.cast_unsigned() });
        }
        _ => return Err(Errno::EINVAL),
    };
    if found.is_empty() { Err(Errno::ESRCH) } else { Ok(found) }
}

fn is_own(cx: &Context<'_>, other: &Process) -> bool {
    let (ours, theirs) = (cx.credentials(), other.credentials());
    ours.can(CAP_SYS_NICE) || [theirs.user.real, theirs.user.effective].contains(&ours.user.effective)
}

/// The answer is 20 less what is nice, so that no answer looks like an error.
pub(super) fn getpriority(cx: &mut Context<'_>, which: PriorityWhich, who: Pid) -> Result {
    let nicest = targets(cx, which, who)?.iter().map(|process| 20 - process.nice()).max();
    Ok(nicest.ok_or(Errno::ESRCH)?.unsigned_abs() as usize)
}

pub(super) fn setpriority(cx: &mut Context<'_>, which: PriorityWhich, who: Pid, nice: i32) -> Result {
    let nice = nice.clamp(-20, 19);
    let mut result = Ok(0);
    for process in targets(cx, which, who)? {
        let allowed = process.limit(Resource::RLIMIT_NICE) >= u64::from((20 - nice).unsigned_abs());
        if !is_own(cx, &process) {
            result = Err(Errno::EPERM);
        } else if nice < process.nice() && !allowed && !cx.credentials().can(CAP_SYS_NICE) {
            result = Err(Errno::EACCES);
        } else {
            process.set_nice(nice);
        }
    }
    result
}

/// Everybody whose process has this real user; ESRCH when that is nobody.
fn of_user(cx: &Context<'_>, user: u32) -> Result<Vec<Arc<Process>>> {
    let mut found = cx.kernel.processes().all();
    found.retain(|process| process.credentials().user.real == user);
    if found.is_empty() { Err(Errno::ESRCH) } else { Ok(found) }
}

fn threads(cx: &Context<'_>, which: i32, who: Pid) -> Result<Vec<Arc<Thread>>> {
    let which =
        *which.checked_sub(1).and_then(|which| IO_WHO.get(usize::try_from(which).ok()?)).ok_or(Errno::EINVAL)?;
    if which == PriorityWhich::PRIO_PROCESS {
        let one = if who.0 == 0 { Some(Arc::clone(cx.thread)) } else { cx.kernel.processes().find_thread(who.0) };
        return Ok(vec![one.ok_or(Errno::ESRCH)?]);
    }
    Ok(targets(cx, which, who)?.iter().flat_map(|process| process.threads()).collect())
}

/// What counts where several are asked at once: who chose no class has one by its policy, and a level by how nice it is.
fn effective(thread: &Thread) -> u16 {
    let scheduling = thread.scheduling();
    if scheduling.io_priority >> IO_CLASS_SHIFT != 0 {
        return scheduling.io_priority;
    }
    let class = match scheduling.policy {
        SchedPolicy::SCHED_FIFO | SchedPolicy::SCHED_RR => 1,
        SchedPolicy::SCHED_IDLE => 3,
        _ => 2,
    };
    let level = (thread.process().nice() + 20).unsigned_abs() / NICE_PER_IO_LEVEL;
    class << IO_CLASS_SHIFT | level as u16
}

pub(super) fn ioprio_get(cx: &mut Context<'_>, which: i32, who: Pid) -> Result {
    let found = threads(cx, which, who)?;
    let one = (which == IO_WHO_PROCESS).then(|| found.first().map(|thread| thread.scheduling().io_priority)).flatten();
    // The best has the lowest number.
    let best = one.or_else(|| found.iter().map(|thread| effective(thread)).min());
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
        of_user(cx, 0)?.iter().flat_map(|process| process.threads()).collect()
    } else {
        threads(cx, which, who)?
    };
    for thread in found {
        let (ours, theirs) = (cx.credentials(), thread.credentials());
        if ![ours.user.real, ours.user.effective].contains(&theirs.user.real) && !ours.can(CAP_SYS_NICE) {
            return Err(Errno::EPERM);
        }
        thread.with_scheduling(|scheduling| scheduling.io_priority = priority);
    }
    Ok(0)
}
