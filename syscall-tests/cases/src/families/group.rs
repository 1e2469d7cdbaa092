//! Groups and sessions of processes, and what a process says of itself by prctl.

use alloc::vec::Vec;

use kernel_abi::flags::{ArchPrctlCode, Personality, PipeFlags, PrctlOption, WaitOptions};
use kernel_abi::structs::{status_exited, status_signaled};
use kernel_abi::{Calls, Errno, Pid, Result, Signal, Sys};

use super::Outcome;
use super::file::read;
use super::memory::map_shared;
use super::pipe::pipe;
use super::process::{ended, in_child, pauses, process, wait};
use super::signal::{counted, counts, handle};

cases! { "group":
    a_group_is_joined, what_a_group_refuses, nobody_moves_a_process_of_another_session, a_leader_stays,
    a_signal_reaches_a_group, a_signal_reaches_ones_own_group, nobody_is_in_an_empty_group,
    an_orphaned_group_does_not_stop, a_stopped_orphan_is_hung_up, a_group_with_a_parent_stops, a_child_has_group_and_session,
    kill_asks_for_the_process_first, a_thread_has_a_name, a_name_is_inherited, a_parents_death_is_told, a_dead_parent_is_told_of_once_asked,
    a_process_is_dumpable, orphans_come_to_their_reaper, what_prctl_refuses, a_capability_may_be_bounded,
    a_timer_may_be_slack, a_base_is_remembered needs arch_prctl, what_arch_prctl_refuses needs arch_prctl,
    a_personality_is_remembered,
    a_hang_up_takes_privilege,
}

const NOBODY: Pid = Pid(0x3fff_ffff);

fn end(sys: &dyn Sys, pid: usize) -> Result<()> {
    sys.kill(pid, Signal::SIGKILL)?;
    assert_eq!(wait(sys, pid)?, status_signaled(9, false));
    Ok(())
}

fn a_group_is_joined(sys: &dyn Sys) -> Outcome {
    let (a, b) = (sys.fork_with(pauses, 0)?, sys.fork_with(pauses, 0)?);
    sys.setpgid(a, a)?;
    sys.setpgid(b, a)?;
    assert_eq!((sys.getpgid(a)?, sys.getpgid(b)?), (a, a));
    // Its leader may be gone.
    end(sys, a)?;
    assert_eq!(sys.getpgid(b)?, a);
    sys.setpgid(b, sys.getpgid(0)?)?;
    assert_eq!(sys.getpgid(b)?, sys.getpgid(0)?);
    end(sys, b)?;
    assert_eq!(sys.getpgrp()?, sys.getpgid(0)?);
    Ok(())
}

fn what_a_group_refuses(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(pauses, 0)?;
    // A group that is not there, or is not of this session.
    assert_eq!(sys.setpgid(pid, NOBODY), Err(Errno::EPERM));
    assert_eq!(sys.setpgid(NOBODY, NOBODY), Err(Errno::ESRCH));
    assert_eq!(sys.setpgid(NOBODY, Pid(-1)), Err(Errno::EINVAL));
    assert_eq!(sys.setpgid(Pid(-1), 0), Err(Errno::EINVAL));
    assert_eq!(sys.setpgid(Pid(-1), NOBODY), Err(Errno::ESRCH));
    // Only children are moved.
    assert_eq!(sys.setpgid(sys.getppid()?, 0), Err(Errno::ESRCH));
    assert_eq!(sys.getpgid(Pid(-1)), Err(Errno::ESRCH));
    assert_eq!(sys.getsid(Pid(-1)), Err(Errno::ESRCH));
    assert_eq!(sys.getsid(NOBODY), Err(Errno::ESRCH));
    end(sys, pid)?;
    Ok(())
}

/// A child that begins a session and says so.
fn begins(sys: &dyn Sys, word: usize) -> i32 {
    let begun = sys.setsid().is_ok();
    sys.store(word, &u32::from(begun));
    let _ = sys.futex(word, kernel_abi::flags::FutexOp::FUTEX_WAKE, 1, 0, 0, 0);
    pauses(sys, 0)
}

fn nobody_moves_a_process_of_another_session(sys: &dyn Sys) -> Outcome {
    let word = map_shared(sys)?;
    let pid = sys.fork_with(begins, word)?;
    while sys.load::<u32>(word) == 0 {
        let _ = sys.futex(word, kernel_abi::flags::FutexOp::FUTEX_WAIT, 0, 0, 0, 0);
    }
    assert_eq!(sys.setpgid(pid, 0), Err(Errno::EPERM));
    assert_eq!((sys.getsid(pid)?, sys.getpgid(pid)?), (pid, pid));
    // Its group is not of this session.
    let other = sys.fork_with(pauses, 0)?;
    assert_eq!(sys.setpgid(other, pid), Err(Errno::EPERM));
    end(sys, pid)?;
    end(sys, other)?;
    Ok(())
}

