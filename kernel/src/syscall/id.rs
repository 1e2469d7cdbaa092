//! Users, groups and capabilities.

use zerocopy::IntoBytes as _;

use super::Context;
use crate::abi::flags::{
    _LINUX_CAPABILITY_VERSION_1, _LINUX_CAPABILITY_VERSION_2, _LINUX_CAPABILITY_VERSION_3, Resource,
};
use crate::abi::types::{CapData, CapHeader, UserInOut, UserMut, UserPtr};
use crate::abi::{Gid, Uid};
use crate::credentials::{Credentials, GROUPS_MAX, Ids};
use crate::error::{Errno, Result};

fn change(cx: &Context<'_>, new: Result<Credentials>) -> Result {
    cx.thread.set_credentials(new?);
    Ok(0)
}

pub(super) fn getuid(cx: &mut Context<'_>) -> Result {
    Ok(cx.credentials().user.real as usize)
}

pub(super) fn geteuid(cx: &mut Context<'_>) -> Result {
    Ok(cx.credentials().user.effective as usize)
}

pub(super) fn getgid(cx: &mut Context<'_>) -> Result {
    Ok(cx.credentials().group.real as usize)
}

pub(super) fn getegid(cx: &mut Context<'_>) -> Result {
    Ok(cx.credentials().group.effective as usize)
}

/// As [`change`]. A user with too many processes is become all the same, and told when executing something: execve(2).
fn change_user(cx: &Context<'_>, new: Result<Credentials>) -> Result {
    let new = new?;
    let user = new.user.real;
    if user != cx.credentials().user.real {
        let processes = cx.process().processes().ok_or(Errno::ESRCH)?;
        let limit = cx.process().limit(Resource::RLIMIT_NPROC);
        cx.thread.set_became_too_many(user != 0 && processes.count_of(user) > limit);
    }
    change(cx, Ok(new))
}

pub(super) fn setuid(cx: &mut Context<'_>, user: Uid) -> Result {
    change_user(cx, cx.credentials().set_user(user.0))
}

pub(super) fn setgid(cx: &mut Context<'_>, group: Gid) -> Result {
    change(cx, cx.credentials().set_group(group.0))
}

pub(super) fn setreuid(cx: &mut Context<'_>, real: Uid, effective: Uid) -> Result {
    change_user(cx, cx.credentials().set_users(real.0, effective.0))
}

pub(super) fn setregid(cx: &mut Context<'_>, real: Gid, effective: Gid) -> Result {
    change(cx, cx.credentials().set_two_groups(real.0, effective.0))
}

pub(super) fn setresuid(cx: &mut Context<'_>, real: Uid, effective: Uid, saved: Uid) -> Result {
    change_user(cx, cx.credentials().set_all_users([real.0, effective.0, saved.0]))
}

pub(super) fn setresgid(cx: &mut Context<'_>, real: Gid, effective: Gid, saved: Gid) -> Result {
    change(cx, cx.credentials().set_all_groups([real.0, effective.0, saved.0]))
}

fn tell(cx: &Context<'_>, ids: Ids, [real, effective, saved]: [usize; 3]) -> Result {
    let space = cx.space();
    space.write_value(real, &ids.real)?;
    space.write_value(effective, &ids.effective)?;
    space.write_value(saved, &ids.saved)?;
    Ok(0)
}

pub(super) fn getresuid(
    cx: &mut Context<'_>,
    real: UserMut<Uid>,
    effective: UserMut<Uid>,
    saved: UserMut<Uid>,
) -> Result {
    tell(cx, cx.credentials().user, [real.addr, effective.addr, saved.addr])
}

pub(super) fn getresgid(
    cx: &mut Context<'_>,
    real: UserMut<Gid>,
    effective: UserMut<Gid>,
    saved: UserMut<Gid>,
) -> Result {
    tell(cx, cx.credentials().group, [real.addr, effective.addr, saved.addr])
}

pub(super) fn setfsuid(cx: &mut Context<'_>, user: Uid) -> Result {
    let old = cx.credentials();
    cx.thread.set_credentials(old.set_fs_user(user.0));
    Ok(old.user.fs as usize)
}

pub(super) fn setfsgid(cx: &mut Context<'_>, group: Gid) -> Result {
    let old = cx.credentials();
    cx.thread.set_credentials(old.set_fs_group(group.0));
    Ok(old.group.fs as usize)
}

