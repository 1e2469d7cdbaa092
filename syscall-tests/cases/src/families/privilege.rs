//! What takes privilege: other people's processes, the machine's clocks and names, going before others.
//!
//! Root becomes nobody first, and its own parent is then the somebody else; for anybody else that is process 1.

use kernel_abi::flags::{
    _LINUX_CAPABILITY_VERSION_3, CAP_CHOWN, CAP_SYS_NICE, ClockId, PipeFlags, PrctlOption, PriorityWhich, Resource,
    SI_QUEUE, SchedPolicy,
};
use kernel_abi::structs::{CapData, CapHeader, Rlimit, SchedParam, Siginfo, Timespec, Timeval};
use kernel_abi::{Calls, Errno, Fd, Pid, Result, Signal, Sys, Uid};

use super::Outcome;
use super::file::descriptor;
use super::id::{capabilities, set_capabilities};
use super::limit::becomes_nobody;
use super::pipe::pipe;
use super::process::{ended, in_child, process};

cases! { "privilege":
    somebody_else_is_not_scheduled, somebody_else_is_looked_at, somebody_elses_disk_is_not_hurried,
    nobody_becomes_nicer, a_limit_lets_somebody_be_nicer, nobody_goes_before_others,
    a_limit_lets_somebody_go_before_others, leaving_idleness_takes_a_limit, a_reset_is_not_taken_back,
    nobody_signals_by_any_call, a_wrong_signal_is_told_before_a_refusal, nobody_sets_a_clock,
    nobody_names_the_machine, nobody_sees_another_users_locks, nobody_wakes_the_machine, nobody_hangs_up,
    a_domain_has_a_name, who_changes_users_is_not_dumpable, who_changes_users_is_not_told_of_its_parent,
    an_inheritable_capability_was_permitted_or_bounded, groups_are_for_the_privileged,
    a_capability_is_needed_not_root, a_time_zone_has_bounds,
}

/// Becomes nobody beside a process of somebody else, which ends when this one does.
fn beside_somebody(sys: &dyn Sys) -> Result<Pid> {
    if sys.geteuid()? != 0 {
        return Ok(Pid(1));
    }
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    sys.store(sys.page(), &[reader.0, writer.0]);
    let child = |sys: &dyn Sys, _| {
        let [reader, writer]: [i32; 2] = sys.load(sys.page());
        let _ = sys.close(Fd(writer));
        i32::from(sys.read(Fd(reader), sys.page(), 1) != Ok(0))
    };
    let other = process(sys.fork_with(child, 0)?);
    becomes_nobody(sys)?;
    Ok(other)
}

fn somebody_else_is_not_scheduled(sys: &dyn Sys) -> Outcome {
    let other = beside_somebody(sys)?;
    let param = sys.store(sys.page(), &SchedParam::default());
    assert_eq!(sys.sched_setscheduler(other, SchedPolicy::SCHED_BATCH, param), Err(Errno::EPERM));
    assert_eq!(sys.sched_setparam(other, param), Err(Errno::EPERM));
    let all = sys.store(sys.page() + 64, &u64::MAX);
    assert_eq!(sys.sched_setaffinity(other, 8, all), Err(Errno::EPERM));
    assert_eq!(sys.setpriority(PriorityWhich::PRIO_PROCESS, other, 19), Err(Errno::EPERM));
    assert_eq!(sys.sched_setscheduler(Pid(0x40_0001), SchedPolicy::SCHED_BATCH, param), Err(Errno::ESRCH));
    // What cannot be read is told first.
    assert_eq!(sys.sched_setscheduler(other, SchedPolicy::SCHED_BATCH, 8), Err(Errno::EFAULT));
    assert_eq!(sys.sched_setaffinity(other, 8, 8), Err(Errno::EFAULT));
    Ok(())
}

fn somebody_else_is_looked_at(sys: &dyn Sys) -> Outcome {
    let other = beside_somebody(sys)?;
    sys.sched_getscheduler(other)?;
    sys.sched_getparam(other, sys.page())?;
    sys.sched_getaffinity(other, 1024, sys.page())?;
    sys.sched_rr_get_interval(other, sys.page())?;
    sys.getpriority(PriorityWhich::PRIO_PROCESS, other)?;
    sys.getpgid(other)?;
    sys.getsid(other)?;
    sys.store(sys.page(), &CapHeader { version: _LINUX_CAPABILITY_VERSION_3, pid: other.0 });
    sys.capget(sys.page(), sys.page() + 64)?;
    sys.pidfd_open(other, 0)?;
    Ok(())
}