fn a_leader_stays(sys: &dyn Sys) -> Outcome {
    fn child(sys: &dyn Sys) -> Outcome {
        sys.setpgid(0, 0)?;
        // Whoever leads a group begins no session.
        assert_eq!(sys.setsid(), Err(Errno::EPERM));
        fn grandchild(sys: &dyn Sys) -> Outcome {
            sys.setsid()?;
            assert_eq!(sys.setpgid(0, 0), Err(Errno::EPERM));
            assert_eq!(sys.setpgid(0, sys.getppid()?), Err(Errno::EPERM));
            Ok(())
        }
        in_child(sys, |sys, _| ended(grandchild(sys)), 0)?;
        Ok(())
    }
    in_child(sys, |sys, _| ended(child(sys)), 0)?;
    Ok(())
}

fn a_signal_reaches_a_group(sys: &dyn Sys) -> Outcome {
    let (a, b) = (sys.fork_with(pauses, 0)?, sys.fork_with(pauses, 0)?);
    sys.setpgid(a, 0)?;
    sys.setpgid(b, a)?;
    let group = Pid(-process(a).0);
    sys.kill(group, 0)?;
    sys.kill(group, Signal::SIGTERM)?;
    assert_eq!((wait(sys, a)?, wait(sys, b)?), (15, 15));
    assert_eq!(sys.kill(group, 0), Err(Errno::ESRCH));
    Ok(())
}

fn a_signal_reaches_ones_own_group(sys: &dyn Sys) -> Outcome {
    fn child(sys: &dyn Sys) -> Outcome {
        sys.setpgid(0, 0)?;
        let pid = sys.fork_with(pauses, 0)?;
        handle(sys, Signal::SIGTERM, counts)?;
        sys.kill(0, Signal::SIGTERM)?;
        assert_eq!(counted(sys), [1, 15]);
        assert_eq!(wait(sys, pid)?, status_signaled(15, false));
        Ok(())
    }
    in_child(sys, |sys, _| ended(child(sys)), 0)?;
    Ok(())
}

fn nobody_is_in_an_empty_group(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.kill(Pid(-NOBODY.0), 0), Err(Errno::ESRCH));
    assert_eq!(sys.kill(Pid(i32::MIN), 0), Err(Errno::ESRCH));
    Ok(())
}

fn an_orphaned_group_does_not_stop(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        let alone = sys.setsid().is_ok();
        for signal in [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU] {
            let _ = super::signal::raise(sys, signal);
        }
        i32::from(!alone)
    };
    let pid = sys.fork_with(child, 0)?;
    let status = sys.page() + 64;
    sys.wait4(pid, status, WaitOptions::WUNTRACED, 0)?;
    assert_eq!(sys.load::<i32>(status), status_exited(0));
    Ok(())
}

/// Nobody is left who could let it go on: POSIX has it hear of that.
fn a_stopped_orphan_is_hung_up(sys: &dyn Sys) -> Outcome {
    prctl(sys, PrctlOption::PR_SET_CHILD_SUBREAPER, 1)?;
    let word = map_shared(sys)?;
    let leader = |sys: &dyn Sys, word| {
        ended((|| {
            sys.setsid()?;
            let pid = sys.fork_with(pauses, 0)?;
            sys.setpgid(pid, 0)?;
            sys.kill(pid, Signal::SIGSTOP)?;
            sys.wait4(pid, 0, WaitOptions::WUNTRACED, 0)?;
            sys.store(word, &pid);
            Ok(())
        })())
    };
    in_child(sys, leader, word)?;
    let orphan: usize = sys.load(word);
    assert_eq!(wait(sys, orphan)?, status_signaled(Signal::SIGHUP.number(), false));
    Ok(())
}

