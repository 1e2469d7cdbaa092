//! Extended attributes: no file system here keeps any, and each call says so as Linux does for such a file system.

use kernel_abi::Fd;
use kernel_abi::arg::{UserIn, UserName, UserOut, UserPath};
use kernel_abi::flags::XattrFlags;

use crate::error::{Errno, Result};
use crate::syscall::{Context, path};
use crate::vfs::Follow;

/// Bytes of a name, its NUL not counted (XATTR_NAME_MAX).
const NAME_MAX: usize = 255;

/// What reading or changing an attribute comes to when the file is there and the name is one.
fn refused(cx: &Context<'_>, name: UserName) -> Result {
    match cx.space().read_string(name.0, NAME_MAX + 1) {
        Ok(name) if name.is_empty() => Err(Errno::ERANGE),
        Ok(_) => Err(Errno::EOPNOTSUPP),
        Err(Errno::ENAMETOOLONG) => Err(Errno::ERANGE),
        Err(errno) => Err(errno),
    }
}

fn by_path(cx: &Context<'_>, at: UserPath, follow: Follow, name: UserName) -> Result {
    path::resolve(cx, Fd::CWD, at, follow)?;
    refused(cx, name)
}

fn by_file(cx: &Context<'_>, file: Fd, name: UserName) -> Result {
    cx.files().get(file.0)?;
    refused(cx, name)
}

pub(super) fn setxattr(
    cx: &mut Context<'_>,
    at: UserPath,
    name: UserName,
    _value: UserIn,
    _flags: XattrFlags,
) -> Result {
    by_path(cx, at, Follow::Yes, name)
}

pub(super) fn lsetxattr(
    cx: &mut Context<'_>,
    at: UserPath,
    name: UserName,
    _value: UserIn,
    _flags: XattrFlags,
) -> Result {
    by_path(cx, at, Follow::No, name)
}

pub(super) fn fsetxattr(cx: &mut Context<'_>, file: Fd, name: UserName, _value: UserIn, _flags: XattrFlags) -> Result {
    by_file(cx, file, name)
}

pub(super) fn getxattr(cx: &mut Context<'_>, at: UserPath, name: UserName, _into: UserOut) -> Result {
    by_path(cx, at, Follow::Yes, name)
}

pub(super) fn lgetxattr(cx: &mut Context<'_>, at: UserPath, name: UserName, _into: UserOut) -> Result {
    by_path(cx, at, Follow::No, name)
}

pub(super) fn fgetxattr(cx: &mut Context<'_>, file: Fd, name: UserName, _into: UserOut) -> Result {
    by_file(cx, file, name)
}

pub(super) fn listxattr(cx: &mut Context<'_>, at: UserPath, _into: UserOut) -> Result {
    path::resolve(cx, Fd::CWD, at, Follow::Yes).map(|_| 0)
}

pub(super) fn llistxattr(cx: &mut Context<'_>, at: UserPath, _into: UserOut) -> Result {
    path::resolve(cx, Fd::CWD, at, Follow::No).map(|_| 0)
}

pub(super) fn flistxattr(cx: &mut Context<'_>, file: Fd, _into: UserOut) -> Result {
    cx.files().get(file.0).map(|_| 0)
}

pub(super) fn removexattr(cx: &mut Context<'_>, at: UserPath, name: UserName) -> Result {
    by_path(cx, at, Follow::Yes, name)
}

pub(super) fn lremovexattr(cx: &mut Context<'_>, at: UserPath, name: UserName) -> Result {
    by_path(cx, at, Follow::No, name)
}

pub(super) fn fremovexattr(cx: &mut Context<'_>, file: Fd, name: UserName) -> Result {
    by_file(cx, file, name)
}
