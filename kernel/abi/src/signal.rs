//! Signals by number and name, and sets of them.

use core::fmt;

/// A signal that exists: 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

macro_rules! signals {
    ($($name:ident = $number:literal;)*) => {
        impl Signal {
            $(
                #[doc = concat!("`", stringify!($name), "`, see signal(7)")]
                pub const $name: Self = Self($number);
            )*

            /// Linux's name; real-time signals have none of their own.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }

        #[cfg(test)]
        const _: () = {
            $(assert!(linux_raw_sys::general::$name == $number, stringify!($name));)*
        };
    };
}

signals! {
    SIGHUP = 1;
    SIGINT = 2;
    SIGQUIT = 3;
    SIGILL = 4;
    SIGTRAP = 5;
    SIGABRT = 6;
    SIGBUS = 7;
    SIGFPE = 8;
    SIGKILL = 9;
    SIGUSR1 = 10;
    SIGSEGV = 11;
    SIGUSR2 = 12;
    SIGPIPE = 13;
    SIGALRM = 14;
    SIGTERM = 15;
    SIGSTKFLT = 16;
    SIGCHLD = 17;
    SIGCONT = 18;
    SIGSTOP = 19;
    SIGTSTP = 20;
    SIGTTIN = 21;
    SIGTTOU = 22;
    SIGURG = 23;
    SIGXCPU = 24;
    SIGXFSZ = 25;
    SIGVTALRM = 26;
    SIGPROF = 27;
    SIGWINCH = 28;
    SIGIO = 29;
    SIGPWR = 30;
    SIGSYS = 31;
}

impl Signal {
    /// The highest number.
    pub const MAX: i32 = 64;
    /// The first real-time signal, as the kernel counts them (the C library keeps the first two for itself).
    pub const RT_MIN: Self = Self(32);

    /// The signal with this number; `None` outside `1..=64`.
    pub const fn from_number(number: i32) -> Option<Self> {
        if number >= 1 && number <= Self::MAX { Some(Self(number as u8)) } else { None }
    }

    /// The number.
    pub const fn number(self) -> i32 {
        self.0 as i32
    }

    /// Whether every one sent is queued, rather than at most one.
    pub const fn is_realtime(self) -> bool {
        self.0 >= Self::RT_MIN.0
    }
}

impl crate::arg::Reg for Signal {
    fn reg(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "SIGRT_{}", self.0 - Self::RT_MIN.0),
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A set of signals, in the layout of the kernel's `sigset_t`: signal `n` is bit `n - 1`.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(transparent)]
pub struct SigSet(pub u64);

impl SigSet {
    /// No signal.
    pub const EMPTY: Self = Self(0);
    /// Every signal.
    pub const ALL: Self = Self(u64::MAX);

    /// The set of just these.
    pub const fn of(signals: &[Signal]) -> Self {
        let mut set = Self::EMPTY;
        let mut at = 0;
        while at < signals.len() {
            set = set.with(signals[at]);
            at += 1;
        }
        set
    }

    const fn bit(signal: Signal) -> u64 {
        1 << (signal.0 - 1)
    }

    /// Whether `signal` is in the set.
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & Self::bit(signal) != 0
    }

    /// This set and `signal`.
    pub const fn with(self, signal: Signal) -> Self {
        Self(self.0 | Self::bit(signal))
    }

    /// Adds a signal.
    pub const fn insert(&mut self, signal: Signal) {
        self.0 |= Self::bit(signal);
    }

    /// Takes a signal away.
    pub const fn remove(&mut self, signal: Signal) {
        self.0 &= !Self::bit(signal);
    }

    /// What is in either set.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both sets.
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this set but not in `other`.
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is not in this set.
    pub const fn complement(self) -> Self {
        Self(!self.0)
    }

    /// Whether there is no signal in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The signal with the lowest number.
    pub const fn first(self) -> Option<Signal> {
        if self.0 == 0 { None } else { Some(Signal(self.0.trailing_zeros() as u8 + 1)) }
    }

    /// The signals, lowest number first.
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        (1..=64).map(Signal).filter(move |&signal| self.contains(signal))
    }
}

impl fmt::Debug for SigSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{SigSet, Signal};

    #[test]
    fn signal_n_is_bit_n_minus_one() {
        let set = SigSet::of(&[Signal::SIGHUP, Signal::SIGCHLD]);
        assert_eq!(set.0, 1 | 1 << 16);
        assert_eq!(SigSet(1 << 63).first(), Signal::from_number(64));
        assert_eq!(set.first(), Some(Signal::SIGHUP));
        assert!(set.difference(set).is_empty() && SigSet::ALL.complement().is_empty());
        assert_eq!(std::format!("{set:?}"), "{SIGHUP, SIGCHLD}");
    }

    #[test]
    fn only_1_to_64_are_signals() {
        assert_eq!(Signal::from_number(0), None);
        assert_eq!(Signal::from_number(65), None);
        let last = Signal::from_number(64).map(|signal| std::format!("{signal:?}"));
        assert_eq!(last.as_deref(), Some("SIGRT_32"));
    }
}
