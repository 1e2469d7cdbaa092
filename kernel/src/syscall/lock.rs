//! Locks on files: flock(2), and the records of fcntl(2).

use super::Context;
use crate::abi::arg::Fd;
use crate::abi::flags::{F_RDLCK, F_UNLCK, F_WRLCK, FcntlCommand, FlockOperation, Whence};
use crate::abi::structs::Flock;
use crate::error::{Errno, Result};
use crate::vfs::{Block, Hold, OpenFile, Owner, Record};

/// The last byte a lock can reach.
const LAST: u64 = i64::MAX as u64;

/// `LOCK_MAND` of flock(2), which Linux has forgotten but for saying yes to it.
const LOCK_MAND: i32 = 32;

pub(super) fn flock(cx: &mut Context<'_>, file: Fd, operation: FlockOperation) -> Result {
    if operation.bits() as i32 & LOCK_MAND != 0 {
        return Ok(0);
    }
    let wish = match operation.difference(FlockOperation::LOCK_NB) {
        FlockOperation::LOCK_SH => Some(Hold::Shared),
        FlockOperation::LOCK_EX => Some(Hold::Exclusive),
        FlockOperation::LOCK_UN => None,
        _ => return Err(Errno::EINVAL),
    };
    let how = if operation.contains(FlockOperation::LOCK_NB) { Block::Never } else { Block::Wait };
    let file = cx.files().get(file.0)?;
    // What is neither read nor written (the access mode 3) can give a lock back, and have none.
    if wish.is_some() && !file.is_readable() && !file.is_writable() {
        return Err(Errno::EBADF);
    }
    file.flock(cx.kernel.locks(), wish, how)?;
    Ok(0)
}

/// The range a program means, first and last byte.
fn range(file: &OpenFile, lock: &Flock) -> Result<(u64, u64)> {
    let base = match Whence(u32::from(lock.l_whence.cast_unsigned())) {
        Whence::SEEK_SET => 0,
        // What has no offset is at its beginning.
        Whence::SEEK_CUR => file.seek(0, Whence::SEEK_CUR).unwrap_or(0).cast_signed(),
        Whence::SEEK_END => file.attributes()?.size.cast_signed(),
        _ => return Err(Errno::EINVAL),
    };
    let start = base.checked_add(lock.l_start).ok_or(Errno::EOVERFLOW)?;
    let at = |place: i64| u64::try_from(place).map_err(|_| Errno::EINVAL);
    let first = at(start)?;
    Ok(match lock.l_len {
        0 => (first, LAST),
        len if len > 0 => (first, at(start.checked_add(len - 1).ok_or(Errno::EOVERFLOW)?)?),
        // A negative length is what lies before the start.
        len => (at(start.checked_add(len).ok_or(Errno::EINVAL)?)?, at(start - 1)?),
    })
}

/// F_SETLK, F_SETLKW, F_GETLK, and those of open files.
pub(super) fn record(cx: &Context<'_>, fd: Fd, command: FcntlCommand, at: usize) -> Result {
    let (files, table, space) = (cx.files(), cx.kernel.locks(), cx.space());
    let file = files.get(fd.0)?;
    let of_file = matches!(command, FcntlCommand::F_OFD_GETLK | FcntlCommand::F_OFD_SETLK | FcntlCommand::F_OFD_SETLKW);
    let asks = matches!(command, FcntlCommand::F_GETLK | FcntlCommand::F_OFD_GETLK);
    let waits = matches!(command, FcntlCommand::F_SETLKW | FcntlCommand::F_OFD_SETLKW);
    let mut lock: Flock = space.read_value(at)?;
    let hold = match lock.l_type {
        F_RDLCK => Some(Hold::Shared),
        F_WRLCK => Some(Hold::Exclusive),
        F_UNLCK if !asks => None,
        _ => return Err(Errno::EINVAL),
    };
    let (start, last) = range(&file, &lock)?;
    let refused = match hold {
        _ if asks => false,
        Some(Hold::Shared) => !file.is_readable(),
        Some(Hold::Exclusive) => !file.is_writable(),
        None => false,
    };
    if refused {
        return Err(Errno::EBADF);
    }
    if of_file && lock.l_pid != 0 {
        return Err(Errno::EINVAL);
    }
    let (owner, pid) = if of_file { (file.owner(), -1) } else { (files.owner(), cx.process().pid()) };
    let Some(hold) = hold else {
        match owner {
            Owner::Description(_) => file.unlock_record(table, start, last)?,
            Owner::Table(_) => files.unlock_record(&file, table, start, last)?,
        }
        return Ok(0);
    };
    let wish = Record { owner, hold, start, last, pid };
    if asks {
        match file.record_in_the_way(table, &wish) {
            Some(other) => {
                lock.l_type = if other.hold == Hold::Shared { F_RDLCK } else { F_WRLCK };
                lock.l_whence = 0;
                lock.l_start = other.start.cast_signed();
                lock.l_len = if other.last == LAST { 0 } else { (other.last - other.start + 1).cast_signed() };
                lock.l_pid = other.pid;
            }
            None => lock.l_type = F_UNLCK,
        }
        space.write_value(at, &lock)?;
        return Ok(0);
    }
    let how = if waits { Block::Wait } else { Block::Never };
    match owner {
        Owner::Description(_) => file.lock_record(table, wish, how)?,
        Owner::Table(_) => files.lock_record(fd.0, table, wish, how)?,
    }
    Ok(0)
}
