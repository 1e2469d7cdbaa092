//! File systems, and files that are devices.

pub mod dev;
pub mod initramfs;
pub mod memory;
pub mod proc;
pub mod stream;
