//! Bytes in and out of descriptors, and descriptors themselves.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::abi::Signal;
use crate::abi::arg::{Fd, Hex, UserIn, UserIovecsIn, UserIovecsOut, UserOut};
use crate::abi::flags::{
    CAP_SYS_RESOURCE, CloseRangeFlags, DupFlags, F_SEAL_EXEC, F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL,
    F_SEAL_SHRINK, F_SEAL_WRITE, Fadvice, FallocateMode, FcntlCommand, FdFlags, OpenFlags, RLIM_INFINITY, Resource,
    RwFlags, SI_USER, SyncRangeFlags, Whence,
};
use crate::abi::structs::{Iovec, Siginfo};
use crate::error::{Errno, Result};
use crate::ipc::PipeEnd;
use crate::ipc::ring::{SIZE_LAST, SIZE_MAX};
use crate::mm::{AddressSpace, PAGE_SIZE};
use crate::syscall::Context;
use crate::vfs::{
    Beginning, CloseOnExec, FileKind, OpenFile, Path, Sink as _, Source, TRANSFER_MAX, UserSink, UserSource,
};

/// Buffers at most in one call, `IOV_MAX`.
const BUFFERS_MAX: usize = 1024;

fn buffers(space: &AddressSpace, addr: usize, count: usize) -> Result<Vec<(usize, usize)>> {
    // Linux takes the lower half of the word.
    let count = count as u32 as usize;
    if count > BUFFERS_MAX {
        return Err(Errno::EINVAL);
    }
    let mut list = Vec::with_capacity(count);
    for i in 0..count {
        let at = addr.checked_add(i * size_of::<Iovec>()).ok_or(Errno::EFAULT)?;
        let one: Iovec = space.read_value(at)?;
        if one.iov_len > isize::MAX as usize {
            return Err(Errno::EINVAL);
        }
        // What is too much in sum is cut off later; one buffer alone, before anybody asks where it is.
        let len = if count == 1 { one.iov_len.min(TRANSFER_MAX) } else { one.iov_len };
        list.push((one.iov_base, len));
    }
    list.iter().try_for_each(|&(addr, len)| check(space, addr, len))?;
    Ok(list)
}

/// EFAULT for a buffer that leaves the program's half of memory, before anything is moved.
pub(super) fn check(space: &AddressSpace, addr: usize, len: usize) -> Result<()> {
    addr.checked_add(len).filter(|end| *end <= space.end()).map(drop).ok_or(Errno::EFAULT)
}

/// How long a file may become by this process's doing.
pub(super) fn len_max(cx: &Context<'_>) -> u64 {
    cx.process().limit(Resource::RLIMIT_FSIZE)
}

/// EFBIG when a file would grow past what this process may make of it.
pub(super) fn permit_len(cx: &Context<'_>, now: u64, len: u64) -> Result<()> {
    if len > now && len > len_max(cx) { told(cx, Err(Errno::EFBIG)).map(drop) } else { Ok(()) }
}

/// Tells everybody's memory that a file has become shorter.
pub(super) fn shortened(cx: &Context<'_>, identity: (u64, u64), len: u64) {
    let first = len.div_ceil(PAGE_SIZE as u64);
    for process in cx.kernel.processes().all() {
        if let Some(thread) = process.threads().first() {
            thread.space().forget_behind(identity, first);
        }
    }
}

/// How many of `len` bytes a file may take at `at`, or at its own offset, under these status flags. EFBIG where nothing
/// fits.
pub(super) fn room(cx: &Context<'_>, file: &OpenFile, at: Option<i64>, len: usize, status: OpenFlags) -> Result<usize> {
    let limit = len_max(cx);
    if limit == RLIM_INFINITY || len == 0 || !file.file().is_seekable() {
        return Ok(len);
    }
    let found = file.attributes()?;
    if found.kind != FileKind::Regular {
        return Ok(len);
    }
    let at = if status.contains(OpenFlags::O_APPEND) {
        found.size
    } else {
        at.map_or_else(|| file.seek(0, Whence::SEEK_CUR), |at| Ok(at.cast_unsigned()))?
    };
    if len > (i64::MAX as u64).saturating_sub(at) as usize {
        return Err(Errno::EINVAL);
    }
    let room = limit.checked_sub(at).filter(|room| *room > 0).ok_or(Errno::EFBIG)?;
    Ok(len.min(usize::try_from(room).unwrap_or(usize::MAX)))
}

