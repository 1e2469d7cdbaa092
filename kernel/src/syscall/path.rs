//! Names: opened, made, moved and removed.

use alloc::vec::Vec;

use crate::abi::arg::{Fd, Mode, UserOutInt, UserPath, UserPtr};
use crate::abi::flags::{AccessAtFlags, AccessMode, AtFlags, OpenFlags, PATH_MAX, RenameFlags, ResolveFlags, Resource};
use crate::abi::structs::OpenHow;
use crate::error::{Errno, Result};
use crate::syscall::Context;
use crate::vfs::{Access, CloseOnExec, FileKind, Follow, New, OpenRequest, Path};

/// A path as the program wrote it.
pub(super) fn text(cx: &Context<'_>, path: UserPath) -> Result<Vec<u8>> {
    cx.space().read_string(path.0, PATH_MAX as usize)
}

/// Where a relative path begins: EBADF and ENOTDIR count only for those, and ENOENT for an empty path before them.
pub(super) fn start(cx: &Context<'_>, dir: Fd, path: &[u8]) -> Result<Option<Path>> {
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    if dir == Fd::CWD || path.first() == Some(&b'/') {
        return Ok(None);
    }
    directory(cx, dir).map(Some)
}

/// The directory that is open as `dir`.
fn directory(cx: &Context<'_>, dir: Fd) -> Result<Path> {
    let file = cx.files().get_place(dir.0)?;
    let path = file.path().ok_or(Errno::ENOTDIR)?;
    if path.inode.kind() == FileKind::Directory { Ok(path.clone()) } else { Err(Errno::ENOTDIR) }
}

/// The place that a path means from `dir`.
pub(super) fn resolve(cx: &Context<'_>, dir: Fd, path: UserPath, follow: Follow) -> Result<Path> {
    let path = text(cx, path)?;
    let at = start(cx, dir, &path)?;
    cx.fs().resolve(at.as_ref(), &path, follow, &cx.thread.identity())
}

pub(super) fn open(cx: &mut Context<'_>, path: UserPath, flags: OpenFlags, mode: Mode) -> Result {
    openat(cx, Fd::CWD, path, flags, mode)
}

/// What goes with O_PATH.
const OF_PATH: OpenFlags = OpenFlags::from_bits_retain(
    OpenFlags::O_PATH.bits()
        | OpenFlags::O_DIRECTORY.bits()
        | OpenFlags::O_NOFOLLOW.bits()
        | OpenFlags::O_CLOEXEC.bits(),
);

pub(super) fn openat(cx: &mut Context<'_>, dir: Fd, path: UserPath, flags: OpenFlags, mode: Mode) -> Result {
    // What is no flag is not seen, nor what O_PATH does not know.
    let flags = OpenFlags::from_bits_retain(flags.bits() & !flags.unknown());
    let flags = if flags.contains(OpenFlags::O_PATH) { flags & OF_PATH } else { flags };
    open_by(cx, dir, path, OpenRequest { flags, mode: u32::from(mode.0), resolve: ResolveFlags::empty() })
}

