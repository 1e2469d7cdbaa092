//! The algorithms under loom: every interleaving of two or three threads, and every value a weak memory may show.
//!
//! `sound` is the text of [`super`] as it is. The other modules are the same text with one ordering weakened; for each
//! primitive a test sees loom catch it, which shows that the model looks at that ordering at all. Mistakes that are
//! not orderings (a wake dropped, an answer ignored) are made by the threads of the model, when told to.

#![expect(clippy::arc_with_non_send_sync, reason = "loom's threads are fibers of one thread")]
#![expect(clippy::duplicate_mod, reason = "that is the point")]

use loom::sync::{Mutex, MutexGuard, Notify};
use std::collections::VecDeque;
use std::sync::Arc;

mod atomic;
mod tests;

/// The same files as [`super`], on loom's atomics and with the given orderings, and the threads that use them.
macro_rules! algorithms {
    ($(#[$doc:meta])* $name:ident: $acquire:ident, $release:ident, $acq_rel:ident, $seq_cst:ident) => {
        $(#[$doc])*
        #[path = ".."]
        #[allow(dead_code, reason = "not every mistake is looked for everywhere")]
        mod $name {
            use super::atomic;
            mod order {
                use super::atomic::Ordering;
                pub(crate) const ACQUIRE: Ordering = Ordering::$acquire;
                pub(crate) const RELEASE: Ordering = Ordering::$release;
                pub(crate) const ACQ_REL: Ordering = Ordering::$acq_rel;
                pub(crate) const SEQ_CST: Ordering = Ordering::$seq_cst;
            }
            mod headcount;
            mod mutex;
            mod queue;
            mod rwlock;
            mod spin;
            mod waiter;

            #[path = "model"]
            pub(crate) mod threads {
                pub(crate) mod headcount;
                pub(crate) mod mutex;
                pub(crate) mod queue;
                pub(crate) mod rwlock;
                pub(crate) mod spin;
                pub(crate) mod waiter;
            }
        }
    };
}

algorithms! { /// As shipped.
sound: Acquire, Release, AcqRel, SeqCst }
algorithms! { /// Nobody sees what was published.
without_acquire: Relaxed, Release, Release, SeqCst }
algorithms! { /// Nobody publishes.
without_release: Acquire, Relaxed, Acquire, SeqCst }
algorithms! { /// Nobody waits for its own writes.
without_fence: Acquire, Release, AcqRel, AcqRel }

/// Whether the threads of a model do their part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Threads {
    Honest,
    /// They leave out the one wake-up (or check) that the model is about.
    Careless,
}

/// Where the threads of a model sleep, each on a `Notify` of its own, which loom lets return once for no reason.
///
/// What loom says of a deadlock is a panic in the thread that is the last to fall asleep, and loom aborts if one of its
/// own guards is dropped by that. So nobody sleeps with a guard, and the threads share by the standard `Arc`.
struct Bed {
    sleepers: Mutex<VecDeque<Arc<Notify>>>,
}

impl Bed {
    fn new() -> Self {
        Self { sleepers: Mutex::new(VecDeque::new()) }
    }

    fn sleepers(&self) -> MutexGuard<'_, VecDeque<Arc<Notify>>> {
        self.sleepers.lock().expect("a thread that panics ends the model")
    }

    /// Sleeps until woken, unless `should_sleep` says no when a wake-up can no longer be missed.
    fn sleep(&self, me: &Arc<Notify>, should_sleep: &dyn Fn() -> bool) {
        self.sleepers().push_back(me.clone());
        if should_sleep() {
            me.wait();
        }
        self.sleepers().retain(|sleeper| !Arc::ptr_eq(sleeper, me));
    }

    fn wake_one(&self) {
        let sleeper = self.sleepers().pop_front();
        sleeper.iter().for_each(|sleeper| sleeper.notify());
    }

    fn wake_all(&self) {
        let sleepers = core::mem::take(&mut *self.sleepers());
        sleepers.iter().for_each(|sleeper| sleeper.notify());
    }
}

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
