//! The tree of areas: what is where, and where there is room. Pure: no page is touched here.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use ostd::PAGE_SIZE;

use crate::mm::{Area, Lock};

/// Areas an address space may have (`vm.max_map_count`).
pub const AREAS_MAX: usize = 65530;
/// What is kept free below an area that grows down (`stack_guard_gap`).
pub(super) const GUARD_GAP: usize = 256 * PAGE_SIZE;

/// Areas by their start, none overlapping another.
#[derive(Clone, Default)]
pub struct Areas {
    tree: BTreeMap<usize, Area>,
    searched: Searched,
}

/// What the last search for room has seen: below `top` and above `edge` no hole is longer than `hole`. So a program that
/// maps page after page does not have all of them walked each time.
#[derive(Clone, Copy, Default)]
struct Searched {
    top: usize,
    edge: usize,
    hole: usize,
}

impl Areas {
    /// What a child begins with: nothing of it is locked.
    pub(super) fn for_child(&self) -> Self {
        if self.iter().all(|area| !area.dont_fork && area.lock == Lock::None) {
            return self.clone();
        }
        let mut areas = Self::default();
        for area in self.iter().filter(|area| !area.dont_fork) {
            areas.insert(Area { lock: Lock::None, ..area.clone() });
        }
        areas
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// The area that holds `at`.
    pub fn find(&self, at: usize) -> Option<&Area> {
        self.tree.range(..=at).next_back().map(|(_, area)| area).filter(|area| at < area.end)
    }

    /// The first area that ends behind `at`: it holds `at` or lies above it.
    pub fn find_from(&self, at: usize) -> Option<&Area> {
        self.find(at).or_else(|| self.tree.range(at..).next().map(|(_, area)| area))
    }

    /// The last area that ends at or below `at`.
    pub fn below(&self, at: usize) -> Option<&Area> {
        self.tree.range(..at).next_back().map(|(_, area)| area).filter(|area| area.end <= at)
    }

    /// All areas, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = &Area> {
        self.tree.values()
    }

    /// The areas that overlap `[start, end)`, lowest first.
    pub fn overlapping(&self, start: usize, end: usize) -> impl Iterator<Item = &Area> {
        let first = self.find(start).map_or(start, |area| area.start);
        self.tree.range(first..end.max(first)).map(|(_, area)| area)
    }

    /// Whether anything is in `[start, end)`.
    pub fn overlaps(&self, start: usize, end: usize) -> bool {
        self.overlapping(start, end).next().is_some()
    }

    /// Whether every page of `[start, end)` is in some area.
    pub fn covers(&self, start: usize, end: usize) -> bool {
        let mut at = start;
        for area in self.overlapping(start, end) {
            if area.start > at {
                return false;
            }
            at = area.end;
        }
        at >= end
    }

    /// Adds an area where nothing is, joined with its neighbours where they continue each other.
    ///
    /// Panics if something is there.
    pub fn insert(&mut self, mut area: Area) {
        assert!(!area.is_empty(), "an area has pages");
        assert!(!self.overlaps(area.start, area.end), "areas do not overlap");
        if let Some(before) = self.below(area.start).filter(|before| before.continues_as(&area)) {
            let mut joined = before.clone();
            joined.end = area.end;
            area = joined;
        }
        if let Some(next) = self.tree.get(&area.end).filter(|next| area.continues_as(next)) {
            let (start, end) = (next.start, next.end);
            self.tree.remove(&start);
            area.end = end;
        }
        self.tree.insert(area.start, area);
    }

    /// Takes out whatever is in `[start, end)`, splitting areas at its edges.
    pub fn remove(&mut self, start: usize, end: usize) -> Vec<Area> {
        if end > self.searched.edge {
            self.searched = Searched::default();
        }
        let touched: Vec<usize> = self.overlapping(start, end).map(|area| area.start).collect();
        let mut removed = Vec::with_capacity(touched.len());
        for key in touched {
            let Some(area) = self.tree.remove(&key) else { continue };
            if area.start < start {
                let left = area.clipped(area.start, start);
                self.tree.insert(left.start, left);
            }
            if end < area.end {
                let right = area.clipped(end, area.end);
                self.tree.insert(right.start, right);
            }
            removed.push(area.clipped(start, end));
        }
        removed
    }

    /// How many areas there will be more if `[start, end)` is cut out, at most.
    pub fn splits(&self, start: usize, end: usize) -> usize {
        let inside = |at: usize| self.find(at).is_some_and(|area| area.start < at);
        usize::from(inside(start)) + usize::from(inside(end))
    }

