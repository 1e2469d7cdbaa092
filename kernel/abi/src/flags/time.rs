//! Clocks and timers.

flags! {
    /// Whether a deadline is absolute: clock_nanosleep(2), timer_settime(2).
    TimerFlags: u32 from general {
        TIMER_ABSTIME = 1;
    }
}

values! {
    /// A clock of clock_gettime(2); negative numbers are CPU clocks of other processes.
    ClockId: i32 from general {
        CLOCK_REALTIME = 0;
        CLOCK_MONOTONIC = 1;
        CLOCK_PROCESS_CPUTIME_ID = 2;
        CLOCK_THREAD_CPUTIME_ID = 3;
        CLOCK_MONOTONIC_RAW = 4;
        CLOCK_REALTIME_COARSE = 5;
        CLOCK_MONOTONIC_COARSE = 6;
        CLOCK_BOOTTIME = 7;
        CLOCK_REALTIME_ALARM = 8;
        CLOCK_BOOTTIME_ALARM = 9;
        CLOCK_TAI = 11;
    }

    /// A timer of setitimer(2).
    ItimerKind: i32 from general {
        ITIMER_REAL = 0;
        ITIMER_VIRTUAL = 1;
        ITIMER_PROF = 2;
    }
}

consts! {
    u32 from general {
    } + {
        USER_HZ = 100;
    }
}
