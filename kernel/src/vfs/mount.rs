//! Which file system is seen where.

use alloc::sync::Arc;
use alloc::vec::Vec;

use kernel_abi::flags::{ST_NODEV, ST_NOEXEC, ST_NOSUID, ST_RDONLY};
use ostd::sync::Mutex;

use super::attributes::FileKind;
use super::inode::{Devices, FileSystem, Inode};
use super::path::Path;
use super::quota::{Quota, Share};
use crate::error::{Errno, Result};

/// Mounts at most, as fs.mount-max.
const MOUNTS_MAX: usize = 10_000;

/// A file system at a place.
pub struct Mount {
    /// Its number in `/proc/self/mountinfo`.
    pub id: u64,
    /// What is mounted.
    pub fs: Arc<dyn FileSystem>,
    /// Its top: the file system's, or another inode of it.
    pub root: Arc<dyn Inode>,
    /// The directory it covers; the first mount covers none.
    pub at: Option<Path>,
    /// `ST_*` of statfs(2).
    pub flags: u32,
    /// What `/proc/mounts` shows first.
    pub source: Vec<u8>,
}

impl Mount {
    /// EROFS where nothing may be written.
    pub fn permit_write(&self) -> Result<()> {
        if self.flags & ST_RDONLY != 0 { Err(Errno::EROFS) } else { Ok(()) }
    }

    /// Whether files here can be executed.
    pub(crate) fn has_programs(&self) -> bool {
        self.flags & ST_NOEXEC == 0
    }

    /// Whether programs here lend users and groups.
    pub(crate) fn lends_users(&self) -> bool {
        self.flags & ST_NOSUID == 0
    }

    /// Whether device nodes here are devices.
    pub(crate) fn has_devices(&self) -> bool {
        self.flags & ST_NODEV == 0
    }
}

/// All mounts of a machine, who opens devices, and how many files are open.
pub struct MountTable {
    mounts: Mutex<Vec<Arc<Mount>>>,
    next_id: Mutex<u64>,
    devices: Mutex<Option<Arc<dyn Devices>>>,
    /// Held by who moves a name, from the look at what is above what to the move itself.
    renames: Mutex<()>,
    open_files: Arc<Quota>,
}

impl MountTable {
    /// With `fs` as the root, and at most `open_files_max` open files.
    pub fn new(fs: Arc<dyn FileSystem>, source: &[u8], open_files_max: u64) -> Arc<Self> {
        let root = fs.root();
        let first = Mount { id: 1, fs, root, at: None, flags: 0, source: source.to_vec() };
        Arc::new(Self {
            mounts: Mutex::ranked(super::MOUNTS, Vec::from([Arc::new(first)])),
            next_id: Mutex::ranked(super::LAST, 2),
            devices: Mutex::ranked(super::LAST, None),
            renames: Mutex::ranked(super::RENAMES, ()),
            open_files: Quota::new(open_files_max),
        })
    }

    /// What renames take turns by.
    pub(super) fn renames(&self) -> &Mutex<()> {
        &self.renames
    }

    /// How many files are open on the machine, and may be (`fs.file-max`).
    pub fn open_files(&self) -> &Quota {
        &self.open_files
    }

    /// Room for one more open file, or ENFILE. Linux lets the superuser go on; here most programs are hers, and the heap
    /// is nobody's.
    pub fn admit(&self) -> Result<Share> {
        self.open_files.take().ok_or(Errno::ENFILE)
    }

    /// Says who opens devices and FIFOs.
    pub fn set_devices(&self, devices: Arc<dyn Devices>) {
        *self.devices.lock() = Some(devices);
    }

    /// Who opens devices and FIFOs; ENXIO before anybody does.
    pub fn devices(&self) -> Result<Arc<dyn Devices>> {
        self.devices.lock().clone().ok_or(Errno::ENXIO)
    }

    /// The top of the machine's tree.
    pub fn root(&self) -> Path {
        let first = self.mounts.lock().first().cloned().expect("the first mount is never removed");
        self.covered(Path::root_of(&first))
    }

    /// Mounts `fs` over the directory `at`, with `ST_*` flags.
    pub fn mount(&self, fs: Arc<dyn FileSystem>, at: &Path, flags: u32, source: &[u8]) -> Result<Arc<Mount>> {
        let root = fs.root();
        self.add(fs, root, at, flags, source)
    }

    /// Shows what is at `from` at `at` too.
    pub fn bind(&self, from: &Path, at: &Path, flags: u32) -> Result<Arc<Mount>> {
        let source = from.mount.source.clone();
        self.add(Arc::clone(&from.mount.fs), Arc::clone(&from.inode), at, flags, &source)
    }

    fn add(
        &self,
        fs: Arc<dyn FileSystem>,
        root: Arc<dyn Inode>,
        at: &Path,
        flags: u32,
        source: &[u8],
    ) -> Result<Arc<Mount>> {
        if (root.kind() == FileKind::Directory) != (at.inode.kind() == FileKind::Directory) {
            return Err(Errno::ENOTDIR);
        }
        let id = {
            let mut next = self.next_id.lock();
            *next += 1;
            *next - 1
        };
        let at = self.covered(at.clone());
        let mount = Arc::new(Mount { id, fs, root, at: Some(at), flags, source: source.to_vec() });
        let mut mounts = self.mounts.lock();
        if mounts.len() >= MOUNTS_MAX {
            return Err(Errno::ENOSPC);
        }
        mounts.push(Arc::clone(&mount));
        Ok(mount)
    }

    /// Removes the mount whose top is `at` (EINVAL), unless another is on it (EBUSY).
    pub fn unmount(&self, at: &Path) -> Result<()> {
        if !at.is_mount_root() || at.mount.at.is_none() {
            return Err(Errno::EINVAL);
        }
        let mut mounts = self.mounts.lock();
        let is_below = |mount: &Arc<Mount>| mount.at.as_ref().is_some_and(|below| below.mount.id == at.mount.id);
        if mounts.iter().any(is_below) {
            return Err(Errno::EBUSY);
        }
        let place = mounts.iter().position(|mount| mount.id == at.mount.id).ok_or(Errno::EINVAL)?;
        let removed = mounts.remove(place);
        drop(mounts);
        drop(removed);
        Ok(())
    }

    /// Whether something is mounted on this place.
    pub fn is_covered(&self, place: &Path) -> bool {
        self.over(place).is_some()
    }

    /// What is seen at a place: the top of what is mounted there, or the place.
    pub fn covered(&self, mut place: Path) -> Path {
        while let Some(mount) = self.over(&place) {
            place = Path::root_of(&mount);
        }
        place
    }

    fn over(&self, place: &Path) -> Option<Arc<Mount>> {
        let mounts = self.mounts.lock();
        if mounts.len() == 1 {
            return None;
        }
        let identity = place.inode.identity();
        let covers = |mount: &&Arc<Mount>| {
            mount.at.as_ref().is_some_and(|at| at.mount.id == place.mount.id && at.inode.identity() == identity)
        };
        mounts.iter().rev().find(covers).cloned()
    }

    /// All mounts, oldest first.
    pub fn list(&self) -> Vec<Arc<Mount>> {
        self.mounts.lock().clone()
    }
}
