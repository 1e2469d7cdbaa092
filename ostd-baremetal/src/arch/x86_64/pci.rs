//! PCI's configuration space, by two ports. Boot code alone uses it.
#![expect(unsafe_code, reason = "port I/O")]

use core::arch::asm;

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
/// In an address: what follows goes to a device.
const ENABLED: u32 = 1 << 31;

fn out(port: u16, value: u32) {
    // SAFETY: the two ports name and change registers of devices, which are used by their drivers only.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack, preserves_flags)) };
}

fn read(port: u16) -> u32 {
    let value;
    // SAFETY: as above; reading changes nothing.
    unsafe { asm!("in eax, dx", in("dx") port, out("eax") value, options(nostack, preserves_flags)) };
    value
}

/// Whether there is a bus: its address register keeps what is written to it.
pub(crate) fn has_pci() -> bool {
    out(ADDRESS, ENABLED);
    read(ADDRESS) == ENABLED
}

/// A word of configuration space.
pub(crate) fn pci_read(address: u32) -> u32 {
    out(ADDRESS, address);
    read(DATA)
}

/// Writes a word of configuration space.
pub(crate) fn pci_write(address: u32, value: u32) {
    out(ADDRESS, address);
    out(DATA, value);
}
