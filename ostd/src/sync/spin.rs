//! A lock held for a few instructions.
#![expect(unsafe_code, reason = "a lock's guard hands out the only reference to its contents")]

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::panic::Location;

use ostd_hal::{Hal, SafePoint};

use super::lock_order::{self, Rank};
use super::raw::RawSpin;
use crate::cpu::{Cpu, CurrentCpu};

/// Mutual exclusion by spinning, with interrupts off on the holder's CPU: so interrupt handlers may take it too.
/// Sleeping, giving way and copying user memory under it are bugs, and panic.
pub struct SpinLock<T: ?Sized> {
    raw: RawSpin,
    rank: Option<Rank>,
    value: UnsafeCell<T>,
}

// SAFETY: the raw lock lets one guard exist at a time, so sharing the lock moves `T` between threads at most.
unsafe impl<T: ?Sized + Send> Sync for SpinLock<T> {}
// SAFETY: owning the lock is owning the value.
unsafe impl<T: ?Sized + Send> Send for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// A free lock around `value`.
    pub const fn new(value: T) -> Self {
        Self { raw: RawSpin::new(), rank: None, value: UnsafeCell::new(value) }
    }

    /// A free lock around `value`, with a place in the order of locks.
    pub const fn ranked(rank: Rank, value: T) -> Self {
        Self { raw: RawSpin::new(), rank: Some(rank), value: UnsafeCell::new(value) }
    }

    /// The value, when nobody can lock any more.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> SpinLock<T> {
    /// Takes the lock, spinning while another CPU holds it.
    ///
    /// Taking it twice on one CPU never ends on metal; a hosted machine panics.
    #[track_caller]
    pub fn lock(&self) -> SpinLockGuard<'_, T> {
        let place = Location::caller();
        CurrentCpu::after_safe_point(SafePoint::LockAcquire, |cpu| {
            lock_order::about_to_wait(cpu, self.rank.as_ref(), place);
            cpu.begin_spin(place);
        });
        if !self.raw.try_lock() {
            self.spin();
        }
        SpinLockGuard { lock: self, _not_send: PhantomData }
    }

    #[cold]
    fn spin(&self) {
        self.raw.lock(<crate::Backend as Hal>::relax);
    }

    /// Takes the lock if it is free.
    #[track_caller]
    pub fn try_lock(&self) -> Option<SpinLockGuard<'_, T>> {
        let place = Location::caller();
        CurrentCpu::with(|cpu| cpu.begin_spin(place));
        if self.raw.try_lock() {
            CurrentCpu::with(|cpu| lock_order::found_free(cpu, self.rank.as_ref(), place));
            return Some(SpinLockGuard { lock: self, _not_send: PhantomData });
        }
        CurrentCpu::with(Cpu::end_spin);
        None
    }

    /// The value, by exclusive access.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: Default> Default for SpinLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized> core::fmt::Debug for SpinLock<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SpinLock(..)")
    }
}

/// The lock is held while this lives.
#[must_use]
pub struct SpinLockGuard<'a, T: ?Sized> {
    lock: &'a SpinLock<T>,
    // A guard belongs to the CPU that made it.
    _not_send: PhantomData<*const ()>,
}

impl<T: ?Sized> Deref for SpinLockGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the lock is held for as long as the guard lives.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for SpinLockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed exclusively.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for SpinLockGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.raw.unlock();
        CurrentCpu::with(|cpu| {
            lock_order::given_back(cpu, self.lock.rank.as_ref());
            cpu.end_spin();
            cpu.safe_point(SafePoint::LockRelease);
        });
    }
}

#[cfg(any(test, feature = "tests"))]
pub(crate) mod tests {
    use super::SpinLock;

    crate::tests::list! { a_held_spin_lock_refuses_a_second_holder_until_it_is_released }

    #[cfg_attr(test, test)]
    fn a_held_spin_lock_refuses_a_second_holder_until_it_is_released() {
        let lock = SpinLock::new(1);
        let guard = lock.lock();
        assert!(lock.try_lock().is_none());
        drop(guard);
        *lock.try_lock().expect("it is free again") += 1;
        assert_eq!(lock.into_inner(), 2);
    }
}
