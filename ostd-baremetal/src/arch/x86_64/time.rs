//! Time: the time-stamp counter, whose speed the CPU tells, or is measured against the local APIC's timer; the battery clock; random numbers.
#![expect(unsafe_code, reason = "reads counters")]

use core::arch::asm;
use core::arch::x86_64::{__cpuid, _rdtsc};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{apic, port_in, port_out, wrmsr};
use crate::random::Seed;
use crate::wall::Civil;

/// How long the counter and the APIC's timer are measured against each other. Where the CPU does not tell the counter's
/// speed, the timer is taken to tick every nanosecond, as QEMU's and KVM's do.
const MEASURED_NS: u64 = 10_000_000;
/// The counter's value at which the timer rings; zero for never.
const DEADLINE: u32 = 0x6e0;

/// The counter at boot, nanoseconds per tick times 2^32, and ticks of the APIC's timer per nanosecond times 2^32: found
/// out once.
static START: AtomicU64 = AtomicU64::new(0);
static SCALE: AtomicU64 = AtomicU64::new(1 << 32);
static TIMER_SCALE: AtomicU64 = AtomicU64::new(1 << 32);
/// Whether the timer rings by the counter; found out once.
static DEADLINES: AtomicBool = AtomicBool::new(false);

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

/// The counter's ticks per second, where the CPU (Intel SDM volume 3, chapter 18.7.3) or what runs it (VMware's leaf,
/// which others have taken over) says so.
fn told_frequency() -> Option<u64> {
    let leaf = |at: u32, first: u32| (__cpuid(first).eax >= at).then(|| __cpuid(at));
    let crystal = leaf(0x15, 0).filter(|found| found.eax != 0 && found.ebx != 0 && found.ecx != 0);
    let by_crystal = crystal.map(|found| u64::from(found.ecx) * u64::from(found.ebx) / u64::from(found.eax));
    let is_guest = __cpuid(1).ecx & 1 << 31 != 0;
    let by_host = || leaf(0x4000_0010, 0x4000_0000).filter(|_| is_guest).map(|found| u64::from(found.eax) * 1000);
    let by_base = || leaf(0x16, 0).map(|found| u64::from(found.eax & 0xffff) * 1_000_000);
    let known = |frequency: &u64| *frequency != 0;
    by_crystal.or_else(|| by_host().filter(known)).or_else(|| by_base().filter(known))
}

/// `a / b` times 2^32.
fn ratio(a: u64, b: u64) -> u64 {
    u64::try_from((u128::from(a) << 32) / u128::from(b.max(1))).unwrap_or(u64::MAX)
}

/// `value` times a [`ratio`].
fn scaled(value: u64, ratio: u64) -> u64 {
    u64::try_from(u128::from(value) * u128::from(ratio) >> 32).unwrap_or(u64::MAX)
}

/// Finds out how fast the counter and the timer are, and how the timer is told when to ring.
pub(super) fn start() {
    let told = told_frequency().map(|frequency| ratio(1_000_000_000, frequency));
    apic::count_down(u32::MAX);
    let (from, start) = pair();
    let (count, passed) = loop {
        let (to, end) = pair();
        let (count, passed) = (u64::from(from - to), end - start);
        if told.map_or(count, |scale| scaled(passed, scale)) >= MEASURED_NS {
            break (count, passed);
        }
    };
    apic::count_down(0);
    let scale = told.unwrap_or_else(|| ratio(count, passed));
    SCALE.store(scale, Ordering::Relaxed);
    TIMER_SCALE.store(told.map_or(1 << 32, |scale| ratio(count, scaled(passed, scale))), Ordering::Relaxed);
    START.store(start, Ordering::Relaxed);
    DEADLINES.store(__cpuid(1).ecx & 1 << 24 != 0, Ordering::Relaxed);
    apic::start_timer();
}

/// Whether timers ring by the counter.
pub(super) fn has_deadlines() -> bool {
    DEADLINES.load(Ordering::Relaxed)
}

/// Nanoseconds since boot.
pub(crate) fn monotonic_ns() -> u64 {
    let passed = ticks().wrapping_sub(START.load(Ordering::Relaxed));
    ((u128::from(passed) * u128::from(SCALE.load(Ordering::Relaxed))) >> 32) as u64
}

/// An interrupt after `delay_ns`, or as late as the timer can; none for `None`.
pub(crate) fn timer_arm(delay_ns: Option<u64>) {
    if has_deadlines() {
        let ticks_of = |delay| ratio(delay, SCALE.load(Ordering::Relaxed));
        let at = delay_ns.map_or(0, |delay| ticks().saturating_add(ticks_of(delay)).max(1));
        // SAFETY: the CPU has the register, which raises an interrupt and nothing else.
        unsafe { wrmsr(DEADLINE, at) };
        return;
    }
    // Never zero, which would turn it off.
    let count_of = |delay: u64| scaled(delay.max(1000), TIMER_SCALE.load(Ordering::Relaxed)).max(1);
    apic::timer(delay_ns.map_or(0, |delay| u32::try_from(count_of(delay)).unwrap_or(u32::MAX)));
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
