//! What makes two addresses the same futex.

use ostd::frame::Frame;
use ostd::{PAGE_SIZE, Vaddr};

use crate::error::{Errno, Result};
use crate::mm::{AddressSpace, Prot, Source};

/// Who may wait on a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Threads of one address space (`FUTEX_PRIVATE_FLAG`).
    Private,
    /// Whoever maps the memory.
    Shared,
}

/// A futex. A key of shared memory holds its frame, so that no other takes its name.
#[derive(Clone, Debug)]
pub struct Key {
    name: Name,
    _frame: Option<Frame>,
}

/// What keys are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    /// An address in an address space, and whether its callers promised to be alone: those who did and those who did
    /// not never meet.
    Private(u64, usize, Alone),
    /// A byte of the machine's memory.
    Shared(usize),
}

/// Whether a caller said that its address space is the only one that uses the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alone {
    Yes,
    No,
}

impl Key {
    /// The futex at `at`: EINVAL if that is not aligned, EFAULT if a shared one cannot be read.
    pub fn new(space: &AddressSpace, at: usize, scope: Scope) -> Result<Self> {
        if !at.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        if at >= space.end() {
            return Err(Errno::EFAULT);
        }
        let private = |alone| Self { name: Name::Private(space.id(), at, alone), _frame: None };
        if scope == Scope::Private {
            return Ok(private(Alone::Yes));
        }
        loop {
            // What may be executed alone is read by the program, and not for it where there is nothing yet.
            let is_readable = || space.area_at(at).is_none_or(|area| area.prot.intersects(Prot::READ | Prot::WRITE));
            if space.vm().query(Vaddr::new(at)).is_none() && !is_readable() {
                return Err(Errno::EFAULT);
            }
            space.load32(at)?;
            if let Some(area) = space.area_at(at).filter(|area| area.is_private()) {
                // A word of one's own that can never change is nothing to wait for.
                let constant = matches!(area.source, Source::Anonymous) && !area.prot.contains(Prot::WRITE);
                return if constant { Err(Errno::EFAULT) } else { Ok(private(Alone::No)) };
            }
            // Somebody may take the page away between the two.
            if let Some(mapped) = space.vm().query(Vaddr::new(at)) {
                let name = Name::Shared(mapped.frame.paddr().as_usize() + at % PAGE_SIZE);
                return Ok(Self { name, _frame: Some(mapped.frame) });
            }
        }
    }

    /// The futex of a word that will be written: EFAULT also if others' word cannot be.
    pub(super) fn for_writing(space: &AddressSpace, at: usize, scope: Scope) -> Result<Self> {
        let key = Self::new(space, at, scope)?;
        if scope == Scope::Shared {
            let value = space.load32(at)?;
            space.cmpxchg32(at, value, value)?;
        }
        Ok(key)
    }

    pub(super) fn name(&self) -> Name {
        self.name
    }
}
