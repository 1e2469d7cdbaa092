//! Counting a kernel's objects, so that those that outlive it can be named.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::panic::Location;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::Machine;
use crate::sync::SpinLock;

/// A field of an object that should not outlive its kernel: counted from its making to its drop.
///
/// With checkers the machine remembers each one's name and place ([`Machine::present`]); without, only how many.
pub struct Presence {
    machine: Machine,
    ticket: u64,
}

/// Who is present on one machine.
#[derive(Default)]
pub(crate) struct Census {
    count: AtomicUsize,
    tickets: AtomicU64,
    named: SpinLock<BTreeMap<u64, Entry>>,
}

struct Entry {
    what: &'static str,
    number: u64,
    place: &'static Location<'static>,
}

impl Presence {
    /// One more `what`, called by `number`.
    #[track_caller]
    pub fn new(machine: &Machine, what: &'static str, number: u64) -> Self {
        let census = &machine.0.census;
        census.count.fetch_add(1, Ordering::Relaxed);
        let ticket = census.tickets.fetch_add(1, Ordering::Relaxed);
        if machine.0.checks {
            let place = Location::caller();
            census.named.lock().insert(ticket, Entry { what, number, place });
        }
        Self { machine: machine.clone(), ticket }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let census = &self.machine.0.census;
        if self.machine.0.checks {
            census.named.lock().remove(&self.ticket);
        }
        census.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl core::fmt::Debug for Presence {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Presence({})", self.ticket)
    }
}

impl Census {
    pub(crate) fn list(&self, limit: usize) -> (usize, Vec<String>) {
        let named = self.named.lock();
        let line = |entry: &Entry| format!("{} {}, made at {}", entry.what, entry.number, entry.place);
        let mut lines: Vec<_> = named.values().take(limit).map(line).collect();
        if named.len() > limit {
            lines.push(String::from("..."));
        }
        (self.count.load(Ordering::Relaxed), lines)
    }
}
