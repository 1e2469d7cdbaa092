//! Which pipe a FIFO's node stands for.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};

use ostd::Machine;
use ostd::sync::Mutex;

use super::pipe::{Direction, Pipe};
use crate::abi::flags::OpenFlags;
use crate::error::{Errno, Result};
use crate::vfs::{Block, File, Inode};

/// The FIFOs that somebody has open, by device and inode.
pub struct Fifos {
    machine: Machine,
    open: Mutex<BTreeMap<(u64, u64), Weak<Pipe>>>,
}

impl Fifos {
    /// None yet.
    pub fn new(machine: &Machine) -> Self {
        Self { machine: machine.clone(), open: Mutex::new(BTreeMap::new()) }
    }

    /// Opens the FIFO that `node` is; waits for the other side as fifo(7) says.
    pub fn open(&self, node: &Arc<dyn Inode>, flags: OpenFlags) -> Result<Arc<dyn File>> {
        let direction = match flags.intersection(OpenFlags::O_ACCMODE) {
            OpenFlags::O_RDWR => Direction::Both,
            OpenFlags::O_WRONLY => Direction::Write,
            mode if mode.is_empty() => Direction::Read,
            _ => return Err(Errno::EINVAL),
        };
        let how = if flags.contains(OpenFlags::O_NONBLOCK) { Block::Never } else { Block::Wait };
        let pipe = self.pipe(node.identity());
        Ok(pipe.open(direction, how, node.attributes()?)?)
    }

    fn pipe(&self, identity: (u64, u64)) -> Arc<Pipe> {
        let mut open = self.open.lock();
        if let Some(pipe) = open.get(&identity).and_then(Weak::upgrade) {
            return pipe;
        }
        open.retain(|_, pipe| pipe.strong_count() > 0);
        let pipe = Pipe::new(&self.machine);
        open.insert(identity, Arc::downgrade(&pipe));
        pipe
    }
}
