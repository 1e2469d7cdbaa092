//! Bytes from file to file without a program's memory between: sendfile, copy_file_range.

use alloc::vec;

use kernel_abi::arg::{Fd, UserInOut};
use kernel_abi::flags::{OpenFlags, Whence};
use ostd::task::Task;

use super::Context;
use super::file::{disarm, room, told};
use crate::error::{Errno, Result};
use crate::mm::AddressSpace;
use crate::vfs::{FileKind, OpenFile, SliceSink, SliceSource};

/// Bytes that pass through the kernel at a time when a file is copied.
const COPY_LEN: usize = 16 * 4096;

/// Time that a virtual clock counts for one part: a read and a write.
const PART_COST_NS: u64 = 10_000;

/// Copies until `len`, the end, or a refusal; `None` uses the file's own offset. A file that is copied to its own end by a
/// few bytes at a time takes for ever: others have their turns meanwhile, and a thread that is to end does.
fn copy(
    cx: &Context<'_>,
    from: &OpenFile,
    mut from_at: Option<i64>,
    to: &OpenFile,
    mut to_at: Option<i64>,
    len: usize,
) -> Result {
    let mut done = 0;
    let mut bytes = vec![0; COPY_LEN.min(len)];
    while done < len {
        let wanted = bytes.len().min(len - done);
        let mut sink = SliceSink::new(&mut bytes[..wanted]);
        let read = match from_at {
            Some(at) => from.pread(&mut sink, at),
            None => from.read(&mut sink),
        };
        let count = match read {
            Ok(0) => break,
            Ok(count) => count,
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => break,
        };
        let mut source = SliceSource::new(&bytes[..count]);
        let written = match to_at {
            Some(at) => to.pwrite(&mut source, at),
            None => to.write(&mut source),
        };
        let written = match written {
            Ok(written) => written,
            Err(errno) => {
                give_back(from, from_at, count);
                if done == 0 {
                    return Err(errno);
                }
                break;
            }
        };
        done += written;
        from_at = from_at.map(|at| at + written as i64);
        to_at = to_at.map(|at| at + written as i64);
        if written < count {
            give_back(from, from_at, count - written);
            break;
        }
        Task::between_parts(PART_COST_NS);
        if cx.thread.is_ending() {
            break;
        }
    }
    Ok(done)
}

/// What was read and could not be written is read again next time.
fn give_back(from: &OpenFile, from_at: Option<i64>, count: usize) {
    if from_at.is_none() && from.file().is_seekable() {
        let _ = from.seek(-(count as i64), Whence::SEEK_CUR);
    }
}

/// How many of `len` bytes a file may take, which is nobody's right to be somebody else any more.
fn fitting(cx: &Context<'_>, to: &OpenFile, at: Option<i64>, len: usize) -> Result<usize> {
    let room = room(cx, to, at, len, to.flags())?;
    // Nothing changes nobody.
    if room > 0 {
        disarm(cx, to.path())?;
    }
    Ok(room)
}

fn offset_at(space: &AddressSpace, at: UserInOut<i64>) -> Result<Option<i64>> {
    if at.is_null() {
        return Ok(None);
    }
    space.read_value(at.addr).map(Some)
}

pub(super) fn sendfile(cx: &mut Context<'_>, to: Fd, from: Fd, offset: UserInOut<i64>, len: usize) -> Result {
    let space = cx.space();
    let at: Option<i64> = if offset.is_null() { None } else { Some(space.read_value(offset.addr)?) };
    let from = cx.files().get(from.0)?;
    if !from.is_readable() {
        return Err(Errno::EBADF);
    }
    if at.is_some() && !from.file().is_seekable() {
        return Err(Errno::ESPIPE);
    }
    if len > isize::MAX as usize || at.is_some_and(|at| at < 0 || at.checked_add_unsigned(len as u64).is_none()) {
        return Err(Errno::EINVAL);
    }
    let to = cx.files().get(to.0)?;
    if !to.is_writable() {
        return Err(Errno::EBADF);
    }
    if to.flags().contains(OpenFlags::O_APPEND) {
        return Err(Errno::EINVAL);
    }
    if !from.file().is_seekable() {
        return Err(Errno::EINVAL);
    }
    if from.attributes()?.kind == FileKind::Directory || at.is_some_and(i64::is_negative) {
        return Err(Errno::EINVAL);
    }
    let copied = fitting(cx, &to, None, len).and_then(|len| copy(cx, &from, at, &to, None, len));
    let count = told(cx, copied)?;
    if let Some(at) = at {
        space.write_value(offset.addr, &(at + count as i64))?;
    }
    Ok(count)
}

pub(super) fn copy_file_range(
    cx: &mut Context<'_>,
    from: Fd,
    from_offset: UserInOut<i64>,
    to: Fd,
    to_offset: UserInOut<i64>,
    len: usize,
    flags: u32,
) -> Result {
    let (from, to) = (cx.files().get(from.0)?, cx.files().get(to.0)?);
    let space = cx.space();
    let (from_at, to_at) = (offset_at(&space, from_offset)?, offset_at(&space, to_offset)?);
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    for file in [&from, &to] {
        match file.attributes()?.kind {
            FileKind::Directory => return Err(Errno::EISDIR),
            FileKind::Regular => {}
            _ => return Err(Errno::EINVAL),
        }
    }
    if !from.is_readable() || !to.is_writable() || to.flags().contains(OpenFlags::O_APPEND) {
        return Err(Errno::EBADF);
    }
    if from.attributes()?.dev != to.attributes()?.dev {
        return Err(Errno::EXDEV);
    }
    // A negative place is one far away.
    let is_beyond = |at: Option<i64>| at.is_some_and(|at| at.cast_unsigned().checked_add(len as u64).is_none());
    if is_beyond(from_at) || is_beyond(to_at) {
        return Err(Errno::EOVERFLOW);
    }
    let len = told(cx, fitting(cx, &to, to_at, len))?;
    if overlap((&from, from_at), (&to, to_at), len)? || from_at.into_iter().chain(to_at).any(i64::is_negative) {
        return Err(Errno::EINVAL);
    }
    let count = told(cx, copy(cx, &from, from_at, &to, to_at, len))?;
    if let Some(at) = from_at {
        space.write_value(from_offset.addr, &(at + count as i64))?;
    }
    if let Some(at) = to_at {
        space.write_value(to_offset.addr, &(at + count as i64))?;
    }
    Ok(count)
}

/// Whether a range would be copied onto itself.
fn overlap(
    (from, from_at): (&OpenFile, Option<i64>),
    (to, to_at): (&OpenFile, Option<i64>),
    len: usize,
) -> Result<bool> {
    let (source, target) = (from.attributes()?, to.attributes()?);
    if (source.dev, source.ino) != (target.dev, target.ino) {
        return Ok(false);
    }
    let place = |file: &OpenFile, at: Option<i64>| match at {
        Some(at) => Ok(at.cast_unsigned()),
        None => file.seek(0, Whence::SEEK_CUR),
    };
    let (start, onto) = (place(from, from_at)?, place(to, to_at)?);
    let len = (len as u64).min(from.file().len()?.saturating_sub(start));
    Ok(onto.saturating_add(len) > start && onto < start.saturating_add(len))
}
