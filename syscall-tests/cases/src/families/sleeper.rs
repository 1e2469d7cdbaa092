//! More calls that wait, and what a signal or a stop makes of them: signal(7).

use kernel_abi::flags::{
    ClockId, CloneFlags, EpollFlags, F_WRLCK, FcntlCommand, FlockOperation, FutexOp, ItimerKind, OpenFlags, PipeFlags,
    SaFlags, SigHow, SignalfdFlags, TimerFlags, TimerfdFlags, WaitId, WaitOptions,
};
use kernel_abi::structs::{CloneArgs, Flock, Itimerval, Timespec, Timeval, status_exited, status_signaled};
use kernel_abi::sys::ChildFn;
use kernel_abi::{Calls, Errno, Fd, Result, SigSet, Signal, Sys};

use super::Outcome;
use super::file::{create, descriptor, open, write};
use super::interrupt::{interrupted, stops_and_ends};
use super::memory::map_shared;
use super::pipe::pipe;
use super::process::{in_child, pauses, wait};
use super::signal::{act, action, counted, counts, mask};
use super::time::tick;

cases! { "sleeper":
    waiting_for_a_lock, waiting_for_a_record, waiting_on_epoll, reading_a_timer, reading_signals,
    waiting_for_any_child_by_siginfo, a_lock_goes_on_after_a_handler_that_restarts, what_never_goes_on,
    a_stop_ends_some_waits, a_stop_interrupts_no_wait_for_a_child, a_stop_interrupts_no_suspension,
    a_stop_interrupts_no_write, a_stop_interrupts_no_lock, a_stop_does_not_shorten_a_sleep_to_a_time,
    a_vforked_child_is_waited_for_through_signals, a_kill_ends_the_wait_for_a_vforked_child,
    an_interrupted_sleep_tells_what_is_left_once_more, a_signal_between_restarts_both_handlers,
    a_blocked_signal_interrupts_nothing, an_ignored_signal_interrupts_nothing,
}

fn locked(sys: &dyn Sys) -> Result<Fd> {
    let file = create(sys, "file")?;
    sys.flock(file, FlockOperation::LOCK_EX)?;
    open(sys, "file", OpenFlags::O_RDWR)
}

fn waiting_for_a_lock(sys: &dyn Sys) -> Outcome {
    let other = locked(sys)?;
    interrupted(sys, || sys.flock(other, FlockOperation::LOCK_EX))?;
    interrupted(sys, || sys.flock(other, FlockOperation::LOCK_SH))
}

/// A record that an open file keeps from others, and another open file.
fn recorded(sys: &dyn Sys) -> Result<Fd> {
    let file = create(sys, "file")?;
    let at = sys.store(sys.page() + 0x7000, &Flock { l_type: F_WRLCK, ..Flock::default() });
    sys.fcntl(file, FcntlCommand::F_OFD_SETLK, at)?;
    open(sys, "file", OpenFlags::O_RDWR)
}

fn waiting_for_a_record(sys: &dyn Sys) -> Outcome {
    let other = recorded(sys)?;
    for command in [FcntlCommand::F_SETLKW, FcntlCommand::F_OFD_SETLKW] {
        interrupted(sys, || sys.fcntl(other, command, sys.page() + 0x7000))?;
    }
    Ok(())
}

fn waiting_on_epoll(sys: &dyn Sys) -> Outcome {
    let set = descriptor(sys.epoll_create1(EpollFlags::empty())?);
    interrupted(sys, || sys.epoll_pwait(set, sys.page() + 0x100, 1, -1, 0, 8))?;
    interrupted(sys, || sys.epoll_pwait(set, sys.page() + 0x100, 1, 1_000_000, 0, 8))
}

fn reading_a_timer(sys: &dyn Sys) -> Outcome {
    let timer = descriptor(sys.timerfd_create(ClockId::CLOCK_MONOTONIC, TimerfdFlags::empty())?);
    interrupted(sys, || sys.read(timer, sys.page() + 0x100, 8))
}

fn reading_signals(sys: &dyn Sys) -> Outcome {
    let set = sys.store(sys.page(), &SigSet::of(&[Signal::SIGUSR1]));
    let signals = descriptor(sys.signalfd4(Fd(-1), set, 8, SignalfdFlags::empty())?);
    interrupted(sys, || sys.read(signals, sys.page() + 0x200, 128))
}

