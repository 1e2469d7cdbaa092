//! Signals that wait: queued, taken by hand, let in under another mask.

use alloc::vec::Vec;

use kernel_abi::flags::{Resource, SI_QUEUE, SI_TKILL, SI_USER, SaFlags, SigHow};
use kernel_abi::structs::{Rlimit, Siginfo, Timespec};
use kernel_abi::{Calls, Errno, Pid, Result, SigSet, Signal, Sys};

use super::Outcome;
use super::process::{pauses, process, wait};
use super::signal::{act, action, counted, counts, handle, mask, raise};
use super::time::{now, tick};

cases! { "queue":
    realtime_signals_queue_in_order, a_standard_signal_waits_once, waiting_for_a_signal_times_out,
    what_waiting_for_a_signal_refuses, a_signal_that_was_awaited_runs_no_handler, another_signal_ends_the_wait,
    a_value_comes_with_a_signal, nobody_forges_the_kernel, queueing_to_nobody, a_thread_has_a_queue_of_its_own,
    a_full_queue_says_again, suspending_lets_a_waiting_signal_in, suspending_ends_by_handlers_only,
    a_suspended_handler_runs_under_the_other_mask, pausing_ends_by_a_handler needs pause, asking_what_waits_is_careful,
}

const FIRST: Signal = Signal::RT_MIN;
const INFO: usize = 0x7400;

fn second() -> Signal {
    Signal::from_number(FIRST.number() + 1).expect("33 is a signal")
}

/// Queues a signal with a value to this process.
fn queue(sys: &dyn Sys, signal: Signal, value: u64) -> Result {
    let me = sys.getpid()?;
    let mut info = Siginfo::kill(signal, SI_QUEUE, me as i32, sys.getuid()? as u32);
    info.fields[1] = value;
    sys.rt_sigqueueinfo(me, signal, sys.store(sys.page() + INFO, &info))
}

/// Takes one of `signals` that waits, or says that none does within `timeout_ns`.
fn take(sys: &dyn Sys, signals: &[Signal], timeout_ns: u64) -> Result<Siginfo> {
    let at = sys.page() + INFO;
    sys.store(at, &SigSet::of(signals));
    sys.store(at + 8, &Timespec::from_ns(timeout_ns));
    let number = sys.rt_sigtimedwait(at, at + 64, at + 8, 8)?;
    let info: Siginfo = sys.load(at + 64);
    assert_eq!(info.si_signo, number as i32);
    Ok(info)
}

fn realtime_signals_queue_in_order(sys: &dyn Sys) -> Outcome {
    let both = [FIRST, second()];
    mask(sys, SigHow::SIG_BLOCK, &both)?;
    queue(sys, second(), 1)?;
    queue(sys, FIRST, 2)?;
    queue(sys, FIRST, 3)?;
    let mut taken = Vec::new();
    while let Ok(info) = take(sys, &both, 0) {
        taken.push((info.si_signo, info.value()));
    }
    assert_eq!(taken, [(32, 2), (32, 3), (33, 1)]);
    Ok(())
}

fn a_standard_signal_waits_once(sys: &dyn Sys) -> Outcome {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGUSR1])?;
    queue(sys, Signal::SIGUSR1, 1)?;
    queue(sys, Signal::SIGUSR1, 2)?;
    assert_eq!(take(sys, &[Signal::SIGUSR1], 0)?.value(), 1);
    assert_eq!(take(sys, &[Signal::SIGUSR1], 0), Err(Errno::EAGAIN));
    Ok(())
}

fn waiting_for_a_signal_times_out(sys: &dyn Sys) -> Outcome {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGUSR1])?;
    let before = now(sys)?;
    assert_eq!(take(sys, &[Signal::SIGUSR1], 3_000_000), Err(Errno::EAGAIN));
    assert!(now(sys)? >= before + 3_000_000);
    Ok(())
}

