//! A lock for one writer or many readers; a writer who waits keeps new readers out.
//!
//! So readers cannot starve a writer; a stream of writers can starve readers. And who reads must not read-lock again:
//! a writer may have come in between, and each would wait for the other.
//!
//! Waiting writers are counted, not flagged: the count is right whoever takes the lock first and in whichever order
//! they wake. Waiting readers need only a flag, because they are all woken together. The flag is set only while
//! somebody keeps readers out, and who ends that takes it down and wakes them.
//!
//! As in [`mutex`](super::mutex), the queues of sleepers (one of readers, one of writers) are the caller's. A caller
//! whose `sleep` spins as long as it is told to, and whose `wake` does nothing, has a spinning lock.

use super::atomic::{AtomicU64, Ordering, constructor};
use super::order::{ACQUIRE, RELEASE};

/// A writer holds the lock.
const WRITER: u64 = 1 << 63;
/// Readers wait.
const READERS_WAIT: u64 = 1 << 62;
/// One waiting writer; their count has 31 bits.
const WAITING_WRITER: u64 = 1 << 31;
const WAITING_WRITERS: u64 = READERS_WAIT - WAITING_WRITER;
/// The readers that hold the lock; their count has 31 bits.
const READERS: u64 = WAITING_WRITER - 1;

/// What keeps a reader out, and what keeps a writer out.
const NO_READING: u64 = WRITER | WAITING_WRITERS;
const NO_WRITING: u64 = WRITER | READERS;

/// Whom the one who leaves has to wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// One sleeper of the writers' queue.
    OneWriter,
    /// Every sleeper of the readers' queue.
    AllReaders,
}

/// The state machine of a reader/writer lock.
pub(crate) struct RawRwLock {
    state: AtomicU64,
}

impl RawRwLock {
    constructor! {
        /// Free.
        pub(crate) fn new() -> Self {
            Self { state: AtomicU64::new(0) }
        }
    }

    /// Takes the lock for reading unless a writer holds it or waits for it.
    #[must_use]
    pub(crate) fn try_read(&self) -> bool {
        self.change(ACQUIRE, |state| {
            assert!(state & READERS < READERS, "a read lock is held two thousand million times");
            (state & NO_READING == 0).then_some(state + 1)
        })
        .is_ok()
    }

    /// Takes the lock for reading. `sleep` is as for [`RawMutex::lock`](super::mutex::RawMutex::lock), on the readers'
    /// queue.
    pub(crate) fn read(&self, mut sleep: impl FnMut(&dyn Fn() -> bool)) {
        while !self.try_read() {
            let marked =
                self.change(Ordering::Relaxed, |state| (state & NO_READING != 0).then_some(state | READERS_WAIT));
            if marked.is_ok() {
                // Without the flag nobody would wake us, even if a new writer keeps us out by now.
                sleep(&|| {
                    let state = self.state.load(Ordering::Relaxed);
                    state & NO_READING != 0 && state & READERS_WAIT != 0
                });
            }
        }
    }

    /// Takes the lock for writing if nobody holds it.
    #[must_use]
    pub(crate) fn try_write(&self) -> bool {
        self.change(ACQUIRE, |state| (state & NO_WRITING == 0).then_some(state | WRITER)).is_ok()
    }

    /// Takes the lock for writing. `sleep` is as for [`RawMutex::lock`](super::mutex::RawMutex::lock), on the writers'
    /// queue.
    pub(crate) fn write(&self, mut sleep: impl FnMut(&dyn Fn() -> bool)) {
        if self.try_write() {
            return;
        }
        let waiting = self.state.fetch_add(WAITING_WRITER, Ordering::Relaxed);
        assert!(waiting & WAITING_WRITERS < WAITING_WRITERS, "two thousand million writers wait for a lock");
        let enter = |state: u64| (state & NO_WRITING == 0).then(|| (state | WRITER) - WAITING_WRITER);
        while self.change(ACQUIRE, enter).is_err() {
            sleep(&|| self.state.load(Ordering::Relaxed) & NO_WRITING != 0);
        }
    }

    /// Gives a read lock back; only a reader may. The last one out calls `wake`, if a writer waits.
    pub(crate) fn unlock_read(&self, wake: impl FnOnce(Wake)) {
        let state = self.state.fetch_sub(1, RELEASE);
        assert!(state & READERS != 0, "a lock that nobody reads was read-unlocked");
        if state & READERS == 1 && state & WAITING_WRITERS != 0 {
            wake(Wake::OneWriter);
        }
    }

    /// Gives the write lock back; only the writer may. Calls `wake` if somebody waits: writers come first.
    pub(crate) fn unlock_write(&self, wake: impl FnOnce(Wake)) {
        let mut whom = None;
        let left = self.change(RELEASE, |state| {
            whom = if state & WAITING_WRITERS != 0 {
                Some(Wake::OneWriter)
            } else {
                (state & READERS_WAIT != 0).then_some(Wake::AllReaders)
            };
            let flag = if whom == Some(Wake::AllReaders) { READERS_WAIT } else { 0 };
            (state & WRITER != 0).then_some(state & !(WRITER | flag))
        });
        assert!(left.is_ok(), "a lock that nobody writes was write-unlocked");
        if let Some(whom) = whom {
            wake(whom);
        }
    }

    /// Moves the state as `step` says, in one step, or not at all where it says `None`.
    fn change(&self, order: Ordering, step: impl FnMut(u64) -> Option<u64>) -> Result<u64, u64> {
        self.state.fetch_update(order, Ordering::Relaxed, step)
    }
}
