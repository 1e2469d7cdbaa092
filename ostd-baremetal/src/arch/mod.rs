//! What differs between processors, under the same names in each file: `serial_write`, `exit`, `cpu_local`,
//! `interrupts_disable`, `ticks` and their kin, and the formats that the waist asks for.

#[cfg(target_arch = "riscv64")]
#[path = "riscv64.rs"]
mod this;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod this;

pub(crate) use this::*;
