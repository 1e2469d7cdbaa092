//! Talking between processes through descriptors.
//!
//! - [`pipe`]: pipes and FIFOs; [`ring`]: the pages they keep their bytes in.
//! - [`fifos`]: which pipe a FIFO's node stands for.
//! - [`epoll`]: sets of files of which some may be ready.
//! - [`eventfd`]: a number that can be waited for; [`timerfd`]: a timer; [`signalfd`]: signals; [`pidfd`]: a process.
//!
//! Lock order: a pipe's state, then page faults of whoever copies. A set's members, a member's wish, the set's list.

pub mod epoll;
pub mod eventfd;
pub mod fifos;
pub mod pidfd;
pub mod pipe;
pub mod ring;
pub mod signalfd;
pub mod timerfd;

pub use epoll::Epoll;
pub use eventfd::EventFd;
pub use fifos::Fifos;
pub use pidfd::{Of, PidFd};
pub use pipe::{Pipe, PipeEnd};
pub use signalfd::SignalFd;
pub use timerfd::TimerFd;