/// As much of `from` as fits, and the file is nobody's right to be somebody else any more.
fn fitting<'a>(
    cx: &Context<'_>,
    file: &OpenFile,
    from: &'a mut dyn Source,
    at: Option<i64>,
    status: OpenFlags,
) -> Result<Beginning<'a>> {
    let room = room(cx, file, at, from.remaining(), status)?;
    if room > 0 && file.is_writable() {
        disarm(cx, file.path())?;
    }
    Ok(Beginning::new(from, room))
}

/// Whoever changes a file without CAP_FSETID takes away the right to run as its owner or group.
pub(super) fn disarm(cx: &Context<'_>, place: Option<&Path>) -> Result<()> {
    place.map_or(Ok(()), |place| place.disarm(&cx.thread.identity()))
}

/// A write to what nobody reads, or past the limit of a file's length, is told by a signal too.
pub(super) fn told(cx: &Context<'_>, result: Result) -> Result {
    let signal = match result {
        Err(Errno::EPIPE) => Signal::SIGPIPE,
        Err(Errno::EFBIG) if len_max(cx) != RLIM_INFINITY => Signal::SIGXFSZ,
        _ => return result,
    };
    // It is the thread's own, and a queue of signals that is full loses it, as with Linux.
    let _ = cx.thread.send(signal, Siginfo::kill(signal, SI_USER, cx.process().pid(), cx.credentials().user.real));
    result
}

/// What was not opened to be read, or cannot be, says so before anybody looks where to.
fn permit_read(file: &OpenFile) -> Result<()> {
    match file.is_readable() {
        false => Err(Errno::EBADF),
        true if file.file().can_read() => Ok(()),
        true => Err(Errno::EINVAL),
    }
}

/// As [`permit_read`].
fn permit_write(file: &OpenFile) -> Result<()> {
    match file.is_writable() {
        false => Err(Errno::EBADF),
        true if file.file().can_write() => Ok(()),
        true => Err(Errno::EINVAL),
    }
}

pub(super) fn read(cx: &mut Context<'_>, file: Fd, into: UserOut) -> Result {
    let file = cx.files().get(file.0)?;
    let space = cx.space();
    permit_read(&file)?;
    check(space, into.addr, into.len)?;
    file.read(&mut UserSink::new(space, into.addr, into.len))
}

pub(super) fn write(cx: &mut Context<'_>, file: Fd, from: UserIn) -> Result {
    let file = cx.files().get(file.0)?;
    let space = cx.space();
    permit_write(&file)?;
    check(space, from.addr, from.len)?;
    let mut from = UserSource::new(space, from.addr, from.len);
    told(cx, fitting(cx, &file, &mut from, None, file.flags()).and_then(|mut from| file.write(&mut from)))
}

pub(super) fn readv(cx: &mut Context<'_>, file: Fd, into: UserIovecsOut) -> Result {
    let file = cx.files().get(file.0)?;
    permit_read(&file)?;
    let space = cx.space();
    let mut into = UserSink::vectored(space, buffers(space, into.addr, into.count)?);
    if into.remaining() == 0 { Ok(0) } else { file.read(&mut into) }
}

pub(super) fn writev(cx: &mut Context<'_>, file: Fd, from: UserIovecsIn) -> Result {
    let file = cx.files().get(file.0)?;
    permit_write(&file)?;
    let space = cx.space();
    let mut from = UserSource::vectored(space, buffers(space, from.addr, from.count)?);
    if from.remaining() == 0 {
        return Ok(0);
    }
    told(cx, fitting(cx, &file, &mut from, None, file.flags()).and_then(|mut from| file.write(&mut from)))
}

pub(super) fn pread64(cx: &mut Context<'_>, file: Fd, into: UserOut, offset: i64) -> Result {
    if offset < 0 {
        return Err(Errno::EINVAL);
    }
    let file = at_places(cx, file)?;
    let space = cx.space();
    permit_read(&file)?;
    check(space, into.addr, into.len)?;
    file.pread(&mut UserSink::new(space, into.addr, into.len), offset)
}

