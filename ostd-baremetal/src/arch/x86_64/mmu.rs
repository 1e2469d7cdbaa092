//! The paging unit: the kernel's own root, address spaces, forgetting.
#![expect(unsafe_code, reason = "writes control registers and the kernel's page tables")]

use alloc::boxed::Box;
use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};
use core::ops::Range;
use core::sync::atomic::Ordering;

use ostd_hal::paging::{ENTRIES, LEVELS};
use ostd_hal::{Paddr, Vaddr};

use super::copy::GUARDED;
use super::entry::{BOOT_PDPT_LOW, BOOT_PML4, DEVICE_MAP_LEN, DIRECT_MAP, DIRECT_MAP_LEN, KERNEL_OFFSET, Table};

/// Where the image is loaded.
const IMAGE_START: usize = 0x20_0000;
const NO_EXECUTE: u64 = 1 << 63;
const GIB: usize = 1 << 30;
/// Bytes of a large page.
const LARGE: usize = 2 << 20;
/// CR0: the flag AC means something.
const ALIGNMENT_MASK: u64 = 1 << 18;
/// Entries: present and writable, and a large page.
const NODE: u64 = 3;
const LARGE_LEAF: u64 = 0x83;

unsafe extern "C" {
    /// The linker's: behind the image.
    static image_end: u8;
}

/// Leaves the boot code's identity map behind, keeps code out of the window on physical memory, and has the CPU refuse
/// to run or read programs' pages as the kernel, where it can.
pub(super) fn start() {
    let root = (&raw mut BOOT_PML4).cast::<u64>();
    // SAFETY: the root is ours; nothing runs or lies in the lower half any more.
    unsafe { root.write_volatile(0) };
    // SAFETY: as above; no code lies in the window.
    unsafe {
        let window = root.add(256);
        window.write_volatile(window.read_volatile() | NO_EXECUTE);
    }
    protect();
    flush_all();
}

/// Leaves the root that another CPU began on.
pub(super) fn start_secondary() {
    protect();
    // SAFETY: the kernel's own root.
    unsafe { set_root(kernel_root()) };
}

fn protect() {
    let features = __cpuid_count(7, 0).ebx;
    let protections = u64::from(features >> 7 & 1) << 20 | u64::from(features >> 20 & 1) << 21;
    GUARDED.store(features & 1 << 20 != 0, Ordering::Relaxed);
    // SAFETY: the CPU has what is turned on (SMEP, SMAP); what uses user memory knows of the latter.
    unsafe { asm!("mov {t}, cr4", "or {t}, {bits}", "mov cr4, {t}", t = out(reg) _, bits = in(reg) protections) };
    // SAFETY: programs may ask for an exception where they are not aligned; the kernel never gets one.
    unsafe { asm!("mov {t}, cr0", "or {t}, {bits}", "mov cr0, {t}", t = out(reg) _, bits = in(reg) ALIGNMENT_MASK) };
}

/// Puts what RAM there is behind the boot code's map in the window on physical memory.
pub(crate) fn map_memory(ram: &[Range<usize>]) {
    // The window begins with the root's entry, so a GiB of memory is an entry of the node below.
    let window = (&raw mut BOOT_PDPT_LOW).cast::<u64>();
    let has_large = __cpuid(0x8000_0001).edx & 1 << 26 != 0;
    for part in ram {
        let part = part.start.max(DEVICE_MAP_LEN)..part.end.min(DIRECT_MAP_LEN);
        for start in (part.start & !(GIB - 1)..part.end).step_by(GIB) {
            // SAFETY: inside the node, which is ours, and boot code alone runs.
            let slot = unsafe { window.add(start / GIB) };
            if has_large && part.start <= start && start + GIB <= part.end {
                // SAFETY: as above; the whole GiB is RAM.
                unsafe { slot.write_volatile(start as u64 | LARGE_LEAF) };
                continue;
            }
            // SAFETY: as above.
            let mut node = unsafe { slot.read_volatile() };
            if node == 0 {
                let table = Box::leak(Box::new(Table([0; 512])));
                node = ((&raw const *table) as usize - KERNEL_OFFSET) as u64 | NODE;
                // SAFETY: as above; the heap's first memory is the image's own.
                unsafe { slot.write_volatile(node) };
            }
            let table = (DIRECT_MAP + (node & !0xfff) as usize) as *mut u64;
            let within = part.start.max(start) & !(LARGE - 1)..part.end.min(start + GIB);
            for at in within.step_by(LARGE) {
                // SAFETY: the node made above or for an earlier part of the same GiB.
                unsafe { table.add(at / LARGE % ENTRIES).write_volatile(at as u64 | LARGE_LEAF) };
            }
        }
    }
}

/// The physical memory that the image takes.
pub(crate) fn image() -> Range<usize> {
    IMAGE_START..(&raw const image_end) as usize - KERNEL_OFFSET
}

/// How many levels a tree has.
pub(crate) const fn levels() -> usize {
    LEVELS
}

/// The root without programs.
pub(crate) fn kernel_root() -> Paddr {
    Paddr::new((&raw const BOOT_PML4) as usize - KERNEL_OFFSET)
}

/// Makes `root` the address space in force.
///
/// # Safety
/// 1. Its kernel half is the kernel's, and stays until another root is set.
pub(crate) unsafe fn set_root(root: Paddr) {
    // SAFETY: the caller's promise.
    unsafe { asm!("mov cr3, {}", in(reg) root.as_usize(), options(nostack, preserves_flags)) };
}

/// Forgets one page.
pub(crate) fn flush_page(at: Vaddr) {
    // SAFETY: forgetting is harmless.
    unsafe { asm!("invlpg [{}]", in(reg) at.as_usize(), options(nostack, preserves_flags)) };
}

/// Forgets every page.
pub(crate) fn flush_all() {
    // SAFETY: forgetting is harmless.
    unsafe { asm!("mov {t}, cr3", "mov cr3, {t}", t = out(reg) _, options(nostack, preserves_flags)) };
}

fn upper_half(root: Paddr) -> *mut u64 {
    ((DIRECT_MAP + root.as_usize()) as *mut u64).wrapping_add(ENTRIES / 2)
}

/// Gives a new address space the kernel's half.
///
/// # Safety
/// 1. `root` is a node that nobody else uses.
pub(crate) unsafe fn share_kernel_half(root: Paddr) {
    let ours = (&raw const BOOT_PML4).cast::<u64>().wrapping_add(ENTRIES / 2);
    // SAFETY: the caller's promise; both are half a node long.
    unsafe { core::ptr::copy_nonoverlapping(ours, upper_half(root), ENTRIES / 2) };
}

/// Takes it back.
///
/// # Safety
/// 1. `root` is a node that no CPU has in force.
pub(crate) unsafe fn unshare_kernel_half(root: Paddr) {
    // SAFETY: the caller's promise.
    unsafe { core::ptr::write_bytes(upper_half(root), 0, ENTRIES / 2) };
}
