//! A byte channel that can be waited for: its interrupt line wakes a queue.

use alloc::sync::Arc;

use ostd::Machine;
use ostd::device::{ByteChannel, ChannelError, Readiness};
use ostd::sync::{Sleep, WaitQueue};

use crate::error::{Errno, Result};

/// A byte channel and who waits for it. One per channel: the machine knows one handler per line.
pub struct Stream {
    channel: Arc<dyn ByteChannel>,
    queue: Arc<WaitQueue>,
}

impl Stream {
    /// Listens to the channel's interrupt line from now on.
    pub fn new(machine: &Machine, channel: Arc<dyn ByteChannel>) -> Self {
        let queue = Arc::new(WaitQueue::new());
        let woken = Arc::clone(&queue);
        let wake = move || {
            woken.wake_all();
        };
        machine.on_interrupt(channel.line(), Arc::new(wake));
        Self { channel, queue }
    }

    /// The channel itself, for what never waits.
    pub fn channel(&self) -> &dyn ByteChannel {
        &*self.channel
    }

    /// Woken when the channel may have become ready for what it was last asked.
    pub fn queue(&self) -> &WaitQueue {
        &self.queue
    }

    /// Reads what is there; `Ok(0)` is the end. Without `sleep`, EAGAIN when nothing is there yet.
    pub fn read(&self, into: &mut [u8], sleep: Option<Sleep>) -> Result {
        self.transfer(Readiness::READ, sleep, || self.channel.read(into))
    }

    /// Writes some of `from`. Without `sleep`, EAGAIN when nothing can be taken yet; EPIPE when the other end is gone.
    pub fn write(&self, from: &[u8], sleep: Option<Sleep>) -> Result {
        if from.is_empty() {
            return Ok(0);
        }
        self.transfer(Readiness::WRITE, sleep, || self.channel.write(from))
    }

    /// What would work now. [`queue`](Self::queue) is woken when more does.
    pub fn ready(&self) -> Readiness {
        let ready = self.channel.ready();
        let missing = (Readiness::READ | Readiness::WRITE) - ready;
        if !missing.is_empty() && !ready.contains(Readiness::HANGUP) {
            self.channel.arm(missing);
        }
        ready
    }

    fn transfer(
        &self,
        what: Readiness,
        sleep: Option<Sleep>,
        mut attempt: impl FnMut() -> core::result::Result<usize, ChannelError>,
    ) -> Result {
        let Some(sleep) = sleep else { return attempt().map_err(errno_of) };
        let moved = self.queue.wait_until(sleep, || match attempt() {
            Err(ChannelError::Busy) => {
                self.channel.arm(what);
                None
            }
            settled => Some(settled.map_err(errno_of)),
        });
        moved.unwrap_or(Err(Errno::ERESTARTSYS))
    }
}

/// What a program is told when a channel moved nothing.
pub fn errno_of(error: ChannelError) -> Errno {
    match error {
        ChannelError::Busy => Errno::EAGAIN,
        ChannelError::Closed => Errno::EPIPE,
        ChannelError::Unsupported => Errno::EBADF,
        ChannelError::Errno(number) => Errno::from_number(number).unwrap_or(Errno::EIO),
    }
}
