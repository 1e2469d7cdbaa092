//! Programs on a subject, one after the other: a process of the subject runs each in a child.

use kernel_abi::Sys;
use programs::stage::{Conditions, Look};
use programs::{Program, Stage};

use super::wire::Answer;
use super::{fence, ground};

/// Where programs run on both subjects, below [`ground::HOME`].
const DIRECTORY: &[u8] = b"p";

/// Prepares the process that runs programs, and runs them; each answer is told as it comes.
pub fn all(
    sys: &dyn Sys,
    programs: &[Vec<u8>],
    patience_ns: u64,
    is_asleep: Option<Look<'_>>,
    begin: impl FnOnce() -> Result<(), String>,
    mut tell: impl FnMut(Answer),
) -> Result<(), String> {
    ground::prepare(sys).map_err(|errno| format!("no ground: {errno:?}"))?;
    begin()?;
    let stage = Stage::new(sys).map_err(|errno| format!("no stage: {errno:?}"))?;
    for bytes in programs {
        let program = Program::decode(bytes);
        if let Some(call) = fence::refused(&program.steps) {
            tell(Answer::Refused(call.row().name.into()));
            continue;
        }
        let conditions = Conditions { directory: DIRECTORY, patience_ns, is_asleep };
        tell(match stage.run(sys, &program, conditions) {
            Ok(transcript) => Answer::Done(transcript.to_bytes()),
            Err(errno) => Answer::Broken(format!("the stage fails: {errno:?}")),
        });
    }
    Ok(())
}
