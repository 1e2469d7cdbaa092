//! Programs on a subject, one after the other: a process of the subject runs each in a child, or tame ones in one child.

use kernel_abi::Sys;
use programs::stage::{Conditions, Look};
use programs::{Program, Stage};

use super::wire::Answer;
use super::{fence, ground};

/// Where programs run on both subjects, below [`ground::HOME`].
const DIRECTORY: &[u8] = b"p";
/// What a program's first three descriptors are.
const STREAMS: &[u8] = b"/dev/null";

/// Which processes run programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Processes {
    /// One each: nothing of a process is left for the next program.
    #[default]
    OneEach,
    /// One for [tame](Program::is_tame) programs, as long as it lives; one each for others.
    Shared,
}

/// Prepares the process that runs programs, and runs them; each answer is told as it comes.
pub fn all(
    sys: &dyn Sys,
    programs: &[Vec<u8>],
    processes: Processes,
    patience_ns: u64,
    is_asleep: Option<Look<'_>>,
    begin: impl FnOnce() -> Result<(), String>,
    mut tell: impl FnMut(Answer),
) -> Result<(), String> {
    ground::prepare(sys).map_err(|errno| format!("no ground: {errno:?}"))?;
    begin()?;
    let stage = Stage::new(sys).map_err(|errno| format!("no stage: {errno:?}"))?;
    let conditions =
        Conditions { directory: DIRECTORY, patience_ns, is_asleep, streams: STREAMS, ..Conditions::default() };
    let mut tame: Vec<&[u8]> = Vec::new();
    for bytes in programs {
        let program = Program::decode(bytes);
        if processes == Processes::Shared && program.is_tame() && fence::refused(&program.steps).is_none() {
            tame.push(bytes);
            continue;
        }
        together(sys, &stage, &mut tame, conditions, &mut tell)?;
        if let Some(call) = fence::refused(&program.steps) {
            tell(Answer::Refused(call.row().name.into()));
            continue;
        }
        tell(match stage.run(sys, &program, conditions) {
            Ok(transcript) => Answer::Done(transcript.to_bytes()),
            Err(errno) => Answer::Broken(format!("the stage fails: {errno:?}")),
        });
    }
    together(sys, &stage, &mut tame, conditions, &mut tell)
}

/// Runs tame programs that come one after the other.
fn together(
    sys: &dyn Sys,
    stage: &Stage,
    programs: &mut Vec<&[u8]>,
    conditions: Conditions<'_>,
    tell: &mut impl FnMut(Answer),
) -> Result<(), String> {
    let ran = stage.series(sys, programs, conditions, &mut |transcript| tell(Answer::Done(transcript)));
    programs.clear();
    ran.map_err(|errno| format!("the stage fails: {errno:?}"))
}
