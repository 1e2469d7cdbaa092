//! `cargo xtask test --on ARCH`: every test that a bare machine can run, in one boot of QEMU.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use crate::boot::Arch;
use crate::boot::cpio::Archive;
use crate::boot::devices::Devices;
use crate::boot::qemu::{End, Qemu, Run};

mod ktap;
mod names;
mod verdict;

pub(crate) use ktap::Outcome;
use ktap::Report;
use verdict::{Known, Verdict};

/// How often a machine that died of a test is booted again for the rest.
const BOOTS_MAX: usize = 12;

/// The tests that no hosted machine has, each in a boot of its own that it ends: the word that asks for it, and what the
/// machine then says.
const OVERFLOWS: [(&str, &str, &str); 2] = [
    ("stacks::a_full_kernel_stack_is_told", "overflow", "kernel stack overflow in task deep"),
    ("stacks::a_full_stack_of_a_loop_is_told", "loop-overflow", "kernel stack overflow in the loop of CPU 0"),
];

/// Seconds that all tests may take.
const TIMEOUT_S: u64 = 1200;

/// Bytes of the disk that tests write to.
const DISK_LEN: u64 = 1 << 20;

/// What the command line says.
#[derive(Args)]
pub(crate) struct Test {
    /// Processor
    #[arg(long = "on", value_enum, value_name = "ARCH")]
    arch: Arch,
    /// QEMU's machine: microvm, q35 or pc; virt
    #[arg(long)]
    machine: Option<String>,
    /// Processors
    #[arg(long, default_value_t = 2)]
    cpus: u32,
    /// RAM, as QEMU takes it
    #[arg(long, default_value = "512M")]
    memory: String,
    /// Seconds after which a machine that still runs is stopped
    #[arg(long, default_value_t = TIMEOUT_S)]
    timeout: u64,
    /// Parts of names: only those tests
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

/// Runs the tests; fails if one does, or if a machine of the other kind has others.
pub(crate) fn run(root: &Path, test: &Test) -> Result<ExitCode> {
    if let Some(filter) = test.filters.iter().find(|filter| filter.contains(' ')) {
        bail!("`{filter}`: names have no blanks");
    }
    let qemu = Qemu::find(test.arch, test.machine.as_deref())?;
    let archive = archive(root, test.arch)?;
    let image = crate::baremetal::build_tests(root, test.arch.target())?;
    let is_wanted = |name: &String| test.filters.is_empty() || test.filters.iter().any(|part| name.contains(part));
    let mut hosted = names::hosted(root)?;
    hosted.retain(is_wanted);
    let text = std::fs::read_to_string(root.join("syscall-tests/known.toml"))?;
    let mut known = Known::read(&text, name(test.arch))?;
    if !test.filters.is_empty() {
        known.retain(|known| hosted.iter().any(|name| known.names(name)));
    }
    let devices = Devices::to_test(disk(root, test.arch)?);
    let report = boot_until_done(&qemu, test, &image, &archive, &devices, Quiet::No)?;
    let mut verdict = Verdict::of(&report.outcomes, &hosted, &known);
    for (name, word, told) in OVERFLOWS {
        let name = String::from(name);
        if !is_wanted(&name) {
            continue;
        }
        let end = qemu.run(&machine(&qemu, test, &image, &archive, &devices, word.to_string())?, io::sink(), None)?;
        match died(&end) {
            why if why.starts_with(told) => verdict.passed += 1,
            why => verdict.failed.push((name, why)),
        }
    }
    Ok(told(&verdict, &report.problems))
}

/// What became of each test whose name has one of these parts, without judging it.
pub(crate) fn outcomes(root: &Path, arch: Arch, parts: Vec<String>) -> Result<BTreeMap<String, Outcome>> {
    let test = Test { arch, machine: None, cpus: 2, memory: "512M".into(), timeout: TIMEOUT_S, filters: parts };
    let qemu = Qemu::find(arch, None)?;
    let archive = archive(root, arch)?;
    let image = crate::baremetal::build_tests(root, arch.target())?;
    let devices = Devices::to_test(disk(root, arch)?);
    Ok(boot_until_done(&qemu, &test, &image, &archive, &devices, Quiet::Yes)?.outcomes)
}

/// Whether what a machine says is shown as it says it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quiet {
    Yes,
    No,
}

/// Boots, and boots again for what is left when a test has killed the machine.
fn boot_until_done(
    qemu: &Qemu,
    test: &Test,
    image: &Path,
    archive: &Path,
    devices: &Devices,
    quiet: Quiet,
) -> Result<Report> {
    let mut whole = Report::default();
    let mut after = None;
    for _ in 0..BOOTS_MAX {
        let mut words: Vec<String> = test.filters.iter().map(|part| format!("only={part}")).collect();
        words.extend(after.map(|name| format!("after={name}")));
        let run = machine(qemu, test, image, archive, devices, words.join(" "))?;
        let end = match quiet {
            Quiet::Yes => qemu.run(&run, io::sink(), None)?,
            Quiet::No => qemu.run(&run, io::stdout(), None)?,
        };
        let report = Report::read(&end.output);
        whole.outcomes.extend(report.outcomes);
        whole.problems.extend(report.problems);
        if end.status.is_some() && end.stopped.is_none() {
            return Ok(whole);
        }
        let Some(name) = report.unfinished else { bail!("{}", end.complaint()) };
        whole.outcomes.insert(name.clone(), Outcome::Failed(died(&end)));
        after = Some(name);
    }
    whole.problems.push(format!("given up after {BOOTS_MAX} boots"));
    Ok(whole)
}

fn machine(qemu: &Qemu, test: &Test, image: &Path, archive: &Path, devices: &Devices, words: String) -> Result<Run> {
    Ok(Run {
        image: image.to_path_buf(),
        archive: Some(archive.to_path_buf()),
        words,
        memory: test.memory.clone(),
        cpus: test.cpus,
        devices: devices.words(qemu.machine())?,
        gdb: false,
        timeout: Some(Duration::from_secs(test.timeout)),
    })
}

/// What a machine said when it died of a test.
fn died(end: &End) -> String {
    match end.output.rsplit_once("\norrery: ") {
        Some((_, why)) if end.stopped.is_none() => why.trim().replace('\n', ": "),
        _ => end.complaint(),
    }
}

fn name(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "x86_64",
        Arch::Riscv64 => "riscv64",
    }
}

/// Prints what did not go as it should, and how much did.
fn told(verdict: &Verdict, problems: &[String]) -> ExitCode {
    println!();
    verdict.skipped.iter().for_each(|line| println!("skipped: {line}"));
    verdict.failed.iter().for_each(|(name, why)| println!("failed: {name}\n        {why}"));
    problems.iter().for_each(|problem| println!("the report is broken: {problem}"));
    println!("{}", verdict.summary());
    if verdict.failed.is_empty() && problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// An empty disk.
fn disk(root: &Path, arch: Arch) -> Result<PathBuf> {
    let path = root.join("target/userland").join(arch.target()).join("tests.disk");
    std::fs::File::create(&path)?.set_len(DISK_LEN)?;
    Ok(path)
}

/// The machine's root: the program that runs the cases.
fn archive(root: &Path, arch: Arch) -> Result<PathBuf> {
    let folder = root.join("target/userland").join(arch.target());
    std::fs::create_dir_all(&folder)?;
    let cases = crate::baremetal::build_cases(root, arch.target())?;
    let mut archive = Archive::default();
    archive.file("cases", 0o755, &std::fs::read(cases)?)?;
    let path = folder.join("tests.cpio");
    std::fs::write(&path, archive.finish()?)?;
    Ok(path)
}
