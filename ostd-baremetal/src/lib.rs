//! Orrery's machine on bare x86-64 and RISC-V.
//!
//! On a target without an operating system this crate is a backend: [`Baremetal`](machine) implements the waist, and
//! the crate brings what an image needs besides code: the entry, the linker's layout, the panic handler and the heap. On
//! a host only its knowledge of hardware is compiled, and tested.
//!
//! `arch` holds what differs between processors, under the same names for each; everything else is written once.
#![no_std]

extern crate alloc;

pub mod acpi;
pub mod clock;
pub mod exit;
pub mod layout;
pub mod pci;
pub mod places;
pub mod pvh;
pub mod wall;

#[cfg(target_os = "none")]
mod arch;
#[cfg(target_os = "none")]
mod context;
#[cfg(target_os = "none")]
mod copy;
#[cfg(target_os = "none")]
mod cpus;
#[cfg(target_os = "none")]
mod fixup;
#[cfg(target_os = "none")]
mod halt;
#[cfg(target_os = "none")]
mod heap;
#[cfg(target_os = "none")]
mod image;
#[cfg(target_os = "none")]
mod information;
#[cfg(target_os = "none")]
mod local;
#[cfg(target_os = "none")]
mod lock;
#[cfg(target_os = "none")]
mod machine;
#[cfg(target_os = "none")]
mod random;
#[cfg(target_os = "none")]
pub mod serial;
#[cfg(target_os = "none")]
mod stacks;
#[cfg(target_os = "none")]
mod user;
#[cfg(target_os = "none")]
mod virtio;

#[cfg(target_os = "none")]
pub use machine::Baremetal;
