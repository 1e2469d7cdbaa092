//! Where the registers of every guest thread are while it does not run.

use std::collections::BTreeMap;

use libc::user_regs_struct;
use ostd_hal::Paddr;

/// Registers that were taken out of a stub.
pub(super) struct Parked {
    pub(super) regs: user_regs_struct,
    pub(super) fp: Vec<u8>,
}

/// Where a guest thread's registers are.
pub(super) enum Place {
    /// In the stub of its address space.
    Stub,
    /// Here.
    Parked(Box<Parked>),
    /// Nowhere: it has not run yet, or its stub died.
    Lost,
}

struct Home {
    root: Paddr,
    place: Place,
}

/// All guest threads that have a name ([`ostd_hal::UserState::home`]).
#[derive(Default)]
pub(super) struct Homes {
    homes: BTreeMap<u64, Home>,
    last: u64,
}

impl Homes {
    /// Names a thread of the address space `root`.
    pub(super) fn add(&mut self, root: Paddr) -> u64 {
        self.last += 1;
        self.homes.insert(self.last, Home { root, place: Place::Lost });
        self.last
    }

    /// Whether `home` names a thread of `root`.
    pub(super) fn belongs(&self, home: u64, root: Paddr) -> bool {
        self.homes.get(&home).is_some_and(|home| home.root == root)
    }

    /// The address space and registers of `home`.
    pub(super) fn find(&self, home: u64) -> Option<(Paddr, &Place)> {
        self.homes.get(&home).map(|home| (home.root, &home.place))
    }

    /// How many have a name.
    pub(super) fn len(&self) -> usize {
        self.homes.len()
    }

    /// Notes where the registers of `home` are now.
    pub(super) fn put(&mut self, home: u64, place: Place) {
        if let Some(home) = self.homes.get_mut(&home) {
            home.place = place;
        }
    }

    /// Forgets `home`; says whose address space it was in.
    pub(super) fn remove(&mut self, home: u64) -> Option<Paddr> {
        self.homes.remove(&home).map(|home| home.root)
    }
}
