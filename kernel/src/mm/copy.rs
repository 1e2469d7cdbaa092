//! Copies between the kernel and a program: faults on the way are resolved, and what cannot be is EFAULT. Want of memory
//! is not the program's fault: somebody is killed for it, as when the program itself had touched the page.

use alloc::vec::Vec;

use ostd::frame::Frame;
use ostd::user::PageFault;
use ostd::vm::CopyFault;
use ostd::{PAGE_SIZE, Vaddr};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::error::{Errno, Result};
use crate::mm::{AddressSpace, Refusal};

impl AddressSpace {
    /// Copies all of `into` from the program.
    #[track_caller]
    pub fn read(&self, from: usize, into: &mut [u8]) -> Result<()> {
        let (len, reach) = (into.len(), self.reach(into.len()));
        all(self.copy(from, reach, |at, done| self.vm.read(at, &mut into[done..done + room(reach, done)])), len)
    }

    /// Copies all of `from` to the program.
    #[track_caller]
    pub fn write(&self, to: usize, from: &[u8]) -> Result<()> {
        let (len, reach) = (from.len(), self.reach(from.len()));
        all(self.copy(to, reach, |at, done| self.vm.write(at, &from[done..done + room(reach, done)])), len)
    }

    /// Copies what can be read; EFAULT if that is nothing.
    #[track_caller]
    pub fn read_some(&self, from: usize, into: &mut [u8]) -> Result<usize> {
        let (len, reach) = (into.len(), self.reach(into.len()));
        some(self.copy(from, reach, |at, done| self.vm.read(at, &mut into[done..done + room(reach, done)])), len)
    }

    /// Copies what can be written; EFAULT if that is nothing.
    #[track_caller]
    pub fn write_some(&self, to: usize, from: &[u8]) -> Result<usize> {
        let (len, reach) = (from.len(), self.reach(from.len()));
        some(self.copy(to, reach, |at, done| self.vm.write(at, &from[done..done + room(reach, done)])), len)
    }

    /// Copies from the program into a frame, as far as it can be read.
    #[track_caller]
    pub fn read_into_frame(&self, from: usize, frame: &Frame, offset: usize, len: usize) -> Result<usize> {
        let reach = self.reach(len);
        some(
            self.copy(from, reach, |at, done| self.vm.read_into_frame(at, frame, offset + done, room(reach, done))),
            len,
        )
    }

    /// Copies from a frame to the program, as far as it can be written.
    #[track_caller]
    pub fn write_from_frame(&self, to: usize, frame: &Frame, offset: usize, len: usize) -> Result<usize> {
        let reach = self.reach(len);
        some(
            self.copy(to, reach, |at, done| self.vm.write_from_frame(at, frame, offset + done, room(reach, done))),
            len,
        )
    }

    /// Writes zeros, as far as they can be written.
    #[track_caller]
    pub fn fill_some(&self, to: usize, len: usize) -> Result<usize> {
        let reach = self.reach(len);
        some(self.copy(to, reach, |at, done| self.vm.fill(at, 0, room(reach, done))), len)
    }

    /// Reads a value.
    #[track_caller]
    pub fn read_value<T: FromBytes + IntoBytes>(&self, at: usize) -> Result<T> {
        let mut value = T::new_zeroed();
        self.read(at, value.as_mut_bytes())?;
        Ok(value)
    }

    /// Writes a value.
    #[track_caller]
    pub fn write_value<T: IntoBytes + Immutable>(&self, at: usize, value: &T) -> Result<()> {
        self.write(at, value.as_bytes())
    }

    /// Reads a structure that may be `size` bytes in the program's version of Linux: what it lacks of ours is zero, what
    /// it has beyond ours must be (E2BIG). EINVAL below `smallest`.
    #[track_caller]
    pub fn read_versioned<T: FromBytes>(&self, at: usize, size: usize, smallest: usize) -> Result<T> {
        if size > PAGE_SIZE {
            return Err(Errno::E2BIG);
        }
        if size < smallest {
            return Err(Errno::EINVAL);
        }
        let mut bytes = alloc::vec![0; size.max(size_of::<T>())];
        self.read(at, &mut bytes[..size])?;
        if bytes[size_of::<T>()..].iter().any(|&byte| byte != 0) {
            return Err(Errno::E2BIG);
        }
        T::read_from_prefix(&bytes).map(|(value, _)| value).map_err(|_| Errno::EINVAL)
    }

