//! The end of the road: a panic, or something that this machine cannot do yet.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

use crate::arch;
use crate::exit::Exit;

struct Serial;

impl Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        arch::serial_write(text.as_bytes());
        Ok(())
    }
}

/// Says what was asked for, and stops the machine. Every function of the waist that is not built yet ends here.
pub(crate) fn not_built_yet(what: &str) -> ! {
    stop(format_args!("orrery: this machine is not built yet: {what}"))
}

fn stop(why: fmt::Arguments<'_>) -> ! {
    arch::interrupts_disable();
    // A serial line takes every byte; there is nobody else to tell.
    let _ = writeln!(Serial, "{why}");
    arch::exit(Exit::Failure)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    stop(format_args!("orrery: {info}"))
}
