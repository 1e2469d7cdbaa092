//! Arithmetic of counters and timers: how fast a counter is, by what the processor tells or by another clock, and when a
//! timer is to ring.

/// The old interval timer's counts per second (8254).
const INTERVAL_TIMER_HZ: u64 = 1_193_182;
const NS_PER_SECOND: u64 = 1_000_000_000;

/// What a processor's leaves say of its time-stamp counter; all zero where there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Leaf 0x15 (Intel SDM volume 3, chapter 18.7.3): the ratio of the counter to a crystal, and the crystal's speed.
    pub denominator: u32,
    /// The ratio's other part.
    pub numerator: u32,
    /// The crystal's ticks per second.
    pub crystal_hz: u32,
    /// VMware's leaf 0x40000010, which others have taken over: what the host says, in thousands per second.
    pub host_khz: u32,
    /// Leaf 0x16: the base frequency, which the counter usually has, in millions per second.
    pub base_mhz: u16,
}

impl Told {
    /// The counter's ticks per second, if they are told.
    pub fn frequency(&self) -> Option<u64> {
        let by_crystal = u64::from(self.crystal_hz) * u64::from(self.numerator);
        let by_crystal = by_crystal.checked_div(u64::from(self.denominator)).unwrap_or(0);
        let told = [by_crystal, u64::from(self.host_khz) * 1000, u64::from(self.base_mhz) * 1_000_000];
        told.into_iter().find(|frequency| *frequency != 0)
    }
}

/// How fast something counts, beside nanoseconds or another counter: a fraction of 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio(pub u64);

impl Ratio {
    /// As many of one as of the other.
    pub const EVEN: Self = Self(1 << 32);

    /// `a` of one for `b` of the other.
    pub fn of(a: u64, b: u64) -> Self {
        Self(u64::try_from((u128::from(a) << 32) / u128::from(b.max(1))).unwrap_or(u64::MAX))
    }

    /// Nanoseconds for a tick of a counter with this many ticks per second.
    pub fn of_frequency(frequency: u64) -> Self {
        Self::of(NS_PER_SECOND, frequency)
    }

    /// How many of one there are for `value` of the other; as many as there can be, when they are more.
    pub fn times(self, value: u64) -> u64 {
        u64::try_from((u128::from(value) * u128::from(self.0)) >> 32).unwrap_or(u64::MAX)
    }

    /// The other way round: of the second for `value` of the first, rounded up, so that nothing is early.
    pub fn back(self, value: u64) -> u64 {
        let exact = (u128::from(value) << 32).div_ceil(u128::from(self.0.max(1)));
        u64::try_from(exact).unwrap_or(u64::MAX)
    }
}

/// The counter's value at which a timer that is told a deadline rings `delay_ns` after `now`: never zero, which turns it
/// off. `tick` is nanoseconds per tick.
pub fn deadline(now: u64, delay_ns: u64, tick: Ratio) -> u64 {
    now.saturating_add(tick.back(delay_ns)).max(1)
}

/// What a timer counts down from to ring after `delay_ns`: never zero, which turns it off; no more than it holds, so that
/// it rings early rather than never. `timer` is ticks per nanosecond.
pub fn count_down(delay_ns: u64, timer: Ratio) -> u32 {
    u32::try_from(timer.times(delay_ns).max(1)).unwrap_or(u32::MAX)
}

/// Counts of the old interval timer in `ns`, which holds 16 bits of them.
pub fn interval_count(ns: u64) -> u16 {
    u16::try_from(ns * INTERVAL_TIMER_HZ / NS_PER_SECOND).unwrap_or(u16::MAX).max(1)
}

/// Nanoseconds per tick of a counter, of which `passed` ticks went by while the interval timer counted from `from` down to
/// `to`. Nothing if either stood still.
pub fn by_interval_timer(from: u16, to: u16, passed: u64) -> Option<Ratio> {
    let count = u64::from(from.checked_sub(to)?);
    (count != 0 && passed != 0).then(|| Ratio::of(count * NS_PER_SECOND / INTERVAL_TIMER_HZ, passed))
}

#[cfg(test)]
mod tests {
    use super::{Ratio, Told, by_interval_timer, count_down, deadline, interval_count};

    #[test]
    fn the_crystal_is_believed_first_then_the_host_then_the_base_frequency() {
        let all = Told { denominator: 2, numerator: 166, crystal_hz: 24_000_000, host_khz: 2_000_000, base_mhz: 3000 };
        assert_eq!(all.frequency(), Some(1_992_000_000));
        assert_eq!(Told { crystal_hz: 0, ..all }.frequency(), Some(2_000_000_000));
        assert_eq!(Told { denominator: 0, host_khz: 0, ..all }.frequency(), Some(3_000_000_000));
        assert_eq!(Told::default().frequency(), None);
    }

    #[test]
    fn a_deadline_is_never_early_nor_never() {
        for frequency in [1_000_000, 999_999_937, 1_000_000_000, 2_593_906_000, 5_000_000_000_u64] {
            let tick = Ratio::of_frequency(frequency);
            for delay in [0, 1, 999, 1_000_000, 3_600_000_000_000_u64] {
                let at = deadline(7, delay, tick);
                assert!(tick.times(at - 7) + 1 >= delay, "{delay} ns at {frequency} Hz");
                let exact = u128::from(delay) * u128::from(frequency) / 1_000_000_000;
                assert!(u128::from(at - 7) <= exact + exact / 1_000_000 + 2, "{delay} ns at {frequency} Hz");
            }
        }
        assert_eq!(deadline(0, 0, Ratio::EVEN), 1);
        assert_eq!(deadline(u64::MAX - 5, 100, Ratio::EVEN), u64::MAX);
    }

    #[test]
    fn a_timer_that_counts_down_holds_no_more_than_it_can() {
        assert_eq!(count_down(0, Ratio::EVEN), 1);
        assert_eq!(count_down(1000, Ratio::of(1, 16)), 62);
        assert_eq!(count_down(u64::MAX, Ratio::EVEN), u32::MAX);
    }

    #[test]
    fn the_interval_timer_measures_a_counter() {
        let count = interval_count(10_000_000);
        assert_eq!(count, 11_931);
        // 2 GHz.
        let passed = 2 * (u64::from(count) * 1_000_000_000 / 1_193_182);
        assert_eq!(by_interval_timer(60_000, 60_000 - count, passed), Some(Ratio::of_frequency(2_000_000_000)));
        assert_eq!(by_interval_timer(5, 5, passed), None);
        assert_eq!(by_interval_timer(4, 5, passed), None);
        assert_eq!(by_interval_timer(5, 4, 0), None);
        assert_eq!(interval_count(1 << 40), u16::MAX);
    }
}
