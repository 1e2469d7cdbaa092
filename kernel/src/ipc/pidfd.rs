//! pidfd_open(2): a process behind a descriptor, which its number cannot come to mean another.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::any::Any;

use ostd::sync::WaitQueue;

use crate::error::{Errno, Result};
use crate::process::Process;
use crate::vfs::{Attributes, Block, File, PollEvents, Sink, Source};

/// A process, readable when it has ended.
pub struct PidFd {
    process: Arc<Process>,
    attributes: Attributes,
}

impl PidFd {
    /// Stands for `process`.
    pub fn new(process: &Arc<Process>, attributes: Attributes) -> Arc<Self> {
        Arc::new(Self { process: Arc::clone(process), attributes })
    }

    /// Which.
    pub fn process(&self) -> &Arc<Process> {
        &self.process
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
        if self.process.has_ended() { PollEvents::POLLIN | PollEvents::POLLRDNORM } else { PollEvents::empty() }
    }

    fn queues(&self) -> Vec<&WaitQueue> {
        vec![self.process.end_queue()]
    }

    fn attributes(&self) -> Result<Attributes> {
        Ok(self.attributes)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
