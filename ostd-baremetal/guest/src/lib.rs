//! A user program without a C library: what it stands on, on x86-64 and on RISC-V.
//!
//! The program is the subject of test cases: [`Guest`] implements kernel-abi's [`Sys`](kernel_abi::Sys) by instructions
//! of its own. On a target without an operating system the crate also brings the program's start (see [`program!`]), a
//! heap and a panic handler. Such a program is a static ELF that any Linux executes.
//!
//! `arch` holds what differs between processors, under the same names for each; everything else is written once.
#![no_std]
#![cfg(any(target_arch = "x86_64", target_arch = "riscv64"))]

extern crate alloc;

mod child;
mod handler;
mod memory;
mod older;
mod subject;

#[cfg(target_os = "none")]
mod heap;
#[cfg(target_os = "none")]
mod start;

#[cfg_attr(target_arch = "x86_64", path = "arch/x86_64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "arch/riscv64.rs")]
mod arch;

pub use subject::Guest;
