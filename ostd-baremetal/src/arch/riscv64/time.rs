//! Time: the `time` counter, the firmware's timer, the battery clock.
#![expect(unsafe_code, reason = "reads a counter")]

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use super::{device_read, firmware};
use crate::random::Seed;

/// SBI's timer extension.
const TIME_EXTENSION: usize = 0x5449_4d45;
/// The battery clock (Goldfish): nanoseconds since 1970, the lower half first.
const CLOCK: usize = 0x10_1000;

/// The counter at boot, and its ticks per second: found out once.
static START: AtomicU64 = AtomicU64::new(0);
static FREQUENCY: AtomicU64 = AtomicU64::new(10_000_000);

fn ticks() -> u64 {
    let ticks;
    // SAFETY: reading a counter that the firmware lets us read.
    unsafe { asm!("rdtime {}", out(reg) ticks, options(nomem, nostack)) };
    ticks
}

/// Starts the clock with what the device tree says.
pub(super) fn start(frequency: u64) {
    FREQUENCY.store(frequency.max(1), Ordering::Relaxed);
    START.store(ticks(), Ordering::Relaxed);
}

/// Nanoseconds since boot.
pub(crate) fn monotonic_ns() -> u64 {
    let passed = ticks().wrapping_sub(START.load(Ordering::Relaxed));
    (u128::from(passed) * 1_000_000_000 / u128::from(FREQUENCY.load(Ordering::Relaxed))) as u64
}

/// An interrupt after `delay_ns`; none for `None`.
pub(crate) fn timer_arm(delay_ns: Option<u64>) {
    let at = delay_ns.map_or(u64::MAX, |delay| {
        let count = u128::from(delay) * u128::from(FREQUENCY.load(Ordering::Relaxed)) / 1_000_000_000 + 1;
        ticks().saturating_add(u64::try_from(count).unwrap_or(u64::MAX))
    });
    // Every firmware that runs supervisors has the extension; without it nothing would ring.
    let _ = firmware(TIME_EXTENSION, 0, [at as usize, 0, 0]);
}

/// Nanoseconds since 1970, now.
pub(crate) fn boot_realtime_ns() -> u64 {
    // Reading the lower half keeps the upper one still.
    let low = device_read(CLOCK);
    u64::from(device_read(CLOCK + 4)) << 32 | u64::from(low)
}

/// What differs from boot to boot, a little.
pub(crate) fn counter() -> u64 {
    ticks()
}

/// Random numbers of the hart's own: none that supervisors may read.
pub(crate) fn hardware_seed() -> Option<Seed> {
    None
}
