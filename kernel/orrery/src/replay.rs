//! `orrery replay FILE [--to STEP]`: a recorded run once more, to a step, and how everybody stands there.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use ostd::Machine;
use ostd::hosted::trace::{CHECKPOINT_STEPS, Trace, What};
use ostd::hosted::{Policy, replay};
use serde_json::{Value, json};

use crate::options::Options;
use crate::trace::{call_text, event_text};

/// Events that a report ends with.
const LAST_EVENTS: usize = 12;

/// Runs a recorded run again and stops at a step of it.
#[derive(Debug, Parser)]
#[command(name = "orrery replay")]
pub(crate) struct ReplayOptions {
    /// What `orrery --seed N --trace FILE` wrote.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Stop behind this step, and tell where each task stands; without it, run to the end and tell whether all steps
    /// were the same.
    #[arg(long, value_name = "STEP", value_parser = clap::value_parser!(u64).range(1..))]
    to: Option<u64>,
}

/// How the present run was started, for its trace. Arguments and directories are bytes; the environment may hold
/// secrets, so a number stands for it.
pub(crate) fn started(words: &[OsString], options: &Options) -> Value {
    let bytes = |word: &OsString| json!(word.as_bytes());
    json!({
        "arguments": words.iter().skip(1).map(bytes).collect::<Vec<_>>(),
        "text": words.iter().skip(1).map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "),
        "directory": std::env::current_dir().map(|path| path.as_os_str().as_bytes().to_vec()).unwrap_or_default(),
        "environment": environment(),
        "streams": streams(),
        "seed": options.seed,
        "schedule": replay::policy().unwrap_or_default().to_string(),
    })
}

/// What the standard streams are: programs behave otherwise on a pipe than on a file.
fn streams() -> [&'static str; 3] {
    ["/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"].map(|path| {
        use std::os::unix::fs::FileTypeExt as _;
        match std::fs::metadata(path).map(|file| file.file_type()) {
            Err(_) => "closed",
            Ok(kind) if kind.is_file() => "file",
            Ok(kind) if kind.is_fifo() => "pipe",
            Ok(kind) if kind.is_socket() => "socket",
            Ok(kind) if kind.is_char_device() => "device",
            Ok(_) => "other",
        }
    })
}

/// Stands for all variables, in an order of their own: not those that a shell changes at every command.
fn environment() -> String {
    let mut variables: Vec<_> = std::env::vars_os().filter(|(name, _)| name != "_" && name != "OLDPWD").collect();
    variables.sort();
    let bytes = variables.iter().flat_map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes(), b"\0"]).flatten();
    // FNV-1a: the same in every build.
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x}")
}

/// A recorded run.
pub(crate) struct Recorded {
    pub(crate) options: Options,
    pub(crate) policy: Policy,
    pub(crate) trace: Arc<Trace>,
    to: Option<u64>,
    steps: u64,
    digest: String,
    checkpoints: Vec<String>,
}

