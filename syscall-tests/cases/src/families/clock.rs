//! Which clock is good for what: telling, sleeping, ringing, being set.

use kernel_abi::flags::{
    _LINUX_CAPABILITY_VERSION_3, CAP_SYS_TIME, ClockId, SIGEV_NONE, TimerFlags, TimerfdFlags, TimerfdSettimeFlags,
};
use kernel_abi::structs::{Itimerspec, Sigevent, Timespec};
use kernel_abi::{Calls, Errno, Fd, Result, Sys};

use super::Outcome;
use super::file::descriptor;
use super::limit::becomes_nobody;

cases! { "clock":
    an_alarm_clock_is_the_clock_it_is_named_after, an_alarm_clock_is_slept_by, an_alarm_clock_rings,
    every_clock_that_is_slept_by, no_sleep_by_a_clock_that_only_tells, every_clock_that_rings,
    no_timer_of_a_clock_that_only_tells, no_descriptor_of_a_clock_that_only_tells, only_the_wall_clock_is_set,
    who_may_set_a_clock, a_clock_of_a_process_has_kinds, a_descriptor_may_watch_for_a_set_clock,
}

const MS: u64 = 1_000_000;
/// Clocks that wake a machine that sleeps, and what they are otherwise; a machine may be without them.
const ALARMS: [(ClockId, ClockId); 2] = [
    (ClockId::CLOCK_REALTIME_ALARM, ClockId::CLOCK_REALTIME),
    (ClockId::CLOCK_BOOTTIME_ALARM, ClockId::CLOCK_BOOTTIME),
];
/// What is slept by without privilege.
const SLEEPING: [ClockId; 4] =
    [ClockId::CLOCK_REALTIME, ClockId::CLOCK_MONOTONIC, ClockId::CLOCK_BOOTTIME, ClockId::CLOCK_TAI];
/// What only tells the time.
const TELLING: [ClockId; 3] =
    [ClockId::CLOCK_MONOTONIC_RAW, ClockId::CLOCK_REALTIME_COARSE, ClockId::CLOCK_MONOTONIC_COARSE];

fn read(sys: &dyn Sys, clock: ClockId) -> Result<u64> {
    sys.clock_gettime(clock, sys.page())?;
    Ok(sys.load::<Timespec>(sys.page()).to_ns().expect("a clock gives a time"))
}

fn sleep(sys: &dyn Sys, clock: ClockId, span_ns: u64) -> Result {
    let span = sys.store(sys.page() + 64, &Timespec::from_ns(span_ns));
    sys.clock_nanosleep(clock, TimerFlags::empty(), span, 0)
}

/// A timer that tells nobody.
fn silent_timer(sys: &dyn Sys, clock: ClockId) -> Result<i32> {
    let event = Sigevent { sigev_notify: SIGEV_NONE, ..Sigevent::default() };
    sys.timer_create(clock, sys.store(sys.page(), &event), sys.page() + 128)?;
    Ok(sys.load(sys.page() + 128))
}

fn an_alarm_clock_is_the_clock_it_is_named_after(sys: &dyn Sys) -> Outcome {
    for (alarm, clock) in ALARMS {
        let before = read(sys, clock)?;
        let shown = match read(sys, alarm) {
            // A machine that nothing wakes.
            Err(Errno::EINVAL) => {
                assert_eq!(sys.clock_getres(alarm, 0), Err(Errno::EINVAL));
                continue;
            }
            shown => shown?,
        };
        assert!((before..=read(sys, clock)?).contains(&shown), "{alarm:?}");
        sys.clock_getres(alarm, sys.page())?;
        assert_eq!(sys.load::<Timespec>(sys.page()).tv_sec, 0);
    }
    Ok(())
}

fn an_alarm_clock_is_slept_by(sys: &dyn Sys) -> Outcome {
    for (alarm, clock) in ALARMS {
        let before = read(sys, clock)?;
        match sleep(sys, alarm, MS) {
            Err(Errno::EOPNOTSUPP | Errno::EPERM) => continue,
            slept => assert_eq!(slept, Ok(0), "{alarm:?}"),
        }
        assert!(read(sys, clock)? >= before + MS, "{alarm:?}");
    }
    becomes_nobody(sys)?;
    for (alarm, _) in ALARMS {
        assert!(matches!(sleep(sys, alarm, MS), Err(Errno::EOPNOTSUPP | Errno::EPERM)), "{alarm:?}");
    }
    Ok(())
}

