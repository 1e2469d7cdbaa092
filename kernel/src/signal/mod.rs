//! Signals as values: what waits, what is to be done, and the frame a handler runs on. Nothing here sleeps or locks.
//!
//! - [`Pending`]: signals sent and not yet delivered.
//! - [`Actions`]: what a process does with each.
//! - [`Default`](Disposition): what happens where it says nothing.
//! - [`frame`]: what a handler finds on its stack, and what rt_sigreturn(2) takes back.

mod actions;
mod disposition;
pub mod frame;
mod pending;

pub use actions::Actions;
pub use disposition::Disposition;
pub use pending::Pending;

use crate::abi::{SigSet, Signal};

/// What nobody can block, catch or ignore.
pub const UNBLOCKABLE: SigSet = SigSet::of(&[Signal::SIGKILL, Signal::SIGSTOP]);

/// What stops a process by default.
pub const STOPPING: SigSet = SigSet::of(&[Signal::SIGSTOP, Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU]);
