//! Timers that ring by signals: timer_create(2), and timers of CPU time.

use kernel_abi::flags::{ClockId, ItimerKind, SI_TIMER, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD_ID, SigHow, TimerFlags};
use kernel_abi::structs::{Itimerspec, Itimerval, Sigevent, Siginfo, Timespec, Timeval};
use kernel_abi::{Calls, Errno, Result, SigSet, Signal, Sys};

use super::Outcome;
use super::process::wait;
use super::signal::{counted, counts, handle};
use super::thread::{join, start};

cases! { "timer":
    a_timer_sends_its_signal_and_value, a_timer_without_a_wish_is_an_alarm, rings_that_wait_are_counted,
    a_timer_tells_one_thread, a_silent_timer_is_asked, a_timer_that_is_deleted_is_gone, what_making_a_timer_refuses,
    what_arming_refuses, a_child_has_no_such_timers, cpu_time_rings, a_timer_counts_cpu_time,
    a_sleep_is_as_long_as_others_work, arming_tells_what_was_left, a_signal_leaves_the_rest_of_a_sleep_of_cpu_time,
}

const MS: u64 = 1_000_000;

fn make(sys: &dyn Sys, clock: ClockId, event: &Sigevent) -> Result<i32> {
    let event = sys.store(sys.page() + 0x100, event);
    sys.timer_create(clock, event, sys.page() + 0x180)?;
    Ok(sys.load(sys.page() + 0x180))
}

fn arm(sys: &dyn Sys, timer: i32, value_ns: u64, interval_ns: u64) -> Result {
    let [it_value, it_interval] = [value_ns, interval_ns].map(Timespec::from_ns);
    let at = sys.store(sys.page() + 0x200, &Itimerspec { it_interval, it_value });
    sys.timer_settime(timer, TimerFlags::empty(), at, 0)
}

fn left(sys: &dyn Sys, timer: i32) -> Result<Itimerspec> {
    sys.timer_gettime(timer, sys.page() + 0x200)?;
    Ok(sys.load(sys.page() + 0x200))
}

fn block(sys: &dyn Sys, signal: Signal) -> Result<usize> {
    let set = sys.store(sys.page() + 0x300, &SigSet::of(&[signal]));
    sys.rt_sigprocmask(SigHow::SIG_BLOCK, set, 0, 8)?;
    Ok(set)
}

/// Waits for a signal that is blocked.
fn take(sys: &dyn Sys, set: usize) -> Result<Siginfo> {
    sys.rt_sigtimedwait(set, sys.page() + 0x400, 0, 8)?;
    Ok(sys.load(sys.page() + 0x400))
}

fn rest(sys: &dyn Sys, ns: u64) -> Result {
    let span = sys.store(sys.page() + 0x500, &Timespec::from_ns(ns));
    sys.nanosleep(span, 0)
}

fn event(signal: Signal, sigev_value: u64) -> Sigevent {
    Sigevent { sigev_value, sigev_signo: signal.number(), sigev_notify: SIGEV_SIGNAL, ..Sigevent::default() }
}

fn a_timer_sends_its_signal_and_value(sys: &dyn Sys) -> Outcome {
    let set = block(sys, Signal::SIGUSR1)?;
    let timer = make(sys, ClockId::CLOCK_MONOTONIC, &event(Signal::SIGUSR1, 0x1234_5678_9abc))?;
    arm(sys, timer, MS, 0)?;
    let info = take(sys, set)?;
    assert_eq!((info.si_signo, info.si_code, info.value()), (10, SI_TIMER, 0x1234_5678_9abc));
    assert_eq!((info.timer_id(), info.timer_overrun()), (timer, 0));
    assert_eq!(left(sys, timer)?, Itimerspec::default());
    Ok(())
}

fn a_timer_without_a_wish_is_an_alarm(sys: &dyn Sys) -> Outcome {
    let set = block(sys, Signal::SIGALRM)?;
    sys.timer_create(ClockId::CLOCK_REALTIME, 0, sys.page())?;
    let timer: i32 = sys.load(sys.page());
    let at = sys.store(sys.page() + 0x200, &Itimerspec { it_value: Timespec::from_ns(1), ..Itimerspec::default() });
    sys.timer_settime(timer, TimerFlags::TIMER_ABSTIME, at, 0)?;
    let info = take(sys, set)?;
    assert_eq!((info.si_signo, info.timer_id(), info.value() as i32), (14, timer, timer));
    Ok(())
}

