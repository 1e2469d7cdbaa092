//! Signal handlers: entries that the kernel can call, and the functions of a case behind them.
#![expect(unsafe_code, reason = "keeps functions as numbers where handlers find them")]

use core::sync::atomic::{AtomicUsize, Ordering};

use kernel_abi::sys::HandlerFn;

use crate::subject::Guest;

/// Handlers that a program can have.
const HANDLERS_MAX: usize = 8;

/// What each entry runs; zero where none does. A handler interrupts whoever stores here, so nothing may wait.
static RUNS: [AtomicUsize; HANDLERS_MAX] = [const { AtomicUsize::new(0) }; HANDLERS_MAX];

extern "C" fn enter<const SLOT: usize>(signal: usize, info: usize, context: usize) {
    let run = RUNS[SLOT].load(Ordering::Acquire);
    if run != 0 {
        // SAFETY: only `entry` stores here, and only a `HandlerFn`.
        let run = unsafe { core::mem::transmute::<*const (), HandlerFn>(core::ptr::with_exposed_provenance(run)) };
        run(&Guest, signal & 0xffff_ffff, info, context);
    }
}

/// The address of a handler that runs `run`.
///
/// Panics when all are taken.
pub(crate) fn entry(run: HandlerFn) -> usize {
    let entries: [extern "C" fn(usize, usize, usize); HANDLERS_MAX] =
        [enter::<0>, enter::<1>, enter::<2>, enter::<3>, enter::<4>, enter::<5>, enter::<6>, enter::<7>];
    let run = (run as *const ()).expose_provenance();
    let take = |slot: &AtomicUsize| slot.compare_exchange(0, run, Ordering::AcqRel, Ordering::Relaxed).is_ok();
    let slot = RUNS.iter().position(take).expect("a case has at most eight handlers");
    (entries[slot] as *const ()).expose_provenance()
}
