//! Linux's behaviour as cases: functions that pass on Linux before they are held against Orrery.
//!
//! - [`cases`]: the cases, by family; [`cases::all`] lists them.
//! - [`native`]: the subject that is the host's kernel.
//!
//! `tests/cases.rs` makes each case a test per subject; the binary `case` runs one case on the kernel under it. A case
//! asks nothing of its kernel but a working directory of its own, and adapts to the user that it runs as.

pub mod cases;
pub mod native;
