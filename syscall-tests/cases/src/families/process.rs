//! Processes: children, how they end, who waits, and groups of them.

use alloc::vec::Vec;

use kernel_abi::flags::WaitOptions;
use kernel_abi::structs::{status_exited, status_signaled};
use kernel_abi::sys::ChildFn;
use kernel_abi::{Calls, Errno, Pid, Result, Signal, Sys};

use super::Outcome;

cases! { "process":
    an_exit_status_has_eight_bits, a_child_knows_its_parent, a_killed_child_tells_its_signal,
    nobody_to_wait_for, not_waiting_for_a_running_child, any_child_is_waited_for, a_session_is_begun_by_a_child,
    groups_are_made_and_refused, signalling_nobody, a_wild_status_is_efault, what_execve_refuses,
}

/// Waits for a child and gives its status word.
pub(super) fn wait(sys: &dyn Sys, pid: usize) -> Result<i32> {
    let status = sys.page() + 0x7ff0;
    let got = sys.wait4(pid, status, WaitOptions::empty(), 0)?;
    assert_eq!(got, pid);
    Ok(sys.load(status))
}

/// Runs `run` in a child that is to end with 0.
pub(super) fn in_child(sys: &dyn Sys, run: ChildFn, arg: usize) -> Result<()> {
    let pid = sys.fork_with(run, arg)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

/// A child's exit status for what it came to.
pub(super) fn ended(outcome: Outcome) -> i32 {
    match outcome {
        Ok(()) => 0,
        Err(failure) => panic!("{failure}"),
    }
}

/// The process that a call named.
pub(super) fn process(answer: usize) -> Pid {
    Pid(i32::try_from(answer).unwrap_or(-1))
}

fn an_exit_status_has_eight_bits(sys: &dyn Sys) -> Outcome {
    for status in [0, 3, 255, 256, -1] {
        let pid = sys.fork_with(|_, status| status as i32, status as usize)?;
        assert_eq!(wait(sys, pid)?, status_exited(status));
    }
    Ok(())
}

fn a_child_knows_its_parent(sys: &dyn Sys) -> Outcome {
    let me = sys.getpid()?;
    let child = |sys: &dyn Sys, parent| {
        let knows = sys.getppid() == Ok(parent) && sys.getpid() != Ok(parent) && sys.getpid() == sys.gettid();
        i32::from(!knows)
    };
    let pid = sys.fork_with(child, me)?;
    assert_ne!(pid, me);
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

/// A child that waits for its end.
pub(super) fn pauses(sys: &dyn Sys, _: usize) -> i32 {
    loop {
        let _ = sys.ppoll(0, 0, 0, 0, 8);
    }
}

fn a_killed_child_tells_its_signal(sys: &dyn Sys) -> Outcome {
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let pid = sys.fork_with(pauses, 0)?;
        sys.kill(pid, signal)?;
        assert_eq!(wait(sys, pid)?, status_signaled(signal.number(), false));
        assert_eq!(sys.kill(pid, signal), Err(Errno::ESRCH));
    }
    Ok(())
}

fn nobody_to_wait_for(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.wait4(Pid(-1), 0, WaitOptions::empty(), 0), Err(Errno::ECHILD));
    assert_eq!(sys.wait4(sys.getpid()?, 0, WaitOptions::WNOHANG, 0), Err(Errno::ECHILD));
    assert_eq!(sys.wait4(Pid(-1), 0, WaitOptions::from_bits_retain(0x100), 0), Err(Errno::EINVAL));
    Ok(())
}

fn not_waiting_for_a_running_child(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(pauses, 0)?;
    assert_eq!(sys.wait4(pid, 0, WaitOptions::WNOHANG, 0)?, 0);
    sys.kill(pid, Signal::SIGKILL)?;
    wait(sys, pid)?;
    assert_eq!(sys.wait4(pid, 0, WaitOptions::WNOHANG, 0), Err(Errno::ECHILD));
    Ok(())
}

fn any_child_is_waited_for(sys: &dyn Sys) -> Outcome {
    let mut children = Vec::new();
    for _ in 0..3 {
        children.push(sys.fork_with(|_, _| 0, 0)?);
    }
    let mut ended = Vec::new();
    for _ in 0..3 {
        ended.push(sys.wait4(Pid(-1), 0, WaitOptions::empty(), 0)?);
    }
    children.sort_unstable();
    ended.sort_unstable();
    assert_eq!(children, ended);
    Ok(())
}

fn a_session_is_begun_by_a_child(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        let me = sys.getpid();
        let begun = sys.setsid() == me && sys.getsid(0) == me && sys.getpgid(0) == me;
        i32::from(!(begun && sys.setsid() == Err(Errno::EPERM)))
    };
    let pid = sys.fork_with(child, 0)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn groups_are_made_and_refused(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(pauses, 0)?;
    assert_eq!(sys.getpgid(pid)?, sys.getpgid(0)?);
    sys.setpgid(pid, 0)?;
    assert_eq!(sys.getpgid(pid)?, pid);
    assert_eq!(sys.setpgid(pid, Pid(-1)), Err(Errno::EINVAL));
    assert_eq!(sys.setpgid(Pid(0x3fff_ffff), 0), Err(Errno::ESRCH));
    assert_eq!(sys.getpgid(Pid(0x3fff_ffff)), Err(Errno::ESRCH));
    sys.kill(Pid(-process(pid).0), Signal::SIGKILL)?;
    assert_eq!(wait(sys, pid)?, status_signaled(9, false));
    Ok(())
}

fn signalling_nobody(sys: &dyn Sys) -> Outcome {
    let me = sys.getpid()?;
    sys.kill(me, 0)?;
    assert_eq!(sys.kill(me, 65), Err(Errno::EINVAL));
    assert_eq!(sys.kill(Pid(0x3fff_ffff), 0), Err(Errno::ESRCH));
    assert_eq!(sys.tgkill(me, Pid(0), 0), Err(Errno::EINVAL));
    Ok(())
}

fn a_wild_status_is_efault(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(|_, _| 0, 0)?;
    assert_eq!(sys.wait4(pid, 8, WaitOptions::empty(), 0), Err(Errno::EFAULT));
    // The child is gone all the same.
    assert_eq!(sys.wait4(pid, 0, WaitOptions::empty(), 0), Err(Errno::ECHILD));
    Ok(())
}

fn what_execve_refuses(sys: &dyn Sys) -> Outcome {
    let path = |name| sys.path(sys.page(), name);
    assert_eq!(sys.execve(path("missing"), 0, 0), Err(Errno::ENOENT));
    assert_eq!(sys.execve(path("."), 0, 0), Err(Errno::EACCES));
    let file = super::file::create(sys, "file")?;
    super::file::write(sys, file, b"not a program")?;
    assert_eq!(sys.execve(path("file"), 0, 0), Err(Errno::EACCES));
    sys.fchmod(file, kernel_abi::Mode(0o755))?;
    sys.close(file)?;
    assert_eq!(sys.execve(path("file"), 0, 0), Err(Errno::ENOEXEC));
    assert_eq!(sys.execve(8, 0, 0), Err(Errno::EFAULT));
    Ok(())
}
