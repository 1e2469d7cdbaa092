//! Whole kernels in this process.
//!
//! One binary for all of it, since each is linked anew with every edit of the kernel.

mod disk;
mod life;
mod schedules;
