//! Which engine runs user code, and the waist's user-mode functions handed to it.
#![expect(unsafe_code, reason = "vouches that the ptrace engine stays on one thread")]

use std::io;
use std::ops::Range;

use ostd_hal::user::x86_64::Regs;
use ostd_hal::user::{Trap, UserState};
use ostd_hal::{CpuId, Hal as _, OutsideUse, Paddr, Vaddr};

use crate::config::{HostedConfig, Mode};
use crate::hosted::Hosted;
use crate::ptrace::{PinGuard, PtraceConfig, PtraceEngine};
use crate::ram::Ram;
use crate::scripted::Scripted;

/// The engine of a machine.
pub(crate) enum AnyEngine {
    Scripted(Scripted),
    Ptrace(OneThread),
}

/// The ptrace engine, bound to the thread that made it: its stubs obey only that thread.
pub(crate) struct OneThread {
    engine: PtraceEngine,
    owner: std::thread::ThreadId,
}

// SAFETY: every use goes through `OneThread::get`, which refuses other threads.
unsafe impl Send for OneThread {}
// SAFETY: as above.
unsafe impl Sync for OneThread {}

impl OneThread {
    fn get(&self) -> &PtraceEngine {
        assert_eq!(self.owner, std::thread::current().id(), "a machine of ELF programs was used on another thread");
        &self.engine
    }
}

impl Drop for OneThread {
    fn drop(&mut self) {
        if self.owner != std::thread::current().id() && !std::thread::panicking() {
            panic!("a machine of ELF programs was dropped on another thread");
        }
    }
}

impl AnyEngine {
    pub(crate) fn ptrace(ram: &Ram, memory: usize, config: &HostedConfig) -> io::Result<Self> {
        let memfd = ram.memfd().expect("shared memory has a descriptor");
        let deterministic = matches!(config.mode, Mode::Deterministic { .. });
        let config = PtraceConfig { deterministic, ..PtraceConfig::default() };
        let engine = PtraceEngine::new(memfd, memory, config)?;
        Ok(Self::Ptrace(OneThread { engine, owner: std::thread::current().id() }))
    }

    /// Keeps this thread and what it drives on one core, where that is cheaper. A host that refuses leaves it as it is.
    pub(crate) fn pin(&self) -> Option<PinGuard<'_>> {
        match self {
            Self::Scripted(_) => None,
            Self::Ptrace(engine) => engine.get().pin_to_one_core().ok(),
        }
    }

    #[inline]
    pub(crate) fn enter(&self, machine: &Hosted, cpu: CpuId, root: Paddr, state: &mut UserState<Regs>) -> Trap {
        match self {
            Self::Scripted(engine) => engine.enter(machine, cpu, root, state),
            Self::Ptrace(engine) => engine.get().enter(root, state, &|word| machine.word_load(word)),
        }
    }

    pub(crate) fn load(&self, state: &mut UserState<Regs>) {
        match self {
            // Scripted programs' registers are always in the state.
            Self::Scripted(_) => state.loaded = true,
            Self::Ptrace(engine) => engine.get().load(state),
        }
    }

    pub(crate) fn load_fp(&self, state: &mut UserState<Regs>) {
        match self {
            Self::Scripted(_) => state.fp_loaded = true,
            Self::Ptrace(engine) => engine.get().load_fp(state),
        }
    }

    pub(crate) fn release(&self, state: &mut UserState<Regs>) {
        match self {
            Self::Scripted(engine) => engine.release(state),
            Self::Ptrace(engine) => engine.get().release(state),
        }
    }

    pub(crate) fn flush(&self, cpu: CpuId, root: Paddr, range: Range<Vaddr>) {
        match self {
            Self::Scripted(engine) => engine.flush(cpu, root, range),
            // One stub is the TLB of all CPUs.
            Self::Ptrace(engine) if cpu.0 == 0 => engine.get().flush(root, range),
            Self::Ptrace(_) => {}
        }
    }

    pub(crate) fn retire(&self, root: Paddr) {
        match self {
            Self::Scripted(engine) => engine.retire(root),
            Self::Ptrace(engine) => engine.get().retire(root),
        }
    }

    pub(crate) fn outside_use(&self) -> OutsideUse {
        match self {
            Self::Scripted(engine) => engine.outside_use(),
            Self::Ptrace(engine) => engine.get().outside_use(),
        }
    }

    pub(crate) fn fp_initial(&self) -> Vec<u8> {
        match self {
            Self::Scripted(_) => crate::scripted::fp_initial(),
            Self::Ptrace(_) => PtraceEngine::fp_initial(),
        }
    }

    pub(crate) fn user_end(&self) -> Vaddr {
        match self {
            Self::Scripted(_) => crate::scripted::USER_END,
            Self::Ptrace(_) => PtraceEngine::USER_END,
        }
    }
}
