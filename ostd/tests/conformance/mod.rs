//! The waist's conformance suite: what every machine promises, checked through [`Hal`] alone.
//!
//! Written once, over any backend. It needs `core` and `alloc` and nothing of a host, so a metal image runs the same
//! files: whoever has a machine has `programs` beside this module, implements [`Subject`] and calls
//! [`CHECKS`](Checks::ALL) one by one, each on a machine that nobody else uses. A broken promise is a panic that says
//! which.

mod contexts;
mod copies;
mod cpus;
mod devices;
mod memory;
mod several;
mod tree;
mod user;

use ostd::device::Devices;
use ostd::hal::{CpuId, Hal};

use super::programs::{Code, Program};

/// A machine under test and its programs.
pub(crate) trait Subject {
    /// The backend.
    type Machine: Hal;
    /// The machine, with a few megabytes of memory; the checks between CPUs say most with two or more.
    fn machine(&self) -> &Self::Machine;
    /// A program, or `None` if this machine's user code cannot do that.
    fn program(&self, program: Program) -> Option<Code>;
    /// What it carries: disks are written to, networks are QEMU's own.
    fn devices(&self) -> Devices {
        Devices::default()
    }
}

/// The first CPU, on which checks run what needs one.
const CPU: CpuId = CpuId(0);

/// The suite for one kind of subject.
pub(crate) struct Checks<S>(core::marker::PhantomData<S>);

macro_rules! checks {
    ($($room:ident: $($check:ident)*;)*) => {
        impl<S: Subject + 'static> Checks<S> {
            /// Every check and its name.
            pub(crate) const ALL: &[(&'static str, fn(&S))] = &[$($((stringify!($check), $room::$check::<S>)),*),*];

            /// Whether a check needs a machine of two CPUs.
            #[allow(dead_code, reason = "hosted machines under test have two")]
            pub(crate) fn needs_two_cpus(name: &str) -> bool {
                [$((stringify!($room), &[$(stringify!($check)),*][..])),*]
                    .iter().any(|(room, checks)| *room == "several" && checks.contains(&name))
            }
        }
    };
}

checks! {
    memory: memory_is_whole_pages_and_contiguous words_and_bytes_are_the_same_memory
        metadata_is_aligned_and_apart_from_memory both_formats_walk_to_what_was_mapped;
    copies: copies_go_both_ways_across_pages a_copy_stops_at_the_first_byte_refused a_copy_over_a_hole_is_partial
        permissions_are_asked_of_every_page nothing_outside_user_space_is_reached empty_copies_touch_nothing
        words_are_exchanged_if_equal every_alignment_copies_alike;
    user: a_system_call_carries_its_frame_and_takes_a_value registers_are_kept_and_replaced_as_told
        programs_do_not_see_each_others_registers floating_point_state_can_be_had
        absent_pages_fault_and_are_found_once_there a_stale_page_may_stay_until_the_flush_and_not_longer
        a_store_needs_permission_and_is_seen_by_copies code_needs_permission
        a_retired_space_leaves_nothing_for_its_frames_next_user what_is_no_instruction_is_an_exception
        a_program_that_never_traps_is_interrupted copies_are_refused_alike_where_a_program_has_run;
    contexts: a_context_runs_until_it_suspends_and_then_goes_on a_context_that_ends_says_how
        a_context_that_is_dropped_drops_what_it_had contexts_do_not_mix_their_stacks;
    cpus: the_clock_never_goes_back timers_ring_once_in_order_and_not_early a_disarmed_timer_does_not_ring
        an_interprocessor_interrupt_reaches_its_cpu interrupts_kept_away_are_not_lost
        a_machine_with_nothing_to_wait_for_says_so entropy_fills_all_and_differs the_console_and_devices_answer;
    devices: a_disk_keeps_what_was_written a_disk_refuses_sectors_it_does_not_have a_disk_rings_when_it_has_answered
        a_network_carries_frames_both_ways_and_rings a_generator_gives_other_bytes_each_time;
    several: every_cpu_is_lent_while_the_machine_runs_and_not_after a_flush_reaches_a_cpu_that_runs_a_program
        two_cpus_may_flush_each_other_at_once a_cpu_that_waits_for_another_answers_its_flush
        a_space_retired_on_one_cpu_is_left_by_the_other a_context_moves_between_cpus;
}
