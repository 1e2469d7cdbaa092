//! The other CPUs: how many, starting one by INIT and start-up interrupts, and its first instructions.
#![expect(unsafe_code, reason = "the first instructions of a CPU, and the memory they lie in")]

use core::arch::{asm, global_asm};

use alloc::vec;
use alloc::vec::Vec;

use super::cpu::{self, PerCpu};
use super::entry::{DIRECT_MAP, KERNEL_OFFSET, trampoline_root};
use super::{apic, fpu, mmu, time, trap, user};
use crate::acpi;

/// The page below 1 MiB where a CPU begins, in real mode. Free memory on every PC; what a loader leaves there has been
/// read when it is used.
const TRAMPOLINE: usize = 0x8000;
/// QEMU's configuration device: which item, and its bytes.
const CONFIG_SELECT: u16 = 0x510;
const CONFIG_DATA: u16 = 0x511;
const CONFIG_SIGNATURE: u16 = 0;
const CONFIG_PROCESSORS: u16 = 5;
/// Old CPUs want 10 ms after INIT, those that have long mode do not; and what to give a start-up before another.
const INIT_NS: u64 = 10_000;
const START_UP_NS: u64 = 200_000;

unsafe extern "C" {
    static trampoline_start: u8;
    static trampoline_end: u8;
    static trampoline_data: u8;
}

/// What the trampoline loads, last in its page.
#[repr(C)]
struct Start {
    root: u64,
    stack: u64,
    cpu: *mut PerCpu,
    entry: extern "C" fn(*mut PerCpu) -> !,
}

// Real mode at `TRAMPOLINE`, then 32-bit and 64-bit code at the same place, seen through an identity map; then Rust in
// the upper half. The registers are set as the first CPU's entry sets them.
global_asm!(
    ".pushsection .rodata, \"a\"",
    ".balign 16",
    "trampoline_start:",
    ".code16",
    "cli",
    "cld",
    "xorw %ax, %ax",
    "movw %ax, %ds",
    "lgdtl {at} + trampoline_gdt_pointer - trampoline_start",
    "movl %cr0, %eax",
    "orl $1, %eax",
    "movl %eax, %cr0",
    "ljmpl $8, $({at} + trampoline_32 - trampoline_start)",
    ".code32",
    "trampoline_32:",
    "movl $16, %eax",
    "movl %eax, %ds",
    "movl %eax, %es",
    "movl %eax, %ss",
    "movl $0x20, %eax",
    "movl %eax, %cr4",
    "movl {at} + trampoline_data - trampoline_start, %eax",
    "movl %eax, %cr3",
    "movl $0xc0000080, %ecx",
    "rdmsr",
    "orl $0x901, %eax",
    "wrmsr",
    "movl $0x80010033, %eax",
    "movl %eax, %cr0",
    "ljmpl $24, $({at} + trampoline_64 - trampoline_start)",
    ".code64",
    "trampoline_64:",
    "xorl %eax, %eax",
    "movl %eax, %fs",
    "movl %eax, %gs",
    "leaq trampoline_data(%rip), %rbx",
    "movq 8(%rbx), %rsp",
    "movq 16(%rbx), %rdi",
    "movq 24(%rbx), %rax",
    "xorl %ebp, %ebp",
    "callq *%rax",
    "ud2",
    ".balign 8",
    "trampoline_gdt:",
    ".quad 0",
    ".quad 0x00cf9b000000ffff",
    ".quad 0x00cf93000000ffff",
    ".quad 0x00af9b000000ffff",
    "trampoline_gdt_pointer:",
    ".word 31",
    ".long {at} + trampoline_gdt - trampoline_start",
    ".balign 8",
    "trampoline_data:",
    ".quad 0, 0, 0, 0",
    "trampoline_end:",
    ".popsection",
    at = const TRAMPOLINE,
    options(att_syntax),
);

/// The numbers of the processors, by the firmware's tables, whose root pointer is at `root` and whose bytes `read` gives;
/// where there are none, QEMU's configuration device knows how many there are, and their numbers follow each other.
pub(super) fn processors(root: u64, read: impl Fn(u64, usize) -> &'static [u8]) -> Vec<usize> {
    if let Some(table) = acpi::find(root, *b"APIC", read) {
        // An address of interrupts has eight bits here, and the last means everybody.
        return acpi::processors(table).filter(|id| *id < 255).map(|id| id as usize).collect();
    }
    let signature: Vec<u8> = configuration(CONFIG_SIGNATURE, 4);
    if signature != b"QEMU" {
        return vec![hardware_id()];
    }
    let count = configuration(CONFIG_PROCESSORS, 2);
    (0..usize::from(u16::from_le_bytes([count[0], count[1]]))).collect()
}

fn configuration(item: u16, len: usize) -> Vec<u8> {
    // SAFETY: the device's port, or one that nothing listens to; choosing an item touches no memory.
    unsafe { asm!("out dx, ax", in("dx") CONFIG_SELECT, in("ax") item, options(nomem, nostack, preserves_flags)) };
    (0..len).map(|_| super::port_in(CONFIG_DATA)).collect()
}

/// The number of this CPU's local APIC.
pub(crate) fn hardware_id() -> usize {
    apic::id() as usize
}

/// Has the CPU with local APIC `hardware` begin as CPU `id` on these stacks. One after the other: they share the page.
pub(crate) fn start_secondary(id: usize, hardware: usize, stack: usize, fault_stack: usize) -> bool {
    let Ok(hardware) = u8::try_from(hardware) else { return false };
    let from = &raw const trampoline_start;
    let len = (&raw const trampoline_end) as usize - from as usize;
    let page = (DIRECT_MAP + TRAMPOLINE) as *mut u8;
    // SAFETY: the window covers the page, which nothing else uses, and the code is shorter than it.
    unsafe { core::ptr::copy_nonoverlapping(from, page, len) };
    let start = Start {
        root: (trampoline_root() - KERNEL_OFFSET) as u64,
        stack: stack as u64,
        cpu: cpu::secondary(id, fault_stack),
        entry: begin,
    };
    let data = page.wrapping_add((&raw const trampoline_data) as usize - from as usize);
    // SAFETY: inside the page, aligned by the assembly, and as long as that says.
    unsafe { data.cast::<Start>().write_volatile(start) };
    apic::send_init(hardware);
    wait(INIT_NS);
    for _ in 0..2 {
        apic::send_start_up(hardware, (TRAMPOLINE >> 12) as u8);
        wait(START_UP_NS);
    }
    true
}

fn wait(ns: u64) {
    let end = time::monotonic_ns() + ns;
    while time::monotonic_ns() < end {
        super::relax();
    }
}

/// The first Rust of a CPU: everything that is each CPU's own.
extern "C" fn begin(cpu: *mut PerCpu) -> ! {
    // SAFETY: made for this CPU by `start_secondary`, and nobody else's.
    unsafe { cpu::load(cpu) };
    trap::load();
    mmu::start_secondary();
    fpu::enable();
    user::start();
    apic::start_local();
    crate::cpus::enter()
}
