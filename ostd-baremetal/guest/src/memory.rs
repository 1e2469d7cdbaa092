//! The program's memory by number, as the kernel gave it.
#![expect(unsafe_code, reason = "loads from and stores to addresses that are numbers")]

use crate::arch::copy;

/// Stores to memory by number: a wild address is this process's SIGSEGV.
pub(crate) fn store(addr: usize, bytes: &[u8]) {
    // SAFETY: the caller names memory that it got from the kernel by number and that Rust knows nothing of.
    unsafe { copy(addr, bytes.as_ptr().expose_provenance(), bytes.len()) }
}

/// Loads from memory by number: a wild address is this process's SIGSEGV.
pub(crate) fn load(addr: usize, into: &mut [u8]) {
    // SAFETY: `into` is writable for its length; the source is the kernel's to give or refuse.
    unsafe { copy(into.as_mut_ptr().expose_provenance(), addr, into.len()) }
}