fn an_alarm_clock_rings(sys: &dyn Sys) -> Outcome {
    for (alarm, _) in ALARMS {
        match silent_timer(sys, alarm) {
            Err(Errno::EOPNOTSUPP | Errno::EPERM) => {}
            timer => assert_eq!(sys.timer_delete(timer?)?, 0),
        }
        match sys.timerfd_create(alarm, TimerfdFlags::empty()) {
            Err(Errno::EPERM) => {}
            timer => assert_eq!(sys.close(descriptor(timer?))?, 0),
        }
    }
    becomes_nobody(sys)?;
    for (alarm, _) in ALARMS {
        assert!(matches!(silent_timer(sys, alarm), Err(Errno::EOPNOTSUPP | Errno::EPERM)), "{alarm:?}");
        assert_eq!(sys.timerfd_create(alarm, TimerfdFlags::empty()), Err(Errno::EPERM), "{alarm:?}");
    }
    Ok(())
}

fn every_clock_that_is_slept_by(sys: &dyn Sys) -> Outcome {
    for clock in SLEEPING {
        let before = read(sys, clock)?;
        sleep(sys, clock, MS)?;
        assert!(read(sys, clock)? >= before + MS, "{clock:?}");
        let until = sys.store(sys.page() + 64, &Timespec::from_ns(read(sys, clock)? + MS));
        sys.clock_nanosleep(clock, TimerFlags::TIMER_ABSTIME, until, 0)?;
        assert!(read(sys, clock)? >= before + 2 * MS, "{clock:?}");
    }
    Ok(())
}

fn no_sleep_by_a_clock_that_only_tells(sys: &dyn Sys) -> Outcome {
    for clock in TELLING {
        assert_eq!(sleep(sys, clock, MS), Err(Errno::EOPNOTSUPP), "{clock:?}");
    }
    // A thread that sleeps uses none of its own time, so that sleep would have no end.
    assert_eq!(sleep(sys, ClockId::CLOCK_THREAD_CPUTIME_ID, MS), Err(Errno::EOPNOTSUPP));
    Ok(())
}

fn every_clock_that_rings(sys: &dyn Sys) -> Outcome {
    for clock in SLEEPING {
        let timer = silent_timer(sys, clock)?;
        let far = Itimerspec { it_value: Timespec { tv_sec: 1000, tv_nsec: 0 }, ..Itimerspec::default() };
        sys.timer_settime(timer, TimerFlags::empty(), sys.store(sys.page(), &far), 0)?;
        sys.timer_gettime(timer, sys.page())?;
        let left: Itimerspec = sys.load(sys.page());
        assert!((990..=1000).contains(&left.it_value.tv_sec), "{clock:?}");
    }
    let boottime = descriptor(sys.timerfd_create(ClockId::CLOCK_BOOTTIME, TimerfdFlags::empty())?);
    let soon = Itimerspec { it_value: Timespec::from_ns(MS), ..Itimerspec::default() };
    sys.timerfd_settime(boottime, TimerfdSettimeFlags::empty(), sys.store(sys.page(), &soon), 0)?;
    assert_eq!(sys.read(boottime, sys.page(), 8)?, 8);
    assert_eq!(sys.load::<u64>(sys.page()), 1);
    Ok(())
}

fn no_timer_of_a_clock_that_only_tells(sys: &dyn Sys) -> Outcome {
    for clock in TELLING {
        assert_eq!(silent_timer(sys, clock), Err(Errno::EOPNOTSUPP), "{clock:?}");
    }
    Ok(())
}

fn no_descriptor_of_a_clock_that_only_tells(sys: &dyn Sys) -> Outcome {
    let others = [ClockId::CLOCK_PROCESS_CPUTIME_ID, ClockId::CLOCK_THREAD_CPUTIME_ID, ClockId::CLOCK_TAI];
    for clock in TELLING.into_iter().chain(others) {
        assert_eq!(sys.timerfd_create(clock, TimerfdFlags::empty()), Err(Errno::EINVAL), "{clock:?}");
    }
    Ok(())
}

