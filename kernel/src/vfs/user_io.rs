//! A program's memory as the target of a transfer, and files as the contents of memory.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd::frame::Frame;

use super::file::UserMemory;
use super::open_file::OpenFile;
use crate::error::{Errno, Result};
use crate::mm::{AddressSpace, Backing};

impl UserMemory for AddressSpace {
    fn read(&self, from: usize, into: &mut [u8]) -> Result<()> {
        self.read(from, into)
    }

    fn write(&self, to: usize, from: &[u8]) -> Result<()> {
        self.write(to, from)
    }

    fn read_some(&self, from: usize, into: &mut [u8]) -> Result<usize> {
        self.read_some(from, into)
    }

    fn write_some(&self, to: usize, from: &[u8]) -> Result<usize> {
        self.write_some(to, from)
    }

    fn read_into_frame(&self, from: usize, frame: &Frame, offset: usize, len: usize) -> Result<usize> {
        self.read_into_frame(from, frame, offset, len)
    }

    fn write_from_frame(&self, to: usize, frame: &Frame, offset: usize, len: usize) -> Result<usize> {
        self.write_from_frame(to, frame, offset, len)
    }

    fn fill_some(&self, to: usize, len: usize) -> Result<usize> {
        self.fill_some(to, len)
    }
}

impl OpenFile {
    /// What a mapping of it holds; ENODEV. The mapping keeps it open and shows its path.
    pub fn backing(self: &Arc<Self>) -> Result<Arc<dyn Backing>> {
        if self.is_place() {
            return Err(Errno::EBADF);
        }
        let pages = self.file().backing()?;
        Ok(Arc::new(Mapped { pages, open: Arc::clone(self) }))
    }
}

/// An open file's pages, by the name it was opened with.
struct Mapped {
    pages: Arc<dyn Backing>,
    open: Arc<OpenFile>,
}

impl Backing for Mapped {
    fn page(&self, index: u64) -> Result<Frame> {
        self.pages.page(index)
    }

    fn page_at_hand(&self, index: u64) -> Option<Frame> {
        self.pages.page_at_hand(index)
    }

    fn len(&self) -> u64 {
        self.pages.len()
    }

    fn note_write(&self, index: u64) {
        self.pages.note_write(index);
    }

    fn sync(&self) -> Result<()> {
        self.pages.sync()
    }

    fn punch(&self, offset: u64, len: u64) -> Result<()> {
        self.pages.punch(offset, len)
    }

    fn identity(&self) -> (u64, u64) {
        self.pages.identity()
    }

    fn name(&self) -> Vec<u8> {
        let Some(path) = self.open.path() else { return self.pages.name() };
        let (mut name, reach) = path.name_from(&path.top());
        if reach == super::Reach::Removed {
            name.extend_from_slice(b" (deleted)");
        }
        name
    }
}
