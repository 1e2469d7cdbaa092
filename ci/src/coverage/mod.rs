//! `cargo xtask coverage`: what no case reaches of the table and of Linux's manual, and what no test runs of the kernel.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Args;

use crate::tree::Tree;

mod lines;

/// What the command line says.
#[derive(Args)]
pub(crate) struct Coverage {
    /// Only rows, errnos and flags
    #[arg(long, conflicts_with = "lines")]
    cases: bool,
    /// Only lines: a build of its own, and some minutes
    #[arg(long)]
    lines: bool,
}

/// Prints what is not reached; fails if a case does, or if a reason given for what is not reached is none.
pub(crate) fn run(tree: &Tree, coverage: &Coverage) -> Result<ExitCode> {
    let code = if coverage.lines { ExitCode::SUCCESS } else { cases(&tree.root)? };
    if !coverage.cases {
        lines::run(tree)?;
    }
    Ok(code)
}

/// Runs the cases and prints rows, errnos and flags that none of them reaches.
fn cases(root: &Path) -> Result<ExitCode> {
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["run", "--quiet", "--package", "syscall-tests", "--bin", "case", "--", "--unreached"])
        .status()
        .context("starting cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
