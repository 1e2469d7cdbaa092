//! `cargo xtask diff`: generated programs on this machine's Linux and on Orrery, and where they part.
//!
//! The binary `diff` of syscall-tests does it; this builds and starts it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;

/// What the command line says. A difference that is as it should be is an entry of syscall-tests/known.toml.
#[derive(Args)]
pub(crate) struct Diff {
    /// Calls of a program
    #[arg(long)]
    calls: Option<usize>,
    /// Seed of the first program; each has one more than the last
    #[arg(long)]
    seed: Option<u64>,
    /// file, path, process, signal, memory, time or poll; or all, which mixes them. Every one of them without
    #[arg(long)]
    family: Option<String>,
    /// How many programs of a family
    #[arg(long)]
    programs: Option<u64>,
    /// How long for a family
    #[arg(long, conflicts_with = "programs")]
    seconds: Option<u64>,
    /// Kinds of differences after which it stops
    #[arg(long)]
    kinds: Option<u64>,
    /// One program instead: hexadecimal digits, or a file of them
    #[arg(long)]
    replay: Option<PathBuf>,
    /// Instead, programs in processes of their own and tame ones in one: what others leave makes no difference
    #[arg(long, conflicts_with = "replay")]
    leaks: bool,
    /// With the release profile
    #[arg(long)]
    release: bool,
}

/// Builds the binary and runs it; the exit code is its own.
pub(crate) fn run(root: &Path, diff: &Diff) -> Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(root).args(["build", "--quiet", "--package", "syscall-tests", "--bin", "diff"]);
    if diff.release {
        build.arg("--release");
    }
    if !build.status().context("starting cargo")?.success() {
        bail!("the oracle does not build");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let program = target.join(if diff.release { "release" } else { "debug" }).join("diff");
    let mut command = Command::new(&program);
    let mut option = |name: &str, value: Option<String>| {
        value.into_iter().for_each(|value| {
            command.args([name, &value]);
        });
    };
    option("--calls", diff.calls.map(|number| number.to_string()));
    option("--seed", diff.seed.map(|number| number.to_string()));
    option("--family", diff.family.clone());
    option("--programs", diff.programs.map(|number| number.to_string()));
    option("--seconds", diff.seconds.map(|number| number.to_string()));
    option("--kinds", diff.kinds.map(|number| number.to_string()));
    option("--replay", diff.replay.as_ref().map(|replay| replay.to_string_lossy().into_owned()));
    if diff.leaks {
        command.arg("--leaks");
    }
    let status = command.status().with_context(|| format!("starting {}", program.display()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
