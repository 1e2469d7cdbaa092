//! `cargo xtask cases`: the cases as a static program, and what Linux says of them.
//!
//! A case passes on Linux before it is held against Orrery. Where this machine has the processor, Linux is its own;
//! for another processor it is Debian's kernel in QEMU, with busybox around it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::boot::Arch;
use crate::boot::packages::Apt;
use crate::boot::qemu::{Qemu, Run};
use crate::boot::root::Root;

/// What Linux starts: the words behind `--` on its command line are the cases' filters.
const INIT: &str = "#!/bin/sh
mkdir -p /proc /dev /tmp
mount -t proc proc /proc
mount -t devtmpfs devices /dev
mount -t tmpfs files /tmp
uname -srvm
/cases \"$@\"
echo \"cases: status $?\"
poweroff -f
";
/// How the line begins that tells the program's status.
const STATUS: &str = "cases: status ";

/// What the command line says.
#[derive(Args)]
pub(crate) struct Cases {
    /// Processor
    #[arg(long, value_enum, default_value = "x86_64")]
    arch: Arch,
    /// Run them on Linux: this machine's, or Debian's in QEMU for another processor
    #[arg(long)]
    run: bool,
    /// Seconds after which QEMU is stopped
    #[arg(long, default_value_t = 600, requires = "run")]
    timeout: u64,
    /// Parts of names: only those cases
    #[arg(value_name = "FILTER", requires = "run")]
    filters: Vec<String>,
}

/// Builds the program and prints where it is, or runs it; the exit code is the program's.
pub(crate) fn run(root: &Path, cases: &Cases) -> Result<ExitCode> {
    let program = crate::baremetal::build_cases(root, cases.arch.target())?;
    if !cases.run {
        println!("{}", program.display());
        return Ok(ExitCode::SUCCESS);
    }
    if cases.arch.is_this_machines() {
        let status = Command::new(&program).args(&cases.filters).status().context("starting the cases")?;
        return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    // Of the machines for a processor, the one that Linux needs no special kernel for.
    let qemu = Qemu::find(cases.arch, (cases.arch == Arch::X86_64).then_some("q35"))?;
    let mut files = Root::with_busybox(root, cases.arch)?;
    files.add(&program, "cases")?;
    files.file("init", 0o755, INIT.as_bytes())?;
    let run = Run {
        image: linux(root, cases.arch)?,
        archive: Some(files.write("linux-cases.cpio")?),
        words: format!("console=ttyS0 quiet -- {}", cases.filters.join(" ")),
        memory: String::from("1G"),
        cpus: 2,
        devices: Vec::new(),
        gdb: false,
        timeout: Some(Duration::from_secs(cases.timeout)),
    };
    let end = qemu.run(&run, io::stdout(), None)?;
    match end.output.lines().find_map(|line| line.trim_end().strip_prefix(STATUS)) {
        Some("0") => Ok(ExitCode::SUCCESS),
        Some(_) => Ok(ExitCode::FAILURE),
        None => bail!("{}", end.complaint()),
    }
}

/// Debian's kernel for a processor, fetched once.
fn linux(root: &Path, arch: Arch) -> Result<PathBuf> {
    let folder = root.join("target/userland").join(arch.target());
    let kept = folder.join("linux");
    if !kept.exists() {
        let package = Apt::new(arch, folder.join("apt")).linux(&kept)?;
        std::fs::write(folder.join("linux.package"), package)?;
    }
    Ok(kept)
}