impl Recorded {
    /// Reads the command line of `orrery replay`, and the file; goes to the directory that the run was started in.
    pub(crate) fn read(words: &[OsString]) -> Result<Self, String> {
        let line = ReplayOptions::try_parse_from(words.iter().skip(1)).map_err(|problem| problem.to_string())?;
        let refuse = |problem: &str| format!("{}: {problem}", line.file.display());
        let text = std::fs::read(&line.file).map_err(|problem| refuse(&problem.to_string()))?;
        let file: Value = serde_json::from_slice(&text).map_err(|_| refuse("no trace"))?;
        let run = &file["otherData"]["orrery"];
        let started = &run["started"];
        let bytes = |value: &Value| -> Option<OsString> {
            let bytes = value.as_array()?.iter().map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok()));
            bytes.collect::<Option<Vec<u8>>>().map(OsString::from_vec)
        };
        let arguments = started["arguments"].as_array().ok_or_else(|| refuse("no trace of orrery's"))?;
        let arguments: Option<Vec<OsString>> = arguments.iter().map(bytes).collect();
        let arguments = arguments.ok_or_else(|| refuse("damaged"))?;
        if started["seed"].is_null() {
            return Err(refuse("not replayable: the run had no --seed"));
        }
        if let (Some(reason), Some(step)) = (run["doubt"]["reason"].as_str(), run["doubt"]["step"].as_u64())
            && line.to.is_none_or(|to| to > step)
        {
            eprintln!("orrery: not replayable behind step {step}: {reason}");
        }
        if started["environment"].as_str() != Some(&environment()) {
            eprintln!("orrery: the environment is not the one of the recorded run, which the program may see");
        }
        if started["streams"] != json!(streams()) {
            eprintln!(
                "orrery: standard streams were {} in the recorded run, which the program may see",
                started["streams"]
            );
        }
        if let Some(directory) = bytes(&started["directory"]).filter(|directory| !directory.is_empty()) {
            std::env::set_current_dir(&directory)
                .map_err(|problem| refuse(&format!("{}: {problem}", Path::new(&directory).display())))?;
        }
        let mut options = Options::read(std::iter::once(OsString::from("orrery")).chain(arguments).collect())
            .map_err(|problem| refuse(&problem.to_string()))?;
        options.trace = None;
        let schedule = started["schedule"].as_str().unwrap_or("random");
        let steps = run["steps"].as_u64().unwrap_or_default();
        if line.to.is_some_and(|to| to > steps) {
            return Err(refuse(&format!("the run had {steps} steps")));
        }
        Ok(Self {
            options,
            policy: schedule.parse().map_err(|_| refuse("damaged"))?,
            trace: line.to.map_or_else(Trace::recording, Trace::pausing_at),
            to: line.to,
            steps,
            digest: run["digest"].as_str().unwrap_or_default().to_owned(),
            checkpoints: run["checkpoints"].as_array().map_or_else(Vec::new, |checkpoints| {
                checkpoints.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
            }),
        })
    }

    /// Whether the steps so far were the recorded ones; in words.
    pub(crate) fn compared(&self) -> String {
        // A machine that paused at a step went on from there to its end.
        let steps = self.to.unwrap_or_else(|| self.trace.steps());
        let checkpoints = self.trace.checkpoints();
        let until = checkpoints.iter().take((steps / CHECKPOINT_STEPS) as usize);
        let now: Vec<String> = until.map(|digest| format!("{digest:016x}")).collect();
        let differs = now.iter().zip(&self.checkpoints).position(|(now, then)| now != then);
        if let Some(index) = differs {
            let end = (index as u64 + 1) * CHECKPOINT_STEPS;
            return format!(
                "this run differs from the recorded one, from a step in {}..={end} on",
                end + 1 - CHECKPOINT_STEPS
            );
        }
        if self.to.is_none() && (steps, format!("{:016x}", self.trace.digest())) != (self.steps, self.digest.clone()) {
            return format!("this run differs from the recorded one: {steps} steps, {} recorded", self.steps);
        }
        format!("{steps} steps, as recorded")
    }

    /// Where everybody stands on the paused machine.
    pub(crate) fn stand(&self, machine: &Machine) -> String {
        let events = self.trace.events();
        let to = self.to.unwrap_or_default();
        let shown = &events[..events.len().min(to as usize)];
        let time_ns = shown.last().map_or(0, |event| event.time_ns);
        let mut text = format!("step {to}, {}.{:09} s\n", time_ns / 1_000_000_000, time_ns % 1_000_000_000);
        for task in machine.tasks() {
            let own = || shown.iter().rev().filter(|event| event.task == task.id());
            let left = own().find(|event| {
                matches!(event.what, What::Resumed | What::Yielded | What::Parked | What::Woken | What::Spawned(_))
            });
            let stands = match left.map(|event| (&event.what, event.cpu)) {
                Some((What::Resumed, Some(cpu))) => format!("runs on CPU {}", cpu.0),
                Some((What::Parked, _)) => match task.waits_at() {
                    Some(place) => format!("waits at {place}"),
                    None => String::from("waits"),
                },
                _ => String::from("is ready to run"),
            };
            // Writing to a string does not fail.
            let _ = writeln!(text, "task {} `{}` {stands}", task.id(), task.name());
            let called = own().find(|event| matches!(event.what, What::Call { .. } | What::Returned(_)));
            if let Some((What::Call { number, args }, step)) = called.map(|event| (&event.what, event.step)) {
                let _ = writeln!(text, "    in {} since step {step}", call_text(*number, *args));
            }
            for lock in machine.locks_held_by(&task) {
                let _ = writeln!(text, "    holds {lock}");
            }
        }
        text.push_str("the last steps:\n");
        for event in &shown[shown.len().saturating_sub(LAST_EVENTS)..] {
            let cpu = event.cpu.map_or_else(|| String::from("    -"), |cpu| format!("CPU {}", cpu.0));
            let _ = writeln!(
                text,
                "{:>8} {:>14} ns {cpu} task {}: {}",
                event.step,
                event.time_ns,
                event.task,
                event_text(&event.what)
            );
        }
        text
    }
}
