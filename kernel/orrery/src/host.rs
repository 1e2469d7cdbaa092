//! `orrery` on a host: makes a machine as the command line says, runs the program, and passes its end on.

use std::cell::RefCell;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use kernel::abi::SigSet;
use kernel::fs::initramfs::Archive;
use kernel::kernel::{Boot, Ending, Kernel, Program, Root};
use kernel::process::First;
use ostd::device::Devices;
use ostd::hosted::folder::{HostFolder, Writable};
use ostd::hosted::outside::{HostSignals, Outside};
use ostd::hosted::trace::Trace;
use ostd::hosted::watch::Watch;
use ostd::hosted::{Engine, Hosted, HostedConfig, Mode, Policy, stdio, terminal};
use ostd::{Machine, MachineConfig, RunEnd};

use crate::options::{EngineName, Options};
use crate::replay::{self, Recorded};
use crate::trace;

/// Orrery itself failed.
const FAILED: u8 = 125;
/// The program cannot be executed.
const NOT_EXECUTABLE: u8 = 126;
/// There is no such program.
const NOT_FOUND: u8 = 127;
/// Interrupt lines: events from outside, then descriptors 0, 1 and 2.
const OUTSIDE_LINE: u32 = 0;
const STDIO_LINES: [u32; 3] = [1, 2, 3];

/// Runs the command line and returns what `main` should.
pub(crate) fn main() -> ExitCode {
    stdio::ignore_broken_pipes();
    let words: Vec<OsString> = std::env::args_os().collect();
    if words.get(1).is_some_and(|word| word == "replay") {
        return told(replay(&words));
    }
    let options = match Options::read(words.clone()) {
        Ok(options) => options,
        Err(problem) => {
            if problem.use_stderr() {
                eprintln!("orrery: {}", in_one_line(&problem));
                return ExitCode::from(FAILED);
            }
            // Standard output is gone: nobody is left to tell.
            let _ = problem.print();
            return ExitCode::SUCCESS;
        }
    };
    told(record(&options, &words))
}

/// The exit code; a problem is told.
fn told(outcome: Result<u8, String>) -> ExitCode {
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            eprintln!("orrery: {problem}");
            ExitCode::from(FAILED)
        }
    }
}

/// Runs the program, and writes its trace if that is wanted.
fn record(options: &Options, words: &[OsString]) -> Result<u8, String> {
    let Some(file) = &options.trace else { return run(options, &Watched::default()) };
    let trace = Trace::recording();
    let started = replay::started(words, options);
    let outcome = run(options, &Watched { trace: Some(Arc::clone(&trace)), ..Watched::default() });
    trace::write(file, &trace, &started)
        .map_err(|problem| format!("--trace {}: {}", file.display(), reason(&problem)))?;
    outcome
}

/// Runs a recorded program again, to its end or to a step.
fn replay(words: &[OsString]) -> Result<u8, String> {
    let recorded = Recorded::read(words)?;
    let stand = RefCell::new(None);
    let paused = |machine: &Machine| *stand.borrow_mut() = Some(recorded.stand(machine));
    let watched = Watched {
        trace: Some(Arc::clone(&recorded.trace)),
        policy: Some(recorded.policy.clone()),
        paused: Some(&paused),
    };
    let code = run(&recorded.options, &watched)?;
    let compared = recorded.compared();
    eprintln!("orrery: {compared}");
    match stand.take() {
        Some(text) => {
            println!("{text}");
            Ok(0)
        }
        None => Ok(code),
    }
}

/// Who looks at a run.
#[derive(Default)]
struct Watched<'a> {
    trace: Option<Arc<Trace>>,
    policy: Option<Policy>,
    /// Called when the machine has paused.
    paused: Option<&'a dyn Fn(&Machine)>,
}

/// A line of the kernel's log, as the terminal needs it.
struct Said(Vec<u8>);

impl std::io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        terminal::say(&self.0);
    }
}

/// What is wrong with the command line.
fn in_one_line(problem: &clap::Error) -> String {
    if problem.kind() == clap::error::ErrorKind::MissingRequiredArgument {
        return String::from("no program is named; try 'orrery --help'");
    }
    let text = problem.to_string();
    let line = text.lines().next().unwrap_or_default();
    format!("{}; try 'orrery --help'", line.strip_prefix("error: ").unwrap_or(line))
}

/// A failure of the host as a person says it, without its number.
fn reason(problem: &std::io::Error) -> String {
    let text = problem.to_string();
    text.split_once(" (os error").map_or(text.as_str(), |(reason, _)| reason).to_owned()
}

