//! One hart's data, which `tp` points to in the kernel and `sscratch` in user mode.
#![expect(unsafe_code, reason = "keeps a pointer in a register")]

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
    pub(super) local: Local,
}

struct Boot(UnsafeCell<PerCpu>);
// SAFETY: each hart uses its own, through `tp`.
unsafe impl Sync for Boot {}

/// The boot cell of the first hart.
static FIRST: Boot = Boot(UnsafeCell::new(PerCpu { kernel_stack: 0, user_regs: 0, scratch: 0, local: Local::new(0) }));

/// The stack of what cannot trust the one it interrupted.
pub(super) static mut FAULT_STACK: BootStack = BootStack([0; BOOT_STACK_LEN]);

/// Points `tp` to the first hart's data.
pub(super) fn start() {
    // SAFETY: compiled code leaves `tp` alone on this target; in the kernel `sscratch` is zero.
    unsafe { asm!("mv tp, {}", "csrw sscratch, zero", in(reg) FIRST.0.get(), options(nostack)) };
}

/// This hart's own data.
pub(crate) fn local() -> &'static Local {
    let this: *const PerCpu;
    // SAFETY: reading a register.
    unsafe { asm!("mv {}, tp", out(reg) this, options(nomem, nostack, preserves_flags)) };
    // SAFETY: set by `start` to data that is static and never borrowed exclusively.
    unsafe { &(*this).local }
}

/// The firmware's number of the hart that booted.
pub(super) fn boot_hart() -> usize {
    // SAFETY: written once, by the entry.
    unsafe { (&raw const BOOT_HART).read() }
}
