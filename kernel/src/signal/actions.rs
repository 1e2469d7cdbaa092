//! A process's table of actions.

use alloc::sync::Arc;

use super::Disposition;
use crate::abi::flags::{SIG_DFL, SIG_IGN, SaFlags};
use crate::abi::structs::Sigaction;
use crate::abi::{SigSet, Signal};

/// One action per signal. A copy, as every new process gets, is the same table until one of the two changes it.
#[derive(Clone, Debug, Default)]
pub struct Actions(Option<Arc<Table>>);

/// What `None` stands for is all defaults.
type Table = [Sigaction; Signal::MAX as usize];

const DEFAULT: Sigaction = Sigaction { handler: SIG_DFL, flags: SaFlags::empty(), restorer: 0, mask: SigSet::EMPTY };

fn index(signal: Signal) -> usize {
    usize::from(signal.number().unsigned_abs() as u8) - 1
}

impl Actions {
    /// What is done with `signal`.
    pub fn of(&self, signal: Signal) -> Sigaction {
        self.0.as_ref().map_or(DEFAULT, |table| table[index(signal)])
    }

    /// Changes what is done with `signal`; returns what was done so far. Flags that are none are forgotten, which is
    /// how a program learns what the kernel knows.
    pub fn set(&mut self, signal: Signal, action: Sigaction) -> Sigaction {
        let mask = action.mask.difference(super::UNBLOCKABLE);
        let flags = action.flags.intersection(SaFlags::all().difference(SaFlags::SA_UNSUPPORTED));
        let table = Arc::make_mut(self.0.get_or_insert_with(|| Arc::new([DEFAULT; _])));
        core::mem::replace(&mut table[index(signal)], Sigaction { mask, flags, ..action })
    }

    /// Whether delivering `signal` would do nothing at all.
    pub fn ignores(&self, signal: Signal) -> bool {
        let action = self.of(signal);
        action.handler == SIG_IGN || (action.handler == SIG_DFL && Disposition::of(signal) == Disposition::Ignore)
    }

    /// Whether a handler is called for `signal`.
    pub fn catches(&self, signal: Signal) -> bool {
        !matches!(self.of(signal).handler, SIG_DFL | SIG_IGN)
    }

    /// What execve(2) leaves: what is ignored stays ignored, all else becomes the default.
    pub fn for_exec(&self) -> Self {
        self.kept(|action| action.handler == SIG_IGN)
    }

    /// What `CLONE_CLEAR_SIGHAND` leaves.
    pub fn cleared(&self) -> Self {
        self.for_exec()
    }

    fn kept(&self, keep: impl Fn(&Sigaction) -> bool) -> Self {
        let action = |old: &Sigaction| {
            let handler = if keep(old) { old.handler } else { SIG_DFL };
            Sigaction { handler, ..DEFAULT }
        };
        Self(self.0.as_ref().map(|table| Arc::new(table.each_ref().map(action))))
    }

    /// The signals that are ignored, and those that are caught, for /proc/PID/status.
    pub fn ignored_and_caught(&self) -> (SigSet, SigSet) {
        let (mut ignored, mut caught) = (SigSet::EMPTY, SigSet::EMPTY);
        for signal in SigSet::ALL.iter() {
            match self.of(signal).handler {
                SIG_DFL => {}
                SIG_IGN => ignored.insert(signal),
                _ => caught.insert(signal),
            }
        }
        (ignored, caught)
    }

    /// Whether children of the process leave no zombies.
    pub fn reaps_by_itself(&self) -> bool {
        let action = self.of(Signal::SIGCHLD);
        action.handler == SIG_IGN || action.flags.contains(SaFlags::SA_NOCLDWAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::Actions;
    use crate::abi::Signal;
    use crate::abi::flags::{SIG_DFL, SIG_IGN};
    use crate::abi::structs::Sigaction;

    #[test]
    fn exec_keeps_what_is_ignored_and_forgets_handlers() {
        let mut actions = Actions::default();
        actions.set(Signal::SIGINT, Sigaction { handler: 0x1000, ..Sigaction::default() });
        actions.set(Signal::SIGHUP, Sigaction { handler: SIG_IGN, ..Sigaction::default() });
        assert!(actions.catches(Signal::SIGINT) && actions.ignores(Signal::SIGHUP));
        let after = actions.for_exec();
        assert_eq!(after.of(Signal::SIGINT).handler, SIG_DFL);
        assert_eq!(after.of(Signal::SIGHUP).handler, SIG_IGN);
    }
}
