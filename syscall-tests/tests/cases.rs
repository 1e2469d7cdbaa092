//! Every case as a test per subject: `host::NAME` on the kernel that this machine runs, `scripted::NAME` and
//! `ptrace::NAME` on Orrery.
//!
//! A machine that refuses ptrace shows its tests as ignored; `ORRERY_REQUIRE_ALL=1` makes that a failure.

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use syscall_tests::cases::{self, Case};
use syscall_tests::known::{self, Known};
use syscall_tests::{elf, host, machine, scripted};

/// The binary that runs a case on the kernel under it.
const PROGRAM: &str = env!("CARGO_BIN_EXE_case");
const SUBJECTS: [&str; 3] = ["host", "scripted", "ptrace"];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let known = match known::all() {
        Ok(known) => known,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::FAILURE;
        }
    };
    let seed = machine::seed();
    let missing = elf::missing();
    let mut trials = Vec::new();
    for case in cases::all() {
        for subject in SUBJECTS {
            let excuse = known.iter().find(|known| known.case == case.name && known.subject == subject).cloned();
            let test = move || judge(run(case, subject, seed), case, subject, seed, excuse.as_ref());
            let missing = missing.as_ref().filter(|_| subject == "ptrace").cloned();
            trials.push(trial(format!("{subject}::{}", case.name), missing, test));
        }
    }
    trials.push(Trial::test("known::every_entry_names_a_case_and_a_subject", move || names_cases(&known)));
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

fn run(case: &'static Case, subject: &str, seed: u64) -> Result<(), String> {
    match subject {
        "scripted" => scripted::run(case, seed).map(drop),
        "ptrace" => elf::run(case, Path::new(PROGRAM), seed),
        _ => host::run(case, Path::new(PROGRAM)),
    }
}

/// What the outcome of a case means, and how to get it again.
fn judge(
    outcome: Result<(), String>,
    case: &Case,
    subject: &str,
    seed: u64,
    excuse: Option<&Known>,
) -> Result<(), Failed> {
    match (outcome, excuse) {
        (Ok(()), None) | (Err(_), Some(_)) => Ok(()),
        (Ok(()), Some(_)) => Err("passes: take it off known.toml".into()),
        (Err(problem), None) => {
            let seed = if subject == "host" { String::new() } else { format!("ORRERY_SEED={seed} ") };
            let name = case.name;
            Err(format!(
                "{problem}\nagain: {seed}cargo test -p syscall-tests --test cases -- --exact {subject}::{name}"
            )
            .into())
        }
    }
}

fn names_cases(known: &[Known]) -> Result<(), Failed> {
    for entry in known {
        let is_case = cases::all().any(|case| case.name == entry.case);
        if !is_case || !["scripted", "ptrace"].contains(&entry.subject.as_str()) {
            return Err(format!("known.toml: there is no {}::{}", entry.subject, entry.case).into());
        }
    }
    Ok(())
}
