//! Failures on request: a plan says which allocations, copies and sleeps go wrong, and the machine keeps to it.
//!
//! A plan is a value in the machine's configuration, and has a text form ([`FaultPlan`]'s `FromStr` and `Display`), so that
//! a failure that it brought about can be brought about again. Each event has a *kind* and a *place*: where in source the
//! allocation, copy or sleep was asked for. A machine with a plan counts the events of every place.
//!
//! Frames and stacks fail, the kernel's heap does not: limits keep it from running out.

mod disk;
mod folder;
mod plan;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::panic::Location;
use core::sync::atomic::{AtomicU64, Ordering};

use ostd_hal::Hal as _;

pub use disk::UnreliableDisk;
pub use folder::UnreliableFolder;
#[cfg(any(test, feature = "tests"))]
pub(crate) use plan::tests;
pub use plan::{FaultKind, FaultPlan, Malformed, Place, Strike};

use crate::sync::SpinLock;
use crate::{Backend, Error, Machine};

/// How often one place came to something that a plan can make fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// What was asked for.
    pub kind: FaultKind,
    /// Where.
    pub place: Place,
    /// How often.
    pub hits: u64,
}

/// A machine's plan, and how far it has come.
pub struct Faults {
    plan: FaultPlan,
    is_on: bool,
    seen: SpinLock<Seen>,
    struck: AtomicU64,
}

#[derive(Default)]
struct Seen {
    /// Events so far, by kind.
    events: [u64; FaultKind::ALL.len()],
    places: BTreeMap<(FaultKind, &'static str, u32, u32), u64>,
}

impl Faults {
    pub(crate) fn new(plan: FaultPlan) -> Self {
        let is_on = Backend::CHECKS && plan != FaultPlan::default();
        Self { plan, is_on, seen: SpinLock::default(), struck: AtomicU64::new(0) }
    }

    /// Whether what the caller is about to do should fail.
    #[inline]
    #[track_caller]
    pub fn strikes(&self, kind: FaultKind) -> bool {
        self.is_on && self.strikes_at(kind, Location::caller())
    }

    /// How many of the `len` bytes of user memory that the caller is about to copy it can: all of them, or as many as the
    /// plan says.
    #[inline]
    #[track_caller]
    pub fn copy_reach(&self, len: usize) -> usize {
        if len > 0 && self.strikes(FaultKind::Copy) { self.plan.copied.min(len - 1) } else { len }
    }

    /// What was reached so far, on a machine with a plan.
    pub fn reached(&self) -> Vec<Reached> {
        let seen = self.seen.lock();
        let place = |file: &str, line, column| Place { file: file.into(), line, column };
        let places = seen.places.iter();
        places
            .map(|(&(kind, file, line, column), &hits)| Reached { kind, place: place(file, line, column), hits })
            .collect()
    }

    /// How often something failed on request.
    pub fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn allocation(&self, place: &'static Location<'static>) -> Result<(), Error> {
        if self.is_on && self.strikes_at(FaultKind::Memory, place) { Err(Error::NoMemory) } else { Ok(()) }
    }

    #[inline]
    pub(crate) fn sleep(&self, kind: FaultKind, place: &'static Location<'static>) -> bool {
        self.is_on && self.strikes_at(kind, place)
    }

    #[cold]
    fn strikes_at(&self, kind: FaultKind, place: &'static Location<'static>) -> bool {
        let mut seen = self.seen.lock();
        let event = &mut seen.events[kind as usize];
        let nth = *event;
        *event += 1;
        let hits = seen.places.entry((kind, place.file(), place.line(), place.column())).or_default();
        let nth_here = *hits;
        *hits += 1;
        drop(seen);
        let strikes = self.plan.strike(kind).is_some_and(|strike| strike.falls(self.plan.seed, nth, nth_here, place));
        if strikes {
            self.struck.fetch_add(1, Ordering::Relaxed);
        }
        strikes
    }
}

impl Machine {
    /// The machine's plan of failures, for who has something to fail.
    #[inline]
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }
}
