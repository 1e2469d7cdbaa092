//! From a kernel to a program that runs on every machine.

/// Makes `main`, a `fn(Machine) -> u8`, what the program runs; its answer is the program's status. Stands once, in a
/// program that is `no_std` and `no_main`: on metal that is an image, on a host a process with one CPU and 64 MiB, whose
/// user mode runs machine code.
///
/// A kernel that wants to choose its hosted machine, or to look at what a loader gave its image, makes its
/// [`Machine`](crate::Machine) itself.
#[macro_export]
macro_rules! image {
    ($main:path) => {
        $crate::backend_image!(|backend| {
            let main: fn($crate::Machine) -> u8 = $main;
            main($crate::Machine::new(backend, $crate::MachineConfig::default()))
        });
    };
}