pub(super) fn getgroups(cx: &mut Context<'_>, count: i32, into: UserMut<Gid>) -> Result {
    let groups = cx.credentials().groups.clone();
    let room = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
    if room != 0 {
        if room < groups.len() {
            return Err(Errno::EINVAL);
        }
        cx.space().write(into.addr, groups.as_bytes())?;
    }
    Ok(groups.len())
}

pub(super) fn setgroups(cx: &mut Context<'_>, count: i32, from: UserPtr<Gid>) -> Result {
    let credentials = cx.credentials();
    // Refused before anything is read.
    credentials.set_groups(&[])?;
    let count = usize::try_from(count).ok().filter(|&count| count <= GROUPS_MAX).ok_or(Errno::EINVAL)?;
    let mut groups = alloc::vec![0u32; count];
    cx.space().read(from.addr, groups.as_mut_bytes())?;
    groups.sort_unstable();
    change(cx, credentials.set_groups(&groups))
}

/// Reads the header; how many `CapData` its version has. An unknown version is answered with the one we know.
fn cap_header(cx: &Context<'_>, header: UserInOut<CapHeader>) -> Result<(CapHeader, Result<usize>)> {
    let version: u32 = cx.space().read_value(header.addr)?;
    let count = match version {
        _LINUX_CAPABILITY_VERSION_1 => Ok(1),
        _LINUX_CAPABILITY_VERSION_2 | _LINUX_CAPABILITY_VERSION_3 => Ok(2),
        _ => {
            cx.space().write_value(header.addr, &_LINUX_CAPABILITY_VERSION_3)?;
            return Ok((CapHeader::default(), Err(Errno::EINVAL)));
        }
    };
    Ok((cx.space().read_value(header.addr)?, count))
}

pub(super) fn capget(cx: &mut Context<'_>, header: UserInOut<CapHeader>, data: UserMut<CapData>) -> Result {
    let (head, count) = cap_header(cx, header)?;
    if data.is_null() {
        return Ok(0);
    }
    let count = count?;
    if head.pid < 0 {
        return Err(Errno::EINVAL);
    }
    let caps = if head.pid == 0 || head.pid == cx.thread.tid() {
        cx.credentials().caps
    } else {
        let processes = cx.process().processes().ok_or(Errno::ESRCH)?;
        let alive = processes.find_thread(head.pid).map(|thread| thread.credentials());
        // Who has ended is somebody until waited for.
        alive.or_else(|| Some(processes.find(head.pid)?.credentials())).ok_or(Errno::ESRCH)?.caps
    };
    let half = |shift: u32| CapData {
        effective: (caps.effective >> shift) as u32,
        permitted: (caps.permitted >> shift) as u32,
        inheritable: (caps.inheritable >> shift) as u32,
    };
    let both = [half(0), half(32)];
    cx.space().write(data.addr, both[..count].as_bytes())?;
    Ok(0)
}

pub(super) fn capset(cx: &mut Context<'_>, header: UserInOut<CapHeader>, data: UserPtr<CapData>) -> Result {
    let (head, count) = cap_header(cx, header)?;
    let count = count?;
    if head.pid != 0 && head.pid != cx.thread.tid() {
        return Err(Errno::EPERM);
    }
    let mut both = [CapData::default(); 2];
    cx.space().read(data.addr, both[..count].as_mut_bytes())?;
    let join = |part: fn(&CapData) -> u32| {
        (u64::from(part(&both[0])) | u64::from(part(&both[1])) << 32) & crate::credentials::ALL_CAPS
    };
    let (effective, permitted, inheritable) =
        (join(|caps| caps.effective), join(|caps| caps.permitted), join(|caps| caps.inheritable));
    let mut new = Credentials::clone(&cx.credentials());
    let old = new.caps;
    if permitted & !old.permitted != 0
        || effective & !permitted != 0
        || inheritable & !(old.inheritable | old.permitted) != 0
    {
        return Err(Errno::EPERM);
    }
    new.caps.permitted = permitted;
    new.caps.effective = effective;
    new.caps.inheritable = inheritable;
    new.caps.ambient &= permitted & inheritable;
    cx.thread.set_credentials(new);
    Ok(0)
}
