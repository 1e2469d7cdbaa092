//! An open file description: what descriptors share.

use alloc::sync::Arc;

use kernel_abi::flags::{OpenFlags, Whence};
use ostd::sync::atomic::AtomicU32;
use ostd::sync::{Mutex, SpinLock};

use super::attributes::Attributes;
use super::busy::Occupied;
use super::file::{Block, Entry, File};
use super::locks::{FileLocks, Hold, LockTable, Owner, Record};
use super::path::Path;
use super::quota::Share;
use super::transfer::{Sink, Source};
use crate::error::{Errno, Result};

/// What an owner's number is: fcntl(2)'s `F_OWNER_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerKind {
    /// A thread's.
    Thread = 0,
    /// A process's.
    Process = 1,
    /// A group's.
    Group = 2,
}

/// Whom an open file belongs to, as F_SETOWN and F_SETSIG said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileOwner {
    /// What `id` is.
    pub kind: OwnerKind,
    /// Zero is nobody.
    pub id: i32,
    /// The signal to send; zero is SIGIO.
    pub signal: u8,
}

/// A file, how it was opened, and where its next byte is.
pub struct OpenFile {
    file: Arc<dyn File>,
    /// [`OpenFlags`].
    flags: AtomicU32,
    offset: Mutex<u64>,
    path: Option<Path>,
    owner: SpinLock<FileOwner>,
    /// Where it holds locks of its own.
    locks: SpinLock<Option<Arc<FileLocks>>>,
    /// Its hold on what it writes.
    _occupied: Option<Occupied>,
    /// Its right to be.
    _share: Share,
}

/// Flags that F_SETFL may change.
const CHANGEABLE: OpenFlags = OpenFlags::O_APPEND
    .union(OpenFlags::O_NONBLOCK)
    .union(OpenFlags::FASYNC)
    .union(OpenFlags::O_DIRECT)
    .union(OpenFlags::O_NOATIME);
/// Flags that act at open(2) only.
const AT_OPEN: OpenFlags = OpenFlags::O_CREAT
    .union(OpenFlags::O_EXCL)
    .union(OpenFlags::O_NOCTTY)
    .union(OpenFlags::O_TRUNC)
    .union(OpenFlags::O_CLOEXEC);

impl OpenFile {
    /// Something without a path. O_EXCL stays: pidfd_open(2) says by it what a descriptor is of.
    pub fn new(share: Share, file: Arc<dyn File>, flags: OpenFlags) -> Arc<Self> {
        Self::build(share, file, flags.difference(AT_OPEN.difference(OpenFlags::O_EXCL)), None, None)
    }

    /// What a path led to: a file of any size, as openat(2) says on 64 bits.
    pub fn at(share: Share, path: Path, file: Arc<dyn File>, flags: OpenFlags) -> Arc<Self> {
        Self::occupying(share, path, file, flags, None)
    }

    /// As [`at`](Self::at), with a hold on what it writes.
    pub(super) fn occupying(
        share: Share,
        path: Path,
        file: Arc<dyn File>,
        mut flags: OpenFlags,
        occupied: Option<Occupied>,
    ) -> Arc<Self> {
        flags.set(OpenFlags::O_LARGEFILE, !flags.contains(OpenFlags::O_PATH));
        Self::build(share, file, flags.difference(AT_OPEN), Some(path), occupied)
    }

    fn build(
        _share: Share,
        file: Arc<dyn File>,
        flags: OpenFlags,
        path: Option<Path>,
        _occupied: Option<Occupied>,
    ) -> Arc<Self> {
        let flags = AtomicU32::new(flags.bits());
        let (offset, locks) = (Mutex::ranked(super::OFFSET, 0), SpinLock::new(None));
        let owner = SpinLock::new(FileOwner { kind: OwnerKind::Thread, id: 0, signal: 0 });
        Arc::new(Self { file, flags, offset, path, owner, locks, _occupied, _share })
    }

    /// What is open.
    pub fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    /// How it was opened, and what F_SETFL made of it.
    pub fn flags(&self) -> OpenFlags {
        OpenFlags::from_bits_retain(self.flags.load())
    }

    /// F_SETFL.
    pub fn set_flags(&self, wanted: OpenFlags) -> Result<()> {
        let mut flags = self.flags().difference(CHANGEABLE) | wanted.intersection(CHANGEABLE);
        if !self.file.tells_owner() {
            flags = flags.difference(OpenFlags::FASYNC);
        }
        self.file.flags_changed(flags)?;
        self.flags.store(flags.bits());
        Ok(())
    }

    /// Whom it belongs to.
    pub fn belongs_to(&self) -> FileOwner {
        *self.owner.lock()
    }

