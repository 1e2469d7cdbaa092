//! The orderings that the algorithms rely on, by name, so that the model can weaken them one at a time.

use super::atomic::Ordering;

/// Sees everything that was done before the matching [`RELEASE`].
pub(crate) const ACQUIRE: Ordering = Ordering::Acquire;
/// Publishes everything that was done so far.
pub(crate) const RELEASE: Ordering = Ordering::Release;
/// Both, for an operation that reads and writes.
pub(crate) const ACQ_REL: Ordering = Ordering::AcqRel;
/// A full fence: what was written before it is seen by whoever reads after a full fence of its own, or the other way
/// round.
pub(crate) const SEQ_CST: Ordering = Ordering::SeqCst;
