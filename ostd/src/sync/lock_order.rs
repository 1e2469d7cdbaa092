//! Whether a task takes its locks in their declared order.
//!
//! Each lock that takes part has a [`Rank`], and a task may wait for a lock only if its rank is above those of all
//! locks that the task holds. Tasks that keep to this cannot wait for each other in a circle. The check needs nothing
//! but the task's own [`HeldLocks`]: no graph, nothing shared, and it finds a wrong order the first time it is taken,
//! not only when two tasks meet.
//!
//! Locks without a rank take no part, nor do those that an interrupt handler takes: what it interrupted holds locks
//! that it knows nothing of.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::panic::Location;

use crate::check::Culprit;
use crate::cpu::Cpu;

/// How many ranked locks a task may hold at once; one more is a violation of its own.
pub(crate) const HELD_MAX: usize = 16;

/// A lock's place in the order that a kernel declares. Outer locks have lower ranks. On a machine with checkers, taking a
/// lock whose rank is not above those of all locks that the task holds is a panic that names both.
#[derive(Clone, Copy, Debug)]
pub struct Rank {
    name: &'static str,
    /// The level, and below it the number: every lock has a rank in it.
    order: u64,
}

/// Bits of a lock's number.
const NUMBER_BITS: u32 = 48;

impl Rank {
    /// The rank of all locks that are called `name`. No two of them can be held together, and none of another name
    /// with the same `level`.
    pub const fn new(name: &'static str, level: u16) -> Self {
        Self { name, order: (level as u64) << NUMBER_BITS }
    }

    /// The same rank for one lock among many that may be held together: they are taken by rising `number` (of an
    /// inode, a process: something that does not change, and is not an address). Panics if it has more than 48 bits.
    #[must_use]
    pub const fn numbered(self, number: u64) -> Self {
        assert!(number >> NUMBER_BITS == 0, "a lock's number has 48 bits");
        Self { order: self.level() << NUMBER_BITS | number, ..self }
    }

    const fn level(self) -> u64 {
        self.order >> NUMBER_BITS
    }

    const fn number(self) -> u64 {
        self.order & ((1 << NUMBER_BITS) - 1)
    }

    const fn place_in_order(self) -> u64 {
        self.order
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number() {
            0 => write!(f, "`{}` (rank {})", self.name, self.level()),
            number => write!(f, "`{}` {number} (rank {})", self.name, self.level()),
        }
    }
}

/// A lock and where it was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    rank: Rank,
    place: &'static Location<'static>,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at {}", self.rank, self.place)
    }
}

/// Why a lock must not be waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Violation {
    /// It ranks no higher than one that is held.
    OutOfOrder {
        /// What was asked for.
        wanted: Taken,
        /// The highest lock that is held.
        held: Taken,
    },
    /// The task holds [`HELD_MAX`] locks already.
    TooMany {
        /// What was asked for.
        wanted: Taken,
        /// The lock that was taken last.
        held: Taken,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfOrder { wanted, held } => {
                write!(f, "locks out of order: {wanted}, while holding {held}")
            }
            Self::TooMany { wanted, held } => {
                write!(f, "more than {HELD_MAX} locks at once: {wanted}; the last one was {held}")
            }
        }
    }
}

/// The ranked locks that one task holds.
#[derive(Debug, Default)]
pub(crate) struct HeldLocks {
    /// In the order of taking; the first `count` are there, and no other.
    taken: [Option<Taken>; HELD_MAX],
    count: usize,
}

impl HeldLocks {
    /// Holding none.
    pub(crate) const fn new() -> Self {
        Self { taken: [None; HELD_MAX], count: 0 }
    }

