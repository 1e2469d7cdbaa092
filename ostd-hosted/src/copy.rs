//! Copies to and from user memory: a software walk per page, then a copy that may race with the program.
#![expect(unsafe_code, reason = "copies bytes between the machine's memory and the kernel's")]

use std::sync::atomic::{AtomicU32, Ordering};

use ostd_hal::hal::CopyFault;
use ostd_hal::user::{Access, PageFault};
use ostd_hal::walk::translate;
use ostd_hal::{Hal as _, PAGE_SIZE, Paddr, PageFlags, Vaddr};

use crate::hosted::{Entry, Hosted};

impl Hosted {
    /// The byte of the machine's memory that user code under `root` sees at `at`, if `access` is allowed there.
    pub(crate) fn user_byte(&self, root: Paddr, at: Vaddr, access: Access) -> Result<*mut u8, PageFault> {
        let refused = PageFault { addr: at, access };
        if at >= self.user_end() {
            return Err(refused);
        }
        let found = translate::<Entry>(|word| self.word_load(word), root, at).ok_or(refused)?;
        let needed = PageFlags::USER
            | match access {
                Access::Read => PageFlags::empty(),
                Access::Write => PageFlags::WRITE,
                Access::Execute => PageFlags::EXECUTE,
            };
        if found.flags.contains(needed) { Ok(self.phys_to_virt(found.page + at.page_offset())) } else { Err(refused) }
    }

    /// Calls `each` with every piece of `[at, at + len)` that lies in one page: its place in memory, its offset from
    /// the start, its length.
    pub(crate) fn each_page(
        &self,
        root: Paddr,
        at: Vaddr,
        len: usize,
        access: Access,
        mut each: impl FnMut(*mut u8, usize, usize),
    ) -> Result<(), CopyFault> {
        let mut done = 0;
        while done < len {
            let here = at.checked_add(done).ok_or(CopyFault { done, fault: PageFault { addr: at, access } })?;
            let byte = self.user_byte(root, here, access).map_err(|fault| CopyFault { done, fault })?;
            let piece = (PAGE_SIZE - here.page_offset()).min(len - done);
            each(byte, done, piece);
            done += piece;
        }
        Ok(())
    }

    pub(crate) fn copy_in(&self, root: Paddr, from: Vaddr, into: *mut u8, len: usize) -> Result<(), CopyFault> {
        self.each_page(root, from, len, Access::Read, |byte, offset, piece| {
            // SAFETY: `byte` has `piece` bytes of a mapped frame behind it; `into` has `len` by the waist's contract.
            unsafe { copy_bytes(byte, into.add(offset), piece) };
        })
    }

    pub(crate) fn copy_out(&self, root: Paddr, to: Vaddr, from: *const u8, len: usize) -> Result<(), CopyFault> {
        self.each_page(root, to, len, Access::Write, |byte, offset, piece| {
            // SAFETY: as in `copy_in`, the other way round.
            unsafe { copy_bytes(from.add(offset), byte, piece) };
        })
    }

    pub(crate) fn fill_out(&self, root: Paddr, to: Vaddr, value: u8, len: usize) -> Result<(), CopyFault> {
        self.each_page(root, to, len, Access::Write, |byte, _, piece| {
            // SAFETY: `byte` has `piece` bytes of a mapped frame behind it.
            unsafe { std::ptr::write_bytes(byte, value, piece) };
        })
    }

    pub(crate) fn user_word(&self, root: Paddr, at: Vaddr, access: Access) -> Result<&AtomicU32, PageFault> {
        let byte = self.user_byte(root, at, access)?;
        // SAFETY: aligned by the caller's contract, inside a mapped frame; programs race on it by atomics or lose.
        Ok(unsafe { AtomicU32::from_ptr(byte.cast()) })
    }

    pub(crate) fn word_compare_exchange(&self, root: Paddr, at: Vaddr, old: u32, new: u32) -> Result<u32, PageFault> {
        let word = self.user_word(root, at, Access::Write)?;
        Ok(match word.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(was) | Err(was) => was,
        })
    }
}

/// Copies bytes that others may be writing: in assembly, where a race is not undefined.
///
/// # Safety
/// 1. Both ranges of `len` bytes are valid; if they overlap they are equal.
#[cfg(target_arch = "x86_64")]
pub(crate) unsafe fn copy_bytes(from: *const u8, to: *mut u8, len: usize) {
    // A string instruction takes long to begin. What is short is loaded whole, from both ends, which may share some bytes.
    match len {
        // SAFETY: the caller's promise.
        8..=16 => unsafe {
            std::arch::asm!(
                "mov {first}, qword ptr [{from}]", "mov {last}, qword ptr [{from} + {len} - 8]",
                "mov qword ptr [{to}], {first}", "mov qword ptr [{to} + {len} - 8], {last}",
                first = out(reg) _, last = out(reg) _, from = in(reg) from, to = in(reg) to, len = in(reg) len,
                options(nostack, preserves_flags),
            );
        },
        // SAFETY: as above.
        4..=7 => unsafe {
            std::arch::asm!(
                "mov {first:e}, dword ptr [{from}]", "mov {last:e}, dword ptr [{from} + {len} - 4]",
                "mov dword ptr [{to}], {first:e}", "mov dword ptr [{to} + {len} - 4], {last:e}",
                first = out(reg) _, last = out(reg) _, from = in(reg) from, to = in(reg) to, len = in(reg) len,
                options(nostack, preserves_flags),
            );
        },
        // SAFETY: as above.
        17..=32 => unsafe {
            std::arch::asm!(
                "movups {first}, xmmword ptr [{from}]", "movups {last}, xmmword ptr [{from} + {len} - 16]",
                "movups xmmword ptr [{to}], {first}", "movups xmmword ptr [{to} + {len} - 16], {last}",
                first = out(xmm_reg) _, last = out(xmm_reg) _, from = in(reg) from, to = in(reg) to, len = in(reg) len,
                options(nostack, preserves_flags),
            );
        },
        // SAFETY: as above.
        33..=64 => unsafe {
            std::arch::asm!(
                "movups {first}, xmmword ptr [{from}]", "movups {second}, xmmword ptr [{from} + 16]",
                "movups {third}, xmmword ptr [{from} + {len} - 32]", "movups {last}, xmmword ptr [{from} + {len} - 16]",
                "movups xmmword ptr [{to}], {first}", "movups xmmword ptr [{to} + 16], {second}",
                "movups xmmword ptr [{to} + {len} - 32], {third}", "movups xmmword ptr [{to} + {len} - 16], {last}",
                first = out(xmm_reg) _, second = out(xmm_reg) _, third = out(xmm_reg) _, last = out(xmm_reg) _,
                from = in(reg) from, to = in(reg) to, len = in(reg) len,
                options(nostack, preserves_flags),
            );
        },
        // SAFETY: as above; the direction flag is clear by the ABI.
        _ => unsafe {
            std::arch::asm!(
                "rep movsb",
                inout("rcx") len => _, inout("rsi") from => _, inout("rdi") to => _,
                options(nostack, preserves_flags),
            );
        },
    }
}

/// Copies bytes that others may be writing: byte by byte, volatile, where there is no assembly for it.
///
/// # Safety
/// 1. Both ranges of `len` bytes are valid; if they overlap they are equal.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) unsafe fn copy_bytes(from: *const u8, to: *mut u8, len: usize) {
    for i in 0..len {
        // SAFETY: the caller's promise.
        unsafe { to.add(i).write_volatile(from.add(i).read_volatile()) };
    }
}
