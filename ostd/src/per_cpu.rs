//! Data of which each CPU has its own.
#![expect(unsafe_code, reason = "a CPU's slot is lent to that CPU alone, so it need not be Sync")]

use alloc::boxed::Box;
use alloc::sync::Weak;
use core::ptr;

use ostd_hal::CpuId;

use crate::Machine;
use crate::cpu::{Cpu, CurrentCpu};
use crate::irq::InterruptsOff;
use crate::machine::Core;

/// One `T` for each CPU of a machine.
///
/// [`here`](Self::here) lends a CPU its own, to nobody else at that time: a `Cell` will do where CPUs that shared would
/// need an atomic. Others' slots are reached, where `T` is `Sync`, by [`of`](Self::of) and [`iter`](Self::iter). No two
/// slots share a cache line. It does not keep the machine alive, so a scheduler may own one.
pub struct PerCpu<T> {
    slots: Box<[Slot<T>]>,
    machine: Weak<Core>,
}

/// As far apart as the widest cache lines in use.
#[repr(align(128))]
struct Slot<T>(T);

// SAFETY: without `T: Sync` a shared `PerCpu` lends a slot only in `here`: to the CPU of that number of one machine, on
// which nothing else runs until the closure returns. So `T` moves between threads at most.
unsafe impl<T: Send> Sync for PerCpu<T> {}

impl<T> PerCpu<T> {
    /// One for each CPU of `machine`, made by `init`.
    pub fn new(machine: &Machine, init: impl FnMut(CpuId) -> T) -> Self {
        let slots = (0..machine.cpu_count()).map(CpuId).map(init).map(Slot).collect();
        Self { slots, machine: alloc::sync::Arc::downgrade(&machine.0) }
    }

    /// Calls `f` with the slot of the CPU that runs this code. That stays the same CPU until `f` returns: interrupts
    /// are kept away, and sleeping, giving way, entering a program and copying user memory inside `f` are bugs, and
    /// panic, as they would under a spin lock. Calls may nest: `f` gets a shared reference.
    ///
    /// Panics where no CPU of this machine runs: on a plain thread at boot, or on another machine's CPU.
    pub fn here<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        let _off = InterruptsOff::new();
        let _pinned = Pinned::new();
        let ours = |cpu: &Cpu| ptr::eq(cpu.core(), self.machine.as_ptr()).then_some(cpu.id);
        let id = CurrentCpu::with(ours).flatten().expect("only a CPU of the machine has a slot of its own");
        f(&self.slots[id.0].0)
    }

    /// Every slot with its CPU, in order, by exclusive access.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (CpuId, &mut T)> {
        self.slots.iter_mut().enumerate().map(|(id, slot)| (CpuId(id), &mut slot.0))
    }
}

impl<T: Sync> PerCpu<T> {
    /// The slot of `cpu`, which may be using it at the same time.
    ///
    /// Panics if the machine has no such CPU.
    pub fn of(&self, cpu: CpuId) -> &T {
        &self.slots[cpu.0].0
    }

    /// Every slot with its CPU, in order; each CPU may be using its own at the same time.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (CpuId, &T)> {
        self.slots.iter().enumerate().map(|(id, slot)| (CpuId(id), &slot.0))
    }
}

impl<T> core::fmt::Debug for PerCpu<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PerCpu").field("cpus", &self.slots.len()).finish_non_exhaustive()
    }
}

/// While this lives, the code that made it stays on its CPU. It never leaves `here`: a guard that callers could keep or
/// drop elsewhere, as they can [`InterruptsOff`], would be no ground for lending what is not `Sync`.
struct Pinned;

impl Pinned {
    fn new() -> Self {
        CurrentCpu::with(Cpu::pin);
        Self
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        CurrentCpu::with(Cpu::unpin);
    }
}
