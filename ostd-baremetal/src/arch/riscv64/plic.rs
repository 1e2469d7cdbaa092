//! The interrupt controller of devices (PLIC), where QEMU's `virt` has it.

use ostd_hal::Interrupt;

use super::{device_read, device_write, hardware_id};

const PLIC: usize = 0x0c00_0000;
const ENABLE: usize = PLIC + 0x2000;
const CONTEXT: usize = PLIC + 0x20_0000;

/// The serial line's line.
pub(crate) const UART_LINE: u32 = 10;

/// The context of this hart's supervisor mode: behind the one of its machine mode.
fn context() -> usize {
    2 * hardware_id() + 1
}

/// Lines of the controller; zero is none.
pub(crate) const LINES_OF_PINS: u32 = 128;
/// All lines.
pub(crate) const LINES_MAX: u32 = LINES_OF_PINS;

/// Lets a line interrupt the boot hart. Called by boot code alone.
pub(crate) fn line_enable(line: u32) {
    let word = ENABLE + 0x80 * context() + 4 * (line as usize / 32);
    device_write(PLIC + 4 * line as usize, 1);
    device_write(word, device_read(word) | 1 << (line % 32));
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
