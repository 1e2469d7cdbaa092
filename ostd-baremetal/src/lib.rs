//! Orrery's machine on bare x86-64 and RISC-V.
//!
//! On a target without an operating system this crate is a backend: [`Baremetal`](machine) implements the waist, and
//! the crate brings what an image needs besides code: the entry, the panic handler and the heap. On a host only its
//! knowledge of hardware is compiled, and tested.
//!
//! What the machine cannot do yet ends in one place, `halt::not_built_yet`: a line on the serial port, then a stop.
//! It speaks on the serial line, tells its CPU apart and masks interrupts; it has no memory, clock, tasks or user mode.
#![no_std]

#[cfg(target_os = "none")]
extern crate alloc;

pub mod exit;

#[cfg(target_os = "none")]
mod arch;
#[cfg(target_os = "none")]
mod halt;
#[cfg(target_os = "none")]
mod heap;
#[cfg(target_os = "none")]
mod image;
#[cfg(target_os = "none")]
mod machine;

#[cfg(target_os = "none")]
pub use machine::Baremetal;
