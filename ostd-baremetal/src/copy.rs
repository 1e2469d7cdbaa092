//! Copies to and from user memory.
//!
//! In the address space in force they go to the program's own addresses, and the paging unit is whom they ask. What it
//! refuses is asked again of the page tables, by a walk: a CPU may remember an entry that has changed since, and some ask
//! for bits that others set themselves. Whatever the walk allows is reached through the window on physical memory. So are
//! the spaces that are not in force, of which a kernel uses little (execve's new one, a traced program's): that is
//! simpler than to put them in force for a moment and forget everything twice.
//!
//! Interrupts are kept away for each page: a CPU that makes others forget an entry waits for their answer, and a frame
//! is freed only behind it; and the space in force stays so.
#![expect(unsafe_code, reason = "copies bytes between programs' memory and the kernel's")]

use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use ostd_hal::hal::CopyFault;
use ostd_hal::walk::translate_levels;
use ostd_hal::{Access, PAGE_SIZE, Paddr, PageFault, PageFlags, Vaddr};

use crate::{arch, cpus};

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

/// What a copy does with user memory.
#[derive(Clone, Copy)]
pub(crate) enum Copy {
    /// Reads it to here.
    Read(*mut u8),
    /// Writes it from here.
    Write(*const u8),
    /// Sets it to a byte.
    Fill(u8),
}

impl Copy {
    fn access(self) -> Access {
        match self {
            Self::Read(_) => Access::Read,
            Self::Write(_) | Self::Fill(_) => Access::Write,
        }
    }

    /// Does the bytes from `offset` on at the program's address `at`; how many were done.
    ///
    /// # Safety
    /// 1. The kernel's end is valid for `offset + len` bytes.
    /// 2. User memory ends behind `at + len`, and interrupts are kept away.
    unsafe fn directly(self, at: usize, offset: usize, len: usize) -> usize {
        let refused = match self {
            // SAFETY: the caller's promise.
            Self::Read(into) => unsafe { arch::user_copy(into as usize + offset, at, len) },
            // SAFETY: the caller's promise.
            Self::Write(from) => unsafe { arch::user_copy(at, from as usize + offset, len) },
            // SAFETY: the caller's promise.
            Self::Fill(byte) => unsafe { arch::user_set(at, byte, len) },
        };
        len - refused
    }

    /// The same for bytes in the window.
    ///
    /// # Safety
    /// 1. The kernel's end is valid for `offset + len` bytes, and `place` for `len`.
    unsafe fn through(self, place: *mut u8, offset: usize, len: usize) {
        match self {
            // SAFETY: the caller's promise. Programs may write the bytes meanwhile; nobody has a reference to them.
            Self::Read(into) => unsafe { ptr::copy(place, into.add(offset), len) },
            // SAFETY: as above.
            Self::Write(from) => unsafe { ptr::copy(from.add(offset), place, len) },
            // SAFETY: as above.
            Self::Fill(byte) => unsafe { ptr::write_bytes(place, byte, len) },
        }
    }
}

fn refused(at: Vaddr, access: Access) -> PageFault {
    PageFault { addr: at, access }
}

/// Whether programs may use `at` at all, and whether it means what it does under `root` on this CPU.
fn in_force(root: Paddr, at: Vaddr) -> bool {
    cpus::is_in_force(root) && at.as_usize() < arch::user_end()
}

/// The byte that programs under `root` see at `at`, if `access` is allowed there.
fn user_byte(root: Paddr, at: Vaddr, access: Access) -> Result<*mut u8, PageFault> {
    let refused = refused(at, access);
    if at.as_usize() >= arch::user_end() {
        return Err(refused);
    }
    let load = |at| word(at).load(Ordering::Acquire);
    let found = translate_levels::<arch::Entry>(load, arch::levels(), root, at).ok_or(refused)?;
    let needed = if access == Access::Write { PageFlags::USER | PageFlags::WRITE } else { PageFlags::USER };
    if found.flags.contains(needed) { Ok(window(found.page + at.page_offset())) } else { Err(refused) }
}

/// Copies `len` bytes at `at` under `root`.
///
/// # Safety
/// 1. The kernel's end is valid for `len` bytes. Programs may use it at the same time.
pub(crate) unsafe fn copy(root: Paddr, at: Vaddr, len: usize, what: Copy) -> Result<(), CopyFault> {
    let mut done = 0;
    while done < len {
        let here = at.checked_add(done).ok_or(CopyFault { done, fault: refused(at, what.access()) })?;
        let piece = (PAGE_SIZE - here.page_offset()).min(len - done);
        // SAFETY: the caller's promise.
        let copied = quietly(root, || unsafe { copy_in_page(root, here, done, piece, what) });
        done += copied.map_err(|fault| CopyFault { done, fault })?;
    }
    Ok(())
}

/// Copies what lies in one page, or a part of it; answers how much.
///
/// # Safety
/// 1. As for [`Copy::directly`]'s first.
/// 2. Interrupts are kept away, and the range does not leave the page.
unsafe fn copy_in_page(root: Paddr, at: Vaddr, offset: usize, len: usize, what: Copy) -> Result<usize, PageFault> {
    if in_force(root, at) {
        // SAFETY: the caller's promise; user memory ends with a page.
        let done = unsafe { what.directly(at.as_usize(), offset, len) };
        if done > 0 {
            return Ok(done);
        }
        arch::flush_page(at);
    }
    let place = user_byte(root, at, what.access())?;
    // SAFETY: the caller's promise; `place` has the rest of a mapped frame behind it.
    unsafe { what.through(place, offset, len) };
    Ok(len)
}

/// Reads the aligned word at `at`.
pub(crate) fn word_load(root: Paddr, at: Vaddr) -> Result<u32, PageFault> {
    // SAFETY: below the end of user memory, with interrupts kept away.
    let direct = || unsafe { arch::user_word_load(at.as_usize()) };
    user_word(root, at, Access::Read, direct, |word| word.load(Ordering::SeqCst))
}

/// Replaces the aligned word at `at` by `new` if it is `old`; what it was.
pub(crate) fn word_exchange(root: Paddr, at: Vaddr, old: u32, new: u32) -> Result<u32, PageFault> {
    // SAFETY: as above.
    let direct = || unsafe { arch::user_word_exchange(at.as_usize(), old, new) };
    user_word(root, at, Access::Write, direct, |word| {
        match word.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(was) | Err(was) => was,
        }
    })
}

/// Does something to the aligned word at `at`: `directly`, which answers more than 32 bits if it was refused, or in the
/// window.
fn user_word(
    root: Paddr,
    at: Vaddr,
    access: Access,
    directly: impl FnOnce() -> u64,
    through: impl FnOnce(&AtomicU32) -> u32,
) -> Result<u32, PageFault> {
    quietly(root, || {
        if in_force(root, at) {
            if let Ok(value) = u32::try_from(directly()) {
                return Ok(value);
            }
            arch::flush_page(at);
        }
        let byte = user_byte(root, at, access)?;
        // SAFETY: aligned by the waist's contract, inside a mapped frame; programs race on it by atomics or lose.
        Ok(through(unsafe { AtomicU32::from_ptr(byte.cast()) }))
    })
}

fn quietly<R>(root: Paddr, what: impl FnOnce() -> R) -> R {
    let before = arch::interrupts_disable();
    let answer = cpus::walking(root, what);
    if before {
        arch::interrupts_enable();
    }
    answer
}
