//! Empty.

pub mod sync;
