//! A machine end to end, through ostd's public face alone: the tests that any machine can run, a bare one as well.
//!
//! Written once, over `core` and `alloc`. Each test gets a machine with a scheduler and nothing else on it, and leaves
//! it so: [`expect_nothing_left`] is what the caller says next. `programs` stands beside this module.

mod programs;
mod tasks;

use ostd::Machine;
use ostd::task::Task;

use super::programs::{Code, Program};

use alloc::boxed::Box;

/// What a test stands on.
pub(crate) struct Ground<'a> {
    /// The machine.
    pub(crate) machine: &'a Machine,
    /// Its code for a program.
    pub(crate) code: &'a dyn Fn(Program) -> Code,
}

impl Ground<'_> {
    fn spawn(&self, name: &str, entry: impl FnOnce() + Send + 'static) {
        Task::spawn(self.machine, name, Box::new(()), entry).expect("a stack");
    }

    fn run(&self) {
        self.machine.run().expect("it stops");
    }
}

/// A test and its name.
pub(crate) type Test = (&'static str, fn(&Ground<'_>));

macro_rules! tests {
    ($($room:ident: $($test:ident)*;)*) => {
        /// The tests.
        pub(crate) const ALL: &[Test] = &[$($((stringify!($test), $room::$test)),*),*];
    };
}

tests! {
    tasks: tasks_take_turns_and_the_machine_stops_when_told a_sleep_ends_by_its_condition_by_an_interrupt_or_by_the_clock
        contending_tasks_keep_a_mutex a_timer_that_fires_while_the_cpu_looks_for_work_is_not_slept_over
        a_deadline_that_is_past_when_it_is_set_ends_the_sleep_all_the_same
        a_machine_that_was_told_to_stop_leaves_nobody_in_the_middle_of_a_turn
        a_wake_up_of_all_reaches_everybody;
    programs: a_program_calls_and_is_answered a_program_faults_until_its_page_is_there
        a_page_that_is_unmapped_is_gone_once_flushed a_slice_that_is_over_gives_the_next_program_its_turn
        a_program_that_runs_alone_hears_of_a_stop;
}

/// Every task has ended by itself, and every frame is back.
pub(crate) fn expect_nothing_left(machine: &Machine) {
    let left = machine.end_tasks();
    machine.detach();
    assert!(left.is_empty(), "tasks are left: {left:?}");
    assert_eq!((machine.task_count(), machine.frames().used()), (0, 0));
}
