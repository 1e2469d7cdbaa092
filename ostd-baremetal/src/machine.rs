//! The machine as the waist sees it. What it cannot do yet stops it, with a line that says so.
#![expect(unsafe_code, reason = "makes the promises of the waist")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use ostd_hal::device::OutsideEvent;
use ostd_hal::hal::{CopyFault, Resumed};
use ostd_hal::{Client, CpuId, Hal, Interrupt, Paddr, PageFault, RunError, SafePoint, Trap, UserState, Vaddr};

use crate::arch;
use crate::halt::not_built_yet;

/// The machine. There is one.
#[derive(Debug)]
pub struct Baremetal(());

impl Baremetal {
    /// The machine, the first time; nothing afterwards.
    pub fn take() -> Option<Self> {
        /// The boot cell.
        static TAKEN: AtomicBool = AtomicBool::new(false);
        (!TAKEN.swap(true, Ordering::Relaxed)).then_some(Self(()))
    }
}

/// A kernel stack; there is none yet.
#[derive(Debug)]
pub enum Context {}

// SAFETY: 1. and 2. `memory` and `metadata` do not return yet, so no memory is promised. 3. and 4. no user copy and no
// user entry returns yet. 5. no context can be made yet, so none is run.
unsafe impl Hal for Baremetal {
    const CHECKS: bool = false;
    type Entry = arch::Entry;
    type Registers = arch::Regs;
    type Context = Context;

    fn cpu_count(&self) -> usize {
        1
    }

    fn memory(&self) -> Range<Paddr> {
        not_built_yet("reading the memory map")
    }

    fn metadata(&self, _len: usize) -> NonNull<u8> {
        not_built_yet("memory for frame metadata")
    }

    fn run(&self, _client: &dyn Client) -> Result<(), RunError> {
        not_built_yet("running CPUs")
    }

    fn emergency_write(&self, bytes: &[u8]) {
        arch::serial_write(bytes);
    }

    fn entropy(&self, _out: &mut [u8]) {
        not_built_yet("entropy")
    }

    fn phys_to_virt(&self, _at: Paddr) -> *mut u8 {
        not_built_yet("a window on physical memory")
    }

    fn word_load(&self, _at: Paddr) -> u64 {
        not_built_yet("reading page-table entries")
    }

    unsafe fn word_store(&self, _at: Paddr, _value: u64) {
        not_built_yet("writing page-table entries")
    }

    fn tlb_flush(&self, _cpu: CpuId, _root: Paddr, _range: Range<Vaddr>) {
        not_built_yet("flushing the TLB")
    }

    fn space_retired(&self, _root: Paddr) {
        not_built_yet("retiring an address space")
    }

    unsafe fn user_read(&self, _root: Paddr, _from: Vaddr, _into: *mut u8, _len: usize) -> Result<(), CopyFault> {
        not_built_yet("user copies")
    }

    unsafe fn user_write(&self, _root: Paddr, _to: Vaddr, _from: *const u8, _len: usize) -> Result<(), CopyFault> {
        not_built_yet("user copies")
    }

    fn user_fill(&self, _root: Paddr, _to: Vaddr, _byte: u8, _len: usize) -> Result<(), CopyFault> {
        not_built_yet("user copies")
    }

    fn user_cmpxchg32(&self, _root: Paddr, _at: Vaddr, _old: u32, _new: u32) -> Result<u32, PageFault> {
        not_built_yet("user copies")
    }

    fn user_load32(&self, _root: Paddr, _at: Vaddr) -> Result<u32, PageFault> {
        not_built_yet("user copies")
    }

    fn user_enter(&self, _cpu: CpuId, _root: Paddr, _state: &mut UserState<Self::Registers>) -> Trap {
        not_built_yet("user mode")
    }

    // Registers never stay behind in an engine here: after a trap they are in the state already.

    fn user_load(&self, _state: &mut UserState<Self::Registers>) {}

    fn user_load_fp(&self, _state: &mut UserState<Self::Registers>) {}

    fn user_release(&self, _state: &mut UserState<Self::Registers>) {}

    fn fp_initial(&self) -> Vec<u8> {
        not_built_yet("floating-point state")
    }

    fn user_end(&self) -> Vaddr {
        Vaddr::new(arch::USER_END)
    }

    fn cpu_local() -> *const () {
        arch::cpu_local()
    }

    fn set_cpu_local(pointer: *const ()) {
        arch::set_cpu_local(pointer);
    }

    fn interrupts_disable(&self) -> bool {
        arch::interrupts_disable()
    }

    fn interrupts_enable(&self) {
        arch::interrupts_enable();
    }

    fn poll_interrupt(&self, _cpu: CpuId) -> Option<Interrupt> {
        // Hardware interrupts by itself; see `Client::interrupt`.
        None
    }

    fn safe_point(&self, _cpu: CpuId, _kind: SafePoint) {}

    fn relax() {
        arch::relax();
    }

    fn ipi(&self, _cpu: CpuId) {
        not_built_yet("interrupts between CPUs")
    }

    fn context_new(&self, _entry: Box<dyn FnOnce() + Send>) -> Option<Self::Context> {
        not_built_yet("kernel tasks")
    }

    fn context_resume(&self, context: &mut Self::Context) -> Resumed {
        match *context {}
    }

    fn context_suspend(&self) {
        not_built_yet("kernel tasks")
    }

    fn in_context(&self) -> bool {
        false
    }

    fn monotonic_ns(&self) -> u64 {
        not_built_yet("the clock")
    }

    fn boot_realtime_ns(&self) -> u64 {
        not_built_yet("the wall clock")
    }

    fn timer_arm(&self, _cpu: CpuId, _deadline_ns: Option<u64>) {
        not_built_yet("timers")
    }

    fn spend(&self, _cost_ns: u64) {}

    fn outside_event(&self) -> Option<OutsideEvent> {
        None
    }

    fn outside_line(&self) -> u32 {
        0
    }
}
