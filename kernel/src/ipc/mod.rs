//! Talking between processes through descriptors.
//!
//! - [`ring`]: the pages a pipe keeps its bytes in.

pub mod ring;