fn waiting_for_any_child_by_siginfo(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(pauses, 0)?;
    interrupted(sys, || sys.waitid(WaitId::P_PID, pid, 0, WaitOptions::WEXITED, 0))?;
    interrupted(sys, || sys.waitid(WaitId::P_ALL, 0, 0, WaitOptions::WUNTRACED, 0))?;
    sys.kill(pid, Signal::SIGKILL)?;
    wait(sys, pid)?;
    Ok(())
}

/// Counts, and the third time gives the lock of descriptor 3 back.
fn unlocks(sys: &dyn Sys, signal: usize, info: usize, context: usize) {
    counts(sys, signal, info, context);
    if counted(sys)[0] == 3 {
        let _ = sys.flock(Fd(3), FlockOperation::LOCK_UN);
    }
}

fn a_lock_goes_on_after_a_handler_that_restarts(sys: &dyn Sys) -> Outcome {
    let other = locked(sys)?;
    act(sys, Signal::SIGALRM, action(sys, unlocks, SaFlags::SA_RESTART, SigSet::EMPTY))?;
    tick(sys, 2_000_000)?;
    sys.flock(other, FlockOperation::LOCK_EX)?;
    tick(sys, 0)?;
    assert!(counted(sys)[0] >= 3);
    Ok(())
}

fn what_never_goes_on(sys: &dyn Sys) -> Outcome {
    act(sys, Signal::SIGALRM, action(sys, counts, SaFlags::SA_RESTART, SigSet::EMPTY))?;
    let set = descriptor(sys.epoll_create1(EpollFlags::empty())?);
    let long = sys.store(sys.page() + 0x40, &Timespec { tv_sec: 1000, tv_nsec: 0 });
    let none = sys.store(sys.page() + 0x80, &SigSet::EMPTY);
    tick(sys, 2_000_000)?;
    assert_eq!(sys.epoll_pwait(set, sys.page() + 0x100, 1, -1, 0, 8), Err(Errno::EINTR));
    assert_eq!(sys.epoll_pwait(set, sys.page() + 0x100, 1, -1, none, 8), Err(Errno::EINTR));
    assert_eq!(sys.poll(0, 0, -1), Err(Errno::EINTR));
    assert_eq!(sys.clock_nanosleep(ClockId::CLOCK_MONOTONIC, 0, long, 0), Err(Errno::EINTR));
    assert_eq!(sys.rt_sigtimedwait(none, 0, 0, 8), Err(Errno::EINTR));
    assert_eq!(sys.rt_sigsuspend(none, 8), Err(Errno::EINTR));
    tick(sys, 0)?;
    Ok(())
}

/// What becomes of a child that waits in `waits` and is stopped and let go on meanwhile, then told to end by SIGTERM.
fn stopped_in(sys: &dyn Sys, waits: ChildFn) -> Result<i32> {
    let pid = sys.fork_with(waits, 0)?;
    stops_and_ends(sys, pid, || sys.kill(pid, Signal::SIGTERM))
}

fn a_stop_ends_some_waits(sys: &dyn Sys) -> Outcome {
    // Waiting for a signal by hand, and for events: the only ones that a stop ends.
    let waits = |sys: &dyn Sys, _| {
        let none = sys.store(sys.page(), &SigSet::EMPTY);
        5 + i32::from(sys.rt_sigtimedwait(none, 0, 0, 8) == Err(Errno::EINTR))
    };
    let ended = stopped_in(sys, waits)?;
    // Unless it was stopped before it waited every time.
    assert!(ended == status_exited(6) || ended == status_signaled(15, false), "{ended:x}");
    let waits = |sys: &dyn Sys, _| {
        let Ok(set) = sys.epoll_create1(EpollFlags::empty()) else { return 1 };
        5 + i32::from(sys.epoll_pwait(set, sys.page(), 1, -1, 0, 8) == Err(Errno::EINTR))
    };
    let ended = stopped_in(sys, waits)?;
    assert!(ended == status_exited(6) || ended == status_signaled(15, false), "{ended:x}");
    Ok(())
}

fn a_stop_interrupts_no_wait_for_a_child(sys: &dyn Sys) -> Outcome {
    let waits = |sys: &dyn Sys, _| match sys.fork_with(pauses, 0) {
        Ok(pid) => 5 + i32::from(sys.wait4(pid, 0, WaitOptions::empty(), 0).is_err()),
        Err(_) => 1,
    };
    assert_eq!(stopped_in(sys, waits)?, status_signaled(15, false));
    Ok(())
}

