//! Linux's behaviour as cases: functions that pass on Linux before they are held against Orrery.
//!
//! - [`cases`]: the cases, a crate of their own; [`cases::all`] lists them.
//! - [`host`]: the subject that is the host's kernel, and [`native`], how a case is one of its programs.
//! - [`scripted`]: the subject that is Orrery, with cases as functions of this process.
//! - [`elf`]: the subject that is Orrery, with cases as a real program.
//! - [`generated`]: generated programs ([`programs`]) on Orrery, in kernels of their own or many in one.
//! - [`inputs`]: what fuzzers feed.
//! - [`machine`]: what runs a case on Orrery. [`rows`]: what its calls came to. [`known`]: where it may differ.
//! - [`sweep`]: cases on machines that fail on request.
//! - [`unreached`]: which errnos of Linux's manual and which flags of the table no case reaches yet.
//! - [`oracle`]: generated programs on both, and where they part: `cargo xtask diff`.
//!
//! `tests/cases.rs` makes each case a test per subject; the binary `case` runs one case on the kernel under it. A case
//! asks nothing of its kernel but a working directory of its own, and adapts to the user that it runs as.

pub mod elf;
pub mod generated;
pub mod host;
pub mod inputs;
pub mod known;
pub mod machine;
pub mod native;
pub mod oracle;
pub mod rows;
pub mod scripted;
pub mod sweep;
/// How `orrery --trace` writes one: a program's module, which no library has.
#[path = "../../kernel/orrery/src/trace.rs"]
mod trace;
pub mod unreached;

pub use cases;
pub use programs;
