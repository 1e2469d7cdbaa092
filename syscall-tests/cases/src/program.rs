//! The program that runs cases on the kernel under it, whatever it is linked with.
//!
//! - `[--after NAME] [FILTER…]`: those whose names contain a filter, each in a process of its own, with KTAP about them;
//!   only what comes behind NAME.
//! - `--list`: names them.
//! - `--case NAME`: one of them, in this process; what went wrong is on standard error.
//! - What [`executed`] knows: the program that cases execute.

use alloc::format;
use alloc::vec::Vec;

use kernel_abi::flags::{CloseRangeFlags, SigHow};
use kernel_abi::structs::Sigaction;
use kernel_abi::{Calls as _, Fd, Mode, SigSet, Signal, Sys};

use crate::ktap::Report;
use crate::place::write;
use crate::{Case, Outcome, all, executed, worker};

/// A wrong command line.
const STATUS_WRONG: i32 = 2;

/// Does what the words say; the answer is the exit status.
pub fn main(sys: &dyn Sys, words: &[&str]) -> i32 {
    match words {
        ["--list"] => {
            all().for_each(|case| write(sys, Fd(1), format!("{}\n", case.name).as_bytes()));
            0
        }
        ["--case", name] => one(sys, name),
        ["--after", name, filters @ ..] => many(sys, all().skip_while(|case| case.name != *name).skip(1), filters),
        _ => executed(sys, words).unwrap_or_else(|| many(sys, all(), words)),
    }
}

fn one(sys: &dyn Sys, name: &str) -> i32 {
    let Some(case) = all().find(|case| case.name == name) else {
        write(sys, Fd(2), format!("there is no case {name}\n").as_bytes());
        return STATUS_WRONG;
    };
    match prepare(sys).and_then(|()| (case.run)(sys)) {
        Ok(()) => 0,
        Err(failure) => {
            write(sys, Fd(2), format!("{:?} at {}\n", failure.errno, failure.at).as_bytes());
            1
        }
    }
}

fn many(sys: &dyn Sys, cases: impl Iterator<Item = &'static Case>, filters: &[&str]) -> i32 {
    if let Some(option) = filters.iter().find(|filter| filter.starts_with('-')) {
        write(sys, Fd(2), format!("what is {option}?\n").as_bytes());
        return STATUS_WRONG;
    }
    let is_wanted = |case: &&Case| filters.is_empty() || filters.iter().any(|filter| case.name.contains(filter));
    let cases: Vec<&Case> = cases.filter(is_wanted).collect();
    let mut report = Report::begin(sys, cases.len());
    for case in cases {
        match case.needs.filter(|call| call.number(sys.arch()).is_none()) {
            Some(call) => {
                let why = format!("no {} on {}", call.row().name, sys.arch().machine());
                report.skipped(case.name, &why);
            }
            None => {
                report.begins(case.name);
                report.ended(case.name, worker::run(sys, case));
            }
        }
    }
    i32::from(report.failures() > 0)
}

/// Undoes what whoever started this program may have left: descriptors, a mask, and what Rust does to SIGPIPE.
pub fn prepare(sys: &dyn Sys) -> Outcome {
    sys.close_range(3, u32::MAX, CloseRangeFlags::empty())?;
    sys.umask(Mode(0o022))?;
    sys.poke(sys.page(), &Sigaction::default().encode(sys.arch()));
    sys.rt_sigaction(Signal::SIGPIPE, sys.page(), 0, 8)?;
    sys.store(sys.page(), &SigSet::EMPTY);
    sys.rt_sigprocmask(SigHow::SIG_SETMASK, sys.page(), 0, 8)?;
    // Whoever made the directory, it is the case's.
    sys.path(sys.page(), ".");
    sys.chown(sys.page(), sys.geteuid()?, sys.getegid()?)?;
    sys.poke(sys.page(), &[0; 64]);
    Ok(())
}
