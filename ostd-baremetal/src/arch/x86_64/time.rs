//! Time: the time-stamp counter, measured against the local APIC's timer; the battery clock; random numbers.
#![expect(unsafe_code, reason = "reads counters")]

use core::arch::asm;
use core::arch::x86_64::{__cpuid, _rdtsc};
use core::sync::atomic::{AtomicU64, Ordering};

use super::{apic, port_in, port_out};
use crate::random::Seed;
use crate::wall::Civil;

/// Ticks of the APIC's timer over which the counter is measured. QEMU's and KVM's timers tick every nanosecond; a real
/// machine's would have to be measured as well.
const MEASURED_NS: u32 = 10_000_000;

/// The counter at boot, and nanoseconds per tick times 2^32: measured once.
static START: AtomicU64 = AtomicU64::new(0);
static SCALE: AtomicU64 = AtomicU64::new(1 << 32);

fn ticks() -> u64 {
    // SAFETY: every x86-64 CPU has the counter.
    unsafe { _rdtsc() }
}

/// The timer's count and the counter, read as close to each other as in the best of several attempts.
fn pair() -> (u32, u64) {
    let read = || {
        let before = ticks();
        let count = apic::count();
        (ticks() - before, count, before)
    };
    let (_, count, at) = (0..8).map(|_| read()).min().unwrap_or_default();
    (count, at)
}

/// Measures the counter.
pub(super) fn start() {
    apic::count_down(u32::MAX);
    let (from, start) = pair();
    let (to, end) = loop {
        let (to, end) = pair();
        if from - to >= MEASURED_NS {
            break (to, end);
        }
    };
    apic::count_down(0);
    let scale = (u128::from(from - to) << 32) / u128::from((end - start).max(1));
    SCALE.store(scale as u64, Ordering::Relaxed);
    START.store(start, Ordering::Relaxed);
}

/// Nanoseconds since boot.
pub(crate) fn monotonic_ns() -> u64 {
    let passed = ticks().wrapping_sub(START.load(Ordering::Relaxed));
    ((u128::from(passed) * u128::from(SCALE.load(Ordering::Relaxed))) >> 32) as u64
}

/// An interrupt after `delay_ns`, or as late as the timer can; none for `None`.
pub(crate) fn timer_arm(delay_ns: Option<u64>) {
    // Never zero, which would turn it off.
    apic::timer(delay_ns.map_or(0, |delay| u32::try_from(delay).unwrap_or(u32::MAX).max(1000)));
}

/// Nanoseconds since 1970, now; zero without a battery clock.
pub(crate) fn boot_realtime_ns() -> u64 {
    let register = |at: u8| {
        port_out(0x70, at);
        port_in(0x71)
    };
    let read = || [0, 2, 4, 7, 8, 9].map(register);
    // Two equal readings in a row: not in the middle of an update.
    let mut last = read();
    for _ in 0..1000 {
        let next = read();
        if next == last {
            break;
        }
        last = next;
    }
    let binary = register(0xb) & 1 << 2 != 0;
    Civil::of_battery_clock(last, binary).map_or(0, |civil| civil.seconds_since_1970() * 1_000_000_000)
}

/// What differs from boot to boot, a little.
pub(crate) fn counter() -> u64 {
    ticks()
}

/// Random numbers of the CPU's own, where it has a generator that answers.
pub(crate) fn hardware_seed() -> Option<Seed> {
    let has_generator = __cpuid(1).ecx & 1 << 30 != 0;
    let mut seed = Seed::default();
    for piece in seed.chunks_exact_mut(8) {
        piece.copy_from_slice(&has_generator.then(hardware_word)??.to_le_bytes());
    }
    Some(seed)
}

fn hardware_word() -> Option<u64> {
    for _ in 0..10 {
        let (word, good): (u64, u8);
        // SAFETY: the CPU has the instruction.
        unsafe { asm!("rdrand {}", "setc {}", out(reg) word, out(reg_byte) good, options(nomem, nostack)) };
        if good != 0 {
            return Some(word);
        }
    }
    None
}
