//! What a hosted machine is told about itself.

use std::sync::{Arc, Mutex, PoisonError};

use crate::outside::Outside;
use crate::schedule::Policy;
use crate::trace::Trace;
use crate::watch::Watch;

/// How CPUs run and what time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All CPUs on the calling thread, interleaved at safe points as the seed says; the clock is virtual and jumps over
    /// idle time; entropy comes from the seed.
    Deterministic {
        /// Decides schedule, interrupts and entropy.
        seed: u64,
    },
    /// A real clock; one host thread per CPU where the engine allows it.
    Parallel,
}

/// Who runs user code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Rust functions. See [`crate::scripted`].
    Scripted,
    /// ELF programs in stub processes, driven by ptrace(2).
    Ptrace,
}

/// Where the kernel log and panics go.
#[derive(Clone, Debug, Default)]
pub enum Log {
    /// The process's standard error.
    #[default]
    Stderr,
    /// A buffer, for tests.
    Captured(Arc<Mutex<Vec<u8>>>),
}

impl Log {
    /// A fresh buffer, and the log that fills it.
    pub fn captured() -> (Self, Arc<Mutex<Vec<u8>>>) {
        let buffer = Arc::<Mutex<Vec<u8>>>::default();
        (Self::Captured(Arc::clone(&buffer)), buffer)
    }

    pub(crate) fn write(&self, bytes: &[u8]) {
        match self {
            Self::Stderr => crate::terminal::say(bytes),
            Self::Captured(buffer) => buffer.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes),
        }
    }
}

/// A hosted machine's size and nature.
#[derive(Clone)]
pub struct HostedConfig {
    /// Bytes of RAM, rounded up to whole pages.
    pub memory: usize,
    /// CPUs, at least one.
    pub cpus: usize,
    /// How CPUs run and what time is.
    pub mode: Mode,
    /// How CPUs of a deterministic machine interleave; parallel machines have no use for it.
    pub policy: Policy,
    /// Records the machine's life, or a digest of it.
    pub trace: Option<Arc<Trace>>,
    /// Who runs user code.
    pub engine: Engine,
    /// Where the kernel log goes.
    pub log: Log,
    /// Nanoseconds since 1970 at the start; `None` takes the host's, or on a deterministic machine a fixed day.
    pub realtime_ns: Option<u64>,
    /// What is watched outside: channels and signals raise their lines through it. `None`: nothing is.
    pub watch: Option<Arc<Watch>>,
    /// Events from outside.
    pub outside: Option<Arc<Outside>>,
}

impl Default for HostedConfig {
    /// What most tests want: 64 MiB, one CPU, deterministic, scripted programs; seed 0 and chance, or what the
    /// environment says (see [`crate::replay`]).
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            cpus: 1,
            mode: Mode::Deterministic { seed: crate::replay::seed().unwrap_or(0) },
            policy: crate::replay::policy().unwrap_or_default(),
            trace: None,
            engine: Engine::Scripted,
            log: Log::default(),
            realtime_ns: None,
            watch: None,
            outside: None,
        }
    }
}
