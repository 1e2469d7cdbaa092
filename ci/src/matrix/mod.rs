//! `cargo xtask matrix`: every case on every subject, run for real; printed, and written as one page.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::boot::Arch;
use crate::metal;

mod cell;
mod page;

use cell::{Cell, Reasons};

/// What runs cases, in the order of columns; the last two are images in QEMU.
const SUBJECTS: [&str; 5] = ["host", "scripted", "ptrace", "x86_64", "riscv64"];
/// How many of them are tests of this machine.
const HOSTED: usize = 3;
/// Where the page goes.
const PAGE: &str = "target/matrix.html";

/// What the command line says.
#[derive(Args)]
pub(crate) struct Matrix {
    /// Only these subjects: host, scripted, ptrace, x86_64, riscv64
    #[arg(long = "on", value_name = "SUBJECT", value_parser = SUBJECTS)]
    subjects: Vec<String>,
    /// Parts of names: only those cases
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

/// A case, and what became of it on each subject.
struct Row {
    case: String,
    cells: Vec<Cell>,
}

/// A subject, and why it did not run, if so.
struct Subject {
    name: &'static str,
    absent: Option<String>,
}

/// Runs them, prints and writes; fails if a case does, and is not known to.
pub(crate) fn run(root: &Path, matrix: &Matrix) -> Result<ExitCode> {
    let is_wanted = |name: &str| matrix.subjects.is_empty() || matrix.subjects.iter().any(|wanted| wanted == name);
    let reasons = Reasons::read(&fs::read_to_string(root.join("syscall-tests/known.toml"))?)?;
    let mut cases: Vec<String> =
        cargo(root, &["run", "--quiet", "--package", "cases"])?.0.lines().map(String::from).collect();
    cases.retain(|case| matrix.filters.is_empty() || matrix.filters.iter().any(|part| case.contains(part)));
    let hosted = if SUBJECTS[..HOSTED].iter().any(|name| is_wanted(name)) { hosted(root)? } else { BTreeMap::new() };
    let mut subjects = Vec::new();
    let mut columns: Vec<BTreeMap<String, Cell>> = Vec::new();
    for name in SUBJECTS.into_iter().filter(|name| is_wanted(name)) {
        eprintln!("{name}: {} cases", cases.len());
        let (cells, absent) = match name {
            "x86_64" => metal(root, Arch::X86_64, &cases),
            "riscv64" => metal(root, Arch::Riscv64, &cases),
            _ => (hosted.get(name).cloned().unwrap_or_default(), None),
        };
        subjects.push(Subject { name, absent });
        columns.push(cells);
    }
    let row = |case: String| {
        let cell = |(subject, cells): (&Subject, &BTreeMap<String, Cell>)| match cells.get(&case) {
            _ if subject.absent.is_some() => Cell::Absent,
            found => reasons.judge(&case, subject.name, found.cloned()),
        };
        Row { cells: subjects.iter().zip(&columns).map(cell).collect(), case }
    };
    let rows: Vec<Row> = cases.into_iter().map(row).collect();
    print(&subjects, &rows);
    fs::write(root.join(PAGE), page::page(&subjects, &rows, &commit(root)))?;
    println!("\n{}", root.join(PAGE).display());
    let failed = rows.iter().flat_map(|row| &row.cells).any(|cell| matches!(cell, Cell::Failed(_)));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What the test binary of the cases says of each subject.
fn hosted(root: &Path) -> Result<BTreeMap<String, BTreeMap<String, Cell>>> {
    let words = ["test", "--quiet", "--package", "syscall-tests", "--test", "cases", "--", "--format", "pretty"];
    let (said, succeeded) = cargo(root, &words)?;
    let found = cell::of_tests(&said);
    ensure!(succeeded || !found.is_empty(), "the cases do not run:\n{said}");
    Ok(found)
}

/// What an image says in QEMU; or why it cannot be asked here.
fn metal(root: &Path, arch: Arch, cases: &[String]) -> (BTreeMap<String, Cell>, Option<String>) {
    let family = |case: &String| case.split_once("::").map(|(family, _)| format!("{family}::"));
    let families: BTreeSet<String> = cases.iter().filter_map(family).collect();
    match metal::outcomes(root, arch, families.into_iter().collect()) {
        Ok(outcomes) => (outcomes.into_iter().map(|(name, outcome)| (name, outcome.into())).collect(), None),
        Err(problem) => (BTreeMap::new(), Some(format!("{problem:#}"))),
    }
}

/// What a cargo command printed, and whether it succeeded. A build that fails is an error.
fn cargo(root: &Path, words: &[&str]) -> Result<(String, bool)> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let output = cargo.current_dir(root).args(words).output().context("starting cargo")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() || !said.is_empty(), "cargo {}:\n{complaint}", words.join(" "));
    Ok((said, output.status.success()))
}

/// The commit that was looked at, if git says.
fn commit(root: &Path) -> String {
    let output = Command::new("git").current_dir(root).args(["log", "-1", "--format=%h, %cs"]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string()).unwrap_or_default()
}

/// Prints what did not simply pass, and the sums.
fn print(subjects: &[Subject], rows: &[Row]) {
    for row in rows {
        for (subject, cell) in subjects.iter().zip(&row.cells) {
            if let Some((word, why)) = cell.remark() {
                println!("{word:<8}{:<9} {}: {}", subject.name, row.case, why.lines().next().unwrap_or_default());
            }
        }
    }
    println!("\n{:<10}{:>8}{:>8}{:>8}{:>8}", "subject", "passed", "known", "not run", "failed");
    for (at, subject) in subjects.iter().enumerate() {
        if let Some(why) = &subject.absent {
            println!("{:<10}  does not run here: {}", subject.name, why.lines().next().unwrap_or_default());
            continue;
        }
        let count = |word: &str| rows.iter().filter(|row| row.cells[at].word() == word).count();
        let [passed, known, skipped, failed] = ["passed", "known", "not run", "failed"].map(count);
        println!("{:<10}{passed:>8}{known:>8}{skipped:>8}{failed:>8}", subject.name);
    }
}