fn rings_that_wait_are_counted(sys: &dyn Sys) -> Outcome {
    let set = block(sys, Signal::SIGUSR1)?;
    let timer = make(sys, ClockId::CLOCK_MONOTONIC, &event(Signal::SIGUSR1, 0))?;
    arm(sys, timer, MS, MS)?;
    rest(sys, 10 * MS)?;
    let info = take(sys, set)?;
    assert!(info.timer_overrun() >= 5, "{}", info.timer_overrun());
    assert_eq!(sys.timer_getoverrun(timer)?, info.timer_overrun() as usize);
    arm(sys, timer, 0, 0)?;
    Ok(())
}

fn a_timer_tells_one_thread(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR2, counts)?;
    let me = sys.gettid()? as i32;
    let wish = Sigevent { sigev_notify: SIGEV_THREAD_ID, sigev_tid: me, ..event(Signal::SIGUSR2, 0) };
    let timer = make(sys, ClockId::CLOCK_MONOTONIC, &wish)?;
    // Late enough that the rest has begun, on a machine that is emulated as well.
    arm(sys, timer, 100 * MS, 0)?;
    assert_eq!(rest(sys, 10_000 * MS), Err(Errno::EINTR));
    assert_eq!(counted(sys), [1, 12]);
    let other = Sigevent { sigev_tid: 0x40_0001, ..wish };
    assert_eq!(make(sys, ClockId::CLOCK_MONOTONIC, &other), Err(Errno::EINVAL));
    Ok(())
}

fn a_silent_timer_is_asked(sys: &dyn Sys) -> Outcome {
    let wish = Sigevent { sigev_notify: SIGEV_NONE, ..Sigevent::default() };
    let timer = make(sys, ClockId::CLOCK_MONOTONIC, &wish)?;
    arm(sys, timer, 100_000 * MS, 7 * MS)?;
    let now = left(sys, timer)?;
    assert_eq!(now.it_interval, Timespec::from_ns(7 * MS));
    assert!((99_000 * MS..=100_000 * MS).contains(&now.it_value.to_ns().expect("a time")));
    let timer = make(sys, ClockId::CLOCK_MONOTONIC, &event(Signal::SIGUSR1, 0))?;
    arm(sys, timer, 100_000 * MS, 0)?;
    arm(sys, timer, 0, 0)?;
    assert_eq!(left(sys, timer)?.it_value, Timespec::default());
    Ok(())
}

fn a_timer_that_is_deleted_is_gone(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR1, counts)?;
    let timer = make(sys, ClockId::CLOCK_MONOTONIC, &event(Signal::SIGUSR1, 0))?;
    arm(sys, timer, 2 * MS, 2 * MS)?;
    sys.timer_delete(timer)?;
    // On a machine that is emulated it may have rung before.
    let before = counted(sys);
    rest(sys, 6 * MS)?;
    assert_eq!(counted(sys), before);
    assert_eq!(sys.timer_delete(timer), Err(Errno::EINVAL));
    assert_eq!(arm(sys, timer, MS, 0), Err(Errno::EINVAL));
    assert_eq!(left(sys, timer), Err(Errno::EINVAL));
    assert_eq!(sys.timer_getoverrun(timer), Err(Errno::EINVAL));
    Ok(())
}

fn what_making_a_timer_refuses(sys: &dyn Sys) -> Outcome {
    let good = event(Signal::SIGUSR1, 0);
    assert_eq!(make(sys, ClockId(77), &good), Err(Errno::EINVAL));
    let no_signal = Sigevent { sigev_signo: 65, ..good };
    assert_eq!(make(sys, ClockId::CLOCK_MONOTONIC, &no_signal), Err(Errno::EINVAL));
    let no_way = Sigevent { sigev_notify: 77, ..good };
    assert_eq!(make(sys, ClockId::CLOCK_MONOTONIC, &no_way), Err(Errno::EINVAL));
    assert_eq!(sys.timer_create(ClockId::CLOCK_MONOTONIC, 8, sys.page()), Err(Errno::EFAULT));
    assert_eq!(sys.timer_create(ClockId::CLOCK_MONOTONIC, 0, 8), Err(Errno::EFAULT));
    Ok(())
}

