//! Frames that nobody has. What came back last goes out first, while it is in the caches; nodes of page tables come back
//! blank, and go out again as that.

use alloc::vec::Vec;

use buddy_system_allocator::FrameAllocator as Buddy;

/// log2 of the largest run that is kept together, in frames, plus one.
const ORDERS: usize = 25;
/// Frames of a sort that are kept apart from the rest.
const KEPT_MAX: usize = 64;

/// The free frames of a machine, by number.
pub(super) struct Free {
    rest: Buddy<ORDERS>,
    recent: Vec<usize>,
    /// Full of zeros.
    blank: Vec<usize>,
}

impl Free {
    /// None.
    pub(super) fn new() -> Self {
        Self { rest: Buddy::new(), recent: Vec::with_capacity(KEPT_MAX), blank: Vec::with_capacity(KEPT_MAX) }
    }

    /// Frames `start` to `end`, from the beginning.
    pub(super) fn add(&mut self, start: usize, end: usize) {
        self.rest.add_frame(start, end);
    }

    /// One, whatever it holds.
    pub(super) fn take(&mut self) -> Option<usize> {
        self.recent.pop().or_else(|| self.rest.alloc(1)).or_else(|| self.blank.pop())
    }

    /// One full of zeros, if one is known.
    pub(super) fn take_blank(&mut self) -> Option<usize> {
        self.blank.pop()
    }

    /// The first of `count` that follow one another.
    pub(super) fn take_run(&mut self, count: usize) -> Option<usize> {
        let rounded = count.next_power_of_two();
        let start = self.rest.alloc(rounded).or_else(|| {
            self.gather();
            self.rest.alloc(rounded)
        })?;
        // The tail goes back at once, frame by frame, as frames will.
        for index in start + count..start + rounded {
            self.rest.dealloc(index, 1);
        }
        Some(start)
    }

    /// Takes one back.
    pub(super) fn give(&mut self, index: usize) {
        if self.recent.len() < KEPT_MAX {
            self.recent.push(index);
        } else {
            self.rest.dealloc(index, 1);
        }
    }

    /// Takes one back that is full of zeros.
    pub(super) fn give_blank(&mut self, index: usize) {
        if self.blank.len() < KEPT_MAX {
            self.blank.push(index);
        } else {
            self.give(index);
        }
    }

    /// Puts what is kept apart where it may be part of a run.
    fn gather(&mut self) {
        for index in self.recent.drain(..).chain(self.blank.drain(..)) {
            self.rest.dealloc(index, 1);
        }
    }
}

#[cfg(any(test, feature = "tests"))]
pub(crate) mod tests {
    use alloc::vec::Vec;

    use super::Free;

    crate::tests::list! { frames_that_are_kept_apart_are_found_by_who_needs_all_of_them }

    #[cfg_attr(test, test)]
    fn frames_that_are_kept_apart_are_found_by_who_needs_all_of_them() {
        let mut free = Free::new();
        free.add(0, 16);
        let all: Vec<usize> = core::iter::from_fn(|| free.take()).collect();
        assert_eq!(all.len(), 16);
        all[..8].iter().for_each(|&index| free.give(index));
        all[8..].iter().for_each(|&index| free.give_blank(index));
        assert_eq!(free.take_run(16), Some(0), "no run is free until they are put together");
        assert_eq!((free.take(), free.take_blank()), (None, None));
        free.give_blank(3);
        assert_eq!(free.take(), Some(3), "a blank one will do");
    }
}