    /// Reads up to a NUL, which is left out; ENAMETOOLONG if none is among `max` bytes.
    #[track_caller]
    pub fn read_string(&self, at: usize, max: usize) -> Result<Vec<u8>> {
        let mut string = Vec::new();
        let mut chunk = [0; 256];
        while string.len() < max {
            let from = at.checked_add(string.len()).ok_or(Errno::EFAULT)?;
            // Not over the end of a page: the string may end there, and the next may be missing. Most are short.
            let piece = if string.is_empty() { SHORT } else { chunk.len() };
            let len = piece.min(max - string.len()).min(PAGE_SIZE - from % PAGE_SIZE);
            self.read(from, &mut chunk[..len])?;
            match chunk[..len].iter().position(|byte| *byte == 0) {
                Some(end) if string.is_empty() => return Ok(chunk[..end].to_vec()),
                Some(end) => {
                    string.extend_from_slice(&chunk[..end]);
                    return Ok(string);
                }
                None => string.extend_from_slice(&chunk[..len]),
            }
        }
        Err(Errno::ENAMETOOLONG)
    }

    /// Reads an aligned word at once; EINVAL if it is not aligned.
    #[track_caller]
    pub fn load32(&self, at: usize) -> Result<u32> {
        self.word(at, |at| self.vm.load32(at))
    }

    /// Replaces an aligned word if it is `old`, at once, and returns what was there; EINVAL if it is not aligned.
    #[track_caller]
    pub fn cmpxchg32(&self, at: usize, old: u32, new: u32) -> Result<u32> {
        self.word(at, |at| self.vm.cmpxchg32(at, old, new))
    }

    #[track_caller]
    fn word(&self, at: usize, mut access: impl FnMut(Vaddr) -> core::result::Result<u32, PageFault>) -> Result<u32> {
        if !at.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        if at >= self.end() || self.reach(size_of::<u32>()) < size_of::<u32>() {
            return Err(Errno::EFAULT);
        }
        loop {
            match access(Vaddr::new(at)) {
                Ok(value) => return Ok(value),
                Err(fault) => self.fault_or_relief(fault).map_err(|_| Errno::EFAULT)?,
            }
        }
    }

    /// How far a copy of `len` bytes may come: all the way, unless the machine's plan of faults ends it.
    #[inline]
    #[track_caller]
    fn reach(&self, len: usize) -> usize {
        self.machine().faults().copy_reach(len)
    }

    /// Answers a fault; where no frame is left and somebody is made to give some, the copy is to try again.
    fn fault_or_relief(&self, fault: PageFault) -> core::result::Result<(), Refusal> {
        match self.fault(fault) {
            Err(Refusal::NoMemory) if self.is_relieved() => Ok(()),
            answer => answer,
        }
    }

    fn is_relieved(&self) -> bool {
        let relief = self.relief.lock().clone();
        relief.and_then(|relief| relief.upgrade()).is_some_and(|relief| relief.relieve())
    }

    /// Repeats `step` (given where to go on and what is done) until `len` bytes are done or a fault is refused; returns
    /// how many are.
    fn copy(
        &self,
        at: usize,
        len: usize,
        mut step: impl FnMut(Vaddr, usize) -> core::result::Result<(), CopyFault>,
    ) -> usize {
        let mut done = 0;
        while done < len {
            let Some(next) = at.checked_add(done).filter(|next| *next < self.end()) else { break };
            match step(Vaddr::new(next), done) {
                Ok(()) => done += room(len, done),
                Err(stopped) => {
                    done += stopped.done;
                    if self.fault_or_relief(stopped.fault).is_err() {
                        break;
                    }
                }
            }
        }
        done
    }
}

/// What is read of a string at first.
const SHORT: usize = 64;

/// How much one step copies: a bounded piece, so that a long copy is not one long stretch of work.
fn room(len: usize, done: usize) -> usize {
    (len - done).min(1 << 20)
}

fn all(done: usize, len: usize) -> Result<()> {
    if done == len { Ok(()) } else { Err(Errno::EFAULT) }
}

fn some(done: usize, len: usize) -> Result<usize> {
    if done == 0 && len != 0 { Err(Errno::EFAULT) } else { Ok(done) }
}
