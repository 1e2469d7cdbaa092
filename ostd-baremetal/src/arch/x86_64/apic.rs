//! The local APIC (timer, interrupts between CPUs) and the I/O APIC (devices).
#![expect(unsafe_code, reason = "device registers in memory")]

use core::arch::asm;

use ostd_hal::Interrupt;

use super::entry::DIRECT_MAP;
use super::trap::FIRST_INTERRUPT;
use super::{port_out, time};

const LOCAL: usize = DIRECT_MAP + 0xfee0_0000;
const IO: usize = DIRECT_MAP + 0xfec0_0000;

const ID: usize = 0x20;
const TASK_PRIORITY: usize = 0x80;
const END_OF_INTERRUPT: usize = 0xb0;
const SPURIOUS: usize = 0xf0;
/// Sends an interrupt when the lower half is written.
const COMMAND: usize = 0x300;
const COMMAND_TARGET: usize = 0x310;
const TIMER: usize = 0x320;
const INITIAL_COUNT: usize = 0x380;
const CURRENT_COUNT: usize = 0x390;
const DIVIDE: usize = 0x3e0;
/// Software enable, in the spurious register.
const ENABLED: u32 = 1 << 8;
/// Commands: the line is raised, and the kinds of interrupt without a vector; the last one was not yet taken.
const ASSERT: u32 = 1 << 14;
const NON_MASKABLE: u32 = 4 << 8;
const INIT: u32 = 5 << 8;
const START_UP: u32 = 6 << 8;
const PENDING: u32 = 1 << 12;
const DIVIDE_BY_ONE: u32 = 0b1011;
/// The timer's mode in which it does not count, but rings when the time-stamp counter reaches a register.
const DEADLINE_MODE: u32 = 2 << 17;
const MASKED: u32 = 1 << 16;

const TIMER_VECTOR: u64 = FIRST_INTERRUPT;
const IPI_VECTOR: u64 = FIRST_INTERRUPT + 1;
/// Lines of devices follow from here.
const LINES: u64 = 64;
/// The first lines are the I/O APIC's pins; the others are messages of PCI devices.
pub(crate) const LINES_OF_PINS: u32 = 24;
/// All lines.
pub(crate) const LINES_MAX: u32 = 64;
/// Where messages to the first CPU go, but for its number.
const MESSAGES: u64 = 0xfee0_0000;
const SPURIOUS_VECTOR: u64 = 255;

/// The serial line's line.
pub(crate) const UART_LINE: u32 = 4;

fn read(register: usize) -> u32 {
    // SAFETY: the window covers the registers; reading these has no effect on memory.
    unsafe { ((LOCAL + register) as *const u32).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: as above; what is written here only moves interrupts.
    unsafe { ((LOCAL + register) as *mut u32).write_volatile(value) };
}

fn io_write(register: u32, value: u32) {
    // SAFETY: the chip's index register.
    unsafe { (IO as *mut u32).write_volatile(register) };
    // SAFETY: the register that the index names; it only routes interrupts.
    unsafe { ((IO + 0x10) as *mut u32).write_volatile(value) };
}

/// The number of this CPU's local APIC.
pub(super) fn id() -> u8 {
    (read(ID) >> 24) as u8
}

/// Turns this CPU's local APIC on.
pub(super) fn start_local() {
    write(TASK_PRIORITY, 0);
    write(SPURIOUS, ENABLED | SPURIOUS_VECTOR as u32);
    write(DIVIDE, DIVIDE_BY_ONE);
    start_timer();
}

/// Sets this CPU's timer up, and nothing for it to do.
pub(super) fn start_timer() {
    write(INITIAL_COUNT, 0);
    write(TIMER, if time::has_deadlines() { DEADLINE_MODE } else { 0 } | TIMER_VECTOR as u32);
    // The register with the deadline must not be written before the mode is.
    // SAFETY: ordering memory breaks nothing.
    unsafe { asm!("mfence", options(nostack, preserves_flags)) };
}

/// Sends an interrupt to another CPU.
fn send(target: u8, command: u32) {
    // A handler that sends one meanwhile would change the target.
    let before = super::interrupts_disable();
    while read(COMMAND) & PENDING != 0 {
        super::relax();
    }
    write(COMMAND_TARGET, u32::from(target) << 24);
    write(COMMAND, command | ASSERT);
    if before {
        super::interrupts_enable();
    }
}

/// Resets a CPU.
pub(super) fn send_init(target: u8) {
    send(target, INIT);
}

/// Has a reset CPU begin at a page of low memory.
pub(super) fn send_start_up(target: u8, page: u8) {
    send(target, START_UP | u32::from(page));
}

/// Has a CPU look at what is asked of it.
pub(crate) fn ring(hardware: usize) {
    send(hardware as u8, IPI_VECTOR as u32);
}

/// Has a CPU look whether the machine ends, whatever it is doing.
pub(crate) fn stop(hardware: usize) {
    send(hardware as u8, NON_MASKABLE);
}

/// Turns the first CPU's local APIC on, everything else off: the pair of old interrupt controllers, and all lines.
pub(super) fn start() {
    port_out(0x21, 0xff);
    port_out(0xa1, 0xff);
    start_local();
    for line in 0..LINES_OF_PINS {
        io_write(0x10 + 2 * line, MASKED);
        io_write(0x11 + 2 * line, 0);
    }
}

/// Lets a line interrupt this CPU. Pins tell of a line's going up: whoever hears of one looks at its device until the
/// line is down again.
pub(crate) fn line_enable(line: u32) {
    if line < LINES_OF_PINS {
        io_write(0x11 + 2 * line, read(ID) & 0xff00_0000);
        io_write(0x10 + 2 * line, LINES as u32 + line);
    }
}

/// What a device writes where to raise `line` on this CPU.
pub(crate) fn message(line: u32) -> Option<(u64, u32)> {
    let number = u64::from(read(ID) >> 24);
    (line < LINES_MAX).then(|| (MESSAGES | number << 12, LINES as u32 + line))
}

/// Lets the timer count down from `count` without an interrupt, for measuring.
pub(super) fn count_down(count: u32) {
    write(TIMER, MASKED | TIMER_VECTOR as u32);
    write(INITIAL_COUNT, count);
}

/// What is left of the count.
pub(super) fn count() -> u32 {
    read(CURRENT_COUNT)
}

/// An interrupt after `count` ticks; none for zero.
pub(super) fn timer(count: u32) {
    write(INITIAL_COUNT, count);
}

/// Tells generic code of an interrupt. Called with interrupts kept away.
pub(super) fn deliver(vector: u64) {
    let interrupt = match vector {
        TIMER_VECTOR => Interrupt::Timer,
        IPI_VECTOR => {
            write(END_OF_INTERRUPT, 0);
            crate::cpus::called();
            return;
        }
        LINES.. if vector < LINES + u64::from(LINES_MAX) => Interrupt::Device((vector - LINES) as u32),
        // Spurious, or from a device that nobody turned on.
        _ => return,
    };
    write(END_OF_INTERRUPT, 0);
    crate::machine::interrupted(interrupt);
}
