//! What areas are filled from, besides zeros.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd::frame::Frame;
use ostd::sync::Mutex;
use ostd::{Machine, PAGE_SIZE};

use crate::error::{Errno, OrErrno, Result};

/// What a mapping is filled from. Files implement it; this room knows nothing else of them.
pub trait Backing: Send + Sync {
    /// The shared frame that holds page `index`. May sleep, and take locks of the file. Asked only below the end; EIO
    /// and EFAULT (the end has moved) become SIGBUS.
    fn page(&self, index: u64) -> Result<Frame>;

    /// The frame of page `index` if it is at hand without waiting: neighbours of a fault are mapped along with it.
    fn page_at_hand(&self, _index: u64) -> Option<Frame> {
        None
    }

    /// Bytes it has now.
    fn len(&self) -> u64;

    /// Whether it has no byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A shared mapping is about to make page `index` writable.
    fn note_write(&self, index: u64);

    /// Whether nobody wants to be told by [`note_write`](Self::note_write): shared mappings are writable at once.
    fn is_plain(&self) -> bool {
        false
    }

    /// Brings what was stored in shared mappings to where it is kept, if that is not its pages themselves: msync(2).
    fn sync(&self) -> Result<()> {
        Ok(())
    }

    /// Makes a range of whole pages zeros, for everybody: `MADV_REMOVE`. EOPNOTSUPP where there are no holes.
    fn punch(&self, _offset: u64, _len: u64) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Device and inode.
    fn identity(&self) -> (u64, u64);

    /// The path, for `/proc/PID/maps`.
    fn name(&self) -> Vec<u8>;
}

/// Memory that several address spaces share without a file.
pub struct SharedMemory {
    machine: Machine,
    len: u64,
    identity: (u64, u64),
    name: Vec<u8>,
    frames: Mutex<BTreeMap<u64, Frame>>,
}

impl SharedMemory {
    /// `len` bytes of zeros.
    pub fn new(machine: &Machine, len: u64, identity: (u64, u64), name: &[u8]) -> Arc<Self> {
        Arc::new(Self {
            machine: machine.clone(),
            len,
            identity,
            name: name.to_vec(),
            frames: Mutex::ranked(super::SHARED_FRAMES, BTreeMap::new()),
        })
    }
}

impl Backing for SharedMemory {
    fn page(&self, index: u64) -> Result<Frame> {
        if index >= self.len.div_ceil(PAGE_SIZE as u64) {
            return Err(Errno::EFAULT);
        }
        let mut frames = self.frames.lock();
        if let Some(frame) = frames.get(&index) {
            return Ok(frame.clone());
        }
        let frame = self.machine.frame().or_errno()?;
        frames.insert(index, frame.clone());
        Ok(frame)
    }

    fn page_at_hand(&self, index: u64) -> Option<Frame> {
        self.frames.try_lock()?.get(&index).cloned()
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn note_write(&self, _index: u64) {}

    fn is_plain(&self) -> bool {
        true
    }

    fn punch(&self, offset: u64, len: u64) -> Result<()> {
        let (first, last) = (offset / PAGE_SIZE as u64, offset.saturating_add(len).div_ceil(PAGE_SIZE as u64));
        let mut frames = self.frames.lock();
        for (_, frame) in frames.range_mut(first..last) {
            frame.fill(0..PAGE_SIZE, 0);
        }
        Ok(())
    }

    fn identity(&self) -> (u64, u64) {
        self.identity
    }

    fn name(&self) -> Vec<u8> {
        self.name.clone()
    }
}
