//! The image's heap: talc behind a spin lock, on a little memory that the image brings along, and then on the machine's.
#![expect(unsafe_code, reason = "names the memory that the allocator may claim")]

use core::ops::Range;

use ostd_hal::Paddr;
use talc::TalcLock;
use talc::source::Claim;

use crate::copy::window;
use crate::lock::RawSpin;

/// Bytes of heap until the machine's memory is known.
const HEAP_LEN: usize = 1 << 20;

/// One byte in so many is kept for what the kernel needs on its way.
const RESERVE: usize = 8;

/// One of the metal image's few statics (DESIGN: allocator, boot cell, emergency console).
#[global_allocator]
static HEAP: TalcLock<RawSpin, Claim> = {
    static mut MEMORY: [u8; HEAP_LEN] = [0; HEAP_LEN];
    // SAFETY: nothing else names `MEMORY`, so it is the allocator's alone, for as long as the image runs.
    TalcLock::new(unsafe { Claim::array(&raw mut MEMORY) })
};

/// Adds memory of the machine, for as long as the image runs.
///
/// # Safety
/// 1. It is RAM behind the window, and nobody else's.
pub(crate) unsafe fn add(memory: &Range<usize>) {
    // SAFETY: the caller's promise; the source does not mind being helped.
    let claimed = unsafe { HEAP.lock().claim(window(Paddr::new(memory.start)), memory.len()) };
    assert!(claimed.is_some(), "the heap takes any memory of more than a few words");
}

/// Bytes that are left beyond the reserve.
pub(crate) fn room() -> usize {
    let heap = HEAP.lock();
    let counters = heap.counters();
    counters.available_bytes.saturating_sub(counters.claimed_bytes / RESERVE)
}