/// Runs the program; the answer is the exit code. A problem is Orrery's own, in one line.
fn run(options: &Options, watched: &Watched<'_>) -> Result<u8, String> {
    tracing_subscriber::fmt()
        .with_max_level(options.log)
        .with_ansi(false)
        .with_writer(|| Said(Vec::new()))
        .without_time()
        .init();
    let watch = Watch::new();
    let outside = Outside::new(&watch, OUTSIDE_LINE);
    if options.engine == EngineName::Scripted {
        return Err("--engine scripted: runs the Rust functions of a test; a program needs --engine ptrace".into());
    }
    let backend = Hosted::new(&HostedConfig {
        memory: options.memory,
        cpus: usize::from(options.cpus),
        mode: options.seed.map_or(Mode::Parallel, |seed| Mode::Deterministic { seed }),
        engine: Engine::Ptrace,
        watch: Some(Arc::clone(&watch)),
        outside: Some(Arc::clone(&outside)),
        trace: watched.trace.clone(),
        policy: watched.policy.clone().or_else(ostd::hosted::replay::policy).unwrap_or_default(),
        ..HostedConfig::default()
    })
    .map_err(|problem| format!("cannot make a machine with {} MiB: {}", options.memory >> 20, reason(&problem)))?;
    let root = root(options)?;
    let program = program(options)?;
    let _signals =
        HostSignals::install(&outside).map_err(|problem| format!("cannot take signals: {}", reason(&problem)))?;
    let stdio = stdio::standard(&watch, &outside, STDIO_LINES)
        .map_err(|problem| format!("cannot use the standard streams: {}", reason(&problem)))?;
    // Checkers take locks, so that a run with them has other steps: recorded and replayed runs both have them.
    let machine = Machine::new(backend, MachineConfig { checks: watched.trace.is_some(), ..MachineConfig::default() });
    let boot = Boot { root, stdio, first: First::Program, devices: Devices::default(), strace: options.strace.clone() };
    let kernel = Kernel::boot(machine, boot).map_err(|errno| format!("cannot boot: {errno}"))?;
    let ending = kernel.run(&program);
    terminal::give_back();
    if let (Err(RunEnd::Paused), Some(look)) = (&ending, watched.paused) {
        look(kernel.machine());
    }
    if let Err(leaks) = kernel.shutdown() {
        tracing::error!("{leaks}");
    }
    let code = match ending {
        Ok(Ending::Exited(code)) => code,
        Ok(Ending::Killed(signal)) => 128_u8.wrapping_add(signal),
        Ok(Ending::NotStarted(errno)) => {
            let name = options.command[0].to_string_lossy();
            if errno == kernel::error::Errno::ENOENT {
                eprintln!("orrery: {name}: not found");
                NOT_FOUND
            } else {
                eprintln!("orrery: {name}: {}", reason(&std::io::Error::from_raw_os_error(errno.number())));
                NOT_EXECUTABLE
            }
        }
        Ok(Ending::Stopped) => {
            eprintln!("orrery: stopped by Ctrl-]");
            FAILED
        }
        Err(RunEnd::Paused) => 0,
        Err(RunEnd::Deadlock(report)) => {
            eprintln!("orrery: deadlock: nothing can run any more\n{report}");
            FAILED
        }
        // The panic's own message has been printed where it happened.
        Err(RunEnd::Panicked(_)) => {
            eprintln!("orrery: the kernel panicked");
            FAILED
        }
    };
    Ok(code)
}

/// What lies below the guest's root: a directory, or an archive.
fn root(options: &Options) -> Result<Root, String> {
    let is_host = options.root.as_os_str() == "host";
    let path = if is_host { Path::new("/") } else { &options.root };
    let refuse = |problem: &dyn std::fmt::Display| format!("--root {}: {problem}", path.display());
    let found = std::fs::metadata(path).map_err(|problem| refuse(&reason(&problem)))?;
    if found.is_dir() {
        if is_host && options.rw {
            return Err("--rw: needs a --root DIR of its own; the host's root stays as it is".into());
        }
        let writable = if options.rw { Writable::Yes } else { Writable::No };
        let folder = HostFolder::open(path, writable).map_err(|problem| refuse(&reason(&problem)))?;
        return Ok(Root::Folder(Arc::new(folder)));
    }
    if !found.is_file() {
        return Err(refuse(&"neither a directory nor an archive"));
    }
    if options.rw {
        return Err("--rw: needs --root DIR; an archive is only read".into());
    }
    if found.len() > options.memory as u64 {
        return Err(refuse(&"larger than the machine's memory"));
    }
    let bytes = std::fs::read(path).map_err(|problem| refuse(&reason(&problem)))?;
    Archive::read(bytes, options.memory).map(Root::Archive).map_err(|problem| refuse(&problem))
}

/// The program as the guest will see it: arguments, environment, working directory.
fn program(options: &Options) -> Result<Program, String> {
    let mut environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    for assignment in &options.env {
        let bytes = assignment.as_bytes();
        let Some(at) = bytes.iter().position(|byte| *byte == b'=').filter(|at| *at > 0) else {
            return Err(format!("--env {}: not of the form K=V", assignment.display()));
        };
        let (key, value) = (OsString::from_vec(bytes[..at].to_vec()), OsString::from_vec(bytes[at + 1..].to_vec()));
        environment.retain(|(other, _)| *other != key);
        environment.push((key, value));
    }
    let directory = if options.root.as_os_str() == "host" {
        std::env::current_dir().map_or_else(|_| b"/".to_vec(), |path| path.into_os_string().into_vec())
    } else {
        b"/".to_vec()
    };
    Ok(Program {
        arguments: options.command.iter().map(|word| word.as_bytes().to_vec()).collect(),
        environment: environment
            .into_iter()
            .map(|(key, value)| [key.as_bytes(), b"=", value.as_bytes()].concat())
            .collect(),
        directory,
        ignored: SigSet(stdio::ignored_signals()),
    })
}
