//! Address spaces: page-table trees, cursors over ranges of them, flush tokens, and copies to and from user memory.
//!
//! The tree is real: nodes in frames, entries as the hardware encodes them. Lock order: one tree lock per space,
//! taken by a cursor for as long as it lives; only the frame allocator's lock is taken under it.

mod copy;
mod cursor;
mod flush;
mod space;

pub use copy::CopyFault;
pub use cursor::{Cursor, Mapped};
pub use flush::Flush;
pub use ostd_hal::paging::PageFlags;
pub use space::VmSpace;
