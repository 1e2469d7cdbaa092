//! `/dev`: which nodes there are, and what opens them.

mod disk;
mod memory;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd::Machine;
use ostd::sync::Mutex;

use crate::abi::flags::OpenFlags;
use crate::abi::structs::device_number;
use crate::driver::Disk;
use crate::error::{Errno, Result};
use crate::vfs::{Devices, File, FileKind, Inode, Make, New};

use disk::DiskFile;
use memory::{MemoryDevice, What};

/// Opens a device; what it is given are the flags of open(2).
pub type Opener = Box<dyn Fn(OpenFlags) -> Result<Arc<dyn File>> + Send + Sync>;

/// Opens FIFOs, by their node.
pub type FifoOpener = Box<dyn Fn(&Arc<dyn Inode>, OpenFlags) -> Result<Arc<dyn File>> + Send + Sync>;

/// `/dev/tty`: the terminal of whoever opens it.
pub const TTY: (u32, u32) = (5, 0);
/// `/dev/console`.
pub const CONSOLE: (u32, u32) = (5, 1);

/// Character devices by name, major and minor number, and permissions.
const NODES: &[(&[u8], (u32, u32), u32)] = &[
    (b"null", (1, 3), 0o666),
    (b"zero", (1, 5), 0o666),
    (b"full", (1, 7), 0o666),
    (b"random", (1, 8), 0o666),
    (b"urandom", (1, 9), 0o666),
    (b"tty", TTY, 0o666),
    (b"console", CONSOLE, 0o600),
];

/// Links to what `/proc` knows better.
const LINKS: &[(&[u8], &[u8])] = &[
    (b"fd", b"/proc/self/fd"),
    (b"stdin", b"/proc/self/fd/0"),
    (b"stdout", b"/proc/self/fd/1"),
    (b"stderr", b"/proc/self/fd/2"),
];

/// The devices there are, by number.
pub struct DeviceTable {
    machine: Machine,
    chars: Mutex<BTreeMap<u64, Arc<Opener>>>,
    blocks: Mutex<BTreeMap<u64, Arc<Opener>>>,
    fifos: FifoOpener,
}

impl DeviceTable {
    /// The devices that need nobody else: null, zero, full, random, urandom. FIFOs are opened by `fifos`.
    pub fn new(machine: &Machine, fifos: FifoOpener) -> Self {
        Self { machine: machine.clone(), chars: Mutex::default(), blocks: Mutex::default(), fifos }
    }

    /// Adds a character device.
    pub fn add(&self, (major, minor): (u32, u32), opener: Opener) {
        self.chars.lock().insert(device_number(major, minor), Arc::new(opener));
    }

    /// Adds a block device.
    pub fn add_block(&self, (major, minor): (u32, u32), opener: Opener) {
        self.blocks.lock().insert(device_number(major, minor), Arc::new(opener));
    }
}

impl Devices for DeviceTable {
    fn open_device(&self, kind: FileKind, rdev: u64, flags: OpenFlags) -> Result<Arc<dyn File>> {
        let is_block = kind == FileKind::Block;
        let openers = if is_block { &self.blocks } else { &self.chars };
        let opener = openers.lock().get(&rdev).cloned();
        if let Some(opener) = opener {
            return opener(flags);
        }
        if is_block {
            return Err(Errno::ENXIO);
        }
        let (major, minor) = crate::abi::structs::device_parts(rdev);
        let what = What::of((major, minor)).ok_or(Errno::ENXIO)?;
        Ok(Arc::new(MemoryDevice::new(&self.machine, what)))
    }

    fn open_fifo(&self, node: &Arc<dyn Inode>, flags: OpenFlags) -> Result<Arc<dyn File>> {
        (self.fifos)(node, flags)
    }
}

/// A device that not every machine has.
pub struct Node {
    /// Its name in `/dev`.
    pub name: Vec<u8>,
    /// Character or block device.
    pub kind: FileKind,
    /// Major and minor number.
    pub number: (u32, u32),
    /// Permissions.
    pub mode: u32,
}

/// A disk as an open file.
pub fn open_disk(disk: &Arc<Disk>, number: (u32, u32)) -> Arc<dyn File> {
    Arc::new(DiskFile::new(disk, number))
}

/// Makes the nodes of `/dev` in `dir`, an empty directory, `more` among them. A node that exists stays.
pub fn populate(dir: &Arc<dyn Inode>, more: &[Node]) -> Result<()> {
    let make = |name: &[u8], new: New<'_>, mode: u32| match dir.create(name, &Make { new, mode, uid: 0, gid: 0 }) {
        Ok(_) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno),
    };
    for &(name, (major, minor), mode) in NODES {
        make(name, New::Special(FileKind::Char, device_number(major, minor)), mode)?;
    }
    for Node { name, kind, number: (major, minor), mode } in more {
        make(name, New::Special(*kind, device_number(*major, *minor)), *mode)?;
    }
    for &(name, target) in LINKS {
        make(name, New::Symlink(target), 0o777)?;
    }
    make(b"shm", New::Directory, 0o1777)?;
    make(b"pts", New::Directory, 0o755)
}
