//! A program's start and its unhappy end: arguments, `main`, and what a panic says.
#![expect(unsafe_code, reason = "reads the arguments where the kernel put them")]

use alloc::vec::Vec;
use core::ffi::{CStr, c_char};
use core::fmt;
use core::panic::PanicInfo;

use kernel_abi::{Calls as _, Fd};

use crate::Guest;

/// Exit status of a program that panicked.
const STATUS_PANICKED: i32 = 101;

unsafe extern "Rust" {
    /// Defined by [`program!`](crate::program).
    safe fn orrery_guest_main(arguments: &[&str]) -> i32;
}

/// Where the kernel's entry leads: `stack` is where it put the argument count, and pointers behind it.
pub(crate) extern "C" fn begin(stack: *const usize) -> ! {
    // SAFETY: execve(2) puts the count there.
    let count = unsafe { stack.read() };
    let argument = |index: usize| {
        // SAFETY: as many pointers lie behind the count.
        let pointer = unsafe { stack.add(1 + index).read() };
        // SAFETY: each is a string with its NUL, which stays where it is while the program runs.
        let text: &'static CStr = unsafe { CStr::from_ptr(core::ptr::with_exposed_provenance::<c_char>(pointer)) };
        text.to_str().unwrap_or_default()
    };
    let arguments: Vec<&str> = (0..count).map(argument).collect();
    end(orrery_guest_main(&arguments))
}

fn end(status: i32) -> ! {
    loop {
        let _ = Guest.exit_group(status as usize);
    }
}

/// Standard error, by one call for each piece.
struct Stderr;

impl fmt::Write for Stderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        Guest.write(Fd(2), text.as_ptr().expose_provenance(), text.len()).map_err(|_| fmt::Error).map(drop)
    }
}

/// Says what went wrong and where, and ends the process.
#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    use fmt::Write as _;
    // Who cannot be told can still be shown by the status.
    let _ = match info.location() {
        Some(at) => writeln!(Stderr, "{} at {}:{}", info.message(), at.file(), at.line()),
        None => writeln!(Stderr, "{}", info.message()),
    };
    end(STATUS_PANICKED)
}

/// Makes `main`, a `fn(&[&str]) -> i32`, what a program does with its arguments (its own name is the first); its answer
/// is the exit status. Stands once, in the program's `main.rs`.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        const _: () = {
            #[unsafe(no_mangle)]
            extern "Rust" fn orrery_guest_main(arguments: &[&str]) -> i32 {
                let main: fn(&[&str]) -> i32 = $main;
                main(arguments)
            }
        };
    };
}
