//! Terminals.
//!
//! - [`discipline`]: what a terminal makes of bytes; pure.
//! - [`console`]: the machine's own terminal, and who is at work on it.

pub mod console;
pub mod discipline;

pub use console::{Console, Foreground, Job};
pub use discipline::Discipline;