fn what_arming_refuses(sys: &dyn Sys) -> Outcome {
    let timer = make(sys, ClockId::CLOCK_MONOTONIC, &event(Signal::SIGUSR1, 0))?;
    let bad = Itimerspec { it_value: Timespec { tv_sec: 0, tv_nsec: -1 }, ..Itimerspec::default() };
    let at = sys.store(sys.page(), &bad);
    assert_eq!(sys.timer_settime(timer, TimerFlags::empty(), at, 0), Err(Errno::EINVAL));
    assert_eq!(sys.timer_settime(timer, TimerFlags::empty(), 0, 0), Err(Errno::EINVAL));
    assert_eq!(sys.timer_settime(timer, TimerFlags::empty(), 8, 0), Err(Errno::EFAULT));
    assert_eq!(sys.timer_gettime(timer, 8), Err(Errno::EFAULT));
    Ok(())
}

fn a_child_has_no_such_timers(sys: &dyn Sys) -> Outcome {
    let timer = make(sys, ClockId::CLOCK_MONOTONIC, &event(Signal::SIGUSR1, 0))?;
    let child = |sys: &dyn Sys, timer| i32::from(sys.timer_delete(timer as i32) != Err(Errno::EINVAL));
    let pid = sys.fork_with(child, timer as usize)?;
    assert_eq!(wait(sys, pid)?, 0);
    sys.timer_delete(timer)?;
    Ok(())
}

fn cpu_time_rings(sys: &dyn Sys) -> Outcome {
    for (which, signal) in [(ItimerKind::ITIMER_VIRTUAL, Signal::SIGVTALRM), (ItimerKind::ITIMER_PROF, Signal::SIGPROF)]
    {
        handle(sys, signal, counts)?;
        let before = counted(sys)[0];
        let span = Itimerval { it_value: Timeval::from_ns(5 * MS), ..Itimerval::default() };
        sys.setitimer(which, sys.store(sys.page(), &span), 0)?;
        while counted(sys)[0] == before {
            sys.getppid()?;
        }
        assert_eq!(counted(sys), [before + 1, signal.number() as u64]);
        sys.getitimer(which, sys.page())?;
        assert_eq!(sys.load::<Itimerval>(sys.page()), Itimerval::default());
    }
    assert_eq!(sys.getitimer(ItimerKind(3), sys.page()), Err(Errno::EINVAL));
    Ok(())
}

fn spent(sys: &dyn Sys, clock: ClockId) -> Result<u64> {
    sys.clock_gettime(clock, sys.page() + 0x700)?;
    Ok(sys.load::<Timespec>(sys.page() + 0x700).to_ns().unwrap_or(0))
}

fn a_timer_counts_cpu_time(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR1, counts)?;
    let mut rings = 0;
    for clock in [ClockId::CLOCK_PROCESS_CPUTIME_ID, ClockId::CLOCK_THREAD_CPUTIME_ID] {
        let timer = make(sys, clock, &event(Signal::SIGUSR1, 7))?;
        assert_eq!(left(sys, timer)?, Itimerspec::default());
        arm(sys, timer, 10_000 * MS, 0)?;
        let long = left(sys, timer)?.it_value.to_ns().expect("a time");
        assert!(long > 0 && long <= 10_000 * MS, "{long}");
        let until = spent(sys, clock)? + 20 * MS;
        arm(sys, timer, 20 * MS, 0)?;
        rings += 1;
        // A tick of the clock later at most, but who knows whose turn it is.
        while counted(sys)[0] < rings {
            sys.getppid()?;
        }
        assert!(spent(sys, clock)? + 4 * MS >= until);
        assert_eq!(left(sys, timer)?, Itimerspec::default());
        // What has been used already rings as soon as it is looked at.
        let past =
            sys.store(sys.page() + 0x200, &Itimerspec { it_value: Timespec::from_ns(1), ..Itimerspec::default() });
        sys.timer_settime(timer, TimerFlags::TIMER_ABSTIME, past, 0)?;
        rings += 1;
        while counted(sys)[0] < rings {
            sys.getppid()?;
        }
        sys.timer_delete(timer)?;
    }
    Ok(())
}

/// Works until it is told that that is enough.
fn works(sys: &dyn Sys, _: usize) -> i32 {
    while sys.load::<u32>(sys.page() + 0x780) == 0 {
        let _ = sys.getppid();
    }
    0
}

