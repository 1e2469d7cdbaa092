//! Orrery as a subject for programs: one kernel for as many as leave it usable, on the scripted engine.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel_abi::flags::PriorityWhich;
use kernel_abi::{Calls as _, Fd, Mode, Pid, Sys};

use super::run::Processes;
use super::wire::Answer;
use super::{ground, run};
use crate::native::Native;
use crate::scripted;

/// What a machine says that can do nothing any more.
const DEADLOCK: &str = "deadlock:";
/// And of a program that a signal ended.
const KILLED: &str = "the program ended: Killed(";

/// Runs programs one after the other. One answer for each; the seed decides the schedule.
pub fn run(programs: &[Vec<u8>], processes: Processes, patience: Duration, seed: u64) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(programs.len());
    let mut processes = processes;
    // What ended a kernel when nobody could say whose doing it was.
    let mut unclaimed = None;
    while answers.len() < programs.len() {
        let done: Arc<Mutex<Vec<Answer>>> = Arc::default();
        let (rest, told) = (programs[answers.len()..].to_vec(), Arc::clone(&done));
        let ended = scripted::run_unnoted(Arc::new(move |sys| work(sys, &rest, processes, patience, &told)), seed);
        answers.append(&mut done.lock().unwrap_or_else(PoisonError::into_inner));
        match ended {
            Ok(()) if answers.len() == programs.len() => {}
            // What leaks when all are done, or panics at the end, is somebody's doing among them.
            Err(problem) if answers.len() == programs.len() => unclaimed = Some(problem),
            ended if processes == Processes::Shared => {
                processes = Processes::OneEach;
                unclaimed = ended.err();
            }
            Ok(()) => answers.push(Answer::Broken(String::from("the worker left"))),
            Err(problem) => {
                unclaimed = None;
                answers.push(reason(problem));
            }
        }
    }
    if let Some(problem) = unclaimed {
        answers.pop();
        answers.push(Answer::Broken(problem));
    }
    answers
}

fn work(
    sys: &dyn Sys,
    programs: &[Vec<u8>],
    processes: Processes,
    patience: Duration,
    done: &Mutex<Vec<Answer>>,
) -> cases::Outcome {
    // As nice as whoever started this: a program on the host is that too.
    let least = Native::subject().getpriority(PriorityWhich::PRIO_PROCESS, Pid(0))?;
    sys.setpriority(PriorityWhich::PRIO_PROCESS, Pid(0), 20 - least as i32)?;
    sys.mkdirat(Fd::CWD, sys.path(sys.page(), ground::HOME), Mode(0o755))?;
    let tell = |answer| done.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
    if let Err(problem) = run::all(sys, programs, processes, patience.as_nanos() as u64, None, || Ok(()), tell) {
        tell(Answer::Broken(problem));
    }
    Ok(())
}

/// Why a kernel ended before its program did.
fn reason(problem: String) -> Answer {
    let signal = problem.split(KILLED).nth(1).and_then(|rest| rest.split(')').next()?.parse().ok());
    match signal {
        Some(signal) => Answer::Died(signal),
        None if problem.contains(DEADLOCK) => Answer::Hung,
        None => Answer::Broken(problem),
    }
}
