//! A disk as bytes: whoever reads or writes sleeps until the device has answered.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;

use ostd::Machine;
use ostd::device::{BlockDevice, BlockError, BlockRequest, SECTOR_LEN};
use ostd::sync::{Mutex, Sleep, WaitQueue};

use crate::error::{Errno, Result};

const SECTOR: u64 = SECTOR_LEN as u64;

/// A disk and who waits for it. One per device: the machine knows one handler per line.
///
/// Nothing is kept in memory: a read asks the device, a write has reached it when it returns. Writes take turns, since
/// one that begins or ends inside a sector reads it first; reads do not wait for anybody.
pub struct Disk {
    device: Arc<dyn BlockDevice>,
    queue: Arc<WaitQueue>,
    writing: Mutex<()>,
}

impl Disk {
    /// Listens to the device's interrupt line from now on.
    pub fn new(machine: &Machine, device: Arc<dyn BlockDevice>) -> Self {
        let queue = Arc::new(WaitQueue::new());
        let woken = Arc::clone(&queue);
        let wake = move || {
            woken.wake_all();
        };
        machine.on_interrupt(device.line(), Arc::new(wake));
        Self { device, queue, writing: Mutex::new(()) }
    }

    /// Its bytes.
    pub fn len(&self) -> u64 {
        self.device.sectors().saturating_mul(SECTOR)
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it cannot be written.
    pub fn is_read_only(&self) -> bool {
        self.device.is_read_only()
    }

    /// Reads all of `into`; EIO, also where there is no disk.
    pub fn read(&self, at: u64, into: &mut [u8]) -> Result<()> {
        if into.is_empty() {
            return Ok(());
        }
        let (sector, skip, len) = Self::sectors(at, into.len());
        let bytes = self.ask(BlockRequest::Read { sector, into: vec![0; len].into() })?;
        into.copy_from_slice(&bytes[skip..skip + into.len()]);
        Ok(())
    }

    /// Writes all of `from`; EIO, also where there is no disk.
    pub fn write(&self, at: u64, from: &[u8]) -> Result<()> {
        if from.is_empty() {
            return Ok(());
        }
        let (sector, skip, len) = Self::sectors(at, from.len());
        let _turn = self.writing.lock();
        let mut bytes: Box<[u8]> = vec![0; len].into();
        // What is in the first and last sector besides.
        if skip > 0 {
            self.read(sector * SECTOR, &mut bytes[..SECTOR_LEN])?;
        }
        if !(skip + from.len()).is_multiple_of(SECTOR_LEN) {
            let last = len - SECTOR_LEN;
            self.read(sector * SECTOR + last as u64, &mut bytes[last..])?;
        }
        bytes[skip..skip + from.len()].copy_from_slice(from);
        self.ask(BlockRequest::Write { sector, from: bytes }).map(drop)
    }

    /// Has every finished write outlast the machine.
    pub fn flush(&self) -> Result<()> {
        self.ask(BlockRequest::Flush).map(drop)
    }

    /// The sectors that hold `len` bytes at `at`: the first, where in it the bytes begin, and the length of all in bytes.
    fn sectors(at: u64, len: usize) -> (u64, usize, usize) {
        let skip = (at % SECTOR) as usize;
        (at / SECTOR, skip, (skip + len).next_multiple_of(SECTOR_LEN))
    }

    /// Sends a request, when the device can take it, and waits for its answer. No signal ends that, as on Linux: the
    /// device has the buffer.
    fn ask(&self, request: BlockRequest) -> Result<Box<[u8]>> {
        let mut unsent = Some(request);
        let submitted = self.queue.wait_until(Sleep::uninterruptible(), || {
            let refused = match self.device.submit(unsent.take()?) {
                Ok(ticket) => return Some(ticket),
                Err(request) => request,
            };
            unsent = Some(refused);
            None
        });
        let Ok(ticket) = submitted else { return Err(Errno::EIO) };
        let answered = self.queue.wait_until(Sleep::uninterruptible(), || self.device.answer(ticket));
        let Ok(answer) = answered else { return Err(Errno::EIO) };
        match answer.result {
            Ok(()) => Ok(answer.buffer),
            Err(BlockError::Failed) => Err(Errno::EIO),
            Err(BlockError::Unsupported) => Err(Errno::EOPNOTSUPP),
        }
    }
}
