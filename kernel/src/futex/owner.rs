//! Who owns the locks that are waited for, and who waits for whom.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::key::Name;

/// Owners that a chain of waiting threads is followed through, as in Linux.
const CHAIN_MAX: usize = 1024;

/// A lock's owner: a thread, or, while one that was chosen has yet to say so in the word, nobody.
pub(super) type Owner = Option<i32>;

/// The locks that anybody waits for. A lock without waiters is a number in a word, and nothing here.
#[derive(Default)]
pub(super) struct Owners {
    of: BTreeMap<Name, Owner>,
    blocked: BTreeMap<i32, Name>,
}

impl Owners {
    /// Whose a lock is; `None` if nobody waits for it.
    pub(super) fn of(&self, lock: Name) -> Option<Owner> {
        self.of.get(&lock).copied()
    }

    /// All locks of a thread.
    pub(super) fn owned_by(&self, tid: i32) -> Vec<Name> {
        self.of.iter().filter(|(_, owner)| **owner == Some(tid)).map(|(name, _)| *name).collect()
    }

    pub(super) fn set(&mut self, lock: Name, owner: Owner) {
        self.of.insert(lock, owner);
    }

    pub(super) fn remove(&mut self, lock: Name) {
        self.of.remove(&lock);
    }

    /// A thread waits for a lock from now on.
    pub(super) fn block(&mut self, tid: i32, lock: Name) {
        self.blocked.insert(tid, lock);
    }

    /// It does no longer.
    pub(super) fn unblock(&mut self, tid: i32) {
        self.blocked.remove(&tid);
    }

    /// Whether `owner` waits, through however many others, for `tid`; so does a chain without end.
    pub(super) fn waits_for(&self, mut owner: Owner, tid: i32) -> bool {
        for _ in 0..CHAIN_MAX {
            match owner {
                None => return false,
                Some(other) if other == tid => return true,
                Some(other) => owner = self.blocked.get(&other).and_then(|lock| self.of(*lock)).flatten(),
            }
        }
        true
    }
}
