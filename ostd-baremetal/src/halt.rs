//! The end of the road: a panic, or a machine that cannot be used.

use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::exit::Exit;
use crate::{arch, cpus, serial};

/// The CPU that ends the machine; [`NOBODY`] while it runs.
static ENDS: AtomicUsize = AtomicUsize::new(NOBODY);
const NOBODY: usize = usize::MAX;

struct Line;

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        serial::write_at_once(text.as_bytes());
        Ok(())
    }
}

/// Makes this CPU the only one that runs; a second one that wants that stops.
fn alone() {
    arch::interrupts_disable();
    let here = arch::local().id.0;
    match ENDS.compare_exchange(NOBODY, here, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => cpus::stop_others(),
        // A panic on the way out: what could be said has been.
        Err(cpu) if cpu == here => arch::exit(Exit::Failure),
        Err(_) => arch::park(),
    }
}

/// Stops this CPU for good if another is ending the machine.
pub(crate) fn obey() {
    let ends = ENDS.load(Ordering::Relaxed);
    if ends != NOBODY && ends != arch::local().id.0 {
        arch::interrupts_disable();
        arch::park();
    }
}

/// Says something in a line of its own.
pub(crate) fn say(what: fmt::Arguments<'_>) {
    // A serial line takes every byte; there is nobody else to tell.
    let _ = writeln!(Line, "orrery: {what}");
}

/// Says why, in one line, and stops the machine.
pub(crate) fn stop(why: fmt::Arguments<'_>) -> ! {
    alone();
    // As above.
    let _ = writeln!(Line, "\norrery: {why}");
    arch::exit(Exit::Failure)
}

/// Tells the runner how the image ended, in its last line, and stops the machine.
pub(crate) fn finish(status: u8) -> ! {
    alone();
    // As above.
    let _ = writeln!(Line, "\norrery: status {status}");
    arch::exit(if status == 0 { Exit::Success } else { Exit::Failure })
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // On one line: the message may be long, the place is not.
    match info.location() {
        Some(at) => stop(format_args!("panicked at {at}: {}", info.message())),
        None => stop(format_args!("panicked: {}", info.message())),
    }
}