fn what_waiting_for_a_signal_refuses(sys: &dyn Sys) -> Outcome {
    let set = sys.store(sys.page(), &SigSet::of(&[Signal::SIGUSR1]));
    let bad = sys.store(sys.page() + 8, &Timespec { tv_sec: 0, tv_nsec: 1_000_000_000 });
    let zero = sys.store(sys.page() + 32, &Timespec::default());
    assert_eq!(sys.rt_sigtimedwait(set, 0, zero, 4), Err(Errno::EINVAL));
    assert_eq!(sys.rt_sigtimedwait(8, 0, bad, 8), Err(Errno::EFAULT));
    assert_eq!(sys.rt_sigtimedwait(set, 0, 8, 8), Err(Errno::EFAULT));
    assert_eq!(sys.rt_sigtimedwait(set, 0, bad, 8), Err(Errno::EINVAL));
    // A wild siginfo counts when there is a signal; the signal is gone.
    assert_eq!(sys.rt_sigtimedwait(set, 8, zero, 8), Err(Errno::EAGAIN));
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGUSR1])?;
    raise(sys, Signal::SIGUSR1)?;
    assert_eq!(sys.rt_sigtimedwait(set, 8, zero, 8), Err(Errno::EFAULT));
    assert_eq!(sys.rt_sigtimedwait(set, 0, zero, 8), Err(Errno::EAGAIN));
    Ok(())
}

fn a_signal_that_was_awaited_runs_no_handler(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR1, counts)?;
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGUSR1])?;
    let me = sys.getpid()?;
    let pid = sys.fork_with(|sys, parent| i32::from(sys.kill(parent, Signal::SIGUSR1).is_err()), me)?;
    let set = sys.store(sys.page(), &SigSet::of(&[Signal::SIGUSR1, Signal::SIGKILL]));
    assert_eq!(sys.rt_sigtimedwait(set, sys.page() + 64, 0, 8)?, 10);
    let info: Siginfo = sys.load(sys.page() + 64);
    assert_eq!((info.si_code, info.pid()), (SI_USER, pid as i32));
    wait(sys, pid)?;
    mask(sys, SigHow::SIG_SETMASK, &[])?;
    assert_eq!(counted(sys), [0, 0]);
    Ok(())
}

fn another_signal_ends_the_wait(sys: &dyn Sys) -> Outcome {
    act(sys, Signal::SIGALRM, action(sys, counts, SaFlags::SA_RESTART, SigSet::EMPTY))?;
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGUSR1])?;
    tick(sys, 2_000_000)?;
    let set = sys.store(sys.page(), &SigSet::of(&[Signal::SIGUSR1]));
    assert_eq!(sys.rt_sigtimedwait(set, 0, 0, 8), Err(Errno::EINTR));
    tick(sys, 0)?;
    assert_ne!(counted(sys)[0], 0);
    Ok(())
}

fn looks(sys: &dyn Sys, _: usize, info: usize, _: usize) {
    let info: Siginfo = sys.load(info);
    sys.store(sys.page() + INFO + 256, &info);
}

fn a_value_comes_with_a_signal(sys: &dyn Sys) -> Outcome {
    act(sys, Signal::SIGUSR1, action(sys, looks, SaFlags::SA_SIGINFO, SigSet::EMPTY))?;
    queue(sys, Signal::SIGUSR1, 0x1234_5678_9abc)?;
    let info: Siginfo = sys.load(sys.page() + INFO + 256);
    assert_eq!((info.si_signo, info.si_code, info.value()), (10, SI_QUEUE, 0x1234_5678_9abc));
    assert_eq!(info.pid(), sys.getpid()? as i32);
    // The number of the call counts, not the siginfo's.
    act(sys, Signal::SIGUSR2, action(sys, looks, SaFlags::SA_SIGINFO, SigSet::EMPTY))?;
    sys.store(sys.page(), &Siginfo { si_signo: 10, si_code: SI_QUEUE, ..Siginfo::default() });
    sys.rt_sigqueueinfo(sys.getpid()?, Signal::SIGUSR2, sys.page())?;
    assert_eq!(sys.load::<Siginfo>(sys.page() + INFO + 256).si_signo, 12);
    Ok(())
}

