//! A disk that fails when its machine's plan says so.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;

use ostd_hal::device::{BlockAnswer, BlockDevice, BlockError, BlockRequest, BlockTicket, SECTOR_LEN};

use super::FaultKind;
use crate::Machine;
use crate::sync::SpinLock;

/// A disk between a kernel and the true one. Whatever is asked of it may fail. A write that does is torn: the first of its
/// sectors, as many as the plan lets a failing copy have, have been written, the others are as they were.
pub struct UnreliableDisk {
    machine: Machine,
    disk: Arc<dyn BlockDevice>,
    /// Requests under way that will have failed, by ticket, and their buffers where the true disk has another.
    failing: SpinLock<BTreeMap<u64, Option<Box<[u8]>>>>,
}

impl UnreliableDisk {
    /// `disk`, as the plan of `machine` spoils it.
    pub fn new(machine: &Machine, disk: Arc<dyn BlockDevice>) -> Self {
        Self { machine: machine.clone(), disk, failing: SpinLock::default() }
    }

    /// What becomes of a request that fails. It takes as long as one that does not.
    fn spoil(&self, request: BlockRequest) -> Result<BlockTicket, BlockRequest> {
        let (request, whole) = match request {
            BlockRequest::Write { sector, from } => {
                let len = self.machine.faults().plan.copied.min(from.len()) / SECTOR_LEN * SECTOR_LEN;
                let torn = match len {
                    0 => BlockRequest::Read { sector, into: vec![0; SECTOR_LEN].into() },
                    _ => BlockRequest::Write { sector, from: from[..len].into() },
                };
                (torn, Some((sector, from)))
            }
            other => (other, None),
        };
        match (self.disk.submit(request), whole) {
            (Ok(ticket), whole) => {
                self.failing.lock().insert(ticket.0, whole.map(|(_, from)| from));
                Ok(ticket)
            }
            (Err(_), Some((sector, from))) => Err(BlockRequest::Write { sector, from }),
            (Err(request), None) => Err(request),
        }
    }
}

impl BlockDevice for UnreliableDisk {
    fn sectors(&self) -> u64 {
        self.disk.sectors()
    }

    fn is_read_only(&self) -> bool {
        self.disk.is_read_only()
    }

    fn submit(&self, request: BlockRequest) -> Result<BlockTicket, BlockRequest> {
        match self.machine.faults().strikes(FaultKind::Disk) {
            true => self.spoil(request),
            false => self.disk.submit(request),
        }
    }

    fn answer(&self, ticket: BlockTicket) -> Option<BlockAnswer> {
        let answer = self.disk.answer(ticket)?;
        let Some(whole) = self.failing.lock().remove(&ticket.0) else { return Some(answer) };
        Some(BlockAnswer { buffer: whole.unwrap_or(answer.buffer), result: Err(BlockError::Failed) })
    }

    fn line(&self) -> u32 {
        self.disk.line()
    }
}
