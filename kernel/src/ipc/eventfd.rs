//! eventfd(2): a number that can be waited for.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::any::Any;

use ostd::sync::{Sleep, SpinLock, WaitQueue};

use crate::error::{Errno, Result};
use crate::vfs::{Attributes, Block, File, PollEvents, Sink, Source};

/// What a read takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// All of it.
    All,
    /// One at a time: EFD_SEMAPHORE.
    One,
}

/// A counter behind a descriptor.
pub struct EventFd {
    counter: Counter,
    attributes: Attributes,
    queue: WaitQueue,
}

struct Counter {
    value: SpinLock<u64>,
    takes: Takes,
}

impl Counter {
    /// The largest value; one more would be an overflow that poll(2) reports.
    const MAX: u64 = u64::MAX - 1;

    fn take(&self) -> Option<u64> {
        let mut value = self.value.lock();
        if *value == 0 {
            return None;
        }
        let taken = if self.takes == Takes::One { 1 } else { *value };
        *value -= taken;
        Some(taken)
    }

    fn add(&self, more: u64) -> Option<()> {
        let mut value = self.value.lock();
        *value = value.checked_add(more).filter(|&sum| sum <= Self::MAX)?;
        Some(())
    }
}

impl EventFd {
    /// A counter that begins at `value`.
    pub fn new(value: u32, takes: Takes, attributes: Attributes) -> Arc<Self> {
        let counter = Counter { value: SpinLock::new(u64::from(value)), takes };
        Arc::new(Self { counter, attributes, queue: WaitQueue::new() })
    }

    fn wait<T>(&self, how: Block, attempt: impl FnMut() -> Option<T>) -> Result<T> {
        let mut attempt = attempt;
        match how {
            Block::Never => attempt().ok_or(Errno::EAGAIN),
            Block::Wait => self.queue.wait_until(Sleep::interruptible(), attempt).map_err(|_| Errno::ERESTARTSYS),
        }
    }
}

impl File for EventFd {
    fn read(&self, into: &mut dyn Sink, _at: Option<u64>, how: Block) -> Result<usize> {
        if into.remaining() < 8 {
            return Err(Errno::EINVAL);
        }
        let taken = self.wait(how, || self.counter.take())?;
        self.queue.wake_all();
        if into.put(&taken.to_ne_bytes())? < 8 { Err(Errno::EFAULT) } else { Ok(8) }
    }

    fn write(&self, from: &mut dyn Source, _at: Option<u64>, how: Block) -> Result<usize> {
        // More than it takes has been refused since Linux 6.9.
        if from.remaining() != 8 {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; 8];
        if from.take(&mut bytes)? < 8 {
            return Err(Errno::EFAULT);
        }
        let more = u64::from_ne_bytes(bytes);
        if more > Counter::MAX {
            return Err(Errno::EINVAL);
        }
        self.wait(how, || self.counter.add(more))?;
        self.queue.wake_all();
        Ok(8)
    }

    fn poll(&self) -> PollEvents {
        let value = *self.counter.value.lock();
        let mut events = PollEvents::empty();
        events.set(PollEvents::POLLIN, value > 0);
        events.set(PollEvents::POLLOUT, value < Counter::MAX);
        events
    }

    fn queues(&self) -> Vec<&WaitQueue> {
        vec![&self.queue]
    }

    fn seeks_in_vain(&self) -> bool {
        true
    }

    fn is_sent_to(&self) -> bool {
        false
    }

    fn attributes(&self) -> Result<Attributes> {
        Ok(self.attributes)
    }

    fn called(&self) -> &'static str {
        "anon_inode:[eventfd]"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use ostd::sync::SpinLock;

    use super::{Counter, Takes};

    #[test]
    fn a_counter_gives_all_or_one_and_never_overflows() {
        let counter = Counter { value: SpinLock::new(3), takes: Takes::All };
        assert_eq!((counter.take(), counter.take()), (Some(3), None));
        assert_eq!(counter.add(u64::MAX - 1), Some(()));
        assert_eq!(counter.add(1), None);
        let counter = Counter { value: SpinLock::new(2), takes: Takes::One };
        assert_eq!((counter.take(), counter.take(), counter.take()), (Some(1), Some(1), None));
    }
}
