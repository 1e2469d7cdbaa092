//! Translation: the kernel's own root, address spaces, forgetting.
#![expect(unsafe_code, reason = "writes `satp` and the kernel's page tables")]

use core::arch::asm;
use core::ops::Range;

use ostd_hal::paging::ENTRIES;
use ostd_hal::{PAGE_SHIFT, Paddr, Vaddr};

use super::entry::{BOOT_ROOT, DIRECT_MAP, KERNEL_OFFSET};

/// Where RAM begins, with the firmware in front of the image.
const RAM_START: usize = 0x8000_0000;
/// Sv48, in `satp`.
const SV48: usize = 9 << 60;
const EXECUTE: u64 = 1 << 3;

unsafe extern "C" {
    /// The linker's: behind the image.
    static image_end: u8;
}

/// Leaves the boot code's identity map behind, and keeps code out of the window on physical memory.
pub(super) fn start() {
    let root = (&raw mut BOOT_ROOT).cast::<u64>();
    // SAFETY: the root is ours; nothing runs or lies in the lower half any more.
    unsafe { root.write_volatile(0) };
    // SAFETY: as above; no code lies in the window.
    unsafe {
        let window = root.add(256);
        window.write_volatile(window.read_volatile() & !EXECUTE);
    }
    flush_all();
}

/// The physical memory that the firmware and the image take.
pub(crate) fn image() -> Range<usize> {
    RAM_START..(&raw const image_end) as usize - KERNEL_OFFSET
}

/// The root without programs.
pub(crate) fn kernel_root() -> Paddr {
    Paddr::new((&raw const BOOT_ROOT) as usize - KERNEL_OFFSET)
}

/// Makes `root` the address space in force.
///
/// # Safety
/// 1. Its kernel half is the kernel's, and stays until another root is set.
pub(crate) unsafe fn set_root(root: Paddr) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("csrw satp, {}", "sfence.vma", in(reg) SV48 | root.as_usize() >> PAGE_SHIFT, options(nostack));
    }
}

/// Forgets one page.
pub(crate) fn flush_page(at: Vaddr) {
    // SAFETY: forgetting is harmless.
    unsafe { asm!("sfence.vma {}, zero", in(reg) at.as_usize(), options(nostack)) };
}

/// Forgets every page.
pub(crate) fn flush_all() {
    // SAFETY: forgetting is harmless.
    unsafe { asm!("sfence.vma", options(nostack)) };
}

fn upper_half(root: Paddr) -> *mut u64 {
    ((DIRECT_MAP + root.as_usize()) as *mut u64).wrapping_add(ENTRIES / 2)
}

/// Gives a new address space the kernel's half.
///
/// # Safety
/// 1. `root` is a node that nobody else uses.
pub(crate) unsafe fn share_kernel_half(root: Paddr) {
    let ours = (&raw const BOOT_ROOT).cast::<u64>().wrapping_add(ENTRIES / 2);
    // SAFETY: the caller's promise; both are half a node long.
    unsafe { core::ptr::copy_nonoverlapping(ours, upper_half(root), ENTRIES / 2) };
}

/// Takes it back.
///
/// # Safety
/// 1. `root` is a node that no hart has in force.
pub(crate) unsafe fn unshare_kernel_half(root: Paddr) {
    // SAFETY: the caller's promise.
    unsafe { core::ptr::write_bytes(upper_half(root), 0, ENTRIES / 2) };
}