pub(super) fn pwrite64(cx: &mut Context<'_>, file: Fd, from: UserIn, offset: i64) -> Result {
    if offset < 0 {
        return Err(Errno::EINVAL);
    }
    let file = to_places(cx, file)?;
    let space = cx.space();
    permit_write(&file)?;
    check(space, from.addr, from.len)?;
    let mut from = UserSource::new(space, from.addr, from.len);
    told(
        cx,
        fitting(cx, &file, &mut from, Some(offset), file.flags()).and_then(|mut from| file.pwrite(&mut from, offset)),
    )
}

pub(super) fn preadv(cx: &mut Context<'_>, file: Fd, into: UserIovecsOut, offset: i64, _high: usize) -> Result {
    if offset < 0 {
        return Err(Errno::EINVAL);
    }
    let file = at_places(cx, file)?;
    read_buffers(cx, &file, into, Some(offset), RwFlags::empty())
}

pub(super) fn pwritev(cx: &mut Context<'_>, file: Fd, from: UserIovecsIn, offset: i64, _high: usize) -> Result {
    if offset < 0 {
        return Err(Errno::EINVAL);
    }
    let file = to_places(cx, file)?;
    write_buffers(cx, &file, from, Some(offset), RwFlags::empty())
}

pub(super) fn preadv2(
    cx: &mut Context<'_>,
    file: Fd,
    into: UserIovecsOut,
    offset: i64,
    _high: usize,
    flags: RwFlags,
) -> Result {
    if offset < -1 {
        return Err(Errno::EINVAL);
    }
    let file = if offset == -1 { cx.files().get(file.0)? } else { at_places(cx, file)? };
    read_buffers(cx, &file, into, Some(offset).filter(|at| *at >= 0), flags)
}

pub(super) fn pwritev2(
    cx: &mut Context<'_>,
    file: Fd,
    from: UserIovecsIn,
    offset: i64,
    _high: usize,
    flags: RwFlags,
) -> Result {
    if offset < -1 {
        return Err(Errno::EINVAL);
    }
    let file = if offset == -1 { cx.files().get(file.0)? } else { to_places(cx, file)? };
    write_buffers(cx, &file, from, Some(offset).filter(|at| *at >= 0), flags)
}

/// The file of a call that names a place in it: what has no places is refused before anything else.
fn at_places(cx: &Context<'_>, file: Fd) -> Result<Arc<OpenFile>> {
    let file = cx.files().get(file.0)?;
    if file.file().has_places() { Ok(file) } else { Err(Errno::ESPIPE) }
}

/// As [`at_places`], where something is to be written.
fn to_places(cx: &Context<'_>, file: Fd) -> Result<Arc<OpenFile>> {
    at_places(cx, file).and_then(|file| if file.file().is_written_at() { Ok(file) } else { Err(Errno::ESPIPE) })
}

fn read_buffers(cx: &Context<'_>, file: &OpenFile, into: UserIovecsOut, at: Option<i64>, flags: RwFlags) -> Result {
    permit_read(file)?;
    let space = cx.space();
    let mut sink = UserSink::vectored(space, buffers(space, into.addr, into.count)?);
    if sink.remaining() == 0 {
        return Ok(0);
    }
    let status = status(file, flags).map_err(|errno| beyond(at, sink.remaining()).unwrap_or(errno))?;
    match at {
        None => file.read_as(&mut sink, status),
        Some(at) => file.pread_as(&mut sink, at, status),
    }
}

fn write_buffers(cx: &Context<'_>, file: &OpenFile, from: UserIovecsIn, at: Option<i64>, flags: RwFlags) -> Result {
    permit_write(file)?;
    let space = cx.space();
    let mut source = UserSource::vectored(space, buffers(space, from.addr, from.count)?);
    if source.remaining() == 0 {
        return Ok(0);
    }
    let status = status(file, flags).map_err(|errno| beyond(at, source.remaining()).unwrap_or(errno))?;
    let written = fitting(cx, file, &mut source, at, status).and_then(|mut source| match at {
        None => file.write_as(&mut source, status),
        Some(at) => file.pwrite_as(&mut source, at, status),
    });
    let is_quiet = flags.contains(RwFlags::RWF_NOSIGNAL) && written == Err(Errno::EPIPE);
    let count = if is_quiet { written } else { told(cx, written) }?;
    let is_synced = flags.intersects(RwFlags::RWF_DSYNC | RwFlags::RWF_SYNC);
    // A device has nothing to bring to safety, and does not mind.
    if count > 0 && is_synced && file.attributes()?.kind == FileKind::Regular {
        file.file().sync()?;
    }
    Ok(count)
}

