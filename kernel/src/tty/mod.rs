//! Terminals.
//!
//! - [`discipline`]: what a terminal makes of bytes; pure.
//! - [`console`]: the machine's own terminal, and whose it is; [`file`] is how programs see it.
//! - `job`: which processes may use it, and who is sent away.

pub mod console;
pub mod discipline;
pub mod file;
mod job;

pub use console::{Console, Foreground, Job};
pub use discipline::Discipline;
pub use file::TtyFile;
