//! The algorithms under loom: every interleaving of two or three threads, and every value a weak memory may show.
//!
//! `sound` is the text of [`super`] as it is. The other modules are the same text with one ordering weakened; for each
//! primitive a test sees loom catch it, which shows that the model looks at that ordering at all. Mistakes that are
//! not orderings (an answer ignored, a wake dropped) are made by the test's own threads.

mod waiter;

/// The same files as [`super`], on loom's atomics and with the given orderings.
macro_rules! algorithms {
    ($(#[$doc:meta])* $name:ident: $acquire:ident, $release:ident, $acq_rel:ident) => {
        $(#[$doc])*
        #[path = ".."]
        #[allow(dead_code, reason = "a model uses what it models")]
        mod $name {
            mod atomic {
                pub(crate) use loom::sync::atomic::{AtomicU32, Ordering};
            }
            mod order {
                use super::atomic::Ordering;
                pub(crate) const ACQUIRE: Ordering = Ordering::$acquire;
                pub(crate) const RELEASE: Ordering = Ordering::$release;
                pub(crate) const ACQ_REL: Ordering = Ordering::$acq_rel;
            }
            #[path = "waiter.rs"]
            pub(crate) mod waiter;
        }
    };
}

algorithms! { /// As shipped.
sound: Acquire, Release, AcqRel }
algorithms! { /// Nobody sees what was published.
without_acquire: Relaxed, Release, Release }
algorithms! { /// Nobody publishes.
without_release: Acquire, Relaxed, Acquire }

/// Runs every interleaving with at most `preemptions` involuntary switches.
fn explore(preemptions: usize, threads: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(threads);
}

/// Runs a model that has a mistake in it and returns what loom said.
fn caught(preemptions: usize, threads: impl Fn() + Sync + Send + 'static) -> String {
    let run = std::panic::AssertUnwindSafe(|| explore(preemptions, threads));
    let panic = std::panic::catch_unwind(run).expect_err("the model must see the mistake");
    let text = panic.downcast_ref::<&str>().map(|text| String::from(*text));
    text.or_else(|| panic.downcast_ref::<String>().cloned()).expect("a panic with a message")
}
