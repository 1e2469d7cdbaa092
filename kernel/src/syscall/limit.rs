//! Resource limits and what has been used.

use alloc::sync::Arc;

use super::Context;
use crate::abi::Pid;
use crate::abi::flags::{Resource, RusageWho};
use crate::abi::types::{Rlimit, Rusage, Timeval, UserMut, UserPtr};
use crate::credentials::CAP_SYS_RESOURCE;
use crate::error::{Errno, Result};
use crate::process::{Process, Spent};

pub(super) fn getrlimit(cx: &mut Context<'_>, resource: Resource, into: UserMut<Rlimit>) -> Result {
    let limit = cx.process().limits().of(resource)?;
    cx.space().write_value(into.addr, &limit)?;
    Ok(0)
}

pub(super) fn setrlimit(cx: &mut Context<'_>, resource: Resource, from: UserPtr<Rlimit>) -> Result {
    let new = cx.space().read_value(from.addr)?;
    change(cx, &Arc::clone(cx.process()), resource, new)
}

fn change(cx: &Context<'_>, process: &Process, resource: Resource, new: Rlimit) -> Result {
    let privileged = cx.credentials().can(CAP_SYS_RESOURCE);
    process.with_limits(|limits| limits.set(resource, new, privileged))?;
    if resource == Resource::RLIMIT_CPU {
        process.watch_cpu_time();
    }
    let of_memory = matches!(
        resource,
        Resource::RLIMIT_AS | Resource::RLIMIT_DATA | Resource::RLIMIT_STACK | Resource::RLIMIT_MEMLOCK
    );
    if of_memory && process.pid() == cx.process().pid() {
        cx.space().set_limits(process.memory_limits());
    }
    Ok(0)
}

pub(super) fn prlimit64(
    cx: &mut Context<'_>,
    who: Pid,
    resource: Resource,
    new: UserPtr<Rlimit>,
    old: UserMut<Rlimit>,
) -> Result {
    let wish = if new.is_null() { None } else { Some(cx.space().read_value::<Rlimit>(new.addr)?) };
    let process = if who.0 == 0 || who.0 == cx.process().pid() {
        Arc::clone(cx.process())
    } else {
        let processes = cx.process().processes().ok_or(Errno::ESRCH)?;
        let other = Arc::clone(processes.find_thread(who.0).ok_or(Errno::ESRCH)?.process());
        let (ours, theirs) = (cx.credentials(), other.credentials());
        let same = [theirs.user.effective, theirs.user.saved, theirs.user.real].iter().all(|&id| id == ours.user.real);
        if !same && !ours.can(CAP_SYS_RESOURCE) {
            return Err(Errno::EPERM);
        }
        other
    };
    let before = process.limits().of(resource)?;
    if let Some(wish) = wish {
        change(cx, &process, resource, wish)?;
    }
    if !old.is_null() {
        cx.space().write_value(old.addr, &before)?;
    }
    Ok(0)
}

pub(super) fn getrusage(cx: &mut Context<'_>, who: RusageWho, into: UserMut<Rusage>) -> Result {
    let resident = || ((cx.space().usage().resident_pages * ostd::PAGE_SIZE) >> 10) as i64;
    let (spent, ru_maxrss) = match who {
        RusageWho::RUSAGE_SELF => (cx.process().spent(), resident()),
        RusageWho::RUSAGE_THREAD => (cx.thread.spent(), resident()),
        RusageWho::RUSAGE_CHILDREN => (cx.process().spent_by_children(), 0),
        _ => return Err(Errno::EINVAL),
    };
    cx.space().write_value(into.addr, &Rusage { ru_maxrss, ..usage_of(spent) })?;
    Ok(0)
}

/// What getrusage(2) and wait4(2) say of what was used.
pub(super) fn usage_of(spent: Spent) -> Rusage {
    Rusage {
        ru_utime: Timeval::from_ns(spent.user_ns),
        ru_stime: Timeval::from_ns(spent.system_ns),
        ru_minflt: spent.faults.cast_signed(),
        ..Rusage::default()
    }
}
