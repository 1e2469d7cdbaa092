//! Sending signals.

use super::{Process, Report, Thread};
use crate::abi::flags::{CLD_CONTINUED, Resource, SIG_DFL, SaFlags};
use crate::abi::structs::{ChildChange, Sigaction, Siginfo, status_signaled};
use crate::abi::{SigSet, Signal};
use crate::error::Result;
use crate::signal::{Disposition, Pending, STOPPING};

impl Process {
    /// Sends a signal to the process; one of its threads will see to it. Callable in interrupt context.
    pub fn send(&self, signal: Signal, info: Siginfo) -> Result<()> {
        self.send_by(signal, |pending, limit| pending.push(signal, info, limit))
    }

    /// Sends a signal of a timer: if its last one waits still, that one counts the ring.
    pub(super) fn send_of_timer(&self, signal: Signal, info: Siginfo) {
        // There is always room.
        let _ = self.send_by(signal, |pending, _| {
            pending.push_of_timer(signal, info);
            Ok(())
        });
    }

    fn send_by(&self, signal: Signal, push: impl FnOnce(&mut Pending, usize) -> Result<()>) -> Result<()> {
        if !self.prepare(signal) {
            return Ok(());
        }
        let queued = self.queue(signal, push);
        self.resume_by(signal);
        queued
    }

    fn queue(&self, signal: Signal, push: impl FnOnce(&mut Pending, usize) -> Result<()>) -> Result<()> {
        let threads = self.threads();
        let wanted = |thread: &super::thread::Signals| {
            thread.mask.contains(signal) || thread.saved.is_some_and(|mask| mask.contains(signal))
        };
        let blocked = threads.iter().any(|thread| wanted(&thread.signals.lock()));
        if !blocked && self.does_nothing_at(signal) {
            return Ok(());
        }
        let limit = self.limit(Resource::RLIMIT_SIGPENDING);
        push(&mut self.pending.lock(), usize::try_from(limit).unwrap_or(usize::MAX))?;
        if threads.iter().any(|thread| !thread.signals.lock().mask.contains(signal)) {
            self.end_by(signal);
        }
        if let Some(thread) = threads.iter().find(|thread| thread.takes(signal)) {
            thread.interrupt();
        }
        self.tell_watchers();
        Ok(())
    }

    /// What happens whoever gets the signal; returns whether it is still to be queued.
    fn prepare(&self, signal: Signal) -> bool {
        if signal == Signal::SIGKILL {
            if self.is_unkillable.load() {
                return false;
            }
            self.begin_exit(status_signaled(signal.number(), false));
            return false;
        }
        if signal == Signal::SIGCONT {
            self.forget(STOPPING);
        } else if STOPPING.contains(signal) {
            self.forget(SigSet::of(&[Signal::SIGCONT]));
        }
        true
    }

    /// Begins the end if that is what the signal does by default: no thread sees anything more, whoever sent it. One that
    /// leaves a core ends the process when it is taken, and so does one that finds the process stopped.
    fn end_by(&self, signal: Signal) {
        let is_deadly = Disposition::of(signal) == Disposition::Terminate && !self.is_unkillable.load();
        if is_deadly && self.stopped.load() == 0 && self.actions().lock().of(signal).handler == SIG_DFL {
            self.begin_exit(status_signaled(signal.number(), false));
        }
    }

    fn does_nothing_at(&self, signal: Signal) -> bool {
        let actions = self.actions();
        let actions = actions.lock();
        actions.ignores(signal) || self.is_unkillable.load() && actions.of(signal).handler == SIG_DFL
    }

    fn forget(&self, set: SigSet) {
        self.pending.lock().forget(set);
        for thread in self.threads() {
            thread.signals.lock().pending.forget(set);
        }
    }

    /// Forgets what is now ignored, as sigaction(2) wants it.
    pub fn forget_ignored(&self, signal: Signal) {
        if self.actions().lock().ignores(signal) {
            self.forget(SigSet::of(&[signal]));
        }
    }

    /// Stops every thread before it goes back to its program.
    pub(super) fn stop(&self, signal: Signal) {
        self.stopped.store(signal.number().unsigned_abs());
        for thread in self.threads() {
            thread.interrupt();
        }
        self.tell_parent(Report::Stopped(signal), ChildChange::Stopped(signal));
    }

