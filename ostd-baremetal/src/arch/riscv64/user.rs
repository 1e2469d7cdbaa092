//! User mode: into it by `sret`, out of it by a trap. And the switch of kernel stacks.
#![expect(unsafe_code, reason = "enters user mode and switches stacks")]

use core::arch::naked_asm;
use core::mem::offset_of;

use ostd_hal::user::{Access, Exception, PageFault};
use ostd_hal::{SyscallFrame, Trap, UserState, Vaddr};

use super::cpu::PerCpu;
use super::{Regs, flush_page, trap};

/// Bytes of the stack frame that keeps what a call must keep: ra and s0 to s11, rounded up.
const FRAME_LEN: usize = 112;
const ECALL_LEN: u64 = 4;

/// What left user mode: `scause` and `stval`.
#[repr(C)]
struct Left {
    cause: usize,
    value: usize,
}

/// Runs the program until it traps. Called with interrupts kept away; returns so.
///
/// # Safety
/// 1. The address space in force is the program's, and its kernel half is the kernel's.
pub(crate) unsafe fn user_run(state: &mut UserState<Regs>) -> Trap {
    let regs = &mut state.regs;
    // What the kernel wrote since may be code: file pages, trampolines.
    // SAFETY: forgetting instructions is harmless.
    unsafe { core::arch::asm!("fence.i", options(nostack)) };
    // SAFETY: `regs` is ours until the program is left; the address space is the caller's promise.
    let left = unsafe { enter(regs) };
    let at = Vaddr::new(left.value);
    let refused = |access| {
        // The hart may remember that nothing was mapped there, and would refuse it again.
        flush_page(at);
        Trap::PageFault(PageFault { addr: at, access })
    };
    regs.orig_a0 = regs.x[10];
    let trap = match left.cause {
        cause if trap::deliver(cause) => Trap::Interrupt,
        8 => {
            regs.pc = regs.pc.wrapping_add(ECALL_LEN);
            Trap::Syscall
        }
        12 => refused(Access::Execute),
        13 => refused(Access::Read),
        15 => refused(Access::Write),
        2 => Trap::Exception(Exception::InvalidInstruction),
        3 => Trap::Exception(Exception::Breakpoint),
        0 | 4 | 6 => Trap::Exception(Exception::Alignment(at)),
        _ => Trap::Exception(Exception::Bus(at)),
    };
    state.frame = SyscallFrame {
        number: regs.x[17] as usize,
        args: core::array::from_fn(|i| regs.x[10 + i] as usize),
        ip: regs.pc as usize,
        sp: regs.x[2] as usize,
    };
    trap
}

/// Enters user mode with `regs`; returns when it is left. `sstatus`: previous mode user, interrupts let through there.
///
/// # Safety
/// 1. `regs` stays valid and unborrowed until the return.
#[unsafe(naked)]
unsafe extern "C" fn enter(regs: *mut Regs) -> Left {
    naked_asm!(
        "addi sp, sp, -{frame}",
        "sd ra, 0(sp)",
        "sd s0, 8(sp)",
        "sd s1, 16(sp)",
        "sd s2, 24(sp)",
        "sd s3, 32(sp)",
        "sd s4, 40(sp)",
        "sd s5, 48(sp)",
        "sd s6, 56(sp)",
        "sd s7, 64(sp)",
        "sd s8, 72(sp)",
        "sd s9, 80(sp)",
        "sd s10, 88(sp)",
        "sd s11, 96(sp)",
        "sd sp, {kernel_stack}(tp)",
        "sd a0, {user_regs}(tp)",
        "csrw sscratch, tp",
        "ld t0, {pc}(a0)",
        "csrw sepc, t0",
        "li t0, 0x100",
        "csrc sstatus, t0",
        "li t0, 0x20",
        "csrs sstatus, t0",
        "ld x1, 8(a0)",
        "ld x2, 16(a0)",
        "ld x3, 24(a0)",
        "ld x4, 32(a0)",
        "ld x5, 40(a0)",
        "ld x6, 48(a0)",
        "ld x7, 56(a0)",
        "ld x8, 64(a0)",
        "ld x9, 72(a0)",
        "ld x11, 88(a0)",
        "ld x12, 96(a0)",
        "ld x13, 104(a0)",
        "ld x14, 112(a0)",
        "ld x15, 120(a0)",
        "ld x16, 128(a0)",
        "ld x17, 136(a0)",
        "ld x18, 144(a0)",
        "ld x19, 152(a0)",
        "ld x20, 160(a0)",
        "ld x21, 168(a0)",
        "ld x22, 176(a0)",
        "ld x23, 184(a0)",
        "ld x24, 192(a0)",
        "ld x25, 200(a0)",
        "ld x26, 208(a0)",
        "ld x27, 216(a0)",
        "ld x28, 224(a0)",
        "ld x29, 232(a0)",
        "ld x30, 240(a0)",
        "ld x31, 248(a0)",
        "ld x10, 80(a0)",
        "sret",
        frame = const FRAME_LEN,
        kernel_stack = const offset_of!(PerCpu, kernel_stack),
        user_regs = const offset_of!(PerCpu, user_regs),
        pc = const offset_of!(Regs, pc),
    )
}

