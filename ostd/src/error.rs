//! What a machine could not do.

/// The machine could not. Whether a program hears of it, and as what, is its kernel's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No frame, or no kernel stack, is left.
    NoMemory,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoMemory => f.write_str("the machine's memory is used up"),
        }
    }
}

impl core::error::Error for Error {}
