//! Random numbers: a channel that never ends.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;

use ostd_hal::device::{ByteChannel, ChannelError, ChannelKind, Readiness};

use super::Raises;
use super::bus::Device;
use super::ring::{Parcel, Returned, Ring};
use crate::lock::Lock;

const RING_LEN: usize = 8;
/// Bytes that are asked for at a time.
const ASKED: usize = 64;

/// A virtio source of random numbers. A handle.
#[derive(Clone)]
pub(crate) struct Generator(Arc<Shared>);

struct Shared {
    line: u32,
    state: Lock<State>,
}

struct State {
    device: Device,
    ring: Ring<RING_LEN>,
    /// The room that the device does not have, and how much of its beginning is fresh.
    room: Option<(Box<[u8]>, usize)>,
}

impl Generator {
    /// Takes the device.
    pub(super) fn start(mut device: Device) -> Option<Self> {
        device.begin(0);
        let ring = Ring::new(&mut device, 0)?;
        device.finish();
        let line = device.line();
        let room = Some((vec![0; ASKED].into(), 0));
        Some(Self(Arc::new(Shared { line, state: Lock::new(State { device, ring, room }) })))
    }

    /// Takes bytes that have come, each once; asks for more when there are none.
    pub(crate) fn take(&self, into: &mut [u8]) -> usize {
        let mut state = self.0.state.lock();
        state.collect();
        let Some((room, fresh)) = &mut state.room else { return 0 };
        let len = into.len().min(*fresh);
        *fresh -= len;
        into[..len].copy_from_slice(&room[*fresh..*fresh + len]);
        room[*fresh..*fresh + len].fill(0);
        state.ask();
        len
    }
}

impl State {
    fn collect(&mut self) {
        if let Some(Returned { mut parcel, len, .. }) = self.ring.returned() {
            self.room = parcel.into.pop().map(|room| (room, len));
        }
    }

    /// Asks for more, if nothing is left and nobody has asked.
    fn ask(&mut self) {
        if let Some((room, _)) = self.room.take_if(|(_, fresh)| *fresh == 0)
            && let Err(mut parcel) = self.ring.send(&mut self.device, Parcel { out: vec![], into: vec![room] })
        {
            self.room = parcel.into.pop().map(|room| (room, 0));
        }
    }
}

impl ByteChannel for Generator {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Other
    }

    fn read(&self, into: &mut [u8]) -> Result<usize, ChannelError> {
        match self.take(into) {
            0 if !into.is_empty() => Err(ChannelError::Busy),
            len => Ok(len),
        }
    }

    fn write(&self, _from: &[u8]) -> Result<usize, ChannelError> {
        Err(ChannelError::Unsupported)
    }

    fn ready(&self) -> Readiness {
        let mut state = self.0.state.lock();
        state.collect();
        if state.room.as_ref().is_some_and(|(_, fresh)| *fresh > 0) { Readiness::READ } else { Readiness::empty() }
    }

    fn arm(&self, what: Readiness) {
        if what.contains(Readiness::READ) {
            let mut state = self.0.state.lock();
            state.collect();
            state.ask();
        }
    }

    fn line(&self) -> u32 {
        self.0.line
    }
}

impl Raises for Generator {
    fn heard(&self) {
        self.0.state.lock().device.heard();
    }
}