fn open_by(cx: &mut Context<'_>, dir: Fd, path: UserPath, request: OpenRequest) -> Result {
    let flags = request.flags;
    let is_directory = flags.contains(OpenFlags::O_DIRECTORY);
    if flags.intersects(OpenFlags::O_TMPFILE.difference(OpenFlags::O_DIRECTORY)) {
        let writes = flags.intersects(OpenFlags::O_WRONLY | OpenFlags::O_RDWR);
        if !is_directory || !writes || flags.contains(OpenFlags::O_CREAT) {
            return Err(Errno::EINVAL);
        }
    } else if is_directory && flags.contains(OpenFlags::O_CREAT) {
        return Err(Errno::EINVAL);
    }
    let waits = OpenFlags::O_TRUNC | OpenFlags::O_CREAT | OpenFlags::O_TMPFILE.difference(OpenFlags::O_DIRECTORY);
    if request.resolve.contains(ResolveFlags::RESOLVE_CACHED) && flags.intersects(waits) {
        return Err(Errno::EAGAIN);
    }
    let path = text(cx, path)?;
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    cx.files().permit(cx.process().limit(Resource::RLIMIT_NOFILE))?;
    let at = if request.resolve.contains(ResolveFlags::RESOLVE_IN_ROOT) && path.starts_with(b"/") && dir != Fd::CWD {
        Some(directory(cx, dir)?)
    } else {
        start(cx, dir, &path)?
    };
    let file = cx.fs().open(at.as_ref(), &path, request, &cx.thread.identity())?;
    if flags.contains(OpenFlags::O_DIRECT) && file.attributes()?.kind != FileKind::Regular {
        return Err(Errno::EINVAL);
    }
    if flags.contains(OpenFlags::O_TRUNC) && !flags.contains(OpenFlags::O_PATH) {
        super::file::shortened(cx, file.identity(), 0);
    }
    let close = CloseOnExec::when(flags.contains(OpenFlags::O_CLOEXEC));
    Ok(cx.files().insert(0, file, close, cx.process().limit(Resource::RLIMIT_NOFILE))? as usize)
}

pub(super) fn openat2(cx: &mut Context<'_>, dir: Fd, path: UserPath, how: UserPtr<OpenHow>, size: usize) -> Result {
    let how: OpenHow = cx.space().read_versioned(how.addr, size, size_of::<OpenHow>())?;
    let flags = u32::try_from(how.flags).map_err(|_| Errno::EINVAL)?;
    let (flags, resolve) = (OpenFlags::from_bits_retain(flags), ResolveFlags::from_bits_retain(how.resolve));
    let mode = u32::try_from(how.mode).ok().filter(|mode| mode & !0o7777 == 0).ok_or(Errno::EINVAL)?;
    if flags.unknown() != 0 || (mode != 0 && !flags.creates()) || resolve.unknown() != 0 {
        return Err(Errno::EINVAL);
    }
    if resolve.contains(ResolveFlags::RESOLVE_BENEATH | ResolveFlags::RESOLVE_IN_ROOT)
        || (flags.contains(OpenFlags::O_PATH) && !OF_PATH.contains(flags))
    {
        return Err(Errno::EINVAL);
    }
    open_by(cx, dir, path, OpenRequest { flags, mode, resolve })
}

pub(super) fn creat(cx: &mut Context<'_>, path: UserPath, mode: Mode) -> Result {
    openat(cx, Fd::CWD, path, OpenFlags::O_CREAT | OpenFlags::O_WRONLY | OpenFlags::O_TRUNC, mode)
}

pub(super) fn access(cx: &mut Context<'_>, path: UserPath, mode: AccessMode) -> Result {
    faccessat2(cx, Fd::CWD, path, mode, AccessAtFlags::empty())
}

pub(super) fn faccessat(cx: &mut Context<'_>, dir: Fd, path: UserPath, mode: AccessMode) -> Result {
    faccessat2(cx, dir, path, mode, AccessAtFlags::empty())
}

pub(super) fn faccessat2(
    cx: &mut Context<'_>,
    dir: Fd,
    path: UserPath,
    mode: AccessMode,
    flags: AccessAtFlags,
) -> Result {
    if mode.unknown() != 0 || flags.unknown() != 0 {
        return Err(Errno::EINVAL);
    }
    let mut who = cx.thread.identity();
    if !flags.contains(AccessAtFlags::AT_EACCESS) {
        // access(2) asks for whom the program was started, not for whom it acts.
        let credentials = cx.credentials();
        who.uid = credentials.user.real;
        who.gid = credentials.group.real;
        who.may_override = who.may_override && who.uid == 0;
    }
    let follow = if flags.contains(AccessAtFlags::AT_SYMLINK_NOFOLLOW) { Follow::No } else { Follow::Yes };
    let path = text(cx, path)?;
    let found = if path.is_empty() && flags.contains(AccessAtFlags::AT_EMPTY_PATH) {
        let Some(found) = super::attr::opened(cx, dir)? else { return Ok(0) };
        found
    } else {
        let at = start(cx, dir, &path)?;
        cx.fs().resolve(at.as_ref(), &path, follow, &who)?
    };
    let wanted = Access::from_bits_truncate(mode.bits() as u8);
    if wanted.contains(Access::WRITE) && matches!(found.inode.kind(), FileKind::Regular | FileKind::Directory) {
        found.mount.permit_write()?;
    }
    if wanted.contains(Access::WRITE) && found.inode.is_immutable() {
        return Err(Errno::EPERM);
    }
    found.inode.permissions()?.permit(&who, wanted).map(|()| 0)
}

