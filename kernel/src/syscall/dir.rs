//! Directories: made, entered, listed.

use alloc::vec::Vec;

use zerocopy::IntoBytes as _;

use crate::abi::arg::{Fd, Mode, UserOut, UserOutInt, UserPath};
use crate::abi::flags::{PATH_MAX, Whence};
use crate::abi::structs::Dirent64;
use crate::error::{Errno, Result};
use crate::syscall::Context;
use crate::vfs::{Entry, FileKind, Follow, New, Reach};

pub(super) fn mkdir(cx: &mut Context<'_>, path: UserPath, mode: Mode) -> Result {
    mkdirat(cx, Fd::CWD, path, mode)
}

pub(super) fn mkdirat(cx: &mut Context<'_>, dir: Fd, path: UserPath, mode: Mode) -> Result {
    // mkdir(2): of the mode only these bits count.
    super::path::make(cx, dir, path, New::Directory, Mode(mode.0 & 0o1777))
}

pub(super) fn rmdir(cx: &mut Context<'_>, path: UserPath) -> Result {
    let path = super::path::text(cx, path)?;
    cx.fs().rmdir(None, &path, &cx.thread.identity()).map(|()| 0)
}

pub(super) fn chdir(cx: &mut Context<'_>, path: UserPath) -> Result {
    let found = super::path::resolve(cx, Fd::CWD, path, Follow::Yes)?;
    let fs = cx.fs();
    fs.enter(&found, &cx.thread.identity())?;
    fs.set_cwd(found);
    Ok(0)
}

pub(super) fn fchdir(cx: &mut Context<'_>, dir: Fd) -> Result {
    let file = cx.files().get_place(dir.0)?;
    let found = file.path().ok_or(Errno::ENOTDIR)?;
    let fs = cx.fs();
    fs.enter(found, &cx.thread.identity())?;
    fs.set_cwd(found.clone());
    Ok(0)
}

pub(super) fn chroot(cx: &mut Context<'_>, path: UserPath) -> Result {
    let found = super::path::resolve(cx, Fd::CWD, path, Follow::Yes)?;
    let fs = cx.fs();
    let who = cx.thread.identity();
    fs.enter(&found, &who)?;
    if !who.may_override {
        return Err(Errno::EPERM);
    }
    fs.set_root(found);
    Ok(0)
}

pub(super) fn getcwd(cx: &mut Context<'_>, into: UserOut) -> Result {
    let fs = cx.fs();
    let (mut name, reach) = fs.path_of(&fs.cwd());
    match reach {
        Reach::Yes => {}
        Reach::Removed => return Err(Errno::ENOENT),
        Reach::OutsideRoot => {
            name.splice(0..0, *b"(unreachable)");
        }
    }
    name.push(0);
    if name.len() > PATH_MAX as usize {
        return Err(Errno::ENAMETOOLONG);
    }
    if name.len() > into.len {
        return Err(Errno::ERANGE);
    }
    cx.space().write(into.addr, &name)?;
    Ok(name.len())
}

/// Bytes of a listing that are gathered at a time.
const LISTING_MAX: usize = 64 * 1024;

/// Fills a program's buffer with lines of a directory, each as `record` appends it; EINVAL if not even one fits.
fn list(cx: &Context<'_>, dir: Fd, into: UserOutInt, record: impl Fn(&Entry, &mut Vec<u8>)) -> Result {
    let file = cx.files().get(dir.0)?;
    if file.attributes()?.kind != FileKind::Directory {
        return Err(Errno::ENOTDIR);
    }
    let room = (into.len.cast_unsigned() as usize).min(LISTING_MAX);
    let mut bytes: Vec<u8> = Vec::new();
    // Where each line ends, and where the listing goes on behind it.
    let mut lines: Vec<(usize, u64)> = Vec::new();
    let mut is_small = false;
    let before = file.seek(0, Whence::SEEK_CUR).unwrap_or(0);
    file.entries(&mut |entry| {
        let start = bytes.len();
        record(entry, &mut bytes);
        if bytes.len() > room {
            is_small = start == 0;
            bytes.truncate(start);
            return false;
        }
        lines.push((bytes.len(), entry.next));
        true
    })?;
    if is_small {
        return Err(Errno::EINVAL);
    }
    let written = cx.space().write_some(into.addr, &bytes).unwrap_or(0);
    if written < bytes.len() {
        // Lines that did not get there come again.
        let last = lines.into_iter().rfind(|(end, _)| *end <= written);
        let (len, next) = last.unwrap_or((0, before));
        file.seek(next.cast_signed(), Whence::SEEK_SET)?;
        return if len == 0 { Err(Errno::EFAULT) } else { Ok(len) };
    }
    Ok(bytes.len())
}

pub(super) fn getdents64(cx: &mut Context<'_>, dir: Fd, into: UserOutInt) -> Result {
    list(cx, dir, into, |entry, lines| {
        let (len, end) = (Dirent64::record_len(entry.name.len()), lines.len());
        let (d_ino, d_off) = (entry.ino, entry.next.cast_signed());
        let head = Dirent64 { d_ino, d_off, d_reclen: len as u16, d_type: entry.kind };
        lines.extend_from_slice(head.as_bytes());
        lines.extend_from_slice(&entry.name);
        lines.resize(end + len, 0);
    })
}

/// The old form: the kind is the last byte of a line.
pub(super) fn getdents(cx: &mut Context<'_>, dir: Fd, into: UserOutInt) -> Result {
    list(cx, dir, into, |entry, lines| {
        // Number, offset, length, name, its NUL, kind.
        let len = (8 + 8 + 2 + entry.name.len() + 2).next_multiple_of(8);
        let end = lines.len();
        lines.extend_from_slice(&entry.ino.to_ne_bytes());
        lines.extend_from_slice(&entry.next.to_ne_bytes());
        lines.extend_from_slice(&(len as u16).to_ne_bytes());
        lines.extend_from_slice(&entry.name);
        lines.resize(end + len - 1, 0);
        lines.push(entry.kind);
    })
}