fn somebody_elses_disk_is_not_hurried(sys: &dyn Sys) -> Outcome {
    let other = beside_somebody(sys)?;
    const IDLE: i32 = 3 << 13;
    const REAL_TIME: i32 = 1 << 13;
    assert_eq!(sys.ioprio_set(1, other, IDLE), Err(Errno::EPERM));
    assert_eq!(sys.ioprio_set(1, Pid(0), REAL_TIME), Err(Errno::EPERM));
    assert_eq!(sys.ioprio_set(1, Pid(0x40_0001), REAL_TIME), Err(Errno::EPERM));
    assert_eq!(sys.ioprio_set(1, Pid(0x40_0001), IDLE), Err(Errno::ESRCH));
    assert_eq!(sys.ioprio_set(4, Pid(0), IDLE), Err(Errno::EINVAL));
    // The number is that of a user, root's too, who always runs something.
    assert_eq!(sys.ioprio_set(3, Pid(0), IDLE), Err(Errno::EPERM));
    sys.ioprio_get(1, other)?;
    sys.ioprio_set(1, Pid(0), IDLE)?;
    Ok(())
}

fn nobody_becomes_nicer(sys: &dyn Sys) -> Outcome {
    // Not with a limit that allows it.
    set_limit(sys, Resource::RLIMIT_NICE, 0)?;
    becomes_nobody(sys)?;
    sys.setpriority(PriorityWhich::PRIO_PROCESS, 0, 10)?;
    assert_eq!(sys.setpriority(PriorityWhich::PRIO_PROCESS, 0, 9), Err(Errno::EACCES));
    assert_eq!(sys.setpriority(PriorityWhich::PRIO_PROCESS, 0, -20), Err(Errno::EACCES));
    assert_eq!(sys.setpriority(PriorityWhich(3), 0, 9), Err(Errno::EINVAL));
    sys.setpriority(PriorityWhich::PRIO_PROCESS, 0, 10)?;
    assert_eq!(sys.getpriority(PriorityWhich::PRIO_PROCESS, 0)?, 10);
    Ok(())
}

fn set_limit(sys: &dyn Sys, resource: Resource, limit: u64) -> Result {
    sys.setrlimit(resource, sys.store(sys.page(), &Rlimit { rlim_cur: limit, rlim_max: limit }))
}

/// Whether a limit could be raised to so much.
fn raised(sys: &dyn Sys, resource: Resource, limit: u64) -> Result<bool> {
    match set_limit(sys, resource, limit) {
        Err(Errno::EPERM) => Ok(false),
        answer => answer.map(|_| true),
    }
}

fn a_limit_lets_somebody_be_nicer(sys: &dyn Sys) -> Outcome {
    fn child(sys: &dyn Sys) -> Outcome {
        let allowed = raised(sys, Resource::RLIMIT_NICE, 25)?;
        becomes_nobody(sys)?;
        if allowed {
            sys.setpriority(PriorityWhich::PRIO_PROCESS, 0, -5)?;
            assert_eq!(sys.setpriority(PriorityWhich::PRIO_PROCESS, 0, -6), Err(Errno::EACCES));
            assert_eq!(sys.getpriority(PriorityWhich::PRIO_PROCESS, 0)?, 25);
        }
        Ok(())
    }
    in_child(sys, |sys, _| ended(child(sys)), 0)?;
    Ok(())
}

fn schedule(sys: &dyn Sys, policy: u32, sched_priority: i32) -> Result {
    let param = sys.store(sys.page(), &SchedParam { sched_priority });
    sys.sched_setscheduler(Pid(0), SchedPolicy(policy), param)
}

fn nobody_goes_before_others(sys: &dyn Sys) -> Outcome {
    set_limit(sys, Resource::RLIMIT_RTPRIO, 0)?;
    becomes_nobody(sys)?;
    for policy in [SchedPolicy::SCHED_FIFO, SchedPolicy::SCHED_RR] {
        assert_eq!(schedule(sys, policy.0, 1), Err(Errno::EPERM));
        assert_eq!(schedule(sys, policy.0, 100), Err(Errno::EINVAL));
    }
    schedule(sys, SchedPolicy::SCHED_BATCH.0, 0)?;
    schedule(sys, SchedPolicy::SCHED_NORMAL.0, 0)?;
    Ok(())
}

