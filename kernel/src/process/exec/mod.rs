//! Program files: what execve(2) makes of them.
//!
//! - [`elf`], [`script`], [`stack`]: formats, pure.
//! - `load.rs`, `map.rs`: a new address space out of a file.
//! - `execve.rs`: a thread that becomes another program.

pub mod elf;
mod execve;
mod load;
mod map;
pub mod script;
pub mod stack;

pub use load::{Executable, Failure, Image, Words, load};
