//! What holds of every transcript of a kernel, whatever the program was.

use alloc::format;
use alloc::string::String;

use kernel_abi::{Call, Errno, Kind, errno};

use crate::transcript::{Entry, Transcript};

/// What memory held before a call could fill it.
const UNTOUCHED: u8 = 0xa5;

impl Transcript {
    /// What is not as it has to be, if anything is.
    pub fn violation(&self) -> Option<String> {
        let entries =
            self.bodies.iter().enumerate().flat_map(|(body, record)| {
                record.entries.iter().map(move |entry| (body, record.pid, record.tid, entry))
            });
        for (body, pid, tid, entry) in entries {
            if let Some(what) = wrong(entry, pid, tid) {
                return Some(format!("body {body}: {entry}: {what}"));
            }
        }
        None
    }
}

fn wrong(entry: &Entry, pid: i32, tid: i32) -> Option<String> {
    let call = entry.row()?;
    let answer = match errno::from_return(entry.answer as usize) {
        Err(errno) if errno.is_restart() => return Some(format!("{errno:?} is the kernel's own")),
        Err(errno) if errno.name().is_none() => return Some(format!("{errno:?} is no errno")),
        Err(Errno::ENOSYS) if call.row().implemented && call != Call::syslog => {
            return (!may_be_missing(call)).then(|| "implemented, and ENOSYS".into());
        }
        Err(_) => return None,
        Ok(answer) => answer,
    };
    match call {
        Call::getpid if answer != pid as usize => return Some(format!("its pid is {pid}")),
        Call::gettid if answer != tid as usize => return Some(format!("its tid is {tid}")),
        _ => {}
    }
    for (filled, kind) in entry.filled.iter().filter_map(|it| Some((it, call.row().args.get(usize::from(it.arg))?.1))) {
        // What is filled is its answer.
        if kind == Kind::Out && counts_what_it_filled(call) {
            let rest = filled.bytes.get(answer..).unwrap_or_default();
            if rest.iter().any(|byte| *byte != UNTOUCHED) {
                return Some(format!("filled more than the {answer} bytes that it says"));
            }
        }
    }
    None
}

/// Calls that answer ENOSYS for what they were asked.
fn may_be_missing(call: Call) -> bool {
    matches!(call, Call::futex | Call::prctl | Call::openat2 | Call::mount)
}

fn counts_what_it_filled(call: Call) -> bool {
    // These answer how long it would be, when asked for nothing.
    !matches!(
        call,
        Call::getxattr | Call::lgetxattr | Call::fgetxattr | Call::listxattr | Call::llistxattr | Call::flistxattr
    )
}