/// EINVAL where a place is too far away for so much: that counts before flags.
fn beyond(at: Option<i64>, len: usize) -> Option<Errno> {
    at.filter(|at| at.checked_add_unsigned(len as u64).is_none()).map(|_| Errno::EINVAL)
}

/// The status flags of a transfer: the file's, and what the transfer's own flags make of them.
fn status(file: &OpenFile, flags: RwFlags) -> Result<OpenFlags> {
    let mut status = file.flags();
    if flags.is_empty() {
        return Ok(status);
    }
    if flags.unknown() != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let kind = file.attributes()?.kind;
    // A directory takes none of them but the one that nobody heeds, and says so before it says what it is.
    let is_deaf = kind == FileKind::Directory || !file.file().takes_wishes();
    if is_deaf && flags != RwFlags::RWF_HIPRI {
        return Err(Errno::EOPNOTSUPP);
    }
    if flags.contains(RwFlags::RWF_APPEND | RwFlags::RWF_NOAPPEND) {
        return Err(Errno::EINVAL);
    }
    // Files in memory never say that they would have to wait.
    let waits = flags.contains(RwFlags::RWF_NOWAIT) && kind == FileKind::Regular;
    // Nor has any of ours a way to write all or nothing, or to do without a cache.
    let is_special = flags.intersects(RwFlags::RWF_ATOMIC | RwFlags::RWF_DONTCACHE);
    if is_special || waits {
        return Err(Errno::EOPNOTSUPP);
    }
    if flags.contains(RwFlags::RWF_APPEND) {
        status |= OpenFlags::O_APPEND;
    }
    if flags.contains(RwFlags::RWF_NOAPPEND) {
        status = status.difference(OpenFlags::O_APPEND);
    }
    if flags.contains(RwFlags::RWF_NOWAIT) {
        status |= OpenFlags::O_NONBLOCK;
    }
    Ok(status)
}

pub(super) fn lseek(cx: &mut Context<'_>, file: Fd, offset: i64, whence: Whence) -> Result {
    Ok(cx.files().get(file.0)?.seek(offset, whence)? as usize)
}

pub(super) fn ftruncate(cx: &mut Context<'_>, file: Fd, len: i64) -> Result {
    let len = u64::try_from(len).map_err(|_| Errno::EINVAL)?;
    let file = cx.files().get(file.0)?;
    if !file.is_writable() || !file.file().is_seekable() {
        return file.truncate(len).map(|()| 0);
    }
    let found = file.attributes()?;
    if found.kind != FileKind::Regular {
        return file.truncate(len).map(|()| 0);
    }
    let before = found.size;
    permit_len(cx, before, len)?;
    disarm(cx, file.path())?;
    file.truncate(len)?;
    if len < before {
        shortened(cx, file.identity(), len);
    }
    Ok(0)
}

pub(super) fn fallocate(cx: &mut Context<'_>, file: Fd, mode: FallocateMode, offset: i64, len: i64) -> Result {
    let file = cx.files().get(file.0)?;
    if offset < 0 || len <= 0 {
        return Err(Errno::EINVAL);
    }
    let (offset, len) = (offset.cast_unsigned(), len.cast_unsigned());
    let action = mode.difference(FallocateMode::FALLOC_FL_KEEP_SIZE);
    let punches = mode.contains(FallocateMode::FALLOC_FL_PUNCH_HOLE);
    let keeps = mode.contains(FallocateMode::FALLOC_FL_KEEP_SIZE);
    if mode.unknown() != 0
        || mode.contains(FallocateMode::FALLOC_FL_NO_HIDE_STALE)
        || action.bits().count_ones() > 1
        || (punches && !keeps)
        || (keeps && action.intersects(FallocateMode::FALLOC_FL_COLLAPSE_RANGE | FallocateMode::FALLOC_FL_INSERT_RANGE))
    {
        return Err(Errno::EOPNOTSUPP);
    }
    if !file.is_writable() {
        return Err(Errno::EBADF);
    }
    match file.attributes()?.kind {
        FileKind::Fifo => return Err(Errno::ESPIPE),
        FileKind::Regular => {}
        _ => return Err(Errno::ENODEV),
    }
    if offset.checked_add(len).is_none_or(|end| end > i64::MAX as u64) {
        return Err(Errno::EFBIG);
    }
    // What memory files know.
    let punch = FallocateMode::FALLOC_FL_PUNCH_HOLE | FallocateMode::FALLOC_FL_KEEP_SIZE;
    if !(mode.is_empty() || mode == punch || mode == FallocateMode::FALLOC_FL_KEEP_SIZE) {
        return Err(Errno::EOPNOTSUPP);
    }
    // Room that does not count as size counts all the same.
    if mode != punch {
        // Files that are no memory have no room to be given.
        let before = file.file().len().map_err(|_| Errno::EOPNOTSUPP)?;
        permit_len(cx, before, offset + len)?;
    }
    disarm(cx, file.path())?;
    if mode == punch {
        file.file().punch(offset, len)?;
    } else {
        file.file().allocate(offset, len, keeps)?;
    }
    Ok(0)
}

