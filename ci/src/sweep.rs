//! `cargo xtask sweep`: every case, with whatever it asks for failing once.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::Args;

/// What to sweep.
#[derive(Args)]
pub(crate) struct Sweep {
    /// How many events of each place fail in each case, one run each
    #[arg(long, default_value_t = 2)]
    hits: u64,
    /// Decides the schedule of every run
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only cases with this in their names
    #[arg(long, default_value = "")]
    cases: String,
}

/// Runs it, in a release build.
pub(crate) fn run(root: &Path, sweep: &Sweep) -> Result<ExitCode> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["test", "--release", "-q", "-p", "syscall-tests", "--test", "cases", "--"]);
    cargo.args(["--exact", "sweep::the_kernel_survives_whatever_fails"]);
    cargo.env("ORRERY_SWEEP", sweep.hits.to_string()).env("ORRERY_SEED", sweep.seed.to_string());
    let status = cargo.env("ORRERY_SWEEP_CASES", &sweep.cases).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
