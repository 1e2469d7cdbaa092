//! Which interrupt a CPU takes at a safe point, and when.
//!
//! On a deterministic machine whose turns are left to chance, so is when an interrupt arrives: at the first poll that could
//! find it, or a few later.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use ostd_hal::{CpuId, Interrupt};

use super::{CpuState, Runner};
use crate::clock::Clock;

/// Polls by which an interrupt of a deterministic machine is late at most; every other one is not.
const LATE_MAX: u32 = 4;
/// One interrupt poll in so many reads a real clock.
const POLLS_PER_CLOCK: u32 = 8;

impl Runner {
    #[inline]
    pub(crate) fn poll_interrupt(&self, cpu: CpuId, clock: &Clock) -> Option<Interrupt> {
        let state = &self.cpus[cpu.0];
        // Asked at the end of every lock, and mostly there is nothing.
        let is_quiet = !state.ipi.load(Ordering::Relaxed)
            && !self.lines_pending.load(Ordering::Relaxed)
            && clock.is_certainly_before(state.deadline.0.load(Ordering::Relaxed));
        if is_quiet { None } else { self.take_interrupt(cpu, clock) }
    }

    #[inline(never)]
    fn take_interrupt(&self, cpu: CpuId, clock: &Clock) -> Option<Interrupt> {
        let interrupt = self.next_interrupt(cpu, clock);
        if let (Some(interrupt), Some(trace)) = (interrupt, &self.trace) {
            trace.interrupt(clock.now_ns(), cpu, interrupt);
        }
        interrupt
    }

    fn next_interrupt(&self, cpu: CpuId, clock: &Clock) -> Option<Interrupt> {
        let state = &self.cpus[cpu.0];
        if state.ipi.load(Ordering::Relaxed) && !self.is_late(state) && state.ipi.swap(false, Ordering::AcqRel) {
            return Some(Interrupt::Ipi);
        }
        if self.lines_pending.load(Ordering::Relaxed)
            && !self.is_late(state)
            && let Some(line) = self.take_line()
        {
            return Some(Interrupt::Device(line));
        }
        let deadline = state.deadline.0.load(Ordering::Relaxed);
        if deadline == u64::MAX {
            return None;
        }
        if !clock.is_virtual() && !state.polls.fetch_add(1, Ordering::Relaxed).is_multiple_of(POLLS_PER_CLOCK as usize)
        {
            return None;
        }
        if clock.now_ns() < deadline || self.is_late(state) {
            return None;
        }
        state.deadline.0.store(u64::MAX, Ordering::Relaxed);
        Some(Interrupt::Timer)
    }

    /// Whether what is pending for a CPU has not quite arrived: a later poll, a few at most, finds it.
    fn is_late(&self, state: &CpuState) -> bool {
        let Some(dice) = &self.lateness else { return false };
        let left = match state.late.load(Ordering::Relaxed) {
            0 => {
                let side = dice.lock().unwrap_or_else(PoisonError::into_inner).roll(u64::from(2 * LATE_MAX));
                (side as u32 + 1).saturating_sub(LATE_MAX)
            }
            left => left - 1,
        };
        state.late.store(left, Ordering::Relaxed);
        left > 0
    }

    fn take_line(&self) -> Option<u32> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.pop();
        self.lines_pending.store(!lines.is_empty(), Ordering::Relaxed);
        line
    }
}
