//! `RamDisk`: a disk that is a vector of the host, for tests of what uses disks.

use std::collections::BTreeMap;
use std::sync::Arc;

use ostd_hal::device::{BlockAnswer, BlockDevice, BlockError, BlockRequest, BlockTicket, SECTOR_LEN};
use parking_lot::Mutex;

use crate::watch::Watch;

/// How often somebody looks for an answer before it is there, so that who waits has to sleep.
const LOOKS: u32 = 3;
/// Requests that it takes at a time.
const REQUESTS_MAX: usize = 4;

/// A disk in memory. Clones are handles to the same.
#[derive(Clone)]
pub struct RamDisk(Arc<Shared>);

struct Shared {
    watch: Arc<Watch>,
    line: u32,
    sectors: u64,
    is_read_only: bool,
    state: Mutex<State>,
}

struct State {
    bytes: Vec<u8>,
    next: u64,
    /// Answers, and how often they will still be looked for in vain.
    answers: BTreeMap<u64, (BlockAnswer, u32)>,
    flushes: usize,
}

impl RamDisk {
    /// A disk of `bytes`, whole sectors, that raises `line`.
    ///
    /// Panics if they are not whole sectors.
    pub fn new(watch: &Arc<Watch>, line: u32, bytes: Vec<u8>) -> Self {
        Self::with(watch, line, bytes, false)
    }

    /// The same, which cannot be written.
    pub fn read_only(watch: &Arc<Watch>, line: u32, bytes: Vec<u8>) -> Self {
        Self::with(watch, line, bytes, true)
    }

    fn with(watch: &Arc<Watch>, line: u32, bytes: Vec<u8>, is_read_only: bool) -> Self {
        assert!(bytes.len().is_multiple_of(SECTOR_LEN), "a disk is whole sectors");
        let sectors = (bytes.len() / SECTOR_LEN) as u64;
        let state = State { bytes, next: 0, answers: BTreeMap::new(), flushes: 0 };
        Self(Arc::new(Shared { watch: Arc::clone(watch), line, sectors, is_read_only, state: Mutex::new(state) }))
    }

    /// What is on it.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.state.lock().bytes.clone()
    }

    /// How often it was flushed.
    pub fn flushes(&self) -> usize {
        self.0.state.lock().flushes
    }
}

impl State {
    /// The bytes of `len` from `sector` on, if they are all there.
    fn range(&mut self, sector: u64, len: usize) -> Option<&mut [u8]> {
        assert!(len > 0 && len.is_multiple_of(SECTOR_LEN), "{len} bytes are not whole sectors");
        let from = usize::try_from(sector).ok()?.checked_mul(SECTOR_LEN)?;
        self.bytes.get_mut(from..from.checked_add(len)?)
    }
}

impl BlockDevice for RamDisk {
    fn sectors(&self) -> u64 {
        self.0.sectors
    }

    fn is_read_only(&self) -> bool {
        self.0.is_read_only
    }

    fn submit(&self, request: BlockRequest) -> Result<BlockTicket, BlockRequest> {
        let mut state = self.0.state.lock();
        let working = state.answers.values().filter(|(_, looks)| *looks > 0).count();
        // Line and answers are one: whoever waits for room is woken by it too.
        self.0.watch.raise(self.0.line);
        if working >= REQUESTS_MAX {
            // Time passes for what it works on.
            state.answers.values_mut().for_each(|(_, looks)| *looks = looks.saturating_sub(1));
            return Err(request);
        }
        let (buffer, result) = match request {
            BlockRequest::Read { sector, mut into } => {
                let found = state.range(sector, into.len()).map(|bytes| into.copy_from_slice(bytes));
                (into, found.ok_or(BlockError::Failed))
            }
            BlockRequest::Write { from, .. } if self.0.is_read_only => (from, Err(BlockError::Failed)),
            BlockRequest::Write { sector, from } => {
                let found = state.range(sector, from.len()).map(|bytes| bytes.copy_from_slice(&from));
                (from, found.ok_or(BlockError::Failed))
            }
            BlockRequest::Flush => {
                state.flushes += 1;
                (Box::default(), Ok(()))
            }
        };
        state.next += 1;
        let ticket = state.next;
        state.answers.insert(ticket, (BlockAnswer { buffer, result }, LOOKS));
        Ok(BlockTicket(ticket))
    }

    fn answer(&self, ticket: BlockTicket) -> Option<BlockAnswer> {
        let mut state = self.0.state.lock();
        let (_, looks) = state.answers.get_mut(&ticket.0)?;
        if *looks > 0 {
            *looks -= 1;
            self.0.watch.raise(self.0.line);
            return None;
        }
        state.answers.remove(&ticket.0).map(|(answer, _)| answer)
    }

    fn line(&self) -> u32 {
        self.0.line
    }
}
