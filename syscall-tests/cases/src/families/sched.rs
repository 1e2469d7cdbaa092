//! How threads ask to be scheduled, and what they are told.

use alloc::vec::Vec;

use kernel_abi::flags::{PriorityWhich, SchedPolicy, WaitId, WaitOptions};
use kernel_abi::structs::{RobustListHead, SchedParam, Timeval, Utsname, status_exited};
use kernel_abi::{Calls, Errno, Fd, Pid, Result, Sys, Uid};

use super::Outcome;
use super::file::{create, open};
use super::process::{ended, in_child, wait};
use super::thread::{join, let_go, start, waits_for_a_word};

cases! { "sched":
    niceness_is_inherited, who_is_nice_to_nobody, a_policy_is_remembered, a_reset_is_not_inherited,
    what_a_policy_refuses, cpus_are_narrowed, what_a_choice_of_cpus_refuses, a_thread_is_somewhere,
    disk_priorities_are_remembered, who_chose_no_disk_priority_has_one_among_others, a_robust_list_is_told, names_have_a_limit, a_bad_time_is_not_set,
    an_old_listing_has_kinds_last needs getdents, a_group_is_as_nice_as_its_nicest,
    a_user_is_nice_in_all_processes, what_is_no_policy, a_deadline_takes_more_than_a_priority,
    each_thread_is_as_nice_as_it_says, who_resets_has_no_child_that_takes_more,
    the_dead_are_scheduled_until_somebody_waits,
}

/// Nobody's number: the highest that Linux gives is below.
const NOBODY: Pid = Pid(0x40_0001);
const SELF: Pid = Pid(0);
const NICEST: i32 = 19;

fn nice(sys: &dyn Sys) -> Result<i32> {
    sys.getpriority(PriorityWhich::PRIO_PROCESS, SELF).map(|answer| 20 - answer as i32)
}

fn niceness_is_inherited(sys: &dyn Sys) -> Outcome {
    let nicer = (nice(sys)? + 3).min(NICEST);
    sys.setpriority(PriorityWhich::PRIO_PROCESS, SELF, nicer)?;
    assert_eq!(nice(sys)?, nicer);
    let pid = sys.fork_with(|sys, _| nice(sys).unwrap_or(99), 0)?;
    assert_eq!(wait(sys, pid)?, status_exited(nicer));
    sys.setpriority(PriorityWhich::PRIO_PROCESS, SELF, 1000)?;
    assert_eq!(nice(sys)?, NICEST);
    Ok(())
}

fn each_thread_is_as_nice_as_it_says(sys: &dyn Sys) -> Outcome {
    // With a group of its own: who leads a session has one anyhow.
    let _ = sys.setpgid(SELF, SELF);
    // Whoever started this may be as nice as can be.
    let before = nice(sys)?;
    let by = |more: i32| (before + more).min(NICEST);
    let word = sys.page() + 1024;
    let gives_way = |sys: &dyn Sys, word| {
        let given = nice(sys).and_then(|before| sys.setpriority(PriorityWhich::PRIO_PROCESS, SELF, before + 2));
        sys.store(word + 4, &(1 + u32::from(given == Ok(0))));
        waits_for_a_word(sys, word)
    };
    let tid = Pid(start(sys, 0, gives_way, word)? as i32);
    while sys.load::<u32>(word + 4) == 0 {
        sys.sched_yield()?;
    }
    assert_eq!(sys.load::<u32>(word + 4), 2);
    let of_thread = || sys.getpriority(PriorityWhich::PRIO_PROCESS, tid).map(|answer| 20 - answer as i32);
    assert_eq!([nice(sys)?, of_thread()?], [before, by(2)]);
    sys.setpriority(PriorityWhich::PRIO_PROCESS, SELF, by(3))?;
    assert_eq!([nice(sys)?, of_thread()?], [by(3), by(2)]);
    assert_eq!(least(sys, PriorityWhich::PRIO_PGRP)?, 20 - by(2));
    sys.setpriority(PriorityWhich::PRIO_PGRP, SELF, by(4))?;
    assert_eq!([nice(sys)?, of_thread()?], [by(4); 2]);
    let_go(sys, word)?;
    join(sys, 0);
    Ok(())
}