fn a_stop_interrupts_no_suspension(sys: &dyn Sys) -> Outcome {
    let waits = |sys: &dyn Sys, _| {
        let none = sys.store(sys.page(), &SigSet::EMPTY);
        5 + i32::from(sys.rt_sigsuspend(none, 8).is_err())
    };
    assert_eq!(stopped_in(sys, waits)?, status_signaled(15, false));
    Ok(())
}

fn a_stop_interrupts_no_write(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    super::interrupt::fill(sys, writer)?;
    let child = |sys: &dyn Sys, writer| i32::from(sys.write(writer, sys.page(), 1) != Ok(1));
    let pid = sys.fork_with(child, writer.0 as usize)?;
    assert_eq!(stops_and_ends(sys, pid, || sys.read(reader, sys.page(), 4096))?, status_exited(0));
    Ok(())
}

fn a_stop_interrupts_no_lock(sys: &dyn Sys) -> Outcome {
    let other = locked(sys)?;
    let child = |sys: &dyn Sys, file| {
        // A description of its own.
        let _ = sys.close(Fd(3));
        i32::from(sys.flock(file, FlockOperation::LOCK_EX) != Ok(0))
    };
    let pid = sys.fork_with(child, other.0 as usize)?;
    assert_eq!(stops_and_ends(sys, pid, || sys.flock(Fd(3), FlockOperation::LOCK_UN))?, status_exited(0));
    Ok(())
}

fn a_stop_does_not_shorten_a_sleep_to_a_time(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        let at = sys.page();
        if sys.clock_gettime(ClockId::CLOCK_MONOTONIC, at).is_err() {
            return 1;
        }
        let until = sys.load::<Timespec>(at).to_ns().unwrap_or(0) + 20_000_000;
        sys.store(at, &Timespec::from_ns(until));
        if sys.clock_nanosleep(ClockId::CLOCK_MONOTONIC, TimerFlags::TIMER_ABSTIME, at, 0) != Ok(0) {
            return 2;
        }
        let _ = sys.clock_gettime(ClockId::CLOCK_MONOTONIC, at);
        i32::from(sys.load::<Timespec>(at).to_ns().unwrap_or(0) < until)
    };
    let pid = sys.fork_with(child, 0)?;
    assert_eq!(stops_and_ends(sys, pid, || Ok(0))?, status_exited(0));
    Ok(())
}

const VFORK: CloneFlags = CloneFlags::CLONE_VM.union(CloneFlags::CLONE_VFORK);

fn a_vforked_child_is_waited_for_through_signals(sys: &dyn Sys) -> Outcome {
    act(sys, Signal::SIGALRM, action(sys, counts, SaFlags::empty(), SigSet::EMPTY))?;
    tick(sys, 1_000_000)?;
    let child = |sys: &dyn Sys, _| {
        // Timers are the parent's.
        let rest = sys.store(sys.page() + 0x100, &Timespec::from_ns(10_000_000));
        let slept = sys.nanosleep(rest, 0);
        // None of its handlers has run yet.
        let count = counted(sys)[0];
        sys.store(sys.page() + 0x180, &count);
        i32::from(slept != Ok(0))
    };
    let args = CloneArgs { flags: VFORK.bits(), exit_signal: 17, ..CloneArgs::default() };
    let before = counted(sys)[0];
    let pid = sys.clone_with(&args, child, 0)?;
    tick(sys, 0)?;
    let during: u64 = sys.load(sys.page() + 0x180);
    assert!(during <= before + 1 && counted(sys)[0] > before, "{before} {during} {:?}", counted(sys));
    while wait(sys, pid) == Err(Errno::EINTR) {}
    Ok(())
}

fn a_kill_ends_the_wait_for_a_vforked_child(sys: &dyn Sys) -> Outcome {
    let word = map_shared(sys)?;
    let parent = |sys: &dyn Sys, word| {
        let args = CloneArgs { flags: VFORK.bits(), exit_signal: 17, ..CloneArgs::default() };
        let child = |sys: &dyn Sys, word| {
            sys.store(word, &1_u32);
            let _ = sys.futex(word, FutexOp::FUTEX_WAKE, 1, 0, 0, 0);
            pauses(sys, 0)
        };
        i32::from(sys.clone_with(&args, child, word).is_err())
    };
    let pid = sys.fork_with(parent, word)?;
    while sys.load::<u32>(word) == 0 {
        let _ = sys.futex(word, FutexOp::FUTEX_WAIT, 0, 0, 0, 0);
    }
    sys.kill(pid, Signal::SIGKILL)?;
    assert_eq!(wait(sys, pid)?, status_signaled(9, false));
    Ok(())
}

