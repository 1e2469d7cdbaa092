//! What a PCI device says of itself in its configuration space: where its registers are, and how it interrupts.
//!
//! `read` gives the aligned word at an offset. Firmware has given the base addresses.

/// Configuration registers.
const COMMAND: u8 = 0x04;
const BASES: u8 = 0x10;
const CAPABILITIES: u8 = 0x34;
/// In the command register's upper half: there is a list of capabilities.
const HAS_CAPABILITIES: u32 = 1 << 20;
/// Kinds of capability.
const VENDOR: u8 = 0x09;
const MESSAGES: u8 = 0x11;
/// The kind of virtio structure that holds the common registers.
const COMMON: u8 = 1;
/// More capabilities than fit the space are a loop.
const CAPABILITIES_MAX: usize = 48;

/// Bytes behind a base address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Which base address.
    pub base: u8,
    /// Bytes from there.
    pub offset: u32,
}

/// How a device is told to interrupt by messages (MSI-X).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages {
    /// Offset of the capability, whose first word turns messages on.
    pub capability: u8,
    /// The table of messages, 16 bytes each.
    pub table: Region,
}

/// In the first word of [`Messages::capability`]: on.
pub const MESSAGES_ON: u32 = 1 << 31;
/// In the same: none, whatever the table says.
pub const MESSAGES_MASKED: u32 = 1 << 30;

/// Offsets and kinds of the device's capabilities.
fn capabilities(read: &dyn Fn(u8) -> u32) -> impl Iterator<Item = (u8, u32)> {
    let first = if read(COMMAND) & HAS_CAPABILITIES != 0 { read(CAPABILITIES) as u8 & !3 } else { 0 };
    let next = |at: &(u8, u32)| {
        let next = (at.1 >> 8) as u8 & !3;
        (next != 0).then(|| (next, read(next)))
    };
    let first = (first != 0).then(|| (first, read(first)));
    core::iter::successors(first, next).take(CAPABILITIES_MAX)
}

/// The device's messages, if it has any.
pub fn messages(read: &dyn Fn(u8) -> u32) -> Option<Messages> {
    let (capability, _) = capabilities(read).find(|(_, word)| *word as u8 == MESSAGES)?;
    let table = read(capability + 4);
    Some(Messages { capability, table: Region { base: table as u8 & 7, offset: table & !7 } })
}

/// A virtio device's common registers.
pub fn common_registers(read: &dyn Fn(u8) -> u32) -> Option<Region> {
    let is_common = |word: u32| word as u8 == VENDOR && (word >> 24) as u8 == COMMON;
    let (at, _) = capabilities(read).find(|(_, word)| is_common(*word))?;
    Some(Region { base: read(at + 4) as u8, offset: read(at + 8) })
}

/// The physical address of a region of memory; nothing if nobody gave it one, or it is no memory.
pub fn address(read: &dyn Fn(u8) -> u32, region: Region) -> Option<u64> {
    if region.base > 5 {
        return None;
    }
    let at = BASES + 4 * region.base;
    let low = read(at);
    let is_port = low & 1 != 0;
    let high = if low & 6 == 4 && region.base < 5 { u64::from(read(at + 4)) << 32 } else { 0 };
    let base = high | u64::from(low & !15);
    (!is_port && base != 0).then(|| base.checked_add(u64::from(region.offset)))?
}

#[cfg(test)]
mod tests {
    use super::{Messages, Region, address, common_registers, messages};

    /// As QEMU's virtio-rng-pci on q35 shows itself, in part.
    fn space() -> [u32; 64] {
        let mut words = [0; 64];
        words[1] = 0x0010_0507;
        (words[5], words[8], words[9]) = (0xfebd_5000, 0xfe00_000c, 0x1);
        words[4] = 0xc041;
        words[0x34 / 4] = 0x98;
        // MSI-X at 0x98, then virtio's notifications at 0x84 and common registers at 0x40.
        (words[0x98 / 4], words[0x9c / 4], words[0xa0 / 4]) = (0x0001_8411, 0x1, 0x801);
        (words[0x84 / 4], words[0x88 / 4], words[0x8c / 4]) = (0x0214_4009, 0x4, 0x3000);
        (words[0x40 / 4], words[0x44 / 4], words[0x48 / 4]) = (0x0110_0009, 0x4, 0x40);
        words
    }

    #[test]
    fn registers_and_messages_are_found_by_the_list_of_capabilities() {
        let words = space();
        let read = |at: u8| words[usize::from(at) / 4];
        let table = Region { base: 1, offset: 0 };
        assert_eq!(messages(&read), Some(Messages { capability: 0x98, table }));
        assert_eq!(common_registers(&read), Some(Region { base: 4, offset: 0x40 }));
        assert_eq!(address(&read, table), Some(0xfebd_5000));
        assert_eq!(address(&read, Region { base: 4, offset: 0x40 }), Some(0x1_fe00_0040));
    }

    #[test]
    fn ports_and_bases_that_nobody_gave_are_no_memory() {
        let words = space();
        let read = |at: u8| words[usize::from(at) / 4];
        for base in [0, 2, 3, 6, 7] {
            assert_eq!(address(&read, Region { base, offset: 0 }), None, "{base}");
        }
    }

    #[test]
    fn a_list_that_bites_its_tail_ends() {
        let mut words = space();
        words[0x84 / 4] = 0x0214_9809;
        let read = |at: u8| words[usize::from(at) / 4];
        assert_eq!(common_registers(&read), None);
        words[1] = 0;
        assert_eq!(messages(&|at| words[usize::from(at) / 4]), None, "no list");
    }
}
