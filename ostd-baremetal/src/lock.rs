//! The smallest lock there is, with interrupts kept away while it is held: interrupt handlers take it too.
#![expect(unsafe_code, reason = "promises mutual exclusion")]

use core::sync::atomic::{AtomicBool, Ordering};

use lock_api::{GuardNoSend, RawMutex};

use crate::{arch, cpus};

/// A value behind [`RawSpin`].
pub(crate) type Lock<T> = lock_api::Mutex<RawSpin, T>;

/// One bit, and whether its holder's CPU let interrupts through before.
pub(crate) struct RawSpin {
    held: AtomicBool,
    interrupts: AtomicBool,
}

// SAFETY: `lock` and `try_lock` succeed only if their exchange saw `false`, which holds for one caller until `unlock`.
unsafe impl RawMutex for RawSpin {
    #[expect(clippy::declare_interior_mutable_const, reason = "lock_api asks for an initial value as a constant")]
    const INIT: Self = Self { held: AtomicBool::new(false), interrupts: AtomicBool::new(false) };
    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        while !self.try_lock() {
            cpus::relax();
        }
    }

    fn try_lock(&self) -> bool {
        let before = arch::interrupts_disable();
        let got = self.held.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if got {
            self.interrupts.store(before, Ordering::Relaxed);
        } else if before {
            arch::interrupts_enable();
        }
        got
    }

    unsafe fn unlock(&self) {
        let before = self.interrupts.load(Ordering::Relaxed);
        self.held.store(false, Ordering::Release);
        if before {
            arch::interrupts_enable();
        }
    }
}
