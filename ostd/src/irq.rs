//! Interrupts: keeping them away for a while, and device lines.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::panic::Location;

use crate::cpu::CurrentCpu;
use crate::sync::SpinLock;

/// While this lives, no interrupt handler runs on this CPU and its task is not preempted.
#[must_use = "interrupts come again as soon as this is dropped"]
pub struct InterruptsOff {
    // Guards belong to the CPU that made them.
    _not_send: core::marker::PhantomData<*const ()>,
}

impl InterruptsOff {
    /// Keeps interrupts away. Nests.
    #[track_caller]
    pub fn new() -> Self {
        let place = Location::caller();
        CurrentCpu::with(|cpu| cpu.interrupts_off(place));
        Self { _not_send: core::marker::PhantomData }
    }
}

impl Default for InterruptsOff {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for InterruptsOff {
    /// The last one lets pending interrupts in.
    fn drop(&mut self) {
        CurrentCpu::interrupts_on();
    }
}

type Handler = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
pub(crate) struct Lines(SpinLock<BTreeMap<u32, Handler>>);

impl Lines {
    pub(crate) fn set(&self, line: u32, handler: Handler) {
        let old = self.0.lock().insert(line, handler);
        drop(old);
    }

    pub(crate) fn clear(&self) {
        let old = core::mem::take(&mut *self.0.lock());
        drop(old);
    }

    pub(crate) fn raise(&self, line: u32) {
        let handler = self.0.lock().get(&line).cloned();
        if let Some(handler) = handler {
            handler();
        }
    }
}
