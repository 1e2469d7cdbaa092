//! Every case as a test per subject: `host::NAME` on the kernel that this machine runs, `scripted::NAME` and
//! `ptrace::NAME` on Orrery.
//!
//! A scripted case runs with the first few seeds, or with `ORRERY_SEEDS` of them, or with `ORRERY_SEED` alone.
//! A machine that refuses ptrace shows its tests as ignored; `ORRERY_REQUIRE_ALL=1` makes that a failure.

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use ostd::hosted::replay;
use syscall_tests::cases::{self, Case};
use syscall_tests::known::{self, Known};
use syscall_tests::sweep::{self, Extent};
use syscall_tests::{elf, host, machine, scripted};

/// The binary that runs a case on the kernel under it.
const PROGRAM: &str = env!("CARGO_BIN_EXE_case");
const SUBJECTS: [&str; 3] = ["host", "scripted", "ptrace"];
const BARE: [&str; 3] = ["metal", "x86_64", "riscv64"];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let known = match known::all() {
        Ok(known) => known,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::FAILURE;
        }
    };
    let missing = elf::missing();
    let mut trials = Vec::new();
    for case in cases::all() {
        for subject in SUBJECTS {
            let excuse = known.iter().find(|known| known.case == case.name && known.subject == subject).cloned();
            let test = move || judge(run(case, subject), excuse.as_ref());
            let missing = missing.as_ref().filter(|_| subject == "ptrace").cloned();
            trials.push(trial(format!("{subject}::{}", case.name), missing, test));
        }
    }
    trials.push(Trial::test("known::every_entry_names_a_case_and_a_subject", move || names_cases(&known)));
    trials.push(Trial::test("sweep::the_kernel_survives_whatever_fails", survives));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test; ignored, or a failure, where the machine lacks something.
fn trial(name: String, missing: Option<String>, test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    match missing {
        None => Trial::test(name, test),
        Some(missing) if std::env::var_os("ORRERY_REQUIRE_ALL").is_some() => {
            Trial::test(name, move || Err(missing.into()))
        }
        Some(missing) => Trial::test(format!("{name} ({missing})"), test).with_ignored_flag(true),
    }
}

/// Runs a case on a subject; the text is what went wrong, and the line that does it again.
fn run(case: &'static Case, subject: &str) -> Result<(), String> {
    let again = |problem: String, before: &str| {
        let name = case.name;
        format!("{problem}\nagain: {before}cargo test -p syscall-tests --test cases -- --exact {subject}::{name}")
    };
    let variables = |seed| replay::variables(seed, &replay::policy().unwrap_or_default());
    let seeded = |seed: u64| move |problem| again(problem, &variables(seed));
    match subject {
        "scripted" => machine::seeds().try_for_each(|seed| scripted::run(case, seed).map(drop).map_err(seeded(seed))),
        "ptrace" => elf::run(case, Path::new(PROGRAM), machine::seed()).map_err(seeded(machine::seed())),
        _ => host::run(case, Path::new(PROGRAM)).map_err(|problem| again(problem, "")),
    }
}

/// What the outcome of a case means.
fn judge(outcome: Result<(), String>, excuse: Option<&Known>) -> Result<(), Failed> {
    match (outcome, excuse) {
        (Ok(()), None) | (Err(_), Some(_)) => Ok(()),
        (Ok(()), Some(_)) => Err("passes: take it off known.toml".into()),
        (Err(problem), None) => Err(problem.into()),
    }
}

/// Each place that can fail fails once; with `ORRERY_SWEEP=N`, in each case that comes there, its first N times. With
/// `ORRERY_SWEEP_CASES` only cases whose names have that in them.
fn survives() -> Result<(), Failed> {
    let wanted = std::env::var("ORRERY_SWEEP_CASES").unwrap_or_default();
    let cases: Vec<_> = cases::all().filter(|case| case.name.contains(&wanted)).collect();
    let hits = std::env::var("ORRERY_SWEEP").ok().map(|hits| hits.parse());
    let extent = hits.transpose()?.map_or(Extent::Places, Extent::Cases);
    let sites = sweep::sites::all()?;
    let report = sweep::sweep(&cases, machine::seed(), extent);
    let summary = report.summary(&sites);
    if matches!(extent, Extent::Cases(_)) {
        println!("{summary}");
        report.missed(&sites).iter().for_each(|(kind, place)| println!("not reached: {} {place}", kind.name()));
    }
    if !report.defects.is_empty() {
        return Err(format!("{}\n\n{summary}", report.defects.join("\n\n")).into());
    }
    match report.unknown(&sites) {
        unknown if unknown.is_empty() => Ok(()),
        unknown => Err(format!("reached, but not found in the source: {unknown:?}").into()),
    }
}

fn names_cases(known: &[Known]) -> Result<(), Failed> {
    // What bare machines do otherwise, `cargo xtask test --on` judges.
    for entry in known.iter().filter(|entry| !BARE.contains(&entry.subject.as_str())) {
        let is_case = cases::all().any(|case| case.name == entry.case);
        if !is_case || !["scripted", "ptrace"].contains(&entry.subject.as_str()) {
            return Err(format!("known.toml: there is no {}::{}", entry.subject, entry.case).into());
        }
    }
    Ok(())
}
