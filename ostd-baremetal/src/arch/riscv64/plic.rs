//! The interrupt controller of devices (PLIC), where QEMU's `virt` has it.

use ostd_hal::Interrupt;

use super::cpu::boot_hart;
use super::{device_read, device_write};

const PLIC: usize = 0x0c00_0000;
const ENABLE: usize = PLIC + 0x2000;
const CONTEXT: usize = PLIC + 0x20_0000;

/// The serial line's line.
pub(crate) const UART_LINE: u32 = 10;

/// The context of the boot hart's supervisor mode: behind the one of its machine mode.
fn context() -> usize {
    2 * boot_hart() + 1
}

/// Lets the serial line interrupt the boot hart.
pub(crate) fn uart_line_enable() {
    device_write(PLIC + 4 * UART_LINE as usize, 1);
    device_write(ENABLE + 0x80 * context(), 1 << UART_LINE);
    device_write(CONTEXT + 0x1000 * context(), 0);
}

/// Delivers what devices have raised.
pub(super) fn deliver() {
    let claim = CONTEXT + 0x1000 * context() + 4;
    loop {
        let line = device_read(claim);
        if line == 0 {
            return;
        }
        crate::machine::interrupted(Interrupt::Device(line));
        device_write(claim, line);
    }
}