fn nobody_forges_the_kernel(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(pauses, 0)?;
    for code in [SI_USER, 128, SI_TKILL] {
        sys.store(sys.page(), &Siginfo { si_code: code, ..Siginfo::default() });
        assert_eq!(sys.rt_sigqueueinfo(pid, Signal::SIGUSR1, sys.page()), Err(Errno::EPERM));
        assert_eq!(sys.rt_tgsigqueueinfo(pid, pid, Signal::SIGUSR1, sys.page()), Err(Errno::EPERM));
        // Nobody minds what a process tells itself.
        sys.rt_sigqueueinfo(sys.getpid()?, 0, sys.page())?;
    }
    sys.kill(pid, Signal::SIGKILL)?;
    wait(sys, pid)?;
    Ok(())
}

fn queueing_to_nobody(sys: &dyn Sys) -> Outcome {
    let nobody = Pid(0x3fff_ffff);
    let me = sys.getpid()?;
    let info = sys.store(sys.page(), &Siginfo { si_code: SI_QUEUE, ..Siginfo::default() });
    assert_eq!(sys.rt_sigqueueinfo(nobody, Signal::SIGUSR1, info), Err(Errno::ESRCH));
    assert_eq!(sys.rt_sigqueueinfo(nobody, 65, info), Err(Errno::ESRCH));
    assert_eq!(sys.rt_sigqueueinfo(nobody, Signal::SIGUSR1, 8), Err(Errno::EFAULT));
    assert_eq!(sys.rt_sigqueueinfo(me, 65, info), Err(Errno::EINVAL));
    sys.rt_sigqueueinfo(me, 0, info)?;
    assert_eq!(sys.rt_tgsigqueueinfo(me, nobody, 0, info), Err(Errno::ESRCH));
    assert_eq!(sys.rt_tgsigqueueinfo(nobody, me, 0, info), Err(Errno::ESRCH));
    assert_eq!(sys.rt_tgsigqueueinfo(me, Pid(0), 0, info), Err(Errno::EINVAL));
    assert_eq!(sys.rt_tgsigqueueinfo(Pid(-1), me, 0, info), Err(Errno::EINVAL));
    assert_eq!(sys.rt_tgsigqueueinfo(me, me, 0, 8), Err(Errno::EFAULT));
    Ok(())
}

fn a_thread_has_a_queue_of_its_own(sys: &dyn Sys) -> Outcome {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGUSR1])?;
    let (me, tid) = (sys.getpid()?, sys.gettid()?);
    let info = sys.store(sys.page(), &Siginfo { si_code: SI_QUEUE, fields: [7; 14], ..Siginfo::default() });
    sys.kill(me, Signal::SIGUSR1)?;
    sys.rt_tgsigqueueinfo(me, tid, Signal::SIGUSR1, info)?;
    // The thread's own goes first.
    assert_eq!(take(sys, &[Signal::SIGUSR1], 0)?.si_code, SI_QUEUE);
    assert_eq!(take(sys, &[Signal::SIGUSR1], 0)?.si_code, SI_USER);
    sys.tgkill(me, tid, Signal::SIGUSR1)?;
    let told = take(sys, &[Signal::SIGUSR1], 0)?;
    assert_eq!((told.si_code, process(me)), (SI_TKILL, Pid(told.pid())));
    Ok(())
}

fn a_full_queue_says_again(sys: &dyn Sys) -> Outcome {
    mask(sys, SigHow::SIG_BLOCK, &[FIRST, Signal::SIGUSR1])?;
    sys.store(sys.page(), &Rlimit { rlim_cur: 0, rlim_max: 0 });
    sys.setrlimit(Resource::RLIMIT_SIGPENDING, sys.page())?;
    assert_eq!(queue(sys, FIRST, 1), Err(Errno::EAGAIN));
    // kill(2) is never refused, and who sent it is lost.
    raise(sys, FIRST)?;
    let info = take(sys, &[FIRST], 0)?;
    assert_eq!((info.si_code, info.pid()), (SI_USER, 0));
    raise(sys, Signal::SIGUSR1)?;
    assert_eq!(take(sys, &[Signal::SIGUSR1], 0)?.si_signo, 10);
    Ok(())
}