fn who_resets_has_no_child_that_takes_more(sys: &dyn Sys) -> Outcome {
    // With a group of its own: who leads a session has one anyhow.
    let _ = sys.setpgid(SELF, SELF);
    schedule(sys, SchedPolicy::SCHED_BATCH.0 | SchedPolicy::SCHED_RESET_ON_FORK.0, 0)?;
    let own = |sys: &dyn Sys, _| nice(sys).map_or(99, |nice| nice + 20);
    let child = || -> Result<i32> { wait(sys, sys.fork_with(own, 0)?) };
    match sys.setpriority(PriorityWhich::PRIO_PROCESS, SELF, -5) {
        // Not for everybody.
        Err(Errno::EACCES) => {}
        set => {
            set?;
            assert_eq!(child()?, status_exited(20));
        }
    }
    sys.setpriority(PriorityWhich::PRIO_PROCESS, SELF, 19)?;
    assert_eq!(child()?, status_exited(39));
    match schedule(sys, SchedPolicy::SCHED_RR.0 | SchedPolicy::SCHED_RESET_ON_FORK.0, 1) {
        // Not for everybody, nor for every group of processes.
        Err(Errno::EPERM) => return Ok(()),
        set => set?,
    };
    assert_eq!((sys.sched_getscheduler(SELF)?, sys.ioprio_get(2, SELF)? >> 13), (0x4000_0002, 1));
    let policy = |sys: &dyn Sys, _| sys.sched_getscheduler(SELF).map_or(99, |policy| policy as i32);
    let pid = sys.fork_with(policy, 0)?;
    // It is not as nice as its parent was, either.
    assert_eq!((wait(sys, pid)?, child()?), (status_exited(0), status_exited(20)));
    Ok(())
}

fn the_dead_are_scheduled_until_somebody_waits(sys: &dyn Sys) -> Outcome {
    const BEST_EFFORT: i32 = 2 << 13;
    let child = |sys: &dyn Sys, _| {
        ended((|| {
            schedule(sys, SchedPolicy::SCHED_BATCH.0, 0)?;
            sys.setpriority(PriorityWhich::PRIO_PROCESS, SELF, 18)?;
            sys.ioprio_set(1, SELF, BEST_EFFORT | 5)?;
            Ok(())
        })())
    };
    let pid = sys.fork_with(child, 0)?;
    let dead = Pid(pid as i32);
    sys.waitid(WaitId::P_PID, pid as i32, 0, WaitOptions::WEXITED | WaitOptions::WNOWAIT, 0)?;
    let priority = || sys.getpriority(PriorityWhich::PRIO_PROCESS, dead);
    assert_eq!((sys.sched_getscheduler(dead)?, priority()?), (3, 2));
    sys.setpriority(PriorityWhich::PRIO_PROCESS, dead, 19)?;
    sys.sched_setscheduler(dead, SchedPolicy::SCHED_NORMAL, sys.store(sys.page(), &SchedParam { sched_priority: 0 }))?;
    assert_eq!((sys.sched_getscheduler(dead)?, priority()?), (0, 1));
    sys.sched_getparam(dead, sys.page())?;
    sys.sched_getaffinity(dead, 128, sys.page())?;
    sys.sched_setaffinity(dead, 8, sys.page())?;
    // Of disks it has no more to do with.
    assert_eq!(sys.ioprio_get(1, dead)?, 0);
    sys.ioprio_set(1, dead, BEST_EFFORT | 3)?;
    assert_eq!(sys.ioprio_get(1, dead)?, 0);
    assert_eq!(wait(sys, pid)?, status_exited(0));
    assert_eq!(priority(), Err(Errno::ESRCH));
    assert_eq!(sys.sched_getscheduler(dead), Err(Errno::ESRCH));
    Ok(())
}

fn who_is_nice_to_nobody(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.getpriority(PriorityWhich::PRIO_PROCESS, NOBODY), Err(Errno::ESRCH));
    assert_eq!(sys.setpriority(PriorityWhich::PRIO_PGRP, NOBODY, 1), Err(Errno::ESRCH));
    assert_eq!(sys.getpriority(PriorityWhich(3), SELF), Err(Errno::EINVAL));
    assert!(sys.getpriority(PriorityWhich::PRIO_USER, SELF)? >= 1);
    Ok(())
}

fn schedule(sys: &dyn Sys, policy: u32, sched_priority: i32) -> Result {
    let param = sys.store(sys.page(), &SchedParam { sched_priority });
    sys.sched_setscheduler(SELF, SchedPolicy(policy), param)
}

fn a_policy_is_remembered(sys: &dyn Sys) -> Outcome {
    schedule(sys, SchedPolicy::SCHED_BATCH.0, 0)?;
    assert_eq!(sys.sched_getscheduler(SELF)?, 3);
    sys.sched_getparam(SELF, sys.page())?;
    assert_eq!(sys.load::<i32>(sys.page()), 0);
    let pid = sys.fork_with(|sys, _| sys.sched_getscheduler(SELF).map_or(99, |policy| policy as i32), 0)?;
    assert_eq!(wait(sys, pid)?, status_exited(3));
    Ok(())
}

