//! From the boot code to `main`: the boot stack, and the macro that names the image's main function.
#![expect(unsafe_code, reason = "hands over to a main function that is known to the linker alone")]

/// Bytes of stack until the first kernel task has its own.
pub(crate) const BOOT_STACK_LEN: usize = 64 << 10;

/// Memory aligned as stacks must be.
#[repr(C, align(16))]
pub(crate) struct BootStack([u8; BOOT_STACK_LEN]);

/// The stack of the first CPU's boot code. Only assembly touches it.
pub(crate) static mut BOOT_STACK: BootStack = BootStack([0; BOOT_STACK_LEN]);

unsafe extern "Rust" {
    /// Defined by [`image!`](crate::image).
    safe fn orrery_image_main();
}

/// Where boot code calls into Rust, on the boot stack, once per image.
pub(crate) extern "C" fn enter() -> ! {
    orrery_image_main();
    crate::arch::exit(crate::exit::Exit::Success)
}

/// Makes `main`, a `fn()`, what a bare-metal image runs. Stands once, in the image's `main.rs`.
#[macro_export]
macro_rules! image {
    ($main:path) => {
        const _: () = {
            #[unsafe(no_mangle)]
            extern "Rust" fn orrery_image_main() {
                let main: fn() = $main;
                main()
            }
        };
    };
}
