//! Talking between processes through descriptors.
//!
//! - [`pipe`]: pipes and FIFOs; [`ring`]: the pages they keep their bytes in.
//! - [`fifos`]: which pipe a FIFO's node stands for.
//! - [`eventfd`]: a number that can be waited for.
//!
//! Lock order: a pipe's state, then page faults of whoever copies.

pub mod eventfd;
pub mod fifos;
pub mod pipe;
pub mod ring;

pub use eventfd::EventFd;
pub use fifos::Fifos;
pub use pipe::{Pipe, PipeEnd};
