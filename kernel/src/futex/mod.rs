//! Waiting on a word of memory: futex(2), and what a dying thread leaves behind.
//!
//! A waiter queues first and looks at the word then; a waker has changed the word before it looks for waiters. So one
//! of them sees the other, and no lock is held while a program's memory is read, which may sleep.
//!
//! Lock order: the table's one lock, then a waiter's key. Nothing sleeps under either.

mod key;
mod operation;
mod robust;
mod table;
#[cfg(test)]
mod tests;

pub use key::{Key, Scope};
pub use operation::Operation;
pub use robust::{ROBUST_LIST_MAX, exit_robust_list};
pub use table::{ANY, FutexTable};
