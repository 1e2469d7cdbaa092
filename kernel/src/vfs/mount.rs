//! Which file system is seen where.

use alloc::sync::Arc;
use alloc::vec::Vec;

use kernel_abi::flags::{ST_NOATIME, ST_NODEV, ST_NODIRATIME, ST_NOEXEC, ST_NOSUID, ST_NOSYMFOLLOW, ST_RDONLY};
use ostd::sync::atomic::AtomicBool;
use ostd::sync::{Mutex, SpinLock};

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
    /// What `/proc/mounts` shows first.
    pub source: Vec<u8>,
    use_of: SpinLock<Use>,
    /// Whether its file system is not written by any of its mounts.
    is_read_only: Arc<AtomicBool>,
}

/// How a mount may be used, and is.
#[derive(Clone, Copy)]
struct Use {
    /// `ST_*` of statfs(2).
    flags: u32,
    /// Open files that may write.
    writers: usize,
    /// Whether it is shown elsewhere when asked to be.
    may_be_bound: bool,
    /// Asked to expire, and not used since.
    expires: bool,
}

/// What a change of a mount is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// This mount alone.
    Mount,
    /// All mounts of the file system, as far as it is about writing.
    FileSystem,
}

/// A mount's word that it stays writable.
pub(super) struct Writer(Arc<Mount>);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.use_of.lock().writers -= 1;
    }
}

impl Drop for Mount {
    /// One after the other, as places do: each mount may be the last that uses the one it is in.
    fn drop(&mut self) {
        let mut at = self.at.take();
        while let Some(Path { mount, inode, found }) = at {
            drop((inode, found));
            at = Arc::into_inner(mount).and_then(|mut mount| mount.at.take());
        }
    }
}

impl Mount {
    fn new(
        id: u64,
        fs: Arc<dyn FileSystem>,
        root: Arc<dyn Inode>,
        at: Option<Path>,
        flags: u32,
        source: &[u8],
    ) -> Self {
        let use_of = SpinLock::new(Use { flags, writers: 0, may_be_bound: true, expires: false });
        Self { id, fs, root, at, source: source.to_vec(), use_of, is_read_only: Arc::new(AtomicBool::new(false)) }
    }

    /// A file system that no path leads to.
    pub fn nowhere(fs: Arc<dyn FileSystem>, source: &[u8]) -> Arc<Self> {
        let root = fs.root();
        Arc::new(Self::new(0, fs, root, None, 0, source))
    }

    /// `ST_*` of statfs(2).
    pub fn flags(&self) -> u32 {
        let flags = self.use_of.lock().flags;
        if self.is_read_only.load() { flags | ST_RDONLY } else { flags }
    }

    /// EROFS where nothing may be written.
    pub fn permit_write(&self) -> Result<()> {
        if self.flags() & ST_RDONLY != 0 { Err(Errno::EROFS) } else { Ok(()) }
    }

    /// EROFS, or its word that it will be writable as long as the answer is kept.
    pub(super) fn begin_write(self: &Arc<Self>) -> Result<Writer> {
        self.use_of.lock().writers += 1;
        let writer = Writer(Arc::clone(self));
        self.permit_write()?;
        Ok(writer)
    }

    /// Whether files here can be executed.
    pub(crate) fn has_programs(&self) -> bool {
        self.flags() & ST_NOEXEC == 0
    }

    /// Whether programs here lend users and groups.
    pub(crate) fn lends_users(&self) -> bool {
        self.flags() & ST_NOSUID == 0
    }

    /// Whether device nodes here are devices.
    pub(crate) fn has_devices(&self) -> bool {
        self.flags() & ST_NODEV == 0
    }

    /// Whether links here lead anywhere.
    pub(super) fn has_links(&self) -> bool {
        self.flags() & ST_NOSYMFOLLOW == 0
    }

    /// Whether it is kept when files of a kind were read.
    pub(super) fn keeps_access_times(&self, kind: FileKind) -> bool {
        let flags = self.flags();
        flags & ST_NOATIME == 0 && (flags & ST_NODIRATIME == 0 || kind != FileKind::Directory)
    }

    /// Says whether it may be shown elsewhere.
    pub fn set_may_be_bound(&self, may: bool) {
        self.use_of.lock().may_be_bound = may;
    }

    /// Somebody came by: it does not expire yet.
    pub(super) fn note_use(&self) {
        self.use_of.lock().expires = false;
    }

