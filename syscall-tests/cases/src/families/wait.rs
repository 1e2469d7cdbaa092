//! Waiting for children: which, for what, and what is told.

use kernel_abi::flags::{
    _LINUX_CAPABILITY_VERSION_3, CLD_CONTINUED, CLD_EXITED, CLD_KILLED, CLD_STOPPED, SIG_IGN, SaFlags, SigHow, WaitId,
    WaitOptions,
};
use kernel_abi::structs::{
    CapHeader, CloneArgs, Rusage, STATUS_CONTINUED, Sigaction, Siginfo, status_exited, status_signaled, status_stopped,
};
use kernel_abi::{Calls, Errno, Pid, Result, SigSet, Signal, Sys};

use super::Outcome;
use super::file::read;
use super::memory::map_shared;
use super::pipe::pipe;
use super::process::{in_child, pauses, process, wait};
use super::signal::{act, action, counted, counts, mask};

cases! { "wait":
    a_siginfo_tells_how_a_child_ended, a_child_may_be_left_for_later, what_waitid_refuses,
    nothing_yet_is_zeros, a_stop_and_its_end_are_told_once, a_siginfo_tells_of_stops, a_group_is_waited_for,
    a_process_that_cannot_be_is_nobody, a_clone_without_a_signal_is_waited_for_by_name,
    whoever_ignores_its_children_is_left_none, whoever_wants_no_zombies_gets_none, what_was_used_is_told,
    an_orphan_gets_a_new_parent, the_end_of_a_child_is_a_signal, a_stop_of_a_child_may_be_no_signal,
    a_child_ends_with_the_signal_it_was_made_with, a_stopped_child_dies, a_continued_child_forgets_its_stop,
    a_thread_waits_for_its_brothers_children, a_wild_siginfo_is_efault, a_zombie_is_still_somebody,
    every_kind_of_child_is_waited_for, what_only_waitid_takes,
}

const INFO: usize = 0x7400;

/// waitid(2), and the siginfo.
fn told(sys: &dyn Sys, kind: WaitId, who: usize, options: WaitOptions) -> Result<Siginfo> {
    let at = sys.page() + INFO;
    sys.poke(at, &[0xaa; 128]);
    assert_eq!(sys.waitid(kind, who, at, options, 0)?, 0);
    // What is not written is not looked at.
    let all: Siginfo = sys.load(at);
    let mut told =
        Siginfo { si_signo: all.si_signo, si_errno: all.si_errno, si_code: all.si_code, ..Siginfo::default() };
    told.fields[0] = all.fields[0];
    told.fields[1] = all.fields[1] & 0xffff_ffff;
    Ok(told)
}

fn expected(sys: &dyn Sys, code: i32, pid: usize, status: i32) -> Result<Siginfo> {
    let mut info = Siginfo { si_signo: 17, si_code: code, ..Siginfo::default() };
    info.fields[0] = pid as u64 | (sys.getuid()? as u64) << 32;
    info.fields[1] = u64::from(status as u32);
    Ok(info)
}

fn a_siginfo_tells_how_a_child_ended(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(|_, _| 0x107, 0)?;
    assert_eq!(told(sys, WaitId::P_PID, pid, WaitOptions::WEXITED)?, expected(sys, CLD_EXITED, pid, 7)?);
    let pid = sys.fork_with(pauses, 0)?;
    sys.kill(pid, Signal::SIGTERM)?;
    assert_eq!(told(sys, WaitId::P_ALL, 0, WaitOptions::WEXITED)?, expected(sys, CLD_KILLED, pid, 15)?);
    assert_eq!(sys.waitid(WaitId::P_ALL, 0, 0, WaitOptions::WEXITED, 0), Err(Errno::ECHILD));
    Ok(())
}

fn a_child_may_be_left_for_later(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(|_, _| 3, 0)?;
    let look = WaitOptions::WEXITED | WaitOptions::WNOWAIT;
    for _ in 0..2 {
        assert_eq!(told(sys, WaitId::P_PID, pid, look)?, expected(sys, CLD_EXITED, pid, 3)?);
    }
    assert_eq!(wait(sys, pid)?, status_exited(3));
    assert_eq!(sys.waitid(WaitId::P_PID, pid, 0, look, 0), Err(Errno::ECHILD));
    Ok(())
}

