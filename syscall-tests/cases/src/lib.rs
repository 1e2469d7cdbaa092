//! Linux's behaviour as cases: functions over kernel-abi's typed calls, which know no kernel and no standard library.
//!
//! [`families`] holds them. A runner gives each a process and an empty working directory; a case asks nothing else of
//! its kernel, and adapts to the user that it runs as.
//!
//! [`program`] is a runner without a standard library: on a bare target the binary `cases` is that program, static, and
//! executes itself anew for each case ([`worker`], [`place`]) and tells [`ktap`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod families;
pub mod ktap;
pub mod place;
pub mod program;
pub mod worker;

pub use families::{Case, Failure, Outcome, all, executed};