fn a_limit_lets_somebody_go_before_others(sys: &dyn Sys) -> Outcome {
    fn child(sys: &dyn Sys) -> Outcome {
        let allowed = raised(sys, Resource::RLIMIT_RTPRIO, 10)?;
        becomes_nobody(sys)?;
        if allowed {
            schedule(sys, SchedPolicy::SCHED_RR.0, 10)?;
            assert_eq!(schedule(sys, SchedPolicy::SCHED_RR.0, 11), Err(Errno::EPERM));
            schedule(sys, SchedPolicy::SCHED_FIFO.0, 3)?;
            let param = sys.store(sys.page(), &SchedParam { sched_priority: 11 });
            assert_eq!(sys.sched_setparam(0, param), Err(Errno::EPERM));
            schedule(sys, SchedPolicy::SCHED_NORMAL.0, 0)?;
        }
        Ok(())
    }
    in_child(sys, |sys, _| ended(child(sys)), 0)?;
    Ok(())
}

fn leaving_idleness_takes_a_limit(sys: &dyn Sys) -> Outcome {
    fn child(sys: &dyn Sys, limit: usize) -> Outcome {
        let allowed = raised(sys, Resource::RLIMIT_NICE, limit as u64)?;
        becomes_nobody(sys)?;
        schedule(sys, SchedPolicy::SCHED_IDLE.0, 0)?;
        if allowed {
            let expected = if limit == 0 { Err(Errno::EPERM) } else { Ok(0) };
            assert_eq!(schedule(sys, SchedPolicy::SCHED_NORMAL.0, 0), expected);
        }
        Ok(())
    }
    for limit in [0, 20] {
        in_child(sys, |sys, limit| ended(child(sys, limit)), limit)?;
    }
    Ok(())
}

fn a_reset_is_not_taken_back(sys: &dyn Sys) -> Outcome {
    becomes_nobody(sys)?;
    let reset = SchedPolicy::SCHED_RESET_ON_FORK.0;
    schedule(sys, SchedPolicy::SCHED_BATCH.0 | reset, 0)?;
    assert_eq!(schedule(sys, SchedPolicy::SCHED_BATCH.0, 0), Err(Errno::EPERM));
    schedule(sys, SchedPolicy::SCHED_NORMAL.0 | reset, 0)?;
    Ok(())
}

fn nobody_signals_by_any_call(sys: &dyn Sys) -> Outcome {
    let other = beside_somebody(sys)?;
    let info = sys.store(sys.page(), &Siginfo { si_code: SI_QUEUE, ..Siginfo::default() });
    let descriptor = descriptor(sys.pidfd_open(other, 0)?);
    for signal in [0, Signal::SIGUSR1.number()] {
        assert_eq!(sys.kill(other, signal), Err(Errno::EPERM));
        assert_eq!(sys.tkill(other, signal), Err(Errno::EPERM));
        assert_eq!(sys.tgkill(other, other, signal), Err(Errno::EPERM));
        assert_eq!(sys.rt_sigqueueinfo(other, signal, info), Err(Errno::EPERM));
        assert_eq!(sys.rt_tgsigqueueinfo(other, other, signal, info), Err(Errno::EPERM));
        assert_eq!(sys.pidfd_send_signal(descriptor, signal, 0, 0), Err(Errno::EPERM));
    }
    Ok(())
}

fn a_wrong_signal_is_told_before_a_refusal(sys: &dyn Sys) -> Outcome {
    let other = beside_somebody(sys)?;
    let info = sys.store(sys.page(), &Siginfo { si_code: SI_QUEUE, ..Siginfo::default() });
    for wrong in [65, -1] {
        assert_eq!(sys.kill(other, wrong), Err(Errno::EINVAL));
        assert_eq!(sys.tgkill(other, other, wrong), Err(Errno::EINVAL));
        assert_eq!(sys.rt_sigqueueinfo(other, wrong, info), Err(Errno::EINVAL));
    }
    assert_eq!(sys.rt_sigqueueinfo(other, 65, 8), Err(Errno::EFAULT));
    Ok(())
}

