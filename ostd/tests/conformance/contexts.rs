//! Kernel contexts: stacks that are left and gone back to.
#![expect(unsafe_code, reason = "lends the machine to contexts, which the compiler takes to live for ever")]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use ostd::hal::hal::Resumed;
use ostd::hal::{Hal, SafePoint};

use super::{CPU, Subject};

/// Runs a context until it gives way by itself.
pub(super) fn resume<H: Hal>(hal: &H, context: &mut H::Context) -> Resumed {
    let before = hal.interrupts_disable();
    let resumed = loop {
        match hal.context_resume(context) {
            Resumed::Interleaved => {}
            other => break other,
        }
    };
    if before {
        hal.interrupts_enable();
    }
    resumed
}

/// A machine that a context may use. Every check drops its contexts before it is done with the machine.
pub(super) struct Lent<H>(pub(super) *const H);

// SAFETY: the pointee is `Sync`, so a pointer to it may go where contexts go.
unsafe impl<H: Sync> Send for Lent<H> {}

impl<H> Lent<H> {
    pub(super) fn hal(&self) -> &H {
        // SAFETY: see `Lent`.
        unsafe { &*self.0 }
    }
}

pub(super) fn a_context_runs_until_it_suspends_and_then_goes_on<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let (lent, steps) = (Lent(core::ptr::from_ref(hal)), Arc::new(AtomicUsize::new(0)));
    let inside = Arc::clone(&steps);
    assert!(!hal.in_context());
    let entry = move || {
        let hal = lent.hal();
        for _ in 0..3 {
            assert!(hal.in_context());
            inside.fetch_add(1, Ordering::SeqCst);
            for kind in [SafePoint::LockAcquire, SafePoint::Atomic, SafePoint::UserCopy] {
                hal.safe_point(CPU, kind);
            }
            S::Machine::relax();
            hal.context_suspend();
        }
    };
    let mut context = hal.context_new(Box::new(entry)).expect("a stack");
    assert_eq!(steps.load(Ordering::SeqCst), 0, "a context began before it was resumed");
    for step in 1..=3 {
        assert!(matches!(resume(hal, &mut context), Resumed::Suspended));
        assert_eq!((steps.load(Ordering::SeqCst), hal.in_context()), (step, false));
    }
    assert!(matches!(resume(hal, &mut context), Resumed::Finished));
}

pub(super) fn a_context_that_ends_says_how<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let mut quiet = hal.context_new(Box::new(|| {})).expect("a stack");
    assert!(matches!(resume(hal, &mut quiet), Resumed::Finished));
    // A machine without unwinding halts instead, and says so by its checkers being off.
    if S::Machine::CHECKS {
        let mut loud = hal.context_new(Box::new(|| panic!("why"))).expect("a stack");
        let Resumed::Panicked(payload) = resume(hal, &mut loud) else { panic!("the panic was lost") };
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"why"));
    }
}

pub(super) fn a_context_that_is_dropped_drops_what_it_had<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let (lent, had) = (Lent(core::ptr::from_ref(hal)), Arc::new(()));
    let (kept, local) = (Arc::clone(&had), Arc::clone(&had));
    let never = hal.context_new(Box::new(move || drop(kept))).expect("a stack");
    assert_eq!(Arc::strong_count(&had), 3);
    drop(never);
    assert_eq!(Arc::strong_count(&had), 2, "an entry that never ran");
    let entry = move || {
        let on_the_stack = local;
        lent.hal().context_suspend();
        drop(on_the_stack);
    };
    let mut begun = hal.context_new(Box::new(entry)).expect("a stack");
    assert!(matches!(resume(hal, &mut begun), Resumed::Suspended));
    if S::Machine::CHECKS {
        drop(begun);
    } else {
        assert!(matches!(resume(hal, &mut begun), Resumed::Finished));
    }
    assert_eq!(Arc::strong_count(&had), 1, "a stack that was left");
}

pub(super) fn contexts_do_not_mix_their_stacks<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let sums: Arc<[AtomicUsize]> = (0..8).map(|_| AtomicUsize::new(0)).collect();
    let mut contexts: Vec<_> = (0..8)
        .map(|number| {
            let (lent, sums) = (Lent(core::ptr::from_ref(hal)), Arc::clone(&sums));
            let entry = move || {
                let mut block = [number; 512];
                for round in 0..20 {
                    lent.hal().context_suspend();
                    let at = (round * 37) % block.len();
                    block[at] += core::hint::black_box(round);
                }
                sums[number].store(block.iter().sum(), Ordering::SeqCst);
            };
            hal.context_new(Box::new(entry)).expect("a stack")
        })
        .collect();
    // All of them suspend equally often.
    while contexts
        .iter_mut()
        .filter_map(|context| matches!(resume(hal, context), Resumed::Suspended).then_some(()))
        .count()
        > 0
    {}
    for (number, sum) in sums.iter().enumerate() {
        assert_eq!(sum.load(Ordering::SeqCst), number * 512 + (0..20).sum::<usize>());
    }
}
