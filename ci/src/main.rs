//! `cargo xtask`: the errands that cargo alone does not run. Nothing here depends on the crates it looks at.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod asan;
mod baremetal;
mod boot;
mod cases;
mod check;
mod coverage;
mod diff;
mod figures;
mod matrix;
mod metal;
mod runs;
mod source;
mod sweep;
mod syscalls;
mod tree;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Errands around Orrery")]
struct Command {
    #[command(subcommand)]
    errand: Errand,
}

#[derive(Subcommand)]
enum Errand {
    /// Refuse what ARCHITECTURE.md says this tree does not have
    CheckArchitecture,
    /// Run a cargo command on the kernel and the cases for the bare-metal targets, with whatever core library this machine has
    Baremetal {
        /// check, clippy or build
        #[arg(default_value = "check")]
        command: String,
        /// One target instead of both
        #[arg(long)]
        target: Option<String>,
    },
    /// Build the cases as a static program for Linux, without a C library, and print where it is; or run it
    Cases(cases::Cases),
    /// Print which rows, errnos and flags no case reaches, and which lines of the kernel no hosted test runs
    Coverage(coverage::Coverage),
    /// Run every case on every subject, and write what came of it as a page: target/matrix.html
    Matrix(matrix::Matrix),
    /// Boot the kernel in QEMU and run a program in it
    Boot(boot::Boot),
    /// Run every test that a bare machine can run, in QEMU, and compare with the hosted ones
    Test(metal::Test),
    /// Run generated programs on this machine's Linux and on Orrery, and tell where they part
    Diff(diff::Diff),
    /// Run real programs on a booted machine, and boot machines on bad input
    Runs(runs::Runs),
    /// Print lines and unsafe lines per crate, the trusted base, and the rows of the system-call table
    Figures {
        /// A ranking of system calls (tab-separated, the name in one column): say which of its first 130 have rows
        #[arg(long)]
        ranking: Option<PathBuf>,
        /// About the images instead: sizes, what is trusted, and times in QEMU beside those of Debian's Linux
        #[arg(long, conflicts_with = "ranking")]
        metal: bool,
        /// How long a changed function in the kernel takes to a test's verdict; it is put back afterwards
        #[arg(long, conflicts_with_all = ["ranking", "metal"])]
        edit: bool,
        /// One processor instead of both
        #[arg(long, value_enum, requires = "metal")]
        arch: Option<boot::Arch>,
        /// How often each kernel is booted; 0 does without QEMU
        #[arg(long, default_value_t = 5, requires = "metal")]
        boots: usize,
    },
    /// Run the hosted tests under the address sanitizer
    Asan(asan::Asan),
    /// Run the cases with each allocation, user copy and sleep that they come to failing once: the kernel must survive
    Sweep(sweep::Sweep),
    /// Write kernel/abi/SYSCALLS.md from the table
    Syscalls,
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let tree = tree::Tree::of_this_workspace()?;
    match Command::parse().errand {
        Errand::CheckArchitecture => return Ok(check::report(&tree)),
        Errand::Baremetal { command, target } => baremetal::run(&tree.root, &command, target.as_deref())?,
        Errand::Cases(cases) => return cases::run(&tree.root, &cases),
        Errand::Coverage(coverage) => return coverage::run(&tree, &coverage),
        Errand::Matrix(matrix) => return matrix::run(&tree.root, &matrix),
        Errand::Boot(boot) => return boot::run(&tree.root, &boot),
        Errand::Test(test) => return metal::run(&tree.root, &test),
        Errand::Figures { metal: true, arch, boots, .. } => figures::print_metal(&tree, arch, boots)?,
        Errand::Figures { edit: true, .. } => figures::edit::print(&tree.root)?,
        Errand::Figures { ranking, .. } => figures::print(&tree, ranking.as_deref())?,
        Errand::Diff(diff) => return diff::run(&tree.root, &diff),
        Errand::Runs(list) => return runs::run(&tree.root, &list),
        Errand::Asan(asan) => return asan::run(&tree.root, &asan),
        Errand::Sweep(sweep) => return sweep::run(&tree.root, &sweep),
        Errand::Syscalls => syscalls::write(&tree.root)?,
    }
    Ok(ExitCode::SUCCESS)
}
