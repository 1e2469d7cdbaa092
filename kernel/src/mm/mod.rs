//! Memory of programs: areas, what fills them, faults, and copies to and from them.
//!
//! An [`AddressSpace`] is a tree of [`Area`]s (what a program may do where) above ostd's page tables (what is there
//! now). Its one lock is around the areas; every change of the page table is made under it. [`Backing::page`] may sleep
//! and may take locks of a file, so it is called without the areas' lock, and what was seen before is looked at again.
//!
//! Lock order: locks of files, the areas, [`SharedMemory`]'s frames, page tables.

mod advise;
mod area;
mod areas;
mod backing;
mod copy;
mod fault;
mod fork;
mod limits;
mod lock;
mod remap;
mod space;
#[cfg(test)]
mod tests;

pub use advise::Advice;
pub use area::{Area, AreaInfo, Hints, Label, Place, Prot, Sharing, Source};
pub use areas::{AREAS_MAX, Areas};
pub use backing::{Backing, SharedMemory};
pub use fault::Refusal;
pub use limits::MemoryLimits;
pub use lock::Lock;
pub use remap::{Leave, Move};
pub use space::{AddressSpace, MapRequest, Relief, Usage};

pub use ostd::PAGE_SIZE;

use ostd::sync::Rank;

/// An address space's areas.
const AREAS: Rank = Rank::new("areas", 50);
/// The frames of memory without a file that is shared.
const SHARED_FRAMES: Rank = Rank::new("shared frames", 70);
