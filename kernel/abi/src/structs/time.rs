//! Times: points, spans and timers.

plain! {
    /// `struct timespec`.
    Timespec as "timespec", 16 {
        0 tv_sec: i64,
        8 tv_nsec: i64,
    }

    /// `struct timeval`.
    Timeval as "timeval", 16 {
        0 tv_sec: i64,
        8 tv_usec: i64,
    }

    /// `struct timezone`, which nobody has used for its purpose since 1990.
    Timezone as "timezone", 8 {
        0 tz_minuteswest: i32,
        4 tz_dsttime: i32,
    }

    /// `struct itimerval`.
    Itimerval as "itimerval", 32 {
        0 it_interval: Timeval,
        16 it_value: Timeval,
    }

    /// `struct itimerspec`.
    Itimerspec as "itimerspec", 32 {
        0 it_interval: Timespec,
        16 it_value: Timespec,
    }

    /// `struct tms`, in clock ticks.
    Tms as "tms", 32 {
        0 tms_utime: i64,
        8 tms_stime: i64,
        16 tms_cutime: i64,
        24 tms_cstime: i64,
    }

    /// `struct utimbuf`.
    Utimbuf as "utimbuf", 16 {
        0 actime: i64,
        8 modtime: i64,
    }
}

const NS_PER_SEC: u64 = 1_000_000_000;

impl Timespec {
    /// A span or a time since some beginning.
    pub const fn from_ns(ns: u64) -> Self {
        Self { tv_sec: (ns / NS_PER_SEC) as i64, tv_nsec: (ns % NS_PER_SEC) as i64 }
    }

    /// Nanoseconds, at most `u64::MAX`; `None` for what Linux answers with EINVAL: negative, or a billion and more
    /// nanoseconds.
    pub const fn to_ns(self) -> Option<u64> {
        if self.tv_sec < 0 || self.tv_nsec < 0 || self.tv_nsec >= NS_PER_SEC as i64 {
            return None;
        }
        Some((self.tv_sec as u64).saturating_mul(NS_PER_SEC).saturating_add(self.tv_nsec as u64))
    }
}

impl Timeval {
    /// A span or a time since some beginning, rounded down.
    pub const fn from_ns(ns: u64) -> Self {
        Self { tv_sec: (ns / NS_PER_SEC) as i64, tv_usec: (ns % NS_PER_SEC / 1000) as i64 }
    }

    /// Nanoseconds, at most `u64::MAX`; `None` for what Linux answers with EINVAL: negative, or a million and more
    /// microseconds.
    pub const fn to_ns(self) -> Option<u64> {
        if self.tv_sec < 0 || self.tv_usec < 0 || self.tv_usec >= 1_000_000 {
            return None;
        }
        Some((self.tv_sec as u64).saturating_mul(NS_PER_SEC).saturating_add(self.tv_usec as u64 * 1000))
    }
}

#[cfg(test)]
mod tests {
    use super::{Itimerval, Timespec, Timeval, Tms};

    #[test]
    fn sizes_are_the_c_librarys() {
        assert_eq!(size_of::<Timespec>(), size_of::<libc::timespec>());
        assert_eq!(size_of::<Itimerval>(), size_of::<libc::itimerval>());
        assert_eq!(size_of::<Tms>(), size_of::<libc::tms>());
    }

    #[test]
    fn what_linux_refuses_has_no_nanoseconds() {
        assert_eq!(Timespec { tv_sec: 1, tv_nsec: 999_999_999 }.to_ns(), Some(1_999_999_999));
        assert_eq!(Timespec { tv_sec: 1, tv_nsec: 1_000_000_000 }.to_ns(), None);
        assert_eq!(Timespec { tv_sec: -1, tv_nsec: 0 }.to_ns(), None);
        assert_eq!(Timespec { tv_sec: i64::MAX, tv_nsec: 5 }.to_ns(), Some(u64::MAX));
        assert_eq!(Timeval { tv_sec: 0, tv_usec: 1_000_000 }.to_ns(), None);
        assert_eq!(Timeval::from_ns(1_500_001_999), Timeval { tv_sec: 1, tv_usec: 500_001 });
        assert_eq!(Timespec::from_ns(1_500_000_000), Timespec { tv_sec: 1, tv_nsec: 500_000_000 });
    }
}
