//! What a machine's memory is used for: arithmetic on ranges of physical addresses.

use core::ops::Range;

/// Bytes of a kernel stack.
pub const STACK_LEN: usize = 32 << 10;
/// Distance of two kernel stacks in the window they are seen through; what lies between them is not mapped.
pub const STACK_STRIDE: usize = 64 << 10;
const PAGE: usize = 4096;
/// Alignment of frame metadata.
const METADATA_ALIGN: usize = 2 << 20;
/// The least heap worth starting with, and the most that kernel objects will ever fill.
const HEAP: Range<usize> = 2 << 20..256 << 20;
/// The least memory left for frames with which a machine is worth starting.
const FRAMES_MIN: usize = 4 << 20;

/// The parts of a machine's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The kernel's heap.
    pub heap: Range<usize>,
    /// Kernel stacks, one after the other.
    pub stacks: Range<usize>,
    /// Nodes of the page tables that map the stacks.
    pub tables: Range<usize>,
    /// Metadata of frames.
    pub metadata: Range<usize>,
    /// What is left: the machine's frames.
    pub frames: Range<usize>,
}

/// The largest part of `ram` that overlaps none of `taken`, page-aligned.
pub fn largest_free(ram: &[Range<usize>], taken: &[Range<usize>]) -> Range<usize> {
    let mut best = 0..0;
    let starts = || ram.iter().map(|range| range.start).chain(taken.iter().map(|range| range.end));
    for start in starts() {
        for region in ram.iter().filter(|region| region.contains(&start)) {
            if taken.iter().any(|range| range.contains(&start)) {
                continue;
            }
            let end = taken.iter().map(|range| range.start).filter(|at| *at >= start).min();
            let end = end.unwrap_or(region.end).min(region.end) & !(PAGE - 1);
            let start = start.next_multiple_of(PAGE);
            if end > start && end - start > best.end - best.start {
                best = start..end;
            }
        }
    }
    best
}

impl Layout {
    /// Divides `free`; nothing if it is too small.
    pub fn divide(free: Range<usize>) -> Option<Self> {
        let len = free.end.checked_sub(free.start)?;
        let heap = free.start..free.start + (len / 8).clamp(HEAP.start, HEAP.end) / PAGE * PAGE;
        let count = (len / 16 / STACK_LEN).clamp(16, 4096);
        let stacks = heap.end..heap.end + count * STACK_LEN;
        // A node per 2 MiB of window, and the three levels above.
        let nodes = (count * STACK_STRIDE).div_ceil(2 << 20) + 4;
        let tables = stacks.end..stacks.end + nodes * PAGE;
        let start = tables.end.next_multiple_of(METADATA_ALIGN);
        let rest = free.end.checked_sub(start)?;
        // A slot of 32 bytes per frame, in chunks of 2 MiB.
        let metadata = start..start + (rest / 128).next_multiple_of(METADATA_ALIGN) + METADATA_ALIGN;
        let frames = metadata.end..free.end;
        (frames.end.checked_sub(frames.start)? >= FRAMES_MIN).then_some(Self { heap, stacks, tables, metadata, frames })
    }
}

#[cfg(test)]
mod tests {
    use super::{Layout, largest_free};

    #[test]
    fn the_largest_hole_between_what_is_taken_is_found() {
        let ram = [0..0x9_f000, 0x10_0000..0x1000_0000];
        assert_eq!(largest_free(&ram, &[]), 0x10_0000..0x1000_0000);
        assert_eq!(largest_free(&ram, &[0x10_0000..0x40_0100, 0xf00_0000..0xfff_f000]), 0x40_1000..0xf00_0000);
        assert_eq!(largest_free(&ram, &[0..0x10_0000, 0x10_0000..0x1000_0000]), 0..0);
    }

    #[test]
    fn parts_do_not_overlap_and_a_small_machine_is_refused() {
        for megabytes in [32, 256, 3000] {
            let parts = Layout::divide(0x123_4000..megabytes << 20).expect("enough");
            assert!(
                parts.heap.end <= parts.stacks.start
                    && parts.stacks.end <= parts.tables.start
                    && parts.tables.end <= parts.metadata.start
            );
            assert_eq!((parts.metadata.end, parts.frames.end), (parts.frames.start, megabytes << 20));
        }
        assert_eq!(Layout::divide(0..8 << 20), None);
    }
}
