//! pidfd_open(2): a process or a thread behind a descriptor, which its number cannot come to mean another.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::any::Any;

use ostd::sync::WaitQueue;

use crate::error::{Errno, Result};
use crate::process::Process;
use crate::vfs::{Attributes, Block, File, PollEvents, Sink, Source};

/// A process or one of its threads, readable when that has ended.
pub struct PidFd {
    process: Arc<Process>,
    of: Of,
    attributes: Attributes,
}

/// What a descriptor stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The process.
    Process,
    /// Its thread of this number (`PIDFD_THREAD`).
    Thread(i32),
}

impl PidFd {
    /// Stands for `process`, or for a thread of it.
    pub fn new(process: &Arc<Process>, of: Of, attributes: Attributes) -> Arc<Self> {
        Arc::new(Self { process: Arc::clone(process), of, attributes })
    }

    /// Which process, or whose thread.
    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }

    /// Whether it is a thread.
    pub fn of(&self) -> Of {
        self.of
    }

    /// The number of what it stands for.
    pub fn number(&self) -> i32 {
        match self.of {
            Of::Process => self.process.pid(),
            Of::Thread(tid) => tid,
        }
    }

    fn has_ended(&self) -> bool {
        match self.of {
            Of::Process => self.process.has_ended(),
            Of::Thread(tid) => self.process.threads().iter().all(|thread| thread.tid() != tid),
        }
    }

    /// Whether nobody will wait for it any more: it has been waited for, or is a thread for which none ever does.
    fn is_nobody(&self) -> bool {
        let pid = self.process.pid();
        self.number() != pid || self.process.processes().is_none_or(|processes| processes.place(pid).is_none())
    }
}

impl File for PidFd {
    fn read(&self, _into: &mut dyn Sink, _at: Option<u64>, _how: Block) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    fn write(&self, _from: &mut dyn Source, _at: Option<u64>, _how: Block) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    fn poll(&self) -> PollEvents {
        let ended = PollEvents::POLLIN | PollEvents::POLLRDNORM;
        match self.has_ended() {
            false => PollEvents::empty(),
            true if self.is_nobody() => ended | PollEvents::POLLHUP,
            true => ended,
        }
    }

    fn queues(&self) -> Vec<&WaitQueue> {
        match self.of {
            Of::Process => vec![self.process.end_queue()],
            Of::Thread(_) => vec![self.process.threads_queue()],
        }
    }

    fn has_places(&self) -> bool {
        true
    }

    fn can_read(&self) -> bool {
        false
    }

    fn can_write(&self) -> bool {
        false
    }

    fn attributes(&self) -> Result<Attributes> {
        Ok(self.attributes)
    }

    fn called(&self) -> &'static str {
        "pidfd:"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
