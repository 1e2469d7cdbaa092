//! No PCI: `virt` has a bus, but nobody has given its devices addresses, and nothing takes their messages.

/// Whether there is a bus whose devices can be used.
pub(crate) fn has_pci() -> bool {
    false
}

/// A word of configuration space: that of a device which is not there.
pub(crate) fn pci_read(_address: u32) -> u32 {
    u32::MAX
}

/// Writes a word of configuration space, where nobody hears it.
pub(crate) fn pci_write(_address: u32, _value: u32) {}

/// What a device writes where to raise `line`.
pub(crate) fn message(_line: u32) -> Option<(u64, u32)> {
    None
}
