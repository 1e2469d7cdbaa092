//! What an open file does, whatever it is.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use kernel_abi::flags::{OpenFlags, PollEvents};
use ostd::frame::Frame;
use ostd::sync::WaitQueue;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

use super::attributes::Attributes;
use super::transfer::{Sink, Source};
use crate::error::{Errno, Result};
use crate::mm::Backing;

/// Whether a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Until there is something to do.
    Wait,
    /// EAGAIN instead of waiting (O_NONBLOCK).
    Never,
}

/// A program's memory, as [`AddressSpace`](crate::mm::AddressSpace) gives it: all calls find missing pages by themselves.
pub trait UserMemory {
    /// Reads all or EFAULT.
    fn read(&self, from: usize, into: &mut [u8]) -> Result<()>;
    /// Writes all or EFAULT.
    fn write(&self, to: usize, from: &[u8]) -> Result<()>;
    /// Reads what can be read; EFAULT only if that is nothing.
    fn read_some(&self, from: usize, into: &mut [u8]) -> Result<usize>;
    /// Writes what can be written; EFAULT only if that is nothing.
    fn write_some(&self, to: usize, from: &[u8]) -> Result<usize>;
    /// As `read_some`, into a frame.
    fn read_into_frame(&self, from: usize, frame: &Frame, offset: usize, len: usize) -> Result<usize>;
    /// As `write_some`, from a frame.
    fn write_from_frame(&self, to: usize, frame: &Frame, offset: usize, len: usize) -> Result<usize>;
    /// As `write_some`, zeros.
    fn fill_some(&self, to: usize, len: usize) -> Result<usize>;
}

/// Who makes an ioctl(2) and where its structures are.
pub struct IoctlContext<'a> {
    /// The caller's memory.
    pub space: &'a dyn UserMemory,
    /// The calling thread, for the rooms that know threads.
    pub caller: &'a dyn Any,
}

impl IoctlContext<'_> {
    /// Reads a structure of the caller's.
    pub fn read_value<T: FromBytes + FromZeros + IntoBytes>(&self, at: usize) -> Result<T> {
        let mut value = T::new_zeroed();
        self.space.read(at, value.as_mut_bytes())?;
        Ok(value)
    }

    /// Writes a structure of the caller's.
    pub fn write_value<T: IntoBytes + Immutable>(&self, at: usize, value: &T) -> Result<()> {
        self.space.write(at, value.as_bytes())
    }
}

/// One line of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: Vec<u8>,
    /// Inode number.
    pub ino: u64,
    /// `DT_*`.
    pub kind: u8,
    /// Where the directory continues behind this line.
    pub next: u64,
}

