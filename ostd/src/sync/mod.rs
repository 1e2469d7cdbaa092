//! Locks and wait queues.
//!
//! - [`SpinLock`]: for a few instructions; keeps interrupts off; nothing may sleep or copy user memory under it.
//! - [`Mutex`], [`RwLock`]: for longer; waiters sleep, and no signal ends that sleep.
//! - [`WaitQueue`]: until a condition holds; every sleep says whether a signal may end it and when it gives up.
//! - [`atomic`]: numbers that kernels share without a lock.
//!
//! Any lock may carry a [`Rank`], its place in an order that the kernel declares; checkers hold tasks to it.
//!
//! What the locks *decide* is in [`raw`], which is model-checked; here is what they are made of: tasks, safe points
//! and checkers.

pub mod atomic;
pub(crate) mod lock_order;
mod mutex;
pub(crate) mod raw;
mod rwlock;
pub(crate) mod spin;
mod wait;

pub(crate) use lock_order::HeldLocks;
pub use lock_order::Rank;
pub use mutex::{Mutex, MutexGuard};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use spin::{SpinLock, SpinLockGuard};
pub use wait::{Ear, Listener, Listening, Sleep, WaitError, WaitQueue};
