//! What files are: shown and changed.

use zerocopy::IntoBytes as _;

use crate::abi::arg::{Fd, Gid, Mode, Uid, UserMut, UserPath, UserPtr};
use crate::abi::flags::{AtFlags, CAP_CHOWN, StatxMask, UTIME_NOW, UTIME_OMIT};
use crate::abi::structs::{Stat, Statfs, Statx, Timespec, Timeval, Utimbuf};
use crate::error::{Errno, Result};
use crate::syscall::{ARCH, Context};
use crate::vfs::{Access, Attributes, Change, FileKind, Follow, OpenFile, Path};

/// The place of an open descriptor, or the working directory; `None` for what has no path.
pub(super) fn opened(cx: &Context<'_>, dir: Fd) -> Result<Option<Path>> {
    if dir == Fd::CWD {
        return Ok(Some(cx.fs().cwd()));
    }
    Ok(cx.files().get_place(dir.0)?.path().cloned())
}

fn show(cx: &Context<'_>, attributes: &Attributes, into: UserMut<Stat>) -> Result {
    cx.space().write(into.addr, &attributes.to_stat().encode(ARCH)).map(|()| 0)
}

pub(super) fn stat(cx: &mut Context<'_>, path: UserPath, into: UserMut<Stat>) -> Result {
    newfstatat(cx, Fd::CWD, path, into, AtFlags::empty())
}

pub(super) fn lstat(cx: &mut Context<'_>, path: UserPath, into: UserMut<Stat>) -> Result {
    newfstatat(cx, Fd::CWD, path, into, AtFlags::AT_SYMLINK_NOFOLLOW)
}

pub(super) fn fstat(cx: &mut Context<'_>, file: Fd, into: UserMut<Stat>) -> Result {
    let attributes = cx.files().get_place(file.0)?.attributes()?;
    show(cx, &attributes, into)
}

/// What a path with `flags` means: its attributes, and its place where it has one.
fn look(cx: &Context<'_>, dir: Fd, path: UserPath, flags: AtFlags) -> Result<(Attributes, Option<Path>)> {
    let is_empty_allowed = flags.contains(AtFlags::AT_EMPTY_PATH);
    // Since Linux 6.11 a null path is an empty one here.
    let path = if is_empty_allowed && path.0 == 0 { alloc::vec::Vec::new() } else { super::path::text(cx, path)? };
    if path.is_empty() && is_empty_allowed {
        if dir != Fd::CWD {
            let file = cx.files().get_place(dir.0)?;
            return Ok((file.attributes()?, file.path().cloned()));
        }
        let cwd = cx.fs().cwd();
        return Ok((cwd.inode.attributes()?, Some(cwd)));
    }
    let at = super::path::start(cx, dir, &path)?;
    let found = cx.fs().resolve(at.as_ref(), &path, follow(flags), &cx.thread.identity())?;
    Ok((found.inode.attributes()?, Some(found)))
}

/// EFAULT for no path at all, which only those that look take for an empty one.
fn named(path: UserPath) -> Result<()> {
    if path.0 == 0 { Err(Errno::EFAULT) } else { Ok(()) }
}

/// Whether no path is given, but a descriptor: nobody looks at other flags then.
fn is_of_descriptor(cx: &Context<'_>, dir: Fd, path: UserPath, flags: AtFlags) -> bool {
    let is_empty = || path.0 == 0 || cx.space().read_value::<u8>(path.0) == Ok(0);
    flags.contains(AtFlags::AT_EMPTY_PATH) && dir.0 >= 0 && is_empty()
}

fn follow(flags: AtFlags) -> Follow {
    if flags.contains(AtFlags::AT_SYMLINK_NOFOLLOW) { Follow::No } else { Follow::Yes }
}

