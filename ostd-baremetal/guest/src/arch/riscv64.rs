//! RISC-V: the system call, the copy, the start of a program and of a child.
#![expect(unsafe_code, reason = "makes raw system calls")]

use core::arch::{asm, global_asm};

use kernel_abi::Arch;

/// Whose numbers count.
pub(crate) const ARCH: Arch = Arch::Riscv64;

/// Makes a system call and returns what the register held afterwards.
pub(crate) fn syscall(number: usize, args: [usize; 6]) -> usize {
    let result;
    // SAFETY: the call leaves Rust's registers alone but for those named; what it does to the process is the caller's
    // declared wish.
    unsafe {
        asm!("ecall", inlateout("a0") args[0] => result, in("a1") args[1], in("a2") args[2], in("a3") args[3],
            in("a4") args[4], in("a5") args[5], in("a7") number, options(nostack));
    }
    result
}

/// Makes a system call whose child, which sees zero, calls `start(run, arg)`.
///
/// # Safety
/// 1. `start` does not return.
/// 2. The child has memory of its own, or a stack of its own that the call names, or its parent waits for it.
pub(crate) unsafe fn syscall_with_child(
    number: usize,
    args: [usize; 6],
    start: extern "C" fn(usize, usize) -> !,
    run: usize,
    arg: usize,
) -> usize {
    let result;
    // SAFETY: the parent goes on behind the label; the child never does, and what is on its stack below this frame, or
    // on an empty stack, is nobody else's, by the caller's promise.
    unsafe {
        asm!("ecall", "bnez a0, 2f", "mv s0, zero", "mv a0, s2", "mv a1, s3", "jalr s4", "unimp", "2:",
            inlateout("a0") args[0] => result, in("a1") args[1], in("a2") args[2], in("a3") args[3],
            in("a4") args[4], in("a5") args[5], in("a7") number, in("s2") run, in("s3") arg,
            in("s4") start as *const ());
    }
    result
}

/// Copies bytes one way, a byte at a time: a wild address is this process's SIGSEGV.
///
/// # Safety
/// 1. `to` holds nothing that Rust relies on, or is exclusively the caller's.
pub(crate) unsafe fn copy(to: usize, from: usize, len: usize) {
    // SAFETY: by the caller's promise; the registers are named.
    unsafe {
        asm!("beqz {len}, 3f", "2:", "lbu {byte}, 0({from})", "sb {byte}, 0({to})", "addi {from}, {from}, 1",
            "addi {to}, {to}, 1", "addi {len}, {len}, -1", "bnez {len}, 2b", "3:", to = inout(reg) to => _,
            from = inout(reg) from => _, len = inout(reg) len => _, byte = out(reg) _, options(nostack));
    }
}

/// There is no `sa_restorer` here: a handler returns to instructions that the kernel maps.
pub(crate) fn restorer() -> usize {
    0
}

// The kernel enters with the stack pointer at the argument count and nothing else said.
#[cfg(target_os = "none")]
global_asm!(
    ".globl _start",
    "_start:",
    "mv a0, sp",
    "mv s0, zero",
    "mv ra, zero",
    "andi sp, sp, -16",
    "call {begin}",
    "unimp",
    begin = sym crate::start::begin,
);
