//! What the tests lean on: a program under Orrery, the same on the host, a directory to work in.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};

/// What a test runs: its name, the program it needs, the Debian package that has it, and a script for `sh`.
pub(crate) struct Row(
    pub(crate) &'static str,
    pub(crate) &'static str,
    pub(crate) &'static str,
    pub(crate) &'static str,
);

/// A test that is ignored, or fails, where a program is missing.
pub(crate) fn needing(
    program: &'static str,
    package: &'static str,
    name: &str,
    test: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    if Path::new(program).exists() {
        return Trial::test(name, test);
    }
    let missing = format!("{program} is missing: apt-get install {package}");
    if std::env::var_os("ORRERY_REQUIRE_ALL").is_some() {
        return Trial::test(name, move || Err(missing.into()));
    }
    Trial::test(format!("{name} ({missing})"), test).with_ignored_flag(true)
}

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

/// An empty directory of the test's own, removed at the end.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Result<Self, Failed> {
        // Tests run side by side: the first free number is taken by whoever makes the directory.
        for number in 0.. {
            let path = std::env::temp_dir().join(format!("orrery-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(problem) if problem.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(problem) => return Err(problem.into()),
            }
        }
        unreachable!("numbers do not end")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A test that failed may have left it half-removed.
        let _ = std::fs::remove_dir_all(&self.0);
    }
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