fn a_group_with_a_parent_stops(sys: &dyn Sys) -> Outcome {
    fn leader(sys: &dyn Sys) -> Outcome {
        // A group whose parent is in the same session, but another group.
        sys.setsid()?;
        let pid = sys.fork_with(pauses, 0)?;
        sys.setpgid(pid, 0)?;
        let status = sys.page() + 64;
        for signal in [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU] {
            sys.kill(pid, signal)?;
            assert_eq!(sys.wait4(pid, status, WaitOptions::WUNTRACED, 0)?, pid);
            assert_eq!(sys.load::<i32>(status), kernel_abi::structs::status_stopped(signal.number()));
            sys.kill(pid, Signal::SIGCONT)?;
            assert_eq!(sys.wait4(pid, status, WaitOptions::WCONTINUED, 0)?, pid);
        }
        end(sys, pid)?;
        Ok(())
    }
    in_child(sys, |sys, _| ended(leader(sys)), 0)?;
    Ok(())
}

fn a_child_has_group_and_session(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(pauses, 0)?;
    assert_eq!((sys.getpgid(pid)?, sys.getsid(pid)?), (sys.getpgid(0)?, sys.getsid(0)?));
    assert_eq!(sys.getsid(sys.getpid()?)?, sys.getsid(0)?);
    end(sys, pid)?;
    Ok(())
}

fn kill_asks_for_the_process_first(sys: &dyn Sys) -> Outcome {
    let me = sys.getpid()?;
    assert_eq!(sys.kill(NOBODY, 65), Err(Errno::ESRCH));
    assert_eq!(sys.kill(me, -1), Err(Errno::EINVAL));
    assert_eq!(sys.tkill(NOBODY, 65), Err(Errno::ESRCH));
    assert_eq!(sys.tkill(Pid(0), 0), Err(Errno::EINVAL));
    assert_eq!(sys.tkill(Pid(-1), 0), Err(Errno::EINVAL));
    assert_eq!(sys.tkill(me, 65), Err(Errno::EINVAL));
    assert_eq!(sys.tgkill(Pid(0), me, 0), Err(Errno::EINVAL));
    assert_eq!(sys.tgkill(NOBODY, me, 0), Err(Errno::ESRCH));
    assert_eq!(sys.tgkill(me, me, 65), Err(Errno::EINVAL));
    sys.tgkill(me, me, 0)?;
    Ok(())
}

fn prctl(sys: &dyn Sys, option: PrctlOption, a: usize) -> Result {
    sys.prctl(option, a, 0, 0, 0)
}

fn name(sys: &dyn Sys) -> Result<Vec<u8>> {
    sys.poke(sys.page(), &[0xaa; 17]);
    prctl(sys, PrctlOption::PR_GET_NAME, sys.page())?;
    assert_eq!(sys.bytes(sys.page() + 16, 1), [0xaa]);
    let mut name = sys.bytes(sys.page(), 16);
    name.truncate(name.iter().position(|&byte| byte == 0).expect("a name ends"));
    Ok(name)
}

fn a_thread_has_a_name(sys: &dyn Sys) -> Outcome {
    prctl(sys, PrctlOption::PR_SET_NAME, sys.path(sys.page(), "short"))?;
    assert_eq!(name(sys)?, b"short");
    prctl(sys, PrctlOption::PR_SET_NAME, sys.path(sys.page(), "a name of more than fifteen"))?;
    assert_eq!(name(sys)?, b"a name of more ");
    prctl(sys, PrctlOption::PR_SET_NAME, sys.path(sys.page(), ""))?;
    assert_eq!(name(sys)?, b"");
    assert_eq!(prctl(sys, PrctlOption::PR_SET_NAME, 8), Err(Errno::EFAULT));
    assert_eq!(prctl(sys, PrctlOption::PR_GET_NAME, 8), Err(Errno::EFAULT));
    Ok(())
}

fn a_name_is_inherited(sys: &dyn Sys) -> Outcome {
    prctl(sys, PrctlOption::PR_SET_NAME, sys.path(sys.page(), "parent"))?;
    let child = |sys: &dyn Sys, _| {
        let inherited = name(sys) == Ok(b"parent".to_vec());
        let _ = prctl(sys, PrctlOption::PR_SET_NAME, sys.path(sys.page(), "child"));
        i32::from(!inherited)
    };
    in_child(sys, child, 0)?;
    assert_eq!(name(sys)?, b"parent");
    Ok(())
}

/// Asks to be told of its parent's death, says that it did, and waits to be killed.
fn asks(sys: &dyn Sys, writer: usize) -> i32 {
    let asked = prctl(sys, PrctlOption::PR_SET_PDEATHSIG, Signal::SIGKILL.number() as usize);
    let _ = sys.write(writer, sys.page(), usize::from(asked.is_ok()));
    pauses(sys, 0)
}

