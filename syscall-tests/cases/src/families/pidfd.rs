//! Processes by descriptor.

use kernel_abi::flags::{
    FallocateMode, FcntlCommand, MapFlags, OpenFlags, PidfdFlags, PollEvents, ProtFlags, SI_TKILL, SigHow, WaitId,
    WaitOptions,
};
use kernel_abi::structs::{PollFd, Siginfo, Timespec, status_signaled};
use kernel_abi::{Calls, Errno, Fd, Pid, Result, SigSet, Signal, Sys};

use super::Outcome;
use super::file::{create, descriptor, read};
use super::process::{pauses, wait};
use super::signal::mask;
use super::thread::{join, start};

cases! { "pidfd":
    a_signal_reaches_the_process_behind_it, it_is_ready_when_the_process_has_ended, it_is_waited_for,
    what_opening_refuses, what_sending_refuses, a_thread_has_one_too, a_signal_may_be_for_a_group,
    a_process_nobody_waits_for_has_hung_up, a_descriptor_of_a_process_has_no_memory,
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

/// A thread that takes SIGUSR2 and ends when it has.
fn takes_one(sys: &dyn Sys, _: usize) -> i32 {
    let set = sys.store(sys.page() + 0x600, &SigSet::of(&[Signal::SIGUSR2]));
    let taken = sys.rt_sigtimedwait(set, sys.page() + 0x680, 0, 8);
    sys.store(sys.page() + 0x610, &taken.map_or(-1, |signal| signal as isize));
    0
}

fn events(sys: &dyn Sys, file: Fd) -> Result<PollEvents> {
    let files = sys.store(sys.page(), &PollFd { fd: file.0, events: PollEvents::POLLIN.bits(), revents: 0 });
    sys.ppoll(files, 1, 0, 0, 0)?;
    Ok(PollEvents::from_bits(sys.load::<PollFd>(files).revents).unwrap_or(PollEvents::empty()))
}

fn a_thread_has_one_too(sys: &dyn Sys) -> Outcome {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGUSR2])?;
    let tid = start(sys, 0, takes_one, 0)?;
    assert!(sys.pidfd_open(tid, 0).is_err());
    let file = descriptor(sys.pidfd_open(tid, PidfdFlags::PIDFD_THREAD)?);
    let first = descriptor(sys.pidfd_open(sys.getpid()?, PidfdFlags::PIDFD_THREAD | PidfdFlags::PIDFD_NONBLOCK)?);
    let flags = sys.fcntl(first, FcntlCommand::F_GETFL, 0)? as u32;
    let wanted = OpenFlags::O_RDWR | OpenFlags::O_NONBLOCK | OpenFlags::O_EXCL;
    assert_eq!(flags & !OpenFlags::O_LARGEFILE.bits(), wanted.bits());
    assert_eq!(ready(sys, file, 0)?, 0);
    sys.pidfd_send_signal(file, 0, 0, 0)?;
    sys.pidfd_send_signal(file, Signal::SIGUSR2, 0, 0)?;
    assert_eq!(events(sys, file)?, PollEvents::POLLIN | PollEvents::POLLHUP);
    join(sys, 0);
    assert_eq!(sys.load::<isize>(sys.page() + 0x610), Signal::SIGUSR2.number() as isize);
    let told: Siginfo = sys.load(sys.page() + 0x680);
    assert_eq!(told.si_code, SI_TKILL);
    assert_eq!(sys.pidfd_send_signal(file, Signal::SIGUSR2, 0, 0), Err(Errno::ESRCH));
    assert_eq!(sys.pidfd_open(tid, PidfdFlags::PIDFD_THREAD), Err(Errno::ESRCH));
    assert_eq!(ready(sys, first, 0)?, 0);
    Ok(())
}

fn a_signal_may_be_for_a_group(sys: &dyn Sys) -> Outcome {
    const THREAD: u32 = 1;
    const GROUP: u32 = 4;
    let pid = sys.fork_with(pauses, 0)?;
    let file = open(sys, pid)?;
    // It leads no group yet.
    assert_eq!(sys.pidfd_send_signal(file, Signal::SIGTERM, 0, GROUP), Err(Errno::ESRCH));
    sys.setpgid(pid, pid)?;
    sys.pidfd_send_signal(file, 0, 0, THREAD)?;
    assert_eq!(sys.pidfd_send_signal(file, 0, 0, THREAD | GROUP), Err(Errno::EINVAL));
    assert_eq!(sys.pidfd_send_signal(file, 0, 0, 8), Err(Errno::EINVAL));
    sys.pidfd_send_signal(file, Signal::SIGTERM, 0, GROUP)?;
    assert_eq!(wait(sys, pid)?, status_signaled(Signal::SIGTERM.number(), false));
    Ok(())
}

fn a_process_nobody_waits_for_has_hung_up(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(|_, _| 0, 0)?;
    let file = open(sys, pid)?;
    assert_eq!(events(sys, file)?, PollEvents::POLLIN);
    wait(sys, pid)?;
    assert_eq!(events(sys, file)?, PollEvents::POLLIN | PollEvents::POLLHUP);
    Ok(())
}

fn a_descriptor_of_a_process_has_no_memory(sys: &dyn Sys) -> Outcome {
    let file = open(sys, sys.getpid()?)?;
    let map = |prot| sys.mmap(0, 4096, prot, MapFlags::MAP_PRIVATE, file, 0);
    assert_eq!(map(ProtFlags::PROT_READ), Err(Errno::ENODEV));
    // Since Linux 6.16 it is no program, which is told first; before 6.9 it is no file.
    let answer = map(ProtFlags::PROT_EXEC);
    assert!(matches!(answer, Err(Errno::EPERM | Errno::ENODEV)), "{answer:?}");
    let answer = sys.fallocate(file, FallocateMode::empty(), 0, 1);
    assert!(matches!(answer, Err(Errno::EOPNOTSUPP | Errno::ENODEV)), "{answer:?}");
    Ok(())
}