pub(super) fn readlink(cx: &mut Context<'_>, path: UserPath, into: UserOutInt) -> Result {
    readlinkat(cx, Fd::CWD, path, into)
}

pub(super) fn readlinkat(cx: &mut Context<'_>, dir: Fd, path: UserPath, into: UserOutInt) -> Result {
    if into.len <= 0 {
        return Err(Errno::EINVAL);
    }
    let path = text(cx, path)?;
    let found = if path.is_empty() && dir != Fd::CWD {
        super::attr::opened(cx, dir)?.filter(|found| found.inode.kind() == FileKind::Symlink).ok_or(Errno::ENOENT)?
    } else {
        let at = start(cx, dir, &path)?;
        cx.fs().resolve(at.as_ref(), &path, Follow::No, &cx.thread.identity())?
    };
    let target = found.inode.read_link()?;
    let count = target.len().min(into.len as usize);
    cx.space().write(into.addr, &target[..count])?;
    Ok(count)
}

pub(super) fn link(cx: &mut Context<'_>, old: UserPath, new: UserPath) -> Result {
    linkat(cx, Fd::CWD, old, Fd::CWD, new, AtFlags::empty())
}

pub(super) fn linkat(
    cx: &mut Context<'_>,
    old_dir: Fd,
    old: UserPath,
    new_dir: Fd,
    new: UserPath,
    flags: AtFlags,
) -> Result {
    if !(AtFlags::AT_SYMLINK_FOLLOW | AtFlags::AT_EMPTY_PATH).contains(flags) {
        return Err(Errno::EINVAL);
    }
    let follow = if flags.contains(AtFlags::AT_SYMLINK_FOLLOW) { Follow::Yes } else { Follow::No };
    let old = text(cx, old)?;
    let who = cx.thread.identity();
    let source = if old.is_empty() && flags.contains(AtFlags::AT_EMPTY_PATH) {
        super::attr::opened(cx, old_dir)?.ok_or(Errno::EXDEV)?
    } else {
        let at = start(cx, old_dir, &old)?;
        cx.fs().resolve(at.as_ref(), &old, follow, &who)?
    };
    let new = text(cx, new)?;
    let at = start(cx, new_dir, &new)?;
    cx.fs().link(&source, at.as_ref(), &new, &who).map(|()| 0)
}

pub(super) fn symlink(cx: &mut Context<'_>, target: UserPath, path: UserPath) -> Result {
    symlinkat(cx, target, Fd::CWD, path)
}

pub(super) fn symlinkat(cx: &mut Context<'_>, target: UserPath, dir: Fd, path: UserPath) -> Result {
    let target = text(cx, target)?;
    if target.is_empty() {
        return Err(Errno::ENOENT);
    }
    make(cx, dir, path, New::Symlink(&target), Mode(0o777))
}

/// Makes what was not there.
pub(super) fn make(cx: &Context<'_>, dir: Fd, path: UserPath, new: New<'_>, mode: Mode) -> Result {
    let path = text(cx, path)?;
    let at = start(cx, dir, &path)?;
    cx.fs().make(at.as_ref(), &path, new, u32::from(mode.0), &cx.thread.identity()).map(|()| 0)
}

pub(super) fn unlink(cx: &mut Context<'_>, path: UserPath) -> Result {
    unlinkat(cx, Fd::CWD, path, AtFlags::empty())
}

