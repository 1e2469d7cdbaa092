//! Clocks, sleeps and interval timers.

use kernel_abi::flags::{ClockId, ItimerKind, SaFlags, SigHow, TimerFlags};
use kernel_abi::structs::{Itimerval, Timespec, Timeval, Tms, status_exited};
use kernel_abi::{Calls, Errno, Result, SigSet, Signal, Sys};

use super::Outcome;
use super::interrupt::stops_and_ends;
use super::process::{ended, in_child};
use super::signal::{act, action, counted, counts, handle, mask};

cases! { "time":
    every_clock_tells_a_time, the_clocks_agree, the_coarse_clocks_follow, a_clock_says_how_fine_it_is,
    a_sleep_takes_no_time_of_a_cpu, setting_a_clock_is_refused, a_sleep_to_a_time, a_time_that_has_been_is_no_sleep, what_a_sleep_refuses,
    a_signal_leaves_the_rest_of_a_sleep, a_stop_does_not_shorten_a_sleep, an_alarm_rings_once,
    an_alarm_is_taken_back needs alarm,
    an_alarm_takes_back_a_timer_without_end needs alarm,
    a_timer_without_end_has_one,
    an_interval_rings_again, what_a_timer_refuses, a_timer_that_is_replaced_tells_what_was_left,
    a_child_has_no_timers, the_days_microseconds, ticks_are_counted,
}

/// Nanoseconds of the monotonic clock.
pub(super) fn now(sys: &dyn Sys) -> Result<u64> {
    read(sys, ClockId::CLOCK_MONOTONIC)
}

fn read(sys: &dyn Sys, clock: ClockId) -> Result<u64> {
    let at = sys.page() + 0x7e00;
    sys.clock_gettime(clock, at)?;
    Ok(sys.load::<Timespec>(at).to_ns().expect("a clock gives a time"))
}

/// Arms the real-time timer to ring every `interval_ns`; zero disarms it.
pub(super) fn tick(sys: &dyn Sys, interval_ns: u64) -> Result {
    let time = Timeval::from_ns(interval_ns);
    let at = sys.store(sys.page() + 0x7e00, &Itimerval { it_interval: time, it_value: time });
    sys.setitimer(ItimerKind::ITIMER_REAL, at, 0)
}

const CLOCKS: [ClockId; 9] = [
    ClockId::CLOCK_REALTIME,
    ClockId::CLOCK_MONOTONIC,
    ClockId::CLOCK_PROCESS_CPUTIME_ID,
    ClockId::CLOCK_THREAD_CPUTIME_ID,
    ClockId::CLOCK_MONOTONIC_RAW,
    ClockId::CLOCK_REALTIME_COARSE,
    ClockId::CLOCK_MONOTONIC_COARSE,
    ClockId::CLOCK_BOOTTIME,
    ClockId::CLOCK_TAI,
];

fn every_clock_tells_a_time(sys: &dyn Sys) -> Outcome {
    for clock in CLOCKS {
        let before = read(sys, clock)?;
        assert!(read(sys, clock)? >= before, "{clock:?}");
    }
    Ok(())
}

fn the_clocks_agree(sys: &dyn Sys) -> Outcome {
    const SECOND: u64 = 1_000_000_000;
    let before = read(sys, ClockId::CLOCK_REALTIME)? / SECOND;
    sys.gettimeofday(sys.page(), 0)?;
    let day: Timeval = sys.load(sys.page());
    assert!((0..1_000_000).contains(&day.tv_usec));
    let time = sys.time(0).unwrap_or(day.tv_sec as usize);
    let after = read(sys, ClockId::CLOCK_REALTIME)? / SECOND;
    assert!((before..=after).contains(&(day.tv_sec as u64)));
    // time(2) may lag by a tick.
    assert!((before - 1..=after).contains(&(time as u64)));
    // After 2020.
    assert!(before > 1_577_836_800);
    assert!(read(sys, ClockId::CLOCK_BOOTTIME)? + SECOND > now(sys)?);
    Ok(())
}

