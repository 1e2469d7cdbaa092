//! Orrery's figures: what is measured, once, for two readers. `cargo bench -p bench` (criterion) compares runs;
//! `cargo run --release -p bench` prints the table. See README.md.
//!
//! - [`scripted`]: kernels whose programs are Rust functions.
//! - [`schedules`]: the same, in many schedules, and asleep.
//! - [`elf`]: kernels whose programs are ELF files in stub processes, beside the same programs on the host's kernel.
//! - [`many`]: many kernels side by side, and one after another as tests.
//! - [`floor`]: what tracing a call costs with nobody who answers it.
//! - [`generated`]: generated programs, many in one kernel and each in a fresh one.
//! - [`guest`]: what those ELF programs do; it times itself.

pub mod elf;
pub mod floor;
pub mod generated;
pub mod guest;
pub mod many;
pub mod schedules;
pub mod scripted;

use std::path::Path;
use std::time::Duration;

/// Measures: does something so many times, and says how long all of it took.
pub type Measure = Box<dyn FnMut(u64) -> Duration>;

/// One thing to measure.
pub struct Figure {
    /// What is done.
    pub name: &'static str,
    /// Whether the machine's checkers run; `None` is the host's own kernel.
    pub checks: Option<bool>,
    /// How often it is done for one sample of the table.
    pub count: u64,
    /// Does it.
    pub measure: Measure,
}

/// Everything, in the order of the table. `program` is the binary whose `main` gives its arguments to
/// [`guest::main`].
pub fn all(program: &Path) -> Vec<Figure> {
    let mut figures = Vec::new();
    for checks in [false, true] {
        figures.extend(scripted::figures(checks));
        figures.extend(generated::figures(checks));
        figures.extend(schedules::figures(checks));
    }
    figures.extend(elf::figures(program));
    figures.push(floor::figure(program));
    // The host's first: the others are compared with them.
    figures.sort_by_key(|figure| figure.checks.is_some());
    figures
}
