//! `cargo xtask diff`: generated programs on the host's kernel and on Orrery.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use programs::{Family, Program};
use syscall_tests::known;
use syscall_tests::oracle::hunt::{Found, Oracle, Outcome, Search};
use syscall_tests::oracle::judge::Verdict;
use syscall_tests::oracle::{sandbox, story};

/// Calls of a program when nobody says otherwise.
const CALLS: usize = 12;
/// Programs of a search when nobody says how long.
const PROGRAMS: u64 = 2000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = if arguments == ["--sandbox"] { sandbox::main().map(|()| true) } else { differ(&arguments) };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("diff: {problem}");
            ExitCode::from(2)
        }
    }
}

/// Whether there was no difference.
fn differ(arguments: &[String]) -> Result<bool, String> {
    let (mut families, mut replayed) = (Family::ALL.to_vec(), None);
    let (family, time) = (Family::All, Duration::MAX);
    let mut search = Search { family, calls: CALLS, seed: 0, programs: 0, time, kinds: 1, looks_again: true };
    let mut looks_for_leaks = false;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        let number = |text: &String| text.parse::<u64>().map_err(|_| format!("not a number: {text}"));
        match word.as_str() {
            "--calls" => search.calls = number(value()?)? as usize,
            "--seed" => search.seed = number(value()?)?,
            "--programs" => search.programs = number(value()?)?,
            "--seconds" => search.time = Duration::from_secs(number(value()?)?),
            "--kinds" => search.kinds = number(value()?)? as usize,
            "--family" => {
                let name = value()?;
                families = vec![name.parse().map_err(|_| format!("there is no family {name}"))?];
            }
            "--leaks" => looks_for_leaks = true,
            "--replay" => replayed = Some(value()?.clone()),
            _ => return Err(format!("what is {word}?")),
        }
    }
    if search.programs == 0 {
        search.programs = if search.time == Duration::MAX { PROGRAMS } else { u64::MAX };
    }
    let this = std::env::current_exe().map_err(|problem| problem.to_string())?;
    let accepted = known::accepted().map_err(|problem| problem.to_string())?;
    let mut oracle = Oracle::new(&this, accepted).map_err(|problem| problem.to_string())?;
    if let Some(text) = replayed {
        return replay(&mut oracle, &text);
    }
    let mut is_same = true;
    for family in families {
        search.family = family;
        if looks_for_leaks {
            is_same &= leaks(&mut oracle, &search)?;
            continue;
        }
        let outcome = oracle.search(&search).map_err(|problem| problem.to_string())?;
        is_same &= outcome.found.is_empty();
        tell(&oracle, &search, &outcome);
    }
    Ok(is_same)
}

/// Runs programs in a process each and in one for many, and tells what differs.
fn leaks(oracle: &mut Oracle, search: &Search) -> Result<bool, String> {
    let begun = Instant::now();
    let found = oracle.leaks(search).map_err(|problem| problem.to_string())?;
    for (program, difference) in &found {
        println!("{}", story::story(program, difference, &story::replay(program)));
    }
    let (family, programs, seconds) = (search.family, search.programs, begun.elapsed().as_secs_f64());
    println!("{family}: {programs} programs in {seconds:.0} s; {} differ by what others left", found.len());
    Ok(found.is_empty())
}

/// Runs one program, given as hexadecimal digits or as a file of them.
fn replay(oracle: &mut Oracle, text: &str) -> Result<bool, String> {
    let digits = std::fs::read_to_string(text).unwrap_or_else(|_| text.to_string());
    let bytes = story::unhex(&digits).ok_or_else(|| format!("neither digits nor a file of them: {text}"))?;
    let program = Program::decode(&bytes);
    match oracle.alone(&program).map_err(|problem| problem.to_string())? {
        Verdict::Same => {
            println!("{program}\nthe same on both");
            Ok(true)
        }
        Verdict::Unjudged(why) => Err(why),
        Verdict::Differs(difference) => {
            println!("{}", story::story(&program, &difference, &story::replay(&program)));
            match oracle.acceptance(&program, &difference) {
                Some(index) => println!("accepted: {}", oracle.accepted()[index].reason),
                None => return Ok(false),
            }
            Ok(true)
        }
    }
}

fn tell(oracle: &Oracle, search: &Search, outcome: &Outcome) {
    let family = search.family;
    for found in outcome.found.values() {
        println!("---- {} (seed {}, {} programs)\n", family, found.seed, found.count);
        println!("{}", story::story(&found.program, &found.difference, &story::replay(&found.program)));
    }
    for after in outcome.fleeting.values().filter_map(|fleeting| fleeting.after.as_ref()) {
        let (calls, Found { seed, count, .. }) = (search.calls, after);
        println!("---- {family} (seed {}), only after the programs before it\n", seed + count - 1);
        let again = format!("cargo xtask diff --family {family} --calls {calls} --seed {seed} --programs {count}");
        println!("{}", story::story(&after.program, &after.difference, &again));
    }
    let per_second = outcome.programs as f64 / outcome.time.as_secs_f64();
    println!(
        "{family}: {} programs, {per_second:.0} a second; {} kinds of differences, {} accepted",
        outcome.programs,
        outcome.found.len(),
        outcome.accepted.len()
    );
    for (kind, fleeting) in &outcome.fleeting {
        println!("  {} not seen again alone (seed {}): {kind}", fleeting.count, fleeting.seed);
    }
    if outcome.differed > 0 {
        println!("  {} differed when the time was over, and were not looked at again", outcome.differed);
    }
    for (why, count) in &outcome.unjudged {
        println!("  {count} not judged: {}", why.lines().next().unwrap_or_default());
    }
    for (index, count) in &outcome.accepted {
        println!("  {count} accepted: {}: {}", oracle.accepted()[*index].row, oracle.accepted()[*index].reason);
    }
}