    /// Lets the process go on if that is what the signal does, which it finds waiting by then.
    fn resume_by(&self, signal: Signal) {
        if signal == Signal::SIGCONT && self.stopped.swap(0) != 0 {
            self.resumed.wake_all();
            self.tell_parent(Report::Continued, ChildChange::Continued);
        }
    }

    fn tell_parent(&self, report: Report, change: ChildChange) {
        let Some(processes) = self.processes() else { return };
        let parent = processes.tree.lock().report(self.pid(), report);
        let Some(parent) = parent else { return };
        let action = parent.actions().lock().of(Signal::SIGCHLD);
        if !action.flags.contains(SaFlags::SA_NOCLDSTOP) {
            let info = Siginfo::child(self.pid(), self.credentials().user.real, change, 0, 0);
            debug_assert!(info.si_code != 0 && info.si_code <= CLD_CONTINUED, "a child's change has a code");
            let _ = parent.send(Signal::SIGCHLD, info);
        }
        parent.children_changed.wake_all();
    }

    /// Decides that the process ends, with this status word unless one was decided before. Its threads end when they
    /// next look.
    pub fn begin_exit(&self, status: i32) {
        self.decide_ending(status);
        self.stopped.store(0);
        self.resumed.wake_all();
        self.threads_changed.wake_all();
        for thread in self.threads() {
            thread.interrupt();
        }
    }
}

impl Thread {
    /// Whether it would see to a signal sent to its process.
    fn takes(&self, signal: Signal) -> bool {
        let signals = self.signals.lock();
        !signals.mask.contains(signal) || signals.awaited.contains(signal)
    }

    /// Sends a signal to this thread alone. Callable in interrupt context.
    pub fn send(&self, signal: Signal, info: Siginfo) -> Result<()> {
        self.send_by(signal, |pending, limit| pending.push(signal, info, limit))
    }

    /// As [`Process::send_of_timer`], for this thread alone.
    pub(super) fn send_of_timer(&self, signal: Signal, info: Siginfo) {
        // There is always room.
        let _ = self.send_by(signal, |pending, _| {
            pending.push_of_timer(signal, info);
            Ok(())
        });
    }

    fn send_by(&self, signal: Signal, push: impl FnOnce(&mut Pending, usize) -> Result<()>) -> Result<()> {
        if !self.process.prepare(signal) {
            return Ok(());
        }
        let queued = self.queue(signal, push);
        self.process.resume_by(signal);
        queued
    }

    fn queue(&self, signal: Signal, push: impl FnOnce(&mut Pending, usize) -> Result<()>) -> Result<()> {
        let ignored = self.process.does_nothing_at(signal);
        let limit = self.process.limit(Resource::RLIMIT_SIGPENDING);
        let mut signals = self.signals.lock();
        let blocked = signals.mask.contains(signal) || signals.saved.is_some_and(|mask| mask.contains(signal));
        if ignored && !blocked {
            return Ok(());
        }
        push(&mut signals.pending, usize::try_from(limit).unwrap_or(usize::MAX))?;
        drop(signals);
        if !self.signals.lock().mask.contains(signal) {
            self.process.end_by(signal);
        }
        if self.takes(signal) {
            self.interrupt();
        }
        self.process.tell_watchers();
        Ok(())
    }

    /// Raises a signal that the thread cannot escape: a processor exception. Where it is blocked or ignored, it ends
    /// the process.
    pub fn force(&self, signal: Signal, info: Siginfo) {
        let actions = self.process.actions();
        let mut actions = actions.lock();
        let mut signals = self.signals.lock();
        if actions.ignores(signal) || signals.mask.contains(signal) {
            actions.set(signal, Sigaction { handler: SIG_DFL, ..Sigaction::default() });
            signals.mask.remove(signal);
        }
        if actions.of(signal).handler == SIG_DFL {
            self.process.is_unkillable.store(false);
        }
        // Standard signals always find room.
        let _ = signals.pending.push(signal, info, usize::MAX);
        drop(signals);
        drop(actions);
        self.interrupt();
    }
}
