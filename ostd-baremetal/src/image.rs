//! From the boot code to `main`: the boot stack, and the macro that names the image's main function.
#![expect(unsafe_code, reason = "hands over to a main function that is known to the linker alone")]

use alloc::boxed::Box;

use crate::{arch, halt, machine, stacks};

/// Bytes of stack for boot code and the first CPU's loop.
pub(crate) const BOOT_STACK_LEN: usize = 64 << 10;

/// Memory aligned as stacks must be, in whole pages.
#[repr(C, align(4096))]
pub(crate) struct BootStack(pub(crate) [u8; BOOT_STACK_LEN]);

/// The stack of the first CPU's boot code. Only assembly touches it.
pub(crate) static mut BOOT_STACK: BootStack = BootStack([0; BOOT_STACK_LEN]);

unsafe extern "Rust" {
    /// Defined by [`image!`](crate::image).
    safe fn orrery_image_main(machine: machine::Baremetal) -> u8;
}

/// Where boot code calls into Rust, on the boot stack, once per image, with what the loader left in a register.
pub(crate) extern "C" fn enter(loaded: usize) -> ! {
    arch::start();
    let machine = match machine::Baremetal::new(loaded) {
        Ok(machine) => Box::new(machine),
        Err(why) => halt::stop(format_args!("{why}")),
    };
    // SAFETY: the stack is this CPU's, and what lies on it is given up here: the machine does not.
    unsafe { arch::call_on(stacks::first_end(), lend, Box::into_raw(machine).expose_provenance()) }
}

/// Runs `main` on the boot stack as the window of stacks shows it, with a hole below: the first CPU's loop is in there.
extern "C" fn lend(machine: usize) -> ! {
    // SAFETY: `enter` made it, and passes it once.
    let machine = unsafe { Box::from_raw(core::ptr::with_exposed_provenance_mut::<machine::Baremetal>(machine)) };
    halt::finish(orrery_image_main(*machine))
}

/// Makes `main`, a `fn(Baremetal) -> u8`, what a bare-metal image runs; its answer is the image's status. Stands once,
/// in the image's `main.rs`.
#[macro_export]
macro_rules! image {
    ($main:expr) => {
        const _: () = {
            #[unsafe(no_mangle)]
            extern "Rust" fn orrery_image_main(machine: $crate::Baremetal) -> u8 {
                let main: fn($crate::Baremetal) -> u8 = $main;
                main(machine)
            }
        };
    };
}