fn only_the_wall_clock_is_set(sys: &dyn Sys) -> Outcome {
    let all = SLEEPING.into_iter().chain(TELLING).chain(ALARMS.map(|(alarm, _)| alarm));
    let cpu = [ClockId::CLOCK_PROCESS_CPUTIME_ID, ClockId::CLOCK_THREAD_CPUTIME_ID];
    let time = sys.store(sys.page(), &Timespec { tv_sec: 1_700_000_000, tv_nsec: 0 });
    for clock in all.chain(cpu).filter(|clock| *clock != ClockId::CLOCK_REALTIME) {
        assert_eq!(sys.clock_settime(clock, time), Err(Errno::EINVAL), "{clock:?}");
    }
    Ok(())
}

/// Sets nothing: who might does not try.
fn who_may_set_a_clock(sys: &dyn Sys) -> Outcome {
    becomes_nobody(sys)?;
    sys.store(sys.page(), &[_LINUX_CAPABILITY_VERSION_3, 0]);
    sys.capget(sys.page(), sys.page() + 16)?;
    assert_eq!(sys.load::<u32>(sys.page() + 16) >> CAP_SYS_TIME & 1, 0);
    let time = sys.store(sys.page(), &Timespec { tv_sec: 1_700_000_000, tv_nsec: 0 });
    assert_eq!(sys.clock_settime(ClockId::CLOCK_REALTIME, time), Err(Errno::EPERM));
    Ok(())
}

fn a_descriptor_may_watch_for_a_set_clock(sys: &dyn Sys) -> Outcome {
    let flags = TimerfdSettimeFlags::TFD_TIMER_ABSTIME | TimerfdSettimeFlags::TFD_TIMER_CANCEL_ON_SET;
    let timer = descriptor(sys.timerfd_create(ClockId::CLOCK_REALTIME, TimerfdFlags::TFD_NONBLOCK)?);
    let arm = |timer: Fd, flags: TimerfdSettimeFlags, at_ns: u64| {
        let wish = Itimerspec { it_value: Timespec::from_ns(at_ns), ..Itimerspec::default() };
        sys.timerfd_settime(timer, flags, sys.store(sys.page(), &wish), 0)
    };
    // Nobody sets the clock; so it rings as any other.
    let now = read(sys, ClockId::CLOCK_REALTIME)?;
    arm(timer, flags, now + 1000 * 1000 * MS)?;
    assert_eq!(sys.read(timer, sys.page(), 8), Err(Errno::EAGAIN));
    let patient = descriptor(sys.timerfd_create(ClockId::CLOCK_REALTIME, TimerfdFlags::empty())?);
    arm(patient, flags, 1)?;
    assert_eq!(sys.read(patient, sys.page(), 8)?, 8);
    // Where there is no time of day to be watched, the wish means nothing.
    arm(timer, TimerfdSettimeFlags::TFD_TIMER_CANCEL_ON_SET, 1000 * MS)?;
    let monotonic = descriptor(sys.timerfd_create(ClockId::CLOCK_MONOTONIC, TimerfdFlags::empty())?);
    arm(monotonic, flags, 1)?;
    assert_eq!(sys.read(monotonic, sys.page(), 8)?, 8);
    Ok(())
}

/// A number for a process's or a thread's clock says whose, and of which of three kinds.
fn a_clock_of_a_process_has_kinds(sys: &dyn Sys) -> Outcome {
    const THREAD: i32 = 4;
    let (pid, tid) = (sys.getpid()? as i32, sys.gettid()? as i32);
    for who in [!0 << 3, !pid << 3, !0 << 3 | THREAD, !tid << 3 | THREAD] {
        // Which of them is ahead is not said: Linux may count by ticks.
        [0, 1, 2].into_iter().try_for_each(|kind| read(sys, ClockId(who | kind)).map(drop))?;
        assert_eq!(read(sys, ClockId(who | 3)), Err(Errno::EINVAL), "{who}");
    }
    Ok(())
}
