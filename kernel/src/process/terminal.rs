//! Sessions and their terminals.

use alloc::sync::Arc;

use ostd::sync::SpinLock;

/// What a terminal is to the processes it controls. The room `tty` implements it.
pub trait ControllingTerminal: Send + Sync {
    /// Its session's leader has ended: hangs up.
    fn hang_up(&self);
    /// The process group that may read from it; 0 is none.
    fn foreground(&self) -> i32;
    /// Changes the process group that may read from it.
    fn set_foreground(&self, group: i32);
    /// Device number, for /proc and /dev/tty.
    fn device(&self) -> u64;
    /// For the room that made it.
    fn as_any(&self) -> &dyn core::any::Any;
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