fn suspend(sys: &dyn Sys, signals: &[Signal]) -> Result {
    sys.rt_sigsuspend(sys.store(sys.page() + INFO, &SigSet::of(signals)), 8)
}

fn suspending_lets_a_waiting_signal_in(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR1, counts)?;
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGUSR1])?;
    raise(sys, Signal::SIGUSR1)?;
    assert_eq!(suspend(sys, &[]), Err(Errno::EINTR));
    assert_eq!(counted(sys), [1, 10]);
    assert_eq!(mask(sys, SigHow::SIG_BLOCK, &[])?, SigSet::of(&[Signal::SIGUSR1]));
    assert_eq!(sys.rt_sigsuspend(sys.page(), 4), Err(Errno::EINVAL));
    assert_eq!(sys.rt_sigsuspend(8, 8), Err(Errno::EFAULT));
    Ok(())
}

fn suspending_ends_by_handlers_only(sys: &dyn Sys) -> Outcome {
    // What is blocked by the other mask, or ignored, does not end it; what is handled does, restarting or not.
    act(sys, Signal::SIGALRM, action(sys, counts, SaFlags::SA_RESTART, SigSet::EMPTY))?;
    handle(sys, Signal::SIGUSR1, counts)?;
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGALRM, Signal::SIGWINCH])?;
    raise(sys, Signal::SIGWINCH)?;
    tick(sys, 2_000_000)?;
    assert_eq!(suspend(sys, &[Signal::SIGUSR1]), Err(Errno::EINTR));
    tick(sys, 0)?;
    assert_eq!(counted(sys)[1], 14);
    Ok(())
}

fn raises_usr2(sys: &dyn Sys, signal: usize, info: usize, context: usize) {
    counts(sys, signal, info, context);
    let _ = raise(sys, Signal::SIGUSR2);
    sys.store(sys.page() + INFO + 256, &counted(sys));
}

fn a_suspended_handler_runs_under_the_other_mask(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR1, raises_usr2)?;
    handle(sys, Signal::SIGUSR2, counts)?;
    let both = [Signal::SIGUSR1, Signal::SIGUSR2];
    mask(sys, SigHow::SIG_BLOCK, &both)?;
    raise(sys, Signal::SIGUSR1)?;
    assert_eq!(suspend(sys, &[]), Err(Errno::EINTR));
    // The second signal came while the first one's handler ran.
    assert_eq!(sys.load::<[u64; 2]>(sys.page() + INFO + 256), [2, 12]);
    assert_eq!(mask(sys, SigHow::SIG_BLOCK, &[])?, SigSet::of(&both));
    Ok(())
}

fn pausing_ends_by_a_handler(sys: &dyn Sys) -> Outcome {
    act(sys, Signal::SIGALRM, action(sys, counts, SaFlags::SA_RESTART, SigSet::EMPTY))?;
    tick(sys, 2_000_000)?;
    assert_eq!((sys.pause(), counted(sys)[1]), (Err(Errno::EINTR), 14));
    tick(sys, 0)?;
    Ok(())
}

fn asking_what_waits_is_careful(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.rt_sigpending(sys.page(), 9), Err(Errno::EINVAL));
    assert_eq!(sys.rt_sigpending(8, 8), Err(Errno::EFAULT));
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGUSR1])?;
    raise(sys, Signal::SIGUSR1)?;
    sys.store(sys.page(), &u64::MAX);
    // Less than all may be asked for.
    sys.rt_sigpending(sys.page(), 2)?;
    assert_eq!(sys.load::<u64>(sys.page()), u64::MAX << 16 | 1 << 9);
    Ok(())
}
