//! The machine's devices as the rest of the kernel uses them.
//!
//! - [`Stream`]: a byte channel that can be waited for.

mod stream;

pub use stream::{Stream, errno_of};
