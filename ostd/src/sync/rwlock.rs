//! A lock for one writer or many readers, whose waiters sleep.
#![expect(unsafe_code, reason = "a lock's guards hand out references to its contents")]

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::panic::Location;

use ostd_hal::SafePoint;

use super::lock_order::{self, Rank};
use super::raw::{RawRwLock, Wake};
use super::wait::WaitQueue;
use crate::cpu::CurrentCpu;

/// Many readers or one writer, by sleeping. A waiting writer keeps new readers out, so reading twice in one task can
/// deadlock.
pub struct RwLock<T: ?Sized> {
    raw: RawRwLock,
    rank: Option<Rank>,
    readers: WaitQueue,
    writers: WaitQueue,
    value: UnsafeCell<T>,
}

// SAFETY: the raw lock lets one writer or several readers exist at a time.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}
// SAFETY: owning the lock is owning the value.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}

impl<T> RwLock<T> {
    /// A free lock around `value`.
    pub const fn new(value: T) -> Self {
        Self {
            raw: RawRwLock::new(),
            rank: None,
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// A free lock around `value`, with a place in the order of locks: reading twice in one task is out of order too.
    pub const fn ranked(rank: Rank, value: T) -> Self {
        Self {
            raw: RawRwLock::new(),
            rank: Some(rank),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
            value: UnsafeCell::new(value),
        }
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Takes the lock for reading.
    ///
    /// Panics in atomic context if it has to sleep, and outside tasks likewise.
    #[track_caller]
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        let place = Location::caller();
        CurrentCpu::after_safe_point(SafePoint::LockAcquire, |cpu| {
            lock_order::about_to_wait(cpu, self.rank.as_ref(), place);
        });
        self.raw.read(|should_sleep| self.readers.sleep_while(place, should_sleep));
        RwLockReadGuard { lock: self, _not_send: core::marker::PhantomData }
    }

    /// Takes the lock for writing.
    ///
    /// Panics in atomic context if it has to sleep, and outside tasks likewise.
    #[track_caller]
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        let place = Location::caller();
        CurrentCpu::after_safe_point(SafePoint::LockAcquire, |cpu| {
            lock_order::about_to_wait(cpu, self.rank.as_ref(), place);
        });
        self.raw.write(|should_sleep| self.writers.sleep_while(place, should_sleep));
        RwLockWriteGuard { lock: self, _not_send: core::marker::PhantomData }
    }

    fn wake(&self, whom: Wake) {
        match whom {
            Wake::OneWriter => {
                self.writers.wake_one();
            }
            Wake::AllReaders => {
                self.readers.wake_all();
            }
        }
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized> core::fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RwLock(..)")
    }
}

/// The lock is held for reading while this lives.
#[must_use]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    _not_send: core::marker::PhantomData<*const ()>,
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the lock is held for reading for as long as the guard lives.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.raw.unlock_read(|whom| self.lock.wake(whom));
        CurrentCpu::with(|cpu| {
            lock_order::given_back(cpu, self.lock.rank.as_ref());
            cpu.safe_point(SafePoint::LockRelease)
        });
    }
}

/// The lock is held for writing while this lives.
#[must_use]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    _not_send: core::marker::PhantomData<*const ()>,
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the lock is held for writing for as long as the guard lives.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed exclusively.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.raw.unlock_write(|whom| self.lock.wake(whom));
        CurrentCpu::with(|cpu| {
            lock_order::given_back(cpu, self.lock.rank.as_ref());
            cpu.safe_point(SafePoint::LockRelease)
        });
    }
}
