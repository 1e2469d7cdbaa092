//! Consoles.

use alloc::boxed::Box;
use alloc::vec;

use ostd_hal::device::{ByteChannel, ChannelError, ChannelKind, Readiness};

use super::Raises;
use super::bus::Device;
use super::ring::{Parcel, Returned, Ring};
use crate::lock::Lock;

const HAS_SIZE: u64 = 1 << 0;
/// Parcels on their way, each direction.
const RING_LEN: usize = 8;
/// Bytes in a parcel, at most.
const PARCEL_LEN: usize = 4096;
const RECEIVE: u16 = 0;
const SEND: u16 = 1;

/// A virtio console, of which the first port is used.
pub(super) struct Console {
    line: u32,
    window: Option<(u16, u16)>,
    state: Lock<State>,
}

struct State {
    device: Device,
    receive: Ring<RING_LEN>,
    send: Ring<RING_LEN>,
    /// What has arrived and was not read to its end: the buffer, how much of it was read, and how much there is.
    arrived: Option<(Box<[u8]>, usize, usize)>,
}

impl Console {
    /// Takes the device, and gives it room for what is typed.
    pub(super) fn start(mut device: Device) -> Option<Self> {
        device.begin(HAS_SIZE);
        let size = if device.has(HAS_SIZE) { device.configuration_word(0) } else { 0 };
        let (columns, rows) = (size as u16, (size >> 16) as u16);
        let receive = Ring::new(&mut device, RECEIVE)?;
        let send = Ring::new(&mut device, SEND)?;
        device.finish();
        let line = device.line();
        let mut state = State { device, receive, send, arrived: None };
        while state.receive.fits(1) {
            state.give(vec![0; PARCEL_LEN].into());
        }
        Some(Self { line, window: (columns > 0 && rows > 0).then_some((rows, columns)), state: Lock::new(state) })
    }
}

impl State {
    fn give(&mut self, room: Box<[u8]>) {
        // It has just come out of the queue, or was asked for.
        let _ = self.receive.send(&mut self.device, Parcel { out: vec![], into: vec![room] });
    }
}

impl ByteChannel for Console {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Terminal
    }

    fn read(&self, into: &mut [u8]) -> Result<usize, ChannelError> {
        let mut state = self.state.lock();
        let mut done = 0;
        while done < into.len() {
            let next = state.arrived.take().or_else(|| {
                let Returned { mut parcel, len, .. } = state.receive.returned()?;
                parcel.into.pop().map(|room| (room, 0, len))
            });
            let Some((room, from, len)) = next else { break };
            let part = (len - from).min(into.len() - done);
            into[done..done + part].copy_from_slice(&room[from..from + part]);
            done += part;
            if from + part < len {
                state.arrived = Some((room, from + part, len));
            } else {
                state.give(room);
            }
        }
        if done == 0 && !into.is_empty() { Err(ChannelError::Busy) } else { Ok(done) }
    }

    fn write(&self, from: &[u8]) -> Result<usize, ChannelError> {
        let len = from.len().min(PARCEL_LEN);
        if len == 0 {
            return Ok(0);
        }
        let mut state = self.state.lock();
        let state = &mut *state;
        while state.send.returned().is_some() {}
        let parcel = Parcel { out: vec![from[..len].into()], into: vec![] };
        state.send.send(&mut state.device, parcel).map(|_| len).map_err(|_| ChannelError::Busy)
    }

    fn ready(&self) -> Readiness {
        let mut state = self.state.lock();
        while state.send.returned().is_some() {}
        let mut ready = Readiness::empty();
        ready.set(Readiness::READ, state.arrived.is_some() || state.receive.has_returned());
        ready.set(Readiness::WRITE, state.send.fits(1));
        ready
    }

    fn arm(&self, _what: Readiness) {
        // The device interrupts for everything that arrives or was sent. What was there before that is seen by whoever
        // goes to sleep, which looks once more on the way.
    }

    fn line(&self) -> u32 {
        self.line
    }

    fn window(&self) -> Option<(u16, u16)> {
        self.window
    }
}

impl Raises for Console {
    fn heard(&self) {
        self.state.lock().device.heard();
    }
}
