//! Memory that devices reach: the heap, which lies in one piece behind the window on physical memory.
//!
//! A backend has no frames of its own, ostd has them; but it has the heap, whose addresses differ from the devices' by a
//! constant. So nothing was added to the waist for it, and what a request carries is handed over as it is, not copied.
#![expect(unsafe_code, reason = "tells devices where memory is")]

use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use core::ptr::NonNull;

use ostd_hal::{PAGE_SIZE, Paddr};
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

use crate::arch;
use crate::copy::window;

/// The crate's view of memory.
pub(super) struct Memory;

/// What a device calls the byte at `pointer`.
fn physical(pointer: NonNull<u8>) -> PhysAddr {
    let at = pointer.as_ptr() as usize;
    let physical = match at.checked_sub(arch::KERNEL_OFFSET) {
        // The image's own memory, of which the heap has a part.
        Some(physical) => physical,
        None => at.wrapping_sub(arch::DIRECT_MAP),
    };
    assert!(physical < arch::DIRECT_MAP_LEN, "{at:#x} is not what a device may reach");
    physical as PhysAddr
}

fn layout(pages: usize) -> Layout {
    Layout::from_size_align(pages * PAGE_SIZE, PAGE_SIZE).expect("a few pages")
}

// SAFETY: memory comes from the heap, zeroed and aligned; the window covers every device that `bus` accepts; sharing
// needs no more than the address, as devices and the CPU see the same memory.
unsafe impl Hal for Memory {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        // SAFETY: the layout is not empty.
        let start = NonNull::new(unsafe { alloc_zeroed(layout(pages)) });
        // An address of zero tells the crate that there is no memory.
        start.map_or((0, NonNull::dangling()), |start| (physical(start), start))
    }

    unsafe fn dma_dealloc(_paddr: PhysAddr, vaddr: NonNull<u8>, pages: usize) -> i32 {
        // SAFETY: allocated with this layout in `dma_alloc`, by the caller's promise.
        unsafe { dealloc(vaddr.as_ptr(), layout(pages)) };
        0
    }

    unsafe fn mmio_phys_to_virt(paddr: PhysAddr, size: usize) -> NonNull<u8> {
        let at = paddr as usize;
        assert!(at < arch::DIRECT_MAP_LEN && size <= arch::DIRECT_MAP_LEN - at, "{at:#x} is behind the window");
        NonNull::new(window(Paddr::new(at))).expect("the window does not begin at zero")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        physical(buffer.cast())
    }

    unsafe fn unshare(_paddr: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}
