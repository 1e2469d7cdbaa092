//! Processes by descriptor.

use kernel_abi::flags::{FcntlCommand, PidfdFlags, PollEvents, WaitId, WaitOptions};
use kernel_abi::structs::{PollFd, Siginfo, Timespec, status_signaled};
use kernel_abi::{Calls, Errno, Fd, Pid, Result, Signal, Sys};

use super::Outcome;
use super::file::{create, descriptor, read};
use super::process::{pauses, wait};

cases! { "pidfd":
    a_signal_reaches_the_process_behind_it, it_is_ready_when_the_process_has_ended, it_is_waited_for,
    what_opening_refuses, what_sending_refuses,
}

fn open(sys: &dyn Sys, pid: usize) -> Result<Fd> {
    sys.pidfd_open(pid, PidfdFlags::empty()).map(descriptor)
}

fn ready(sys: &dyn Sys, file: Fd, timeout_ns: u64) -> Result {
    let files = sys.store(sys.page(), &PollFd { fd: file.0, events: PollEvents::POLLIN.bits(), revents: 0 });
    let timeout = sys.store(sys.page() + 64, &Timespec::from_ns(timeout_ns));
    sys.ppoll(files, 1, timeout, 0, 0)
}

fn a_signal_reaches_the_process_behind_it(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(pauses, 0)?;
    let file = open(sys, pid)?;
    assert_eq!(sys.fcntl(file, FcntlCommand::F_GETFD, 0)?, 1);
    sys.pidfd_send_signal(file, 0, 0, 0)?;
    sys.pidfd_send_signal(file, Signal::SIGTERM, 0, 0)?;
    assert_eq!(wait(sys, pid)?, status_signaled(Signal::SIGTERM.number(), false));
    // Its number may be somebody else's by now.
    assert_eq!(sys.pidfd_send_signal(file, Signal::SIGTERM, 0, 0), Err(Errno::ESRCH));
    Ok(())
}

fn it_is_ready_when_the_process_has_ended(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(pauses, 0)?;
    let file = open(sys, pid)?;
    assert_eq!(ready(sys, file, 0)?, 0);
    sys.pidfd_send_signal(file, Signal::SIGKILL, 0, 0)?;
    assert_eq!(ready(sys, file, 60_000_000_000)?, 1);
    assert_eq!(wait(sys, pid)?, status_signaled(Signal::SIGKILL.number(), false));
    Ok(())
}

fn it_is_waited_for(sys: &dyn Sys) -> Outcome {
    let other = sys.fork_with(|_, _| 1, 0)?;
    let pid = sys.fork_with(|_, _| 7, 0)?;
    let file = open(sys, pid)?;
    let at = sys.page() + 0x100;
    sys.waitid(WaitId::P_PIDFD, Pid(file.0), at, WaitOptions::WEXITED, 0)?;
    let told: Siginfo = sys.load(at);
    assert_eq!((told.pid() as usize, told.status()), (pid, 7));
    wait(sys, other)?;
    let regular = create(sys, "file")?;
    assert_eq!(sys.waitid(WaitId::P_PIDFD, Pid(regular.0), at, WaitOptions::WEXITED, 0), Err(Errno::EBADF));
    Ok(())
}

fn what_opening_refuses(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.pidfd_open(0, 0), Err(Errno::EINVAL));
    assert_eq!(sys.pidfd_open(Pid(-1), 0), Err(Errno::EINVAL));
    assert_eq!(sys.pidfd_open(0x40_0001, 0), Err(Errno::ESRCH));
    assert_eq!(sys.pidfd_open(sys.getpid()?, 1), Err(Errno::EINVAL));
    Ok(())
}

fn what_sending_refuses(sys: &dyn Sys) -> Outcome {
    let file = open(sys, sys.getpid()?)?;
    assert_eq!(sys.pidfd_send_signal(file, 65, 0, 0), Err(Errno::EINVAL));
    assert_eq!(sys.pidfd_send_signal(create(sys, "file")?, 0, 0, 0), Err(Errno::EBADF));
    assert_eq!(sys.pidfd_send_signal(file, 0, 8, 0), Err(Errno::EFAULT));
    assert_eq!(read(sys, file, 8), Err(Errno::EINVAL));
    Ok(())
}
