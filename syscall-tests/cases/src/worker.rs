//! A process for each case: the same program, executed anew in an empty directory, and nobody left behind.

use alloc::format;
use alloc::string::String;

use kernel_abi::flags::{DupFlags, OpenFlags, SigHow, WaitOptions};
use kernel_abi::structs::Timespec;
use kernel_abi::{Calls as _, Fd, Pid, Result, SigSet, Signal, Sys};

use crate::Case;
use crate::place::{Place, write};

/// Seconds that a case may take: as in syscall-tests.
const TIME_MAX_S: i64 = 60;
/// Bytes of what a case says that are looked at.
const SAID_MAX: usize = 2048;
/// Where the child finds its words in the page: an argument list, and the text.
const LIST: usize = 0x8000;
const TEXT: usize = 0x8100;
const PROGRAM: &str = "/proc/self/exe";
/// Exit status of a child that could not become the program.
const STATUS_NOT_EXECUTED: i32 = 127;

/// Runs a case in a process of its own. The text says what went wrong.
pub fn run(sys: &dyn Sys, case: &Case) -> core::result::Result<(), String> {
    let place = Place::new(sys).map_err(|errno| format!("no directory: {errno:?}"))?;
    let result = run_in(sys, case, &place).unwrap_or_else(|errno| Err(format!("no process: {errno:?}")));
    place.remove(sys);
    // With nobody else to adopt them, orphans have become ours.
    while sys.wait4(Pid(-1), 0, WaitOptions::WNOHANG, 0).is_ok_and(|pid| pid > 0) {}
    result
}

fn run_in(sys: &dyn Sys, case: &Case, place: &Place) -> Result<core::result::Result<(), String>> {
    let output = place.create(sys, "output")?;
    let mut text = sys.page() + TEXT;
    for (index, word) in [PROGRAM, "--case", case.name].into_iter().enumerate() {
        sys.store(sys.page() + LIST + index * 8, &(sys.path(text, word) as u64));
        text += word.len() + 1;
    }
    sys.store(sys.page() + LIST + 24, &0_u64);
    place.name(sys, sys.page(), "directory");
    // Before there is a child that could end.
    sys.store(sys.page() + 0x1000, &SigSet::of(&[Signal::SIGCHLD]));
    sys.rt_sigprocmask(SigHow::SIG_BLOCK, sys.page() + 0x1000, 0, 8)?;
    let pid = sys.fork_with(become_case, output.0 as usize)?;
    let ended = wait(sys, pid);
    if ended.is_none() {
        let _ = sys.kill(Pid(-(pid as i32)), Signal::SIGKILL);
        let _ = sys.kill(pid, Signal::SIGKILL);
        sys.wait4(pid, 0, WaitOptions::empty(), 0)?;
    }
    let said = said(sys, output);
    sys.close(output)?;
    Ok(match ended {
        Some(0) => Ok(()),
        Some(status) if status & 0x7f == 0 => Err(format!("{said}exit status {}", status >> 8)),
        Some(status) => Err(format!("{said}killed by signal {}", status & 0x7f)),
        None => Err(format!("{said}took more than {TIME_MAX_S} s")),
    })
}

/// The child: a session of its own, the case's directory, no input, and output where the parent reads it.
fn become_case(sys: &dyn Sys, output: usize) -> i32 {
    let become_it = || -> Result {
        sys.setsid()?;
        sys.chdir(sys.page())?;
        sys.dup3(output, Fd(2), DupFlags::empty())?;
        let null = sys.openat(Fd::CWD, sys.path(sys.page(), "/dev/null"), OpenFlags::O_RDWR, 0)?;
        for fd in [Fd(0), Fd(1)] {
            if null != fd.0 as usize {
                sys.dup3(null, fd, DupFlags::empty())?;
            }
        }
        sys.execve(sys.path(sys.page(), PROGRAM), sys.page() + LIST, 0)
    };
    if let Err(errno) = become_it() {
        write(sys, Fd(2), format!("not executed: {errno:?}\n").as_bytes());
    }
    STATUS_NOT_EXECUTED
}

/// The status of a child that ends in time.
fn wait(sys: &dyn Sys, pid: usize) -> Option<i32> {
    let (set, status, left) = (sys.page() + 0x1000, sys.page() + 0x1010, sys.page() + 0x1020);
    let now = || {
        let _ = sys.clock_gettime(1, left);
        sys.load::<Timespec>(left)
    };
    let deadline = now().tv_sec + TIME_MAX_S;
    loop {
        match sys.wait4(pid, status, WaitOptions::WNOHANG, 0) {
            Ok(0) => {}
            Ok(_) => return Some(sys.load(status)),
            Err(_) => return None,
        }
        let seconds = deadline - now().tv_sec;
        if seconds <= 0 {
            return None;
        }
        sys.store(left, &Timespec { tv_sec: seconds, tv_nsec: 0 });
        // Whatever it answers, the child is looked at again.
        let _ = sys.rt_sigtimedwait(set, 0, left, 8);
    }
}

/// What a case wrote to its standard error, with a line's end.
fn said(sys: &dyn Sys, output: Fd) -> String {
    let len = sys.pread64(output, sys.page(), SAID_MAX, 0).unwrap_or(0);
    String::from_utf8_lossy(&sys.bytes(sys.page(), len)).into_owned()
}