fn a_reset_is_not_inherited(sys: &dyn Sys) -> Outcome {
    schedule(sys, SchedPolicy::SCHED_BATCH.0 | SchedPolicy::SCHED_RESET_ON_FORK.0, 0)?;
    assert_eq!(sys.sched_getscheduler(SELF)?, 0x4000_0003);
    let pid = sys.fork_with(|sys, _| i32::from(sys.sched_getscheduler(SELF) != Ok(3)), 0)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn what_a_policy_refuses(sys: &dyn Sys) -> Outcome {
    assert_eq!(schedule(sys, SchedPolicy::SCHED_FIFO.0, 0), Err(Errno::EINVAL));
    assert_eq!(schedule(sys, SchedPolicy::SCHED_FIFO.0, 100), Err(Errno::EINVAL));
    assert_eq!(schedule(sys, SchedPolicy::SCHED_BATCH.0, 1), Err(Errno::EINVAL));
    assert_eq!(schedule(sys, 77, 0), Err(Errno::EINVAL));
    assert_eq!(sys.sched_setscheduler(SELF, SchedPolicy::SCHED_BATCH, 0), Err(Errno::EINVAL));
    assert_eq!(sys.sched_setscheduler(SELF, SchedPolicy::SCHED_BATCH, 8), Err(Errno::EFAULT));
    assert_eq!(sys.sched_getscheduler(Pid(-1)), Err(Errno::EINVAL));
    assert_eq!(sys.sched_getscheduler(NOBODY), Err(Errno::ESRCH));
    assert_eq!(sys.sched_getparam(SELF, 0), Err(Errno::EINVAL));
    let param = sys.store(sys.page(), &SchedParam { sched_priority: 5 });
    assert_eq!(sys.sched_setparam(SELF, param), Err(Errno::EINVAL));
    Ok(())
}

fn cpus(sys: &dyn Sys) -> Result<u64> {
    sys.store(sys.page(), &[0_u64; 16]);
    sys.sched_getaffinity(SELF, 128, sys.page())?;
    Ok(sys.load(sys.page()))
}

fn cpus_are_narrowed(sys: &dyn Sys) -> Outcome {
    let all = cpus(sys)?;
    assert_ne!(all, 0);
    let one = all & all.wrapping_neg();
    sys.sched_setaffinity(SELF, 8, sys.store(sys.page(), &one))?;
    assert_eq!(cpus(sys)?, one);
    let child = |sys: &dyn Sys, one: usize| i32::from(cpus(sys) != Ok(one as u64));
    let pid = sys.fork_with(child, one as usize)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    sys.sched_setaffinity(SELF, 8, sys.store(sys.page(), &u64::MAX))?;
    assert_eq!(cpus(sys)? & all, all);
    Ok(())
}

fn what_a_choice_of_cpus_refuses(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.sched_setaffinity(SELF, 8, sys.store(sys.page(), &0_u64)), Err(Errno::EINVAL));
    assert_eq!(sys.sched_setaffinity(NOBODY, 8, sys.store(sys.page(), &1_u64)), Err(Errno::ESRCH));
    assert_eq!(sys.sched_setaffinity(SELF, 8, 8), Err(Errno::EFAULT));
    assert_eq!(sys.sched_getaffinity(SELF, 7, sys.page()), Err(Errno::EINVAL));
    Ok(())
}

fn a_thread_is_somewhere(sys: &dyn Sys) -> Outcome {
    sys.getcpu(sys.page(), sys.page() + 4, 0)?;
    assert!(sys.load::<u32>(sys.page()) < 4096);
    sys.getcpu(0, 0, 0)?;
    sys.store(sys.page(), &u32::MAX);
    assert_eq!(sys.getcpu(8, sys.page(), 0), Err(Errno::EFAULT));
    assert_eq!(sys.load::<u32>(sys.page()), 0, "the other one is told");
    Ok(())
}

