//! One thread counts itself in and looks at a condition, another makes it true and looks at the count.

use super::super::headcount::Headcount;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;
use std::sync::Arc;

/// Not both may see nothing.
pub(crate) fn enter_or_be_seen() {
    let shared = Arc::new((Headcount::new(), AtomicUsize::new(0)));
    let waker = shared.clone();
    let waker = thread::spawn(move || {
        waker.1.store(1, Relaxed);
        waker.0.is_zero()
    });
    shared.0.enter();
    let sleeps = shared.1.load(Relaxed) == 0;
    let passed_by = waker.join().expect("the waker ends");
    assert!(!(sleeps && passed_by), "a wake-up was lost");
    shared.0.leave(1);
    assert!(shared.0.is_zero());
}
