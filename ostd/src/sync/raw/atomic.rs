//! The atomics that the algorithms run on: `core`'s here, loom's in the model.

pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// A constructor: `const` here, so that locks can stand in constants; not `const` in the model.
macro_rules! constructor {
    ($(#[$doc:meta])* $visibility:vis fn $($function:tt)*) => { $(#[$doc])* $visibility const fn $($function)* };
}
pub(crate) use constructor;
