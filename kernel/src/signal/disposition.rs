//! What a signal does where the program says nothing, signal(7).

use crate::abi::Signal;

/// A default action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// End the process.
    Terminate,
    /// End the process and say that it dumped core (no file is written).
    Core,
    /// Nothing.
    Ignore,
    /// Stop the process.
    Stop,
    /// Go on, if stopped.
    Continue,
}

impl Disposition {
    /// The default action of `signal`.
    pub fn of(signal: Signal) -> Self {
        match signal {
            Signal::SIGCHLD | Signal::SIGURG | Signal::SIGWINCH => Self::Ignore,
            Signal::SIGCONT => Self::Continue,
            Signal::SIGSTOP | Signal::SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU => Self::Stop,
            Signal::SIGQUIT
            | Signal::SIGILL
            | Signal::SIGTRAP
            | Signal::SIGABRT
            | Signal::SIGBUS
            | Signal::SIGFPE
            | Signal::SIGSEGV
            | Signal::SIGXCPU
            | Signal::SIGXFSZ
            | Signal::SIGSYS => Self::Core,
            _ => Self::Terminate,
        }
    }
}