/// Where traps from user mode lead: `tp` is the hart's data; the program's `tp` is in `sscratch`, its `t0` in `scratch`.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn trap_from_user() {
    naked_asm!(
        "ld t0, {user_regs}(tp)",
        "sd x1, 8(t0)",
        "sd x2, 16(t0)",
        "sd x3, 24(t0)",
        "sd x6, 48(t0)",
        "sd x7, 56(t0)",
        "sd x8, 64(t0)",
        "sd x9, 72(t0)",
        "sd x10, 80(t0)",
        "sd x11, 88(t0)",
        "sd x12, 96(t0)",
        "sd x13, 104(t0)",
        "sd x14, 112(t0)",
        "sd x15, 120(t0)",
        "sd x16, 128(t0)",
        "sd x17, 136(t0)",
        "sd x18, 144(t0)",
        "sd x19, 152(t0)",
        "sd x20, 160(t0)",
        "sd x21, 168(t0)",
        "sd x22, 176(t0)",
        "sd x23, 184(t0)",
        "sd x24, 192(t0)",
        "sd x25, 200(t0)",
        "sd x26, 208(t0)",
        "sd x27, 216(t0)",
        "sd x28, 224(t0)",
        "sd x29, 232(t0)",
        "sd x30, 240(t0)",
        "sd x31, 248(t0)",
        "csrr t1, sscratch",
        "sd t1, 32(t0)",
        "ld t1, {scratch}(tp)",
        "sd t1, 40(t0)",
        "csrr t1, sepc",
        "sd t1, {pc}(t0)",
        "csrw sscratch, zero",
        "ld sp, {kernel_stack}(tp)",
        "ld ra, 0(sp)",
        "ld s0, 8(sp)",
        "ld s1, 16(sp)",
        "ld s2, 24(sp)",
        "ld s3, 32(sp)",
        "ld s4, 40(sp)",
        "ld s5, 48(sp)",
        "ld s6, 56(sp)",
        "ld s7, 64(sp)",
        "ld s8, 72(sp)",
        "ld s9, 80(sp)",
        "ld s10, 88(sp)",
        "ld s11, 96(sp)",
        "addi sp, sp, {frame}",
        "csrr a0, scause",
        "csrr a1, stval",
        "ret",
        frame = const FRAME_LEN,
        scratch = const offset_of!(PerCpu, scratch),
        user_regs = const offset_of!(PerCpu, user_regs),
        kernel_stack = const offset_of!(PerCpu, kernel_stack),
        pc = const offset_of!(Regs, pc),
    )
}

/// Leaves the stack in use for another: what must survive goes on the old one, whose top goes to `from`.
///
/// # Safety
/// 1. `to` came from `prepare_stack` or from an earlier switch, and is switched to once.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn switch_stack(from: *mut usize, to: usize) {
    naked_asm!(
        "addi sp, sp, -{frame}",
        "sd ra, 0(sp)",
        "sd s0, 8(sp)",
        "sd s1, 16(sp)",
        "sd s2, 24(sp)",
        "sd s3, 32(sp)",
        "sd s4, 40(sp)",
        "sd s5, 48(sp)",
        "sd s6, 56(sp)",
        "sd s7, 64(sp)",
        "sd s8, 72(sp)",
        "sd s9, 80(sp)",
        "sd s10, 88(sp)",
        "sd s11, 96(sp)",
        "sd sp, 0(a0)",
        "mv sp, a1",
        "ld ra, 0(sp)",
        "ld s0, 8(sp)",
        "ld s1, 16(sp)",
        "ld s2, 24(sp)",
        "ld s3, 32(sp)",
        "ld s4, 40(sp)",
        "ld s5, 48(sp)",
        "ld s6, 56(sp)",
        "ld s7, 64(sp)",
        "ld s8, 72(sp)",
        "ld s9, 80(sp)",
        "ld s10, 88(sp)",
        "ld s11, 96(sp)",
        "addi sp, sp, {frame}",
        "ret",
        frame = const FRAME_LEN,
    )
}

/// Calls `run(arg)` on the stack that ends at `top`.
///
/// # Safety
/// 1. The stack is ours; what it holds, and what the one in use holds, is nobody's any more.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn call_on(top: usize, run: extern "C" fn(usize) -> !, arg: usize) -> ! {
    naked_asm!("mv sp, a0", "li s0, 0", "li ra, 0", "mv a0, a2", "jr a1")
}

/// Makes a fresh stack that ends at `top` look as if it had been left by `switch_stack` just before `entry`.
///
/// # Safety
/// 1. The 128 bytes below `top`, which is aligned to 16, are ours.
pub(crate) unsafe fn prepare_stack(top: usize, entry: extern "C" fn() -> !) -> usize {
    let sp = top - FRAME_LEN;
    let words = sp as *mut usize;
    for at in 0..FRAME_LEN / 8 {
        let word = if at == 0 { entry as usize } else { 0 };
        // SAFETY: the caller's promise.
        unsafe { words.add(at).write(word) };
    }
    sp
}