pub(super) fn newfstatat(cx: &mut Context<'_>, dir: Fd, path: UserPath, into: UserMut<Stat>, flags: AtFlags) -> Result {
    let sync = AtFlags::AT_STATX_FORCE_SYNC | AtFlags::AT_STATX_DONT_SYNC;
    let known = AtFlags::AT_SYMLINK_NOFOLLOW | AtFlags::AT_NO_AUTOMOUNT | AtFlags::AT_EMPTY_PATH | sync;
    if !known.contains(flags) && !is_of_descriptor(cx, dir, path, flags) {
        return Err(Errno::EINVAL);
    }
    let (attributes, _) = look(cx, dir, path, flags)?;
    show(cx, &attributes, into)
}

pub(super) fn statx(
    cx: &mut Context<'_>,
    dir: Fd,
    path: UserPath,
    flags: AtFlags,
    mask: StatxMask,
    into: UserMut<Statx>,
) -> Result {
    let sync = AtFlags::AT_STATX_FORCE_SYNC | AtFlags::AT_STATX_DONT_SYNC;
    let known = AtFlags::AT_SYMLINK_NOFOLLOW | AtFlags::AT_NO_AUTOMOUNT | AtFlags::AT_EMPTY_PATH | sync;
    if mask.contains(StatxMask::STATX__RESERVED) || flags.contains(sync) {
        return Err(Errno::EINVAL);
    }
    if !known.contains(flags) && !is_of_descriptor(cx, dir, path, flags) {
        return Err(Errno::EINVAL);
    }
    let (attributes, place) = look(cx, dir, path, flags)?;
    let shown = attributes.to_statx(place.map_or(0, |place| place.mount.id));
    cx.space().write(into.addr, shown.as_bytes()).map(|()| 0)
}

pub(super) fn statfs(cx: &mut Context<'_>, path: UserPath, into: UserMut<Statfs>) -> Result {
    let found = super::path::resolve(cx, Fd::CWD, path, Follow::Yes)?;
    let shown = found.mount.fs.attributes().to_statfs(found.mount.flags());
    cx.space().write(into.addr, shown.as_bytes()).map(|()| 0)
}

pub(super) fn fstatfs(cx: &mut Context<'_>, file: Fd, into: UserMut<Statfs>) -> Result {
    let file = cx.files().get_place(file.0)?;
    let shown =
        file.path().map_or_else(Statfs::default, |path| path.mount.fs.attributes().to_statfs(path.mount.flags()));
    cx.space().write(into.addr, shown.as_bytes()).map(|()| 0)
}

fn set_mode(cx: &Context<'_>, place: &Path, mode: Mode) -> Result {
    place.mount.permit_write()?;
    let before = place.inode.attributes()?;
    let mode = permit_mode(cx, &before, mode)?;
    if before.kind == FileKind::Symlink {
        return Err(Errno::EOPNOTSUPP);
    }
    place.inode.set_attributes(&Change { mode: Some(mode), ..Change::default() }).map(|()| 0)
}

/// What may become of permissions: EPERM for who does not own them.
fn permit_mode(cx: &Context<'_>, before: &Attributes, mode: Mode) -> Result<u32> {
    let who = cx.thread.identity();
    if !who.owns(before.uid) {
        return Err(Errno::EPERM);
    }
    let may_have_group = who.may_override || who.is_member(before.gid);
    Ok(u32::from(mode.0) & if may_have_group { 0o7777 } else { 0o5777 })
}

/// Of an open file, by whatever it is or is not called.
fn set_mode_of(cx: &Context<'_>, file: &OpenFile, mode: Mode) -> Result {
    if let Some(place) = placed(file) {
        return set_mode(cx, place, mode);
    }
    let before = file.attributes()?;
    if before.kind == FileKind::Fifo {
        file.file().set_mode(permit_mode(cx, &before, mode)?)?;
    }
    Ok(0)
}

pub(super) fn chmod(cx: &mut Context<'_>, path: UserPath, mode: Mode) -> Result {
    fchmodat(cx, Fd::CWD, path, mode)
}

pub(super) fn fchmod(cx: &mut Context<'_>, file: Fd, mode: Mode) -> Result {
    let file = cx.files().get(file.0)?;
    set_mode_of(cx, &file, mode)
}

