//! Copies to and from user memory: a walk of the page tables, then a copy through the window on physical memory, so that
//! no address of a program is ever used as one. Works for every address space, in force or not.
//!
//! Interrupts are kept away for each page: a CPU that makes others forget an entry waits for their answer, and a frame
//! is freed only behind it.
#![expect(unsafe_code, reason = "copies bytes between programs' memory and the kernel's")]

use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use ostd_hal::hal::CopyFault;
use ostd_hal::walk::translate;
use ostd_hal::{Access, PAGE_SIZE, Paddr, PageFault, PageFlags, Vaddr};

use crate::arch;

/// Where the byte at `at` can be reached.
pub(crate) fn window(at: Paddr) -> *mut u8 {
    (arch::DIRECT_MAP + at.as_usize()) as *mut u8
}

/// The aligned word at `at`.
pub(crate) fn word(at: Paddr) -> &'static AtomicU64 {
    assert!(at.as_usize() < arch::DIRECT_MAP_LEN && at.as_usize().is_multiple_of(8), "no word of memory is at {at}");
    // SAFETY: memory inside the window, always mapped; ostd shares page tables by atomic words only.
    unsafe { AtomicU64::from_ptr(window(at).cast()) }
}

/// The byte that programs under `root` see at `at`, if `access` is allowed there.
fn user_byte(root: Paddr, at: Vaddr, access: Access) -> Result<*mut u8, PageFault> {
    let refused = PageFault { addr: at, access };
    if at.as_usize() >= arch::USER_END {
        return Err(refused);
    }
    let load = |at| word(at).load(Ordering::Acquire);
    let found = translate::<arch::Entry>(load, root, at).ok_or(refused)?;
    let needed = if access == Access::Write { PageFlags::USER | PageFlags::WRITE } else { PageFlags::USER };
    if found.flags.contains(needed) { Ok(window(found.page + at.page_offset())) } else { Err(refused) }
}

/// Calls `each` with every piece of `[at, at + len)` that lies in one page: its place, its offset from the start, its
/// length.
pub(crate) fn each_page(
    root: Paddr,
    at: Vaddr,
    len: usize,
    access: Access,
    mut each: impl FnMut(*mut u8, usize, usize),
) -> Result<(), CopyFault> {
    let mut done = 0;
    while done < len {
        let here = at.checked_add(done).ok_or(CopyFault { done, fault: PageFault { addr: at, access } })?;
        let piece = (PAGE_SIZE - here.page_offset()).min(len - done);
        let copied = quietly(|| user_byte(root, here, access).map(|byte| each(byte, done, piece)));
        copied.map_err(|fault| CopyFault { done, fault })?;
        done += piece;
    }
    Ok(())
}

/// Copies bytes that a program may be writing.
///
/// # Safety
/// 1. Both ranges of `len` bytes are valid; if they overlap they are equal.
pub(crate) unsafe fn copy_bytes(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's promise. The two are never known to the compiler to be anything but bytes at addresses.
    unsafe { ptr::copy(from, to, len) };
}

/// Does something to the aligned word at `at`.
pub(crate) fn user_word<R>(
    root: Paddr,
    at: Vaddr,
    access: Access,
    with: impl FnOnce(&AtomicU32) -> R,
) -> Result<R, PageFault> {
    quietly(|| {
        let byte = user_byte(root, at, access)?;
        // SAFETY: aligned by the waist's contract, inside a mapped frame; programs race on it by atomics or lose.
        Ok(with(unsafe { AtomicU32::from_ptr(byte.cast()) }))
    })
}

fn quietly<R>(what: impl FnOnce() -> R) -> R {
    let before = arch::interrupts_disable();
    let answer = what();
    if before {
        arch::interrupts_enable();
    }
    answer
}
