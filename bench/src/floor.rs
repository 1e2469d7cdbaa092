//! What the `ptrace` engine cannot do without: a round of SYSEMU that asks which call it is, sets its result and goes
//! on, of a program that makes one call after another, on one core. The rest of a null call is Orrery's own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::ptr::without_provenance_mut;
use std::time::{Duration, Instant};

use nix::Result;
use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getppid};

use crate::{Figure, guest};

/// Where the result of a call is in what PTRACE_POKEUSER writes: `rax` of `user_regs_struct`.
const RESULT_OFFSET: usize = 10 * size_of::<u64>();

pub(crate) fn figure(program: &Path) -> Figure {
    let program = program.to_path_buf();
    let measure = move |count| rounds(&program, count).expect("the host lets it trace");
    Figure { name: "host: bare ptrace round of a call", checks: None, count: 20_000, measure: Box::new(measure) }
}

/// The program that is traced: it makes calls until it is killed.
pub(crate) fn traced() -> Result<()> {
    ptrace::traceme()?;
    raise(Signal::SIGSTOP)?;
    loop {
        getppid();
    }
}

fn rounds(program: &PathBuf, count: u64) -> Result<Duration> {
    let before = sched_getaffinity(Pid::from_raw(0))?;
    let mut one = CpuSet::new();
    one.set(sched_getcpu()?)?;
    sched_setaffinity(Pid::from_raw(0), &one)?;
    let child = Command::new(program).args(["guest", guest::TRACED, "1"]).stdin(Stdio::null()).spawn();
    let took = child.map_err(|_| nix::Error::ENOENT).and_then(|mut child| {
        let took = trace(&child, count);
        // Dead already, if tracing it failed.
        let _ = child.kill();
        let _ = child.wait();
        took
    });
    sched_setaffinity(Pid::from_raw(0), &before)?;
    took
}

fn trace(child: &Child, count: u64) -> Result<Duration> {
    let pid = Pid::from_raw(child.id().cast_signed());
    waitpid(pid, None)?;
    ptrace::setoptions(pid, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL)?;
    ptrace::sysemu(pid, None)?;
    waitpid(pid, None)?;
    let start = Instant::now();
    for _ in 0..count {
        ptrace::syscall_info(pid)?;
        ptrace::write_user(pid, without_provenance_mut(RESULT_OFFSET), 1)?;
        ptrace::sysemu(pid, None)?;
        waitpid(pid, None)?;
    }
    Ok(start.elapsed())
}
