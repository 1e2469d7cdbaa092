//! The machine's devices as the rest of the kernel uses them.
//!
//! - [`Disk`]: a disk as bytes.
//! - [`Stream`]: a byte channel that can be waited for.

mod disk;
mod stream;

pub use disk::Disk;
pub use stream::{Stream, errno_of};