fn a_parents_death_is_told(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    // The child leaves once its own child has asked; its child then dies, and the pipe with it.
    let child = |sys: &dyn Sys, ends: usize| {
        let [said, saying] = match pipe(sys, PipeFlags::empty()) {
            Ok(ends) => ends,
            Err(_) => return 1,
        };
        let _ = ends;
        if sys.fork_with(asks, saying.0 as usize).is_err() {
            return 2;
        }
        i32::from(sys.read(said, sys.page(), 1) != Ok(1))
    };
    in_child(sys, child, 0)?;
    sys.close(writer)?;
    assert_eq!(read(sys, reader, 1)?, b"");
    Ok(())
}

fn a_dead_parent_is_told_of_once_asked(sys: &dyn Sys) -> Outcome {
    prctl(sys, PrctlOption::PR_GET_PDEATHSIG, sys.page())?;
    assert_eq!(sys.load::<i32>(sys.page()), 0);
    prctl(sys, PrctlOption::PR_SET_PDEATHSIG, 10)?;
    prctl(sys, PrctlOption::PR_GET_PDEATHSIG, sys.page())?;
    assert_eq!(sys.load::<i32>(sys.page()), 10);
    // A child asks for itself.
    let child = |sys: &dyn Sys, _| {
        let asked = prctl(sys, PrctlOption::PR_GET_PDEATHSIG, sys.page()).is_ok();
        i32::from(!asked || sys.load::<i32>(sys.page()) != 0)
    };
    in_child(sys, child, 0)?;
    assert_eq!(prctl(sys, PrctlOption::PR_SET_PDEATHSIG, 65), Err(Errno::EINVAL));
    assert_eq!(prctl(sys, PrctlOption::PR_GET_PDEATHSIG, 8), Err(Errno::EFAULT));
    prctl(sys, PrctlOption::PR_SET_PDEATHSIG, 0)?;
    Ok(())
}

fn a_process_is_dumpable(sys: &dyn Sys) -> Outcome {
    assert_eq!(prctl(sys, PrctlOption::PR_GET_DUMPABLE, 0)?, 1);
    assert_eq!(prctl(sys, PrctlOption::PR_SET_DUMPABLE, 2), Err(Errno::EINVAL));
    prctl(sys, PrctlOption::PR_SET_DUMPABLE, 0)?;
    assert_eq!(prctl(sys, PrctlOption::PR_GET_DUMPABLE, 0)?, 0);
    // A child begins with its parent's.
    in_child(sys, |sys, _| i32::from(prctl(sys, PrctlOption::PR_GET_DUMPABLE, 0) != Ok(0)), 0)?;
    prctl(sys, PrctlOption::PR_SET_DUMPABLE, 1)?;
    assert_eq!(prctl(sys, PrctlOption::PR_GET_DUMPABLE, 0)?, 1);
    Ok(())
}

fn orphans_come_to_their_reaper(sys: &dyn Sys) -> Outcome {
    prctl(sys, PrctlOption::PR_SET_CHILD_SUBREAPER, 1)?;
    prctl(sys, PrctlOption::PR_GET_CHILD_SUBREAPER, sys.page())?;
    assert_eq!(sys.load::<i32>(sys.page()), 1);
    let word = map_shared(sys)?;
    let child = |sys: &dyn Sys, word| {
        let grandchild = |sys: &dyn Sys, reaper| {
            while sys.getppid() != Ok(reaper) {
                let _ = sys.sched_yield();
            }
            7
        };
        let Ok(reaper) = sys.getppid() else { return 1 };
        match sys.fork_with(grandchild, reaper) {
            Ok(pid) => {
                sys.store(word, &pid);
                0
            }
            Err(_) => 2,
        }
    };
    in_child(sys, child, word)?;
    assert_eq!(wait(sys, sys.load(word))?, status_exited(7));
    // A child is no reaper.
    let child = |sys: &dyn Sys, _| {
        let asked = prctl(sys, PrctlOption::PR_GET_CHILD_SUBREAPER, sys.page()).is_ok();
        i32::from(!asked || sys.load::<i32>(sys.page()) != 0)
    };
    in_child(sys, child, 0)?;
    Ok(())
}

fn what_prctl_refuses(sys: &dyn Sys) -> Outcome {
    assert_eq!(prctl(sys, PrctlOption(9999), 0), Err(Errno::EINVAL));
    assert_eq!(prctl(sys, PrctlOption::PR_CAPBSET_READ, 999), Err(Errno::EINVAL));
    assert_eq!(prctl(sys, PrctlOption::PR_SET_KEEPCAPS, 5), Err(Errno::EINVAL));
    Ok(())
}

