//! What decides a run: the seed and the schedule's policy, and nothing else.
//!
//! - [`seeds`]: ten thousand seeds, each in two processes, come to the same.
//! - [`pairs`]: every schedule of two system calls on two CPUs, with two preemptions at most.

mod kernels;
mod pairs;
mod planted;
mod seeds;
