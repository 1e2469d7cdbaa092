//! The names of the hosted tests, as their binaries list them.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Subjects of the hosted conformance suite, one of which is enough to know its checks by.
const SUBJECT: &str = "scripted_deterministic::";

/// What hosted machines are tested with, from the waist up: the suites that a bare machine runs as well.
pub(super) fn hosted(root: &Path) -> Result<Vec<String>> {
    let suite = |binary: &[&str]| -> Result<Vec<String>> {
        let mut words = vec!["test", "--quiet", "--package", "ostd"];
        words.extend(binary);
        words.extend(["--", "--list"]);
        Ok(listed(&cargo(root, &words)?).map(String::from).collect())
    };
    let mut names = Vec::new();
    let checks = suite(&["--test", "conformance"])?;
    names.extend(checks.iter().filter_map(|name| Some(format!("conformance::{}", name.strip_prefix(SUBJECT)?))));
    names.extend(suite(&["--lib"])?.iter().map(|name| format!("ostd::{name}")));
    for file in ["machine", "checkers"] {
        names.extend(suite(&["--test", file])?.iter().map(|name| format!("{file}::{name}")));
    }
    let cases = cargo(root, &["run", "--quiet", "--package", "cases"])?;
    names.extend(cases.lines().map(String::from));
    Ok(names)
}

/// The names in what a test binary answers to `--list`.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_suffix(": test"))
}

fn cargo(root: &Path, words: &[&str]) -> Result<String> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let output = cargo.current_dir(root).args(words).output().context("starting cargo")?;
    ensure!(output.status.success(), "cargo {}:\n{}", words.join(" "), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).context("names are text")
}

#[cfg(test)]
mod tests {
    #[test]
    fn tests_are_listed_without_what_else_is_said() {
        let text = "a::one: test\nbench: benchmark\n\n2 tests, 0 benchmarks\n";
        assert_eq!(super::listed(text).collect::<Vec<_>>(), ["a::one"]);
    }
}
