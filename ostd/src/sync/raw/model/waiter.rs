//! A task that sleeps until two flags are set, run by whoever has to enqueue it.
//!
//! Enqueueing a task is running it on the spot, so no run queue's lock adds an ordering of its own: the parker alone
//! keeps two CPUs off one context.

use super::super::super::Threads;
use super::super::waiter::Parker;
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;
use std::sync::Arc;

struct Task {
    parker: Parker,
    context: UnsafeCell<()>,
    flags: [AtomicUsize; 2],
    ended: AtomicUsize,
}

impl Task {
    fn new() -> Arc<Self> {
        let flags = [AtomicUsize::new(0), AtomicUsize::new(0)];
        Arc::new(Self { parker: Parker::running(), context: UnsafeCell::new(()), flags, ended: AtomicUsize::new(0) })
    }

    /// What a CPU does with a task from its run queue. loom panics where two of these overlap.
    fn run(&self, threads: Threads) {
        self.parker.resumed();
        loop {
            self.context.with_mut(|_| ());
            if self.flags.iter().all(|flag| flag.load(Relaxed) == 1) {
                self.ended.fetch_add(1, Relaxed);
                return;
            }
            if !self.parker.begin_park() {
                continue;
            }
            self.context.with_mut(|_| ());
            if self.parker.finish_park() || threads == Threads::Careless {
                return;
            }
            self.parker.resumed();
        }
    }

    fn wake(&self, flag: usize) {
        self.flags[flag].store(1, Relaxed);
        if self.parker.unpark() {
            self.run(Threads::Honest);
        }
    }
}

/// The task sleeps at most twice; two threads set a flag each. It must end, once.
pub(crate) fn sleep_until_both_flags_are_set(threads: Threads) {
    let task = Task::new();
    let others = [0, 1].map(|flag| {
        let task = task.clone();
        thread::spawn(move || task.wake(flag))
    });
    task.run(threads);
    others.into_iter().for_each(|other| other.join().expect("both wakers end"));
    assert_eq!(task.ended.load(Relaxed), 1, "a wake-up was lost");
}

/// A single wake-up carries what the waker wrote, whichever way the task learns of it.
pub(crate) fn bring_what_the_waker_wrote() {
    let shared = Arc::new((Parker::running(), UnsafeCell::new(())));
    let waker = shared.clone();
    let waker = thread::spawn(move || {
        waker.1.with_mut(|_| ());
        if waker.0.unpark() {
            waker.0.resumed();
        }
    });
    if !shared.0.begin_park() {
        shared.1.with(|_| ());
    } else if !shared.0.finish_park() {
        shared.0.resumed();
        shared.1.with(|_| ());
    }
    waker.join().expect("the waker ends");
}
