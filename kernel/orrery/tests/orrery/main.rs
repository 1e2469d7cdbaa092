//! The program `orrery` from outside: what it runs, how it ends, what it leaves behind.
//!
//! One binary for all of it, since each is linked anew with every edit of the kernel. `cargo test -p orrery --test orrery
//! terminal::` runs one room of it.

mod hostile;
mod needing;
mod programs;
mod scratch;
mod streams;
mod terminal;

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [first, name, rest @ ..] = words.as_slice()
        && first == "probe"
    {
        return hostile::probe(name, rest);
    }
    if ostd::hosted::stdio::ignored_signals() != 0 {
        // What the tests were started to ignore (nohup(1), a shell's `&`), the programs in them would ignore too.
        let itself = std::env::current_exe().expect("this test");
        let error = Command::new("env").arg("--default-signal").arg(itself).args(words).exec();
        eprintln!("signals stay ignored, and tests that send them fail: env: {error}");
    }
    let arguments = Arguments::from_args();
    let trials = [hostile::trials(), programs::trials(), streams::trials(), terminal::trials()];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}
