//! Generated programs: sequences of the table's calls, whose arguments may be earlier answers, on any subject.
//!
//! - [`model`]: what a program is. [`family`]: which rows it draws from.
//! - [`decode`]: any bytes are a program, and a program is bytes. [`choice`]: what an argument of a kind can be.
//! - [`stage`]: runs a program on a subject, in processes and a directory of its own. [`series`]: many in one process, if
//!   they are [`tame`]. [`body`]: one sequence of calls there; [`memory`]: what its arguments point to; [`layout`]: what
//!   structures are made of.
//! - [`transcript`]: what the calls came to; [`mask`]: the same without what differs from kernel to kernel by right.
//! - [`invariants`]: what holds of every transcript.
//! - [`story`]: a program and a transcript for people to read. [`shrink`]: smaller programs.
//! - `strategy`: programs for proptest, with the feature `proptest`.
//!
//! A program cannot be wrong: every argument is made to fit when its call is made, so what shrinking leaves is a
//! program too. It names no process but its own and unmaps nothing but its own memory, whatever its bytes are.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod body;
pub mod choice;
pub mod decode;
pub mod family;
pub mod invariants;
pub mod layout;
pub mod mask;
pub mod memory;
pub mod model;
pub mod series;
mod shared;
pub mod shrink;
pub mod stage;
pub mod story;
#[cfg(feature = "proptest")]
pub mod strategy;
pub mod tame;
pub mod transcript;
pub mod tree;

pub use family::Family;
pub use model::{How, Join, Place, Program, Step, Value};
pub use stage::{Stage, run};
#[cfg(feature = "proptest")]
pub use strategy::strategy;
pub use transcript::Transcript;
