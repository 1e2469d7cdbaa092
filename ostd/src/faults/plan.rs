//! What a plan of failures says, and its text form.

use alloc::string::String;
use core::fmt;
use core::panic::Location;
use core::str::FromStr;

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// An allocation of frames, of a page-table node, or of a task's stack: there is no memory.
    Memory,
    /// A copy to or from user memory: it stops early, as if the program had no more there.
    Copy,
    /// An interruptible sleep: it is interrupted, as if by a signal that somebody else then took.
    Signal,
    /// A sleep: it is woken once for nothing.
    Wake,
    /// A request to an [`UnreliableFolder`](super::UnreliableFolder): EIO, or a short read.
    Folder,
    /// A request to an [`UnreliableDisk`](super::UnreliableDisk): it fails, a write with some of its sectors written.
    Disk,
}

impl FaultKind {
    /// Each of them.
    pub const ALL: [Self; 6] = [Self::Memory, Self::Copy, Self::Signal, Self::Wake, Self::Folder, Self::Disk];

    /// What a plan's text calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Copy => "copy",
            Self::Signal => "signal",
            Self::Wake => "wake",
            Self::Folder => "folder",
            Self::Disk => "disk",
        }
    }
}

/// A place in source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file, from the workspace's root.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1.
    pub column: u32,
}

/// Which events of a kind fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strike {
    /// None; but they are counted.
    Never,
    /// The one before which there were so many.
    Nth(u64),
    /// The one of this place before which this place had so many.
    At(Place, u64),
    /// The first of every place.
    Each,
    /// One in so many, as the seed says.
    OneIn(u64),
}

impl Strike {
    /// Whether it falls on the event number `nth` of its kind, the `nth_here`th of its place.
    pub(super) fn falls(&self, seed: u64, nth: u64, nth_here: u64, place: &Location<'_>) -> bool {
        match self {
            Self::Never => false,
            Self::Nth(wanted) => nth == *wanted,
            Self::At(at, wanted) => {
                nth_here == *wanted && at.line == place.line() && at.column == place.column() && at.file == place.file()
            }
            Self::Each => nth_here == 0,
            Self::OneIn(odds) => mixed(seed, nth).is_multiple_of((*odds).max(1)),
        }
    }
}

/// A number that looks random, and is the same for the same two (splitmix64).
fn mixed(seed: u64, nth: u64) -> u64 {
    let mut word = seed.wrapping_add((nth.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// What fails on a machine; by default nothing.
///
/// As text: `KIND=STRIKE` each, between commas, where a strike is `never`, a number (that event of its kind, from 0),
/// `FILE:LINE:COLUMN#N` (the place's Nth, from 0), `each` (the first of every place), or `1/N` (one in N). Besides
/// `copied=BYTES` (how far a failing copy comes, or a write to a disk) and `seed=N`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// By kind; `None` is off.
    strikes: [Option<Strike>; FaultKind::ALL.len()],
    /// How many bytes a failing copy copies, and a failing write to a disk writes, all the same, where it has more.
    pub copied: usize,
    /// Decides the strikes that are one in so many.
    pub seed: u64,
}

impl FaultPlan {
    /// With `strike` on events of `kind`.
    #[must_use]
    pub fn with(mut self, kind: FaultKind, strike: Strike) -> Self {
        self.strikes[kind as usize] = Some(strike);
        self
    }

    /// Which events of `kind` fail.
    pub fn strike(&self, kind: FaultKind) -> Option<&Strike> {
        self.strikes[kind as usize].as_ref()
    }
}

/// A plan's text that says nothing, and the part that does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no part of a plan of faults", self.0)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Nth(nth) => write!(f, "{nth}"),
            Self::At(place, nth) => write!(f, "{place}#{nth}"),
            Self::Each => f.write_str("each"),
            Self::OneIn(odds) => write!(f, "1/{odds}"),
        }
    }
}

impl fmt::Display for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for kind in FaultKind::ALL {
            if let Some(strike) = self.strike(kind) {
                write!(f, "{between}{}={strike}", kind.name())?;
                between = ",";
            }
        }
        for (name, number) in [("copied", self.copied as u64), ("seed", self.seed)] {
            if number != 0 {
                write!(f, "{between}{name}={number}")?;
                between = ",";
            }
        }
        Ok(())
    }
}

impl FromStr for Place {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let whole = || {
            let (rest, column) = text.rsplit_once(':')?;
            let (file, line) = rest.rsplit_once(':')?;
            Some(Self { file: file.into(), line: line.parse().ok()?, column: column.parse().ok()? })
        };
        whole().ok_or_else(|| Malformed(text.into()))
    }
}

impl FromStr for Strike {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed(text.into());
        Ok(match (text, text.split_once('#'), text.split_once("1/")) {
            ("never", ..) => Self::Never,
            ("each", ..) => Self::Each,
            (_, Some((place, nth)), _) => Self::At(place.parse()?, nth.parse().map_err(|_| malformed())?),
            (_, _, Some(("", odds))) => Self::OneIn(odds.parse().map_err(|_| malformed())?),
            _ => Self::Nth(text.parse().map_err(|_| malformed())?),
        })
    }
}

impl FromStr for FaultPlan {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut plan = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let malformed = || Malformed(part.into());
            let (name, value) = part.split_once('=').ok_or_else(malformed)?;
            let kind = FaultKind::ALL.into_iter().find(|kind| kind.name() == name);
            match (name, kind) {
                (_, Some(kind)) => plan = plan.with(kind, value.parse()?),
                ("copied", _) => plan.copied = value.parse().map_err(|_| malformed())?,
                ("seed", _) => plan.seed = value.parse().map_err(|_| malformed())?,
                _ => return Err(malformed()),
            }
        }
        Ok(plan)
    }
}

#[cfg(any(test, feature = "tests"))]
pub(crate) mod tests {
    use alloc::string::ToString as _;
    use core::panic::Location;

    use super::{FaultPlan, Strike};

    crate::tests::list! {
        a_plan_is_read_as_it_is_written
        what_is_no_plan_is_refused
        a_strike_falls_where_it_says
    }

    #[cfg_attr(test, test)]
    fn a_plan_is_read_as_it_is_written() {
        let texts = [
            "",
            "memory=3",
            "memory=never,copy=a/b.rs:7:12#2,copied=5",
            "signal=each,wake=1/3,seed=9",
            "folder=0,disk=2",
        ];
        for text in texts {
            assert_eq!(text.parse::<FaultPlan>().map(|plan| plan.to_string()).as_deref(), Ok(text));
        }
    }

    #[cfg_attr(test, test)]
    fn what_is_no_plan_is_refused() {
        for text in ["memory", "heap=1", "memory=x", "memory=a.rs:1#1", "memory=1/", "copied=-1"] {
            assert!(text.parse::<FaultPlan>().is_err(), "{text}");
        }
    }

    #[cfg_attr(test, test)]
    fn a_strike_falls_where_it_says() {
        let here = Location::caller();
        let at = Strike::At(here.to_string().parse().expect("a place"), 1);
        assert!(at.falls(0, 9, 1, here) && !at.falls(0, 1, 0, here));
        assert!(Strike::Nth(9).falls(0, 9, 1, here) && !Strike::Nth(8).falls(0, 9, 1, here));
        assert!(Strike::Each.falls(0, 9, 0, here) && !Strike::Each.falls(0, 0, 1, here));
        let struck = |seed| (0..1000).filter(move |&nth| Strike::OneIn(4).falls(seed, nth, 0, here));
        assert!((150..350).contains(&struck(1).count()) && struck(1).ne(struck(2)));
    }
}