pub(super) fn fadvise64(cx: &mut Context<'_>, file: Fd, _offset: i64, len: i64, advice: Fadvice) -> Result {
    let file = cx.files().get(file.0)?;
    if file.attributes()?.kind == FileKind::Fifo {
        return Err(Errno::ESPIPE);
    }
    if len < 0 || !(0..=Fadvice::POSIX_FADV_NOREUSE.0).contains(&advice.0) {
        return Err(Errno::EINVAL);
    }
    Ok(0)
}

pub(super) fn fsync(cx: &mut Context<'_>, file: Fd) -> Result {
    cx.files().get(file.0)?.file().sync().map(|()| 0)
}

pub(super) fn fdatasync(cx: &mut Context<'_>, file: Fd) -> Result {
    fsync(cx, file)
}

pub(super) fn sync_file_range(cx: &mut Context<'_>, file: Fd, offset: i64, len: i64, flags: SyncRangeFlags) -> Result {
    let file = cx.files().get(file.0)?;
    if flags.unknown() != 0 || offset < 0 || len < 0 || offset.checked_add(len).is_none() {
        return Err(Errno::EINVAL);
    }
    match file.attributes()?.kind {
        FileKind::Regular | FileKind::Block | FileKind::Directory => Ok(0),
        _ => Err(Errno::ESPIPE),
    }
}

pub(super) fn syncfs(cx: &mut Context<'_>, file: Fd) -> Result {
    match cx.files().get(file.0)?.path() {
        Some(path) => path.mount.fs.sync().map(|()| 0),
        None => Ok(0),
    }
}

pub(super) fn sync(cx: &mut Context<'_>) -> Result {
    for mount in cx.fs().mounts().list() {
        // sync(2) always succeeds.
        let _ = mount.fs.sync();
    }
    Ok(0)
}

pub(super) fn close(cx: &mut Context<'_>, file: Fd) -> Result {
    cx.files().close(file.0).map(|_| 0)
}

pub(super) fn close_range(cx: &mut Context<'_>, first: u32, last: u32, flags: CloseRangeFlags) -> Result {
    if flags.unknown() != 0 || first > last {
        return Err(Errno::EINVAL);
    }
    let mut files = cx.files();
    if flags.contains(CloseRangeFlags::CLOSE_RANGE_UNSHARE) && Arc::strong_count(&files) > 2 {
        files = files.fork()?;
        cx.thread.set_files(Arc::clone(&files));
    }
    if flags.contains(CloseRangeFlags::CLOSE_RANGE_CLOEXEC) {
        files.set_close_on_exec_range(first, last);
    } else {
        files.close_range(first, last);
    }
    Ok(0)
}

fn limit(cx: &Context<'_>) -> u64 {
    cx.process().limit(Resource::RLIMIT_NOFILE)
}

pub(super) fn dup(cx: &mut Context<'_>, old: Fd) -> Result {
    let files = cx.files();
    let file = files.get_place(old.0)?;
    Ok(files.insert(0, file, CloseOnExec::No, limit(cx))? as usize)
}

fn duplicate(cx: &Context<'_>, old: Fd, new: Fd, close: CloseOnExec) -> Result {
    if new.0 < 0 || u64::from(new.0.cast_unsigned()) >= limit(cx) {
        return Err(Errno::EBADF);
    }
    let files = cx.files();
    files.replace(new.0, files.get_place(old.0)?, close)?;
    Ok(new.0 as usize)
}