    /// F_SETOWN, F_SETSIG.
    pub fn give_to(&self, owner: FileOwner) {
        *self.owner.lock() = owner;
    }

    /// Where it was found.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_ref()
    }

    /// Whether it was opened by O_PATH: a place, not a file.
    pub fn is_place(&self) -> bool {
        self.flags().contains(OpenFlags::O_PATH)
    }

    /// Whether it was opened for reading.
    pub fn is_readable(&self) -> bool {
        // Mode 3 is neither, open(2).
        let mode = self.flags().intersection(OpenFlags::O_ACCMODE);
        !self.is_place() && (mode == OpenFlags::O_RDONLY || mode == OpenFlags::O_RDWR)
    }

    /// Whether it was opened for writing.
    pub fn is_writable(&self) -> bool {
        let mode = self.flags().intersection(OpenFlags::O_ACCMODE);
        !self.is_place() && (mode == OpenFlags::O_WRONLY || mode == OpenFlags::O_RDWR)
    }

    /// Whether calls on it may wait.
    pub fn block(&self) -> Block {
        block(self.flags())
    }

    /// What fstat(2) says.
    pub fn attributes(&self) -> Result<Attributes> {
        match &self.path {
            Some(path) => path.inode.attributes(),
            None => self.file.attributes(),
        }
    }

    /// read(2).
    pub fn read(&self, into: &mut dyn Sink) -> Result<usize> {
        self.read_as(into, self.flags())
    }

    /// read(2), as if the status flags were these.
    pub fn read_as(&self, into: &mut dyn Sink, flags: OpenFlags) -> Result<usize> {
        self.permit_read()?;
        if !self.file.is_seekable() {
            return self.file.read(into, None, block(flags));
        }
        let mut offset = self.offset.lock();
        permit_range(*offset, into.remaining())?;
        let count = self.file.read(into, Some(*offset), block(flags))?;
        *offset += count as u64;
        drop(offset);
        self.note_access(flags);
        Ok(count)
    }

    fn note_access(&self, flags: OpenFlags) {
        let keeps = |path: &Path| path.mount.keeps_access_times(path.inode.kind());
        if !flags.contains(OpenFlags::O_NOATIME) && self.path.as_ref().is_none_or(keeps) {
            self.file.accessed();
        }
    }

    /// write(2).
    pub fn write(&self, from: &mut dyn Source) -> Result<usize> {
        self.write_as(from, self.flags())
    }

    /// write(2), as if the status flags were these.
    pub fn write_as(&self, from: &mut dyn Source, flags: OpenFlags) -> Result<usize> {
        self.permit_write()?;
        if !self.file.is_seekable() {
            return self.file.write(from, None, block(flags));
        }
        let mut offset = self.offset.lock();
        permit_range(*offset, from.remaining())?;
        if flags.contains(OpenFlags::O_APPEND) {
            let (count, end) = self.file.append(from, block(flags))?;
            *offset = end;
            return Ok(count);
        }
        let count = self.file.write(from, Some(*offset), block(flags))?;
        *offset += count as u64;
        Ok(count)
    }

    /// pread(2).
    pub fn pread(&self, into: &mut dyn Sink, at: i64) -> Result<usize> {
        self.pread_as(into, at, self.flags())
    }

    /// pread(2), as if the status flags were these.
    pub fn pread_as(&self, into: &mut dyn Sink, at: i64, flags: OpenFlags) -> Result<usize> {
        let at = self.place(at)?;
        self.permit_read()?;
        permit_range(at, into.remaining())?;
        let count = self.file.read(into, Some(at), block(flags))?;
        self.note_access(flags);
        Ok(count)
    }

    /// pwrite(2), which appends all the same where O_APPEND says so.
    pub fn pwrite(&self, from: &mut dyn Source, at: i64) -> Result<usize> {
        self.pwrite_as(from, at, self.flags())
    }

    /// pwrite(2), as if the status flags were these.
    pub fn pwrite_as(&self, from: &mut dyn Source, at: i64, flags: OpenFlags) -> Result<usize> {
        let at = self.place(at)?;
        self.permit_write()?;
        permit_range(at, from.remaining())?;
        if flags.contains(OpenFlags::O_APPEND) {
            return Ok(self.file.append(from, block(flags))?.0);
        }
        self.file.write(from, Some(at), block(flags))
    }

    /// lseek(2).
    pub fn seek(&self, by: i64, whence: Whence) -> Result<u64> {
        if self.is_place() {
            return Err(Errno::EBADF);
        }
        if whence.0 > Whence::SEEK_HOLE.0 {
            return Err(Errno::EINVAL);
        }
        if !self.file.is_seekable() {
            return if self.file.seeks_in_vain() { Ok(0) } else { Err(Errno::ESPIPE) };
        }
        if !self.file.has_offset() {
            return Ok(0);
        }
        if !self.file.has_end() && !matches!(whence, Whence::SEEK_SET | Whence::SEEK_CUR) {
            return Err(Errno::EINVAL);
        }
        let mut offset = self.offset.lock();
        let base = match whence {
            Whence::SEEK_SET => 0,
            Whence::SEEK_CUR => offset.cast_signed(),
            Whence::SEEK_END => self.file.len()?.cast_signed(),
            _ => {
                let from = u64::try_from(by).ok().filter(|from| self.file.len().is_ok_and(|len| *from < len));
                let from = from.ok_or(Errno::ENXIO)?;
                let is_data = whence == Whence::SEEK_DATA;
                *offset = if is_data { self.file.seek_data(from)? } else { self.file.seek_hole(from)? };
                self.file.sought(*offset);
                return Ok(*offset);
            }
        };
        let target = base.checked_add(by).and_then(|target| u64::try_from(target).ok());
        *offset = target.filter(|target| *target <= self.file.offset_max()).ok_or(Errno::EINVAL)?;
        self.file.sought(*offset);
        Ok(*offset)
    }

    /// The next lines of a directory, until `each` says stop; a line it refused comes again.
    pub fn entries(&self, each: &mut dyn FnMut(&Entry) -> bool) -> Result<()> {
        self.permit_read()?;
        let mut offset = self.offset.lock();
        self.file.entries(*offset, &mut |entry| {
            let taken = each(&entry);
            if taken {
                *offset = entry.next;
            }
            taken
        })?;
        drop(offset);
        self.note_access(self.flags());
        Ok(())
    }

    /// ftruncate(2): EINVAL unless opened for writing.
    pub fn truncate(&self, len: u64) -> Result<()> {
        if self.is_place() {
            return Err(Errno::EBADF);
        }
        if !self.is_writable() {
            return Err(Errno::EINVAL);
        }
        self.file.truncate(len)
    }

    /// Device and inode number.
    pub fn identity(&self) -> (u64, u64) {
        match &self.path {
            Some(path) => path.inode.identity(),
            None => self.file.attributes().map_or((0, 0), |found| (found.dev, found.ino)),
        }
    }

    /// Who it is to locks of its own.
    pub fn owner(&self) -> Owner {
        Owner::Description(core::ptr::from_ref(self).addr())
    }

    /// The locks of its file, to be given back when it is closed.
    fn own_locks(&self, table: &LockTable) -> Arc<FileLocks> {
        let held = self.locks.lock().clone();
        held.unwrap_or_else(|| {
            let found = table.of(self.identity());
            *self.locks.lock() = Some(Arc::clone(&found));
            found
        })
    }

    /// flock(2); no wish gives the lock back.
    pub fn flock(&self, table: &LockTable, wish: Option<Hold>, how: Block) -> Result<()> {
        table.flock(&self.own_locks(table), self.owner(), wish, how)
    }

    /// F_OFD_SETLK and F_OFD_SETLKW.
    pub fn lock_record(&self, table: &LockTable, wish: Record, how: Block) -> Result<()> {
        table.lock(&self.own_locks(table), wish, how)
    }

    /// As those, with F_UNLCK.
    pub fn unlock_record(&self, table: &LockTable, start: u64, last: u64) -> Result<()> {
        table.unlock(&self.own_locks(table), self.owner(), start, last)
    }

    /// F_GETLK and F_OFD_GETLK: what would stand in the way.
    pub fn record_in_the_way(&self, table: &LockTable, wish: &Record) -> Option<Record> {
        table.in_the_way(&table.of(self.identity()), wish)
    }

    fn place(&self, at: i64) -> Result<u64> {
        if at < 0 {
            return Err(Errno::EINVAL);
        }
        if self.is_place() {
            return Err(Errno::EBADF);
        }
        if !self.file.is_seekable() {
            return Err(Errno::ESPIPE);
        }
        Ok(at.cast_unsigned())
    }

    fn permit_read(&self) -> Result<()> {
        if self.is_readable() { Ok(()) } else { Err(Errno::EBADF) }
    }

    fn permit_write(&self) -> Result<()> {
        if self.is_writable() { Ok(()) } else { Err(Errno::EBADF) }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let owner = self.owner();
        if let Some(locks) = self.locks.lock().take() {
            locks.release(owner);
        }
    }
}

fn block(flags: OpenFlags) -> Block {
    if flags.contains(OpenFlags::O_NONBLOCK) { Block::Never } else { Block::Wait }
}

/// EINVAL unless offsets stay signed.
fn permit_range(at: u64, len: usize) -> Result<()> {
    match at.checked_add(len as u64) {
        Some(end) if end <= i64::MAX as u64 => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}
