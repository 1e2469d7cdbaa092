//! A lock whose waiters spin: test, and test-and-set only when it looks free.
//!
//! Not a queue of tickets: on the hosted backend a CPU is a host thread that may be off its core, and a ticket lock
//! would make everybody wait for exactly that one.

use super::atomic::{AtomicU32, Ordering, constructor};
use super::order::{ACQUIRE, RELEASE};

const FREE: u32 = 0;
const HELD: u32 = 1;

/// One bit. Whoever holds it sees everything that earlier holders did.
pub(crate) struct RawSpin {
    state: AtomicU32,
}

impl RawSpin {
    constructor! {
        /// Free.
        pub(crate) fn new() -> Self {
            Self { state: AtomicU32::new(FREE) }
        }
    }

    /// Takes the lock if it is free.
    #[must_use]
    pub(crate) fn try_lock(&self) -> bool {
        self.state.compare_exchange(FREE, HELD, ACQUIRE, Ordering::Relaxed).is_ok()
    }

    /// Takes the lock, calling `relax` after each attempt that finds it held.
    pub(crate) fn lock(&self, mut relax: impl FnMut()) {
        while !self.try_lock() {
            relax();
            // Only reading: the holder keeps its cache line until it writes FREE.
            while self.state.load(Ordering::Relaxed) == HELD {
                relax();
            }
        }
    }

    /// Gives the lock back. Only its holder may.
    pub(crate) fn unlock(&self) {
        self.state.store(FREE, RELEASE);
    }
}
