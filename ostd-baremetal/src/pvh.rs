//! What a PVH loader leaves in memory: the start information, its memory map and modules (Xen's `start_info.h`).

use core::ops::Range;

/// The first word of the start information.
pub const MAGIC: u32 = 0x336e_c578;
/// Bytes of it that are used here.
pub const START_INFO_LEN: usize = 56;
/// Bytes of a line of the memory map.
pub const MEMORY_LINE_LEN: usize = 24;
/// The kind of memory that is free to use (E820).
const RAM: u32 = 1;

/// Physical addresses of what the loader tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartInfo {
    /// How many modules there are; the first is the initial file system.
    pub modules: u32,
    /// Where the list of modules begins: 32 bytes each, address and length first.
    pub modules_at: u64,
    /// The command line, ended by a zero byte.
    pub command_line_at: u64,
    /// The root pointer of the firmware's tables (ACPI); zero without.
    pub firmware_at: u64,
    /// The memory map.
    pub memory_at: u64,
    /// Its lines.
    pub memory_lines: u32,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

impl StartInfo {
    /// Reads it; nothing if it is not one, or of a version without a memory map.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if word(bytes, 0)? != MAGIC || word(bytes, 4)? < 1 {
            return None;
        }
        Some(Self {
            modules: word(bytes, 12)?,
            modules_at: long(bytes, 16)?,
            command_line_at: long(bytes, 24)?,
            firmware_at: long(bytes, 32)?,
            memory_at: long(bytes, 40)?,
            memory_lines: word(bytes, 48)?,
        })
    }
}

/// One line of the memory map, if it is RAM.
pub fn ram_of(line: &[u8]) -> Option<Range<u64>> {
    let (start, len) = (long(line, 0)?, long(line, 8)?);
    (word(line, 16)? == RAM).then(|| start..start.saturating_add(len))
}

/// Address and length of a module.
pub fn module_of(line: &[u8]) -> Option<Range<u64>> {
    let (start, len) = (long(line, 0)?, long(line, 8)?);
    Some(start..start.saturating_add(len))
}

#[cfg(test)]
mod tests {
    use super::{MAGIC, START_INFO_LEN, StartInfo, ram_of};

    #[test]
    fn start_information_is_read_only_with_its_magic_and_a_memory_map() {
        let mut bytes = [0; START_INFO_LEN];
        bytes[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        assert_eq!(StartInfo::read(&bytes), None, "version 0 has no memory map");
        bytes[4] = 1;
        bytes[12] = 1;
        bytes[40..48].copy_from_slice(&0x9_f000_u64.to_le_bytes());
        bytes[48] = 3;
        let info = StartInfo::read(&bytes).expect("version 1");
        assert_eq!((info.modules, info.memory_at, info.memory_lines), (1, 0x9_f000, 3));
        bytes[0] = 0;
        assert_eq!(StartInfo::read(&bytes), None);
        assert_eq!(StartInfo::read(&bytes[..9]), None);
    }

    #[test]
    fn only_free_memory_counts() {
        let mut line = [0; 24];
        line[8..16].copy_from_slice(&0x1000_u64.to_le_bytes());
        line[16] = 2;
        assert_eq!(ram_of(&line), None);
        line[16] = 1;
        assert_eq!(ram_of(&line), Some(0..0x1000));
    }
}
