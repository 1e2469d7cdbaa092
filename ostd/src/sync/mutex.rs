//! A lock whose waiters sleep.
#![expect(unsafe_code, reason = "a lock's guard hands out the only reference to its contents")]

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::panic::Location;

use ostd_hal::SafePoint;

use super::lock_order::{self, Rank};
use super::raw::RawMutex;
use super::wait::WaitQueue;
use crate::cpu::CurrentCpu;

/// Mutual exclusion by sleeping. No signal ends the wait: hold it for short, bounded work.
pub struct Mutex<T: ?Sized> {
    raw: RawMutex,
    rank: Option<Rank>,
    waiters: WaitQueue,
    value: UnsafeCell<T>,
}

// SAFETY: the raw lock lets one guard exist at a time, so sharing the lock moves `T` between threads at most.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
// SAFETY: owning the lock is owning the value.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}

impl<T> Mutex<T> {
    /// A free lock around `value`.
    pub const fn new(value: T) -> Self {
        Self { raw: RawMutex::new(), rank: None, waiters: WaitQueue::new(), value: UnsafeCell::new(value) }
    }

    /// A free lock around `value`, with a place in the order of locks.
    pub const fn ranked(rank: Rank, value: T) -> Self {
        Self { raw: RawMutex::new(), rank: Some(rank), waiters: WaitQueue::new(), value: UnsafeCell::new(value) }
    }

    /// The value, when nobody can lock any more.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Takes the lock, sleeping while another task holds it.
    ///
    /// Panics in atomic context if it has to sleep, and outside tasks likewise.
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let place = Location::caller();
        CurrentCpu::after_safe_point(SafePoint::LockAcquire, |cpu| {
            lock_order::about_to_wait(cpu, self.rank.as_ref(), place);
        });
        if !self.raw.try_lock() {
            self.sleep(place);
        }
        MutexGuard { lock: self, _not_send: core::marker::PhantomData }
    }

    #[cold]
    fn sleep(&self, place: &'static Location<'static>) {
        self.raw.lock(|should_sleep| self.waiters.sleep_while(place, should_sleep));
    }

    /// Takes the lock if it is free.
    #[track_caller]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let place = Location::caller();
        self.raw.try_lock().then(|| {
            CurrentCpu::with(|cpu| lock_order::found_free(cpu, self.rank.as_ref(), place));
            MutexGuard { lock: self, _not_send: core::marker::PhantomData }
        })
    }

    /// The value, by exclusive access.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized> core::fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Mutex(..)")
    }
}

/// The lock is held while this lives.
#[must_use]
pub struct MutexGuard<'a, T: ?Sized> {
    lock: &'a Mutex<T>,
    _not_send: core::marker::PhantomData<*const ()>,
}

// SAFETY: sharing a guard shares `&T`.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the lock is held for as long as the guard lives.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed exclusively.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.raw.unlock(|| {
            self.lock.waiters.wake_one();
        });
        CurrentCpu::with(|cpu| {
            lock_order::given_back(cpu, self.lock.rank.as_ref());
            cpu.safe_point(SafePoint::LockRelease)
        });
    }
}
