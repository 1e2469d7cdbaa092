//! The firmware's tables (ACPI specification, chapter 5): which processors there are.

/// Bytes of the root pointer that are used here.
const ROOT_POINTER_LEN: usize = 36;
/// Bytes of a table's header.
const HEADER_LEN: usize = 36;
/// The longest table that is believed.
const TABLE_LEN_MAX: usize = 1 << 20;
/// In the table of interrupt controllers, its entries begin here.
const ENTRIES: usize = 44;
const LOCAL_APIC: u8 = 0;
const LOCAL_X2APIC: u8 = 9;
/// A processor's flag: it can be used now.
const ENABLED: u32 = 1;

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn sums_to_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == 0
}

/// The table at a physical address, if it is one. `read` gives the bytes at an address, fewer if there are fewer.
fn table<'a>(read: &impl Fn(u64, usize) -> &'a [u8], at: u64) -> Option<&'a [u8]> {
    let len = word(read(at, HEADER_LEN), 4)? as usize;
    let bytes = read(at, len.min(TABLE_LEN_MAX));
    (len >= HEADER_LEN && bytes.len() == len && sums_to_zero(bytes)).then_some(bytes)
}

/// The table with this signature, found from the root pointer at `root`; nothing if something on the way is broken.
pub fn find<'a>(root: u64, signature: [u8; 4], read: impl Fn(u64, usize) -> &'a [u8]) -> Option<&'a [u8]> {
    let pointer = read(root, ROOT_POINTER_LEN);
    if pointer.get(..8)? != b"RSD PTR " || !sums_to_zero(pointer.get(..20)?) {
        return None;
    }
    let extended = *pointer.get(15)? >= 2;
    let (at, width) = if extended { (long(pointer, 24)?, 8) } else { (u64::from(word(pointer, 16)?), 4) };
    let list = table(&read, at)?.get(HEADER_LEN..)?;
    let tables = list.chunks_exact(width).filter_map(|address| {
        let at = if width == 8 { long(address, 0)? } else { u64::from(word(address, 0)?) };
        table(&read, at)
    });
    let mut wanted = tables.filter(|table| table[..4] == signature);
    wanted.next()
}

/// The processors that a table of interrupt controllers (`APIC`) calls usable, by the numbers of their local APICs.
pub fn processors(table: &[u8]) -> impl Iterator<Item = u32> {
    let mut rest = table.get(ENTRIES..).unwrap_or_default();
    let entries = core::iter::from_fn(move || {
        let len = usize::from(*rest.get(1)?);
        // An entry is never shorter than its head: a zero would never end.
        let entry = rest.get(..len).filter(|_| len >= 2)?;
        rest = &rest[len..];
        Some(entry)
    });
    entries.filter_map(|entry| {
        let (number, flags) = match entry[0] {
            LOCAL_APIC => (u32::from(*entry.get(3)?), word(entry, 4)?),
            LOCAL_X2APIC => (word(entry, 4)?, word(entry, 8)?),
            _ => return None,
        };
        (flags & ENABLED != 0).then_some(number)
    })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::{ENTRIES, find, processors};

    /// A table of `body` with its header and sum.
    fn table(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = signature.to_vec();
        bytes.extend((36 + body.len() as u32).to_le_bytes());
        bytes.resize(36, 0);
        bytes.extend(body);
        seal(&mut bytes, 9);
        bytes
    }

    fn seal(bytes: &mut [u8], at: usize) {
        let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        bytes[at] = bytes[at].wrapping_sub(sum);
    }

    /// Root pointer at 0x10, list at 0x100, tables at 0x200 and 0x300.
    fn memory(version: u8) -> Vec<u8> {
        let mut memory = std::vec![0; 0x400];
        let mut pointer = b"RSD PTR ".to_vec();
        pointer.resize(36, 0);
        pointer[15] = version;
        if version >= 2 {
            pointer[24..32].copy_from_slice(&0x100_u64.to_le_bytes());
        } else {
            pointer[16..20].copy_from_slice(&0x100_u32.to_le_bytes());
        }
        seal(&mut pointer[..20], 8);
        memory[0x10..0x10 + 36].copy_from_slice(&pointer);
        let list = if version >= 2 {
            let addresses = [0x200_u64, 0x300].map(u64::to_le_bytes);
            table(b"XSDT", addresses.as_flattened())
        } else {
            table(b"RSDT", [0x200_u32, 0x300].map(u32::to_le_bytes).as_flattened())
        };
        let mut controllers = std::vec![0; 8];
        // Usable; not usable; an I/O APIC; a large number.
        controllers.extend([0, 8, 0, 7, 1, 0, 0, 0]);
        controllers.extend([0, 8, 1, 8, 2, 0, 0, 0]);
        controllers.extend([1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        controllers.extend([9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        for (at, bytes) in [(0x100, list), (0x200, table(b"FACP", &[])), (0x300, table(b"APIC", &controllers))] {
            memory[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        memory
    }

    fn found(memory: &[u8]) -> Option<Vec<u32>> {
        let read = |at: u64, len: usize| {
            let at = (at as usize).min(memory.len());
            &memory[at..(at + len).min(memory.len())]
        };
        find(0x10, *b"APIC", read).map(|table| processors(table).collect())
    }

    #[test]
    fn usable_processors_are_found_by_either_list() {
        assert_eq!(found(&memory(0)), Some([7, 256].to_vec()));
        assert_eq!(found(&memory(2)), Some([7, 256].to_vec()));
    }

    #[test]
    fn a_broken_table_is_not_believed() {
        for at in [0x10, 0x20, 0x104, 0x110, 0x310] {
            let mut memory = memory(0);
            memory[at] ^= 0x40;
            assert_eq!(found(&memory), None, "{at:#x}");
        }
        assert_eq!(find(0, *b"APIC", |_, _| &[]), None);
    }

    #[test]
    fn an_entry_without_length_or_end_ends_the_list() {
        let mut table = std::vec![0; ENTRIES];
        table.extend([0, 8, 0, 3, 1, 0, 0, 0, 0, 0]);
        assert_eq!(processors(&table).collect::<Vec<_>>(), [3]);
        table[ENTRIES + 1] = 200;
        assert_eq!(processors(&table).count(), 0);
        assert_eq!(processors(&[]).count(), 0);
    }
}
