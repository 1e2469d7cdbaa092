//! Translation: the kernel's own root, address spaces, forgetting.
#![expect(unsafe_code, reason = "writes `satp` and the kernel's page tables")]

use core::arch::asm;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use ostd_hal::paging::{ENTRIES, LEVELS, span};
use ostd_hal::{PAGE_SHIFT, PAGE_SIZE, Paddr, Vaddr};

use super::entry::{BOOT_HIGH, BOOT_IDENTITY, BOOT_ROOT, DIRECT_MAP, DIRECT_MAP_LEN, KERNEL_OFFSET, WINDOW};

/// Where RAM begins, with the firmware in front of the image.
const RAM_START: usize = 0x8000_0000;
/// Sv48 and Sv39, in `satp`.
pub(super) const SV48: usize = 9 << 60;
pub(super) const SV39: usize = 8 << 60;
const MODE: usize = 15 << 60;
const EXECUTE: u64 = 1 << 3;

/// Found out once, at boot.
static LEVELS_HERE: AtomicUsize = AtomicUsize::new(LEVELS);

unsafe extern "C" {
    /// The linker's: behind the image.
    static image_end: u8;
}

/// Leaves the boot code's identity map behind, and keeps code out of the window on physical memory.
pub(super) fn start() {
    let (root, high) = ((&raw mut BOOT_ROOT).cast::<u64>(), (&raw mut BOOT_HIGH).cast::<u64>());
    // SAFETY: the root is ours; nothing runs or lies in the lower half any more.
    unsafe { root.write_volatile(0) };
    // SAFETY: as above.
    unsafe { high.add(BOOT_IDENTITY).write_volatile(0) };
    for at in WINDOW..WINDOW + (DIRECT_MAP_LEN >> 30) {
        // SAFETY: as above; no code lies in the window.
        unsafe { high.add(at).write_volatile(high.add(at).read_volatile() & !EXECUTE) };
    }
    if mode() == SV39 {
        LEVELS_HERE.store(3, Ordering::Relaxed);
    }
    flush_all();
}

/// The window on physical memory is whole from the start.
pub(crate) fn map_memory(_ram: &[Range<usize>]) {}

/// The physical memory that the firmware and the image take.
pub(crate) fn image() -> Range<usize> {
    RAM_START..(&raw const image_end) as usize - KERNEL_OFFSET
}

/// What the boot code found this machine to have.
fn mode() -> usize {
    let satp: usize;
    // SAFETY: reading a register.
    unsafe { asm!("csrr {}, satp", out(reg) satp, options(nomem, nostack, preserves_flags)) };
    satp & MODE
}

/// How many levels a tree has.
pub(crate) fn levels() -> usize {
    LEVELS_HERE.load(Ordering::Relaxed)
}

/// The end of what programs may use: the lower half, but for a page behind which addresses are nobody's.
pub(crate) fn user_end() -> usize {
    span(levels()) / 2 - PAGE_SIZE
}

fn own_root() -> *const u64 {
    if levels() == LEVELS { (&raw const BOOT_ROOT).cast() } else { (&raw const BOOT_HIGH).cast() }
}

/// The root without programs.
pub(crate) fn kernel_root() -> Paddr {
    Paddr::new(own_root() as usize - KERNEL_OFFSET)
}

/// Makes `root` the address space in force.
///
/// # Safety
/// 1. Its kernel half is the kernel's, and stays until another root is set.
pub(crate) unsafe fn set_root(root: Paddr) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("csrw satp, {}", "sfence.vma", in(reg) mode() | root.as_usize() >> PAGE_SHIFT, options(nostack));
    }
}

/// Forgets one page.
pub(crate) fn flush_page(at: Vaddr) {
    // SAFETY: forgetting is harmless.
    unsafe { asm!("sfence.vma {}, zero", in(reg) at.as_usize(), options(nostack)) };
}

/// Forgets every page, and instructions with them: pages of code may have changed.
pub(crate) fn flush_all() {
    // SAFETY: forgetting is harmless.
    unsafe { asm!("sfence.vma", "fence.i", options(nostack)) };
}

fn upper_half(root: Paddr) -> *mut u64 {
    ((DIRECT_MAP + root.as_usize()) as *mut u64).wrapping_add(ENTRIES / 2)
}

/// Gives a new address space the kernel's half.
///
/// # Safety
/// 1. `root` is a node that nobody else uses.
pub(crate) unsafe fn share_kernel_half(root: Paddr) {
    let ours = own_root().wrapping_add(ENTRIES / 2);
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
