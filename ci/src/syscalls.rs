//! SYSCALLS.md: the table as a page, printed by an example of the crate that holds it.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Writes the page. Run it with every change of a row.
pub(crate) fn write(root: &Path) -> Result<()> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["run", "--quiet", "--package", "kernel-abi", "--example", "syscalls"])
        .output()
        .context("starting cargo")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(root.join("kernel/abi/SYSCALLS.md"), output.stdout)?;
    println!("wrote kernel/abi/SYSCALLS.md");
    Ok(())
}
