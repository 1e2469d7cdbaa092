//! The image's heap: talc behind a spin lock, on memory that the image brings along.
#![expect(unsafe_code, reason = "a lock for the allocator, and the memory it may claim")]

use core::sync::atomic::{AtomicBool, Ordering};

use lock_api::{GuardNoSend, RawMutex};
use talc::TalcLock;
use talc::source::Claim;

use crate::arch;

/// Bytes of heap an image has. Bulk data lives in frames, so this holds kernel objects only.
const HEAP_LEN: usize = 16 << 20;

/// One of the metal image's few statics (DESIGN: allocator, boot cell, emergency console).
#[global_allocator]
static HEAP: TalcLock<RawSpin, Claim> = {
    static mut MEMORY: [u8; HEAP_LEN] = [0; HEAP_LEN];
    // SAFETY: nothing else names `MEMORY`, so it is the allocator's alone, for as long as the image runs.
    TalcLock::new(unsafe { Claim::array(&raw mut MEMORY) })
};

/// The smallest lock there is. Interrupt handlers do not allocate, so it need not turn interrupts off.
struct RawSpin(AtomicBool);

// SAFETY: `lock` returns only after its exchange saw `false`, which holds for one caller until `unlock`.
unsafe impl RawMutex for RawSpin {
    #[expect(clippy::declare_interior_mutable_const, reason = "lock_api asks for an initial value as a constant")]
    const INIT: Self = Self(AtomicBool::new(false));
    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        while !self.try_lock() {
            arch::relax();
        }
    }

    fn try_lock(&self) -> bool {
        self.0.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    unsafe fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }
}