pub(super) fn unlinkat(cx: &mut Context<'_>, dir: Fd, path: UserPath, flags: AtFlags) -> Result {
    if !AtFlags::AT_REMOVEDIR.contains(flags) {
        return Err(Errno::EINVAL);
    }
    let path = text(cx, path)?;
    let at = start(cx, dir, &path)?;
    let (fs, who) = (cx.fs(), cx.thread.identity());
    if flags.is_empty() {
        fs.unlink(at.as_ref(), &path, &who)?;
    } else {
        fs.rmdir(at.as_ref(), &path, &who)?;
    }
    Ok(0)
}

pub(super) fn rename(cx: &mut Context<'_>, old: UserPath, new: UserPath) -> Result {
    renameat2(cx, Fd::CWD, old, Fd::CWD, new, RenameFlags::empty())
}

pub(super) fn renameat(cx: &mut Context<'_>, old_dir: Fd, old: UserPath, new_dir: Fd, new: UserPath) -> Result {
    renameat2(cx, old_dir, old, new_dir, new, RenameFlags::empty())
}

pub(super) fn renameat2(
    cx: &mut Context<'_>,
    old_dir: Fd,
    old: UserPath,
    new_dir: Fd,
    new: UserPath,
    flags: RenameFlags,
) -> Result {
    let alone = RenameFlags::RENAME_NOREPLACE | RenameFlags::RENAME_WHITEOUT;
    if flags.unknown() != 0 || (flags.contains(RenameFlags::RENAME_EXCHANGE) && flags.intersects(alone)) {
        return Err(Errno::EINVAL);
    }
    let old = text(cx, old)?;
    let old_at = start(cx, old_dir, &old)?;
    let who = cx.thread.identity();
    let new = text(cx, new).and_then(|new| Ok((start(cx, new_dir, &new)?, new)));
    let (new_at, new) = match new {
        Ok(found) => found,
        // What is wrong on the way to the old name is told first.
        Err(errno) => return Err(cx.fs().parent_of(old_at.as_ref(), &old, &who).err().unwrap_or(errno)),
    };
    cx.fs().rename((old_at.as_ref(), &old), (new_at.as_ref(), &new), flags, &who).map(|()| 0)
}

pub(super) fn mknod(cx: &mut Context<'_>, path: UserPath, mode: Mode, device: u32) -> Result {
    mknodat(cx, Fd::CWD, path, mode, device)
}

pub(super) fn mknodat(cx: &mut Context<'_>, dir: Fd, path: UserPath, mode: Mode, device: u32) -> Result {
    let new = match FileKind::of_mode(u32::from(mode.0)).ok_or(Errno::EINVAL)? {
        FileKind::Regular => New::Regular,
        FileKind::Directory => return Err(Errno::EPERM),
        FileKind::Symlink => return Err(Errno::EINVAL),
        kind @ (FileKind::Char | FileKind::Block) => {
            // A character device of no number is a whiteout: it stands for what is not there, and anybody may say that.
            let is_whiteout = kind == FileKind::Char && device == 0;
            if !is_whiteout && !cx.thread.identity().may_override {
                let path = text(cx, path)?;
                let at = start(cx, dir, &path)?;
                return Err(cx.fs().refusal(at.as_ref(), &path, &cx.thread.identity()));
            }
            New::Special(kind, u64::from(device))
        }
        kind => New::Special(kind, 0),
    };
    make(cx, dir, path, new, mode)
}

pub(super) fn truncate(cx: &mut Context<'_>, path: UserPath, len: i64) -> Result {
    let len = u64::try_from(len).map_err(|_| Errno::EINVAL)?;
    let found = resolve(cx, Fd::CWD, path, Follow::Yes)?;
    match found.inode.kind() {
        FileKind::Directory => return Err(Errno::EISDIR),
        FileKind::Regular => {}
        _ => return Err(Errno::EINVAL),
    }
    found.mount.permit_write()?;
    let before = found.inode.attributes()?;
    before.permit(&cx.thread.identity(), Access::WRITE)?;
    let _occupied = found.occupy()?;
    super::file::permit_len(cx, before.size, len)?;
    super::file::disarm(cx, Some(&found))?;
    found.inode.truncate(len)?;
    if len < before.size {
        super::file::shortened(cx, found.inode.identity(), len);
    }
    Ok(0)
}
