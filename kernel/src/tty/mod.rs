//! Terminals.
//!
//! - [`discipline`]: what a terminal makes of bytes; pure.

pub mod discipline;

pub use discipline::Discipline;