pub(super) fn dup2(cx: &mut Context<'_>, old: Fd, new: Fd) -> Result {
    if old == new {
        return cx.files().get_place(old.0).map(|_| new.0 as usize);
    }
    duplicate(cx, old, new, CloseOnExec::No)
}

pub(super) fn dup3(cx: &mut Context<'_>, old: Fd, new: Fd, flags: DupFlags) -> Result {
    if flags.unknown() != 0 || old == new {
        return Err(Errno::EINVAL);
    }
    duplicate(cx, old, new, CloseOnExec::when(flags.contains(DupFlags::O_CLOEXEC)))
}

pub(super) fn fcntl(cx: &mut Context<'_>, fd: Fd, command: FcntlCommand, argument: Hex) -> Result {
    let files = cx.files();
    let file = files.get_place(fd.0)?;
    match command {
        FcntlCommand::F_DUPFD | FcntlCommand::F_DUPFD_CLOEXEC => {
            // Half of the argument counts, and what is negative is too high.
            let from = argument.0 as u32;
            if u64::from(from) >= limit(cx) {
                return Err(Errno::EINVAL);
            }
            let close = CloseOnExec::when(command == FcntlCommand::F_DUPFD_CLOEXEC);
            Ok(files.insert(from, file, close, limit(cx))? as usize)
        }
        FcntlCommand::F_GETFD => Ok(usize::from(files.close_on_exec(fd.0)? == CloseOnExec::Yes)),
        FcntlCommand::F_SETFD => {
            let close = CloseOnExec::when(argument.0 as u32 & FdFlags::FD_CLOEXEC.bits() != 0);
            files.set_close_on_exec(fd.0, close).map(|()| 0)
        }
        FcntlCommand::F_GETFL => Ok(file.flags().bits() as usize),
        _ if file.is_place() => Err(Errno::EBADF),
        FcntlCommand::F_SETFL
            if argument.0 as u32 & OpenFlags::O_NOATIME.bits() != 0
                && !file.flags().contains(OpenFlags::O_NOATIME)
                && !cx.thread.identity().owns(file.attributes()?.uid) =>
        {
            Err(Errno::EPERM)
        }
        FcntlCommand::F_SETFL => {
            let wanted = OpenFlags::from_bits_retain(argument.0 as u32);
            // Of a pipe it makes packets, of anything but a file it makes nothing.
            let takes_it = || file.attributes().map(|it| matches!(it.kind, FileKind::Regular | FileKind::Fifo));
            if wanted.contains(OpenFlags::O_DIRECT) && !takes_it()? {
                return Err(Errno::EINVAL);
            }
            file.set_flags(wanted).map(|()| 0)
        }
        FcntlCommand::F_GETLK
        | FcntlCommand::F_SETLK
        | FcntlCommand::F_SETLKW
        | FcntlCommand::F_OFD_GETLK
        | FcntlCommand::F_OFD_SETLK
        | FcntlCommand::F_OFD_SETLKW => super::lock::record(cx, fd, command, argument.0),
        FcntlCommand::F_GET_SEALS => Ok(file.file().seals()? as usize),
        FcntlCommand::F_ADD_SEALS => {
            const KNOWN: u32 =
                F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC;
            if !file.is_writable() {
                return Err(Errno::EPERM);
            }
            if argument.0 as u32 & !KNOWN != 0 {
                return Err(Errno::EINVAL);
            }
            file.file().add_seals(argument.0 as u32).map(|()| 0)
        }
        FcntlCommand::F_SETPIPE_SZ | FcntlCommand::F_GETPIPE_SZ => {
            let pipe = file.file().as_any().downcast_ref::<PipeEnd>().ok_or(Errno::EBADF)?;
            if command == FcntlCommand::F_GETPIPE_SZ {
                Ok(pipe.size())
            } else {
                let grown_max = if cx.credentials().can(CAP_SYS_RESOURCE) { SIZE_LAST } else { SIZE_MAX };
                pipe.set_size(argument.0 as u32 as usize, grown_max)
            }
        }
        _ => super::owner::command(cx, &file, command, argument.0),
    }
}
