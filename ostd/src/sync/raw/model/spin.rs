//! Threads that take turns under a spin lock.

use super::super::spin::RawSpin;
use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::Arc;

/// How a thread asks for the lock. At most two of a model may insist: loom would follow three that only give way to
/// each other for ever.
#[derive(Clone, Copy)]
pub(crate) enum Asks {
    Insisting,
    Once,
}

/// Each thread that gets in writes. loom panics where two are inside at once, or one does not see what the last one
/// wrote.
pub(crate) fn write_in_turn(all: &[Asks]) {
    let shared = Arc::new((RawSpin::new(), UnsafeCell::new(())));
    let write = |(lock, data): &(RawSpin, UnsafeCell<()>), asks: Asks| {
        match asks {
            Asks::Insisting => lock.lock(thread::yield_now),
            Asks::Once if lock.try_lock() => {}
            Asks::Once => return,
        }
        data.with_mut(|_| ());
        lock.unlock();
    };
    let (mine, others) = all.split_first().expect("a model has threads");
    let others: Vec<_> = others
        .iter()
        .map(|&asks| {
            let shared = shared.clone();
            thread::spawn(move || write(&shared, asks))
        })
        .collect();
    write(&shared, *mine);
    others.into_iter().for_each(|other| other.join().expect("every thread ends"));
    assert!(shared.0.try_lock(), "the lock is free at the end");
}
