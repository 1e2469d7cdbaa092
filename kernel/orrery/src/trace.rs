//! `--trace FILE`: a run as Chrome's trace events, which Perfetto and `chrome://tracing` open.
//!
//! Process 1 is the CPUs, a track each: which task had it when, and its interrupts. Process 2 is the tasks, a track
//! each: system calls from trap to return, faults, wake-ups. Every event carries its step; `otherData` keeps how the
//! run was started, and digests of its steps, so that `orrery replay` can do it again and say whether it did.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use kernel_abi::names::name_of;
use kernel_abi::{Arch, Call, strace};
use ostd::hal::Interrupt;
use ostd::hosted::trace::{Event, Trace, What};
use serde_json::{Value, json};

/// Chrome's "processes".
const CPUS: u32 = 1;
const TASKS: u32 = 2;

/// A system call as strace prints it, as far as that goes without the program's memory.
pub(crate) fn call_text(number: usize, args: [usize; 6]) -> String {
    let mut line = String::new();
    match Call::lookup(Arch::X86_64, number) {
        Some(call) => strace::format_call(call.row(), args, &mut |_, _| 0, &mut line),
        None => strace::format_unknown(name_of(Arch::X86_64, number), number, args, &mut line),
    }
    line
}

fn call_name(number: usize) -> String {
    name_of(Arch::X86_64, number).map_or_else(|| format!("call {number}"), str::to_owned)
}

/// What a system call returned, as a number or an errno.
pub(crate) fn result_text(value: usize) -> String {
    kernel_abi::errno::from_return(value).map_or_else(|errno| errno.to_string(), |value| value.to_string())
}

/// What happened, in words.
pub(crate) fn event_text(what: &What) -> String {
    match what {
        What::Spawned(name) => format!("spawned as `{name}`"),
        What::Woken => String::from("woken"),
        What::Resumed => String::from("takes the CPU"),
        What::Yielded => String::from("gives the CPU to others"),
        What::Parked => String::from("waits"),
        What::Ended => String::from("ended"),
        What::Call { number, args } => format!("calls {}", call_text(*number, *args)),
        What::Returned(value) => format!("is answered {}", result_text(*value)),
        What::Fault(fault) => format!("faults: {:?} at {}", fault.access, fault.addr),
        What::Exception => String::from("raises an exception"),
        What::Preempted => String::from("has had its time"),
        What::Interrupt(Interrupt::Timer) => String::from("interrupt: timer"),
        What::Interrupt(Interrupt::Ipi) => String::from("interrupt: another CPU"),
        What::Interrupt(Interrupt::Device(line)) => format!("interrupt: line {line}"),
    }
}

/// Writes the file. `started` says how the run was started.
pub(crate) fn write(path: &Path, trace: &Trace, started: &Value) -> io::Result<()> {
    let events = trace.events();
    let mut out = BufWriter::new(std::fs::File::create(path)?);
    let hex = |number: u64| format!("{number:016x}");
    let orrery = json!({
        "started": started,
        "steps": trace.steps(),
        "digest": hex(trace.digest()),
        "checkpoints": trace.checkpoints().into_iter().map(hex).collect::<Vec<_>>(),
        "doubt": trace.doubt().map(|doubt| json!({ "step": doubt.step, "reason": doubt.reason })),
    });
    writeln!(out, "{{\"displayTimeUnit\":\"ns\",\"otherData\":{{\"orrery\":{orrery}}},\"traceEvents\":[")?;
    write!(out, "{}", named("process_name", CPUS, 0, "CPUs"))?;
    write!(out, ",\n{}", named("process_name", TASKS, 0, "tasks"))?;
    let mut tracks = Tracks { names: BTreeMap::new(), cpus: BTreeMap::new(), calls: BTreeMap::new() };
    for event in &events {
        for line in tracks.lines(event) {
            write!(out, ",\n{line}")?;
        }
    }
    let end_ns = events.last().map_or(0, |event| event.time_ns);
    for line in tracks.rest(end_ns) {
        write!(out, ",\n{line}")?;
    }
    writeln!(out, "\n]}}")?;
    out.flush()
}

