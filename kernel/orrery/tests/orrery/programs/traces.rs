//! `--trace` and `orrery replay`: what the file says, and that the run can be had again, to any of its steps.

use std::collections::BTreeSet;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::subject::{orrery, run};
use crate::scratch::Scratch;

/// A pipe, children, a sleep that waits for the clock.
const SCRIPT: &str = "echo hello | cat; sleep 1 & sleep 2; wait; echo done";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("programs::traces::a_trace_is_chromes_and_the_same_each_time", a_trace_is_chromes),
        Trial::test("programs::traces::a_recorded_run_is_replayed_whole_and_to_a_step", replayed),
        Trial::test("programs::traces::a_run_without_a_seed_is_not_replayable", not_replayable),
    ]
}

fn recorded(scratch: &Scratch, name: &str) -> Result<Value, Failed> {
    let file = scratch.0.join(name);
    let mut guest = orrery();
    guest.args(["run", "--seed", "7", "--cpus", "2", "--trace"]).arg(&file).args(["/bin/sh", "-c", SCRIPT]);
    let ran = run(guest)?;
    assert_eq!((ran.status, ran.out.as_str(), ran.err.as_str()), (0, "hello\ndone\n", ""));
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

fn a_trace_is_chromes() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let (one, two) = (recorded(&scratch, "one")?, recorded(&scratch, "two")?);
    assert_eq!(one["otherData"]["orrery"]["digest"], two["otherData"]["orrery"]["digest"]);
    assert_eq!(one["traceEvents"], two["traceEvents"]);
    let events = one["traceEvents"].as_array().expect("events");
    let (mut tracks, mut names) = (BTreeSet::new(), BTreeSet::new());
    for event in events {
        let (phase, name) = (event["ph"].as_str().expect("a phase"), event["name"].as_str().expect("a name"));
        assert!(event["pid"].is_u64() && event["tid"].is_u64(), "{event}");
        match phase {
            "M" => drop(tracks.insert(event["args"]["name"].as_str().expect("a track's name").to_owned())),
            "X" => {
                assert!(event["ts"].as_f64().is_some() && event["dur"].as_f64() >= Some(0.0), "{event}");
                assert!(event["args"]["step"].is_u64(), "{event}");
                names.insert(name.to_owned());
            }
            "i" => assert!(event["ts"].as_f64().is_some() && event["args"]["step"].is_u64(), "{event}"),
            other => panic!("phase {other}"),
        }
    }
    for track in ["CPUs", "tasks", "CPU 0", "CPU 1", "init (1)", "program 2 (2)"] {
        assert!(tracks.contains(track), "{tracks:?}");
    }
    for name in ["execve", "read", "write", "clock_nanosleep", "wait4", "program 2"] {
        assert!(names.contains(name), "{names:?}");
    }
    Ok(())
}

fn replayed() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let whole = recorded(&scratch, "run")?;
    let mut again = orrery();
    again.arg("replay").arg(scratch.0.join("run"));
    let ran = run(again)?;
    let steps = whole["otherData"]["orrery"]["steps"].as_u64().expect("a number");
    assert_eq!((ran.out.as_str(), ran.err), ("hello\ndone\n", format!("orrery: {steps} steps, as recorded\n")));
    // In the middle of the last wait.
    let events = whole["traceEvents"].as_array().expect("events");
    let wait = events.iter().rev().find(|event| event["name"] == "wait4").expect("the shell waits");
    let step = wait["args"]["step"].as_u64().expect("a step");
    let mut part = orrery();
    part.arg("replay").arg(scratch.0.join("run")).args(["--to", &step.to_string()]);
    let ran = run(part)?;
    assert_eq!((ran.status, ran.err), (0, format!("orrery: {step} steps, as recorded\n")));
    for part in [&format!("step {step}, "), "`program 2` runs on CPU", &format!("since step {step}"), "wait4("] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let mut beyond = orrery();
    beyond.arg("replay").arg(scratch.0.join("run")).args(["--to", &(steps + 1).to_string()]);
    assert_eq!(run(beyond)?.status, 125);
    Ok(())
}

fn not_replayable() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let file = scratch.0.join("run");
    let mut guest = orrery();
    guest.arg("--trace").arg(&file).arg("true");
    assert_eq!(run(guest)?.status, 0);
    let mut again = orrery();
    again.arg("replay").arg(&file);
    let ran = run(again)?;
    assert!(ran.status == 125 && ran.err.contains("not replayable"), "{ran:?}");
    Ok(())
}
