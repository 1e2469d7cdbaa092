//! The interrupt table, and traps taken while the kernel runs: interrupts are delivered, refused user copies end,
//! anything else is fatal.
#![expect(unsafe_code, reason = "the interrupt table and the code it points to")]

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;

use super::cpu::{KERNEL_CODE, Pointer};
use super::{apic, cpu};
use crate::fixup;

/// A line of the table.
#[derive(Clone, Copy)]
#[repr(C)]
struct Gate {
    low: u64,
    high: u64,
}

struct Gates(UnsafeCell<[Gate; 256]>);
// SAFETY: written at boot only.
unsafe impl Sync for Gates {}

static GATES: Gates = Gates(UnsafeCell::new([Gate { low: 0, high: 0 }; 256]));

pub(super) const NON_MASKABLE: usize = 2;
const BREAKPOINT: usize = 3;
const OVERFLOW: usize = 4;
const DOUBLE_FAULT: usize = 8;
const MACHINE_CHECK: usize = 18;
pub(super) const PAGE_FAULT: u64 = 14;
/// The first vector that is not an exception.
pub(super) const FIRST_INTERRUPT: u64 = 32;
/// What is told instead of a vector when a program made a system call.
pub(super) const SYSTEM_CALL: u64 = 256;

unsafe extern "C" {
    /// 256 entries of 16 bytes.
    static trap_entries: u8;
}

/// Fills the table and loads it on the first CPU.
pub(super) fn start() {
    // SAFETY: boot code alone runs, once.
    let gates = unsafe { &mut *GATES.0.get() };
    for (vector, gate) in gates.iter_mut().enumerate() {
        let entry = (&raw const trap_entries) as u64 + vector as u64 * 16;
        // Programs may raise `int3` and `into` themselves.
        let ring = if matches!(vector, BREAKPOINT | OVERFLOW) { 3 } else { 0 };
        let own_stack = u64::from(matches!(vector, NON_MASKABLE | DOUBLE_FAULT | MACHINE_CHECK));
        let kind = 0x8e | ring << 5;
        gate.low =
            entry & 0xffff | u64::from(KERNEL_CODE) << 16 | own_stack << 32 | kind << 40 | (entry >> 16 & 0xffff) << 48;
        gate.high = entry >> 32;
    }
    load();
}

/// Loads the table.
pub(super) fn load() {
    let pointer = Pointer { limit: size_of::<[Gate; 256]>() as u16 - 1, base: GATES.0.get() as u64 };
    // SAFETY: every line leads to an entry below.
    unsafe { asm!("lidt [{}]", in(reg) &raw const pointer, options(nostack, preserves_flags)) };
}

/// What a trap in the kernel leaves on the stack.
#[repr(C)]
struct Frame {
    saved: [u64; 9],
    vector: u64,
    error: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

// Vectors 8, 10 to 14, 17, 21, 29 and 30 push an error code of their own.
global_asm!(
    ".pushsection .text, \"ax\"",
    ".balign 16",
    ".globl trap_entries",
    "trap_entries:",
    ".set vector, 0",
    ".rept 256",
    ".balign 16",
    ".if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30",
    ".else",
    "push 0",
    ".endif",
    "push vector",
    "jmp trap_common",
    ".set vector, vector + 1",
    ".endr",
    ".balign 16",
    "trap_common:",
    "test qword ptr [rsp + 24], 3",
    "jnz {from_user}",
    "push rax",
    "push rcx",
    "push rdx",
    "push rsi",
    "push rdi",
    "push r8",
    "push r9",
    "push r10",
    "push r11",
    "cld",
    "mov rdi, rsp",
    "call {kernel_trap}",
    "pop r11",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    "pop rcx",
    "pop rax",
    "add rsp, 16",
    "iretq",
    ".popsection",
    from_user = sym super::user::trap_from_user,
    kernel_trap = sym kernel_trap,
);

extern "C" fn kernel_trap(frame: &mut Frame) {
    if frame.vector >= FIRST_INTERRUPT {
        apic::deliver(frame.vector);
        return;
    }
    if frame.vector == NON_MASKABLE as u64 {
        crate::halt::obey();
    }
    let (rip, error, address) = (frame.rip, frame.error, fault_address());
    if frame.vector == PAGE_FAULT
        && let Some(way_out) = fixup::way_out(rip as usize, address as usize)
    {
        frame.rip = way_out as u64;
        return;
    }
    let stack = super::STACK_WINDOW..super::STACK_WINDOW + (1 << 39);
    // A double fault where the page fault's own frame found no room; not one where the program only looked ahead.
    if [PAGE_FAULT, DOUBLE_FAULT as u64].contains(&frame.vector) && stack.contains(&(address as usize)) {
        crate::machine::stack_is_full(rip as usize);
    }
    panic!("exception {} in the kernel at {rip:#x}, error {error:#x}, address {address:#x}", frame.vector);
}

/// The address that the last page fault was about.
pub(super) fn fault_address() -> u64 {
    let address;
    // SAFETY: reading a control register.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

/// The error code of the trap that left user mode last.
pub(super) fn user_error() -> u64 {
    cpu::trap_error()
}