fn what_waitid_refuses(sys: &dyn Sys) -> Outcome {
    let exited = WaitOptions::WEXITED;
    let refused = |kind, who: i32, options| sys.waitid(kind, Pid(who), 0, options, 0);
    assert_eq!(refused(WaitId::P_ALL, 0, WaitOptions::empty()), Err(Errno::EINVAL));
    assert_eq!(refused(WaitId::P_ALL, 0, WaitOptions::WNOHANG), Err(Errno::EINVAL));
    assert_eq!(refused(WaitId::P_ALL, 0, exited | WaitOptions::from_bits_retain(0x100)), Err(Errno::EINVAL));
    assert_eq!(refused(WaitId(9), 0, exited), Err(Errno::EINVAL));
    assert_eq!(refused(WaitId::P_PID, 0, exited), Err(Errno::EINVAL));
    assert_eq!(refused(WaitId::P_PID, -1, exited), Err(Errno::EINVAL));
    assert_eq!(refused(WaitId::P_PGID, -1, exited), Err(Errno::EINVAL));
    assert_eq!(refused(WaitId::P_PIDFD, -1, exited), Err(Errno::EINVAL));
    assert_eq!(refused(WaitId::P_PIDFD, 77, exited), Err(Errno::EBADF));
    assert_eq!(refused(WaitId::P_PGID, 0, exited), Err(Errno::ECHILD));
    assert_eq!(refused(WaitId::P_PID, 1, exited), Err(Errno::ECHILD));
    Ok(())
}

fn nothing_yet_is_zeros(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(pauses, 0)?;
    let none = WaitOptions::WEXITED | WaitOptions::WNOHANG;
    assert_eq!(told(sys, WaitId::P_PID, pid, none)?, Siginfo::default());
    sys.store(sys.page(), &77_i32);
    assert_eq!(sys.wait4(pid, sys.page(), WaitOptions::WNOHANG, 0)?, 0);
    assert_eq!(sys.load::<i32>(sys.page()), 77);
    sys.kill(pid, Signal::SIGKILL)?;
    wait(sys, pid)?;
    Ok(())
}

fn status(sys: &dyn Sys, pid: usize, options: WaitOptions) -> Result<Option<i32>> {
    let got = sys.wait4(pid, sys.page(), options, 0)?;
    Ok((got == pid).then(|| sys.load(sys.page())))
}

fn a_stop_and_its_end_are_told_once(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(pauses, 0)?;
    let (stops, goes) = (WaitOptions::WUNTRACED, WaitOptions::WCONTINUED);
    sys.kill(pid, Signal::SIGSTOP)?;
    assert_eq!(status(sys, pid, stops)?, Some(status_stopped(19)));
    assert_eq!(status(sys, pid, stops | goes | WaitOptions::WNOHANG)?, None);
    // Stopping what is stopped is nothing.
    sys.kill(pid, Signal::SIGSTOP)?;
    assert_eq!(status(sys, pid, stops | goes | WaitOptions::WNOHANG)?, None);
    sys.kill(pid, Signal::SIGCONT)?;
    assert_eq!(status(sys, pid, WaitOptions::WNOHANG)?, None);
    assert_eq!(status(sys, pid, stops | goes)?, Some(STATUS_CONTINUED));
    assert_eq!(status(sys, pid, stops | goes | WaitOptions::WNOHANG)?, None);
    sys.kill(pid, Signal::SIGKILL)?;
    assert_eq!(wait(sys, pid)?, status_signaled(9, false));
    Ok(())
}

