//! Where bytes go and come from: kernel buffers and a program's memory, one buffer or many.

use alloc::vec;
use alloc::vec::Vec;

use ostd::PAGE_SIZE;
use ostd::frame::Frame;

use super::file::UserMemory;
use crate::error::{Errno, Result};

/// Where a read puts bytes. Each call takes as many as it can, and fails only if it took none.
pub trait Sink {
    /// Bytes it would still take.
    fn remaining(&self) -> usize;
    /// Takes bytes of the kernel's.
    fn put(&mut self, bytes: &[u8]) -> Result<usize>;
    /// Takes `len` bytes of a frame, from `offset`.
    fn put_frame(&mut self, frame: &Frame, offset: usize, len: usize) -> Result<usize> {
        let mut bytes = vec![0; len.min(self.remaining()).min(PAGE_SIZE - offset)];
        frame.read(offset, &mut bytes);
        self.put(&bytes)
    }
    /// Takes `len` zeros.
    fn put_zeros(&mut self, len: usize) -> Result<usize> {
        self.put(&vec![0; len.min(self.remaining()).min(PAGE_SIZE)])
    }
}

/// Where a write takes bytes from. Each call gives as many as it can, and fails only if it gave none.
pub trait Source {
    /// Bytes it would still give.
    fn remaining(&self) -> usize;
    /// Gives bytes into the kernel's memory.
    fn take(&mut self, into: &mut [u8]) -> Result<usize>;
    /// Gives `len` bytes into a frame, from `offset`.
    fn take_into_frame(&mut self, frame: &Frame, offset: usize, len: usize) -> Result<usize> {
        let mut bytes = vec![0; len.min(self.remaining()).min(PAGE_SIZE - offset)];
        let count = self.take(&mut bytes)?;
        frame.write(offset, &bytes[..count]);
        Ok(count)
    }
}

/// A source of which only the first bytes are given.
pub struct Beginning<'a> {
    of: &'a mut dyn Source,
    left: usize,
}

impl<'a> Beginning<'a> {
    /// At most `len` bytes of a source.
    pub fn new(of: &'a mut dyn Source, len: usize) -> Self {
        Self { of, left: len }
    }
}

impl Source for Beginning<'_> {
    fn remaining(&self) -> usize {
        self.of.remaining().min(self.left)
    }

    fn take(&mut self, into: &mut [u8]) -> Result<usize> {
        let len = into.len().min(self.left);
        let count = self.of.take(&mut into[..len])?;
        self.left -= count;
        Ok(count)
    }

    fn take_into_frame(&mut self, frame: &Frame, offset: usize, len: usize) -> Result<usize> {
        let count = self.of.take_into_frame(frame, offset, len.min(self.left))?;
        self.left -= count;
        Ok(count)
    }
}

/// A sink that is memory of the kernel.
pub struct SliceSink<'a> {
    left: &'a mut [u8],
    filled: usize,
}

impl<'a> SliceSink<'a> {
    /// Fills `into` from its start.
    pub fn new(into: &'a mut [u8]) -> Self {
        Self { left: into, filled: 0 }
    }

    /// Bytes filled so far.
    pub fn filled(&self) -> usize {
        self.filled
    }
}

impl Sink for SliceSink<'_> {
    fn remaining(&self) -> usize {
        self.left.len()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<usize> {
        let count = bytes.len().min(self.left.len());
        let (now, later) = core::mem::take(&mut self.left).split_at_mut(count);
        now.copy_from_slice(&bytes[..count]);
        self.left = later;
        self.filled += count;
        Ok(count)
    }

    fn put_zeros(&mut self, len: usize) -> Result<usize> {
        let count = len.min(self.left.len());
        let (now, later) = core::mem::take(&mut self.left).split_at_mut(count);
        now.fill(0);
        self.left = later;
        self.filled += count;
        Ok(count)
    }
}

/// A source that is memory of the kernel.
pub struct SliceSource<'a>(&'a [u8]);

impl<'a> SliceSource<'a> {
    /// Gives `from` from its start.
    pub fn new(from: &'a [u8]) -> Self {
        Self(from)
    }
}

impl Source for SliceSource<'_> {
    fn remaining(&self) -> usize {
        self.0.len()
    }

    fn take(&mut self, into: &mut [u8]) -> Result<usize> {
        let count = into.len().min(self.0.len());
        let (now, later) = self.0.split_at(count);
        into[..count].copy_from_slice(now);
        self.0 = later;
        Ok(count)
    }

    fn take_into_frame(&mut self, frame: &Frame, offset: usize, len: usize) -> Result<usize> {
        let (now, later) = self.0.split_at(len.min(self.0.len()).min(PAGE_SIZE - offset));
        frame.write(offset, now);
        self.0 = later;
        Ok(now.len())
    }
}