    /// One line each, in the order of taking.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.held().map(ToString::to_string).collect()
    }

    /// Before waiting for a lock: whether that is in order. If so the lock counts as held.
    pub(crate) fn acquire(&mut self, rank: Rank, place: &'static Location<'static>) -> Result<(), Violation> {
        let wanted = Taken { rank, place };
        // All are looked at: a lock that was only tried may stand after a higher one.
        if self.held().all(|held| held.rank.place_in_order() < rank.place_in_order()) {
            return self.push(wanted);
        }
        let highest = self.held().max_by_key(|held| held.rank.place_in_order());
        let held = *highest.expect("one of them is in the way");
        Err(Violation::OutOfOrder { wanted, held })
    }

    /// After a lock was tried and found free. Any order will do, since the task did not wait; but it counts as held.
    pub(crate) fn acquired_by_trying(
        &mut self,
        rank: Rank,
        place: &'static Location<'static>,
    ) -> Result<(), Violation> {
        self.push(Taken { rank, place })
    }

    /// A lock is given back; the order of giving back does not matter.
    ///
    /// Panics if it is not held.
    pub(crate) fn release(&mut self, rank: Rank) {
        let same = |taken: &Option<Taken>| taken.is_some_and(|t| t.rank.place_in_order() == rank.place_in_order());
        let Some(index) = self.taken[..self.count].iter().rposition(same) else {
            panic!("{rank} was given back by a task that does not hold it");
        };
        self.count -= 1;
        // Mostly it was the last.
        if index < self.count {
            self.taken.copy_within(index + 1..=self.count, index);
        }
        self.taken[self.count] = None;
    }

    /// The lock that was taken last, for a task that must not hold any (at a sleep, at the end of a system call).
    pub(crate) fn last(&self) -> Option<&Taken> {
        self.taken[..self.count].last()?.as_ref()
    }

    fn held(&self) -> impl Iterator<Item = &Taken> {
        self.taken[..self.count].iter().flatten()
    }

    fn push(&mut self, wanted: Taken) -> Result<(), Violation> {
        match self.taken.get_mut(self.count) {
            Some(free) => {
                *free = Some(wanted);
                self.count += 1;
                Ok(())
            }
            None => {
                let held = *self.last().expect("the set is full");
                Err(Violation::TooMany { wanted, held })
            }
        }
    }
}

/// Before a lock is waited for on `cpu`.
#[inline]
pub(crate) fn about_to_wait(cpu: &Cpu, rank: Option<&Rank>, place: &'static Location<'static>) {
    if let Some(rank) = rank
        && cpu.core().checks
    {
        note(cpu, rank, Step::Acquire(place));
    }
}

/// After a lock was tried on `cpu` and found free.
#[inline]
pub(crate) fn found_free(cpu: &Cpu, rank: Option<&Rank>, place: &'static Location<'static>) {
    if let Some(rank) = rank
        && cpu.core().checks
    {
        note(cpu, rank, Step::AcquiredByTrying(place));
    }
}

/// When a lock is given back on `cpu`.
#[inline]
pub(crate) fn given_back(cpu: &Cpu, rank: Option<&Rank>) {
    if let Some(rank) = rank
        && cpu.core().checks
    {
        note(cpu, rank, Step::Release);
    }
}

/// What a task does with a ranked lock, and where.
enum Step {
    Acquire(&'static Location<'static>),
    AcquiredByTrying(&'static Location<'static>),
    Release,
}

/// Panics if the task holds a ranked lock where it must not, saying `what` it was doing.
#[inline]
pub(crate) fn expect_none(cpu: &Cpu, what: &str) {
    cpu.with_held(|held| {
        if let Some(taken) = held.last() {
            panic!("{what} while holding {taken}, {Culprit}");
        }
    });
}

/// Out of line: taking a lock is a few instructions where nobody looks on.
#[inline(never)]
fn note(cpu: &Cpu, rank: &Rank, step: Step) {
    cpu.with_held(|held| {
        let noted = match step {
            Step::Acquire(place) => held.acquire(*rank, place),
            Step::AcquiredByTrying(place) => held.acquired_by_trying(*rank, place),
            Step::Release => {
                held.release(*rank);
                Ok(())
            }
        };
        if let Err(violation) = noted {
            panic!("{violation}, {Culprit}");
        }
    });
}

#[cfg(any(test, feature = "tests"))]
pub(crate) mod tests {
    use alloc::format;
    use alloc::string::{String, ToString};

    use super::{HELD_MAX, HeldLocks, Location, Rank};