fn a_siginfo_tells_of_stops(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(pauses, 0)?;
    sys.kill(pid, Signal::SIGSTOP)?;
    let stopped = expected(sys, CLD_STOPPED, pid, 19)?;
    assert_eq!(told(sys, WaitId::P_PID, pid, WaitOptions::WUNTRACED | WaitOptions::WNOWAIT)?, stopped);
    assert_eq!(told(sys, WaitId::P_PID, pid, WaitOptions::WUNTRACED)?, stopped);
    sys.kill(pid, Signal::SIGCONT)?;
    let continued = expected(sys, CLD_CONTINUED, pid, 18)?;
    assert_eq!(told(sys, WaitId::P_PID, pid, WaitOptions::WCONTINUED)?, continued);
    sys.kill(pid, Signal::SIGKILL)?;
    wait(sys, pid)?;
    Ok(())
}

fn a_group_is_waited_for(sys: &dyn Sys) -> Outcome {
    let here = sys.fork_with(|_, _| 1, 0)?;
    let there = sys.fork_with(pauses, 0)?;
    sys.setpgid(there, 0)?;
    sys.kill(there, Signal::SIGKILL)?;
    let group = Pid(-process(there).0);
    assert_eq!(sys.wait4(group, 0, WaitOptions::empty(), 0)?, there);
    assert_eq!(sys.wait4(group, 0, WaitOptions::empty(), 0), Err(Errno::ECHILD));
    assert_eq!(sys.wait4(Pid(0), 0, WaitOptions::empty(), 0)?, here);
    let there = sys.fork_with(pauses, 0)?;
    sys.setpgid(there, 0)?;
    sys.kill(there, Signal::SIGKILL)?;
    assert_eq!(sys.waitid(WaitId::P_PGID, 0, 0, WaitOptions::WEXITED, 0), Err(Errno::ECHILD));
    assert_eq!(told(sys, WaitId::P_PGID, there, WaitOptions::WEXITED)?.pid(), there as i32);
    Ok(())
}

fn a_process_that_cannot_be_is_nobody(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.wait4(Pid(i32::MIN), 0, WaitOptions::empty(), 0), Err(Errno::ESRCH));
    assert_eq!(sys.wait4(Pid(i32::MIN), 0, WaitOptions::WEXITED, 0), Err(Errno::EINVAL));
    assert_eq!(sys.wait4(Pid(0x3fff_ffff), 0, WaitOptions::empty(), 0), Err(Errno::ECHILD));
    assert_eq!(sys.wait4(Pid(-0x3fff_ffff), 0, WaitOptions::empty(), 0), Err(Errno::ECHILD));
    Ok(())
}

fn a_clone_without_a_signal_is_waited_for_by_name(sys: &dyn Sys) -> Outcome {
    let none = WaitOptions::empty();
    for wanted in [WaitOptions::__WALL, WaitOptions::__WCLONE] {
        let pid = sys.clone_with(&CloneArgs::default(), |_, _| 5, 0)?;
        assert_eq!(sys.wait4(pid, 0, none, 0), Err(Errno::ECHILD));
        assert_eq!(sys.wait4(pid, sys.page(), wanted, 0)?, pid);
        assert_eq!(sys.load::<i32>(sys.page()), status_exited(5));
    }
    let pid = sys.fork_with(|_, _| 0, 0)?;
    assert_eq!(sys.wait4(pid, 0, WaitOptions::__WCLONE, 0), Err(Errno::ECHILD));
    wait(sys, pid)?;
    Ok(())
}

fn whoever_ignores_its_children_is_left_none(sys: &dyn Sys) -> Outcome {
    act(sys, Signal::SIGCHLD, Sigaction { handler: SIG_IGN, ..Sigaction::default() })?;
    for _ in 0..2 {
        sys.fork_with(|_, _| 0, 0)?;
    }
    // It waits until the last one has gone.
    assert_eq!(sys.wait4(Pid(-1), 0, WaitOptions::empty(), 0), Err(Errno::ECHILD));
    Ok(())
}

fn whoever_wants_no_zombies_gets_none(sys: &dyn Sys) -> Outcome {
    act(sys, Signal::SIGCHLD, action(sys, counts, SaFlags::SA_NOCLDWAIT | SaFlags::SA_RESTART, SigSet::EMPTY))?;
    let pid = sys.fork_with(|_, _| 0, 0)?;
    assert_eq!(sys.wait4(pid, 0, WaitOptions::empty(), 0), Err(Errno::ECHILD));
    assert_eq!(counted(sys), [1, 17]);
    Ok(())
}

