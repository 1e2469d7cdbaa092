//! Linux's behaviour as cases: functions over kernel-abi's typed calls, which know no kernel and no standard library.
//!
//! [`families`] holds them. A runner gives each a process and an empty working directory; a case asks nothing else of
//! its kernel, and adapts to the user that it runs as.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod families;
pub mod program;

pub use families::{Case, Failure, Outcome, all, executed};
