//! What the tests lean on: a program under Orrery, and the same on the host.

use std::process::{Command, Stdio};

use libtest_mimic::Failed;

use crate::scratch::Scratch;

/// What a test runs: its name, the program it needs, the Debian package that has it, and a script for `sh`.
pub(crate) struct Row(
    pub(crate) &'static str,
    pub(crate) &'static str,
    pub(crate) &'static str,
    pub(crate) &'static str,
);

/// Output and how it ended, as a shell shows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn run(mut command: Command) -> Result<Ran, Failed> {
    use std::os::unix::process::ExitStatusExt as _;
    let output = command.stdin(Stdio::null()).env("LC_ALL", "C").env("TZ", "UTC").output()?;
    let status = output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ran { status: status.unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) })
}

pub(crate) fn orrery() -> Command {
    Command::new(env!("CARGO_BIN_EXE_orrery"))
}

pub(crate) fn same_as_host(script: &str) -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let mut native = Command::new("/bin/sh");
    native.args(["-c", script]).current_dir(&scratch.0);
    let mut guest = orrery();
    guest.args(["/bin/sh", "-c", script]).current_dir(&scratch.0);
    let (guest, native) = (run(guest)?, run(native)?);
    if guest == native { Ok(()) } else { Err(format!("under Orrery: {guest:#?}\non the host: {native:#?}").into()) }
}
