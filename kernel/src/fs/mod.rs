//! File systems, and files that are devices.

pub mod dev;
pub mod stream;
