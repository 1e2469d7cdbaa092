//! x86-64: the system call, the copy, the start of a program and of a child, the return from a handler.
#![expect(unsafe_code, reason = "makes raw system calls")]

use core::arch::{asm, global_asm};

use kernel_abi::Arch;

/// Whose numbers count.
pub(crate) const ARCH: Arch = Arch::X86_64;

/// Makes a system call and returns what the register held afterwards.
pub(crate) fn syscall(number: usize, args: [usize; 6]) -> usize {
    let result;
    // SAFETY: the call leaves Rust's registers alone but for those named; what it does to the process is the caller's
    // declared wish.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5], lateout("rcx") _, lateout("r11") _,
            options(nostack));
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
        asm!("syscall", "test rax, rax", "jnz 2f", "xor ebp, ebp", "mov rdi, r12", "mov rsi, r13", "call r14", "ud2",
            "2:", inlateout("rax") number => result, in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5], in("r12") run, in("r13") arg,
            in("r14") start as *const (), lateout("rcx") _, lateout("r11") _);
    }
    result
}

/// Copies bytes one way with the processor's own instruction: a wild address is this process's SIGSEGV.
///
/// # Safety
/// 1. `to` holds nothing that Rust relies on, or is exclusively the caller's.
pub(crate) unsafe fn copy(to: usize, from: usize, len: usize) {
    // SAFETY: by the caller's promise; the registers are named.
    unsafe { asm!("rep movsb", inout("rdi") to => _, inout("rsi") from => _, inout("rcx") len => _, options(nostack)) }
}

global_asm!(".globl orrery_guest_restorer", "orrery_guest_restorer:", "mov eax, 15", "syscall", "ud2");

unsafe extern "C" {
    fn orrery_guest_restorer();
}

/// What `sa_restorer` is to be.
pub(crate) fn restorer() -> usize {
    (orrery_guest_restorer as unsafe extern "C" fn() as *const ()).expose_provenance()
}

// The kernel enters with the stack pointer at the argument count and nothing else said.
#[cfg(target_os = "none")]
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {begin}",
    "ud2",
    begin = sym crate::start::begin,
);
