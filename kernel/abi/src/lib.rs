//! Linux's nouns: errno, flags, structures, and the table of system calls, for both architectures at once.
//!
//! - [`errno`]: reasons for refusing, and how a register carries them.
//! - [`flags`]: bits, commands and limits by family, under Linux's names.
//! - [`structs`]: what passes through a program's memory, byte for byte.
//! - [`signal`]: signals and sets of them.
//! - [`for_each_syscall!`]: the rows; [`row`] is what they say as values, [`arg`] what can stand in them.
//! - [`strace`]: a call for people to read.
//! - [`sys`]: calls from the other side: what a test case may do, on Linux or on Orrery.
//! - [`manual`]: the table as a page.
//! - [`names`]: what numbers without a row are called.
//!
//! Nothing here depends on the rest of Orrery, nothing keeps state, and nothing asks which architecture it was compiled
//! for: a kernel for one can answer a program for the other.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod arch;
pub mod arg;
pub mod errno;
pub mod flags;
pub mod manual;
pub mod names;
pub mod row;
pub mod signal;
pub mod strace;
pub mod structs;
pub mod sys;
mod table;

/// Every type that a row of the table names, for the macros that expand it: `use kernel_abi::types::*`.
pub mod types {
    pub use crate::arg::*;
    pub use crate::flags::*;
    pub use crate::signal::{SigSet, Signal};
    pub use crate::structs::*;
}

pub use arch::Arch;
pub use arg::{Arg, Fd, Gid, Kind, Mode, Pid, Regs, Uid};
pub use errno::{Errno, Result};
pub use row::{Call, ROWS, Row};
pub use signal::{SigSet, Signal};
pub use sys::{Calls, Sys};