fn named(what: &str, process: u32, track: u64, name: &str) -> Value {
    json!({ "ph": "M", "name": what, "pid": process, "tid": track, "args": { "name": name } })
}

/// Microseconds, as Chrome counts.
fn micros(time_ns: u64) -> f64 {
    time_ns as f64 / 1000.0
}

/// What has begun and not ended.
struct Tracks {
    names: BTreeMap<u64, String>,
    /// Of a CPU: who has it, since when, at which step.
    cpus: BTreeMap<usize, (u64, u64, u64)>,
    /// Of a task: its call, since when, at which step.
    calls: BTreeMap<u64, (usize, [usize; 6], u64, u64)>,
}

impl Tracks {
    fn name(&self, task: u64) -> String {
        self.names.get(&task).cloned().unwrap_or_else(|| format!("task {task}"))
    }

    fn instant(process: u32, track: u64, event: &Event) -> Value {
        json!({
            "ph": "i", "s": "t", "pid": process, "tid": track, "ts": micros(event.time_ns),
            "name": event_text(&event.what), "args": { "step": event.step, "task": event.task },
        })
    }

    fn turn(&mut self, cpu: usize, end_ns: u64) -> Option<Value> {
        let (task, since_ns, step) = self.cpus.remove(&cpu)?;
        Some(json!({
            "ph": "X", "pid": CPUS, "tid": cpu, "ts": micros(since_ns), "dur": micros(end_ns - since_ns),
            "name": self.name(task), "args": { "step": step, "task": task },
        }))
    }

    fn call(&mut self, task: u64, end: Option<(u64, &Event)>, end_ns: u64) -> Option<Value> {
        let (number, args, since_ns, step) = self.calls.remove(&task)?;
        let (result, returned) = match end {
            Some((value, event)) => (result_text(value as usize), json!(event.step)),
            None => (String::from("?"), Value::Null),
        };
        Some(json!({
            "ph": "X", "pid": TASKS, "tid": task, "ts": micros(since_ns), "dur": micros(end_ns - since_ns),
            "name": call_name(number),
            "args": { "call": call_text(number, args), "result": result, "step": step, "returned": returned },
        }))
    }

    fn lines(&mut self, event: &Event) -> Vec<Value> {
        let (task, now, cpu) = (event.task, event.time_ns, event.cpu.map(|cpu| cpu.0));
        let mut lines = Vec::new();
        match &event.what {
            What::Spawned(name) => {
                self.names.insert(task, name.clone());
                lines.push(named("thread_name", TASKS, task, &format!("{name} ({task})")));
                lines.push(Self::instant(TASKS, task, event));
            }
            What::Resumed => {
                if let Some(cpu) = cpu {
                    lines.push(named("thread_name", CPUS, cpu as u64, &format!("CPU {cpu}")));
                    self.cpus.insert(cpu, (task, now, event.step));
                }
            }
            What::Yielded | What::Parked | What::Ended => {
                lines.extend(cpu.and_then(|cpu| self.turn(cpu, now)));
                if event.what == What::Ended {
                    lines.extend(self.call(task, None, now));
                }
                lines.push(Self::instant(TASKS, task, event));
            }
            What::Call { number, args } => drop(self.calls.insert(task, (*number, *args, now, event.step))),
            What::Returned(value) => lines.extend(self.call(task, Some((*value as u64, event)), now)),
            What::Interrupt(_) => lines.push(Self::instant(CPUS, cpu.unwrap_or_default() as u64, event)),
            What::Woken | What::Fault(_) | What::Exception | What::Preempted => {
                lines.push(Self::instant(TASKS, task, event));
            }
        }
        lines
    }

    /// What was still going on at the end.
    fn rest(&mut self, end_ns: u64) -> Vec<Value> {
        let cpus: Vec<usize> = self.cpus.keys().copied().collect();
        let tasks: Vec<u64> = self.calls.keys().copied().collect();
        let mut lines: Vec<Value> = cpus.into_iter().filter_map(|cpu| self.turn(cpu, end_ns)).collect();
        lines.extend(tasks.into_iter().filter_map(|task| self.call(task, None, end_ns)));
        lines
    }
}
