//! The ptrace engine: unmodified x86-64 code in a stub, a host process that is traced.
//!
//! - [`PtraceEngine`]: enters guests, and keeps one stub per address space up to a limit (`engine`, `homes`).
//! - `stub`, `spawn`, `image`, `commands`: a stub's life, its code, and how it is told to map memory.
//! - `tlb`, `fault`, `store`: a stub's mappings are a TLB over the page tables, filled at faults and dropped by flushes.
//! - `signal`, `registers`, `emulate`: what a stop means to the guest.
//! - `sys`: the host calls.
//!
//! Guest code runs under PTRACE_SYSEMU only, so no instruction of it reaches the host as a system call; a seccomp filter
//! catches the one that SYSEMU misses. All of an engine belongs to the thread that made it: ptrace is per thread.

mod commands;
mod emulate;
mod engine;
mod fault;
mod homes;
mod image;
mod pin;
mod registers;
mod signal;
mod spawn;
mod store;
mod stub;
mod sys;
#[cfg(test)]
mod tests;
mod tlb;

use std::time::Duration;

pub use engine::PtraceEngine;
pub use pin::PinGuard;

/// How an engine is to behave.
#[derive(Clone, Copy, Debug)]
pub struct PtraceConfig {
    /// Whether RDTSC and CPUID trap, where the host can, and guests are preempted only when they run long without a
    /// trap.
    pub deterministic: bool,
    /// How much CPU time a guest may burn before it is interrupted. Zero: never.
    pub quantum: Duration,
    /// How many host processes there may be; an address space beyond them takes the stub of the one used longest ago.
    pub max_stubs: usize,
}

impl Default for PtraceConfig {
    fn default() -> Self {
        Self { deterministic: false, quantum: Duration::from_millis(10), max_stubs: 64 }
    }
}