fn nobody_sets_a_clock(sys: &dyn Sys) -> Outcome {
    becomes_nobody(sys)?;
    let time = sys.store(sys.page(), &Timeval { tv_sec: 1_700_000_000, tv_usec: 0 });
    assert_eq!(sys.settimeofday(time, 0), Err(Errno::EPERM));
    assert_eq!(sys.settimeofday(0, sys.store(sys.page() + 32, &[0_i32; 2])), Err(Errno::EPERM));
    assert_eq!(sys.settimeofday(0, 0), Err(Errno::EPERM));
    let time = sys.store(sys.page(), &Timespec { tv_sec: 1_700_000_000, tv_nsec: 0 });
    assert_eq!(sys.clock_settime(ClockId::CLOCK_REALTIME, time), Err(Errno::EPERM));
    // What is no time is told before that.
    let wrong = sys.store(sys.page(), &Timespec { tv_sec: -1, tv_nsec: 0 });
    assert_eq!(sys.clock_settime(ClockId::CLOCK_REALTIME, wrong), Err(Errno::EINVAL));
    let wrong = sys.store(sys.page(), &Timeval { tv_sec: 1, tv_usec: -1 });
    assert_eq!(sys.settimeofday(wrong, 0), Err(Errno::EINVAL));
    // A zone is looked at last.
    assert_eq!(sys.settimeofday(0, sys.store(sys.page() + 32, &[15_i32 * 60 + 1, 0])), Err(Errno::EPERM));
    Ok(())
}

fn nobody_names_the_machine(sys: &dyn Sys) -> Outcome {
    becomes_nobody(sys)?;
    assert_eq!(sys.sethostname(sys.page(), 4), Err(Errno::EPERM));
    assert_eq!(sys.setdomainname(sys.page(), 4), Err(Errno::EPERM));
    assert_eq!(sys.sethostname(8, 4), Err(Errno::EPERM));
    assert_eq!(sys.setdomainname(sys.page(), 65), Err(Errno::EPERM));
    Ok(())
}

fn nobody_sees_another_users_locks(sys: &dyn Sys) -> Outcome {
    let other = beside_somebody(sys)?;
    let at = sys.page();
    assert_eq!(sys.get_robust_list(other, at, at + 8), Err(Errno::EPERM));
    assert_eq!(sys.get_robust_list(Pid(0x40_0001), at, at + 8), Err(Errno::ESRCH));
    Ok(())
}

fn nobody_wakes_the_machine(sys: &dyn Sys) -> Outcome {
    becomes_nobody(sys)?;
    for clock in [ClockId::CLOCK_REALTIME_ALARM, ClockId::CLOCK_BOOTTIME_ALARM] {
        // Where nothing could wake it, that is told first.
        let made = sys.timer_create(clock, 0, sys.page());
        assert!(matches!(made, Err(Errno::EPERM | Errno::EOPNOTSUPP)), "{made:?}");
    }
    Ok(())
}

fn nobody_hangs_up(sys: &dyn Sys) -> Outcome {
    becomes_nobody(sys)?;
    assert_eq!(sys.vhangup(), Err(Errno::EPERM));
    Ok(())
}

/// Gives it the name that it has: this may be somebody's machine.
fn a_domain_has_a_name(sys: &dyn Sys) -> Outcome {
    sys.uname(sys.page())?;
    let name = sys.page() + 5 * 65;
    let len = sys.bytes(name, 65).iter().position(|byte| *byte == 0).expect("a name ends");
    match sys.setdomainname(name, len) {
        Err(Errno::EPERM) => {}
        answer => {
            assert_eq!(answer, Ok(0));
            assert_eq!(sys.setdomainname(8, 3), Err(Errno::EFAULT));
            assert_eq!(sys.setdomainname(name, 65), Err(Errno::EINVAL));
            assert_eq!(sys.setdomainname(name, -1), Err(Errno::EINVAL));
        }
    }
    Ok(())
}

fn prctl(sys: &dyn Sys, option: PrctlOption, a: usize) -> Result {
    sys.prctl(option, a, 0, 0, 0)
}

