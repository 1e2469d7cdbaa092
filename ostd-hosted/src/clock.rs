//! Time: real, or virtual and moved only by the machine itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::config::Mode;

/// 2026-01-01 00:00:00 UTC: the day on which deterministic machines start.
const VIRTUAL_START_NS: u64 = 1_767_225_600 * 1_000_000_000;

/// Nanoseconds since the machine started.
pub(crate) enum Clock {
    Real(Instant),
    Virtual(AtomicU64),
}

impl Clock {
    pub(crate) fn new(mode: Mode) -> Self {
        match mode {
            Mode::Deterministic { .. } => Self::Virtual(AtomicU64::new(0)),
            Mode::Parallel => Self::Real(Instant::now()),
        }
    }

    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        match self {
            Self::Real(start) => u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX),
            Self::Virtual(now) => now.load(Ordering::Relaxed),
        }
    }

    /// Whether a time lies ahead, as far as that is known without asking the host.
    #[inline]
    pub(crate) fn is_certainly_before(&self, deadline_ns: u64) -> bool {
        match self {
            Self::Real(_) => deadline_ns == u64::MAX,
            Self::Virtual(now) => now.load(Ordering::Relaxed) < deadline_ns,
        }
    }

    pub(crate) fn is_virtual(&self) -> bool {
        matches!(self, Self::Virtual(_))
    }

    /// Moves a virtual clock on; real ones move by themselves.
    #[inline]
    pub(crate) fn spend(&self, cost_ns: u64) {
        if let Self::Virtual(now) = self {
            // One thread drives a machine with a virtual clock: no other writer, so no need for a locked add.
            now.store(now.load(Ordering::Relaxed) + cost_ns, Ordering::Relaxed);
        }
    }

    /// Jumps a virtual clock to a later time.
    pub(crate) fn jump(&self, to_ns: u64) {
        if let Self::Virtual(now) = self {
            now.fetch_max(to_ns, Ordering::Relaxed);
        }
    }

    /// Nanoseconds since 1970 at the start of a machine of this mode.
    pub(crate) fn realtime_at_start_ns(mode: Mode) -> u64 {
        match mode {
            Mode::Deterministic { .. } => VIRTUAL_START_NS,
            Mode::Parallel => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use crate::config::Mode;

    #[test]
    fn a_virtual_clock_moves_only_when_it_is_moved_and_never_back() {
        let clock = Clock::new(Mode::Deterministic { seed: 1 });
        assert_eq!(clock.now_ns(), 0);
        clock.spend(5);
        clock.jump(100);
        clock.jump(7);
        assert_eq!(clock.now_ns(), 100);
    }
}
