//! Programs that mean harm, or are broken: what Linux does to them, Orrery does.
//!
//! The test binary is its own guest: `orrery probe NAME` makes calls and prints what came of them. A test runs it on the host
//! and under Orrery and compares the lines. What the two kernels rightly differ in, the probe does not print.
//!
//! - `guest`: the probe's side: raw calls, children, limits.
//! - `elf`, `script`: what execve(2) is given. `code`: instructions, by hand.
//! - `pointer`, `garbage`: what calls are given.
//! - `handlers`: signal handlers that go wrong. `limits`: programs that take everything.
//! - `escape`: programs that want out, and witnesses on the host.

mod code;
mod elf;
mod escape;
mod garbage;
mod guest;
mod handlers;
mod limits;
mod pointer;
mod script;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};

use crate::scratch::Scratch;

/// How long anything here may take before it counts as hanging.
const TIME_MAX: Duration = Duration::from_secs(60);

pub(crate) fn trials() -> Vec<Trial> {
    let trials =
        [elf::trials(), script::trials(), pointer::trials(), handlers::trials(), limits::trials(), garbage::trials()];
    trials.into_iter().flatten().chain(escape::trials()).collect()
}

/// The guest's side.
pub(crate) fn probe(name: &str, rest: &[String]) -> ExitCode {
    let Some((_, run)) =
        [elf::PROBES, script::PROBES, pointer::PROBES, handlers::PROBES, limits::PROBES, garbage::PROBES]
            .into_iter()
            .flatten()
            .find(|(known, _)| *known == name)
    else {
        eprintln!("there is no probe {name}");
        return ExitCode::from(2);
    };
    run(rest);
    ExitCode::SUCCESS
}

/// A probe by name, and what it does with its arguments.
type Probe = (&'static str, fn(&[String]));

/// A test that takes no arguments of its own.
fn trial(name: &str, test: fn() -> Result<(), Failed>) -> Trial {
    Trial::test(format!("hostile::{name}"), test)
}

/// Output and how it ended, as a shell shows it.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    status: i32,
    out: String,
    err: String,
}

/// Runs to the end, which must come.
fn run(command: &mut Command) -> Result<Ran, Failed> {
    use std::os::unix::process::ExitStatusExt as _;
    let scratch = Scratch::new()?;
    let (out, err) = (scratch.0.join("out"), scratch.0.join("err"));
    let file = |path: &PathBuf| std::fs::File::create(path);
    let mut child = command.stdin(Stdio::null()).stdout(file(&out)?).stderr(file(&err)?).spawn()?;
    let started = Instant::now();
    let (status, hangs) = loop {
        if let Some(status) = child.try_wait()? {
            break (status, false);
        }
        if started.elapsed() > TIME_MAX {
            child.kill()?;
            break (child.wait()?, true);
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let text = |path| Ok::<_, Failed>(String::from_utf8_lossy(&std::fs::read(path)?).into_owned());
    let status = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
    let ran = Ran { status, out: text(&out)?, err: text(&err)? };
    if hangs { Err(format!("it hangs; so far {ran:#?}").into()) } else { Ok(ran) }
}

/// Puts a program file at `path`. A process of its own writes it: a descriptor that is open for writing here would go
/// along with whatever another test starts meanwhile, and Linux executes no file that somebody can still write.
fn place(path: &Path, file: &[u8]) -> Result<(), Failed> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", r#"rm -f "$0"; cat >"$0"; chmod 755 "$0""#]).arg(path).stdin(Stdio::piped());
    let mut child = shell.spawn()?;
    child.stdin.take().ok_or("a pipe")?.write_all(file)?;
    assert!(child.wait()?.success(), "cannot write {}", path.display());
    Ok(())
}

/// `orrery` with `options`, about to be told its program.
fn orrery(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orrery"));
    command.args(options).env("LC_ALL", "C").current_dir("/");
    command
}

/// This program as a probe, natively.
fn native(name: &str, arguments: &[&str]) -> Result<Command, Failed> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["probe", name]).args(arguments).env("LC_ALL", "C").current_dir("/");
    Ok(command)
}

/// This program as a probe, under Orrery.
fn inside(options: &[&str], name: &str, arguments: &[&str]) -> Result<Command, Failed> {
    let mut command = orrery(options);
    command.arg(std::env::current_exe()?).args(["probe", name]).args(arguments);
    Ok(command)
}

/// A probe prints the same lines here and there, and ends well.
fn same_lines(name: &str, arguments: &[&str]) -> Result<(), Failed> {
    let host = run(&mut native(name, arguments)?)?;
    let guest = run(&mut inside(&[], name, arguments)?)?;
    if (host.status, guest.status) != (0, 0) {
        return Err(format!("ended badly; on the host: {host:#?}\nunder Orrery: {guest:#?}").into());
    }
    assert!(host.out.lines().count() > 0, "a probe prints something");
    let pairs = host.out.lines().zip(guest.out.lines());
    let mut different: Vec<String> =
        pairs.filter(|(host, guest)| host != guest).map(|(host, guest)| format!("{host}\n  but {guest}")).collect();
    let (here, there) = (host.out.lines().count(), guest.out.lines().count());
    if here != there {
        different.push(format!("{here} lines on the host, {there} under Orrery"));
    }
    if different.is_empty() {
        return Ok(());
    }
    Err(format!("{} of {here} lines differ from the host's:\n{}", different.len(), different.join("\n")).into())
}
