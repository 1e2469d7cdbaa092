//! What a machine's memory is used for: arithmetic on ranges of physical addresses.

use core::ops::Range;

use alloc::vec::Vec;

/// Bytes of a kernel stack.
pub const STACK_LEN: usize = 32 << 10;
/// Distance of two kernel stacks in the window they are seen through; what lies between them is not mapped.
pub const STACK_STRIDE: usize = 64 << 10;
/// Slots of the window that the first CPU's boot stack takes, a hole included.
pub const FIRST_SLOTS: usize = 2;
const PAGE: usize = 4096;
/// Alignment of frame metadata, and bytes of a chunk of it: 32 for itself, and 32 for each frame.
const CHUNK: usize = 2 << 20;
const FRAMES_PER_CHUNK: usize = CHUNK / 32 - 1;
/// The least heap worth starting with, and the most that kernel objects will ever fill.
const HEAP: Range<usize> = 2 << 20..256 << 20;
/// The least memory left for frames with which a machine is worth starting.
const FRAMES_MIN: usize = 4 << 20;
/// How much longer memory may be with its holes than without: holes have metadata too.
const SPAN_PER_MEMORY: usize = 64;

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
    /// From the first of the machine's frames to the last.
    pub frames: Range<usize>,
    /// What of it is no frame, in order.
    pub holes: Vec<Range<usize>>,
}

/// The parts of `ram` that overlap none of `taken`, in whole pages and in order.
pub fn free_parts(ram: &[Range<usize>], taken: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut parts = ram.to_vec();
    for hole in taken.iter().filter(|hole| hole.start < hole.end) {
        let around = |part: Range<usize>| [part.start..part.end.min(hole.start), part.start.max(hole.end)..part.end];
        parts = parts.into_iter().flat_map(around).filter(|part| part.start < part.end).collect();
    }
    parts.sort_by_key(|part| part.start);
    // Loaders have been seen to tell the same memory twice.
    let mut end = 0;
    let mut apart = |part: Range<usize>| {
        let whole = part.start.max(end).checked_next_multiple_of(PAGE)?..part.end & !(PAGE - 1);
        end = end.max(whole.end);
        (whole.start < whole.end).then_some(whole)
    };
    parts.into_iter().filter_map(&mut apart).collect()
}

/// The parts around the `largest` that are worth the metadata of the holes between.
fn worthwhile(parts: &[Range<usize>], largest: usize) -> &[Range<usize>] {
    let worth = |some: &[Range<usize>], span: usize| span / SPAN_PER_MEMORY <= some.iter().map(Range::len).sum();
    let Range { start, end } = parts[largest].clone();
    let first = (0..largest).find(|at| worth(&parts[*at..largest], start - parts[*at].start)).unwrap_or(largest);
    let behind = (largest + 1..parts.len()).rev();
    let last = behind.into_iter().find(|at| worth(&parts[largest + 1..=*at], parts[*at].end - end)).unwrap_or(largest);
    &parts[first..=last]
}

impl Layout {
    /// Divides `free`, which is in order; nothing if it is too small.
    pub fn divide(free: &[Range<usize>]) -> Option<Self> {
        let (largest, own) = free.iter().enumerate().max_by_key(|(_, part)| part.len())?;
        let len = own.len();
        let heap = own.start..own.start + (len / 8).clamp(HEAP.start, HEAP.end) / PAGE * PAGE;
        let count = (len / 16 / STACK_LEN).clamp(16, 4096);
        let stacks = heap.end..heap.end + count * STACK_LEN;
        // A node per 2 MiB of window, and the three levels above.
        let nodes = ((count + FIRST_SLOTS) * STACK_STRIDE).div_ceil(2 << 20) + 4;
        let tables = stacks.end..stacks.end + nodes * PAGE;
        let parts = worthwhile(free, largest);
        let span = parts.last()?.end - parts.first()?.start;
        let start = tables.end.next_multiple_of(CHUNK);
        // As ostd asks for it, and as the waist lets others ask.
        let chunks = (span / PAGE).div_ceil(FRAMES_PER_CHUNK) * CHUNK;
        let metadata = start..start + chunks.max((span / PAGE * 32).next_multiple_of(PAGE) + CHUNK);
        let taken = [heap.start..tables.end, metadata.clone()];
        let parts = free_parts(parts, &taken);
        let frames = parts.first()?.start..parts.last()?.end;
        let holes: Vec<_> = parts.windows(2).map(|pair| pair[0].end..pair[1].start).collect();
        let enough = metadata.end <= own.end && parts.iter().map(Range::len).sum::<usize>() >= FRAMES_MIN;
        enough.then_some(Self { heap, stacks, tables, metadata, frames, holes })
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::ops::Range;
    use core::slice;

    use super::{Layout, free_parts};

    #[test]
    fn what_is_taken_leaves_holes() {
        let ram = [0x10_0000..0x1000_0000, 0..0x9_f000];
        assert_eq!(free_parts(&ram, &[]), [0..0x9_f000, 0x10_0000..0x1000_0000]);
        let taken = [0x10_0000..0x40_0100, 0xf00_0000..0xfff_f000];
        assert_eq!(free_parts(&ram, &taken), [0..0x9_f000, 0x40_1000..0xf00_0000, 0xfff_f000..0x1000_0000]);
        assert!(free_parts(&ram, &[0..0x10_0000, 0x10_0000..0x1000_0000]).is_empty());
    }

    #[test]
    fn nonsense_in_a_memory_map_is_no_memory() {
        let backwards = Range { start: 0x9000, end: 0x1000 };
        let ram = [0..0x5000, 0x3000..0x8000, 0x4000..0x6000, backwards, usize::MAX - 5..usize::MAX];
        assert_eq!(free_parts(&ram, &[]), [0..0x5000, 0x5000..0x8000]);
    }

    fn parts_of(layout: &Layout) -> Vec<Range<usize>> {
        let own = [&layout.heap, &layout.stacks, &layout.tables, &layout.metadata].map(Range::clone);
        own.into_iter().chain(free_parts(slice::from_ref(&layout.frames), &layout.holes)).collect()
    }

    #[test]
    fn parts_do_not_overlap_and_a_small_machine_is_refused() {
        for megabytes in [12, 32, 256, 3000] {
            let layout =
                Layout::divide(slice::from_ref(&(0x123_4000 % (megabytes << 19)..megabytes << 20))).expect("enough");
            let mut parts = parts_of(&layout);
            parts.sort_by_key(|part| part.start);
            assert!(parts.windows(2).all(|pair| pair[0].end <= pair[1].start), "{layout:x?}");
            assert_eq!(layout.frames.end, megabytes << 20);
        }
        assert_eq!(Layout::divide(slice::from_ref(&(0..6 << 20))), None);
        assert_eq!(Layout::divide(&[]), None);
    }

    #[test]
    fn memory_on_both_sides_of_a_hole_is_used() {
        let gib = 1 << 30;
        let layout = Layout::divide(&[0x40_0000..2 * gib, 4 * gib..8 * gib]).expect("enough");
        let frames: usize = free_parts(slice::from_ref(&layout.frames), &layout.holes).iter().map(Range::len).sum();
        let covered = layout.holes.iter().any(|hole| hole.start == 2 * gib && hole.end >= 4 * gib);
        assert!(frames > 5 * gib && covered, "{layout:x?}");
        assert!(layout.metadata.len() * 128 >= layout.frames.len());
        // A page a long way off is not.
        let layout = Layout::divide(&[0x40_0000..2 * gib, 500 * gib..500 * gib + 4096]).expect("enough");
        assert_eq!(layout.frames.end, 2 * gib);
    }
}