fn what_was_used_is_told(sys: &dyn Sys) -> Outcome {
    for by_waitid in [false, true] {
        let pid = sys.fork_with(|_, _| 0, 0)?;
        let usage = sys.page() + 256;
        sys.poke(usage, &[0xaa; size_of::<Rusage>()]);
        if by_waitid {
            sys.waitid(WaitId::P_PID, pid, 0, WaitOptions::WEXITED, usage)?;
        } else {
            sys.wait4(pid, 0, WaitOptions::empty(), usage)?;
        }
        let used: Rusage = sys.load(usage);
        assert!(used.ru_utime.tv_sec >= 0 && (0..1_000_000).contains(&used.ru_utime.tv_usec));
        assert!(used.ru_maxrss >= 0 && used.ru_nsignals == 0);
    }
    let pid = sys.fork_with(|_, _| 0, 0)?;
    assert_eq!(sys.wait4(pid, 0, WaitOptions::empty(), 8), Err(Errno::EFAULT));
    Ok(())
}

/// Leaves a child that writes a byte once somebody else is its parent.
fn abandons(sys: &dyn Sys, writer: usize) -> i32 {
    let child = |sys: &dyn Sys, packed: usize| {
        let (parent, writer) = (packed >> 8, packed & 0xff);
        while sys.getppid() == Ok(parent) {
            let _ = sys.sched_yield();
        }
        i32::from(sys.write(writer, sys.page(), 1) != Ok(1))
    };
    let Ok(me) = sys.getpid() else { return 1 };
    i32::from(sys.fork_with(child, me << 8 | writer).is_err())
}

fn an_orphan_gets_a_new_parent(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, kernel_abi::flags::PipeFlags::empty())?;
    in_child(sys, abandons, writer.0 as usize)?;
    sys.close(writer)?;
    assert_eq!(read(sys, reader, 10)?.len(), 1);
    assert_eq!(read(sys, reader, 10)?.len(), 0);
    assert_eq!(sys.wait4(Pid(-1), 0, WaitOptions::empty(), 0), Err(Errno::ECHILD));
    Ok(())
}

/// Takes a blocked SIGCHLD's siginfo, waiting for it.
fn awaited(sys: &dyn Sys, signal: Signal) -> Result<Siginfo> {
    let set = sys.store(sys.page() + INFO, &SigSet::of(&[signal]));
    sys.rt_sigtimedwait(set, sys.page() + INFO + 64, 0, 8)?;
    Ok(sys.load(sys.page() + INFO + 64))
}

fn the_end_of_a_child_is_a_signal(sys: &dyn Sys) -> Outcome {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGCHLD])?;
    // An ignored signal that is blocked waits all the same; SIGCHLD is ignored by default.
    let pid = sys.fork_with(|_, _| 9, 0)?;
    let info = awaited(sys, Signal::SIGCHLD)?;
    let uid = sys.getuid()? as u32;
    assert_eq!((info.si_code, info.pid(), info.uid(), info.status()), (CLD_EXITED, pid as i32, uid, 9));
    assert_eq!(wait(sys, pid)?, status_exited(9));
    let pid = sys.fork_with(pauses, 0)?;
    sys.kill(pid, Signal::SIGKILL)?;
    let info = awaited(sys, Signal::SIGCHLD)?;
    assert_eq!((info.si_code, info.pid(), info.status()), (CLD_KILLED, pid as i32, 9));
    wait(sys, pid)?;
    Ok(())
}

