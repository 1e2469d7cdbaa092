//! The image's heap: talc behind a spin lock, on memory that the image brings along.
#![expect(unsafe_code, reason = "names the memory that the allocator may claim")]

use talc::TalcLock;
use talc::source::Claim;

use crate::lock::RawSpin;

/// Bytes of heap an image has. Bulk data lives in frames, so this holds kernel objects only.
const HEAP_LEN: usize = 16 << 20;

/// One of the metal image's few statics (DESIGN: allocator, boot cell, emergency console).
#[global_allocator]
static HEAP: TalcLock<RawSpin, Claim> = {
    static mut MEMORY: [u8; HEAP_LEN] = [0; HEAP_LEN];
    // SAFETY: nothing else names `MEMORY`, so it is the allocator's alone, for as long as the image runs.
    TalcLock::new(unsafe { Claim::array(&raw mut MEMORY) })
};