fn a_capability_may_be_bounded(sys: &dyn Sys) -> Outcome {
    use kernel_abi::flags::{CAP_CHOWN, CAP_SETPCAP};
    let chown = CAP_CHOWN as usize;
    let capable = super::id::capabilities(sys)?[0].effective & 1 << CAP_SETPCAP != 0;
    let before = prctl(sys, PrctlOption::PR_CAPBSET_READ, chown)?;
    let dropped = prctl(sys, PrctlOption::PR_CAPBSET_DROP, chown);
    assert_eq!(dropped, if capable { Ok(0) } else { Err(Errno::EPERM) });
    let after = prctl(sys, PrctlOption::PR_CAPBSET_READ, chown)?;
    assert_eq!(after, if capable { 0 } else { before });
    Ok(())
}

fn a_timer_may_be_slack(sys: &dyn Sys) -> Outcome {
    let before = prctl(sys, PrctlOption::PR_GET_TIMERSLACK, 0)?;
    prctl(sys, PrctlOption::PR_SET_TIMERSLACK, 12345)?;
    assert_eq!(prctl(sys, PrctlOption::PR_GET_TIMERSLACK, 0)?, 12345);
    // Zero is what it was at first.
    prctl(sys, PrctlOption::PR_SET_TIMERSLACK, 0)?;
    assert_eq!(prctl(sys, PrctlOption::PR_GET_TIMERSLACK, 0)?, before);
    Ok(())
}

fn a_base_is_remembered(sys: &dyn Sys) -> Outcome {
    sys.arch_prctl(ArchPrctlCode::ARCH_SET_GS, 0x1234_5678_9000_usize)?;
    sys.arch_prctl(ArchPrctlCode::ARCH_GET_GS, sys.page())?;
    assert_eq!(sys.load::<usize>(sys.page()), 0x1234_5678_9000);
    // A child has its parent's.
    let child = |sys: &dyn Sys, _| {
        let asked = sys.arch_prctl(ArchPrctlCode::ARCH_GET_GS, sys.page()).is_ok();
        i32::from(!asked || sys.load::<usize>(sys.page()) != 0x1234_5678_9000)
    };
    in_child(sys, child, 0)?;
    Ok(())
}

fn what_arch_prctl_refuses(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.arch_prctl(ArchPrctlCode(0x9999), 0), Err(Errno::EINVAL));
    assert_eq!(sys.arch_prctl(ArchPrctlCode::ARCH_SET_GS, usize::MAX), Err(Errno::EPERM));
    assert_eq!(sys.arch_prctl(ArchPrctlCode::ARCH_SET_FS, 1_usize << 63), Err(Errno::EPERM));
    assert_eq!(sys.arch_prctl(ArchPrctlCode::ARCH_GET_FS, 8), Err(Errno::EFAULT));
    Ok(())
}

fn a_personality_is_remembered(sys: &dyn Sys) -> Outcome {
    const ASK: Personality = Personality::from_bits_retain(u32::MAX);
    let before = sys.personality(ASK)?;
    assert_eq!(sys.personality(Personality::ADDR_NO_RANDOMIZE)?, before);
    assert_eq!(sys.personality(ASK)?, Personality::ADDR_NO_RANDOMIZE.bits() as usize);
    let child =
        |sys: &dyn Sys, _| i32::from(sys.personality(ASK) != Ok(Personality::ADDR_NO_RANDOMIZE.bits() as usize));
    in_child(sys, child, 0)?;
    sys.personality(Personality::from_bits_retain(before as u32))?;
    Ok(())
}

fn a_hang_up_takes_privilege(sys: &dyn Sys) -> Outcome {
    if sys.geteuid()? != 0 {
        assert_eq!(sys.vhangup(), Err(Errno::EPERM));
        return Ok(());
    }
    // In a session of its own, which has no terminal to lose; root may lack the right.
    let child = |sys: &dyn Sys, _| match (sys.setsid(), sys.vhangup()) {
        (Ok(_), Ok(0) | Err(Errno::EPERM)) => 0,
        _ => 1,
    };
    in_child(sys, child, 0)?;
    Ok(())
}

/// Waits until a process belongs to a user: nobody else of theirs is there.
pub(super) fn until_user(sys: &dyn Sys, pid: usize, user: kernel_abi::Uid) -> Result<()> {
    use kernel_abi::flags::PriorityWhich;
    let _ = pid;
    while sys.getpriority(PriorityWhich::PRIO_USER, Pid(user.0 as i32)) == Err(Errno::ESRCH) {
        sys.sched_yield()?;
    }
    Ok(())
}
