//! Threads that wait for tokens, one that brings them, and one that gives up.

use super::super::super::Threads;
use super::super::queue::{GiveUp, Place, wake_next};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::sync::{Mutex, MutexGuard, Notify};
use loom::thread;
use std::collections::VecDeque;
use std::sync::Arc;

/// What stands in the list: a place, and what wakes its thread.
struct Entry {
    place: Place,
    thread: Notify,
}

struct Shared {
    tokens: AtomicUsize,
    list: Mutex<VecDeque<Arc<Entry>>>,
    threads: Threads,
}

impl Shared {
    fn new(threads: Threads) -> Arc<Self> {
        Arc::new(Self { tokens: AtomicUsize::new(0), list: Mutex::new(VecDeque::new()), threads })
    }

    fn list(&self) -> MutexGuard<'_, VecDeque<Arc<Entry>>> {
        self.list.lock().expect("a thread that panics ends the model")
    }

    fn enter(&self) -> Arc<Entry> {
        let entry = Arc::new(Entry { place: Place::new(), thread: Notify::new() });
        self.list().push_back(entry.clone());
        entry
    }

    /// Ends a wait for a reason of the waiter's own.
    fn leave(&self, entry: &Arc<Entry>) {
        self.list().retain(|other| !Arc::ptr_eq(other, entry));
        if entry.place.give_up() == GiveUp::AlreadyWoken && self.threads == Threads::Honest {
            self.wake_one();
        }
    }

    fn wake_one(&self) {
        if let Some(entry) = wake_next(|| self.list().pop_front(), |entry| &entry.place) {
            entry.thread.notify();
        }
    }

    fn take_token(&self) -> bool {
        self.tokens.fetch_update(Relaxed, Relaxed, |tokens| tokens.checked_sub(1)).is_ok()
    }

    /// Waits for a token, as the file's door tells.
    fn wait(&self) {
        loop {
            let entry = self.enter();
            if self.take_token() {
                return self.leave(&entry);
            }
            while !entry.place.is_woken() {
                entry.thread.wait();
            }
        }
    }

    fn bring_token(&self) {
        self.tokens.fetch_add(1, Relaxed);
        self.wake_one();
    }
}

/// Two threads wait for a token each; both get one.
pub(crate) fn two_wait_for_two_tokens() {
    let shared = Shared::new(Threads::Honest);
    let others = [0, 1].map(|_| {
        let shared = shared.clone();
        thread::spawn(move || shared.wait())
    });
    shared.bring_token();
    shared.bring_token();
    others.into_iter().for_each(|other| other.join().expect("everybody gets a token"));
}

/// One waits for the only token; another one gives up, whether or not the wake-up for the token was given to it.
pub(crate) fn one_gives_up(threads: Threads) {
    let shared = Shared::new(threads);
    let (patient, impatient) = (shared.clone(), shared.clone());
    let patient = thread::spawn(move || patient.wait());
    let impatient = thread::spawn(move || {
        let entry = impatient.enter();
        impatient.leave(&entry);
    });
    shared.bring_token();
    patient.join().expect("the one who waits gets the token");
    impatient.join().expect("the one who gives up ends");
}

/// A waker and a waiter that gives up agree on which of them came first, and a wake-up brings what the waker wrote.
pub(crate) fn wake_or_give_up() {
    let shared = Arc::new((Place::new(), UnsafeCell::new(())));
    let waker = shared.clone();
    let waker = thread::spawn(move || {
        waker.1.with_mut(|_| ());
        waker.0.wake()
    });
    if shared.0.is_woken() {
        shared.1.with(|_| ());
    }
    let gave_up = shared.0.give_up() == GiveUp::Done;
    if !gave_up {
        shared.1.with(|_| ());
    }
    let woke = waker.join().expect("the waker ends");
    assert!(woke != gave_up, "exactly one of the two has won");
}
