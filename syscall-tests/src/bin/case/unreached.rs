//! Runs every case as a scripted program and prints which rows, errnos and flags none of them reaches.

use std::collections::{BTreeMap, VecDeque};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;

use kernel_abi::Call;
use syscall_tests::cases::{self, Case};
use syscall_tests::rows::Answer;
use syscall_tests::{machine, scripted, unreached};

/// Prints what is left; fails if a case does, or if an exception is none.
pub(super) fn main() -> ExitCode {
    let (answers, failed) = answers();
    let found = unreached::of(&answers);
    let list = |title: &str, rows: &BTreeMap<&str, Vec<String>>| {
        println!("\n{title}");
        rows.iter().for_each(|(row, names)| println!("  {row}: {}", names.join(" ")));
    };
    list("Errnos that Linux's manual names and no case reaches:", &found.errnos);
    list("Flags and values with which no call of a case succeeds (`refused`: there were calls):", &found.flags);
    println!("\nRows that succeed in no case: {}", found.rows.join(" "));
    let count = |what: &str, [all, reached, reasoned]: [usize; 3]| {
        let missing = all - reached - reasoned;
        println!("{what}: {all}, reached {reached}, not for a reason {reasoned}, missing {missing}");
    };
    println!();
    count("errnos of the manual", found.errno_counts);
    count("flags and values of the table", found.flag_counts);
    failed.iter().for_each(|problem| println!("fails: {problem}"));
    found.mistakes.iter().for_each(|problem| println!("{problem}"));
    if failed.is_empty() && found.mistakes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the calls of all cases came to, and which of these failed.
fn answers() -> (BTreeMap<Call, Answer>, Vec<String>) {
    let waiting: Mutex<VecDeque<&'static Case>> = Mutex::new(cases::all().collect());
    let done = Mutex::new((BTreeMap::<Call, Answer>::new(), Vec::new()));
    let work = || {
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        while let Some(case) = next() {
            let result = scripted::run(case, machine::seed());
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            match result {
                Ok(answers) => {
                    answers.rows().into_iter().for_each(|(call, answer)| done.0.entry(call).or_default().add(&answer));
                }
                Err(problem) => done.1.push(format!("{}: {problem}", case.name)),
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}
