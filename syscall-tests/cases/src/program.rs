//! A case's own program: what it undoes before the case begins.

use kernel_abi::flags::{CloseRangeFlags, SigHow};
use kernel_abi::structs::Sigaction;
use kernel_abi::{Calls as _, Mode, SigSet, Signal, Sys};

use crate::Outcome;

/// Undoes what whoever started this program may have left: descriptors, a mask, and what Rust does to SIGPIPE.
pub fn prepare(sys: &dyn Sys) -> Outcome {
    sys.close_range(3, u32::MAX, CloseRangeFlags::empty())?;
    sys.umask(Mode(0o022))?;
    sys.poke(sys.page(), &Sigaction::default().encode(sys.arch()));
    sys.rt_sigaction(Signal::SIGPIPE, sys.page(), 0, 8)?;
    sys.store(sys.page(), &SigSet::EMPTY);
    sys.rt_sigprocmask(SigHow::SIG_SETMASK, sys.page(), 0, 8)?;
    // Whoever made the directory, it is the case's.
    sys.path(sys.page(), ".");
    sys.chown(sys.page(), sys.geteuid()?, sys.getegid()?)?;
    sys.poke(sys.page(), &[0; 64]);
    Ok(())
}
