//! A framework for kernels in safe Rust: the only layer of Orrery, with its backends, that may say `unsafe`.
//!
//! - [`Machine`]: memory, CPUs, clock, entropy and devices as one value. Many live in one process.
//! - [`frame`]: counted frames of physical memory.
//! - [`vm`]: page-table trees ([`vm::VmSpace`]), range cursors, flush tokens, copies to and from user memory.
//! - [`task`] and [`sched`]: kernel tasks, and the scheduler that the kernel provides.
//! - [`PerCpu`]: data of which each CPU has its own.
//! - [`sync`]: locks and wait queues; every sleep says whether a signal may end it.
//! - [`census`]: counting a kernel's objects, to name those that outlive it.
//! - [`timer`]: clocks and one-shot timers.
//! - [`user`]: user mode.
//! - [`image!`]: a program that boots on metal and runs as a process, from one `main`.
//!
//! `examples/tiny` is a kernel in one file, and a way in.
//!
//! Lock order inside ostd, outermost first: a kernel's own locks, wait queues, timers, run queues, page-table trees,
//! the frame allocator. No ostd lock is held while a kernel's callback runs.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

// The one binding site of a backend: features say what may be linked, the target says what can be.
#[cfg(all(target_os = "none", feature = "baremetal"))]
pub(crate) use ostd_baremetal::Baremetal as Backend;
#[cfg(all(not(target_os = "none"), feature = "hosted"))]
pub(crate) use ostd_hosted::Hosted as Backend;
#[cfg(not(any(all(target_os = "none", feature = "baremetal"), all(not(target_os = "none"), feature = "hosted"))))]
compile_error!(
    "ostd has no backend for this target: use `--features hosted` on Linux, or `--no-default-features --features \
     baremetal` with a target whose os is none"
);

#[cfg(all(target_os = "none", feature = "baremetal"))]
#[doc(hidden)]
pub use ostd_baremetal::image as backend_image;
#[cfg(all(not(target_os = "none"), feature = "hosted"))]
#[doc(hidden)]
pub use ostd_hosted::image as backend_image;

/// What only a hosted machine has: its configuration, engines and devices.
#[cfg(all(not(target_os = "none"), feature = "hosted"))]
pub use ostd_hosted as hosted;

/// What only a bare-metal image has.
#[cfg(all(target_os = "none", feature = "baremetal"))]
pub use ostd_baremetal as baremetal;

pub mod census;
mod check;
mod cpu;
pub mod error;
pub mod faults;
pub mod frame;
mod image;
pub mod irq;
pub mod machine;
mod per_cpu;
pub mod sched;
pub mod sync;
pub mod task;
#[cfg(any(test, feature = "tests"))]
pub mod tests;
pub mod timer;
pub mod user;
pub mod vm;

pub use error::Error;
pub use machine::{Machine, MachineConfig, RunEnd};
pub use ostd_hal::{self as hal, CpuId, PAGE_SHIFT, PAGE_SIZE, Paddr, Vaddr, device};
pub use per_cpu::PerCpu;
