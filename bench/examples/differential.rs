//! Prints how many differential programs are compared in a second: each on the host's kernel, in the oracle's sandbox, and
//! on Orrery. A program of its own, for it becomes the sandbox, whose memory is limited: the C library's allocator asks for
//! no more than is used.

use std::path::Path;
use std::time::Duration;
use std::{env, io};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use programs::Family;
use syscall_tests::known;
use syscall_tests::oracle::hunt::{Oracle, Search};
use syscall_tests::oracle::sandbox;

/// Calls of a program.
const CALLS: usize = 10;
/// Samples for the median.
const SAMPLES: u64 = 9;
/// Programs of a sample when nobody says otherwise.
const PROGRAMS: u64 = 4096;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let [family, programs] = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "--sandbox"] => return sandbox::main().map_err(io::Error::other),
        [_] => [None, None],
        [_, family] => [Some(family), None],
        [_, family, programs] => [Some(family), Some(programs)],
        _ => return Err(io::Error::other("a family, and how many programs of it")),
    };
    let family =
        family.map_or(Ok(Family::File), str::parse).map_err(|_| io::Error::other("there is no such family"))?;
    let programs = programs.map_or(Ok(PROGRAMS), str::parse).map_err(io::Error::other)?;
    measure(&env::current_exe()?, family, programs)
}

/// Prints how many programs of a family are compared in a second, and what one costs of a processor.
fn measure(program: &Path, family: Family, programs: u64) -> io::Result<()> {
    let accepted = known::accepted().map_err(|problem| io::Error::other(problem.to_string()))?;
    let mut oracle = Oracle::new(program, accepted)?;
    let mut rates = Vec::new();
    let mut differed = 0;
    // The first is for pools to fill and caches to warm.
    for sample in 0..=SAMPLES {
        let (seed, time, kinds) = (sample * programs, Duration::MAX, usize::MAX);
        let search = Search { family, calls: CALLS, seed, programs, time, kinds, looks_again: false };
        let outcome = oracle.search(&search)?;
        differed += outcome.differed;
        if sample > 0 {
            rates.push(programs as f64 / outcome.time.as_secs_f64());
        }
    }
    rates.sort_by(f64::total_cmp);
    let best = rates.last().copied().unwrap_or_default();
    let median = rates[rates.len() / 2];
    // It is waited for, and what it waited for counts with it.
    drop(oracle);
    let total = (programs * (SAMPLES + 1)) as f64;
    let spent = |who| -> io::Result<f64> {
        let usage = getrusage(who).map_err(io::Error::from)?;
        Ok((usage.user_time() + usage.system_time()).num_microseconds() as f64 / total)
    };
    let (host, own) = (spent(UsageWho::RUSAGE_CHILDREN)?, spent(UsageWho::RUSAGE_SELF)?);
    println!("{family}: {median:.0} programs of {CALLS} calls a second (median of {SAMPLES}, best {best:.0})");
    println!(
        "  a program takes {host:.0} µs of a processor on the host, {own:.0} µs on Orrery and to make and judge it: {:.0} \
         a second and processor",
        1e6 / (host + own)
    );
    println!("  {differed} of {total} differed, most of them as it is accepted; none was looked at again");
    Ok(())
}