fn the_coarse_clocks_follow(sys: &dyn Sys) -> Outcome {
    let fine = now(sys)?;
    let coarse = read(sys, ClockId::CLOCK_MONOTONIC_COARSE)?;
    // Behind by less than a tenth of a second.
    assert!(coarse <= now(sys)? && coarse + 100_000_000 > fine);
    Ok(())
}

fn a_clock_says_how_fine_it_is(sys: &dyn Sys) -> Outcome {
    for clock in CLOCKS {
        sys.clock_getres(clock, sys.page())?;
        let fine: Timespec = sys.load(sys.page());
        assert!(fine.tv_sec == 0 && fine.tv_nsec > 0, "{clock:?}");
        sys.clock_getres(clock, 0)?;
    }
    assert_eq!(sys.clock_getres(ClockId(999), 0), Err(Errno::EINVAL));
    assert_eq!(sys.clock_getres(ClockId::CLOCK_REALTIME, 8), Err(Errno::EFAULT));
    Ok(())
}

fn a_sleep_takes_no_time_of_a_cpu(sys: &dyn Sys) -> Outcome {
    const SLEEP_NS: u64 = 50_000_000;
    for clock in [ClockId::CLOCK_PROCESS_CPUTIME_ID, ClockId::CLOCK_THREAD_CPUTIME_ID] {
        let before = read(sys, clock)?;
        let request = sys.store(sys.page() + 64, &Timespec::from_ns(SLEEP_NS));
        sys.nanosleep(request, 0)?;
        assert!(read(sys, clock)? < before + SLEEP_NS, "{clock:?}");
    }
    Ok(())
}

fn setting_a_clock_is_refused(sys: &dyn Sys) -> Outcome {
    sys.store(sys.page(), &Timespec::default());
    sys.store(sys.page() + 16, &Timespec { tv_sec: 0, tv_nsec: -1 });
    assert_eq!(sys.clock_settime(ClockId::CLOCK_MONOTONIC, sys.page()), Err(Errno::EINVAL));
    assert_eq!(sys.clock_settime(ClockId(999), sys.page()), Err(Errno::EINVAL));
    assert_eq!(sys.clock_settime(ClockId::CLOCK_REALTIME, 8), Err(Errno::EFAULT));
    assert_eq!(sys.clock_settime(ClockId::CLOCK_REALTIME, sys.page() + 16), Err(Errno::EINVAL));
    Ok(())
}

fn sleep_until(sys: &dyn Sys, clock: ClockId, ns: u64) -> Result {
    let until = sys.store(sys.page() + 64, &Timespec::from_ns(ns));
    sys.clock_nanosleep(clock, TimerFlags::TIMER_ABSTIME, until, 0)
}

fn a_sleep_to_a_time(sys: &dyn Sys) -> Outcome {
    for clock in [ClockId::CLOCK_MONOTONIC, ClockId::CLOCK_REALTIME, ClockId::CLOCK_BOOTTIME] {
        let until = read(sys, clock)? + 3_000_000;
        sleep_until(sys, clock, until)?;
        assert!(read(sys, clock)? >= until, "{clock:?}");
    }
    Ok(())
}

fn a_time_that_has_been_is_no_sleep(sys: &dyn Sys) -> Outcome {
    for clock in [ClockId::CLOCK_MONOTONIC, ClockId::CLOCK_REALTIME] {
        sleep_until(sys, clock, 1)?;
        sleep_until(sys, clock, 0)?;
    }
    let zero = sys.store(sys.page() + 64, &Timespec::default());
    sys.nanosleep(zero, 8)?;
    Ok(())
}