fn disk_priorities_are_remembered(sys: &dyn Sys) -> Outcome {
    const BEST_EFFORT: i32 = 2 << 13;
    assert_eq!(sys.ioprio_get(1, SELF)?, 0);
    sys.ioprio_set(1, SELF, BEST_EFFORT | 5)?;
    assert_eq!(sys.ioprio_get(1, SELF)?, (BEST_EFFORT | 5) as usize);
    assert_eq!(sys.ioprio_get(4, SELF), Err(Errno::EINVAL));
    assert_eq!(sys.ioprio_get(1, NOBODY), Err(Errno::ESRCH));
    assert_eq!(sys.ioprio_set(1, SELF, 5 << 13), Err(Errno::EINVAL));
    assert_eq!(sys.ioprio_set(1, SELF, 5), Err(Errno::EINVAL));
    // Between class and level are hints.
    sys.ioprio_set(1, SELF, 5 << 3)?;
    // Of many what is in force is told, which niceness decides.
    let child = |sys: &dyn Sys, _| {
        ended((|| {
            sys.setpgid(SELF, SELF)?;
            let level = (40 - sys.getpriority(PriorityWhich::PRIO_PROCESS, SELF)?) / 5;
            assert_eq!(sys.ioprio_get(2, SELF)?, BEST_EFFORT as usize | level);
            Ok(())
        })())
    };
    in_child(sys, child, 0)?;
    Ok(())
}

fn who_chose_no_disk_priority_has_one_among_others(sys: &dyn Sys) -> Outcome {
    const BEST_EFFORT: usize = 2 << 13;
    const IDLE: usize = 3 << 13;
    // Who leads a session has a group of its own anyhow.
    let _ = sys.setpgid(SELF, SELF);
    // By how nice it is, which whoever started this may be already.
    assert_eq!(sys.ioprio_get(2, SELF)?, BEST_EFFORT + (20 + nice(sys)?) as usize / 5);
    sys.setpriority(PriorityWhich::PRIO_PROCESS, SELF, 19)?;
    assert_eq!(sys.ioprio_get(2, SELF)?, BEST_EFFORT + 7);
    // Hints at a disk's own rules are no level; without a class they count for nothing.
    sys.ioprio_set(1, SELF, 0x108)?;
    assert_eq!((sys.ioprio_get(1, SELF)?, sys.ioprio_get(2, SELF)?), (0x108, BEST_EFFORT + 7));
    sys.ioprio_set(1, SELF, IDLE as i32 | 3)?;
    assert_eq!(sys.ioprio_get(2, SELF)?, IDLE + 3);
    sys.ioprio_set(1, SELF, 0)?;
    schedule(sys, SchedPolicy::SCHED_IDLE.0, 0)?;
    assert_eq!((sys.ioprio_get(1, SELF)?, sys.ioprio_get(2, SELF)?), (0, IDLE + 7));
    Ok(())
}

fn a_robust_list_is_told(sys: &dyn Sys) -> Outcome {
    let head = sys.store(sys.page(), &RobustListHead::default());
    sys.store(head, &head);
    sys.set_robust_list(head, 24)?;
    let (at, len) = (sys.page() + 64, sys.page() + 72);
    sys.get_robust_list(SELF, at, len)?;
    assert_eq!((sys.load::<usize>(at), sys.load::<usize>(len)), (head, 24));
    assert_eq!(sys.get_robust_list(NOBODY, at, len), Err(Errno::ESRCH));
    assert_eq!(sys.get_robust_list(SELF, at, 8), Err(Errno::EFAULT));
    assert_eq!(sys.set_robust_list(head, 23), Err(Errno::EINVAL));
    Ok(())
}

/// Changes no name: this may be somebody's machine.
fn names_have_a_limit(sys: &dyn Sys) -> Outcome {
    sys.uname(sys.page())?;
    let Utsname { nodename, .. } = sys.load(sys.page());
    let len = nodename.iter().position(|byte| *byte == 0).expect("a name ends");
    sys.poke(sys.page(), &nodename);
    match sys.sethostname(sys.page(), len) {
        // Not for everybody.
        Err(Errno::EPERM) => assert_eq!(sys.sethostname(sys.page(), 65), Err(Errno::EPERM)),
        answer => {
            assert_eq!(answer, Ok(0));
            assert_eq!(sys.sethostname(sys.page(), 65), Err(Errno::EINVAL));
            assert_eq!(sys.setdomainname(sys.page(), usize::MAX), Err(Errno::EINVAL));
            assert_eq!(sys.sethostname(8, 3), Err(Errno::EFAULT));
        }
    }
    Ok(())
}

/// Sets no time either.
fn a_bad_time_is_not_set(sys: &dyn Sys) -> Outcome {
    let bad = sys.store(sys.page(), &Timeval { tv_sec: 1, tv_usec: 1_000_000 });
    assert_eq!(sys.settimeofday(bad, 0), Err(Errno::EINVAL));
    assert_eq!(sys.settimeofday(8, 0), Err(Errno::EFAULT));
    assert_eq!(sys.settimeofday(0, 8), Err(Errno::EFAULT));
    Ok(())
}

