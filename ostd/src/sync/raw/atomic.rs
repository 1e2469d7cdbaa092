//! The atomics that the algorithms run on: `core`'s here, loom's in the model.

pub(crate) use core::sync::atomic::{AtomicU32, Ordering};
