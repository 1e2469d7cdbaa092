//! Signals sent and not yet delivered.

use alloc::collections::VecDeque;

use crate::abi::flags::{SI_TIMER, SI_USER};
use crate::abi::structs::Siginfo;
use crate::abi::{SigSet, Signal};
use crate::error::{Errno, Result};

/// What the processor raises: delivered before anything else.
const SYNCHRONOUS: SigSet =
    SigSet::of(&[Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGILL, Signal::SIGTRAP, Signal::SIGFPE, Signal::SIGSYS]);

/// A queue of signals: at most one of each standard signal, every one of a real-time signal up to a limit.
#[derive(Debug, Default)]
pub struct Pending {
    set: SigSet,
    queue: VecDeque<Siginfo>,
}

impl Pending {
    /// What is in it.
    pub fn set(&self) -> SigSet {
        self.set
    }

    /// How many are queued.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Adds a signal; EAGAIN when `limit` real-time signals wait already and this one was not sent by kill(2).
    pub fn push(&mut self, signal: Signal, info: Siginfo, limit: usize) -> Result<()> {
        let full = self.queue.len() >= limit;
        if signal.is_realtime() {
            if full && info.si_code != SI_USER {
                return Err(Errno::EAGAIN);
            }
        } else if self.set.contains(signal) {
            return Ok(());
        }
        self.set.insert(signal);
        // A full queue of signals from kill(2) loses the siginfo, not the signal.
        if !full || !signal.is_realtime() {
            self.queue.push_back(info);
        }
        Ok(())
    }

    /// Adds the signal of a timer, or its ring to the one that waits still.
    pub fn push_of_timer(&mut self, signal: Signal, info: Siginfo) {
        let same = |other: &&mut Siginfo| other.si_code == SI_TIMER && other.timer_id() == info.timer_id();
        if let Some(waiting) = self.queue.iter_mut().find(same) {
            waiting.add_overrun(info.timer_overrun().saturating_add(1));
            return;
        }
        self.set.insert(signal);
        self.queue.push_back(info);
    }

    /// Takes the next signal that is not in `blocked`: processor exceptions first, then by number, then by age.
    pub fn take(&mut self, blocked: SigSet) -> Option<(Signal, Siginfo)> {
        let ready = self.set.difference(blocked);
        let signal = ready.intersection(SYNCHRONOUS).first().or_else(|| ready.first())?;
        let at = self.queue.iter().position(|info| info.si_signo == signal.number());
        let info = at.and_then(|at| self.queue.remove(at));
        if !self.queue.iter().any(|info| info.si_signo == signal.number()) {
            self.set.remove(signal);
        }
        Some((signal, info.unwrap_or_else(|| Siginfo::kill(signal, SI_USER, 0, 0))))
    }

    /// Forgets every signal of `set`.
    pub fn forget(&mut self, set: SigSet) {
        if self.set.intersection(set).is_empty() {
            return;
        }
        self.set = self.set.difference(set);
        self.queue.retain(|info| !info.signal().is_some_and(|signal| set.contains(signal)));
    }
}

#[cfg(test)]
mod tests {
    use super::Pending;
    use crate::abi::flags::{SI_QUEUE, SI_USER};
    use crate::abi::structs::Siginfo;
    use crate::abi::{SigSet, Signal};
    use crate::error::Errno;

    fn sent(signal: Signal, pid: i32) -> Siginfo {
        Siginfo::kill(signal, SI_QUEUE, pid, 0)
    }

    #[test]
    fn standard_signals_merge_and_real_time_signals_queue_in_order() {
        let mut pending = Pending::default();
        let rt = Signal::RT_MIN;
        for pid in [1, 2] {
            pending.push(rt, sent(rt, pid), 9).expect("room");
            pending.push(Signal::SIGUSR1, sent(Signal::SIGUSR1, pid), 9).expect("room");
        }
        let order: alloc::vec::Vec<_> =
            core::iter::from_fn(|| pending.take(SigSet::EMPTY)).map(|(signal, info)| (signal, info.pid())).collect();
        assert_eq!(order, [(Signal::SIGUSR1, 1), (rt, 1), (rt, 2)]);
        assert!(pending.is_empty());
    }

    #[test]
    fn a_full_queue_refuses_sigqueue_but_not_kill() {
        let mut pending = Pending::default();
        let rt = Signal::RT_MIN;
        pending.push(rt, sent(rt, 1), 1).expect("room");
        assert_eq!(pending.push(rt, sent(rt, 2), 1), Err(Errno::EAGAIN));
        assert_eq!(pending.push(rt, Siginfo::kill(rt, SI_USER, 3, 0), 1), Ok(()));
    }

    #[test]
    fn exceptions_come_first_and_blocked_signals_stay() {
        let mut pending = Pending::default();
        for signal in [Signal::SIGHUP, Signal::SIGSEGV] {
            pending.push(signal, sent(signal, 1), 9).expect("room");
        }
        assert_eq!(pending.take(SigSet::EMPTY).map(|taken| taken.0), Some(Signal::SIGSEGV));
        assert_eq!(pending.take(SigSet::of(&[Signal::SIGHUP])), None);
        pending.forget(SigSet::of(&[Signal::SIGHUP]));
        assert_eq!(pending.take(SigSet::EMPTY), None);
    }
}
