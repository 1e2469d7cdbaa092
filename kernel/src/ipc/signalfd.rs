//! signalfd(2): signals that are read instead of handled.
//!
//! Whoever reads takes its own signals, so one descriptor shows every process something else. A process that has looked
//! at one wakes it with each signal it is sent.

use alloc::sync::{Arc, Weak};
use alloc::vec;
use alloc::vec::Vec;
use core::any::Any;

use ostd::sync::{Sleep, SpinLock, WaitQueue};
use ostd::task::Task;
use zerocopy::IntoBytes as _;

use crate::abi::SigSet;
use crate::abi::structs::SignalfdSiginfo;
use crate::error::{Errno, Result};
use crate::process::Thread;
use crate::signal::UNBLOCKABLE;
use crate::vfs::{Attributes, Block, File, PollEvents, Sink, Source};

/// Signals behind a descriptor.
pub struct SignalFd {
    set: SpinLock<SigSet>,
    queue: Arc<WaitQueue>,
    attributes: Attributes,
}

fn reader() -> Result<Arc<Thread>> {
    let task = Task::current().ok_or(Errno::EAGAIN)?;
    task.data::<Weak<Thread>>().and_then(Weak::upgrade).ok_or(Errno::EAGAIN)
}

impl SignalFd {
    /// Shows the signals of `set`.
    pub fn new(set: SigSet, attributes: Attributes) -> Arc<Self> {
        let set = SpinLock::new(set.difference(UNBLOCKABLE));
        Arc::new(Self { set, queue: Arc::default(), attributes })
    }

    /// Shows those of `set` from now on.
    pub fn set(&self, set: SigSet) {
        *self.set.lock() = set.difference(UNBLOCKABLE);
        self.queue.wake_all();
    }
}

impl File for SignalFd {
    fn read(&self, into: &mut dyn Sink, _at: Option<u64>, how: Block) -> Result<usize> {
        const LEN: usize = size_of::<SignalfdSiginfo>();
        if into.remaining() < LEN {
            return Err(Errno::EINVAL);
        }
        let thread = reader()?;
        thread.process().watch_signals(&self.queue);
        let take = || thread.take_signal_of(*self.set.lock());
        let mut done = 0;
        while into.remaining() >= LEN {
            let taken = match take() {
                Some(taken) => Some(taken),
                None if done > 0 => None,
                None if how == Block::Never => return Err(Errno::EAGAIN),
                None => Some(self.queue.wait_until(Sleep::interruptible(), take).map_err(|_| Errno::ERESTARTSYS)?),
            };
            let Some((_, info)) = taken else { break };
            if into.put(SignalfdSiginfo::of(&info).as_bytes())? < LEN {
                return if done > 0 { Ok(done) } else { Err(Errno::EFAULT) };
            }
            done += LEN;
        }
        Ok(done)
    }

    fn write(&self, _from: &mut dyn Source, _at: Option<u64>, _how: Block) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    fn poll(&self) -> PollEvents {
        let Ok(thread) = reader() else { return PollEvents::empty() };
        thread.process().watch_signals(&self.queue);
        let waiting = thread.pending().intersection(*self.set.lock());
        if waiting.is_empty() { PollEvents::empty() } else { PollEvents::POLLIN | PollEvents::POLLRDNORM }
    }

    fn queues(&self) -> Vec<&WaitQueue> {
        vec![&self.queue]
    }

    fn seeks_in_vain(&self) -> bool {
        true
    }

    fn can_write(&self) -> bool {
        false
    }

    fn attributes(&self) -> Result<Attributes> {
        Ok(self.attributes)
    }

    fn called(&self) -> &'static str {
        "anon_inode:[signalfd]"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
