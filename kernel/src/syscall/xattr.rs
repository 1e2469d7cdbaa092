//! Extended attributes.

use alloc::vec;
use alloc::vec::Vec;

use kernel_abi::Fd;
use kernel_abi::arg::{UserIn, UserName, UserOut, UserPath};
use kernel_abi::flags::{CAP_SYS_ADMIN, XATTR_NAME_MAX, XATTR_SIZE_MAX, XattrFlags};

use crate::error::{Errno, Result};
use crate::syscall::{Context, path};
use crate::vfs::{Access, Follow, Path, permit_nowhere};

fn name_of(cx: &Context<'_>, name: UserName) -> Result<Vec<u8>> {
    match cx.space().read_string(name.0, XATTR_NAME_MAX as usize + 1) {
        Ok(name) if name.is_empty() => Err(Errno::ERANGE),
        Err(Errno::ENAMETOOLONG) => Err(Errno::ERANGE),
        read => read,
    }
}

/// The name and the value of an attribute to be set.
fn given(cx: &Context<'_>, name: UserName, value: UserIn, flags: XattrFlags) -> Result<(Vec<u8>, Vec<u8>)> {
    if flags.unknown() != 0 {
        return Err(Errno::EINVAL);
    }
    Ok((name_of(cx, name)?, value_of(cx, value)?))
}

fn value_of(cx: &Context<'_>, value: UserIn) -> Result<Vec<u8>> {
    if value.len > XATTR_SIZE_MAX as usize {
        return Err(Errno::E2BIG);
    }
    let mut bytes = vec![0; value.len];
    cx.space().read(value.addr, &mut bytes)?;
    Ok(bytes)
}

/// Writes what was asked for, or with no room given says how much it takes.
fn give(cx: &Context<'_>, bytes: &[u8], into: UserOut) -> Result {
    if into.len > 0 {
        if bytes.len() > into.len {
            return Err(Errno::ERANGE);
        }
        cx.space().write(into.addr, bytes)?;
    }
    Ok(bytes.len())
}

fn is_admin(cx: &Context<'_>) -> bool {
    cx.credentials().can(CAP_SYS_ADMIN)
}

/// Where an open file is. What is nowhere has no attributes, and says why `access` to that one is refused.
fn place_of(cx: &Context<'_>, file: Fd, name: &[u8], access: Access) -> Result<Path> {
    let file = cx.files().get(file.0)?;
    match file.path() {
        Some(path) => Ok(path.clone()),
        None => Err(permit_nowhere(&file.attributes()?, name, access, &cx.thread.identity(), is_admin(cx))),
    }
}

fn set(cx: &Context<'_>, place: &Path, name: &[u8], value: &[u8], flags: XattrFlags) -> Result {
    place.set_attribute(name, value, flags, &cx.thread.identity(), is_admin(cx)).map(|()| 0)
}

fn get(cx: &Context<'_>, place: &Path, name: &[u8], into: UserOut) -> Result {
    let value = place.attribute(name, &cx.thread.identity(), is_admin(cx))?;
    give(cx, &value, into)
}

fn list(cx: &Context<'_>, place: &Path, into: UserOut) -> Result {
    give(cx, &place.attribute_names(is_admin(cx))?, into)
}

fn remove(cx: &Context<'_>, place: &Path, name: &[u8]) -> Result {
    place.remove_attribute(name, &cx.thread.identity(), is_admin(cx)).map(|()| 0)
}

pub(super) fn setxattr(cx: &mut Context<'_>, at: UserPath, name: UserName, value: UserIn, flags: XattrFlags) -> Result {
    let (name, value) = given(cx, name, value, flags)?;
    set(cx, &path::resolve(cx, Fd::CWD, at, Follow::Yes)?, &name, &value, flags)
}

pub(super) fn lsetxattr(
    cx: &mut Context<'_>,
    at: UserPath,
    name: UserName,
    value: UserIn,
    flags: XattrFlags,
) -> Result {
    let (name, value) = given(cx, name, value, flags)?;
    set(cx, &path::resolve(cx, Fd::CWD, at, Follow::No)?, &name, &value, flags)
}

pub(super) fn fsetxattr(cx: &mut Context<'_>, file: Fd, name: UserName, value: UserIn, flags: XattrFlags) -> Result {
    let (name, value) = given(cx, name, value, flags)?;
    set(cx, &place_of(cx, file, &name, Access::WRITE)?, &name, &value, flags)
}

pub(super) fn getxattr(cx: &mut Context<'_>, at: UserPath, name: UserName, into: UserOut) -> Result {
    let name = name_of(cx, name)?;
    get(cx, &path::resolve(cx, Fd::CWD, at, Follow::Yes)?, &name, into)
}

pub(super) fn lgetxattr(cx: &mut Context<'_>, at: UserPath, name: UserName, into: UserOut) -> Result {
    let name = name_of(cx, name)?;
    get(cx, &path::resolve(cx, Fd::CWD, at, Follow::No)?, &name, into)
}

pub(super) fn fgetxattr(cx: &mut Context<'_>, file: Fd, name: UserName, into: UserOut) -> Result {
    let name = name_of(cx, name)?;
    get(cx, &place_of(cx, file, &name, Access::READ)?, &name, into)
}

pub(super) fn listxattr(cx: &mut Context<'_>, at: UserPath, into: UserOut) -> Result {
    list(cx, &path::resolve(cx, Fd::CWD, at, Follow::Yes)?, into)
}

pub(super) fn llistxattr(cx: &mut Context<'_>, at: UserPath, into: UserOut) -> Result {
    list(cx, &path::resolve(cx, Fd::CWD, at, Follow::No)?, into)
}

pub(super) fn flistxattr(cx: &mut Context<'_>, file: Fd, into: UserOut) -> Result {
    match cx.files().get(file.0)?.path() {
        Some(place) => list(cx, place, into),
        None => Ok(0),
    }
}

pub(super) fn removexattr(cx: &mut Context<'_>, at: UserPath, name: UserName) -> Result {
    let name = name_of(cx, name)?;
    remove(cx, &path::resolve(cx, Fd::CWD, at, Follow::Yes)?, &name)
}

pub(super) fn lremovexattr(cx: &mut Context<'_>, at: UserPath, name: UserName) -> Result {
    let name = name_of(cx, name)?;
    remove(cx, &path::resolve(cx, Fd::CWD, at, Follow::No)?, &name)
}

pub(super) fn fremovexattr(cx: &mut Context<'_>, file: Fd, name: UserName) -> Result {
    let name = name_of(cx, name)?;
    remove(cx, &place_of(cx, file, &name, Access::WRITE)?, &name)
}
