//! Networks.

use alloc::boxed::Box;
use alloc::vec;

use ostd_hal::device::{ChannelError, NetworkDevice};

use super::Raises;
use super::bus::{Device, VERSION_1};
use super::ring::{Parcel, Returned, Ring};
use crate::lock::Lock;
use crate::random;

const HAS_ADDRESS: u64 = 1 << 5;
/// Frames on their way, each direction.
const RING_LEN: usize = 16;
const RECEIVE: u16 = 0;
const SEND: u16 = 1;
/// What stands in front of a frame, with and without version 1. All zeros: neither side leaves work to the other.
const HEADER_LEN: usize = 12;
const OLD_HEADER_LEN: usize = 10;
/// Two addresses, a type, and 1500 bytes.
const FRAME_LEN_MAX: usize = 1514;

/// A virtio network device.
pub(super) struct Network {
    line: u32,
    address: [u8; 6],
    header_len: usize,
    state: Lock<State>,
}

struct State {
    device: Device,
    receive: Ring<RING_LEN>,
    send: Ring<RING_LEN>,
}

impl Network {
    /// Takes the device, and gives it room for frames.
    pub(super) fn start(mut device: Device) -> Option<Self> {
        device.begin(HAS_ADDRESS);
        let mut address = [0; 6];
        if device.has(HAS_ADDRESS) {
            address = core::array::from_fn(|at| device.configuration(at));
        } else {
            random::fill(&mut address);
            // One that no maker gave, of one device.
            address[0] = address[0] & !1 | 2;
        }
        let header_len = if device.has(VERSION_1) { HEADER_LEN } else { OLD_HEADER_LEN };
        let receive = Ring::new(&mut device, RECEIVE)?;
        let send = Ring::new(&mut device, SEND)?;
        device.finish();
        let line = device.line();
        let mut state = State { device, receive, send };
        while state.give(vec![0; header_len + FRAME_LEN_MAX].into()) {}
        Some(Self { line, address, header_len, state: Lock::new(state) })
    }
}

impl State {
    /// Gives the device room for a frame; false if it has enough.
    fn give(&mut self, room: Box<[u8]>) -> bool {
        self.receive.fits(1) && self.receive.send(&mut self.device, Parcel { out: vec![], into: vec![room] }).is_ok()
    }
}

impl NetworkDevice for Network {
    fn address(&self) -> [u8; 6] {
        self.address
    }

    fn frame_len_max(&self) -> usize {
        FRAME_LEN_MAX
    }

    fn send(&self, frame: &[u8]) -> Result<(), ChannelError> {
        assert!(!frame.is_empty() && frame.len() <= FRAME_LEN_MAX, "a frame of {} bytes", frame.len());
        let mut bytes = vec![0; self.header_len + frame.len()];
        bytes[self.header_len..].copy_from_slice(frame);
        let mut state = self.state.lock();
        let state = &mut *state;
        while state.send.returned().is_some() {}
        let parcel = Parcel { out: vec![bytes.into()], into: vec![] };
        state.send.send(&mut state.device, parcel).map(drop).map_err(|_| ChannelError::Busy)
    }

    fn receive(&self, into: &mut [u8]) -> Result<usize, ChannelError> {
        let mut state = self.state.lock();
        let Some(Returned { mut parcel, len, .. }) = state.receive.returned() else { return Err(ChannelError::Busy) };
        let Some(room) = parcel.into.pop() else { return Err(ChannelError::Busy) };
        let frame = room.get(self.header_len..len).unwrap_or_default();
        let copied = frame.len().min(into.len());
        into[..copied].copy_from_slice(&frame[..copied]);
        state.give(room);
        Ok(copied)
    }

    fn line(&self) -> u32 {
        self.line
    }
}

impl Raises for Network {
    fn heard(&self) {
        self.state.lock().device.heard();
    }
}
