//! A task that sleeps until two flags are set, run by whoever has to enqueue it.

use super::{caught, explore};

/// The model, over one copy of the algorithm. Enqueueing a task is running it on the spot, so no run queue's lock adds
/// an ordering of its own: the parker alone keeps two CPUs off one context.
macro_rules! task {
    ($name:ident) => {
        #[allow(dead_code, reason = "not every mistake is looked for everywhere")]
        mod $name {
            use super::super::$name::waiter::Parker;
            use loom::cell::UnsafeCell;
            use loom::sync::Arc;
            use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
            use loom::thread;

            struct Task {
                parker: Parker,
                context: UnsafeCell<usize>,
                flags: [AtomicUsize; 2],
                ended: AtomicUsize,
            }

            impl Task {
                fn new(parker: Parker) -> Arc<Self> {
                    let flags = [AtomicUsize::new(0), AtomicUsize::new(0)];
                    Arc::new(Self { parker, context: UnsafeCell::new(0), flags, ended: AtomicUsize::new(0) })
                }

                /// What a CPU does with a task from its run queue. loom panics where two of these overlap.
                fn run(&self, requeue: bool) {
                    self.parker.resumed();
                    loop {
                        self.context.with_mut(|_| ());
                        if self.flags.iter().all(|flag| flag.load(Relaxed) == 1) {
                            self.ended.fetch_add(1, Relaxed);
                            return;
                        }
                        if !self.parker.begin_park() {
                            continue;
                        }
                        self.context.with_mut(|_| ());
                        if self.parker.finish_park() || !requeue {
                            return;
                        }
                        self.parker.resumed();
                    }
                }

                fn wake(&self, flag: usize) {
                    self.flags[flag].store(1, Relaxed);
                    if self.parker.unpark() {
                        self.run(true);
                    }
                }
            }

            /// The task sleeps at most twice; two threads set a flag each. It must end, once.
            pub(super) fn sleeps_until_both_flags_are_set(requeue: bool) {
                let task = Task::new(Parker::running());
                let (first, second) = (task.clone(), task.clone());
                let first = thread::spawn(move || first.wake(0));
                let second = thread::spawn(move || second.wake(1));
                task.run(requeue);
                first.join().expect("the first waker ends");
                second.join().expect("the second waker ends");
                assert_eq!(task.ended.load(Relaxed), 1, "a wake-up was lost");
            }

            /// Two threads start one task.
            pub(super) fn is_started_once() {
                let task = Task::new(Parker::parked());
                let other = task.clone();
                let other = thread::spawn(move || other.wake(0));
                task.wake(1);
                other.join().expect("the other starter ends");
                assert_eq!(task.ended.load(Relaxed), 1, "a wake-up was lost");
            }

            /// A single wake-up carries what the waker wrote, whichever way the task learns of it.
            pub(super) fn brings_what_the_waker_wrote() {
                let shared = Arc::new((Parker::running(), UnsafeCell::new(0)));
                let waker = shared.clone();
                let read = |shared: &(Parker, UnsafeCell<u32>)| shared.1.with(|_| ());
                let waker = thread::spawn(move || {
                    waker.1.with_mut(|_| ());
                    if waker.0.unpark() {
                        waker.0.resumed();
                    }
                });
                if !shared.0.begin_park() {
                    read(&shared);
                } else if !shared.0.finish_park() {
                    shared.0.resumed();
                    read(&shared);
                }
                waker.join().expect("the waker ends");
            }
        }
    };
}

task!(sound);
task!(without_acquire);
task!(without_release);

#[test]
fn a_sleeper_is_enqueued_once_per_sleep_and_never_forgotten() {
    explore(3, || sound::sleeps_until_both_flags_are_set(true));
}

#[test]
fn a_new_task_is_started_by_exactly_one_of_two_wakers() {
    explore(3, sound::is_started_once);
}

#[test]
fn a_wake_up_brings_what_the_waker_wrote() {
    explore(3, sound::brings_what_the_waker_wrote);
}

#[test]
fn the_model_sees_a_context_that_is_run_before_it_is_saved() {
    let said = caught(3, || without_release::sleeps_until_both_flags_are_set(true));
    assert!(said.contains("Causality violation"), "{said}");
    let said = caught(3, || without_acquire::sleeps_until_both_flags_are_set(true));
    assert!(said.contains("Causality violation") || said.contains("a wake-up was lost"), "{said}");
}

#[test]
fn the_model_sees_a_wake_up_that_brings_nothing() {
    let said = caught(3, without_release::brings_what_the_waker_wrote);
    assert!(said.contains("Causality violation"), "{said}");
    let said = caught(3, without_acquire::brings_what_the_waker_wrote);
    assert!(said.contains("Causality violation"), "{said}");
}

#[test]
fn the_model_sees_a_cpu_that_forgets_a_task_woken_while_falling_asleep() {
    let said = caught(3, || sound::sleeps_until_both_flags_are_set(false));
    assert!(said.contains("a wake-up was lost"), "{said}");
}
