//! Open files and directories of the tree, and files as the contents of memory.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::cmp::Ordering;

use kernel_abi::flags::{F_SEAL_EXEC, F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE};
use ostd::PAGE_SIZE;
use ostd::frame::Frame;

use super::node::{Body, Node};
use super::pages::full;
use crate::error::{Errno, Result};
use crate::mm::Backing;
use crate::vfs::{Attributes, Block, Entry, File, Inode as _, Sink, Source};

/// The largest file: offsets are signed.
const SIZE_MAX: u64 = i64::MAX as u64;
/// Lines of a listing that are gathered under the lock at a time.
const LINES_MAX: usize = 128;

/// What is written below at a time.
const BELOW_MAX: usize = 16 * PAGE_SIZE;

/// An open regular file.
pub(super) struct OpenRegular(Arc<Node>);

impl OpenRegular {
    pub(super) fn new(node: Arc<Node>) -> Self {
        if let Body::Regular { pages, .. } = &node.body {
            pages.lock().note_open();
        }
        Self(node)
    }
}

impl Drop for OpenRegular {
    fn drop(&mut self) {
        // A mapping keeps its file open, so this is also where the last one ends. Whoever wants to know calls msync(2).
        let _ = self.0.write_back();
        if let Body::Regular { pages, .. } = &self.0.body {
            pages.lock().note_closed();
        }
    }
}

/// Where a byte is: its page, its offset there, and how many of `len` follow in the page.
fn chunk(at: u64, len: usize) -> (u64, usize, usize) {
    let offset = (at % PAGE_SIZE as u64) as usize;
    (at / PAGE_SIZE as u64, offset, len.min(PAGE_SIZE - offset))
}

