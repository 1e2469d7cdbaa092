//! The other harts: starting one by the firmware (SBI HSM), its first instructions, and calling one.
#![expect(unsafe_code, reason = "the first instructions of a hart")]

use core::arch::{asm, global_asm};

use super::cpu::{self, PerCpu};
use super::entry::KERNEL_OFFSET;
use super::{firmware, fpu, time, trap};

/// SBI's extensions: hart state management, and interrupts between harts.
const HART_STATE: usize = 0x48_534d;
const IPI: usize = 0x73_5049;

unsafe extern "C" {
    static secondary_start: u8;
}

/// What the first instructions load. One hart is started after the other, so there is one.
#[repr(C)]
struct Start {
    satp: usize,
    stack: usize,
    cpu: *mut PerCpu,
    entry: extern "C" fn(*mut PerCpu) -> !,
}

static mut START: Start = Start { satp: 0, stack: 0, cpu: core::ptr::null_mut(), entry: begin };

// Without translation; a1 is the physical address of `START`. Nothing lies at its own address in the kernel's tree, so
// the instruction behind the one that turns translation on cannot be fetched, and the trap leads to the upper half.
global_asm!(
    ".pushsection .text, \"ax\"",
    ".balign 4",
    "secondary_start:",
    "ld t0, 0(a1)",
    "ld sp, 8(a1)",
    "ld a0, 16(a1)",
    "ld a2, 24(a1)",
    "la t1, 2f",
    "li t2, {offset}",
    "add t1, t1, t2",
    "csrw stvec, t1",
    "sfence.vma",
    "csrw satp, t0",
    ".balign 4",
    "2:",
    "sfence.vma",
    "li s0, 0",
    "jr a2",
    ".popsection",
    offset = const KERNEL_OFFSET,
);

/// Has the firmware start hart `hardware` as CPU `id` on these stacks.
pub(crate) fn start_secondary(id: usize, hardware: usize, stack: usize, fault_stack: usize) -> bool {
    let satp: usize;
    // SAFETY: reading a register: the kernel's own root is in force while harts are started.
    unsafe { asm!("csrr {}, satp", out(reg) satp, options(nomem, nostack, preserves_flags)) };
    let start = &raw mut START;
    // SAFETY: the hart before has taken what it needs, or will never look.
    unsafe {
        start.write_volatile(Start { satp, stack, cpu: cpu::secondary(id, hardware, fault_stack), entry: begin })
    };
    let physical = |at: usize| at - KERNEL_OFFSET;
    let entry = physical((&raw const secondary_start) as usize);
    publish();
    firmware(HART_STATE, 0, [hardware, entry, physical(start as usize)]).is_some()
}

/// The first Rust of a hart: everything that is each hart's own.
extern "C" fn begin(cpu: *mut PerCpu) -> ! {
    // SAFETY: made for this hart by `start_secondary`, and nobody else's.
    unsafe { cpu::load(cpu) };
    trap::start();
    fpu::start();
    time::timer_arm(None);
    crate::cpus::enter()
}

/// Orders what was written before a call of the firmware that makes another hart look at it.
fn publish() {
    // SAFETY: ordering memory breaks nothing.
    unsafe { asm!("fence iorw, iorw", options(nostack, preserves_flags)) };
}

/// Has a hart look at what is asked of it.
pub(crate) fn ring(hardware: usize) {
    publish();
    let called = firmware(IPI, 0, [1, hardware, 0]);
    assert!(called.is_some(), "the firmware cannot call hart {hardware}");
}

/// Has a hart look whether the machine ends; one that keeps interrupts away does so when it waits for another.
pub(crate) fn stop(hardware: usize) {
    // The machine ends anyway.
    let _ = firmware(IPI, 0, [1, hardware, 0]);
}
