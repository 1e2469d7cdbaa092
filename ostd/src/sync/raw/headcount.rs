//! How many wait in a queue, so that a waker need not take the queue's lock when nobody does.
//!
//! Who waits counts itself in and then looks at the condition; who wakes makes the condition true and then looks at
//! the count. One of the two must see the other, or a wake-up is lost. Neither acquire nor release promises that (each
//! write may still sit in its own CPU's store buffer while the other's is read): it takes a full fence on both sides.

use super::atomic::{AtomicU32, Ordering, constructor, fence};
use super::order::SEQ_CST;

/// A number of waiters.
#[derive(Default)]
pub(crate) struct Headcount {
    count: AtomicU32,
}

impl Headcount {
    constructor! {
        /// Nobody.
        pub(crate) fn new() -> Self {
            Self { count: AtomicU32::new(0) }
        }
    }

    /// Counts a waiter in, who is on the queue already and has yet to look at its condition.
    pub(crate) fn enter(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        fence(SEQ_CST);
    }

    /// Counts `many` out, whoever took them off the queue.
    pub(crate) fn leave(&self, many: u32) {
        self.count.fetch_sub(many, Ordering::Relaxed);
    }

    /// Whether a waker who has made the condition true may go without looking at the queue.
    #[must_use]
    pub(crate) fn is_zero(&self) -> bool {
        fence(SEQ_CST);
        self.count.load(Ordering::Relaxed) == 0
    }

    /// The count, for a message: by the time it is read it may be another.
    pub(crate) fn about(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }
}
