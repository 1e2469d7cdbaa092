//! RISC-V in supervisor mode, on OpenSBI and QEMU's `virt` machine.
#![expect(unsafe_code, reason = "privileged instructions and device registers")]

use core::arch::asm;

use crate::exit::Exit;

mod copy;
mod cpu;
mod entry;
mod fpu;
mod information;
mod mmu;
mod pci;
mod plic;
mod smp;
mod time;
mod trap;
mod user;

pub(crate) use copy::{user_copy, user_set, user_word_exchange, user_word_load};
pub(crate) use cpu::{hardware_id, local};
pub(crate) use entry::{DEVICE_MAP_LEN, DIRECT_MAP, DIRECT_MAP_LEN, KERNEL_OFFSET};
pub(crate) use fpu::{fp_accepts, fp_initial, fp_restore, fp_save};
pub(crate) use information::information;
pub(crate) use mmu::{
    flush_all, flush_page, image, kernel_root, levels, map_memory, set_root, share_kernel_half, unshare_kernel_half,
    user_end,
};
pub(crate) use ostd_hal::paging::sv48::Entry;
pub(crate) use ostd_hal::user::riscv64::Regs;
pub(crate) use pci::{has_pci, message, pci_read, pci_write};
pub(crate) use plic::{LINES_MAX, LINES_OF_PINS, UART_LINE, line_enable};
pub(crate) use smp::{ring, start_secondary, stop};
pub(crate) use time::{boot_realtime_ns, counter, hardware_seed, monotonic_ns, timer_arm};
pub(crate) use user::{call_on, prepare_stack, switch_stack, user_run};

/// The serial line's chip.
const UART: usize = 0x1000_0000;
/// The `sifive_test` device.
const TEST_DEVICE: usize = 0x10_0000;
/// Supervisor interrupt enable, in `sstatus`.
const INTERRUPT_ENABLE: usize = 1 << 1;
/// Where the stacks' window begins.
pub(crate) const STACK_WINDOW: usize = 0xffff_ffe0_0000_0000;
/// Bytes of that window.
const STACK_WINDOW_LEN: usize = 64 << 30;

/// Makes the first hart ready: traps, floating point, interrupts (kept away). The clock's speed is in the device tree.
pub(crate) fn start() {
    cpu::start();
    trap::start();
    mmu::start();
    fpu::start();
}

fn device_read(at: usize) -> u32 {
    // SAFETY: the callers name registers of `virt`'s devices, all behind the window.
    unsafe { ((DIRECT_MAP + at) as *const u32).read_volatile() }
}

fn device_write(at: usize, value: u32) {
    // SAFETY: as above; none of them touches memory.
    unsafe { ((DIRECT_MAP + at) as *mut u32).write_volatile(value) };
}

/// A register of the serial line's chip.
pub(crate) fn uart_read(register: u8) -> u8 {
    // SAFETY: `virt` has the chip there.
    unsafe { ((DIRECT_MAP + UART + usize::from(register)) as *const u8).read_volatile() }
}

/// Writes a register of the serial line's chip.
pub(crate) fn uart_write(register: u8, value: u8) {
    // SAFETY: as above.
    unsafe { ((DIRECT_MAP + UART + usize::from(register)) as *mut u8).write_volatile(value) };
}

/// Ends QEMU; on a machine without the device, stops the hart for good.
pub(crate) fn exit(how: Exit) -> ! {
    device_write(TEST_DEVICE, how.sifive_test());
    // The exit takes a moment; anything but `wfi` would run on meanwhile.
    park()
}

/// Stops this hart for good.
pub(crate) fn park() -> ! {
    loop {
        // SAFETY: waiting changes nothing.
        unsafe { asm!("wfi", options(nomem, nostack)) };
    }
}

/// Calls the firmware; its value, if it did not refuse.
fn firmware(extension: usize, function: usize, [first, second, third]: [usize; 3]) -> Option<usize> {
    let (error, value): (isize, usize);
    // SAFETY: the calls made here concern the timer and other harts; they touch no memory of ours.
    unsafe {
        asm!("ecall", inlateout("a0") first => error, inlateout("a1") second => value, in("a2") third, in("a6") function, in("a7") extension,
            options(nostack));
    }
    (error == 0).then_some(value)
}

/// Turns interrupts off; says whether they were on.
pub(crate) fn interrupts_disable() -> bool {
    let before: usize;
    // SAFETY: turning interrupts off breaks no promise.
    unsafe { asm!("csrrci {}, sstatus, {}", out(reg) before, const INTERRUPT_ENABLE, options(nostack)) };
    before & INTERRUPT_ENABLE != 0
}

/// Turns interrupts on.
pub(crate) fn interrupts_enable() {
    // SAFETY: the caller of the waist's function of this name asks for it.
    unsafe { asm!("csrsi sstatus, {}", const INTERRUPT_ENABLE, options(nostack)) };
}

/// Waits for an interrupt and lets it in, without a gap between the two; then keeps them away again.
pub(crate) fn wait_for_interrupt() {
    // SAFETY: `wfi` ends when an interrupt is pending, let through or not.
    unsafe { asm!("wfi", "csrsi sstatus, {i}", "csrci sstatus, {i}", i = const INTERRUPT_ENABLE, options(nostack)) };
}

/// Tells the hart that it is waiting for another.
pub(crate) fn relax() {
    core::hint::spin_loop();
}
