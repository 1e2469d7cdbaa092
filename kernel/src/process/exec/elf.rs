//! ELF headers: what a program file says about itself, believed only as far as Linux believes it.

use alloc::vec::Vec;

use crate::error::{Errno, Result};

/// Bytes of the file header and of a program header.
pub const HEADER_LEN: usize = 64;
/// Bytes of a program header.
pub const PROGRAM_HEADER_LEN: usize = 56;
/// The most program headers, as many as fit in Linux's 64 KiB.
pub const PROGRAM_HEADERS_MAX: usize = 65536 / PROGRAM_HEADER_LEN;

/// `e_machine` of x86-64.
pub const EM_X86_64: u16 = 62;
/// `e_machine` of RISC-V.
pub const EM_RISCV: u16 = 243;

/// `e_type`: what a file claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A program with addresses of its own (`ET_EXEC`).
    Fixed,
    /// One that may be loaded anywhere (`ET_DYN`).
    Movable,
    /// Neither.
    Other,
}

/// The file header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where it may be loaded.
    pub kind: Kind,
    /// Where it starts.
    pub entry: usize,
    /// Where its program headers are in the file.
    pub headers_at: u64,
    /// How many there are.
    pub headers: usize,
}

/// A `PT_LOAD` header, as the file has it: nothing about it is checked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Offset in the file.
    pub offset: u64,
    /// Address, before any move.
    pub at: usize,
    /// Bytes from the file.
    pub file_len: usize,
    /// Bytes in memory.
    pub mem_len: usize,
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
    /// Executable.
    pub execute: bool,
}

/// All program headers that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Loadable segments, in file order.
    pub segments: Vec<Segment>,
    /// Offset and length of the interpreter's name.
    pub interpreter: Option<(u64, usize)>,
    /// Largest alignment a segment wants.
    pub align: usize,
    /// Whether `PT_GNU_STACK` asks for an executable stack.
    pub executable_stack: bool,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

impl Header {
    /// Reads the beginning of a file made for `machine`; ENOEXEC for anything else. Class, byte order and version are
    /// not looked at: the machine implies them.
    pub fn parse(bytes: &[u8], machine: u16) -> Result<Self> {
        let is_ours = bytes.starts_with(b"\x7fELF") && u16_at(bytes, 18) == machine;
        let headers = usize::from(u16_at(bytes, 56));
        let sound =
            usize::from(u16_at(bytes, 54)) == PROGRAM_HEADER_LEN && (1..=PROGRAM_HEADERS_MAX).contains(&headers);
        if !is_ours || !sound {
            return Err(Errno::ENOEXEC);
        }
        let kind = match u16_at(bytes, 16) {
            2 => Kind::Fixed,
            3 => Kind::Movable,
            _ => Kind::Other,
        };
        Ok(Self { kind, entry: u64_at(bytes, 24) as usize, headers_at: u64_at(bytes, 32), headers })
    }

    /// Bytes of all program headers.
    pub fn headers_len(&self) -> usize {
        self.headers * PROGRAM_HEADER_LEN
    }
}

impl Layout {
    /// Reads the program headers. Nothing is refused here: what is wrong with a segment is found when it is mapped.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut layout = Self { align: ostd::PAGE_SIZE, ..Self::default() };
        for header in bytes.chunks_exact(PROGRAM_HEADER_LEN) {
            let flags = u32_at(header, 4);
            let (offset, at) = (u64_at(header, 8), u64_at(header, 16));
            let (file_len, mem_len, align) = (u64_at(header, 32), u64_at(header, 40), u64_at(header, 48));
            match u32_at(header, 0) {
                1 => {
                    layout.segments.push(Segment {
                        offset,
                        at: at as usize,
                        file_len: file_len as usize,
                        mem_len: mem_len as usize,
                        read: flags & 4 != 0,
                        write: flags & 2 != 0,
                        execute: flags & 1 != 0,
                    });
                    if align.is_power_of_two() {
                        layout.align = layout.align.max(align as usize);
                    }
                }
                3 if layout.interpreter.is_none() => layout.interpreter = Some((offset, file_len as usize)),
                0x6474_e551 => layout.executable_stack = flags & 1 != 0,
                _ => {}
            }
        }
        layout
    }

    /// Bytes from the first page to the end of the last segment, before any move; zero when there is none. Headers that
    /// make no sense give a number that fits nowhere.
    pub fn span_len(&self) -> usize {
        let start = self.segments.iter().map(|segment| segment.at / ostd::PAGE_SIZE * ostd::PAGE_SIZE).min();
        let end = self.segments.iter().map(|segment| segment.at.wrapping_add(segment.mem_len)).max();
        end.unwrap_or(0).wrapping_sub(start.unwrap_or(0))
    }

    /// Where the program headers are in memory, before any move.
    pub fn headers_in_memory(&self, header: &Header) -> usize {
        let holds = |segment: &&Segment| {
            let end = segment.offset.wrapping_add(segment.file_len as u64);
            segment.offset <= header.headers_at && header.headers_at < end
        };
        let found = self.segments.iter().rfind(holds);
        found.map_or(0, |segment| segment.at.wrapping_add((header.headers_at - segment.offset) as usize))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{EM_X86_64, HEADER_LEN, Header, Kind, Layout, PROGRAM_HEADER_LEN};
    use crate::error::Errno;

    fn file() -> Vec<u8> {
        let mut file = vec![0; HEADER_LEN];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[16] = 2;
        file[18] = EM_X86_64 as u8;
        file[24..32].copy_from_slice(&0x40_1000u64.to_le_bytes());
        file[32] = HEADER_LEN as u8;
        file[54] = PROGRAM_HEADER_LEN as u8;
        file[56] = 1;
        file
    }

    fn load(words: [u64; 6]) -> Vec<u8> {
        let mut header = vec![1, 0, 0, 0, 5, 0, 0, 0];
        for word in words {
            header.extend(word.to_le_bytes());
        }
        header
    }

    #[test]
    fn a_plain_program_is_understood() {
        let header = Header::parse(&file(), EM_X86_64).expect("sound");
        assert_eq!((header.entry, header.headers, header.kind), (0x40_1000, 1, Kind::Fixed));
        let layout = Layout::parse(&load([0, 0x40_0000, 0, 0x1234, 0x2234, 0x1000]));
        assert_eq!(layout.span_len(), 0x2234);
        assert_eq!(layout.headers_in_memory(&header), 0x40_0040);
        assert!(layout.segments[0].execute && !layout.segments[0].write);
    }

    #[test]
    fn every_mutated_byte_is_refused_or_understood_but_never_a_panic() {
        for at in 0..HEADER_LEN {
            for bit in 0..8 {
                let mut file = file();
                file[at] ^= 1 << bit;
                let parsed = Header::parse(&file, EM_X86_64);
                if matches!(at, 0..4 | 18 | 19 | 54 | 55) {
                    assert_eq!(parsed, Err(Errno::ENOEXEC), "byte {at}");
                }
            }
        }
        let good = load([0, 0x40_0000, 0, 0x1234, 0x2234, 0x1000]);
        for at in 0..good.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                let header = Header::parse(&file(), EM_X86_64).expect("sound");
                let layout = Layout::parse(&bad);
                let _ = (layout.span_len(), layout.headers_in_memory(&header));
            }
        }
    }
}
