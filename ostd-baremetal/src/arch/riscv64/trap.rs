//! The trap vector, and traps taken while the kernel runs: interrupts are delivered, refused user copies end,
//! anything else is fatal.
#![expect(unsafe_code, reason = "the trap vector")]

use core::arch::{asm, global_asm};
use core::mem::offset_of;

use ostd_hal::Interrupt;

use super::cpu::PerCpu;
use super::{STACK_WINDOW, STACK_WINDOW_LEN, plic, time};
use crate::fixup;

/// The bit of `scause` that tells interrupts from exceptions.
const INTERRUPT: usize = 1 << 63;
const SOFTWARE: usize = 1;
const TIMER: usize = 5;
const EXTERNAL: usize = 9;
const LOAD_PAGE_FAULT: usize = 13;
const STORE_PAGE_FAULT: usize = 15;
/// `scounteren`: cycles, time, instructions.
const COUNTERS: usize = 0b111;
/// `sie`: all three kinds.
const ALL_KINDS: usize = 1 << SOFTWARE | 1 << TIMER | 1 << EXTERNAL;

unsafe extern "C" {
    /// The code below.
    static trap_vector: u8;
}

/// Points the hart to the vector.
pub(super) fn start() {
    let vector = (&raw const trap_vector) as usize;
    // SAFETY: the vector is aligned to 4 and handles every trap; `sstatus` keeps interrupts away for now.
    unsafe { asm!("csrw stvec, {}", "csrw sie, {}", in(reg) vector, in(reg) ALL_KINDS, options(nostack)) };
    // SAFETY: programs may read the counters, of which the firmware has the last word.
    unsafe { asm!("csrw scounteren, {}", in(reg) COUNTERS, options(nostack)) };
}

/// Whether `cause` is an interrupt; if so, it is delivered. Called with interrupts kept away.
pub(super) fn deliver(cause: usize) -> bool {
    if cause & INTERRUPT == 0 {
        return false;
    }
    match cause & !INTERRUPT {
        TIMER => {
            time::timer_arm(None);
            crate::machine::interrupted(Interrupt::Timer);
        }
        EXTERNAL => plic::deliver(),
        SOFTWARE => {
            // SAFETY: clears the pending bit.
            unsafe { asm!("csrci sip, 2", options(nostack)) };
            crate::cpus::called();
        }
        _ => {}
    }
    true
}

/// Answers a trap taken in the kernel; says where to go on.
extern "C" fn kernel_trap(cause: usize, address: usize, pc: usize) -> usize {
    if deliver(cause) {
        return pc;
    }
    if matches!(cause, LOAD_PAGE_FAULT | STORE_PAGE_FAULT)
        && let Some(way_out) = fixup::way_out(pc, address)
    {
        return way_out;
    }
    if (STACK_WINDOW..STACK_WINDOW + STACK_WINDOW_LEN).contains(&address) {
        crate::machine::stack_is_full(pc);
    }
    panic!("exception {cause} in the kernel at {pc:#x}, address {address:#x}");
}

// Every trap. `sscratch` is zero in the kernel and the hart's data in user mode. Exceptions of the kernel go on a stack
// of their own: theirs may be what is wrong. They do not nest: one inside another is fatal.
global_asm!(
        ".pushsection .text, \"ax\"",
        ".balign 4",
        ".globl trap_vector",
        "trap_vector:",
        "csrrw tp, sscratch, tp",
        "beqz tp, 3f",
        "sd t0, {scratch}(tp)",
        "la t0, {from_user}",
        "jr t0",
        "3:",
        "csrrw tp, sscratch, tp",
        "sd t0, {scratch}(tp)",
        "csrr t0, scause",
        "bltz t0, 4f",
        "ld t0, {fault_stack}(tp)",
        "sd sp, -8(t0)",
        "addi sp, t0, -144",
        "j 5f",
        "4:",
        "sd sp, -8(sp)",
        "addi sp, sp, -144",
        "5:",
        "sd ra, 0(sp)",
        "sd t1, 16(sp)",
        "sd t2, 24(sp)",
        "sd t3, 32(sp)",
        "sd t4, 40(sp)",
        "sd t5, 48(sp)",
        "sd t6, 56(sp)",
        "sd a0, 64(sp)",
        "sd a1, 72(sp)",
        "sd a2, 80(sp)",
        "sd a3, 88(sp)",
        "sd a4, 96(sp)",
        "sd a5, 104(sp)",
        "sd a6, 112(sp)",
        "sd a7, 120(sp)",
        "ld t0, {scratch}(tp)",
        "sd t0, 8(sp)",
        "csrr a0, scause",
        "csrr a1, stval",
        "csrr a2, sepc",
        "call {kernel_trap}",
        "csrw sepc, a0",
        "ld ra, 0(sp)",
        "ld t0, 8(sp)",
        "ld t1, 16(sp)",
        "ld t2, 24(sp)",
        "ld t3, 32(sp)",
        "ld t4, 40(sp)",
        "ld t5, 48(sp)",
        "ld t6, 56(sp)",
        "ld a0, 64(sp)",
        "ld a1, 72(sp)",
        "ld a2, 80(sp)",
        "ld a3, 88(sp)",
        "ld a4, 96(sp)",
        "ld a5, 104(sp)",
        "ld a6, 112(sp)",
        "ld a7, 120(sp)",
        "ld sp, 136(sp)",
        "sret",
        ".popsection",
        from_user = sym super::user::trap_from_user,
        scratch = const offset_of!(PerCpu, scratch),
        kernel_trap = sym kernel_trap,
        fault_stack = const offset_of!(PerCpu, fault_stack),
);
