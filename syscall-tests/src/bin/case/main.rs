//! Runs one case on the kernel under this program: `case NAME`. `case --list` names them.
//!
//! `case --rows [RANKING]` runs all of them on every subject and prints which rows of the table that shows to work.
//! `case --unreached` prints which of its rows, errnos and flags no case reaches.
//! Other options make it the program that cases execute, see [`cases::executed`].

mod run_all;
mod unreached;

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
        ["--unreached"] => return unreached::main(),
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
    match cases::program::prepare(sys).and_then(|()| (case.run)(sys)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
