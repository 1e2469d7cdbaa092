//! Threads that take turns under a sleeping lock.

use super::super::super::{Bed, Threads};
use super::super::mutex::RawMutex;
use loom::cell::UnsafeCell;
use loom::sync::Notify;
use loom::thread;
use std::sync::Arc;

struct Shared {
    lock: RawMutex,
    bed: Bed,
    data: UnsafeCell<()>,
}

impl Shared {
    fn write(&self, threads: Threads) {
        let me = Arc::new(Notify::new());
        self.lock.lock(|should_sleep| match threads {
            Threads::Honest => self.bed.sleep(&me, should_sleep),
            // Asks first and goes to bed then.
            Threads::Careless if should_sleep() => self.bed.sleep(&me, &|| true),
            Threads::Careless => {}
        });
        self.data.with_mut(|_| ());
        self.lock.unlock(|| self.bed.wake_one());
    }
}

/// Each thread writes once. loom panics where two are inside at once, one does not see what the last one wrote, or one
/// sleeps for ever.
pub(crate) fn write_once_each(count: usize, threads: Threads) {
    let shared = Arc::new(Shared { lock: RawMutex::new(), bed: Bed::new(), data: UnsafeCell::new(()) });
    let others: Vec<_> = (1..count)
        .map(|_| {
            let shared = shared.clone();
            thread::spawn(move || shared.write(threads))
        })
        .collect();
    shared.write(threads);
    others.into_iter().for_each(|other| other.join().expect("every thread ends"));
    assert!(shared.lock.try_lock(), "the lock is free at the end");
}

/// One thread waits for the lock, one only tries it.
pub(crate) fn write_if_free() {
    let shared = Arc::new(Shared { lock: RawMutex::new(), bed: Bed::new(), data: UnsafeCell::new(()) });
    let other = shared.clone();
    let other = thread::spawn(move || {
        if other.lock.try_lock() {
            other.data.with_mut(|_| ());
            other.lock.unlock(|| other.bed.wake_one());
        }
    });
    shared.write(Threads::Honest);
    other.join().expect("the other thread ends");
}