fn what_a_sleep_refuses(sys: &dyn Sys) -> Outcome {
    let none = TimerFlags::empty();
    let monotonic = ClockId::CLOCK_MONOTONIC;
    for bad in [(-1, 0), (0, -1), (0, 1_000_000_000)] {
        let bad = sys.store(sys.page() + 64, &Timespec { tv_sec: bad.0, tv_nsec: bad.1 });
        assert_eq!(sys.clock_nanosleep(monotonic, none, bad, 0), Err(Errno::EINVAL));
        assert_eq!(sys.nanosleep(bad, 8), Err(Errno::EINVAL));
    }
    assert_eq!(sys.clock_nanosleep(monotonic, none, 8, 0), Err(Errno::EFAULT));
    assert_eq!(sys.clock_nanosleep(ClockId(999), none, 8, 0), Err(Errno::EINVAL));
    // Some clocks are not for sleeping.
    assert_eq!(sys.clock_nanosleep(ClockId::CLOCK_THREAD_CPUTIME_ID, none, 8, 0), Err(Errno::EOPNOTSUPP));
    assert_eq!(sys.clock_nanosleep(ClockId::CLOCK_MONOTONIC_RAW, none, 8, 0), Err(Errno::EOPNOTSUPP));
    assert_eq!(sys.clock_nanosleep(ClockId::CLOCK_MONOTONIC_COARSE, none, 8, 0), Err(Errno::EOPNOTSUPP));
    Ok(())
}

fn a_signal_leaves_the_rest_of_a_sleep(sys: &dyn Sys) -> Outcome {
    act(sys, Signal::SIGALRM, action(sys, counts, SaFlags::SA_RESTART, SigSet::EMPTY))?;
    let request = sys.store(sys.page() + 64, &Timespec { tv_sec: 1000, tv_nsec: 0 });
    let rest = sys.page() + 96;
    let left = |sys: &dyn Sys| {
        let left: Timespec = sys.load(rest);
        sys.store(rest, &Timespec { tv_sec: -1, tv_nsec: -1 });
        left
    };
    tick(sys, 2_000_000)?;
    assert_eq!(sys.nanosleep(request, rest), Err(Errno::EINTR));
    assert!((1..1000).contains(&left(sys).tv_sec));
    assert_eq!(sys.clock_nanosleep(ClockId::CLOCK_REALTIME, TimerFlags::empty(), request, rest), Err(Errno::EINTR));
    assert!((1..1000).contains(&left(sys).tv_sec));
    // Nothing is left of a time of day.
    let far = sys.store(sys.page() + 64, &Timespec { tv_sec: 1 << 40, tv_nsec: 0 });
    let until = TimerFlags::TIMER_ABSTIME;
    assert_eq!(sys.clock_nanosleep(ClockId::CLOCK_MONOTONIC, until, far, rest), Err(Errno::EINTR));
    assert_eq!(left(sys).tv_sec, -1);
    // Where the rest cannot be told.
    let request = sys.store(sys.page() + 64, &Timespec { tv_sec: 1000, tv_nsec: 0 });
    assert_eq!(sys.nanosleep(request, 8), Err(Errno::EFAULT));
    tick(sys, 0)?;
    Ok(())
}

fn a_stop_does_not_shorten_a_sleep(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        let request = sys.store(sys.page() + 64, &Timespec::from_ns(20_000_000));
        i32::from(sys.nanosleep(request, 0) != Ok(0))
    };
    let before = now(sys)?;
    let pid = sys.fork_with(child, 0)?;
    assert_eq!(stops_and_ends(sys, pid, || Ok(0))?, status_exited(0));
    assert!(now(sys)? >= before + 20_000_000);
    Ok(())
}

/// Sleeps until a handler has run.
fn doze(sys: &dyn Sys) -> Result<()> {
    let request = sys.store(sys.page() + 64, &Timespec { tv_sec: 1000, tv_nsec: 0 });
    assert_eq!(sys.nanosleep(request, 0), Err(Errno::EINTR));
    Ok(())
}

fn left(sys: &dyn Sys) -> Result<Itimerval> {
    sys.getitimer(ItimerKind::ITIMER_REAL, sys.page() + 64)?;
    Ok(sys.load(sys.page() + 64))
}

