//! One sleeper: going to sleep, being woken, and the moment in between.
//!
//! A task that decides to sleep still runs on its own stack until its CPU has switched away from it. Who wakes it in
//! that moment must neither be forgotten (a lost wake-up) nor put it on a run queue (another CPU would run a context
//! that is still being saved). So falling asleep has two steps, and a waker learns which of the two has been reached:
//!
//! ```text
//!               begin_park            finish_park
//!    RUNNING ───────────────► PARKING ───────────► PARKED
//!       ▲      (by the task)           (by its CPU,   │
//!       │                               off its stack)│ unpark: true,
//!       │          resumed                            ▼ the waker enqueues
//!       └──────────────────────────────────── PARKED|NOTIFIED  (on a run queue)
//! ```
//!
//! `unpark` sets NOTIFIED in whatever state it finds. On RUNNING it is a token that the next `begin_park` consumes; on
//! PARKING it makes `finish_park` answer false, and the CPU enqueues the task itself; only on PARKED does the waker
//! enqueue. So each sleep ends by exactly one enqueueing. Wake-ups of a task that is already awake or queued coalesce,
//! and whoever sleeps on a condition checks it again.

use super::atomic::{AtomicU32, Ordering, constructor};
use super::order::{ACQ_REL, ACQUIRE, RELEASE};

/// Somebody called `unpark`, and the task has not acted on it yet.
const NOTIFIED: u32 = 1;
/// The task runs, or is queued because it was preempted.
const RUNNING: u32 = 0;
/// The task has said that it sleeps; its CPU is still on its stack.
const PARKING: u32 = 2;
/// The task's context is saved: it may be run from elsewhere. With [`NOTIFIED`]: it is on a run queue.
const PARKED: u32 = 4;

/// The sleep of one task. The phase is moved only by the task and the CPU that runs it; anybody may notify.
pub(crate) struct Parker {
    state: AtomicU32,
}

impl Parker {
    constructor! {
        /// For a task that runs, or is about to be put on a run queue for the first time.
        pub(crate) fn running() -> Self {
            Self { state: AtomicU32::new(RUNNING) }
        }
    }

    /// Called by the task: it wants to sleep. False: it was notified meanwhile, the token is consumed, and it must not
    /// sleep. After true, the task switches away and its CPU calls [`finish_park`](Self::finish_park).
    #[must_use]
    pub(crate) fn begin_park(&self) -> bool {
        match self.state.compare_exchange(RUNNING, PARKING, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => true,
            Err(state) => {
                assert!(state == RUNNING | NOTIFIED, "a task that does not run cannot go to sleep");
                // A swap, not a store: a second notifier may have come since, and what it did must be seen too.
                self.state.swap(RUNNING, ACQUIRE);
                false
            }
        }
    }

    /// Called by the CPU, no longer on the task's stack and with its context saved. False: it was woken meanwhile, and
    /// the caller must enqueue it now. True: the task may be run by another CPU from this instant, so the caller must
    /// not touch its context again.
    #[must_use]
    pub(crate) fn finish_park(&self) -> bool {
        match self.state.compare_exchange(PARKING, PARKED, RELEASE, Ordering::Relaxed) {
            Ok(_) => true,
            Err(state) => {
                assert!(state == PARKING | NOTIFIED, "only a task that is going to sleep can fall asleep");
                // A swap keeps the notifier's release sequence, on which `resumed` relies.
                self.state.swap(PARKED | NOTIFIED, RELEASE);
                false
            }
        }
    }

    /// Called by anybody: the task shall run, now or if it tries to sleep next. True: the caller, and nobody else, must
    /// enqueue it. What the caller did before is visible to the task when it runs again or when its `begin_park`
    /// answers false.
    #[must_use]
    pub(crate) fn unpark(&self) -> bool {
        self.state.fetch_or(NOTIFIED, ACQ_REL) == PARKED
    }

    /// Called by the CPU that has taken the task from a run queue and is about to run it. Ends a sleep, if there was
    /// one; after a mere preemption it does nothing, and a token stays.
    pub(crate) fn resumed(&self) {
        // The phase cannot change under us: the task is neither running nor asleep.
        let state = self.state.load(Ordering::Relaxed);
        assert!(state == PARKED | NOTIFIED || state & !NOTIFIED == RUNNING, "a sleeping task was run");
        if state & PARKED != 0 {
            self.state.swap(RUNNING, ACQUIRE);
        }
    }
}
