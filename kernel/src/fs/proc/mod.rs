//! `/proc`: what the kernel tells about itself and its processes, as text made when a file is opened.
//!
//! - [`ProcFs`]: the file system; it knows the processes without keeping them.
//! - `node`: which names there are and what they lead to.
//! - `process`: the files of one process. `system`: the others.
//!
//! No lock is held while text is made, beyond those of the rooms that are asked.

mod node;
mod process;
mod system;

use alloc::sync::{Arc, Weak};

use ostd::Machine;
use ostd::task::Task;

use crate::error::{Errno, Result};
use crate::process::{Processes, Thread};
use crate::vfs::{FileSystem, Inode, MountTable, SystemAttributes};

use node::{Node, What};

/// Linux's magic number of procfs.
const PROC_SUPER_MAGIC: u32 = 0x9fa0;

/// The file system.
pub struct ProcFs(Arc<World>);

/// What text is made of.
struct World {
    machine: Machine,
    processes: Weak<Processes>,
    mounts: Weak<MountTable>,
    dev: u64,
    release: &'static str,
    boot_id: [u8; 16],
}

impl World {
    fn processes(&self) -> Result<Arc<Processes>> {
        self.processes.upgrade().ok_or(Errno::ESRCH)
    }

    fn mounts(&self) -> Result<Arc<MountTable>> {
        self.mounts.upgrade().ok_or(Errno::ENOENT)
    }

    /// The thread that asks.
    fn asker(&self) -> Result<Arc<Thread>> {
        let task = Task::current().ok_or(Errno::ENOENT)?;
        task.data::<Weak<Thread>>().and_then(Weak::upgrade).ok_or(Errno::ENOENT)
    }
}

impl ProcFs {
    /// Over `processes`, seeing `mounts`, telling `release` as Linux's. `dev` is the device number stat(2) shows.
    pub fn new(
        machine: &Machine,
        processes: &Arc<Processes>,
        mounts: &Arc<MountTable>,
        dev: u64,
        release: &'static str,
    ) -> Arc<Self> {
        let mut boot_id = [0; 16];
        machine.entropy(&mut boot_id);
        let world = World {
            machine: machine.clone(),
            processes: Arc::downgrade(processes),
            mounts: Arc::downgrade(mounts),
            dev,
            release,
            boot_id,
        };
        Arc::new(Self(Arc::new(world)))
    }
}

impl FileSystem for ProcFs {
    fn name(&self) -> &'static str {
        "proc"
    }

    fn root(&self) -> Arc<dyn Inode> {
        Arc::new(Node::new(&self.0, What::Root))
    }

    fn attributes(&self) -> SystemAttributes {
        SystemAttributes { magic: PROC_SUPER_MAGIC, blocks: 0, free: 0, files: 0, files_free: 0 }
    }
}