/// What an open file does. Whether it was opened for it is [`OpenFile`](super::OpenFile)'s to know. Dropping it closes
/// it.
#[expect(clippy::len_without_is_empty, reason = "a file is not a collection: size as stat(2) says it")]
pub trait File: Send + Sync {
    /// Reads from `at`, or the next bytes of a stream; 0 is the end.
    fn read(&self, into: &mut dyn Sink, at: Option<u64>, how: Block) -> Result<usize>;
    /// Writes at `at`, or as the next bytes of a stream.
    fn write(&self, from: &mut dyn Source, at: Option<u64>, how: Block) -> Result<usize>;
    /// Writes behind the last byte; gives what was written and where the file ends now.
    fn append(&self, from: &mut dyn Source, how: Block) -> Result<(usize, u64)> {
        let at = self.len()?;
        let count = self.write(from, Some(at), how)?;
        Ok((count, at + count as u64))
    }
    /// Told when a program has read from it.
    fn accessed(&self) {}
    /// What is ready now.
    fn poll(&self) -> PollEvents {
        PollEvents::POLLIN | PollEvents::POLLOUT | PollEvents::POLLRDNORM | PollEvents::POLLWRNORM
    }
    /// Queues that are woken when [`poll`](Self::poll) may have changed.
    fn queues(&self) -> Vec<&WaitQueue> {
        Vec::new()
    }
    /// ioctl(2).
    fn ioctl(&self, _cx: &IoctlContext<'_>, _command: u32, _argument: usize) -> Result<usize> {
        Err(Errno::ENOTTY)
    }
    /// What fstat(2) says when the file was not opened by a path.
    fn attributes(&self) -> Result<Attributes>;
    /// fchmod(2), when the file was not opened by a path: nobody asks most of them for permission.
    fn set_mode(&self, _mode: u32) -> Result<()> {
        Ok(())
    }
    /// Whether it has an offset: else it is a stream, and lseek(2) and pread(2) say ESPIPE.
    fn is_seekable(&self) -> bool {
        false
    }
    /// Told where lseek(2) went, for a file whose offset others share.
    fn sought(&self, _to: u64) {}
    /// Whether lseek(2) moves the offset; else it stays at 0, as that of `/dev/null` does.
    fn has_offset(&self) -> bool {
        true
    }
    /// How far lseek(2) goes.
    fn offset_max(&self) -> u64 {
        i64::MAX.cast_unsigned()
    }
    /// Bytes now, where SEEK_END counts from.
    fn len(&self) -> Result<u64> {
        Err(Errno::ESPIPE)
    }
    /// The first byte at or behind `from` that is no hole; ENXIO. Where nothing is known of holes, all is data.
    fn seek_data(&self, from: u64) -> Result<u64> {
        if from < self.len()? { Ok(from) } else { Err(Errno::ENXIO) }
    }
    /// Whether calls that name a place in it are refused for another reason than that it has none.
    fn has_places(&self) -> bool {
        self.is_seekable()
    }
    /// Whether it can be asked to write at a place, if it has places.
    fn is_written_at(&self) -> bool {
        true
    }
    /// Whether it has an end that lseek(2) knows, and data and holes before it.
    fn has_end(&self) -> bool {
        true
    }
    /// Whether anything can be read at all; else that is EINVAL, wherever it were to go.
    fn can_read(&self) -> bool {
        true
    }
    /// Whether anything can be written at all.
    fn can_write(&self) -> bool {
        true
    }
    /// Whether a transfer may say how it is to be made: preadv2(2)'s flags, but for RWF_HIPRI.
    fn takes_wishes(&self) -> bool {
        true
    }
    /// Whether bytes pass from it to another file inside the kernel; else that is EINVAL.
    fn sends(&self) -> bool {
        true
    }
    /// Whether bytes pass so to it.
    fn is_sent_to(&self) -> bool {
        true
    }
    /// Whether a mapping of it is memory that begins as zeros.
    fn maps_zeros(&self) -> bool {
        false
    }
    /// Whether it could tell whom it belongs to what became ready: whether it has FASYNC.
    fn tells_owner(&self) -> bool {
        false
    }
    /// Whether lseek(2) succeeds although there is no offset.
    fn seeks_in_vain(&self) -> bool {
        false
    }
    /// The first byte at or behind `from` in a hole, which the end is; ENXIO.
    fn seek_hole(&self, from: u64) -> Result<u64> {
        let len = self.len()?;
        if from < len { Ok(len) } else { Err(Errno::ENXIO) }
    }
    /// ftruncate(2).
    fn truncate(&self, _len: u64) -> Result<()> {
        Err(Errno::EINVAL)
    }
    /// Reserves a range, and lets the file grow to hold it unless the size is kept. fallocate(2), without flags or with
    /// FALLOC_FL_KEEP_SIZE.
    fn allocate(&self, _offset: u64, _len: u64, _keeps_size: bool) -> Result<()> {
        Err(Errno::ENODEV)
    }
    /// Makes a range zeros without changing the size: FALLOC_FL_PUNCH_HOLE.
    fn punch(&self, _offset: u64, _len: u64) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }
    /// F_GET_SEALS; EINVAL where there are no seals.
    fn seals(&self) -> Result<u32> {
        Err(Errno::EINVAL)
    }
    /// F_ADD_SEALS.
    fn add_seals(&self, _seals: u32) -> Result<()> {
        Err(Errno::EINVAL)
    }
    /// fsync(2).
    fn sync(&self) -> Result<()> {
        Err(Errno::EINVAL)
    }
    /// Told when F_SETFL or FIONBIO changed the flags; may refuse them.
    fn flags_changed(&self, _flags: OpenFlags) -> Result<()> {
        Ok(())
    }
    /// Gives the lines of a directory from `from` (0 is the first) until `each` says stop by `false`.
    fn entries(&self, _from: u64, _each: &mut dyn FnMut(Entry) -> bool) -> Result<()> {
        Err(Errno::ENOTDIR)
    }
    /// What a mapping of it holds.
    fn backing(&self) -> Result<Arc<dyn Backing>> {
        Err(Errno::ENODEV)
    }
    /// What proc(5) calls it where no name leads to it; behind a colon comes its number.
    fn called(&self) -> &'static str {
        "anon_inode:[file]"
    }
    /// For the room that made it.
    fn as_any(&self) -> &dyn Any;
}
