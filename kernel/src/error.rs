//! Where the three vocabularies of failure meet: what a machine could not becomes what Linux says.

pub use kernel_abi::errno::{Errno, Result};

/// Turns a machine's failure into the errno a program gets.
pub trait OrErrno<T> {
    /// ENOMEM for want of memory.
    fn or_errno(self) -> Result<T>;
}

impl<T> OrErrno<T> for core::result::Result<T, ostd::Error> {
    fn or_errno(self) -> Result<T> {
        self.map_err(|ostd::Error::NoMemory| Errno::ENOMEM)
    }
}
