//! A lock whose waiters sleep: free, held, or held with somebody who may be asleep.
//!
//! The lock is not handed over: who comes by while the woken waiter is still on its way may take it first. That keeps
//! the lock busy instead of idle during a context switch; the woken one marks the lock again and sleeps again, so
//! nobody is forgotten, but there is no order among waiters.

use super::atomic::{AtomicU32, Ordering, constructor};
use super::order::{ACQUIRE, RELEASE};

const FREE: u32 = 0;
const HELD: u32 = 1;
/// Held, and `unlock` must wake somebody. It may be that nobody sleeps any more; then that wake-up finds nobody.
const CONTENDED: u32 = 2;

/// The state machine of a sleeping lock. The queue of sleepers is the caller's.
pub(crate) struct RawMutex {
    state: AtomicU32,
}

impl RawMutex {
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

    /// Takes the lock, sleeping as long as somebody else holds it.
    ///
    /// `sleep` puts the caller on the queue, *then* asks its argument whether it should still sleep, and if so sleeps
    /// until woken; it may return early. In the other order a wake-up between the two is lost.
    pub(crate) fn lock(&self, mut sleep: impl FnMut(&dyn Fn() -> bool)) {
        if self.try_lock() {
            return;
        }
        // From here on the lock is only ever taken as contended: others may sleep too, and only an unlock that finds
        // CONTENDED wakes them.
        while self.state.swap(CONTENDED, ACQUIRE) != FREE {
            sleep(&|| self.state.load(Ordering::Relaxed) == CONTENDED);
        }
    }

    /// Gives the lock back; only its holder may. `wake_one` wakes one sleeper, if there is one on the queue; it is
    /// called after the lock is free.
    pub(crate) fn unlock(&self, wake_one: impl FnOnce()) {
        let state = self.state.swap(FREE, RELEASE);
        assert!(state != FREE, "a mutex that nobody holds was unlocked");
        if state == CONTENDED {
            wake_one();
        }
    }
}
