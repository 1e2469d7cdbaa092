//! Readers and writers.

use super::super::super::{Bed, Threads};
use super::super::rwlock::{RawRwLock, Wake};
use loom::cell::UnsafeCell;
use loom::sync::Notify;
use loom::thread;
use std::sync::Arc;

struct Shared {
    lock: RawRwLock,
    readers: Bed,
    writers: Bed,
    data: UnsafeCell<()>,
    threads: Threads,
}

impl Shared {
    fn read(&self) {
        let me = Arc::new(Notify::new());
        self.lock.read(|should_sleep| self.readers.sleep(&me, should_sleep));
        self.data.with(|_| ());
        self.lock.unlock_read(|whom| self.wake(whom));
    }

    fn write(&self) {
        let me = Arc::new(Notify::new());
        self.lock.write(|should_sleep| self.writers.sleep(&me, should_sleep));
        self.data.with_mut(|_| ());
        self.lock.unlock_write(|whom| self.wake(whom));
    }

    fn wake(&self, whom: Wake) {
        match whom {
            Wake::OneWriter => self.writers.wake_one(),
            Wake::AllReaders if self.threads == Threads::Careless => self.readers.wake_one(),
            Wake::AllReaders => self.readers.wake_all(),
        }
    }
}

/// What a thread does.
#[derive(Clone, Copy)]
pub(crate) enum Does {
    Read,
    Write,
}

/// Each thread reads or writes once. loom panics where a writer is not alone, somebody does not see what was written
/// before, or somebody sleeps for ever.
pub(crate) fn read_and_write(all: &[Does], threads: Threads) {
    let shared = Arc::new(Shared {
        lock: RawRwLock::new(),
        readers: Bed::new(),
        writers: Bed::new(),
        data: UnsafeCell::new(()),
        threads,
    });
    let run = |shared: &Shared, does: Does| match does {
        Does::Read => shared.read(),
        Does::Write => shared.write(),
    };
    let (mine, others) = all.split_first().expect("a model has threads");
    let others: Vec<_> = others
        .iter()
        .map(|&does| {
            let shared = shared.clone();
            thread::spawn(move || run(&shared, does))
        })
        .collect();
    run(&shared, *mine);
    others.into_iter().for_each(|other| other.join().expect("every thread ends"));
    assert!(shared.lock.try_write(), "the lock is free at the end");
}
