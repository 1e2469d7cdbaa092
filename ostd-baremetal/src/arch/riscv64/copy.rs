//! Reaching user memory at its own addresses. Each instruction that may be refused has a way out in `.fixups`.
//!
//! `sstatus.SUM` says that user memory is meant; it is set for these few instructions alone, with interrupts kept away, so
//! that no handler inherits it.
#![expect(unsafe_code, reason = "reads and writes user memory by its addresses")]

use core::arch::naked_asm;

use crate::fixup::fixup;

/// Supervisor user memory access, in `sstatus`.
const SUM: usize = 1 << 18;

/// Begins what uses user memory.
macro_rules! user_begin {
    () => {
        "li t0, {sum}; csrs sstatus, t0"
    };
}

/// Ends it.
macro_rules! user_end {
    () => {
        "li t0, {sum}; csrc sstatus, t0"
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
        "li t3, 8",
        // Words where both ends are aligned alike; bytes in front, behind, and otherwise.
        "xor t1, a0, a1",
        "andi t1, t1, 7",
        "bnez t1, 6f",
        "2:",
        "andi t1, a0, 7",
        "beqz t1, 5f",
        "beqz a2, 8f",
        "3:",
        "lb t2, 0(a1)",
        "4:",
        "sb t2, 0(a0)",
        "addi a1, a1, 1",
        "addi a0, a0, 1",
        "addi a2, a2, -1",
        "j 2b",
        "5:",
        "bltu a2, t3, 6f",
        "15:",
        "ld t2, 0(a1)",
        "16:",
        "sd t2, 0(a0)",
        "addi a1, a1, 8",
        "addi a0, a0, 8",
        "addi a2, a2, -8",
        "j 5b",
        "6:",
        "beqz a2, 8f",
        "17:",
        "lb t2, 0(a1)",
        "18:",
        "sb t2, 0(a0)",
        "addi a1, a1, 1",
        "addi a0, a0, 1",
        "addi a2, a2, -1",
        "j 6b",
        "8:",
        user_end!(),
        "mv a0, a2",
        "ret",
        fixup!("3b", "8b"),
        fixup!("4b", "8b"),
        fixup!("15b", "8b"),
        fixup!("16b", "8b"),
        fixup!("17b", "8b"),
        fixup!("18b", "8b"),
        sum = const SUM,
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
        ".option push",
        ".option arch, +m",
        user_begin!(),
        "li t3, 8",
        "li t2, 0x0101010101010101",
        "andi a1, a1, 0xff",
        "mul a1, a1, t2",
        "2:",
        "andi t1, a0, 7",
        "beqz t1, 4f",
        "beqz a2, 8f",
        "3:",
        "sb a1, 0(a0)",
        "addi a0, a0, 1",
        "addi a2, a2, -1",
        "j 2b",
        "4:",
        "bltu a2, t3, 6f",
        "5:",
        "sd a1, 0(a0)",
        "addi a0, a0, 8",
        "addi a2, a2, -8",
        "j 4b",
        "6:",
        "beqz a2, 8f",
        "7:",
        "sb a1, 0(a0)",
        "addi a0, a0, 1",
        "addi a2, a2, -1",
        "j 6b",
        "8:",
        user_end!(),
        "mv a0, a2",
        "ret",
        fixup!("3b", "8b"),
        fixup!("5b", "8b"),
        fixup!("7b", "8b"),
        ".option pop",
        sum = const SUM,
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
        "fence rw, rw",
        "2:",
        "lwu a0, 0(a0)",
        "fence r, rw",
        user_end!(),
        "ret",
        "3:",
        "li a0, -1",
        user_end!(),
        "ret",
        fixup!("2b", "3b"),
        sum = const SUM,
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
        ".option push",
        ".option arch, +a",
        user_begin!(),
        "sext.w a1, a1",
        "2:",
        "lr.w.aqrl t1, (a0)",
        "mv t2, a2",
        "beq t1, a1, 3f",
        "mv t2, t1",
        "3:",
        "sc.w.aqrl t3, t2, (a0)",
        "bnez t3, 2b",
        "slli a0, t1, 32",
        "srli a0, a0, 32",
        user_end!(),
        "ret",
        "4:",
        "li a0, -1",
        user_end!(),
        "ret",
        fixup!("2b", "4b"),
        fixup!("3b", "4b"),
        ".option pop",
        sum = const SUM,
    )
}
