//! Waiting on a word of memory: futex(2), and what a dying thread leaves behind.
//!
//! A waiter queues first and looks at the word then; a waker has changed the word before it looks for waiters. So one
//! of them sees the other, and no lock is held while a program's memory is read, which may sleep.
//!
//! A word may also be a lock, which names its owner and is handed on by the kernel (`FUTEX_LOCK_PI`): there the word and
//! who waits change together, under a mutex.
//!
//! Lock order: the table's mutex of owners, its one spin lock, then a waiter's place. Nothing sleeps under the last two.

mod key;
mod lock;
mod operation;
mod owner;
mod robust;
mod table;
#[cfg(test)]
mod tests;

pub use key::{Key, Scope};
pub use lock::Locker;
pub use operation::Operation;
pub use robust::{ROBUST_LIST_MAX, exit_robust_list};
pub use table::{ANY, FutexTable};
