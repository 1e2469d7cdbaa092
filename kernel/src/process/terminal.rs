//! Sessions and their terminals.

use alloc::sync::Arc;

use ostd::sync::SpinLock;

use super::{Process, Processes};
use crate::abi::Signal;
use crate::abi::structs::Siginfo;
use crate::vfs::File;

/// What a terminal is to the processes it controls. The room `tty` implements it.
pub trait ControllingTerminal: Send + Sync {
    /// Nobody's from now on, and of no use to whoever has it open.
    fn hang_up(&self);
    /// The process group that may read from it; 0 is none.
    fn foreground(&self) -> i32;
    /// Device number, for /proc.
    fn device(&self) -> u64;
    /// What opening `/dev/tty` gives.
    fn open(self: Arc<Self>) -> Arc<dyn File>;
}

/// A session: process groups that share a terminal.
pub struct Session {
    id: i32,
    terminal: SpinLock<Option<Arc<dyn ControllingTerminal>>>,
}

impl Session {
    /// A session without a terminal, led by process `id`.
    pub fn new(id: i32) -> Arc<Self> {
        Arc::new(Self { id, terminal: SpinLock::new(None) })
    }

    /// Its leader's number.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// Its terminal, if it has one.
    pub fn terminal(&self) -> Option<Arc<dyn ControllingTerminal>> {
        self.terminal.lock().clone()
    }

    /// Gives it a terminal or takes it away; returns the one it had.
    pub fn set_terminal(&self, terminal: Option<Arc<dyn ControllingTerminal>>) -> Option<Arc<dyn ControllingTerminal>> {
        core::mem::replace(&mut *self.terminal.lock(), terminal)
    }
}

impl Process {
    /// Its controlling terminal: its session's, unless it gave that up for itself.
    pub fn terminal(&self) -> Option<Arc<dyn ControllingTerminal>> {
        if self.has_left_terminal.load() { None } else { self.session().terminal() }
    }

    /// Gives its controlling terminal up without taking it from the rest of the session.
    pub fn leave_terminal(&self) {
        self.has_left_terminal.store(true);
    }
}

impl Processes {
    /// The session of a process group, or of a process of that number.
    pub fn session_of(&self, group: i32) -> Option<i32> {
        let member = self.group(group).first().map_or(group, |member| member.pid());
        self.place(member).map(|place| place.2)
    }

    /// Takes the terminal of `session` away: its leader is told, and the group that was at work on it.
    pub fn hang_up(&self, session: i32) {
        let Some(leader) = self.find(session) else { return };
        let Some(terminal) = leader.session().set_terminal(None) else { return };
        let at_work = terminal.foreground();
        terminal.hang_up();
        for signal in [Signal::SIGHUP, Signal::SIGCONT] {
            // Either may have ended.
            let _ = leader.send(signal, Siginfo::kernel(signal));
            let _ = self.signal_group(at_work, signal, Siginfo::kernel(signal));
        }
    }
}
