//! `cargo xtask runs`: real programs on a booted machine, and what a machine says to bad input.
//!
//! Rows that need the same machine share a boot. A row is a script, its output and its status; `--on linux` holds the
//! same rows against this machine's own kernel, so that what is expected of Orrery is what Linux does.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::boot::Arch;
use crate::boot::qemu::Qemu;

mod bad;
mod batch;
mod elf;
mod init;
mod rows;
mod shells;

/// What runs the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum On {
    /// An image in QEMU
    #[value(name = "x86_64")]
    X86_64,
    /// An image in QEMU
    #[value(name = "riscv64")]
    Riscv64,
    /// This machine's kernel, for the rows that any Linux can run
    Linux,
}

/// What the command line says.
#[derive(Args)]
pub(crate) struct Runs {
    /// Where
    #[arg(long, value_enum)]
    on: On,
    /// QEMU's machine: microvm, q35 or pc; virt
    #[arg(long)]
    machine: Option<String>,
    /// Processors
    #[arg(long, default_value_t = 1)]
    cpus: u32,
    /// Optimise the image
    #[arg(long)]
    release: bool,
    /// Seconds that one boot may take
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// Only rows whose name has this in it
    filter: Option<String>,
}

/// A program of the list.
pub(crate) struct Row {
    name: &'static str,
    /// For the machine's shell.
    script: &'static str,
    /// Both streams together.
    output: &'static str,
    status: u8,
}

/// What came of a row: `Err` says why not.
type Outcome = Result<(), String>;

/// What came of the rows so far.
struct Tally {
    outcomes: BTreeMap<bool, usize>,
    failures: Vec<(String, String)>,
    filter: String,
    began: Instant,
}

impl Tally {
    fn wants(&self, name: &str) -> bool {
        name.contains(&self.filter)
    }

    fn tell(&mut self, name: &str, outcome: Outcome) {
        println!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
        *self.outcomes.entry(outcome.is_ok()).or_default() += 1;
        self.failures.extend(outcome.err().map(|why| (name.to_string(), why)));
    }

    /// The summary, as cargo's tests have it.
    fn finish(&self) -> ExitCode {
        for (name, why) in &self.failures {
            println!("\n---- {name}\n{why}");
        }
        let count = |ok| self.outcomes.get(&ok).copied().unwrap_or(0);
        if self.outcomes.is_empty() {
            println!("no row has {:?} in its name", self.filter);
        }
        let verdict = if self.failures.is_empty() && count(true) > 0 { "ok" } else { "FAILED" };
        let took = self.began.elapsed().as_secs();
        println!("\ntest result: {verdict}. {} passed; {} failed; took {took} s", count(true), count(false));
        if verdict == "ok" { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Runs the list.
pub(crate) fn run(root: &Path, runs: &Runs) -> Result<ExitCode> {
    let filter = runs.filter.clone().unwrap_or_default();
    let mut tally = Tally { outcomes: BTreeMap::new(), failures: Vec::new(), filter, began: Instant::now() };
    let arch = match runs.on {
        On::X86_64 => Arch::X86_64,
        On::Riscv64 => Arch::Riscv64,
        On::Linux => {
            batch::on_linux(root, &mut tally)?;
            return Ok(tally.finish());
        }
    };
    let qemu = Qemu::find(arch, runs.machine.as_deref())?;
    let image = crate::boot::image(root, arch, runs.release)?;
    let place = Place { root, arch, qemu, image: &image, cpus: runs.cpus, timeout: Duration::from_secs(runs.timeout) };
    for batch in rows::BATCHES {
        batch::run(&place, batch, &mut tally)?;
    }
    init::run(&place, &mut tally)?;
    // What a machine refuses, it refuses before it has a second processor.
    if runs.cpus == 1 {
        bad::run(&place, &mut tally)?;
    }
    Ok(tally.finish())
}

/// What every boot of a run has in common.
struct Place<'a> {
    root: &'a Path,
    arch: Arch,
    qemu: Qemu,
    image: &'a Path,
    cpus: u32,
    timeout: Duration,
}
