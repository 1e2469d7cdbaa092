//! Disks as block devices: `/dev/vda` and the following.

use alloc::sync::Arc;
use alloc::vec;
use core::any::Any;

use ostd::device::SECTOR_LEN;

use crate::abi::flags::IoctlCommand;
use crate::abi::structs::device_number;
use crate::driver::Disk;
use crate::error::{Errno, Result};
use crate::vfs::{Attributes, Block, File, FileKind, IoctlContext, Sink, Source};

/// Bytes that are moved at a time.
const CHUNK: usize = 64 << 10;
/// What programs should read and write at a time, as BLKBSZGET says.
const BLOCK_LEN: u64 = 4096;

/// A whole disk, opened.
pub(super) struct DiskFile {
    disk: Arc<Disk>,
    number: (u32, u32),
}

impl DiskFile {
    pub(super) fn new(disk: &Arc<Disk>, number: (u32, u32)) -> Self {
        Self { disk: Arc::clone(disk), number }
    }

    /// How much of `wanted` lies on the disk from `at` on.
    fn part(&self, at: u64, wanted: usize) -> usize {
        let left = usize::try_from(self.disk.len().saturating_sub(at)).unwrap_or(usize::MAX);
        wanted.min(left).min(CHUNK)
    }
}

impl File for DiskFile {
    fn read(&self, into: &mut dyn Sink, at: Option<u64>, _how: Block) -> Result<usize> {
        let at = at.unwrap_or(0);
        let mut buffer = vec![0; self.part(at, into.remaining())];
        let mut done = 0;
        loop {
            let here = at + done as u64;
            let part = self.part(here, into.remaining());
            if part == 0 {
                return Ok(done);
            }
            let moved = self.disk.read(here, &mut buffer[..part]).and_then(|()| into.put(&buffer[..part]));
            match moved {
                Ok(len) => done += len,
                Err(_) if done > 0 => return Ok(done),
                Err(errno) => return Err(errno),
            }
        }
    }

    fn write(&self, from: &mut dyn Source, at: Option<u64>, _how: Block) -> Result<usize> {
        let at = at.unwrap_or(0);
        if self.disk.is_read_only() {
            return Err(Errno::EPERM);
        }
        if from.remaining() > 0 && at >= self.disk.len() {
            return Err(Errno::ENOSPC);
        }
        let mut buffer = vec![0; self.part(at, from.remaining())];
        let mut done = 0;
        loop {
            let here = at + done as u64;
            let part = self.part(here, from.remaining());
            if part == 0 {
                return Ok(done);
            }
            let moved =
                from.take(&mut buffer[..part]).and_then(|len| self.disk.write(here, &buffer[..len]).map(|()| len));
            match moved {
                Ok(len) => done += len,
                Err(_) if done > 0 => return Ok(done),
                Err(errno) => return Err(errno),
            }
        }
    }

    fn ioctl(&self, cx: &IoctlContext<'_>, command: u32, argument: usize) -> Result<usize> {
        match IoctlCommand(command) {
            IoctlCommand::BLKGETSIZE64 => cx.write_value(argument, &self.disk.len())?,
            IoctlCommand::BLKGETSIZE => cx.write_value(argument, &(self.disk.len() / SECTOR_LEN as u64))?,
            IoctlCommand::BLKSSZGET | IoctlCommand::BLKPBSZGET => cx.write_value(argument, &(SECTOR_LEN as u32))?,
            IoctlCommand::BLKBSZGET => cx.write_value(argument, &(BLOCK_LEN as u32))?,
            IoctlCommand::BLKROGET => cx.write_value(argument, &u32::from(self.disk.is_read_only()))?,
            IoctlCommand::BLKFLSBUF => self.disk.flush()?,
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }

    fn attributes(&self) -> Result<Attributes> {
        let (major, minor) = self.number;
        let mut attributes = Attributes::anonymous(FileKind::Block, 0o660, u64::from(minor));
        attributes.rdev = device_number(major, minor);
        Ok(attributes)
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn offset_max(&self) -> u64 {
        self.disk.len()
    }

    fn len(&self) -> Result<u64> {
        Ok(self.disk.len())
    }

    fn allocate(&self, _offset: u64, _len: u64, _keeps_size: bool) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    fn sync(&self) -> Result<()> {
        self.disk.flush()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
