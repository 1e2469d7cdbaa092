//! Disks.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;

use ostd_hal::device::{BlockAnswer, BlockDevice, BlockError, BlockRequest, BlockTicket, SECTOR_LEN};

use super::Raises;
use super::bus::Device;
use super::ring::{Parcel, Returned, Ring};
use crate::lock::Lock;

const READ_ONLY: u64 = 1 << 5;
const FLUSH: u64 = 1 << 9;
/// Descriptors, of which a request takes up to three.
const RING_LEN: usize = 64;
/// Requests' types.
const READ_TYPE: u32 = 0;
const WRITE_TYPE: u32 = 1;
const FLUSH_TYPE: u32 = 4;
/// What a device answers.
const DONE: u8 = 0;
const UNSUPPORTED: u8 = 2;
/// What it does not: in the answer's place until there is one.
const NOTHING_YET: u8 = 0xff;

/// A virtio disk.
pub(super) struct Disk {
    line: u32,
    sectors: u64,
    is_read_only: bool,
    has_flush: bool,
    state: Lock<State>,
}

struct State {
    device: Device,
    ring: Ring<RING_LEN>,
    next: u64,
    /// Which request a token of the ring stands for.
    tickets: [u64; RING_LEN],
    answers: BTreeMap<u64, BlockAnswer>,
}

impl Disk {
    /// Takes the device.
    pub(super) fn start(mut device: Device) -> Option<Self> {
        device.begin(READ_ONLY | FLUSH);
        let sectors = u64::from(device.configuration_word(4)) << 32 | u64::from(device.configuration_word(0));
        let ring = Ring::new(&mut device, 0)?;
        device.finish();
        Some(Self {
            line: device.line(),
            sectors,
            is_read_only: device.has(READ_ONLY),
            has_flush: device.has(FLUSH),
            state: Lock::new(State { device, ring, next: 0, tickets: [0; RING_LEN], answers: BTreeMap::new() }),
        })
    }

    /// Whether the request's sectors are all there. A disk without a memory of its own has nothing to flush.
    fn known(&self, request: &BlockRequest) -> Option<Result<(), BlockError>> {
        let (sector, len) = match request {
            BlockRequest::Read { sector, into } => (*sector, into.len()),
            BlockRequest::Write { sector, from } => (*sector, from.len()),
            BlockRequest::Flush => return (!self.has_flush).then_some(Ok(())),
        };
        assert!(len > 0 && len.is_multiple_of(SECTOR_LEN), "{len} bytes are not whole sectors");
        let end = sector.checked_add((len / SECTOR_LEN) as u64);
        end.is_none_or(|end| end > self.sectors).then_some(Err(BlockError::Failed))
    }
}

/// The request as the device reads it.
fn header(kind: u32, sector: u64) -> Box<[u8]> {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&kind.to_le_bytes());
    bytes[8..].copy_from_slice(&sector.to_le_bytes());
    Box::new(bytes)
}

fn parcel(request: BlockRequest) -> Parcel {
    let status: Box<[u8]> = Box::new([NOTHING_YET]);
    match request {
        BlockRequest::Read { sector, into } => {
            Parcel { out: vec![header(READ_TYPE, sector)], into: vec![into, status] }
        }
        BlockRequest::Write { sector, from } => {
            Parcel { out: vec![header(WRITE_TYPE, sector), from], into: vec![status] }
        }
        BlockRequest::Flush => Parcel { out: vec![header(FLUSH_TYPE, 0)], into: vec![status] },
    }
}

/// What came back, without the device's own parts.
fn answer(mut parcel: Parcel) -> BlockAnswer {
    let status = parcel.into.pop().map_or(NOTHING_YET, |status| status[0]);
    let buffer = parcel.into.pop().or_else(|| if parcel.out.len() > 1 { parcel.out.pop() } else { None });
    let result = match status {
        DONE => Ok(()),
        UNSUPPORTED => Err(BlockError::Unsupported),
        _ => Err(BlockError::Failed),
    };
    BlockAnswer { buffer: buffer.unwrap_or_default(), result }
}

/// A request that could not be sent, as it was.
fn unsent(what: Option<(u32, u64)>, mut parcel: Parcel) -> BlockRequest {
    match what {
        Some((READ_TYPE, sector)) => BlockRequest::Read { sector, into: parcel.into.swap_remove(0) },
        Some((_, sector)) => BlockRequest::Write { sector, from: parcel.out.swap_remove(1) },
        None => BlockRequest::Flush,
    }
}

impl State {
    fn ticket(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Takes everything that has come back.
    fn collect(&mut self) {
        while let Some(Returned { token, parcel, .. }) = self.ring.returned() {
            self.answers.insert(self.tickets[usize::from(token)], answer(parcel));
        }
    }
}

impl BlockDevice for Disk {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn submit(&self, request: BlockRequest) -> Result<BlockTicket, BlockRequest> {
        let known = self.known(&request);
        let mut state = self.state.lock();
        let state = &mut *state;
        if let Some(result) = known {
            let ticket = state.ticket();
            let buffer = match request {
                BlockRequest::Read { into: buffer, .. } | BlockRequest::Write { from: buffer, .. } => buffer,
                BlockRequest::Flush => Box::default(),
            };
            state.answers.insert(ticket, BlockAnswer { buffer, result });
            return Ok(BlockTicket(ticket));
        }
        state.collect();
        let what = match &request {
            BlockRequest::Read { sector, .. } => Some((READ_TYPE, *sector)),
            BlockRequest::Write { sector, .. } => Some((WRITE_TYPE, *sector)),
            BlockRequest::Flush => None,
        };
        match state.ring.send(&mut state.device, parcel(request)) {
            Ok(token) => {
                let ticket = state.ticket();
                state.tickets[usize::from(token)] = ticket;
                Ok(BlockTicket(ticket))
            }
            Err(parcel) => Err(unsent(what, parcel)),
        }
    }

    fn answer(&self, ticket: BlockTicket) -> Option<BlockAnswer> {
        let mut state = self.state.lock();
        state.collect();
        state.answers.remove(&ticket.0)
    }

    fn line(&self) -> u32 {
        self.line
    }
}

impl Raises for Disk {
    fn heard(&self) {
        self.state.lock().device.heard();
    }
}
