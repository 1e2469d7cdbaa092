//! x86-64: COM1, the debug-exit port, the `gs` base, the interrupt flag, the time-stamp counter.
#![expect(unsafe_code, reason = "privileged instructions and port I/O")]

use core::arch::{asm, global_asm};

use crate::exit::Exit;

pub(crate) use ostd_hal::paging::x86_64::Entry;
pub(crate) use ostd_hal::user::x86_64::Regs;

/// The first serial port's data register.
const COM1: u16 = 0x3f8;
/// Its line status register, and the bit in it that says a byte may be sent.
const COM1_STATUS: u16 = COM1 + 5;
const READY_TO_SEND: u8 = 1 << 5;
/// Where QEMU is told to put its debug-exit device.
const DEBUG_EXIT: u16 = 0xf4;
/// The model-specific register that holds the base of `gs`.
const GS_BASE: u32 = 0xc000_0101;
/// The interrupt flag in `rflags`.
const INTERRUPT_FLAG: u64 = 1 << 9;
/// What a user program may not reach: the upper half of the address space.
pub(crate) const USER_END: usize = 0x0000_7fff_ffff_f000;

// Entered in long mode, on an identity map. PVH starts a CPU in 32-bit mode; the note that says so and the way from there
// to here come with the image.
global_asm!(
    ".pushsection .text.entry, \"ax\"",
    ".globl _start",
    "_start:",
    "lea rsp, [rip + {stack} + {stack_len}]",
    "call {main}",
    ".popsection",
    stack = sym crate::image::BOOT_STACK,
    stack_len = const crate::image::BOOT_STACK_LEN,
    main = sym crate::image::enter,
);

fn port_out(port: u16, byte: u8) {
    // SAFETY: the ports written here belong to the serial line and the exit device, which touch no memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") byte, options(nomem, nostack, preserves_flags)) };
}

fn port_in(port: u16) -> u8 {
    let byte;
    // SAFETY: reading the serial line's status has no effect on memory.
    unsafe { asm!("in al, dx", in("dx") port, out("al") byte, options(nomem, nostack, preserves_flags)) };
    byte
}

/// Sends bytes down the serial line, waiting for each.
pub(crate) fn serial_write(bytes: &[u8]) {
    for byte in bytes {
        while port_in(COM1_STATUS) & READY_TO_SEND == 0 {
            relax();
        }
        port_out(COM1, *byte);
    }
}

/// Ends QEMU; on a machine without the device, stops the CPU for good.
pub(crate) fn exit(how: Exit) -> ! {
    port_out(DEBUG_EXIT, how.isa_debug_exit());
    loop {
        // SAFETY: with interrupts off, the CPU does nothing from here on.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}

/// The pointer kept in the base of `gs`.
pub(crate) fn cpu_local() -> *const () {
    let (low, high): (u32, u32);
    // SAFETY: the kernel runs in ring 0, where every x86-64 CPU has this register.
    unsafe { asm!("rdmsr", in("ecx") GS_BASE, out("eax") low, out("edx") high, options(nomem, nostack)) };
    (u64::from(high) << 32 | u64::from(low)) as *const ()
}

/// Sets the base of `gs`, which nothing else in the kernel uses.
pub(crate) fn set_cpu_local(pointer: *const ()) {
    let bits = pointer as u64;
    let (low, high) = (bits as u32, (bits >> 32) as u32);
    // SAFETY: as above; no code addresses memory through `gs`.
    unsafe { asm!("wrmsr", in("ecx") GS_BASE, in("eax") low, in("edx") high, options(nomem, nostack)) };
}

/// Turns interrupts off; says whether they were on.
pub(crate) fn interrupts_disable() -> bool {
    let flags: u64;
    // SAFETY: turning interrupts off breaks no promise; the flags are only read.
    unsafe { asm!("pushfq", "pop {}", "cli", out(reg) flags) };
    flags & INTERRUPT_FLAG != 0
}

/// Turns interrupts on.
pub(crate) fn interrupts_enable() {
    // SAFETY: the caller of the waist's function of this name asks for it.
    unsafe { asm!("sti", options(nostack)) };
}

/// Tells the CPU that it is waiting for another.
pub(crate) fn relax() {
    core::hint::spin_loop();
}
