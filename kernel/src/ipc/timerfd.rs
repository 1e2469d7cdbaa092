//! timerfd_create(2): a timer that is read.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::any::Any;

use ostd::Machine;
use ostd::sync::{Sleep, SpinLock, WaitQueue};

use crate::abi::flags::ClockId;
use crate::error::{Errno, Result};
use crate::time::{Alarm, Schedule};
use crate::vfs::{Attributes, Block, File, PollEvents, Sink, Source};

/// A timer behind a descriptor.
pub struct TimerFd {
    clock: ClockId,
    alarm: Alarm,
    rings: Arc<Rings>,
    attributes: Attributes,
}

/// How often it rang since it was last read.
#[derive(Default)]
struct Rings {
    count: SpinLock<u64>,
    queue: WaitQueue,
}

impl TimerFd {
    /// A silent timer of `clock`.
    pub fn new(machine: &Machine, clock: ClockId, attributes: Attributes) -> Arc<Self> {
        let rings = Arc::new(Rings::default());
        let heard = Arc::clone(&rings);
        let alarm = Alarm::new(machine, move |due| {
            *heard.count.lock() += due;
            heard.queue.wake_all();
        });
        Arc::new(Self { clock, alarm, rings, attributes })
    }

    /// By which clock its times are meant.
    pub fn clock(&self) -> ClockId {
        self.clock
    }

    /// Rings by `schedule` from now on, and forgets earlier rings; gives the schedule it replaced.
    pub fn set(&self, schedule: Schedule) -> Schedule {
        let old = self.alarm.set(Schedule::default());
        *self.rings.count.lock() = 0;
        self.alarm.set(schedule);
        old
    }

    /// When it rings.
    pub fn schedule(&self) -> Schedule {
        self.alarm.schedule()
    }

    fn take(&self) -> Option<u64> {
        Some(core::mem::take(&mut *self.rings.count.lock())).filter(|&count| count > 0)
    }
}

impl File for TimerFd {
    fn read(&self, into: &mut dyn Sink, _at: Option<u64>, how: Block) -> Result<usize> {
        if into.remaining() < 8 {
            return Err(Errno::EINVAL);
        }
        let count = match how {
            Block::Never => self.take().ok_or(Errno::EAGAIN)?,
            Block::Wait => {
                let rang = self.rings.queue.wait_until(Sleep::interruptible(), || self.take());
                rang.map_err(|_| Errno::ERESTARTSYS)?
            }
        };
        if into.put(&count.to_ne_bytes())? < 8 { Err(Errno::EFAULT) } else { Ok(8) }
    }

    fn write(&self, _from: &mut dyn Source, _at: Option<u64>, _how: Block) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    fn poll(&self) -> PollEvents {
        if *self.rings.count.lock() > 0 { PollEvents::POLLIN | PollEvents::POLLRDNORM } else { PollEvents::empty() }
    }

    fn queues(&self) -> Vec<&WaitQueue> {
        vec![&self.rings.queue]
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
        "anon_inode:[timerfd]"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