/// Arms the real-time timer to ring once, in `ns`, with SIGALRM blocked so that it cannot ring too early for its
/// waiter; [`suspended`] lets it in.
fn ring_once(sys: &dyn Sys, ns: u64) -> Result<()> {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGALRM])?;
    let once = Itimerval { it_interval: Timeval::default(), it_value: Timeval::from_ns(ns) };
    sys.setitimer(ItimerKind::ITIMER_REAL, sys.store(sys.page() + 64, &once), 0)?;
    Ok(())
}

fn suspended(sys: &dyn Sys) -> Result<()> {
    assert_eq!(sys.rt_sigsuspend(sys.store(sys.page() + 64, &SigSet::EMPTY), 8), Err(Errno::EINTR));
    Ok(())
}

fn an_alarm_rings_once(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGALRM, counts)?;
    let before = now(sys)?;
    ring_once(sys, 3_000_000)?;
    suspended(sys)?;
    assert!(now(sys)? >= before + 3_000_000);
    assert_eq!(counted(sys), [1, 14]);
    assert_eq!(left(sys)?, Itimerval::default());
    Ok(())
}

fn an_alarm_is_taken_back(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.alarm(1000)?, 0);
    let armed = left(sys)?;
    assert_eq!(armed.it_interval, Timeval::default());
    assert!((990..=1000).contains(&armed.it_value.tv_sec));
    // Rounded to the nearest second, and never to none.
    assert!((990..=1000).contains(&sys.alarm(100)?));
    assert!((90..=100).contains(&sys.alarm(0)?));
    assert_eq!(sys.alarm(0)?, 0);
    ring_once(sys, 499_000_000)?;
    // Unless it rang by now, less than half a second is left.
    let seconds = sys.alarm(0)?;
    sys.rt_sigpending(sys.page(), 8)?;
    assert_eq!(seconds, usize::from(sys.load::<SigSet>(sys.page()) == SigSet::EMPTY));
    assert_eq!(left(sys)?, Itimerval::default());
    Ok(())
}

/// Found by generated programs: rounding what was left overflowed.
fn an_alarm_takes_back_a_timer_without_end(sys: &dyn Sys) -> Outcome {
    let never = Itimerval { it_interval: Timeval::default(), it_value: Timeval { tv_sec: i64::MAX, tv_usec: 0 } };
    sys.setitimer(ItimerKind::ITIMER_REAL, sys.store(sys.page() + 64, &never), 0)?;
    let seconds = sys.alarm(0)?;
    assert!(seconds > 0 && u32::try_from(seconds).is_ok(), "{seconds}");
    assert_eq!(sys.alarm(0)?, 0);
    Ok(())
}

/// What is too long is as long as can be: nearly three hundred years.
fn a_timer_without_end_has_one(sys: &dyn Sys) -> Outcome {
    let never = Timeval { tv_sec: i64::MAX, tv_usec: 5 };
    let longest = Timeval { tv_sec: i64::MAX / 1_000_000_000, tv_usec: 854_775 };
    let at = sys.store(sys.page() + 64, &Itimerval { it_interval: never, it_value: never });
    sys.setitimer(ItimerKind::ITIMER_REAL, at, 0)?;
    let armed = left(sys)?;
    assert_eq!(armed.it_interval, longest);
    // All that time counts from when the machine began.
    assert!(armed.it_value.tv_sec <= longest.tv_sec && armed.it_value.tv_sec > longest.tv_sec / 2);
    Ok(())
}

fn an_interval_rings_again(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGALRM, counts)?;
    let before = now(sys)?;
    tick(sys, 2_000_000)?;
    while counted(sys)[0] < 3 {
        doze(sys)?;
    }
    assert!(now(sys)? >= before + 6_000_000);
    assert_eq!(left(sys)?.it_interval, Timeval::from_ns(2_000_000));
    tick(sys, 0)?;
    assert_eq!(left(sys)?, Itimerval::default());
    Ok(())
}

