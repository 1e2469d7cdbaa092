//! Locks that programs put on files: flock(2), and records of fcntl(2) by process or by open file.
//!
//! A file that is locked has a [`FileLocks`], found by device and inode number. Who holds a lock keeps it alive: an
//! open file its own locks, a descriptor table those of its process.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use ostd::Machine;
use ostd::sync::{Sleep, SpinLock, WaitQueue};

use super::file::Block;
use super::quota::{Quota, Share};
use crate::error::{Errno, Result};

/// Records on one file; more are refused with ENOLCK.
const RECORDS_MAX: usize = 4096;
/// And on all files of a machine.
const RECORDS_MAX_OF_ALL: u64 = 1 << 16;

/// Whom a lock belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A descriptor table, which is a process; by its address.
    Table(usize),
    /// An open file; by its address.
    Description(usize),
}

/// Who else may hold one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Others that share, too.
    Shared,
    /// Nobody.
    Exclusive,
}

/// Bytes of a file under one lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose.
    pub owner: Owner,
    /// How.
    pub hold: Hold,
    /// The first byte.
    pub start: u64,
    /// The last byte.
    pub last: u64,
    /// The process that fcntl(2) names; -1 for an open file's lock.
    pub pid: i32,
}

impl Record {
    fn conflicts(&self, other: &Self) -> bool {
        self.owner != other.owner
            && (self.hold == Hold::Exclusive || other.hold == Hold::Exclusive)
            && self.start <= other.last
            && other.start <= self.last
    }

    fn touches(&self, start: u64, last: u64) -> bool {
        self.start <= last.saturating_add(1) && start <= self.last.saturating_add(1)
    }
}

/// The records of a file, in no order.
#[derive(Debug, Default)]
struct Records(Vec<Record>);

impl Records {
    /// Takes a range out of what `owner` holds.
    fn remove(&mut self, owner: Owner, start: u64, last: u64) {
        let mut rest = Vec::new();
        self.0.retain(|record| {
            if record.owner != owner || record.start > last || start > record.last {
                return true;
            }
            if record.start < start {
                rest.push(Record { last: start - 1, ..*record });
            }
            if record.last > last {
                rest.push(Record { start: last + 1, ..*record });
            }
            false
        });
        self.0.append(&mut rest);
    }

    /// Whether a range is within one record of `owner`, with some of it on both sides.
    fn is_split(&self, owner: Owner, start: u64, last: u64) -> bool {
        self.0.iter().any(|record| record.owner == owner && record.start < start && last < record.last)
    }

    /// Puts a record in, over and together with what its owner holds.
    fn insert(&mut self, mut new: Record) {
        self.remove(new.owner, new.start, new.last);
        self.0.retain(|record| {
            let joins = record.owner == new.owner && record.hold == new.hold && record.touches(new.start, new.last);
            if joins {
                new.start = new.start.min(record.start);
                new.last = new.last.max(record.last);
            }
            !joins
        });
        self.0.push(new);
    }

    /// The first byte's record that stands in the way.
    fn in_the_way(&self, wish: &Record) -> Option<Record> {
        self.0.iter().filter(|record| record.conflicts(wish)).min_by_key(|record| record.start).copied()
    }
}

#[derive(Default)]
struct State {
    records: Records,
    /// One for each record.
    shares: Vec<Share>,
    whole: Vec<(Owner, Hold)>,
}

impl State {
    /// Makes sure of room for what a change may add; ENOLCK.
    fn make_room(&mut self, room: &Arc<Quota>, more: usize) -> Result<()> {
        let wanted = self.records.0.len() + more;
        if wanted > RECORDS_MAX {
            return Err(Errno::ENOLCK);
        }
        while self.shares.len() < wanted {
            self.shares.push(room.take().ok_or(Errno::ENOLCK)?);
        }
        Ok(())
    }

    fn insert(&mut self, room: &Arc<Quota>, new: Record) -> Result<()> {
        // Itself, and what is left of a record on both sides.
        let made = self.make_room(room, 1 + usize::from(self.records.is_split(new.owner, new.start, new.last)));
        if made.is_ok() {
            self.records.insert(new);
        }
        self.shares.truncate(self.records.0.len());
        made
    }