    crate::tests::list! {
        rising_ranks_are_in_order_whatever_order_they_are_given_back_in
        a_violation_names_both_locks_and_both_places
        two_locks_of_one_rank_are_held_together_only_by_rising_number
        a_lock_that_was_only_tried_is_in_order_but_counts
        one_lock_more_than_fits_is_refused_and_the_set_stays_usable
    }

    const PROCESS: Rank = Rank::new("process", 10);
    const INODE: Rank = Rank::new("inode", 20);
    const PIPE: Rank = Rank::new("pipe", 30);

    #[track_caller]
    fn acquire(held: &mut HeldLocks, rank: Rank) -> Result<(), String> {
        held.acquire(rank, Location::caller()).map_err(|violation| violation.to_string())
    }

    #[cfg_attr(test, test)]
    fn rising_ranks_are_in_order_whatever_order_they_are_given_back_in() {
        let mut held = HeldLocks::new();
        for rank in [PROCESS, INODE, PIPE] {
            assert_eq!(acquire(&mut held, rank), Ok(()));
        }
        held.release(INODE);
        held.release(PIPE);
        assert_eq!(acquire(&mut held, INODE), Ok(()), "only `process` was still held");
        held.release(PROCESS);
        held.release(INODE);
        assert!(held.last().is_none());
    }

    #[cfg_attr(test, test)]
    fn a_violation_names_both_locks_and_both_places() {
        let mut held = HeldLocks::new();
        let (first, second) = (line!() + 1, line!() + 2);
        assert_eq!(acquire(&mut held, PIPE), Ok(()));
        let said = acquire(&mut held, INODE).expect_err("`pipe` is the inner lock");
        let (wanted, holding) = said.split_once(", while holding ").expect("both are told");
        assert!(wanted.contains("`inode` (rank 20)") && wanted.contains(&format!("lock_order.rs:{second}:")), "{said}");
        assert!(holding.contains("`pipe` (rank 30)") && holding.contains(&format!("lock_order.rs:{first}:")), "{said}");
        held.release(PIPE);
        assert_eq!(acquire(&mut held, INODE), Ok(()), "what was refused does not count as held");
    }

    #[cfg_attr(test, test)]
    fn two_locks_of_one_rank_are_held_together_only_by_rising_number() {
        let mut held = HeldLocks::new();
        assert_eq!(acquire(&mut held, INODE.numbered(4)), Ok(()));
        assert!(acquire(&mut held, INODE.numbered(4)).is_err(), "the same lock twice");
        assert!(acquire(&mut held, INODE.numbered(3)).is_err());
        assert_eq!(acquire(&mut held, INODE.numbered(5)), Ok(()));
        assert_eq!(acquire(&mut held, PIPE), Ok(()));
    }

    #[cfg_attr(test, test)]
    fn a_lock_that_was_only_tried_is_in_order_but_counts() {
        let mut held = HeldLocks::new();
        assert_eq!(acquire(&mut held, PIPE), Ok(()));
        assert!(held.acquired_by_trying(PROCESS, Location::caller()).is_ok());
        let said = acquire(&mut held, INODE).expect_err("`pipe` is still held, under the tried one");
        assert!(said.contains("while holding `pipe`"), "{said}");
        held.release(PIPE);
        assert_eq!(acquire(&mut held, INODE), Ok(()));
    }

    #[cfg_attr(test, test)]
    fn one_lock_more_than_fits_is_refused_and_the_set_stays_usable() {
        let mut held = HeldLocks::new();
        for number in 0..HELD_MAX as u64 {
            assert_eq!(acquire(&mut held, INODE.numbered(number)), Ok(()));
        }
        let said = acquire(&mut held, PIPE).expect_err("the set is full");
        assert!(said.contains("more than 16 locks at once") && said.contains("`pipe`"), "{said}");
        held.release(INODE);
        assert_eq!(acquire(&mut held, PIPE), Ok(()));
    }

    #[cfg(test)]
    #[test]
    #[should_panic(expected = "`pipe` (rank 30) was given back by a task that does not hold it")]
    fn giving_back_what_is_not_held_is_our_mistake() {
        let mut held = HeldLocks::new();
        assert_eq!(acquire(&mut held, INODE), Ok(()));
        held.release(PIPE);
    }
}
