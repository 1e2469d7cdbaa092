//! The pages a pipe keeps its bytes in: who writes fills them, who reads empties them, as Linux's `pipe_buffer`s.

use alloc::collections::VecDeque;

use ostd::frame::Frame;
use ostd::{Machine, PAGE_SIZE};

use crate::error::{Errno, OrErrno as _, Result};

/// Pages of a pipe nobody has resized: 64 KiB.
pub const SLOTS_DEFAULT: usize = 16;

/// Bytes of the largest pipe: `/proc/sys/fs/pipe-max-size`.
pub const SIZE_MAX: usize = 1 << 20;

/// Bytes of the largest that anybody may have.
pub const SIZE_LAST: usize = 1 << 31;

/// One frame in so many is not for pipes.
const RESERVE: usize = 16;

/// A queue of pages, each partly filled.
pub struct Ring {
    slots: VecDeque<Slot>,
    slots_max: usize,
}

struct Slot {
    frame: Frame,
    offset: usize,
    len: usize,
    unit: Unit,
}

/// What a write puts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, which join those before them.
    Bytes,
    /// Packets of up to a page (O_DIRECT): a read takes one of them, and what it has no room for is lost.
    Packet,
}

impl Default for Ring {
    fn default() -> Self {
        Self { slots: VecDeque::new(), slots_max: SLOTS_DEFAULT }
    }
}

impl Ring {
    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether no page is free. A short write may fit all the same, behind the last byte.
    pub fn is_full(&self) -> bool {
        self.slots.len() >= self.slots_max
    }

    /// Bytes to read.
    pub fn len(&self) -> usize {
        self.slots.iter().map(|slot| slot.len).sum()
    }

    /// Bytes it holds at most: F_GETPIPE_SZ.
    pub fn size(&self) -> usize {
        self.slots_max * PAGE_SIZE
    }

    /// F_SETPIPE_SZ: rounds up to a power of two pages. EINVAL when no pipe can be so large, EPERM when this program's
    /// must not grow past `grown_max` bytes, EBUSY when what it holds does not fit.
    pub fn set_size(&mut self, size: usize, grown_max: usize) -> Result {
        if size > SIZE_LAST {
            return Err(Errno::EINVAL);
        }
        let slots = size.max(PAGE_SIZE).div_ceil(PAGE_SIZE).next_power_of_two();
        if slots > self.slots_max && slots * PAGE_SIZE > grown_max {
            return Err(Errno::EPERM);
        }
        if slots < self.slots.len() {
            return Err(Errno::EBUSY);
        }
        self.slots_max = slots;
        Ok(self.size())
    }

    /// Takes up to `want` bytes out. `put` is given pieces of pages and says how much of each it could place; a piece
    /// that could not be placed in whole stays, and is EFAULT if it is the first.
    pub fn read(&mut self, want: usize, put: &mut dyn FnMut(&Frame, usize, usize) -> Result) -> Result {
        let mut read = 0;
        while read < want
            && let Some(slot) = self.slots.front_mut()
        {
            let asked = slot.len.min(want - read);
            match put(&slot.frame, slot.offset, asked).and_then(|placed| whole(placed, asked)) {
                Ok(()) => {}
                Err(_) if read > 0 => break,
                Err(errno) => return Err(errno),
            }
            slot.offset += asked;
            slot.len -= asked;
            read += asked;
            let is_packet = slot.unit == Unit::Packet;
            if slot.len == 0 || is_packet {
                self.slots.pop_front();
            }
            if is_packet {
                break;
            }
        }
        Ok(read)
    }

    /// Puts up to `want` bytes in, as many as fit: what does not fill a page goes behind the last byte if all of it
    /// can, so whatever fits a page goes in whole or not at all. `take` fills pieces of pages and says how much of each; a
    /// piece that is not filled does not go in, and is EFAULT if it is the first.
    pub fn write(
        &mut self,
        machine: &Machine,
        want: usize,
        unit: Unit,
        take: &mut dyn FnMut(&Frame, usize, usize) -> Result,
    ) -> Result {
        let mut written = 0;
        let rest = want % PAGE_SIZE;
        if rest > 0
            && unit == Unit::Bytes
            && let Some(last) = self.slots.back_mut().filter(|last| last.unit == Unit::Bytes)
            && last.offset + last.len + rest <= PAGE_SIZE
        {
            take(&last.frame, last.offset + last.len, rest).and_then(|taken| whole(taken, rest))?;
            last.len += rest;
            written = rest;
        }
        while written < want && !self.is_full() {
            let asked = PAGE_SIZE.min(want - written);
            // Pipes do not take the last of the machine's memory: programs need some to end.
            if machine.frames().free() <= machine.frames().total() / RESERVE {
                return if written > 0 { Ok(written) } else { Err(Errno::ENOMEM) };
            }
            let filled = machine.frames().alloc_dirty().or_errno().and_then(|frame| {
                take(&frame, 0, asked).and_then(|taken| whole(taken, asked))?;
                Ok(frame)
            });
            let frame = match filled {
                Ok(filled) => filled,
                Err(_) if written > 0 => break,
                Err(errno) => return Err(errno),
            };
            self.slots.push_back(Slot { frame, offset: 0, len: asked, unit });
            written += asked;
        }
        Ok(written)
    }
}

