//! The algorithms of locks and wait queues, and nothing else: who may enter, who must sleep, who must be woken.
//!
//! Every file here but this one and [`atomic`] is pure: it knows `super::atomic`, `super::order` and `core`. So
//! `model` can include the very same text with loom's atomics, try every interleaving, and try it again with an
//! ordering weakened to see that the model would have noticed. What a thread *is*, how it sleeps and which checker
//! looks on is decided by the callers in [`super`].
//!
//! An algorithm that must put a caller to sleep takes the sleeping as a closure. None allocates, none blocks by
//! itself, and none calls a closure while it holds something that the closure may want.

mod atomic;
mod headcount;
mod mutex;
mod order;
mod queue;
mod rwlock;
mod spin;
mod waiter;

#[cfg(test)]
mod model;
#[cfg(any(test, feature = "tests"))]
pub(crate) mod tests;

pub(crate) use headcount::Headcount;
pub(crate) use mutex::RawMutex;
pub(crate) use queue::{GiveUp, Place, wake_next};
pub(crate) use rwlock::{RawRwLock, Wake};
pub(crate) use spin::RawSpin;
pub(crate) use waiter::Parker;
