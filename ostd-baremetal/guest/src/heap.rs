//! The program's heap: a piece of its own memory, given out from one end. What was given out last can be taken back.
#![expect(unsafe_code, reason = "is the allocator")]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of it; a page that nobody uses costs nothing.
const HEAP_LEN: usize = 8 << 20;

#[repr(C, align(4096))]
struct Heap {
    memory: UnsafeCell<[u8; HEAP_LEN]>,
    /// Bytes that are given out.
    used: AtomicUsize,
}

// SAFETY: the allocator gives no byte out twice, and itself never looks at one.
unsafe impl Sync for Heap {}

#[global_allocator]
static HEAP: Heap = Heap { memory: UnsafeCell::new([0; HEAP_LEN]), used: AtomicUsize::new(0) };

// SAFETY: what is given out lies between two values of `used`, which only one caller can have seen.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.memory.get().cast::<u8>();
        let mut start = 0;
        let taken = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            // The memory is aligned to a page, and no program asks for more.
            start = used.checked_next_multiple_of(layout.align())?;
            start.checked_add(layout.size()).filter(|end| *end <= HEAP_LEN)
        });
        // SAFETY: `start` lies in the memory.
        if taken.is_ok() { unsafe { base.add(start) } } else { core::ptr::null_mut() }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let start = at.addr() - self.memory.get().addr();
        // Only what lies last is taken back.
        let _ = self.used.compare_exchange(start + layout.size(), start, Ordering::AcqRel, Ordering::Relaxed);
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        let start = at.addr() - self.memory.get().addr();
        let (end, wanted) = (start + layout.size(), start.saturating_add(len));
        let fits = wanted <= HEAP_LEN;
        if fits && self.used.compare_exchange(end, wanted, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            return at;
        }
        // SAFETY: the caller's layout, with a length that it says is allowed.
        let other = unsafe { self.alloc(Layout::from_size_align_unchecked(len, layout.align())) };
        if !other.is_null() {
            // SAFETY: both are as long, and `other` is new.
            unsafe { other.copy_from_nonoverlapping(at, layout.size().min(len)) };
            // SAFETY: the caller gives it up.
            unsafe { self.dealloc(at, layout) };
        }
        other
    }
}