fn what_a_timer_refuses(sys: &dyn Sys) -> Outcome {
    let real = ItimerKind::ITIMER_REAL;
    let good = Itimerval { it_interval: Timeval::default(), it_value: Timeval { tv_sec: 1000, tv_usec: 0 } };
    let at = sys.store(sys.page(), &good);
    assert_eq!(sys.setitimer(ItimerKind(3), at, 0), Err(Errno::EINVAL));
    assert_eq!(sys.getitimer(ItimerKind(3), 8), Err(Errno::EINVAL));
    assert_eq!(sys.getitimer(real, 8), Err(Errno::EFAULT));
    assert_eq!(sys.setitimer(real, 8, 0), Err(Errno::EFAULT));
    for (sec, usec) in [(-1, 0), (0, -1), (0, 1_000_000)] {
        let bad = Timeval { tv_sec: sec, tv_usec: usec };
        let at = sys.store(sys.page(), &Itimerval { it_value: bad, ..good });
        assert_eq!(sys.setitimer(real, at, 0), Err(Errno::EINVAL));
        let at = sys.store(sys.page(), &Itimerval { it_interval: bad, ..good });
        assert_eq!(sys.setitimer(real, at, 0), Err(Errno::EINVAL));
    }
    assert_eq!(left(sys)?, Itimerval::default());
    // The old value is told last.
    let at = sys.store(sys.page(), &good);
    assert_eq!(sys.setitimer(real, at, 8), Err(Errno::EFAULT));
    assert_ne!(left(sys)?, Itimerval::default());
    // No new value is zero.
    sys.setitimer(real, 0, 0)?;
    assert_eq!(left(sys)?, Itimerval::default());
    Ok(())
}

fn a_timer_that_is_replaced_tells_what_was_left(sys: &dyn Sys) -> Outcome {
    let (new, old) = (sys.page(), sys.page() + 32);
    let first =
        Itimerval { it_interval: Timeval { tv_sec: 7, tv_usec: 5 }, it_value: Timeval { tv_sec: 1000, tv_usec: 0 } };
    sys.setitimer(ItimerKind::ITIMER_REAL, sys.store(new, &first), old)?;
    assert_eq!(sys.load::<Itimerval>(old), Itimerval::default());
    // An interval without a value is no timer.
    let off = Itimerval { it_value: Timeval::default(), ..first };
    sys.setitimer(ItimerKind::ITIMER_REAL, sys.store(new, &off), old)?;
    let told: Itimerval = sys.load(old);
    assert_eq!(told.it_interval, first.it_interval);
    assert!((990..=1000).contains(&told.it_value.tv_sec));
    assert_eq!(left(sys)?.it_value, Timeval::default());
    Ok(())
}

fn a_child_has_no_timers(sys: &dyn Sys) -> Outcome {
    ring_once(sys, 1_000_000_000_000)?;
    fn child(sys: &dyn Sys) -> Outcome {
        assert_eq!(left(sys)?, Itimerval::default());
        Ok(())
    }
    in_child(sys, |sys, _| ended(child(sys)), 0)?;
    assert_ne!(left(sys)?, Itimerval::default());
    Ok(())
}

fn the_days_microseconds(sys: &dyn Sys) -> Outcome {
    sys.gettimeofday(0, 0)?;
    sys.store(sys.page(), &[-1_i32; 2]);
    sys.gettimeofday(0, sys.page())?;
    assert_eq!(sys.load::<[i32; 2]>(sys.page()), [0, 0]);
    assert_eq!(sys.gettimeofday(8, 0), Err(Errno::EFAULT));
    assert_eq!(sys.gettimeofday(0, 8), Err(Errno::EFAULT));
    match sys.time(8) {
        Err(Errno::ENOSYS) => {}
        refused => assert_eq!(refused, Err(Errno::EFAULT)),
    }
    Ok(())
}

fn ticks_are_counted(sys: &dyn Sys) -> Outcome {
    let before = sys.times(0)?;
    let after = sys.times(sys.page())?;
    assert!(after >= before);
    let used: Tms = sys.load(sys.page());
    assert!(used.tms_utime >= 0 && used.tms_stime >= 0 && used.tms_cutime == 0 && used.tms_cstime == 0);
    assert_eq!(sys.times(8), Err(Errno::EFAULT));
    Ok(())
}
