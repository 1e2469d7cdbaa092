//! `cargo xtask coverage`: what no case reaches of the table and of Linux's manual.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// Runs the cases and prints rows, errnos and flags that none of them reaches.
pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["run", "--quiet", "--package", "syscall-tests", "--bin", "case", "--", "--unreached"])
        .status()
        .context("starting cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