/// EFAULT for a piece that was moved in part.
fn whole(moved: usize, asked: usize) -> Result<()> {
    if moved < asked { Err(Errno::EFAULT) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use ostd::hosted::{Hosted, HostedConfig};
    use ostd::{Machine, MachineConfig, PAGE_SIZE};

    use super::{Ring, SIZE_LAST, SIZE_MAX, Unit};
    use crate::error::Errno;

    fn machine() -> Machine {
        Machine::new(Hosted::new(&HostedConfig::default()).expect("the host has memory"), MachineConfig::default())
    }

    fn write(ring: &mut Ring, machine: &Machine, bytes: &[u8]) -> usize {
        let mut at = 0;
        let mut take = |frame: &ostd::frame::Frame, offset: usize, len: usize| {
            frame.write(offset, &bytes[at..at + len]);
            at += len;
            Ok(len)
        };
        ring.write(machine, bytes.len(), Unit::Bytes, &mut take).expect("there is memory")
    }

    fn read(ring: &mut Ring, want: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut put = |frame: &ostd::frame::Frame, offset: usize, len: usize| {
            let at = bytes.len();
            bytes.resize(at + len, 0);
            frame.read(offset, &mut bytes[at..]);
            Ok(len)
        };
        ring.read(want, &mut put).expect("the sink takes all");
        bytes
    }

    #[test]
    fn bytes_come_out_in_order_and_pages_go_back() {
        let machine = machine();
        let mut ring = Ring::default();
        let bytes: Vec<u8> = (0..10_000_u32).map(|i| i as u8).collect();
        assert_eq!(write(&mut ring, &machine, &bytes), bytes.len());
        assert_eq!(ring.len(), bytes.len());
        let mut back = read(&mut ring, 5000);
        back.extend(read(&mut ring, 99_999));
        assert_eq!(back, bytes);
        assert!(ring.is_empty());
        assert_eq!(machine.frames().used(), 0);
    }

    #[test]
    fn short_writes_share_a_page() {
        let machine = machine();
        let mut ring = Ring::default();
        for _ in 0..PAGE_SIZE {
            write(&mut ring, &machine, b"x");
        }
        assert_eq!(machine.frames().used(), 1);
    }

    #[test]
    fn what_fits_a_page_is_never_split() {
        let machine = machine();
        let mut ring = Ring::default();
        ring.set_size(PAGE_SIZE, SIZE_MAX).expect("it is empty");
        assert_eq!(write(&mut ring, &machine, &[1; 4000]), 4000);
        assert_eq!(write(&mut ring, &machine, &[2; 97]), 0);
        assert_eq!(write(&mut ring, &machine, &[2; 96]), 96);
        assert_eq!(write(&mut ring, &machine, &[2; 9000]), 0);
    }

    #[test]
    fn a_pipe_of_64_kib_holds_exactly_that_and_resizes_only_to_what_fits() {
        let machine = machine();
        let mut ring = Ring::default();
        assert_eq!(write(&mut ring, &machine, &[0; 100_000]), 65_536);
        assert_eq!(ring.set_size(4096, SIZE_MAX), Err(Errno::EBUSY));
        assert_eq!(ring.set_size(65_537, SIZE_MAX), Ok(131_072));
        assert_eq!(ring.set_size((1 << 20) + 1, SIZE_MAX), Err(Errno::EPERM));
        assert_eq!(ring.set_size((1 << 20) + 1, SIZE_LAST), Ok(2 << 20));
        assert_eq!(ring.set_size(usize::MAX, SIZE_LAST), Err(Errno::EINVAL));
    }

    #[test]
    fn a_copy_that_fails_in_part_takes_nothing() {
        let machine = machine();
        let mut ring = Ring::default();
        assert_eq!(ring.write(&machine, 5, Unit::Bytes, &mut |_, _, _| Err(Errno::EFAULT)), Err(Errno::EFAULT));
        assert!(ring.is_empty());
        write(&mut ring, &machine, b"hello");
        assert_eq!(ring.read(5, &mut |_, _, _| Err(Errno::EFAULT)), Err(Errno::EFAULT));
        assert_eq!(ring.read(5, &mut |_, _, _| Ok(2)), Err(Errno::EFAULT));
        assert_eq!(ring.write(&machine, 5, Unit::Bytes, &mut |_, _, _| Ok(3)), Err(Errno::EFAULT));
        assert_eq!(read(&mut ring, 5), b"hello");
    }
}