    fn remove(&mut self, room: &Arc<Quota>, owner: Owner, start: u64, last: u64) -> Result<()> {
        // What only shrinks needs no room.
        let made = if self.records.is_split(owner, start, last) { self.make_room(room, 1) } else { Ok(()) };
        if made.is_ok() {
            self.records.remove(owner, start, last);
        }
        self.shares.truncate(self.records.0.len());
        made
    }
}

/// The locks of one file.
pub(super) struct FileLocks {
    identity: (u64, u64),
    state: SpinLock<State>,
    released: WaitQueue,
}

impl FileLocks {
    /// Device and inode number.
    pub(super) fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// Gives back all that `owner` holds here.
    pub(super) fn release(&self, owner: Owner) {
        let mut state = self.state.lock();
        state.records.remove(owner, 0, u64::MAX);
        let left = state.records.0.len();
        state.shares.truncate(left);
        state.whole.retain(|held| held.0 != owner);
        drop(state);
        self.released.wake_all();
    }
}

/// All locks on files of a machine.
pub struct LockTable {
    files: SpinLock<BTreeMap<(u64, u64), Weak<FileLocks>>>,
    /// Whom each waiting owner waits for: a circle is a deadlock.
    waiting: SpinLock<BTreeMap<Owner, Owner>>,
    room: Arc<Quota>,
}

impl LockTable {
    /// Nothing is locked.
    pub fn new(machine: &Machine) -> Self {
        let room = Quota::on_heap_of(machine, RECORDS_MAX_OF_ALL, 0);
        Self { files: SpinLock::default(), waiting: SpinLock::default(), room }
    }
}

impl LockTable {
    /// The locks of the file with this device and inode number.
    pub(super) fn of(&self, identity: (u64, u64)) -> Arc<FileLocks> {
        let mut files = self.files.lock();
        if let Some(locks) = files.get(&identity).and_then(Weak::upgrade) {
            return locks;
        }
        files.retain(|_, locks| locks.strong_count() > 0);
        let locks = Arc::new(FileLocks { identity, state: SpinLock::default(), released: WaitQueue::new() });
        files.insert(identity, Arc::downgrade(&locks));
        locks
    }

    /// Locks a range. EAGAIN instead of waiting; EDEADLK where processes would wait for each other.
    pub(super) fn lock(&self, file: &FileLocks, wish: Record, how: Block) -> Result<()> {
        let mut attempt = || {
            let mut state = file.state.lock();
            match state.records.in_the_way(&wish) {
                Some(other) if how == Block::Wait && self.waits_for(wish.owner, other.owner) => {
                    Some(Err(Errno::EDEADLK))
                }
                Some(_) if how == Block::Wait => None,
                Some(_) => Some(Err(Errno::EAGAIN)),
                None => Some(state.insert(&self.room, wish)),
            }
        };
        let result = file.released.wait_until(Sleep::interruptible(), &mut attempt);
        self.waiting.lock().remove(&wish.owner);
        // A range that shrank to a weaker hold lets others in.
        file.released.wake_all();
        result.unwrap_or(Err(Errno::ERESTARTSYS))
    }

    /// Notes that `who` waits for `other`; says whether that closes a circle. Only processes make circles: fcntl(2).
    fn waits_for(&self, who: Owner, other: Owner) -> bool {
        if !matches!(who, Owner::Table(_)) {
            return false;
        }
        let mut waiting = self.waiting.lock();
        let mut next = other;
        for _ in 0..=waiting.len() {
            if next == who {
                return true;
            }
            match waiting.get(&next) {
                Some(&further) => next = further,
                None => break,
            }
        }
        waiting.insert(who, other);
        false
    }

    /// Unlocks a range; ENOLCK where that would make two records of one, and there are too many.
    pub(super) fn unlock(&self, file: &FileLocks, owner: Owner, start: u64, last: u64) -> Result<()> {
        file.state.lock().remove(&self.room, owner, start, last)?;
        file.released.wake_all();
        Ok(())
    }