/// The most bytes one transfer moves, as Linux's `MAX_RW_COUNT`.
pub(crate) const TRANSFER_MAX: usize = 0x7fff_f000;

/// A walk over buffers in a program's memory.
struct Buffers<'a> {
    memory: &'a dyn UserMemory,
    /// Address and length, in order; what was moved is cut off.
    list: Vec<(usize, usize)>,
    at: usize,
    remaining: usize,
}

impl<'a> Buffers<'a> {
    fn new(memory: &'a dyn UserMemory, mut list: Vec<(usize, usize)>) -> Self {
        let mut room = TRANSFER_MAX;
        for (_, len) in &mut list {
            *len = (*len).min(room);
            room -= *len;
        }
        Self { memory, list, at: 0, remaining: TRANSFER_MAX - room }
    }

    /// Moves up to `limit` bytes; `each` gets an address, how many bytes went before, and a length.
    fn each(
        &mut self,
        limit: usize,
        mut each: impl FnMut(&dyn UserMemory, usize, usize, usize) -> Result<usize>,
    ) -> Result<usize> {
        let mut done = 0;
        while done < limit && self.at < self.list.len() {
            let (addr, len) = self.list[self.at];
            let wanted = len.min(limit - done);
            if wanted > 0 {
                let moved = match each(self.memory, addr, done, wanted) {
                    Ok(moved) => moved,
                    Err(errno) if done == 0 => return Err(errno),
                    Err(_) => break,
                };
                done += moved;
                self.remaining -= moved;
                self.list[self.at] = (addr.wrapping_add(moved), len - moved);
                if moved < wanted {
                    break;
                }
            }
            if self.list[self.at].1 == 0 {
                self.at += 1;
            }
        }
        if done == 0 && limit > 0 && self.remaining > 0 { Err(Errno::EFAULT) } else { Ok(done) }
    }
}

/// A sink that is a program's memory.
pub struct UserSink<'a>(Buffers<'a>);

impl<'a> UserSink<'a> {
    /// One buffer.
    pub fn new(memory: &'a dyn UserMemory, addr: usize, len: usize) -> Self {
        Self(Buffers::new(memory, vec![(addr, len)]))
    }

    /// Several buffers: addresses and lengths, filled in order.
    pub fn vectored(memory: &'a dyn UserMemory, buffers: Vec<(usize, usize)>) -> Self {
        Self(Buffers::new(memory, buffers))
    }
}

impl Sink for UserSink<'_> {
    fn remaining(&self) -> usize {
        self.0.remaining
    }

    fn put(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.each(bytes.len(), |memory, addr, done, len| memory.write_some(addr, &bytes[done..done + len]))
    }

    fn put_frame(&mut self, frame: &Frame, offset: usize, len: usize) -> Result<usize> {
        self.0.each(len, |memory, addr, done, len| memory.write_from_frame(addr, frame, offset + done, len))
    }

    fn put_zeros(&mut self, len: usize) -> Result<usize> {
        self.0.each(len, |memory, addr, _, len| memory.fill_some(addr, len))
    }
}

/// A source that is a program's memory.
pub struct UserSource<'a>(Buffers<'a>);

impl<'a> UserSource<'a> {
    /// One buffer.
    pub fn new(memory: &'a dyn UserMemory, addr: usize, len: usize) -> Self {
        Self(Buffers::new(memory, vec![(addr, len)]))
    }

    /// Several buffers: addresses and lengths, emptied in order.
    pub fn vectored(memory: &'a dyn UserMemory, buffers: Vec<(usize, usize)>) -> Self {
        Self(Buffers::new(memory, buffers))
    }
}

impl Source for UserSource<'_> {
    fn remaining(&self) -> usize {
        self.0.remaining
    }

    fn take(&mut self, into: &mut [u8]) -> Result<usize> {
        let limit = into.len();
        self.0.each(limit, |memory, addr, done, len| memory.read_some(addr, &mut into[done..done + len]))
    }

    fn take_into_frame(&mut self, frame: &Frame, offset: usize, len: usize) -> Result<usize> {
        self.0.each(len, |memory, addr, done, len| memory.read_into_frame(addr, frame, offset + done, len))
    }
}
