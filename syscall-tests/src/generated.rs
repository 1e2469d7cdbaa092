//! Generated programs on Orrery: each in a fresh kernel, or many in one.
//!
//! A program fails by what may never happen, whatever it does: a panic of the kernel, a deadlock that is no program's,
//! something left at shutdown, a violated invariant. [`alone`] and [`together`] say so with a line that replays it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::kernel::Root;
use ostd::MachineConfig;
use ostd::faults::FaultPlan;
use ostd::hosted::HostedConfig;
use programs::stage::Conditions;
use programs::{Program, Stage, Transcript};

use crate::machine::{self, Seat};
use crate::rows::Answers;
use crate::scripted::{self, Work};
use crate::sweep::{self, Verdict};

/// How long programs may take by the host's clock, whatever they sleep.
pub const TIME_MAX: Duration = Duration::from_secs(30);

/// Runs a program in a fresh kernel, on a thread that is given up when it hangs.
pub fn alone(program: &Program, seed: u64) -> Result<Transcript, String> {
    let theirs = program.clone();
    machine::within(TIME_MAX, move |seat| run(&theirs, &machine::config(seed), seat))
        .map_err(|problem| failure(&problem, &[program], seed))
}

/// Runs a program in a fresh kernel on this thread, for as long as it takes.
pub fn alone_on(program: &Program, config: &HostedConfig, machine: MachineConfig) -> Result<Transcript, String> {
    machine::here(&machine, |seat| run(program, config, seat))
}

fn run(program: &Program, config: &HostedConfig, seat: &Seat) -> Result<Transcript, String> {
    let mut transcripts = in_one_kernel(Arc::new(vec![program.clone()]), config, seat, &Arc::default())?;
    transcripts.pop().ok_or_else(|| "no transcript".into())
}

/// Runs a program in a fresh kernel on a machine that fails as `plan` says, on a thread that is given up when it hangs.
pub fn under(program: &Program, plan: &FaultPlan, seed: u64) -> Result<(), String> {
    let (theirs, plan_there) = (program.clone(), plan.clone());
    machine::within(TIME_MAX, move |seat| survives(&theirs, &plan_there, seed, seat))
        .map_err(|problem| failure_under(&problem, program, plan, seed))
}

/// The same on this thread, for as long as it takes.
pub fn under_on(program: &Program, plan: &FaultPlan, seed: u64) -> Result<(), String> {
    machine::here(&MachineConfig::default(), |seat| survives(program, plan, seed, seat))
        .map_err(|problem| failure_under(&problem, program, plan, seed))
}

/// The program may fail, be killed, or wait for ever for somebody who was; the kernel may not panic or keep anything.
fn survives(program: &Program, plan: &FaultPlan, seed: u64, seat: &Seat) -> Result<(), String> {
    let machine = seat.take_with(&scripted::config(seed), plan.clone())?;
    let program = program.clone();
    let work: Work = Arc::new(move |sys| {
        programs::stage::run(&program, sys)?;
        Ok(())
    });
    let ran = scripted::run_through(&work, machine.clone(), Root::Empty, sweep::CALLS_MAX, &Answers::default());
    match sweep::judge(plan, &ran, &machine, &machine::panics().join("\n")) {
        Verdict::Defect(story) => Err(story),
        Verdict::Unharmed | Verdict::Harmed | Verdict::Stuck => Ok(()),
    }
}

fn failure_under(problem: &str, program: &Program, plan: &FaultPlan, seed: u64) -> String {
    format!(
        "{problem}\n{program}\nreplay: ORRERY_FAULTS='{plan}' ORRERY_SEED={seed} ORRERY_PROGRAM={} cargo test -p \
         syscall-tests --test programs replay",
        hex(&program.encode())
    )
}

/// Runs programs one after the other in one kernel, each in a process and a directory of its own. What fails is replayed
/// in a fresh kernel, alone first; the failure names the earlier programs that it takes.
pub fn together(programs: &[Program], seed: u64) -> Result<Vec<Transcript>, String> {
    let (all, done) = (Arc::new(programs.to_vec()), Arc::new(AtomicUsize::new(0)));
    let (theirs, counter) = (Arc::clone(&all), Arc::clone(&done));
    let config = machine::config(seed);
    machine::within(TIME_MAX, move |seat| in_one_kernel(theirs, &config, seat, &counter)).map_err(|problem| {
        let last = done.load(Ordering::Relaxed).min(all.len().saturating_sub(1));
        let needed = needed(&all[..=last], |programs| fails(programs, seed));
        failure(&problem, &needed, seed)
    })
}

