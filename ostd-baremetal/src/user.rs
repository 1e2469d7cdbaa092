//! User mode, but for the instructions: which address space is in force, and whose floating-point registers the CPU holds.
//!
//! The kernel uses no floating point, so a program's registers stay in the CPU while it works for that program. They are
//! saved when the program's context gives way, and set again when the CPU has held another's meanwhile.
#![expect(unsafe_code, reason = "keeps areas of floating-point state, and enters user mode")]

use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use alloc::boxed::Box;
use core::cell::Cell;
use core::ptr;

use ostd_hal::{Paddr, Registers as _, Trap, UserState};

use crate::arch::{self, Regs};
use crate::cpus;
use crate::local::Local;

/// What is kept of a program here: `UserState::home` is its address.
pub(crate) struct Home {
    /// The CPU that last set its registers from `area`.
    cpu: Cell<usize>,
    area: *mut u8,
    layout: Layout,
}

impl Home {
    fn new() -> Box<Self> {
        let initial = arch::fp_initial();
        let layout = Layout::from_size_align(initial.len().max(1), 64).expect("an area is a few thousand bytes");
        // SAFETY: the layout is not empty.
        let area = unsafe { alloc_zeroed(layout) };
        assert!(!area.is_null(), "the kernel's heap is full");
        let home = Self { cpu: Cell::new(usize::MAX), area, layout };
        home.write(&initial);
        Box::new(home)
    }

    fn write(&self, bytes: &[u8]) {
        // SAFETY: the area is ours and as long as the layout says.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.area, bytes.len().min(self.layout.size())) };
        // The CPU's registers are something else from now on.
        self.cpu.set(usize::MAX);
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the area is ours and as long as the layout says; nobody writes it during the borrow.
        unsafe { core::slice::from_raw_parts(self.area, self.layout.size()) }
    }

    fn save(&self) {
        // SAFETY: the area was made for this.
        unsafe { arch::fp_save(self.area) };
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `new`.
        unsafe { dealloc(self.area, self.layout) };
    }
}

/// Saves what the CPU holds and nobody has saved: the context that entered user mode has given way.
pub(crate) fn save_floating_point(local: &Local) {
    let home = local.fp_unsaved.replace(ptr::null_mut());
    // SAFETY: null, or a home that lives: `release` takes it from here.
    if let Some(home) = unsafe { home.as_ref() } {
        home.save();
    }
}

/// Runs the program until it traps. Called with interrupts kept away; they are let through on return.
pub(crate) fn enter(root: Paddr, state: &mut UserState<Regs>) -> Trap {
    let local = arch::local();
    cpus::set_root(root);
    if state.home == 0 {
        state.home = Box::into_raw(Home::new()) as u64;
    }
    let address = state.home as *mut Home;
    // SAFETY: made above or at an earlier entry, and freed by `release` alone, which forgets it.
    let home = unsafe { &*address };
    if state.fp_changed {
        if arch::fp_accepts(&state.fp) { home.write(&state.fp) } else { home.write(&arch::fp_initial()) }
    }
    if local.fp_unsaved.get() != address {
        save_floating_point(local);
    }
    if local.fp_held.get() != address || home.cpu.get() != local.id.0 {
        // SAFETY: initial bytes, accepted ones, or those that were saved.
        unsafe { arch::fp_restore(home.area) };
        home.cpu.set(local.id.0);
        local.fp_held.set(address);
    }
    local.fp_unsaved.set(address);
    (state.fp_changed, state.fp_loaded) = (false, false);
    if let Some(value) = state.ret.take() {
        state.regs.set_syscall_return(value);
    }
    // SAFETY: the root is in force, and ostd's.
    let trap = unsafe { arch::user_run(state) };
    (state.loaded, state.changed) = (true, false);
    arch::interrupts_enable();
    trap
}

/// Makes `state.fp` true.
pub(crate) fn load_floating_point(state: &mut UserState<Regs>) {
    let address = state.home as *mut Home;
    let before = arch::interrupts_disable();
    let local = arch::local();
    if local.fp_unsaved.get() == address {
        save_floating_point(local);
    }
    if before {
        arch::interrupts_enable();
    }
    // SAFETY: null, or the home made at an entry.
    if let Some(home) = unsafe { address.as_ref() } {
        state.fp = home.bytes().to_vec();
    }
    state.fp_loaded = true;
}

/// Frees what is kept of a program.
pub(crate) fn release(state: &mut UserState<Regs>) {
    let address = core::mem::take(&mut state.home) as *mut Home;
    if address.is_null() {
        return;
    }
    let before = arch::interrupts_disable();
    let local = arch::local();
    if local.fp_unsaved.get() == address {
        local.fp_unsaved.set(ptr::null_mut());
    }
    if before {
        arch::interrupts_enable();
    }
    // SAFETY: made by `into_raw` in `enter`, and forgotten above. Another CPU may still name it as what it holds, but
    // compares no more than the address, and a new home there says by `cpu` that it is new.
    drop(unsafe { Box::from_raw(address) });
}

/// The tree at `root` ends: no CPU may have it in force.
pub(crate) fn retire(root: Paddr) {
    cpus::leave_root(root);
    // SAFETY: ostd retires a root that no program runs in; every CPU has left it.
    unsafe { arch::unshare_kernel_half(root) };
}