fn who_changes_users_is_not_dumpable(sys: &dyn Sys) -> Outcome {
    assert_eq!(prctl(sys, PrctlOption::PR_GET_DUMPABLE, 0)?, 1);
    // What stays as it is changes nothing.
    sys.setresuid(Uid::UNCHANGED, Uid::UNCHANGED, Uid::UNCHANGED)?;
    assert_eq!(prctl(sys, PrctlOption::PR_GET_DUMPABLE, 0)?, 1);
    if sys.geteuid()? == 0 {
        sys.setresuid(Uid(1), Uid::UNCHANGED, Uid::UNCHANGED)?;
        assert_eq!(prctl(sys, PrctlOption::PR_GET_DUMPABLE, 0)?, 1);
        sys.setresuid(Uid::UNCHANGED, Uid(1), Uid::UNCHANGED)?;
        assert_ne!(prctl(sys, PrctlOption::PR_GET_DUMPABLE, 0)?, 1);
        // It may say so itself again.
        prctl(sys, PrctlOption::PR_SET_DUMPABLE, 1)?;
        assert_eq!(prctl(sys, PrctlOption::PR_GET_DUMPABLE, 0)?, 1);
    }
    Ok(())
}

fn who_changes_users_is_not_told_of_its_parent(sys: &dyn Sys) -> Outcome {
    let told = |sys: &dyn Sys| -> Result<i32> {
        prctl(sys, PrctlOption::PR_GET_PDEATHSIG, sys.page())?;
        Ok(sys.load(sys.page()))
    };
    prctl(sys, PrctlOption::PR_SET_PDEATHSIG, 10)?;
    assert_eq!(told(sys)?, 10);
    if sys.geteuid()? == 0 {
        sys.setresuid(Uid::UNCHANGED, Uid(1), Uid::UNCHANGED)?;
        assert_eq!(told(sys)?, 0);
    }
    Ok(())
}

fn an_inheritable_capability_was_permitted_or_bounded(sys: &dyn Sys) -> Outcome {
    let [mut low, high] = capabilities(sys)?;
    let chown = 1 << CAP_CHOWN;
    if low.permitted & chown == 0 {
        // Nothing to inherit, then.
        let more = CapData { inheritable: low.inheritable | chown, ..low };
        assert_eq!(set_capabilities(sys, [more, high]), Err(Errno::EPERM));
        return Ok(());
    }
    low.inheritable |= chown;
    set_capabilities(sys, [low, high])?;
    assert_eq!(capabilities(sys)?[0].inheritable & chown, chown);
    // Not effective without being permitted, but inheritable still.
    low.permitted &= !chown;
    assert_eq!(set_capabilities(sys, [low, high]), Err(Errno::EPERM));
    low.effective &= !chown;
    set_capabilities(sys, [low, high])?;
    assert_eq!(capabilities(sys)?[0], low);
    Ok(())
}

fn groups_are_for_the_privileged(sys: &dyn Sys) -> Outcome {
    becomes_nobody(sys)?;
    let groups = sys.store(sys.page(), &[1_u32, 2]);
    assert_eq!(sys.setgroups(2, groups), Err(Errno::EPERM));
    assert_eq!(sys.setgroups(2, 8), Err(Errno::EPERM));
    assert_eq!(sys.setgroups(-1, 8), Err(Errno::EPERM));
    Ok(())
}

/// Root without a capability is refused like anybody.
fn a_capability_is_needed_not_root(sys: &dyn Sys) -> Outcome {
    let [mut low, high] = capabilities(sys)?;
    let nice = 1 << CAP_SYS_NICE;
    if low.permitted & nice != 0 {
        set_limit(sys, Resource::RLIMIT_NICE, 0)?;
        sys.setpriority(PriorityWhich::PRIO_PROCESS, 0, 5)?;
        low.effective &= !nice;
        set_capabilities(sys, [low, high])?;
        assert_eq!(sys.setpriority(PriorityWhich::PRIO_PROCESS, 0, 4), Err(Errno::EACCES));
        low.effective |= nice;
        set_capabilities(sys, [low, high])?;
        sys.setpriority(PriorityWhich::PRIO_PROCESS, 0, 4)?;
    }
    Ok(())
}

/// Sets none.
fn a_time_zone_has_bounds(sys: &dyn Sys) -> Outcome {
    match sys.settimeofday(0, 0) {
        Err(Errno::EPERM) => return Ok(()),
        answer => assert_eq!(answer, Ok(0)),
    }
    for wrong in [15 * 60 + 1, -15 * 60 - 1] {
        assert_eq!(sys.settimeofday(0, sys.store(sys.page() + 32, &[wrong, 0])), Err(Errno::EINVAL));
    }
    Ok(())
}
