//! Time: the time-stamp counter, whose speed the CPU tells, or the old interval timer measures, or the local APIC's; the
//! battery clock; random numbers.
#![expect(unsafe_code, reason = "reads counters")]

use core::arch::asm;
use core::arch::x86_64::{__cpuid, _rdtsc};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{apic, port_in, port_out, wrmsr};
use crate::clock::{self, Ratio, Told};
use crate::random::Seed;
use crate::wall::Civil;

/// How long the counter is measured against another clock. Where neither the CPU tells the counter's speed nor the
/// interval timer is there, the APIC's timer is taken to tick every nanosecond, as QEMU's and KVM's do.
const MEASURED_NS: u64 = 10_000_000;
/// The counter's value at which the timer rings; zero for never.
const DEADLINE: u32 = 0x6e0;
/// The old interval timer (8254): its third channel, its modes; the port of that channel's gate and end, and of the
/// speaker.
const INTERVAL_COUNT: u16 = 0x42;
const INTERVAL_MODE: u16 = 0x43;
/// Modes: the third channel counts down to zero once; its count is kept for reading.
const INTERVAL_ONCE: u8 = 0b1011_0000;
const INTERVAL_LATCH: u8 = 0b1000_0000;
const SPEAKER: u16 = 0x61;
const INTERVAL_RUNS: u8 = 1;
const SPEAKER_ON: u8 = 1 << 1;
const INTERVAL_OVER: u8 = 1 << 5;
/// A port answers in no less than some nanoseconds: so many looks are long enough.
const LOOKS_MAX: u32 = 1_000_000;
/// How often it is tried to measure.
const ATTEMPTS: u32 = 5;
/// The least that a timer which counts down is given.
const DELAY_MIN_NS: u64 = 1000;

/// The counter at boot, nanoseconds per tick times 2^32, and ticks of the APIC's timer per nanosecond times 2^32: found
/// out once.
static START: AtomicU64 = AtomicU64::new(0);
static TICK: AtomicU64 = AtomicU64::new(Ratio::EVEN.0);
static TIMER: AtomicU64 = AtomicU64::new(Ratio::EVEN.0);
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

/// What the CPU, or what runs it, says of the counter.
fn told() -> Told {
    let leaf = |at: u32, first: u32| (__cpuid(first).eax >= at).then(|| __cpuid(at));
    let is_guest = __cpuid(1).ecx & 1 << 31 != 0;
    let crystal = leaf(0x15, 0);
    Told {
        denominator: crystal.map_or(0, |found| found.eax),
        numerator: crystal.map_or(0, |found| found.ebx),
        crystal_hz: crystal.map_or(0, |found| found.ecx),
        host_khz: leaf(0x4000_0010, 0x4000_0000).filter(|_| is_guest).map_or(0, |found| found.eax),
        base_mhz: leaf(0x16, 0).map_or(0, |found| found.eax as u16),
    }
}

/// The interval timer's count and the counter, as [`pair`] reads those of the other timer.
fn interval_pair() -> (u16, u64) {
    let read = || {
        let before = ticks();
        port_out(INTERVAL_MODE, INTERVAL_LATCH);
        let count = u16::from_le_bytes([port_in(INTERVAL_COUNT), port_in(INTERVAL_COUNT)]);
        (ticks() - before, count, before)
    };
    let (_, count, at) = (0..8).map(|_| read()).min().unwrap_or_default();
    (count, at)
}

/// Nanoseconds per tick by the old interval timer, where there is one.
fn measured() -> Option<Ratio> {
    // The speaker's channel, with the speaker off: its end can be seen without an interrupt.
    let before = port_in(SPEAKER);
    port_out(SPEAKER, before & !SPEAKER_ON | INTERVAL_RUNS);
    let tick = (0..ATTEMPTS).find_map(|_| measured_once());
    port_out(SPEAKER, before);
    tick
}

fn measured_once() -> Option<Ratio> {
    // Where there is no timer, nobody pulls the line down; else it goes up when the count is at its end, which is too
    // late: somebody kept the CPU for longer than the count lasts.
    let is_over = || port_in(SPEAKER) & INTERVAL_OVER != 0;
    port_out(INTERVAL_MODE, INTERVAL_ONCE);
    port_out(INTERVAL_COUNT, 0xff);
    port_out(INTERVAL_COUNT, 0xff);
    let (from, start) = interval_pair();
    for _ in 0..LOOKS_MAX {
        let (to, end) = interval_pair();
        if is_over() {
            return None;
        }
        if from.saturating_sub(to) >= clock::interval_count(MEASURED_NS) {
            return clock::by_interval_timer(from, to, end - start);
        }
    }
    None
}

/// Finds out how fast the counter and the timer are, and how the timer is told when to ring.
pub(super) fn start() {
    let known = told().frequency().map(Ratio::of_frequency).or_else(measured);
    apic::count_down(u32::MAX);
    let (from, start) = pair();
    let (count, passed) = loop {
        let (to, end) = pair();
        let (count, passed) = (u64::from(from - to), end - start);
        if known.map_or(count, |tick| tick.times(passed)) >= MEASURED_NS {
            break (count, passed);
        }
    };
    apic::count_down(0);
    let tick = known.unwrap_or_else(|| Ratio::of(count, passed));
    TICK.store(tick.0, Ordering::Relaxed);
    let timer = known.map_or(Ratio::EVEN, |tick| Ratio::of(count, tick.times(passed)));
    TIMER.store(timer.0, Ordering::Relaxed);
    START.store(start, Ordering::Relaxed);
    DEADLINES.store(__cpuid(1).ecx & 1 << 24 != 0, Ordering::Relaxed);
    apic::start_timer();
}

fn tick() -> Ratio {
    Ratio(TICK.load(Ordering::Relaxed))
}

/// Whether timers ring by the counter.
pub(super) fn has_deadlines() -> bool {
    DEADLINES.load(Ordering::Relaxed)
}

/// Nanoseconds since boot.
pub(crate) fn monotonic_ns() -> u64 {
    tick().times(ticks().wrapping_sub(START.load(Ordering::Relaxed)))
}

/// An interrupt after `delay_ns`, or as late as the timer can; none for `None`.
pub(crate) fn timer_arm(delay_ns: Option<u64>) {
    if has_deadlines() {
        let at = delay_ns.map_or(0, |delay| clock::deadline(ticks(), delay, tick()));
        // SAFETY: the CPU has the register, which raises an interrupt and nothing else.
        unsafe { wrmsr(DEADLINE, at) };
        return;
    }
    let timer = Ratio(TIMER.load(Ordering::Relaxed));
    apic::timer(delay_ns.map_or(0, |delay| clock::count_down(delay.max(DELAY_MIN_NS), timer)));
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
