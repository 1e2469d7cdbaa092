//! Which rows of the table work, as cases show it: each is called with success by a case that passes on every subject.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use kernel_abi::Call;
use syscall_tests::cases::{self, Case};
use syscall_tests::rows::Answer;
use syscall_tests::{elf, host, machine, scripted};

/// How far down a ranking is looked.
const RANKS: usize = 130;

/// Runs everything and prints the tables. A ranking has a rank and a name on each line, tab-separated.
pub(super) fn main(ranking: Option<&Path>) -> ExitCode {
    let ranking = match ranking.map(std::fs::read_to_string).transpose() {
        Ok(ranking) => ranking,
        Err(problem) => {
            eprintln!("case: the ranking: {problem}");
            return ExitCode::from(2);
        }
    };
    let mut rows: BTreeMap<Call, Answer> = BTreeMap::new();
    let (mut passed, mut failed) = (0, Vec::new());
    let missing = elf::missing();
    for case in cases::all() {
        match run(case, missing.is_none()) {
            Ok(answers) => {
                passed += 1;
                answers.into_iter().for_each(|(call, answer)| rows.entry(call).or_default().add(&answer));
            }
            Err(problem) => failed.push(format!("{}: {problem}", case.name)),
        }
    }
    println!(
        "{passed} cases pass on the host and on Orrery{}.",
        missing.map_or(String::new(), |why| format!(" ({why})"))
    );
    failed.iter().for_each(|problem| println!("fails: {problem}"));
    let (works, refuses): (Vec<_>, Vec<_>) = rows.iter().partition(|(_, answer)| answer.successes > 0);
    let names =
        |rows: &[(&Call, &Answer)]| -> BTreeSet<&str> { rows.iter().map(|(call, _)| call.row().name).collect() };
    let (works, refuses) = (names(&works), names(&refuses));
    let list = |names: &[&str]| names.join(" ");
    println!(
        "\n{} rows do what they should in a case: {}",
        works.len(),
        list(&works.iter().copied().collect::<Vec<_>>())
    );
    println!("\n{} rows only refuse: {}", refuses.len(), list(&refuses.into_iter().collect::<Vec<_>>()));
    if let Some(text) = ranking {
        let ranked = text.lines().filter_map(ranked_name).take(RANKS);
        let (have, lack): (Vec<&str>, Vec<&str>) = ranked.partition(|name| works.contains(name));
        println!("\nOf the first {RANKS} of the ranking, {} are among them; not: {}", have.len(), list(&lack));
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a case's calls came to, if it passes everywhere.
fn run(case: &'static Case, has_ptrace: bool) -> Result<BTreeMap<Call, Answer>, String> {
    let program = std::env::current_exe().map_err(|problem| problem.to_string())?;
    host::run(case, &program).map_err(|problem| format!("on the host: {problem}"))?;
    let answers = scripted::run(case, machine::seed()).map_err(|problem| format!("scripted: {problem}"))?;
    if has_ptrace {
        elf::run(case, &program, machine::seed()).map_err(|problem| format!("ptrace: {problem}"))?;
    }
    Ok(answers.rows())
}

/// The name on a line of a ranking; none on its heading.
fn ranked_name(line: &str) -> Option<&str> {
    let mut columns = line.split('\t');
    columns.next()?.trim().parse::<usize>().ok().and_then(|_| columns.next())
}
