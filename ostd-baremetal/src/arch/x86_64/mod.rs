//! x86-64: ports, model-specific registers, the interrupt flag, the exit device.
#![expect(unsafe_code, reason = "privileged instructions and port I/O")]

use core::arch::asm;

use crate::exit::Exit;

mod apic;
mod copy;
mod cpu;
mod entry;
mod fpu;
mod information;
mod mmu;
mod pci;
mod smp;
mod time;
mod trap;
mod user;

pub(crate) use apic::{LINES_MAX, LINES_OF_PINS, UART_LINE, line_enable, message, ring, stop};
pub(crate) use copy::{user_copy, user_set, user_word_exchange, user_word_load};
pub(crate) use cpu::local;
pub(crate) use entry::{DEVICE_MAP_LEN, DIRECT_MAP, DIRECT_MAP_LEN, KERNEL_OFFSET};
pub(crate) use fpu::{fp_accepts, fp_initial, fp_restore, fp_save};
pub(crate) use information::information;
pub(crate) use mmu::{
    flush_all, flush_page, image, kernel_root, levels, map_memory, set_root, share_kernel_half, unshare_kernel_half,
};
pub(crate) use ostd_hal::paging::x86_64::Entry;
pub(crate) use ostd_hal::user::x86_64::Regs;
pub(crate) use pci::{has_pci, pci_read, pci_write};
pub(crate) use smp::{hardware_id, start_secondary};
pub(crate) use time::{boot_realtime_ns, counter, hardware_seed, monotonic_ns, timer_arm};
pub(crate) use user::{call_on, prepare_stack, switch_stack, user_run};

/// The first serial port.
const COM1: u16 = 0x3f8;
/// Where QEMU is told to put its debug-exit device.
const DEBUG_EXIT: u16 = 0xf4;
/// The interrupt flag in `rflags`.
const INTERRUPT_FLAG: u64 = 1 << 9;
/// Where the stacks' window begins.
pub(crate) const STACK_WINDOW: usize = 0xffff_8080_0000_0000;

/// The end of what programs may use: the lower half, but for a page behind which addresses are nobody's.
pub(crate) const fn user_end() -> usize {
    0x0000_7fff_ffff_f000
}

/// Makes the first CPU ready: segments, traps, floating point, clocks, interrupts (kept away).
pub(crate) fn start() {
    cpu::start();
    trap::start();
    mmu::start();
    fpu::start();
    user::start();
    apic::start();
    time::start();
}

fn port_out(port: u16, byte: u8) {
    // SAFETY: the ports written here belong to the serial line, the clock, the old interrupt controller and the exit
    // device, which touch no memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") byte, options(nomem, nostack, preserves_flags)) };
}

fn port_in(port: u16) -> u8 {
    let byte;
    // SAFETY: reading the serial line and the clock has no effect on memory.
    unsafe { asm!("in al, dx", in("dx") port, out("al") byte, options(nomem, nostack, preserves_flags)) };
    byte
}

/// # Safety
/// 1. The register exists, and `value` breaks nothing that compiled code relies on.
unsafe fn wrmsr(register: u32, value: u64) {
    let (low, high) = (value as u32, (value >> 32) as u32);
    // SAFETY: the caller's promise.
    unsafe { asm!("wrmsr", in("ecx") register, in("eax") low, in("edx") high, options(nostack, preserves_flags)) };
}

/// A register of the serial line's chip.
pub(crate) fn uart_read(register: u8) -> u8 {
    port_in(COM1 + u16::from(register))
}

/// Writes a register of the serial line's chip.
pub(crate) fn uart_write(register: u8, value: u8) {
    port_out(COM1 + u16::from(register), value);
}

/// Ends QEMU; on a machine without the device, stops the CPU for good.
pub(crate) fn exit(how: Exit) -> ! {
    port_out(DEBUG_EXIT, how.isa_debug_exit());
    park()
}

/// Stops this CPU for good.
pub(crate) fn park() -> ! {
    loop {
        // SAFETY: with interrupts off, the CPU does nothing from here on.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
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

/// Lets interrupts in and waits for one, without a gap between the two; then keeps them away again.
pub(crate) fn wait_for_interrupt() {
    // SAFETY: `sti` takes effect behind the next instruction, so an interrupt that is pending ends the `hlt`.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
}

/// Tells the CPU that it is waiting for another.
pub(crate) fn relax() {
    core::hint::spin_loop();
}
