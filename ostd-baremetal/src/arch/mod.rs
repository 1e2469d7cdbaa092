//! What differs between processors, under the same names for each: memory, traps, user mode, stacks, time, devices.
#[cfg(target_arch = "riscv64")]
#[path = "riscv64/mod.rs"]
mod this;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64/mod.rs"]
mod this;

pub(crate) use this::*;
