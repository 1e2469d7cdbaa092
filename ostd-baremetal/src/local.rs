//! What each CPU keeps for itself, on every architecture; what it shares is in [`cpus`](crate::cpus).

use core::cell::Cell;

use ostd_hal::{Client, CpuId};

use crate::context::Body;
use crate::user::Home;

/// One CPU's own data. Only that CPU touches it, and interrupt handlers change nothing in it.
pub(crate) struct Local {
    /// Which CPU this is.
    pub(crate) id: CpuId,
    /// What `Hal::cpu_local` answers.
    pub(crate) generic: Cell<*const ()>,
    /// Whom interrupts are delivered to, while the machine runs.
    pub(crate) client: Cell<Option<*const dyn Client>>,
    /// The context that runs; null in the CPU's loop.
    pub(crate) context: Cell<*mut Body>,
    /// Where the CPU's loop goes on when the context gives way.
    pub(crate) loop_stack: Cell<usize>,
    /// Whose floating-point registers the CPU holds, and has not saved; null if nobody's.
    pub(crate) fp_unsaved: Cell<*mut Home>,
    /// Whose floating-point registers the CPU holds; null if nobody's.
    pub(crate) fp_held: Cell<*mut Home>,
}

impl Local {
    pub(crate) const fn new(id: usize) -> Self {
        Self {
            id: CpuId(id),
            generic: Cell::new(core::ptr::null()),
            client: Cell::new(None),
            context: Cell::new(core::ptr::null_mut()),
            loop_stack: Cell::new(0),
            fp_unsaved: Cell::new(core::ptr::null_mut()),
            fp_held: Cell::new(core::ptr::null_mut()),
        }
    }
}
