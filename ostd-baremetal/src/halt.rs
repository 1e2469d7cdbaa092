//! The end of the road: a panic, or a machine that cannot be used.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

use crate::exit::Exit;
use crate::{arch, serial};

struct Line;

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        serial::write(text.as_bytes());
        Ok(())
    }
}

/// Says why, in one line, and stops the machine.
pub(crate) fn stop(why: fmt::Arguments<'_>) -> ! {
    arch::interrupts_disable();
    // A serial line takes every byte; there is nobody else to tell.
    let _ = writeln!(Line, "\norrery: {why}");
    arch::exit(Exit::Failure)
}

/// Tells the runner how the image ended, in its last line, and stops the machine.
pub(crate) fn finish(status: u8) -> ! {
    arch::interrupts_disable();
    // As above.
    let _ = writeln!(Line, "\norrery: status {status}");
    arch::exit(if status == 0 { Exit::Success } else { Exit::Failure })
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    stop(format_args!("{info}"))
}
