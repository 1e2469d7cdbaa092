//! Whom an open file belongs to, and what it would tell them: commands of fcntl(2).

use super::Context;
use crate::abi::flags::{CAP_LEASE, F_RDLCK, F_UNLCK, F_WRLCK, FcntlCommand};
use crate::error::{Errno, Result};
use crate::vfs::{FileKind, FileOwner, OpenFile, OwnerKind};

/// `DN_MULTISHOT` of a note, which is about no event.
const DN_MULTISHOT: u32 = 0x8000_0000;
/// The last signal's number.
const SIGNAL_MAX: usize = 64;

/// A command about owners, signals, leases or notes; EINVAL for any other.
pub(super) fn command(cx: &Context<'_>, file: &OpenFile, command: FcntlCommand, argument: usize) -> Result {
    match command {
        FcntlCommand::F_GETOWN => {
            let owner = present(cx, file.belongs_to());
            let id = if owner.kind == OwnerKind::Group { -owner.id } else { owner.id };
            Ok(id as isize as usize)
        }
        FcntlCommand::F_SETOWN => {
            let id = argument as i32;
            let (kind, id) = if id < 0 { (OwnerKind::Group, id.checked_neg()) } else { (OwnerKind::Process, Some(id)) };
            own(cx, file, kind, id.ok_or(Errno::EINVAL)?)
        }
        FcntlCommand::F_GETOWN_EX => {
            let owner = present(cx, file.belongs_to());
            cx.space().write_value(argument, &[owner.kind as i32, owner.id]).map(|()| 0)
        }
        FcntlCommand::F_SETOWN_EX => {
            let [kind, id]: [i32; 2] = cx.space().read_value(argument)?;
            let kinds = [OwnerKind::Thread, OwnerKind::Process, OwnerKind::Group];
            let kind = kinds.into_iter().find(|known| *known as i32 == kind).ok_or(Errno::EINVAL)?;
            own(cx, file, kind, id)
        }
        FcntlCommand::F_GETSIG => Ok(usize::from(file.belongs_to().signal)),
        FcntlCommand::F_SETSIG => {
            let signal = u8::try_from(argument).ok().filter(|_| argument <= SIGNAL_MAX).ok_or(Errno::EINVAL)?;
            file.give_to(FileOwner { signal, ..file.belongs_to() });
            Ok(0)
        }
        // Nobody takes one, so there is none.
        FcntlCommand::F_GETLEASE => Ok(F_UNLCK as usize),
        FcntlCommand::F_SETLEASE => Err(lease(cx, file, argument)),
        FcntlCommand::F_NOTIFY if argument as u32 & !DN_MULTISHOT == 0 => Ok(0),
        FcntlCommand::F_NOTIFY if file.attributes()?.kind != FileKind::Directory => Err(Errno::ENOTDIR),
        _ => Err(Errno::EINVAL),
    }
}

/// An owner that is still there; whoever ended is nobody.
fn present(cx: &Context<'_>, owner: FileOwner) -> FileOwner {
    let processes = cx.kernel.processes();
    let is_there = match owner.kind {
        OwnerKind::Thread => processes.find_thread(owner.id).is_some(),
        OwnerKind::Process => processes.find(owner.id).is_some(),
        OwnerKind::Group => !processes.group(owner.id).is_empty(),
    };
    if is_there { owner } else { FileOwner { id: 0, ..owner } }
}

/// ESRCH unless somebody, of whatever kind, has the number.
fn own(cx: &Context<'_>, file: &OpenFile, kind: OwnerKind, id: i32) -> Result {
    let processes = cx.kernel.processes();
    let is_known = id == 0
        || processes.find_thread(id).is_some()
        || processes.find(id).is_some()
        || !processes.group(id).is_empty();
    if !is_known {
        return Err(Errno::ESRCH);
    }
    file.give_to(FileOwner { kind, id, ..file.belongs_to() });
    Ok(0)
}

/// Why there is no lease: nobody would be told that it is broken.
fn lease(cx: &Context<'_>, file: &OpenFile, argument: usize) -> Errno {
    let Ok(found) = file.attributes() else { return Errno::EINVAL };
    // Linux looks at 32 bits.
    let kind = argument as u32 as i32;
    if ![F_RDLCK, F_WRLCK, F_UNLCK].iter().any(|known| i32::from(*known) == kind) {
        Errno::EINVAL
    } else if cx.thread.identity().uid != found.uid && !cx.credentials().can(CAP_LEASE) {
        Errno::EACCES
    } else if found.kind == FileKind::Regular && kind == i32::from(F_UNLCK) {
        // None to give back.
        Errno::EAGAIN
    } else {
        Errno::EINVAL
    }
}
