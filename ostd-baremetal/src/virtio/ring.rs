//! A queue of a device, with the buffers that are in it.
#![expect(unsafe_code, reason = "lends buffers to devices")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{Ordering, fence};

use virtio_drivers::queue::VirtQueue;

use super::bus::Device;
use super::memory::Memory;

/// What is sent to a device at once: bytes that it reads, then room that it fills. No buffer is empty.
pub(super) struct Parcel {
    /// What the device reads.
    pub(super) out: Vec<Box<[u8]>>,
    /// What it writes.
    pub(super) into: Vec<Box<[u8]>>,
}

/// A parcel that came back.
pub(super) struct Returned {
    /// What [`Ring::send`] called it.
    pub(super) token: u16,
    /// The parcel.
    pub(super) parcel: Parcel,
    /// How many bytes of `into` the device says it wrote, from the first on.
    pub(super) len: usize,
}

/// A queue of `LEN` descriptors. Devices interrupt for every parcel that comes back.
pub(super) struct Ring<const LEN: usize> {
    queue: VirtQueue<Memory, LEN>,
    index: u16,
    /// The parcels that the device has, by token.
    away: [Option<Parcel>; LEN],
}

impl<const LEN: usize> Ring<LEN> {
    /// The device's queue number `index`; nothing if it has none that is this long.
    pub(super) fn new(device: &mut Device, index: u16) -> Option<Self> {
        device.route(index);
        let queue = VirtQueue::new(device.transport(), index, false, false).ok()?;
        Some(Self { queue, index, away: [const { None }; LEN] })
    }

    /// Sends a parcel, or gives it back if the queue is full.
    pub(super) fn send(&mut self, device: &mut Device, mut parcel: Parcel) -> Result<u16, Parcel> {
        if !self.fits(parcel.out.len() + parcel.into.len()) {
            return Err(parcel);
        }
        let out: Vec<&[u8]> = parcel.out.iter().map(|bytes| &**bytes).collect();
        let mut into: Vec<&mut [u8]> = parcel.into.iter_mut().map(|bytes| &mut **bytes).collect();
        // SAFETY: the buffers are the parcel's, which is kept in `away`, untouched, until the device has returned it.
        let added = unsafe { self.queue.add(&out, &mut into) };
        let Ok(token) = added else { return Err(parcel) };
        self.away[usize::from(token)] = Some(parcel);
        // The device may have stopped looking just before: first what was added, then whether it looks.
        fence(Ordering::SeqCst);
        if self.queue.should_notify() {
            device.notify(self.index);
        }
        Ok(token)
    }

    /// Whether a parcel of that many buffers can be sent.
    pub(super) fn fits(&self, buffers: usize) -> bool {
        self.queue.available_desc() >= buffers
    }

    /// Whether a parcel has come back.
    pub(super) fn has_returned(&self) -> bool {
        self.queue.can_pop()
    }

    /// The next parcel that has come back. A device that returns what it was not sent is not heard any more.
    pub(super) fn returned(&mut self) -> Option<Returned> {
        let token = self.queue.peek_used()?;
        let mut parcel = self.away.get_mut(usize::from(token))?.take()?;
        let out: Vec<&[u8]> = parcel.out.iter().map(|bytes| &**bytes).collect();
        let mut into: Vec<&mut [u8]> = parcel.into.iter_mut().map(|bytes| &mut **bytes).collect();
        let room: usize = into.iter().map(|bytes| bytes.len()).sum();
        // SAFETY: these are the buffers that were added under this token.
        let len = unsafe { self.queue.pop_used(token, &out, &mut into) };
        let len = (len.ok()? as usize).min(room);
        Some(Returned { token, parcel, len })
    }
}
