//! loom's atomics, by the names of `raw/atomic.rs`.

pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// A constructor, not `const`: loom registers each atomic as it is made.
macro_rules! constructor {
    ($($function:tt)*) => { $($function)* };
}
pub(crate) use constructor;