/// Runs programs one after the other in one kernel on this thread, for as long as it takes.
pub fn together_on(
    programs: Arc<Vec<Program>>,
    config: &HostedConfig,
    machine: MachineConfig,
) -> Result<Vec<Transcript>, String> {
    machine::here(&machine, |seat| in_one_kernel(programs, config, seat, &Arc::default()))
}

fn in_one_kernel(
    programs: Arc<Vec<Program>>,
    config: &HostedConfig,
    seat: &Seat,
    done: &Arc<AtomicUsize>,
) -> Result<Vec<Transcript>, String> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let work: Work = {
        let (told, done) = (Arc::clone(&told), Arc::clone(done));
        Arc::new(move |sys| {
            let stage = Stage::new(sys)?;
            sys.lend(Arc::<Vec<Program>>::clone(&programs));
            for (index, program) in programs.iter().enumerate() {
                let directory = format!("p{index}");
                let conditions =
                    Conditions { directory: directory.as_bytes(), lent: Some(index), ..Conditions::default() };
                let transcript = stage.run(sys, program, conditions)?;
                told.lock().unwrap_or_else(PoisonError::into_inner).push(transcript);
                done.store(index + 1, Ordering::Relaxed);
            }
            Ok(())
        })
    };
    scripted::run_on(config, &work, seat, &Answers::default())?;
    let transcripts = std::mem::take(&mut *told.lock().unwrap_or_else(PoisonError::into_inner));
    for transcript in &transcripts {
        if let Some(what) = transcript.violation() {
            return Err(format!("{what}\n{transcript}"));
        }
    }
    Ok(transcripts)
}

fn fails(programs: &[Program], seed: u64) -> bool {
    let (all, config) = (Arc::new(programs.to_vec()), machine::config(seed));
    machine::within(TIME_MAX, move |seat| in_one_kernel(all, &config, seat, &Arc::default())).is_err()
}

/// The fewest of these programs that fail still: the last alone, or with those before it that it takes.
fn needed(programs: &[Program], fails: impl Fn(&[Program]) -> bool) -> Vec<&Program> {
    let Some((last, before)) = programs.split_last() else { return Vec::new() };
    if fails(std::slice::from_ref(last)) {
        return vec![last];
    }
    let mut kept: Vec<&Program> = before.iter().collect();
    let mut chunk = kept.len().div_ceil(2);
    while chunk > 0 {
        let mut from = 0;
        while from < kept.len() {
            let to = (from + chunk).min(kept.len());
            let fewer: Vec<&Program> = kept[..from].iter().chain(&kept[to..]).copied().collect();
            let tried: Vec<Program> = fewer.iter().copied().chain([last]).cloned().collect();
            if fails(&tried) {
                kept = fewer;
            } else {
                from = to;
            }
        }
        chunk /= 2;
    }
    kept.push(last);
    kept
}

/// What failed, its programs, and the line that replays them.
fn failure(problem: &str, programs: &[&Program], seed: u64) -> String {
    let stories: Vec<String> = programs.iter().map(ToString::to_string).collect();
    let bytes: Vec<String> = programs.iter().map(|program| hex(&program.encode())).collect();
    format!(
        "{problem}\n{}\nreplay: ORRERY_SEED={seed} ORRERY_PROGRAM={} cargo test -p syscall-tests --test programs replay",
        stories.join("\n"),
        bytes.join(",")
    )
}

/// Bytes as `ORRERY_PROGRAM` has them.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The programs that `ORRERY_PROGRAM` says, separated by commas.
pub fn from_hex(text: &str) -> Option<Vec<Program>> {
    let bytes = |word: &str| {
        let pairs = word.as_bytes().chunks(2);
        let byte = |pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
        pairs.map(byte).collect::<Option<Vec<u8>>>()
    };
    text.split(',').map(|word| Some(Program::decode(&bytes(word)?))).collect()
}

#[cfg(test)]
mod tests {
    use programs::{Family, Program};

    use super::{from_hex, hex, needed};

    #[test]
    fn a_failure_names_the_programs_that_it_takes() {
        let all: Vec<Program> = (0..20).map(|seed| Program::random(Family::File, 5, seed)).collect();
        let both = |programs: &[Program]| [&all[3], &all[19]].iter().all(|it| programs.contains(it));
        assert_eq!(needed(&all, both), [&all[3], &all[19]]);
        assert_eq!(needed(&all, |programs| programs.contains(&all[19])), [&all[19]]);
        let line = [hex(&all[3].encode()), hex(&all[19].encode())].join(",");
        assert_eq!(from_hex(&line), Some(vec![all[3].clone(), all[19].clone()]));
    }
}