fn placed(file: &OpenFile) -> Option<&Path> {
    file.path()
}

pub(super) fn fchmodat(cx: &mut Context<'_>, dir: Fd, path: UserPath, mode: Mode) -> Result {
    fchmodat2(cx, dir, path, mode, AtFlags::empty())
}

pub(super) fn fchmodat2(cx: &mut Context<'_>, dir: Fd, path: UserPath, mode: Mode, flags: AtFlags) -> Result {
    if !(AtFlags::AT_SYMLINK_NOFOLLOW | AtFlags::AT_EMPTY_PATH).contains(flags) {
        return Err(Errno::EINVAL);
    }
    named(path)?;
    let (_, place) = look(cx, dir, path, flags)?;
    place.map_or(Ok(0), |place| set_mode(cx, &place, mode))
}

/// EPERM unless the caller may give what is so away to these.
fn permit_owner(cx: &Context<'_>, before: &Attributes, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
    let who = cx.thread.identity();
    if !cx.credentials().can(CAP_CHOWN) {
        let keeps_user = uid.is_none_or(|uid| uid == before.uid && who.uid == uid);
        let joins_own = gid.is_none_or(|gid| who.uid == before.uid && (gid == before.gid || who.is_member(gid)));
        if !keeps_user || !joins_own {
            return Err(Errno::EPERM);
        }
    }
    Ok(())
}

fn changed(user: Uid, group: Gid) -> (Option<u32>, Option<u32>) {
    ((user != Uid::UNCHANGED).then_some(user.0), (group != Gid::UNCHANGED).then_some(group.0))
}

fn set_owner(cx: &Context<'_>, place: &Path, user: Uid, group: Gid) -> Result {
    place.mount.permit_write()?;
    let (before, (uid, gid)) = (place.inode.attributes()?, changed(user, group));
    permit_owner(cx, &before, uid, gid)?;
    let mut change = Change { uid, gid, ..Change::default() };
    if before.kind != FileKind::Directory && before.mode & 0o6000 != 0 {
        let drop = if before.mode & 0o10 != 0 { 0o6000 } else { 0o4000 };
        change.mode = Some(before.mode & !drop);
    }
    place.inode.set_attributes(&change).map(|()| 0)
}

pub(super) fn chown(cx: &mut Context<'_>, path: UserPath, user: Uid, group: Gid) -> Result {
    fchownat(cx, Fd::CWD, path, user, group, AtFlags::empty())
}

pub(super) fn lchown(cx: &mut Context<'_>, path: UserPath, user: Uid, group: Gid) -> Result {
    fchownat(cx, Fd::CWD, path, user, group, AtFlags::AT_SYMLINK_NOFOLLOW)
}

pub(super) fn fchown(cx: &mut Context<'_>, file: Fd, user: Uid, group: Gid) -> Result {
    let file = cx.files().get(file.0)?;
    if let Some(place) = placed(&file) {
        return set_owner(cx, place, user, group);
    }
    let before = file.attributes()?;
    if before.kind == FileKind::Fifo {
        let (uid, gid) = changed(user, group);
        permit_owner(cx, &before, uid, gid)?;
    }
    Ok(0)
}

pub(super) fn fchownat(cx: &mut Context<'_>, dir: Fd, path: UserPath, user: Uid, group: Gid, flags: AtFlags) -> Result {
    if !(AtFlags::AT_SYMLINK_NOFOLLOW | AtFlags::AT_EMPTY_PATH).contains(flags) {
        return Err(Errno::EINVAL);
    }
    named(path)?;
    let (_, place) = look(cx, dir, path, flags)?;
    place.map_or(Ok(0), |place| set_owner(cx, &place, user, group))
}

