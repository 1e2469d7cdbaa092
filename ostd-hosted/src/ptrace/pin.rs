//! One core for the kernel's thread and its stubs: handing over costs 3 µs there, and 83 µs between two cores.
#![expect(unsafe_code, reason = "sets CPU affinity")]

use std::io;

use libc::{cpu_set_t, pid_t};

use super::PtraceEngine;

/// Keeps the calling thread and the engine's stubs on one core until dropped.
pub struct PinGuard<'a> {
    engine: &'a PtraceEngine,
    before: cpu_set_t,
}

impl PtraceEngine {
    /// Moves the calling thread, the engine's stubs and those it will start to the core the thread is on, until the
    /// guard is dropped.
    pub fn pin_to_one_core(&self) -> io::Result<PinGuard<'_>> {
        // SAFETY: a bit set, for which zeros are valid.
        let mut before: cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes at most the given size to `before`.
        if unsafe { libc::sched_getaffinity(0, size_of_val(&before), &raw mut before) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: takes no memory of ours.
        let core = unsafe { libc::sched_getcpu() };
        if core < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a bit set, for which zeros are valid.
        let mut one: cpu_set_t = unsafe { std::mem::zeroed() };
        if core as usize >= 8 * size_of_val(&one) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // SAFETY: the bit is in the set, as just checked.
        unsafe { libc::CPU_SET(core as usize, &mut one) };
        set_affinity(0, &one)?;
        self.for_each_stub(|pid| drop(set_affinity(pid, &one)));
        Ok(PinGuard { engine: self, before })
    }
}

impl Drop for PinGuard<'_> {
    fn drop(&mut self) {
        // Failing means that the cores of before are gone; then the kernel has chosen others already.
        drop(set_affinity(0, &self.before));
        self.engine.for_each_stub(|pid| drop(set_affinity(pid, &self.before)));
    }
}

/// Sets the cores of a thread; zero is the caller.
fn set_affinity(pid: pid_t, cores: &cpu_set_t) -> io::Result<()> {
    // SAFETY: the kernel reads the given size from `cores`.
    if unsafe { libc::sched_setaffinity(pid, size_of_val(cores), cores) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
