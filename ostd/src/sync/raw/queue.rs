//! One place in a wait queue: chosen by a waker, or given up by the one who waits, never both.
//!
//! A waker takes places off the queue until one lets itself be [woken](Place::wake), and unparks that task. Who waits
//! stops for reasons of its own too: a timeout, a signal, or the condition has come true without a waker. It then
//! [gives up](Place::give_up) its place. If a waker was first, the wake-up is in its hands, and it decides:
//!
//! - it acts as woken (checks the condition again), or
//! - it leaves all the same, and passes the wake-up on by waking the next place.
//!
//! Doing neither loses a wake-up that somebody else in the queue was waiting for. The order of business, with the
//! queue's list behind its own lock:
//!
//! ```text
//! who waits                                         who wakes
//!   put a new place on the list                       make the condition true
//!   condition true? give up, or pass on; done         while a place comes off the list:
//!   park                                                wake it; chosen? unpark its task; done
//!   woken? start over
//!   time over, signal? give up, or pass on; done
//!   park again (a parker may return early)
//! ```
//!
//! The condition is looked at only after the place is on the list, so a waker that found the list empty has made it
//! true before: the list's lock is what orders the two.

use super::atomic::{AtomicU32, Ordering, constructor};
use super::order::{ACQUIRE, RELEASE};

const WAITING: u32 = 0;
const WOKEN: u32 = 1;
const GIVEN_UP: u32 = 2;

/// How giving up a place went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a wake-up that came first must be acted on or passed on"]
pub(crate) enum GiveUp {
    /// No waker has chosen it, and none will.
    Done,
    /// A waker has chosen it before: act as woken, or pass the wake-up on.
    AlreadyWoken,
}

/// A place in a wait queue, for one sleep.
pub(crate) struct Place {
    state: AtomicU32,
}

impl Place {
    constructor! {
        /// Waiting.
        pub(crate) fn new() -> Self {
            Self { state: AtomicU32::new(WAITING) }
        }
    }

    /// For a waker. True: it has chosen this place, and must unpark the task. False: the place was given up (or woken
    /// before), and the wake-up is still to be used.
    #[must_use]
    pub(crate) fn wake(&self) -> bool {
        self.state.compare_exchange(WAITING, WOKEN, RELEASE, Ordering::Relaxed).is_ok()
    }

    /// For who waits: whether a waker has chosen it. If so, what the waker did before is visible.
    #[must_use]
    pub(crate) fn is_woken(&self) -> bool {
        self.state.load(ACQUIRE) == WOKEN
    }

    /// For who waits: leaves the queue for a reason of its own. Taking the place off the list is the caller's.
    pub(crate) fn give_up(&self) -> GiveUp {
        match self.state.compare_exchange(WAITING, GIVEN_UP, Ordering::Relaxed, ACQUIRE) {
            Ok(_) => GiveUp::Done,
            Err(state) => {
                assert!(state == WOKEN, "a place is given up once");
                GiveUp::AlreadyWoken
            }
        }
    }
}

/// Takes entries off a list with `next` until one lets itself be woken, and returns it: its task must be unparked.
/// `None`: nobody waits.
pub(crate) fn wake_next<E>(next: impl FnMut() -> Option<E>, place: impl Fn(&E) -> &Place) -> Option<E> {
    core::iter::from_fn(next).find(|entry| place(entry).wake())
}