/// Sets access and modification time; nanoseconds may be UTIME_NOW and UTIME_OMIT. `None` is now, twice.
fn set_times(cx: &Context<'_>, dir: Fd, path: UserPath, times: Option<[Timespec; 2]>, flags: AtFlags) -> Result {
    let now = Timespec { tv_sec: 0, tv_nsec: i64::from(UTIME_NOW) };
    let wanted = times.unwrap_or([now, now]);
    let is_special = |time: &Timespec| [i64::from(UTIME_NOW), i64::from(UTIME_OMIT)].contains(&time.tv_nsec);
    if wanted.iter().all(|time| time.tv_nsec == i64::from(UTIME_OMIT)) {
        return Ok(0);
    }
    if !(AtFlags::AT_SYMLINK_NOFOLLOW | AtFlags::AT_EMPTY_PATH).contains(flags) {
        return Err(Errno::EINVAL);
    }
    let (before, place) = if path.0 == 0 && dir != Fd::CWD {
        if !flags.is_empty() {
            return Err(Errno::EINVAL);
        }
        let file = cx.files().get(dir.0)?;
        (file.attributes()?, file.path().cloned())
    } else {
        named(path)?;
        look(cx, dir, path, flags)?
    };
    if wanted.iter().any(|time| !is_special(time) && !(0..1_000_000_000).contains(&time.tv_nsec)) {
        return Err(Errno::EINVAL);
    }
    let Some(place) = place else { return Ok(0) };
    place.mount.permit_write()?;
    let who = cx.thread.identity();
    if !who.owns(before.uid) {
        if wanted.iter().any(|time| time.tv_nsec != i64::from(UTIME_NOW)) {
            return Err(Errno::EPERM);
        }
        before.permit(&who, Access::WRITE)?;
    }
    let space = cx.space();
    let machine = space.machine();
    let ns = machine.boot_realtime_ns() + machine.monotonic_ns();
    let current = Timespec { tv_sec: (ns / 1_000_000_000).cast_signed(), tv_nsec: (ns % 1_000_000_000).cast_signed() };
    let meant = |time: Timespec| match time.tv_nsec {
        nsec if nsec == i64::from(UTIME_OMIT) => None,
        nsec if nsec == i64::from(UTIME_NOW) => Some(current),
        _ => Some(time),
    };
    let change = Change { atime: meant(wanted[0]), mtime: meant(wanted[1]), ..Change::default() };
    place.inode.set_attributes(&change).map(|()| 0)
}

pub(super) fn utimensat(
    cx: &mut Context<'_>,
    dir: Fd,
    path: UserPath,
    times: UserPtr<Timespec>,
    flags: AtFlags,
) -> Result {
    let times = if times.is_null() { None } else { Some(cx.space().read_value::<[Timespec; 2]>(times.addr)?) };
    set_times(cx, dir, path, times, flags)
}

pub(super) fn futimesat(cx: &mut Context<'_>, dir: Fd, path: UserPath, times: UserPtr<Timeval>) -> Result {
    let times = if times.is_null() {
        None
    } else {
        let both: [Timeval; 2] = cx.space().read_value(times.addr)?;
        if both.iter().any(|time| !(0..1_000_000).contains(&time.tv_usec)) {
            return Err(Errno::EINVAL);
        }
        Some(both.map(|time| Timespec { tv_sec: time.tv_sec, tv_nsec: time.tv_usec * 1000 }))
    };
    set_times(cx, dir, path, times, AtFlags::empty())
}

pub(super) fn utimes(cx: &mut Context<'_>, path: UserPath, times: UserPtr<Timeval>) -> Result {
    futimesat(cx, Fd::CWD, path, times)
}

pub(super) fn utime(cx: &mut Context<'_>, path: UserPath, times: UserPtr<Utimbuf>) -> Result {
    let times = if times.is_null() {
        None
    } else {
        let both: Utimbuf = cx.space().read_value(times.addr)?;
        Some([both.actime, both.modtime].map(|sec| Timespec { tv_sec: sec, tv_nsec: 0 }))
    };
    set_times(cx, Fd::CWD, path, times, AtFlags::empty())
}

pub(super) fn umask(cx: &mut Context<'_>, mask: Mode) -> Result {
    Ok(cx.fs().set_umask(u32::from(mask.0)) as usize)
}