    /// MNT_EXPIRE: whether it was asked before, and not used since.
    pub fn expires(&self) -> bool {
        core::mem::replace(&mut self.use_of.lock().expires, true)
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
    /// With `fs` as the root, and room for `open_files`.
    pub fn new(fs: Arc<dyn FileSystem>, source: &[u8], open_files: Arc<Quota>) -> Arc<Self> {
        let root = fs.root();
        let first = Mount::new(1, fs, root, None, 0, source);
        Arc::new(Self {
            mounts: Mutex::ranked(super::MOUNTS, Vec::from([Arc::new(first)])),
            next_id: Mutex::ranked(super::LAST, 2),
            devices: Mutex::ranked(super::LAST, None),
            renames: Mutex::ranked(super::RENAMES, ()),
            open_files,
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
        self.add(Mount::new(0, fs, root, None, flags, source), at)
    }

    /// Shows what is at `from` at `at` too; EINVAL of a mount that is to be where it is.
    pub fn bind(&self, from: &Path, at: &Path) -> Result<Arc<Mount>> {
        if !from.mount.use_of.lock().may_be_bound {
            return Err(Errno::EINVAL);
        }
        self.add(Self::another(&from.mount, &from.inode), at)
    }

    /// As [`bind`](Self::bind), with what is mounted below `from`.
    pub fn bind_all(&self, from: &Path, at: &Path) -> Result<()> {
        let before = self.list();
        let mut seen = Vec::from([(from.mount.id, self.bind(from, at)?)]);
        for mount in before {
            let Some(place) = &mount.at else { continue };
            let Some((_, shown)) = seen.iter().find(|(id, _)| *id == place.mount.id) else { continue };
            let is_below = place.mount.id != from.mount.id || place.is_at_or_below(from);
            if !is_below || !mount.use_of.lock().may_be_bound {
                continue;
            }
            let place = place.seen_in(shown);
            let id = mount.id;
            seen.push((id, self.add(Self::another(&mount, &mount.root), &place)?));
        }
        Ok(())
    }

    /// A mount of the same file system that begins at `root`.
    fn another(mount: &Arc<Mount>, root: &Arc<dyn Inode>) -> Mount {
        let flags = mount.use_of.lock().flags;
        let mut another = Mount::new(0, Arc::clone(&mount.fs), Arc::clone(root), None, flags, &mount.source);
        another.is_read_only = Arc::clone(&mount.is_read_only);
        another
    }

    /// MS_REMOUNT: EBUSY where nothing is to be written any more and somebody may.
    pub fn remount(&self, mount: &Arc<Mount>, flags: u32, extent: Extent) -> Result<()> {
        let forbids = flags & ST_RDONLY != 0;
        let was_read_only = mount.is_read_only.load();
        let before = core::mem::replace(&mut mount.use_of.lock().flags, flags);
        let is_written = if extent == Extent::FileSystem {
            // Nobody begins to write from here on.
            mount.is_read_only.store(forbids);
            self.list().iter().any(|other| Arc::ptr_eq(&other.fs, &mount.fs) && other.use_of.lock().writers > 0)
        } else {
            mount.use_of.lock().writers > 0
        };
        if forbids && is_written {
            mount.use_of.lock().flags = before;
            mount.is_read_only.store(was_read_only);
            return Err(Errno::EBUSY);
        }
        Ok(())
    }

    fn add(&self, mut mount: Mount, at: &Path) -> Result<Arc<Mount>> {
        let root = &mount.root;
        if (root.kind() == FileKind::Directory) != (at.inode.kind() == FileKind::Directory) {
            return Err(Errno::ENOTDIR);
        }
        let id = {
            let mut next = self.next_id.lock();
            *next += 1;
            *next - 1
        };
        let at = self.covered(at.clone());
        (mount.id, mount.at) = (id, Some(at));
        let mount = Arc::new(mount);
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

    /// Whether something is mounted on a file of `mount`.
    pub(super) fn is_covered(&self, mount: &Mount, inode: &dyn Inode) -> bool {
        self.over(mount, inode).is_some()
    }

    /// What is seen at a place: the top of what is mounted there, or the place.
    pub fn covered(&self, mut place: Path) -> Path {
        while let Some(mount) = self.over(&place.mount, &*place.inode) {
            place = Path::root_of(&mount);
        }
        place
    }

    fn over(&self, below: &Mount, inode: &dyn Inode) -> Option<Arc<Mount>> {
        let mounts = self.mounts.lock();
        if mounts.len() == 1 {
            return None;
        }
        let identity = inode.identity();
        let covers = |mount: &&Arc<Mount>| {
            mount.at.as_ref().is_some_and(|at| at.mount.id == below.id && at.inode.identity() == identity)
        };
        mounts.iter().rev().find(covers).cloned()
    }

    /// All mounts, oldest first.
    pub fn list(&self) -> Vec<Arc<Mount>> {
        self.mounts.lock().clone()
    }
}
