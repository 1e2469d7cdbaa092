//! Bytes from file to file without a program's memory between: sendfile, copy_file_range.

use alloc::vec;

use kernel_abi::arg::{Fd, UserInOut};
use kernel_abi::flags::{OpenFlags, Whence};
use ostd::PAGE_SIZE;
use ostd::task::Task;

use super::Context;
use super::file::{disarm, len_max, room, told};
use crate::error::{Errno, Result};
use crate::mm::AddressSpace;
use crate::vfs::{FileKind, OpenFile, SliceSink, SliceSource, TRANSFER_MAX};

/// Bytes that pass through the kernel at a time when a file is copied.
const COPY_LEN: usize = 16 * 4096;

/// Time that a virtual clock counts for one part: a read and a write.
const PART_COST_NS: u64 = 10_000;

/// Copies until `len`, the end, or a refusal; `None` uses the file's own offset. A file that is copied to its own end
/// takes very long: others have their turns meanwhile, and a thread that is to end does.
fn copy(
    cx: &Context<'_>,
    from: &OpenFile,
    mut from_at: Option<i64>,
    to: &OpenFile,
    mut to_at: Option<i64>,
    len: usize,
) -> Result {
    let ahead = ahead(from, from_at, to, to_at);
    let mut done = 0;
    let mut bytes = vec![0; if ahead.is_some() { PAGE_SIZE } else { COPY_LEN }.min(len)];
    while done < len {
        let wanted = bytes.len().min(len - done);
        let mut sink = SliceSink::new(&mut bytes[..wanted]);
        let read = match from_at {
            Some(at) => from.pread(&mut sink, at),
            None => from.read(&mut sink),
        };
        let count = match read {
            Ok(0) => break,
            Ok(count) => match ahead {
                Some(ahead) if count >= ahead => repeat(&mut bytes[..wanted], ahead),
                _ => count,
            },
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => break,
        };
        // Nothing changes nobody.
        if done == 0 {
            if !to.file().is_sent_to() {
                give_back(from, from_at, count);
                return Err(Errno::EINVAL);
            }
            disarm(cx, to.path())?;
        }
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

/// By how many bytes the place that is written lies behind the one that is read, in the same file.
fn ahead(from: &OpenFile, from_at: Option<i64>, to: &OpenFile, to_at: Option<i64>) -> Option<usize> {
    let distance = usize::try_from(to_at?.checked_sub(from_at?)?).ok().filter(|distance| *distance > 0)?;
    (from.identity() == to.identity()).then_some(distance)
}

/// Fills the bytes with what the first few are, again and again: so it is when pages are copied from the front on that
/// were written just before, and a file that grows meanwhile has always more to be read.
fn repeat(bytes: &mut [u8], ahead: usize) -> usize {
    for at in ahead..bytes.len() {
        bytes[at] = bytes[at - ahead];
    }
    bytes.len()
}

/// What was read and could not be written is read again next time.
fn give_back(from: &OpenFile, from_at: Option<i64>, count: usize) {
    if from_at.is_none() && from.file().is_seekable() {
        let _ = from.seek(-(count as i64), Whence::SEEK_CUR);
    }
}

/// How many of `len` bytes fit behind a place. EFBIG where nothing does, even for nothing.
fn fitting(cx: &Context<'_>, at: i64, len: u64) -> Result<u64> {
    let limit = i64::try_from(len_max(cx)).unwrap_or(i64::MAX);
    if at >= limit { Err(Errno::EFBIG) } else { Ok(len.min(limit.wrapping_sub(at).cast_unsigned())) }
}

/// A place, or the file's own offset.
fn place(file: &OpenFile, at: Option<i64>) -> Result<i64> {
    match at {
        Some(at) => Ok(at),
        None => file.seek(0, Whence::SEEK_CUR).map(u64::cast_signed),
    }
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
    if at.is_some() && !from.file().has_places() {
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
        // Nothing of what has an offset, be it always the same, is sent; and nothing of anything to a pipe.
        let sends_nothing = || from.file().seeks_in_vain() || to.attributes().is_ok_and(|to| to.kind == FileKind::Fifo);
        return if len == 0 && sends_nothing() { Ok(0) } else { Err(Errno::EINVAL) };
    }
    if (len > 0 && from.attributes()?.kind == FileKind::Directory) || at.is_some_and(i64::is_negative) {
        return Err(Errno::EINVAL);
    }
    if len == 0 {
        return Ok(0);
    }
    // Before anybody asks whether there is room for it.
    if !from.file().sends() {
        return Err(Errno::EINVAL);
    }
    let found = from.attributes()?;
    let start = place(&from, at)?;
    if start.checked_add_unsigned(len as u64).is_none() {
        return Err(Errno::EINVAL);
    }
    let len = len.min(TRANSFER_MAX);
    let is_at_end = found.kind == FileKind::Regular && start.cast_unsigned() >= found.size;
    // Where both are is known beforehand: they may be the same.
    let onto = if to.file().is_seekable() { Some(place(&to, None)?) } else { None };
    if onto.is_some_and(|onto| onto.checked_add_unsigned(len as u64).is_none()) {
        return Err(Errno::EINVAL);
    }
    let copied = match room(cx, &to, onto, len, to.flags()) {
        // Whether nothing would fit is asked when there is something; a file of /proc has more than its size says.
        Err(_) if is_at_end => Ok(0),
        room => room.and_then(|fits| {
            let count = copy(cx, &from, Some(start), &to, onto, fits)?;
            // What does not fit is tried nevertheless.
            let end = start.cast_unsigned() + count as u64;
            let is_more = || from.attributes().is_ok_and(|now| now.kind != FileKind::Regular || end < now.size);
            if count == fits && fits < len && is_more() {
                let _ = told(cx, Err(Errno::EFBIG));
            }
            Ok(count)
        }),
    };
    let count = told(cx, copied)?;
    let end = if from.file().has_offset() { start + count as i64 } else { start };
    if let Some(onto) = onto {
        to.seek(onto + count as i64, Whence::SEEK_SET)?;
    }
    match at {
        Some(_) => space.write_value(offset.addr, &end)?,
        None => drop(from.seek(end, Whence::SEEK_SET)?),
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
    let (from_at, to_at) = (offset_at(space, from_offset)?, offset_at(space, to_offset)?);
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let kinds = [from.attributes()?.kind, to.attributes()?.kind];
    if kinds.contains(&FileKind::Directory) {
        return Err(Errno::EISDIR);
    }
    if kinds != [FileKind::Regular; 2] {
        return Err(Errno::EINVAL);
    }
    if !from.is_readable() || !to.is_writable() || to.flags().contains(OpenFlags::O_APPEND) {
        return Err(Errno::EBADF);
    }
    if from.attributes()?.dev != to.attributes()?.dev {
        return Err(Errno::EXDEV);
    }
    let (start, onto) = (place(&from, from_at)?, place(&to, to_at)?);
    // A negative place is one far away.
    if [start, onto].iter().any(|at| at.cast_unsigned().checked_add(len as u64).is_none()) {
        return Err(Errno::EOVERFLOW);
    }
    let size = from.file().len()?.cast_signed();
    let there = if start >= size { 0 } else { size.wrapping_sub(start).cast_unsigned().min(len as u64) };
    let len = told(cx, fitting(cx, onto, there).map(|len| len as usize))?;
    let end = |at: i64| at.cast_unsigned().wrapping_add(len as u64);
    let overlaps = end(onto) > start.cast_unsigned() && onto.cast_unsigned() < end(start);
    if (overlaps && from.identity() == to.identity()) || start < 0 || onto < 0 {
        return Err(Errno::EINVAL);
    }
    let count = told(cx, copy(cx, &from, from_at, &to, to_at, len.min(TRANSFER_MAX)))?;
    if let Some(at) = from_at {
        space.write_value(from_offset.addr, &(at + count as i64))?;
    }
    if let Some(at) = to_at {
        space.write_value(to_offset.addr, &(at + count as i64))?;
    }
    Ok(count)
}