fn a_sleep_is_as_long_as_others_work(sys: &dyn Sys) -> Outcome {
    let clock = ClockId::CLOCK_PROCESS_CPUTIME_ID;
    let span = |ns| sys.store(sys.page() + 0x500, &Timespec::from_ns(ns));
    // It has used that much already.
    sys.clock_nanosleep(clock, TimerFlags::TIMER_ABSTIME, span(1), 0)?;
    start(sys, 0, works, 0)?;
    let until = spent(sys, clock)? + 5 * MS;
    sys.clock_nanosleep(clock, TimerFlags::empty(), span(5 * MS), 0)?;
    assert!(spent(sys, clock)? >= until);
    let until = until + 5 * MS;
    sys.clock_nanosleep(clock, TimerFlags::TIMER_ABSTIME, span(until), 0)?;
    assert!(spent(sys, clock)? >= until);
    sys.store(sys.page() + 0x780, &1_u32);
    join(sys, 0);
    let bad = sys.store(sys.page() + 0x500, &Timespec { tv_sec: 0, tv_nsec: -1 });
    assert_eq!(sys.clock_nanosleep(clock, 0, bad, 0), Err(Errno::EINVAL));
    Ok(())
}

fn arming_tells_what_was_left(sys: &dyn Sys) -> Outcome {
    let timer = make(sys, ClockId::CLOCK_MONOTONIC, &event(Signal::SIGUSR1, 0))?;
    let (new, old) = (sys.page() + 0x200, sys.page() + 0x280);
    let span = |ns, again| Itimerspec { it_value: Timespec::from_ns(ns), it_interval: Timespec::from_ns(again) };
    sys.store(old, &span(1, 1));
    sys.timer_settime(timer, TimerFlags::empty(), sys.store(new, &span(1_000_000 * MS, 7 * MS)), old)?;
    assert_eq!(sys.load::<Itimerspec>(old), Itimerspec::default());
    sys.timer_settime(timer, TimerFlags::empty(), sys.store(new, &span(2_000_000 * MS, 0)), old)?;
    let told: Itimerspec = sys.load(old);
    let value = told.it_value.to_ns().unwrap_or(0);
    assert!(value > 900_000 * MS && value <= 1_000_000 * MS, "{told:?}");
    assert_eq!(told.it_interval, Timespec::from_ns(7 * MS));
    // It is armed before it turns out that nobody can be told.
    assert_eq!(
        sys.timer_settime(timer, TimerFlags::empty(), sys.store(new, &span(5_000_000 * MS, 0)), 8),
        Err(Errno::EFAULT)
    );
    assert!(left(sys, timer)?.it_value.to_ns().unwrap_or(0) > 2_000_000 * MS);
    Ok(())
}

fn a_signal_leaves_the_rest_of_a_sleep_of_cpu_time(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR1, counts)?;
    let timer = make(sys, ClockId::CLOCK_MONOTONIC, &event(Signal::SIGUSR1, 0))?;
    // Nobody works meanwhile. Again until it comes into a sleep: where CPUs are scarce it may be early.
    arm(sys, timer, 3 * MS, 3 * MS)?;
    let (span, rest) = (sys.page() + 0x500, sys.page() + 0x580);
    let asleep = |flags, rest| {
        sys.store(span, &Timespec::from_ns(1_000_000 * MS));
        sys.clock_nanosleep(ClockId::CLOCK_PROCESS_CPUTIME_ID, flags, span, rest)
    };
    assert_eq!(asleep(TimerFlags::empty(), rest), Err(Errno::EINTR));
    let left = sys.load::<Timespec>(rest).to_ns().unwrap_or(0);
    assert!(left > 900_000 * MS && left <= 1_000_000 * MS, "{left}");
    assert_eq!(asleep(TimerFlags::empty(), 8), Err(Errno::EFAULT));
    assert_eq!(asleep(TimerFlags::empty(), 0), Err(Errno::EINTR));
    // Until a moment, nothing is left to tell.
    sys.store(rest, &7_u64);
    assert_eq!(asleep(TimerFlags::TIMER_ABSTIME, rest), Err(Errno::EINTR));
    assert_eq!(sys.load::<u64>(rest), 7);
    Ok(())
}
