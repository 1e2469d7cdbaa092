//! A few generated programs of each family on this machine's Linux and on Orrery; programs that share a process, held
//! against the same in processes of their own; and every accepted difference: it has to be there still.
//!
//! A machine that makes no sandbox shows its tests as ignored; `ORRERY_REQUIRE_ALL=1` makes that a failure.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use programs::{Family, Program};
use syscall_tests::known::{self, Accepted};
use syscall_tests::oracle::hunt::{Oracle, Search};
use syscall_tests::oracle::judge::Verdict;
use syscall_tests::oracle::story::{replay, story, unhex};

/// The binary that becomes a sandbox.
const PROGRAM: &str = env!("CARGO_BIN_EXE_diff");
/// Families, and how many programs of each.
const FAMILIES: &[(Family, u64)] = &[
    (Family::File, 192),
    (Family::Path, 192),
    (Family::Process, 96),
    (Family::Memory, 96),
    (Family::Poll, 64),
    (Family::Time, 64),
    (Family::Signal, 64),
];
/// Families whose programs share a process, and how many of each are held against those in processes of their own.
const TAME: &[(Family, u64)] = &[(Family::File, 256), (Family::Path, 256)];
/// Calls of a program.
const CALLS: usize = 12;
/// How often the example of an accepted difference is tried: what differs by how much of a processor's time a process is
/// known to have used does so at most times.
const TRIES: usize = 5;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let accepted = match known::accepted() {
        Ok(accepted) => accepted,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::FAILURE;
        }
    };
    let missing = missing();
    let mut trials = Vec::new();
    for &(family, count) in FAMILIES {
        let accepted = accepted.clone();
        trials.push(trial(format!("differs::{family}"), missing.as_ref(), move || search(family, count, accepted)));
    }
    for &(family, count) in TAME {
        trials.push(trial(format!("shares::{family}"), missing.as_ref(), move || leaks(family, count)));
    }
    trials.push(trial("known::every_accepted_difference_is_there".into(), missing.as_ref(), move || shown(&accepted)));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Why there is no sandbox here.
fn missing() -> Option<String> {
    let mut oracle = Oracle::new(Path::new(PROGRAM), Vec::new()).ok()?;
    let nothing = Program { family: Family::File, steps: Vec::new() };
    oracle.alone(&nothing).err().map(|problem| problem.to_string())
}

/// A test; ignored, or a failure, where the machine lacks something.
fn trial(name: String, missing: Option<&String>, test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    match missing.cloned() {
        None => Trial::test(name, test),
        Some(missing) if std::env::var_os("ORRERY_REQUIRE_ALL").is_some() => {
            Trial::test(name, move || Err(missing.into()))
        }
        Some(missing) => Trial::test(format!("{name} ({missing})"), test).with_ignored_flag(true),
    }
}

fn search(family: Family, programs: u64, accepted: Vec<Accepted>) -> Result<(), Failed> {
    let search = Search { family, calls: CALLS, seed: 0, programs, time: Duration::MAX, kinds: 1, looks_again: true };
    let outcome = Oracle::new(Path::new(PROGRAM), accepted)?.search(&search)?;
    match outcome.found.values().next() {
        None => Ok(()),
        Some(found) => Err(story(&found.program, &found.difference, &replay(&found.program)).into()),
    }
}

/// Whoever ran a tame program is as it was, on either kernel.
fn leaks(family: Family, programs: u64) -> Result<(), Failed> {
    let (time, kinds) = (Duration::MAX, usize::MAX);
    let search = Search { family, calls: CALLS, seed: 0, programs, time, kinds, looks_again: false };
    let found = Oracle::new(Path::new(PROGRAM), Vec::new())?.leaks(&search)?;
    match found.first() {
        None => Ok(()),
        Some((program, difference)) => Err(story(program, difference, &replay(program)).into()),
    }
}

/// An entry that its example does not show any more is a lie.
fn shown(accepted: &[Accepted]) -> Result<(), Failed> {
    let mut oracle = Oracle::new(Path::new(PROGRAM), accepted.to_vec())?;
    let mut gone = Vec::new();
    for entry in accepted {
        let Accepted { row, reason, .. } = entry;
        let bytes = unhex(&entry.example).ok_or_else(|| format!("{row}, {reason}: no example: {}", entry.example))?;
        let program = Program::decode(&bytes);
        let is_it =
            |verdict: &Verdict| matches!(verdict, Verdict::Differs(difference) if entry.is(&program, difference));
        let mut verdict = oracle.alone(&program)?;
        for _ in 1..TRIES {
            if !is_it(&verdict) {
                verdict = oracle.alone(&program)?;
            }
        }
        if !is_it(&verdict) {
            gone.push(format!("{row}, {reason}: {verdict:?}\n{program}"));
        }
    }
    if gone.is_empty() { Ok(()) } else { Err(format!("not there any more:\n{}", gone.join("\n")).into()) }
}