    /// Moves the start of the area that starts at `from` down to `to`.
    pub fn grow_down(&mut self, from: usize, to: usize) {
        assert!(!self.overlaps(to, from), "it grows into free room");
        if let Some(mut area) = self.tree.remove(&from) {
            area.start = to;
            self.tree.insert(to, area);
        }
    }

    /// The highest start of a free range of `len` bytes inside `[floor, top)`, guard gaps respected.
    pub fn room_below(&mut self, len: usize, floor: usize, top: usize) -> Option<usize> {
        let (mut end, mut hole) = (top, 0);
        // Whatever holds or begins at `top` may keep room below itself.
        if let Some(above) = self.find_from(top.saturating_sub(1)) {
            end = end.min(Self::free_below(above));
        }
        if self.searched.top == top && len > self.searched.hole {
            (end, hole) = (end.min(self.searched.edge), self.searched.hole);
        }
        loop {
            let start = end.checked_sub(len).filter(|start| *start >= floor)?;
            match self.overlapping(start, end).last() {
                None => {
                    self.searched = Searched { top, edge: end, hole };
                    return Some(start);
                }
                Some(in_the_way) => {
                    hole = hole.max(end.saturating_sub(in_the_way.end));
                    end = Self::free_below(in_the_way).min(end - PAGE_SIZE);
                }
            }
        }
    }

    fn free_below(area: &Area) -> usize {
        if area.grows_down { area.start.saturating_sub(GUARD_GAP) } else { area.start }
    }
}

#[cfg(test)]
mod tests {
    use super::{Areas, GUARD_GAP};
    use crate::mm::{Area, Hints, Label, Prot, Sharing, Source};

    fn area(start: usize, end: usize, prot: Prot) -> Area {
        Area {
            start,
            end,
            prot,
            allowed: Prot::all(),
            sharing: Sharing::Private,
            source: Source::Anonymous,
            grows_down: false,
            label: Label::None,
            dont_fork: false,
            wipe_on_fork: false,
            hints: Hints::empty(),
            droppable: false,
            lock: crate::mm::Lock::None,
        }
    }

    fn ranges(areas: &Areas) -> Vec<(usize, usize)> {
        areas.iter().map(|area| (area.start, area.end)).collect()
    }

    #[test]
    fn a_hole_splits_an_area_and_filling_it_joins_it_again() {
        let mut areas = Areas::default();
        areas.insert(area(0x1000, 0x9000, Prot::READ));
        let removed = areas.remove(0x3000, 0x5000);
        assert_eq!((removed.len(), removed[0].start, removed[0].end), (1, 0x3000, 0x5000));
        assert_eq!(ranges(&areas), [(0x1000, 0x3000), (0x5000, 0x9000)]);
        assert!(areas.covers(0x1000, 0x3000) && !areas.covers(0x2000, 0x6000));
        areas.insert(area(0x3000, 0x5000, Prot::READ));
        assert_eq!(ranges(&areas), [(0x1000, 0x9000)]);
    }

    #[test]
    fn areas_of_different_use_stay_apart() {
        let mut areas = Areas::default();
        areas.insert(area(0x1000, 0x2000, Prot::READ));
        areas.insert(area(0x2000, 0x3000, Prot::WRITE));
        assert_eq!(areas.len(), 2);
        assert!(areas.covers(0x1000, 0x3000));
        assert_eq!(areas.overlapping(0x1fff, 0x2001).count(), 2);
        assert_eq!(areas.find(0x2000).map(|area| area.prot), Some(Prot::WRITE));
        assert!(areas.find(0x3000).is_none());
    }

    #[test]
    fn room_is_found_from_the_top_and_not_in_the_gap_of_a_stack() {
        let mut areas = Areas::default();
        let top = 0x4000_0000;
        assert_eq!(areas.room_below(0x2000, 0x1000, top), Some(top - 0x2000));
        areas.insert(area(top - 0x3000, top - 0x1000, Prot::READ));
        assert_eq!(areas.room_below(0x1000, 0x1000, top), Some(top - 0x1000));
        assert_eq!(areas.room_below(0x2000, 0x1000, top), Some(top - 0x5000));
        let mut stack = area(top - 0x10_0000, top - 0xf_0000, Prot::WRITE);
        stack.grows_down = true;
        areas.insert(stack);
        assert_eq!(areas.room_below(0xf_0000, 0x1000, top), Some(top - 0x10_0000 - GUARD_GAP - 0xf_0000));
        assert_eq!(areas.room_below(top, 0x1000, top), None);
    }
}
