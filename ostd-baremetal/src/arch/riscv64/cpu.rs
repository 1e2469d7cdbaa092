//! One hart's data, which `tp` points to in the kernel and `sscratch` in user mode.
#![expect(unsafe_code, reason = "keeps a pointer in a register")]

use alloc::boxed::Box;
use core::arch::asm;
use core::cell::UnsafeCell;

use super::entry::BOOT_HART;
use crate::image::{BOOT_STACK_LEN, BootStack};
use crate::local::Local;

/// Assembly uses the fields in front.
#[repr(C, align(64))]
pub(super) struct PerCpu {
    /// The stack on which the kernel waits for user mode to be left.
    pub(super) kernel_stack: usize,
    /// Where the registers of the running program go.
    pub(super) user_regs: usize,
    pub(super) scratch: usize,
    /// The end of the stack of what cannot trust the one it interrupted.
    pub(super) fault_stack: usize,
    /// The firmware's number of the hart.
    hart: usize,
    pub(super) local: Local,
}

struct Boot(UnsafeCell<PerCpu>);
// SAFETY: each hart uses its own, through `tp`.
unsafe impl Sync for Boot {}

/// The boot cell of the first hart.
static FIRST: Boot = Boot(UnsafeCell::new(PerCpu::new(0, 0, 0)));

impl PerCpu {
    const fn new(id: usize, hart: usize, fault_stack: usize) -> Self {
        Self { kernel_stack: 0, user_regs: 0, scratch: 0, fault_stack, hart, local: Local::new(id) }
    }
}

/// The first hart's stack of what cannot trust the one it interrupted.
static mut FAULT_STACK: BootStack = BootStack([0; BOOT_STACK_LEN]);

/// Points `tp` to the first hart's data.
pub(super) fn start() {
    let cpu = FIRST.0.get();
    // SAFETY: boot code alone runs, once; nothing refers to the data yet.
    unsafe { (*cpu).fault_stack = (&raw const FAULT_STACK) as usize + BOOT_STACK_LEN };
    // SAFETY: as above; the entry has written the hart's number once.
    unsafe { (*cpu).hart = (&raw const BOOT_HART).read() };
    // SAFETY: as above; it is this hart's from now on.
    unsafe { load(cpu) };
}

/// The data of another hart, with the end of its stack for faults; the hart's for good.
pub(super) fn secondary(id: usize, hart: usize, fault_stack: usize) -> *mut PerCpu {
    Box::into_raw(Box::new(PerCpu::new(id, hart, fault_stack)))
}

/// Points `tp` to this hart's data.
///
/// # Safety
/// 1. `cpu` is this hart's alone and lasts.
pub(super) unsafe fn load(cpu: *mut PerCpu) {
    // SAFETY: compiled code leaves `tp` alone on this target; in the kernel `sscratch` is zero.
    unsafe { asm!("mv tp, {}", "csrw sscratch, zero", in(reg) cpu, options(nostack)) };
}

fn this() -> *const PerCpu {
    let this;
    // SAFETY: reading a register.
    unsafe { asm!("mv {}, tp", out(reg) this, options(nomem, nostack, preserves_flags)) };
    this
}

/// This hart's own data.
pub(crate) fn local() -> &'static Local {
    // SAFETY: set by `load` to data that lasts and is never borrowed exclusively.
    unsafe { &(*this()).local }
}

/// The firmware's number of this hart.
pub(crate) fn hardware_id() -> usize {
    // SAFETY: as in `local`.
    unsafe { (*this()).hart }
}