    /// What would stand in the way of a lock.
    pub(super) fn in_the_way(&self, file: &FileLocks, wish: &Record) -> Option<Record> {
        file.state.lock().records.in_the_way(wish)
    }

    /// flock(2): changing how a lock is held gives it back first, as Linux does.
    pub(super) fn flock(&self, file: &FileLocks, owner: Owner, wish: Option<Hold>, how: Block) -> Result<()> {
        let Some(hold) = wish else {
            file.state.lock().whole.retain(|held| held.0 != owner);
            file.released.wake_all();
            return Ok(());
        };
        {
            let mut state = file.state.lock();
            if state.whole.contains(&(owner, hold)) {
                return Ok(());
            }
            state.whole.retain(|held| held.0 != owner);
        }
        file.released.wake_all();
        let attempt = || {
            let mut state = file.state.lock();
            let taken = state.whole.iter().any(|held| hold == Hold::Exclusive || held.1 == Hold::Exclusive);
            match (taken, how) {
                (true, Block::Wait) => None,
                (true, Block::Never) => Some(Err(Errno::EAGAIN)),
                (false, _) => {
                    state.whole.push((owner, hold));
                    Some(Ok(()))
                }
            }
        };
        file.released.wait_until(Sleep::interruptible(), attempt).unwrap_or(Err(Errno::ERESTARTSYS))
    }
}

#[cfg(test)]
mod tests {
    use super::{Hold, Owner, RECORDS_MAX, Record, Records, State};
    use crate::error::Errno;
    use crate::vfs::Quota;

    fn record(owner: usize, hold: Hold, start: u64, last: u64) -> Record {
        Record { owner: Owner::Table(owner), hold, start, last, pid: 1 }
    }

    #[test]
    fn neighbours_of_one_owner_become_one_record_and_a_hole_splits_it() {
        let mut records = Records::default();
        records.insert(record(1, Hold::Exclusive, 0, 9));
        records.insert(record(1, Hold::Exclusive, 10, 19));
        assert_eq!(records.0, [record(1, Hold::Exclusive, 0, 19)]);
        records.remove(Owner::Table(1), 5, 6);
        assert_eq!(records.0, [record(1, Hold::Exclusive, 0, 4), record(1, Hold::Exclusive, 7, 19)]);
        records.insert(record(1, Hold::Shared, 3, 8));
        assert_eq!(records.0.len(), 3);
    }

    #[test]
    fn holes_end_and_what_is_given_back_makes_room() {
        let owner = Owner::Table(1);
        for (most, all) in [(8, 8), (RECORDS_MAX, u64::MAX)] {
            let (mut state, room) = (State::default(), Quota::new(all));
            assert_eq!(state.insert(&room, record(1, Hold::Exclusive, 0, u64::MAX)), Ok(()));
            let refused = (1..).find_map(|hole| state.remove(&room, owner, 2 * hole, 2 * hole).err());
            assert_eq!((refused, state.records.0.len(), room.used()), (Some(Errno::ENOLCK), most, most as u64));
            assert_eq!(state.insert(&room, record(2, Hold::Shared, 2, 2)), Err(Errno::ENOLCK));
            assert_eq!(state.remove(&room, owner, 0, 1), Ok(()));
            assert_eq!(state.insert(&room, record(2, Hold::Shared, 2, 2)), Ok(()));
            assert_eq!((state.remove(&room, owner, 0, u64::MAX), room.used()), (Ok(()), 1));
        }
    }

    #[test]
    fn only_exclusive_records_of_others_are_in_the_way() {
        let mut records = Records::default();
        records.insert(record(1, Hold::Shared, 0, u64::MAX));
        assert_eq!(records.in_the_way(&record(2, Hold::Shared, 5, 5)), None);
        assert_eq!(records.in_the_way(&record(1, Hold::Exclusive, 5, 5)), None);
        assert!(records.in_the_way(&record(2, Hold::Exclusive, 5, 5)).is_some());
        assert_eq!(records.in_the_way(&record(2, Hold::Exclusive, 0, 0)).map(|one| one.last), Some(u64::MAX));
    }
}
