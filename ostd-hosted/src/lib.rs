//! A machine inside an ordinary Linux process.
//!
//! - [`HostedConfig`]: how much memory, how many CPUs, which clock, which engine.
//! - [`Hosted`]: the machine; implements the waist ([`ostd_hal::Hal`]) by handing each group of functions to a room:
//!   `ram`, `copy` (user copies by software walk), `context` (fibers), `run` (who runs when), `clock`, `random`.
//! - [`schedule`]: how CPUs interleave. [`trace`]: a record of what happened. [`replay`]: the line that does it again.
//! - Engines run user code: [`scripted`] runs Rust functions, [`ptrace`] runs ELF programs in stub processes.
//! - Devices: [`stdio`] (standard streams), [`terminal`], [`folder`] (the host's files), [`outside`] (signals), all
//!   polled by one [`watch`].
//!
//! [`native`] is no machine: the host's own kernel, for test cases that ask Linux first.
//!
//! The page tables in the machine's memory are the truth; what an engine keeps of them is a TLB.

mod clock;
mod config;
mod context;
mod copy;
pub mod disk;
mod engine;
pub mod folder;
mod hosted;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod native;
pub mod outside;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod ptrace;
mod ram;
mod random;
pub mod replay;
mod run;
pub mod schedule;
pub mod scripted;
pub mod stdio;
pub mod terminal;
pub mod trace;
pub mod watch;

#[cfg(test)]
mod scratch;

pub use config::{Engine, HostedConfig, Log, Mode};
pub use hosted::Hosted;
pub use schedule::Policy;
