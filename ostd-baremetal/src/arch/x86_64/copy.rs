//! Reaching user memory at its own addresses. Each instruction that may be refused has a way out in `.fixups`.
//!
//! Where the CPU has SMAP, the flag AC says that user memory is meant; it is set for these few instructions alone, with
//! interrupts kept away, so that no handler inherits it.
#![expect(unsafe_code, reason = "reads and writes user memory by its addresses")]

use core::arch::naked_asm;
use core::sync::atomic::AtomicBool;

use crate::fixup::fixup;

/// Whether the CPU has SMAP; found out at boot.
pub(super) static GUARDED: AtomicBool = AtomicBool::new(false);

/// Begins what uses user memory.
macro_rules! user_begin {
    () => {
        "cmp byte ptr [rip + {guarded}], 0; je 77f; stac; 77:"
    };
}

/// Ends it.
macro_rules! user_end {
    () => {
        "cmp byte ptr [rip + {guarded}], 0; je 78f; clac; 78:"
    };
}

/// Copies `len` bytes, one end of which is a program's; answers how many at the end were refused.
///
/// # Safety
/// 1. The kernel's end of the copy is valid for `len` bytes. The program's lies below `user_end()`.
/// 2. Interrupts are kept away.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn user_copy(to: usize, from: usize, len: usize) -> usize {
    naked_asm!(
        user_begin!(),
        "mov rcx, rdx",
        "and edx, 7",
        "shr rcx, 3",
        "2:",
        "rep movsq",
        "mov ecx, edx",
        "3:",
        "rep movsb",
        "4:",
        "mov rax, rcx",
        user_end!(),
        "ret",
        // Words refused count eight, and the bytes behind them were not tried.
        "5:",
        "lea rcx, [rdx + rcx * 8]",
        "jmp 4b",
        fixup!("2b", "5b"),
        fixup!("3b", "4b"),
        guarded = sym GUARDED,
    )
}

/// Sets `len` bytes of a program's to `byte`; answers how many at the end were refused.
///
/// # Safety
/// 1. The range lies below `user_end()`.
/// 2. Interrupts are kept away.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn user_set(to: usize, byte: u8, len: usize) -> usize {
    naked_asm!(
        user_begin!(),
        "movzx eax, sil",
        "movabs rcx, 0x0101010101010101",
        "imul rax, rcx",
        "mov rcx, rdx",
        "and edx, 7",
        "shr rcx, 3",
        "2:",
        "rep stosq",
        "mov ecx, edx",
        "3:",
        "rep stosb",
        "4:",
        "mov rax, rcx",
        user_end!(),
        "ret",
        "5:",
        "lea rcx, [rdx + rcx * 8]",
        "jmp 4b",
        fixup!("2b", "5b"),
        fixup!("3b", "4b"),
        guarded = sym GUARDED,
    )
}

/// The aligned word at `at`, whose upper half is zero; all ones if it was refused.
///
/// # Safety
/// 1. As for [`user_set`].
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn user_word_load(at: usize) -> u64 {
    naked_asm!(
        user_begin!(),
        "2:",
        "mov eax, [rdi]",
        user_end!(),
        "ret",
        "3:",
        "mov rax, -1",
        user_end!(),
        "ret",
        fixup!("2b", "3b"),
        guarded = sym GUARDED,
    )
}

/// Compares the aligned word at `at` with `old`, writes `new` if equal; what was there, as for [`user_word_load`]. It is
/// a write in either case.
///
/// # Safety
/// 1. As for [`user_set`].
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn user_word_exchange(at: usize, old: u32, new: u32) -> u64 {
    naked_asm!(
        user_begin!(),
        "mov eax, esi",
        "2:",
        "lock cmpxchg dword ptr [rdi], edx",
        user_end!(),
        // Zeroes the upper half, whatever the exchange left there.
        "mov eax, eax",
        "ret",
        "3:",
        "mov rax, -1",
        user_end!(),
        "ret",
        fixup!("2b", "3b"),
        guarded = sym GUARDED,
    )
}
