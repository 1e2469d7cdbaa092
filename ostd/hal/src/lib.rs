//! The waist of Orrery: what a machine is, said in plain types and one trait.
//!
//! Everything above (ostd's generic code) and everything below (a backend) meets here and nowhere else:
//!
//! - [`addr`]: virtual and physical addresses that do not mix.
//! - [`paging`]: what a page-table entry means, and its two real encodings ([`paging::x86_64`], [`paging::sv48`]).
//! - [`walk`]: the software walker that reads page-table trees.
//! - [`user`]: register files and what a processor says when it leaves user mode.
//! - [`device`]: byte channels and shared folders that a machine may carry.
//! - [`hal`]: the trait [`Hal`], about forty functions, that a backend implements.
//!
//! There is no unsafe block in this crate; implementing [`Hal`] is where the promises are made.
#![no_std]

extern crate alloc;

pub mod addr;
pub mod device;
pub mod hal;
pub mod paging;
pub mod user;
pub mod walk;

pub use addr::{PAGE_SHIFT, PAGE_SIZE, Paddr, Vaddr};
pub use hal::{Client, CpuId, Hal, Interrupt, OutsideUse, RunError, SafePoint, Step, TaskEvent};
pub use paging::{PageEntry, PageFlags};
pub use user::{Access, Arch, Exception, PageFault, Registers, SyscallFrame, Trap, UserState};
