//! Processes and threads: who there is, what each is doing, and how programs begin, change and end.
//!
//! - [`Processes`]: everybody, by number; who is whose child, group and session.
//! - [`Process`], [`Thread`]: what is shared by threads, and what is each one's own.
//! - [`exec`]: program files.
//!
//! A thread is a task of ostd that alternates between its program and the kernel (`run.rs`). What asks it to look up is
//! [`Task::interrupt`](ostd::task::Task::interrupt): a signal, the end of its process, a stop. It looks on its way back
//! to the program, and interruptible sleeps end so that it gets there.
//!
//! Lock order: the tree, a process's locks, a thread's locks; each is a spin lock held for a few lines, and none is
//! held while a signal is sent.

mod clone;
mod deliver;
pub mod exec;
mod exit;
mod limits;
mod names;
#[expect(clippy::module_inception, reason = "the room and its first noun share Linux's name")]
mod process;
mod processes;
mod run;
mod scheduling;
mod send;
mod spent;
mod terminal;
mod thread;
mod timers;
mod tree;
mod wait;

pub use clone::{Announce, CloneRequest};
pub use limits::{Limits, PROCESSES_MAX};
pub use names::{HOST_NAME_MAX, Names};
pub use process::{ExecInfo, Process};
pub use processes::{First, Processes, Program};
pub use run::Calls;
pub use scheduling::{Scheduled, Scheduling};
pub use spent::{Spent, ticks};
pub use terminal::{ControllingTerminal, Session};
pub use thread::{Restart, Thread, identity_of};
pub use timers::{CpuTimer, PosixTimer, Tells};
pub use tree::{Report, State, Tree};
pub use wait::{Found, Who};