fn an_old_listing_has_kinds_last(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    let here = open(sys, ".", kernel_abi::flags::OpenFlags::O_RDONLY)?;
    let len = sys.getdents(here, sys.page(), 4096)?;
    let mut at = sys.page();
    let mut seen = Vec::new();
    while at < sys.page() + len {
        let record = usize::from(sys.load::<u16>(at + 16));
        let name = sys.bytes(at + 18, record - 19);
        let end = name.iter().position(|byte| *byte == 0).expect("a name ends");
        seen.push((name[..end].to_vec(), sys.load::<u8>(at + record - 1)));
        at += record;
    }
    seen.sort();
    assert_eq!(seen, [(b".".to_vec(), 4), (b"..".to_vec(), 4), (b"file".to_vec(), 8)]);
    assert_eq!(sys.getdents(here, sys.page(), 4096)?, 0);
    assert_eq!(sys.getdents(Fd(99), sys.page(), 4096), Err(Errno::EBADF));
    Ok(())
}

/// How little a group or a user gives way: 20 less niceness.
fn least(sys: &dyn Sys, which: PriorityWhich) -> Result<i32> {
    sys.getpriority(which, SELF).map(|answer| answer as i32)
}

fn a_group_is_as_nice_as_its_nicest(sys: &dyn Sys) -> Outcome {
    // A case may lead a session, and then a group of its own.
    let child = |sys: &dyn Sys, _| {
        let alone = sys.setpgid(SELF, SELF).is_ok();
        let before = least(sys, PriorityWhich::PRIO_PGRP);
        let set = sys.setpriority(PriorityWhich::PRIO_PGRP, SELF, 19);
        let own = least(sys, PriorityWhich::PRIO_PROCESS);
        i32::from(
            !alone || before.is_err() || set != Ok(0) || [own, least(sys, PriorityWhich::PRIO_PGRP)] != [Ok(1); 2],
        )
    };
    let pid = sys.fork_with(child, 0)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    assert!(least(sys, PriorityWhich::PRIO_PGRP)? > 1);
    Ok(())
}

/// Of a user that nobody else is, or not at all: the host's processes keep what they have.
fn a_user_is_nice_in_all_processes(sys: &dyn Sys) -> Outcome {
    if sys.geteuid()? != 0 {
        let refused = sys.setpriority(PriorityWhich::PRIO_USER, Pid(0), -20);
        assert!(matches!(refused, Err(Errno::EACCES | Errno::EPERM)), "{refused:?}");
        return Ok(());
    }
    const SOMEBODY: u32 = 54_321;
    let child = |sys: &dyn Sys, _| {
        let became = sys.setresuid(Uid(SOMEBODY), Uid(SOMEBODY), Uid(SOMEBODY)).is_ok();
        let set = sys.setpriority(PriorityWhich::PRIO_USER, SELF, 19);
        let own = least(sys, PriorityWhich::PRIO_PROCESS);
        i32::from(!became || set != Ok(0) || [own, least(sys, PriorityWhich::PRIO_USER)] != [Ok(1); 2])
    };
    let pid = sys.fork_with(child, 0)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    assert_eq!(sys.setpriority(PriorityWhich::PRIO_USER, Pid(SOMEBODY as i32), 1), Err(Errno::ESRCH));
    Ok(())
}

fn what_is_no_policy(sys: &dyn Sys) -> Outcome {
    let reset = SchedPolicy::SCHED_RESET_ON_FORK;
    assert_eq!(sys.sched_get_priority_max(SchedPolicy::SCHED_DEADLINE)?, 0);
    assert_eq!(sys.sched_get_priority_min(SchedPolicy::SCHED_DEADLINE)?, 0);
    assert_eq!(sys.sched_get_priority_max(reset), Err(Errno::EINVAL));
    assert_eq!(sys.sched_get_priority_min(reset), Err(Errno::EINVAL));
    // With nothing else it is the usual policy.
    schedule(sys, reset.0, 0)?;
    assert_eq!(sys.sched_getscheduler(SELF)?, reset.0 as usize);
    Ok(())
}

fn a_deadline_takes_more_than_a_priority(sys: &dyn Sys) -> Outcome {
    for priority in [0, 1] {
        assert_eq!(schedule(sys, SchedPolicy::SCHED_DEADLINE.0, priority), Err(Errno::EINVAL));
    }
    Ok(())
}
