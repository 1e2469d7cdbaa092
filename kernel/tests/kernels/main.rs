//! Whole kernels in this process; and what `orrery` reads off a command line, be it a shell's or a boot loader's.
//!
//! One binary for all of it, since each is linked anew with every edit of the kernel.

extern crate alloc;

mod disk;
mod life;
#[path = "../../orrery/options.rs"]
mod options;
mod schedules;
#[path = "../../orrery/words.rs"]
mod words;
