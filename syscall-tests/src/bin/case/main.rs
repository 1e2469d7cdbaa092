//! Runs one case on the kernel under this program: `case NAME`. `case --list` names them.
//!
//! `case --rows [RANKING]` runs all of them on every subject and prints which rows of the table that shows to work.
//! Other options make it the program that cases execute, see [`cases::executed`].

mod run_all;

use std::process::ExitCode;

use kernel_abi::Sys;
use syscall_tests::cases;
use syscall_tests::native::Native;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let name = match words[..] {
        ["--list"] => {
            cases::all().for_each(|case| println!("{}", case.name));
            return ExitCode::SUCCESS;
        }
        ["--rows"] => return run_all::main(None),
        ["--rows", ranking] => return run_all::main(Some(ranking.as_ref())),
        [name] => name,
        _ => "",
    };
    if let Some(status) = cases::executed(&Native::subject(), &words) {
        return ExitCode::from(status.to_le_bytes()[0]);
    }
    let Some(case) = cases::all().find(|case| case.name == name) else {
        eprintln!("case: there is no case {name}");
        return ExitCode::from(2);
    };
    let sys = &Native::subject() as &dyn Sys;
    match prepare(sys).and_then(|()| (case.run)(sys)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Undoes what whoever started this program may have left: descriptors, a mask, and what Rust does to SIGPIPE.
fn prepare(sys: &dyn Sys) -> cases::Outcome {
    use kernel_abi::flags::{CloseRangeFlags, SigHow};
    use kernel_abi::structs::Sigaction;
    use kernel_abi::{Calls as _, Mode, SigSet, Signal};
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