fn a_stop_of_a_child_may_be_no_signal(sys: &dyn Sys) -> Outcome {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGCHLD])?;
    let pid = sys.fork_with(pauses, 0)?;
    sys.kill(pid, Signal::SIGSTOP)?;
    let info = awaited(sys, Signal::SIGCHLD)?;
    assert_eq!((info.si_code, info.pid(), info.status()), (CLD_STOPPED, pid as i32, 19));
    sys.kill(pid, Signal::SIGCONT)?;
    let info = awaited(sys, Signal::SIGCHLD)?;
    assert_eq!((info.si_code, info.pid(), info.status()), (CLD_CONTINUED, pid as i32, 18));
    act(sys, Signal::SIGCHLD, action(sys, counts, SaFlags::SA_NOCLDSTOP, SigSet::EMPTY))?;
    sys.kill(pid, Signal::SIGSTOP)?;
    assert_eq!(status(sys, pid, WaitOptions::WUNTRACED)?, Some(status_stopped(19)));
    sys.kill(pid, Signal::SIGKILL)?;
    assert_eq!(awaited(sys, Signal::SIGCHLD)?.si_code, CLD_KILLED);
    wait(sys, pid)?;
    Ok(())
}

fn a_child_ends_with_the_signal_it_was_made_with(sys: &dyn Sys) -> Outcome {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGUSR1, Signal::SIGCHLD])?;
    let args = CloneArgs { exit_signal: Signal::SIGUSR1.number() as u64, ..CloneArgs::default() };
    let pid = sys.clone_with(&args, |_, _| 4, 0)?;
    let info = awaited(sys, Signal::SIGUSR1)?;
    assert_eq!((info.si_signo, info.si_code, info.pid(), info.status()), (10, CLD_EXITED, pid as i32, 4));
    sys.rt_sigpending(sys.page(), 8)?;
    assert_eq!(sys.load::<SigSet>(sys.page()), SigSet::EMPTY);
    assert_eq!(sys.wait4(pid, 0, WaitOptions::__WALL, 0)?, pid);
    Ok(())
}

fn a_stopped_child_dies(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(pauses, 0)?;
    sys.kill(pid, Signal::SIGSTOP)?;
    assert_eq!(status(sys, pid, WaitOptions::WUNTRACED)?, Some(status_stopped(19)));
    // What ends a process waits until it goes on, but for SIGKILL.
    sys.kill(pid, Signal::SIGTERM)?;
    assert_eq!(status(sys, pid, WaitOptions::WNOHANG)?, None);
    sys.kill(pid, Signal::SIGKILL)?;
    assert_eq!(wait(sys, pid)?, status_signaled(9, false));
    let pid = sys.fork_with(pauses, 0)?;
    sys.kill(pid, Signal::SIGSTOP)?;
    assert_eq!(status(sys, pid, WaitOptions::WUNTRACED)?, Some(status_stopped(19)));
    sys.kill(pid, Signal::SIGTERM)?;
    sys.kill(pid, Signal::SIGCONT)?;
    assert_eq!(wait(sys, pid)?, status_signaled(15, false));
    Ok(())
}

/// Blocks a stop that then comes, and goes on: what was to stop it is gone.
fn a_continued_child_forgets_its_stop(sys: &dyn Sys) -> Outcome {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGTSTP, Signal::SIGCONT])?;
    let me = sys.getpid()?;
    let waiting = || -> Result<SigSet> {
        sys.rt_sigpending(sys.page(), 8)?;
        Ok(sys.load(sys.page()))
    };
    sys.kill(me, Signal::SIGTSTP)?;
    assert_eq!(waiting()?, SigSet::of(&[Signal::SIGTSTP]));
    sys.kill(me, Signal::SIGCONT)?;
    assert_eq!(waiting()?, SigSet::of(&[Signal::SIGCONT]));
    sys.kill(me, Signal::SIGTSTP)?;
    assert_eq!(waiting()?, SigSet::of(&[Signal::SIGTSTP]));
    sys.kill(me, Signal::SIGCONT)?;
    Ok(())
}

/// Waits for the child whose pid is at `at`, and leaves the answer behind it.
fn waits(sys: &dyn Sys, at: usize) -> i32 {
    let pid: usize = sys.load(at);
    let got = sys.wait4(pid, at + 16, WaitOptions::empty(), 0).unwrap_or(0);
    sys.store(at + 8, &got);
    0
}