impl Node {
    fn read_at(&self, into: &mut dyn Sink, mut at: u64) -> Result<usize> {
        let (pages, _) = self.regular()?;
        let mut done = 0;
        while into.remaining() > 0 {
            let (frame, offset, len) = {
                let mut pages = pages.lock();
                let left = pages.size.saturating_sub(at);
                let wanted = into.remaining().min(usize::try_from(left).unwrap_or(usize::MAX));
                let (index, offset, len) = chunk(at, wanted);
                if len == 0 {
                    break;
                }
                match pages.find(index, self.lower.as_ref(), &self.tree.machine) {
                    Ok(frame) => (frame, offset, len),
                    Err(errno) if done == 0 => return Err(errno),
                    Err(_) => break,
                }
            };
            let moved = match frame {
                Some(frame) => into.put_frame(&frame, offset, len),
                None => into.put_zeros(len),
            };
            match moved {
                Ok(count) => {
                    done += count;
                    at += count as u64;
                    if count < len {
                        break;
                    }
                }
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn seals(&self) -> u32 {
        self.meta.lock().seals
    }

    /// EPERM where a seal keeps the size.
    pub(super) fn permit_resize(&self, old: u64, new: u64) -> Result<()> {
        let seal = match new.cmp(&old) {
            Ordering::Less => F_SEAL_SHRINK,
            Ordering::Equal => return Ok(()),
            Ordering::Greater => F_SEAL_GROW,
        };
        if self.seals() & seal != 0 { Err(Errno::EPERM) } else { Ok(()) }
    }

    /// Writes in the caller's turn.
    fn write_at(&self, from: &mut dyn Source, start: u64) -> Result<usize> {
        let (pages, _) = self.regular()?;
        if from.remaining() > 0 && start >= SIZE_MAX {
            return Err(Errno::EFBIG);
        }
        let seals = self.seals();
        if seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0 {
            return Err(Errno::EPERM);
        }
        let mut done = 0;
        let mut below = Vec::new();
        while from.remaining() > 0 {
            let at = start + done as u64;
            let room = usize::try_from(SIZE_MAX - at).unwrap_or(usize::MAX);
            let (index, offset, len) = chunk(at, from.remaining().min(room));
            if len == 0 {
                break;
            }
            if seals & F_SEAL_GROW != 0 && at + len as u64 > pages.lock().size {
                return if done == 0 { Err(Errno::EPERM) } else { Ok(done) };
            }
            let frame = pages.lock().find_or_fill(index, self.lower.as_ref(), &self.tree.machine).map_err(full);
            let taken = frame.and_then(|frame| {
                let count = from.take_into_frame(&frame, offset, len)?;
                if self.through().is_some() {
                    let had = below.len();
                    below.resize(had + count, 0);
                    frame.read(offset, &mut below[had..]);
                }
                Ok(count)
            });
            match taken {
                Ok(count) => {
                    done += count;
                    let mut pages = pages.lock();
                    pages.note_write();
                    pages.size = pages.size.max(at + count as u64);
                    drop(pages);
                    if below.len() >= BELOW_MAX {
                        self.write_below(start + (done - below.len()) as u64, &mut below)?;
                    }
                    if count < len {
                        break;
                    }
                }
                Err(errno) => {
                    // The place was made before the bytes were asked for, as Linux' tmpfs does it since 6.16.
                    if errno == Errno::EFAULT && self.through().is_none() {
                        let mut pages = pages.lock();
                        pages.note_write();
                        pages.size = pages.size.max(at);
                    }
                    if done == 0 {
                        return Err(errno);
                    }
                    break;
                }
            }
        }
        if !below.is_empty() {
            self.write_below(start + (done - below.len()) as u64, &mut below)?;
        }
        if done > 0 {
            self.touch();
        }
        Ok(done)
    }

    /// Writes what a program wrote here below as well. If that cannot be, what is here is read again.
    fn write_below(&self, at: u64, bytes: &mut Vec<u8>) -> Result<()> {
        let Some(lower) = self.through() else { return Ok(()) };
        let written = lower.write(at, bytes);
        bytes.clear();
        if written.is_err() {
            self.regular()?.0.lock().distrust();
            self.revalidate();
        }
        written
    }
}

impl File for OpenRegular {
    fn read(&self, into: &mut dyn Sink, at: Option<u64>, _how: Block) -> Result<usize> {
        self.0.read_at(into, at.unwrap_or(0))
    }

    fn write(&self, from: &mut dyn Source, at: Option<u64>, _how: Block) -> Result<usize> {
        let (_, turn) = self.0.regular()?;
        let _turn = turn.lock();
        self.0.write_at(from, at.unwrap_or(0))
    }

    fn append(&self, from: &mut dyn Source, _how: Block) -> Result<(usize, u64)> {
        let (pages, turn) = self.0.regular()?;
        let _turn = turn.lock();
        let end = pages.lock().size;
        let count = self.0.write_at(from, end)?;
        Ok((count, end + count as u64))
    }

    fn accessed(&self) {
        self.0.note_access();
    }

    fn attributes(&self) -> Result<Attributes> {
        self.0.attributes()
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn len(&self) -> Result<u64> {
        Ok(self.0.regular()?.0.lock().size)
    }

    fn truncate(&self, len: u64) -> Result<()> {
        crate::vfs::Inode::truncate(&*self.0, len)
    }

    fn allocate(&self, offset: u64, len: u64, keeps_size: bool) -> Result<()> {
        let end = offset.checked_add(len).filter(|end| *end <= SIZE_MAX).ok_or(Errno::EFBIG)?;
        let (pages, turn) = self.0.regular()?;
        let _turn = turn.lock();
        // Only who has the turn changes the size.
        let size = pages.lock().size;
        let grows = end > size && !keeps_size;
        if end > size {
            self.0.permit_resize(size, end)?;
        }
        if self.0.through().is_none() {
            pages.lock().reserve(offset, end, &self.0.tree.machine)?;
        }
        if grows {
            if let Some(lower) = self.0.through() {
                lower.truncate(end)?;
            }
            pages.lock().truncate(end, self.0.lower.as_ref(), &self.0.tree.machine).map_err(full)?;
        }
        self.0.touch();
        Ok(())
    }

    fn punch(&self, offset: u64, len: u64) -> Result<()> {
        Backing::punch(&*self.0, offset, len)
    }

    fn sync(&self) -> Result<()> {
        self.0.write_back()
    }

    fn seek_data(&self, from: u64) -> Result<u64> {
        let pages = self.0.regular()?.0.lock();
        pages.seek(from, true).ok_or(Errno::ENXIO)
    }

    fn seek_hole(&self, from: u64) -> Result<u64> {
        let pages = self.0.regular()?.0.lock();
        pages.seek(from, false).ok_or(Errno::ENXIO)
    }

    fn seals(&self) -> Result<u32> {
        if self.0.lower.is_some() { Err(Errno::EINVAL) } else { Ok(self.0.seals()) }
    }

    fn add_seals(&self, seals: u32) -> Result<()> {
        crate::vfs::File::seals(self)?;
        let mut meta = self.0.meta.lock();
        if meta.seals & F_SEAL_SEAL != 0 {
            return Err(Errno::EPERM);
        }
        // A program that is to stay one is not to be changed either, fcntl(2).
        let is_program = seals & F_SEAL_EXEC != 0 && meta.mode & 0o111 != 0;
        let unchanged = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
        meta.seals |= seals | if is_program { unchanged } else { 0 };
        Ok(())
    }

    fn backing(&self) -> Result<Arc<dyn Backing>> {
        Ok(Arc::clone(&self.0) as Arc<dyn Backing>)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Backing for Node {
    fn page(&self, index: u64) -> Result<Frame> {
        let mut pages = self.regular()?.0.lock();
        if index >= pages.size.div_ceil(PAGE_SIZE as u64) {
            return Err(Errno::EFAULT);
        }
        pages.find_or_fill(index, self.lower.as_ref(), &self.tree.machine)
    }

    fn page_at_hand(&self, index: u64) -> Option<Frame> {
        self.regular().ok()?.0.try_lock()?.at_hand(index)
    }

    fn len(&self) -> u64 {
        match &self.body {
            Body::Regular { pages, .. } => pages.lock().size,
            _ => 0,
        }
    }

    fn note_write(&self, index: u64) {
        let Body::Regular { pages, .. } = &self.body else { return };
        if self.through().is_some() {
            pages.lock().note_mapped(index);
        } else {
            pages.lock().note_write();
            self.touch();
        }
    }

    fn punch(&self, offset: u64, len: u64) -> Result<()> {
        let (pages, turn) = self.regular()?;
        let _turn = turn.lock();
        if self.seals() & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0 {
            return Err(Errno::EPERM);
        }
        if let Some(lower) = self.through() {
            lower.punch(offset, len)?;
        }
        pages.lock().punch(offset, len, self.lower.as_ref(), &self.tree.machine)?;
        self.touch();
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.write_back()
    }

    fn identity(&self) -> (u64, u64) {
        (self.tree.dev, self.ino)
    }

    fn name(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// An open directory.
pub(super) struct OpenDirectory(pub(super) Arc<Node>);

impl File for OpenDirectory {
    fn read(&self, _into: &mut dyn Sink, _at: Option<u64>, _how: Block) -> Result<usize> {
        Err(Errno::EISDIR)
    }

    fn write(&self, _from: &mut dyn Source, _at: Option<u64>, _how: Block) -> Result<usize> {
        Err(Errno::EBADF)
    }

    fn accessed(&self) {
        self.0.note_access();
    }

    fn attributes(&self) -> Result<Attributes> {
        self.0.attributes()
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn has_end(&self) -> bool {
        false
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn entries(&self, mut from: u64, each: &mut dyn FnMut(Entry) -> bool) -> Result<()> {
        loop {
            let lines = self.0.list_from(from, LINES_MAX)?;
            if lines.is_empty() {
                return Ok(());
            }
            for line in lines {
                from = line.next;
                if !each(line) {
                    return Ok(());
                }
            }
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