fn an_interrupted_sleep_tells_what_is_left_once_more(sys: &dyn Sys) -> Outcome {
    act(sys, Signal::SIGALRM, action(sys, counts, SaFlags::empty(), SigSet::EMPTY))?;
    let at = sys.store(sys.page() + 64, &Timespec { tv_sec: 1000, tv_nsec: 0 });
    tick(sys, 3_000_000)?;
    // The rest may be put where the wish was.
    let mut last = 1_000_000_000_000;
    for _ in 0..3 {
        assert_eq!(sys.nanosleep(at, at), Err(Errno::EINTR));
        let left = sys.load::<Timespec>(at).to_ns().expect("a time");
        assert!(left < last, "{left} {last}");
        last = left;
    }
    tick(sys, 0)?;
    Ok(())
}

fn writes_once(sys: &dyn Sys, signal: usize, info: usize, context: usize) {
    counts(sys, signal, info, context);
    if signal == 10 {
        let _ = sys.write(Fd(sys.load(sys.page() + 0x300)), sys.page() + 0x400, 1);
    } else {
        let _ = sys.getpid().and_then(|me| sys.kill(me, Signal::SIGUSR1));
    }
}

/// A handler's own signal has its handler run too, and the call goes on after both.
fn a_signal_between_restarts_both_handlers(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    sys.store(sys.page() + 0x300, &writer.0);
    act(sys, Signal::SIGALRM, action(sys, writes_once, SaFlags::SA_RESTART, SigSet::EMPTY))?;
    act(sys, Signal::SIGUSR1, action(sys, writes_once, SaFlags::SA_RESTART, SigSet::EMPTY))?;
    let once = Itimerval { it_value: Timeval::from_ns(2_000_000), ..Itimerval::default() };
    sys.setitimer(ItimerKind::ITIMER_REAL, sys.store(sys.page() + 0x340, &once), 0)?;
    assert_eq!(sys.read(reader, sys.page() + 0x500, 10)?, 1);
    assert_eq!(counted(sys)[0], 2);
    Ok(())
}

/// Sends its parent two signals, then writes a byte.
fn bothers(sys: &dyn Sys, writer: usize) -> i32 {
    let Ok(parent) = sys.getppid() else { return 1 };
    let moment = sys.store(sys.page() + 64, &Timespec::from_ns(1_000_000));
    for _ in 0..2 {
        if sys.kill(parent, Signal::SIGUSR1).is_err() || sys.nanosleep(moment, 0).is_err() {
            return 2;
        }
    }
    i32::from(sys.write(writer, sys.page(), 1) != Ok(1))
}

fn a_blocked_signal_interrupts_nothing(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    act(sys, Signal::SIGUSR1, action(sys, counts, SaFlags::empty(), SigSet::EMPTY))?;
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGUSR1])?;
    let pid = sys.fork_with(bothers, writer.0 as usize)?;
    assert_eq!(sys.read(reader, sys.page() + 0x500, 10)?, 1);
    assert_eq!(wait(sys, pid)?, status_exited(0));
    assert_eq!(counted(sys)[0], 0);
    mask(sys, SigHow::SIG_UNBLOCK, &[Signal::SIGUSR1])?;
    assert_eq!(counted(sys), [1, 10]);
    Ok(())
}

fn an_ignored_signal_interrupts_nothing(sys: &dyn Sys) -> Outcome {
    use kernel_abi::flags::SIG_IGN;
    use kernel_abi::structs::Sigaction;
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    act(sys, Signal::SIGUSR1, Sigaction { handler: SIG_IGN, ..Sigaction::default() })?;
    let pid = sys.fork_with(bothers, writer.0 as usize)?;
    let set = descriptor(sys.epoll_create1(EpollFlags::empty())?);
    assert_eq!(sys.epoll_pwait(set, sys.page() + 0x100, 1, 5, 0, 8)?, 0);
    assert_eq!(sys.read(reader, sys.page() + 0x500, 10)?, 1);
    assert_eq!(wait(sys, pid)?, status_exited(0));
    write(sys, writer, b"x")?;
    in_child(sys, |_, _| 0, 0)?;
    Ok(())
}
