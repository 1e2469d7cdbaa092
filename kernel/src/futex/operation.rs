//! `FUTEX_WAKE_OP`: a change of a word and a question about what it was, in one number.

use crate::error::{Errno, Result};
use crate::mm::AddressSpace;

/// The change and the question, as futex(2) packs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation(pub u32);

impl Operation {
    /// Changes the word at `at`, at once, and says whether what it was fits the question. ENOSYS for changes and
    /// questions that do not exist.
    pub fn apply(self, space: &AddressSpace, at: usize) -> Result<bool> {
        // A change that does not exist is known before the word is looked at, a question is not.
        self.change(0)?;
        let mut old = space.load32(at)?;
        loop {
            let new = self.change(old)?;
            let seen = space.cmpxchg32(at, old, new)?;
            if seen == old {
                return self.compare(old);
            }
            old = seen;
        }
    }

    fn change(self, old: u32) -> Result<u32> {
        // Twelve bits with a sign; Linux takes a shift's distance modulo 32.
        let argument = ((self.0 << 8) as i32 >> 20) as u32;
        let shifted = self.0 >> 31 == 1;
        let argument = if shifted { 1 << (argument & 31) } else { argument };
        match self.0 >> 28 & 7 {
            0 => Ok(argument),
            1 => Ok(old.wrapping_add(argument)),
            2 => Ok(old | argument),
            3 => Ok(old & !argument),
            4 => Ok(old ^ argument),
            _ => Err(Errno::ENOSYS),
        }
    }

    fn compare(self, old: u32) -> Result<bool> {
        let (old, with) = (old as i32, (self.0 << 20) as i32 >> 20);
        match self.0 >> 24 & 15 {
            0 => Ok(old == with),
            1 => Ok(old != with),
            2 => Ok(old < with),
            3 => Ok(old <= with),
            4 => Ok(old > with),
            5 => Ok(old >= with),
            _ => Err(Errno::ENOSYS),
        }
    }
}
