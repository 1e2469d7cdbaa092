//! From an edit to a verdict: how long `cargo test -p kernel NAME` takes after a function's body has changed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// The file, and the function in it whose body is changed.
const FILE: &str = "kernel/src/vfs/attributes.rs";
const FUNCTION: &str = "    pub fn is_member(&self, gid: u32) -> bool {\n";
/// A part of the names of the tests that run.
const TEST: &str = "quota";
/// Measurements; the median is the figure.
const EDITS: u32 = 5;

/// The file as it was, put back when this goes.
struct Original {
    path: PathBuf,
    text: String,
}

impl Drop for Original {
    fn drop(&mut self) {
        if let Err(problem) = fs::write(&self.path, &self.text) {
            eprintln!("{} is left changed: {problem}", self.path.display());
        }
    }
}

/// Edits, tests, restores, and prints the median.
pub(crate) fn print(root: &Path) -> Result<()> {
    let path = root.join(FILE);
    let original = Original { text: fs::read_to_string(&path).context(FILE)?, path };
    let Some(at) = original.text.find(FUNCTION) else { bail!("{FILE} has no `{}`", FUNCTION.trim()) };
    let (before, after) = original.text.split_at(at + FUNCTION.len());
    test(root)?;
    let mut times = Vec::new();
    for edit in 1..=EDITS {
        fs::write(&original.path, format!("{before}        core::hint::black_box({edit});\n{after}"))?;
        times.push(test(root)?);
        println!("edit {edit}: {:.2?}", times[times.len() - 1]);
    }
    times.sort();
    println!(
        "median, from an edit in {FILE} to the verdict of `cargo test -p kernel {TEST}`: {:.2?}",
        times[times.len() / 2]
    );
    Ok(())
}

fn test(root: &Path) -> Result<Duration> {
    let start = Instant::now();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let words = ["test", "--quiet", "--package", "kernel", TEST];
    let status = Command::new(cargo).current_dir(root).args(words).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "cargo {} fails", words.join(" "));
    Ok(start.elapsed())
}
