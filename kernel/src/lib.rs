//! A Linux-compatible kernel in safe Rust, and nothing but: no unsafe code, no state in statics, no `cfg`.
//!
//! A folder is a room. A room uses only rooms to its left, and rooms between the same two dots do not see each other:
//!
//! ```text
//! error abi · time sched driver · mm · futex credentials · vfs signal · process · fs net tty ipc · syscall · kernel.rs
//! ```
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod credentials;
pub mod driver;
pub mod error;
pub mod fs;
pub mod futex;
pub mod ipc;
pub mod kernel;
pub mod mm;
pub mod process;
pub mod sched;
pub mod signal;
mod syscall;
pub mod time;
pub mod tty;
pub mod vfs;

pub use kernel_abi as abi;
