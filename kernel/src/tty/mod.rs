//! Terminals.
//!
//! - [`discipline`]: what a terminal makes of bytes; pure.
//! - [`console`]: the machine's own terminal, and who is at work on it; [`file`] is how programs see it.

pub mod console;
pub mod discipline;
pub mod file;

pub use console::{Console, Foreground, Job};
pub use discipline::Discipline;
pub use file::TtyFile;