fn a_thread_waits_for_its_brothers_children(sys: &dyn Sys) -> Outcome {
    use kernel_abi::flags::FutexOp;
    let at = map_shared(sys)?;
    let pid = sys.fork_with(|_, _| 6, 0)?;
    sys.store(at, &pid);
    let word = at + 64;
    sys.thread_with(word, waits, at)?;
    loop {
        let tid: u32 = sys.load(word);
        if tid == 0 {
            break;
        }
        let _ = sys.futex(word, FutexOp::FUTEX_WAIT, tid, 0, 0, 0);
    }
    assert_eq!((sys.load::<usize>(at + 8), sys.load::<i32>(at + 16)), (pid, status_exited(6)));
    Ok(())
}

fn a_wild_siginfo_is_efault(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(|_, _| 0, 0)?;
    assert_eq!(sys.waitid(WaitId::P_PID, pid, 8, WaitOptions::WEXITED, 0), Err(Errno::EFAULT));
    assert_eq!(sys.waitid(WaitId::P_PID, pid, 0, WaitOptions::WEXITED, 0), Err(Errno::ECHILD));
    Ok(())
}

fn a_zombie_is_still_somebody(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(|_, _| 0, 0)?;
    sys.waitid(WaitId::P_PID, pid, 0, WaitOptions::WEXITED | WaitOptions::WNOWAIT, 0)?;
    sys.kill(pid, 0)?;
    sys.kill(pid, Signal::SIGKILL)?;
    assert_eq!(sys.getpgid(pid)?, sys.getpgid(0)?);
    assert_eq!(sys.getsid(pid)?, sys.getsid(0)?);
    let about = CapHeader { version: _LINUX_CAPABILITY_VERSION_3, pid: pid as i32 };
    sys.capget(sys.store(sys.page(), &about), sys.page() + 64)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    assert_eq!(sys.capget(sys.page(), sys.page() + 64), Err(Errno::ESRCH));
    assert_eq!(sys.getpgid(pid), Err(Errno::ESRCH));
    Ok(())
}

fn every_kind_of_child_is_waited_for(sys: &dyn Sys) -> Outcome {
    use kernel_abi::structs::CloneArgs;
    for options in [WaitOptions::__WALL, WaitOptions::__WNOTHREAD, WaitOptions::__WALL | WaitOptions::__WNOTHREAD] {
        let pid = sys.fork_with(|_, _| 3, 0)?;
        assert_eq!(told(sys, WaitId::P_PID, pid, WaitOptions::WEXITED | options)?.status(), 3);
        let pid = sys.fork_with(|_, _| 3, 0)?;
        assert_eq!(status(sys, pid, options)?, Some(status_exited(3)));
    }
    // Who tells nobody by SIGCHLD is a clone.
    let silent = || sys.clone_with(&CloneArgs::default(), |_, _| 4, 0);
    let pid = silent()?;
    assert_eq!(sys.waitid(WaitId::P_PID, pid, 0, WaitOptions::WEXITED, 0), Err(Errno::ECHILD));
    let clones = WaitOptions::WEXITED | WaitOptions::__WCLONE;
    assert_eq!(told(sys, WaitId::P_PID, pid, clones)?.status(), 4);
    let pid = silent()?;
    assert_eq!(told(sys, WaitId::P_ALL, 0, WaitOptions::WEXITED | WaitOptions::__WALL)?.pid(), pid as i32);
    let pid = sys.fork_with(|_, _| 3, 0)?;
    assert_eq!(sys.waitid(WaitId::P_PID, pid, 0, clones, 0), Err(Errno::ECHILD));
    wait(sys, pid)?;
    Ok(())
}

fn what_only_waitid_takes(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(|_, _| 3, 0)?;
    for options in [WaitOptions::WNOWAIT, WaitOptions::WEXITED, WaitOptions::WNOWAIT | WaitOptions::WNOHANG] {
        assert_eq!(sys.wait4(pid, 0, options, 0), Err(Errno::EINVAL), "{options:?}");
    }
    wait(sys, pid)?;
    Ok(())
}
