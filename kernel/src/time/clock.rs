//! What time it is, by which clock.

use ostd::Machine;
use ostd::sync::atomic::AtomicU64;

use crate::abi::flags::ClockId;
use crate::error::{Errno, Result};

/// Nanoseconds between two readings of the coarse clocks: a tick of 250 Hz.
const COARSE_NS: u64 = 4_000_000;

/// The machine's clock and the wall clock's distance from it.
pub struct Clock {
    machine: Machine,
    /// Nanoseconds from 1970 to the machine's start; settable.
    boot_realtime_ns: AtomicU64,
}

impl Clock {
    /// Shows the time at which the machine was started.
    pub fn new(machine: &Machine) -> Self {
        Self { machine: machine.clone(), boot_realtime_ns: AtomicU64::new(machine.boot_realtime_ns()) }
    }

    /// Nanoseconds since the machine's start.
    pub fn monotonic_ns(&self) -> u64 {
        self.machine.monotonic_ns()
    }

    /// Nanoseconds since 1970.
    pub fn realtime_ns(&self) -> u64 {
        self.boot_realtime_ns.load().saturating_add(self.monotonic_ns())
    }

    /// Sets the wall clock. EINVAL before the machine's start was 1970.
    pub fn set_realtime_ns(&self, now_ns: u64) -> Result<()> {
        let boot = now_ns.checked_sub(self.monotonic_ns()).ok_or(Errno::EINVAL)?;
        self.boot_realtime_ns.store(boot);
        Ok(())
    }

    /// A clock that runs by itself; EINVAL for CPU clocks and unknown ones.
    pub fn now_ns(&self, clock: ClockId) -> Result<u64> {
        Ok(match clock {
            ClockId::CLOCK_REALTIME | ClockId::CLOCK_REALTIME_ALARM | ClockId::CLOCK_TAI => self.realtime_ns(),
            ClockId::CLOCK_REALTIME_COARSE => coarse(self.realtime_ns()),
            ClockId::CLOCK_MONOTONIC_COARSE => coarse(self.monotonic_ns()),
            ClockId::CLOCK_MONOTONIC
            | ClockId::CLOCK_MONOTONIC_RAW
            | ClockId::CLOCK_BOOTTIME
            | ClockId::CLOCK_BOOTTIME_ALARM => self.monotonic_ns(),
            _ => return Err(Errno::EINVAL),
        })
    }

    /// The monotonic time at which `clock` shows `at_ns`, as the wall clock is set now.
    pub fn monotonic_deadline(&self, clock: ClockId, at_ns: u64) -> u64 {
        match clock {
            ClockId::CLOCK_REALTIME | ClockId::CLOCK_REALTIME_ALARM | ClockId::CLOCK_TAI => {
                at_ns.saturating_sub(self.boot_realtime_ns.load())
            }
            _ => at_ns,
        }
    }
}

/// Nanoseconds between two readings of a clock: clock_getres(2).
pub fn resolution_ns(clock: ClockId) -> u64 {
    match clock {
        ClockId::CLOCK_REALTIME_COARSE | ClockId::CLOCK_MONOTONIC_COARSE => COARSE_NS,
        _ => 1,
    }
}

/// Whether clock_nanosleep(2) and timer_create(2) take it: EINVAL for what is no clock, EOPNOTSUPP for the rest.
pub fn may_sleep_by(clock: ClockId) -> Result<()> {
    match clock {
        ClockId::CLOCK_REALTIME
        | ClockId::CLOCK_MONOTONIC
        | ClockId::CLOCK_BOOTTIME
        | ClockId::CLOCK_TAI
        | ClockId::CLOCK_REALTIME_ALARM
        | ClockId::CLOCK_BOOTTIME_ALARM => Ok(()),
        ClockId::CLOCK_MONOTONIC_RAW
        | ClockId::CLOCK_REALTIME_COARSE
        | ClockId::CLOCK_MONOTONIC_COARSE
        | ClockId::CLOCK_THREAD_CPUTIME_ID
        | ClockId::CLOCK_PROCESS_CPUTIME_ID => Err(Errno::EOPNOTSUPP),
        _ => Err(Errno::EINVAL),
    }
}

const fn coarse(ns: u64) -> u64 {
    ns - ns % COARSE_NS
}

#[cfg(test)]
mod tests {
    use ostd::hosted::{Hosted, HostedConfig};
    use ostd::{Machine, MachineConfig};

    use super::Clock;
    use crate::abi::flags::ClockId;

    #[test]
    fn setting_the_wall_clock_moves_no_other() {
        let machine =
            Machine::new(Hosted::new(&HostedConfig::default()).expect("the host has memory"), MachineConfig::default());
        let clock = Clock::new(&machine);
        let before = clock.monotonic_ns();
        clock.set_realtime_ns(1_000_000_000_000_000_000).expect("after 1970");
        assert!(clock.realtime_ns() >= 1_000_000_000_000_000_000);
        assert!(clock.monotonic_ns() - before < 1_000_000_000_000);
        let deadline = clock.monotonic_deadline(ClockId::CLOCK_REALTIME, 1_000_000_001_000_000_000);
        assert!(deadline <= clock.monotonic_ns() + 1_000_000_000);
        assert!(clock.now_ns(ClockId(99)).is_err());
    }
}
