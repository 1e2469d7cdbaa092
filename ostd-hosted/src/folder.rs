//! `HostFolder`: a directory of the host as a machine's shared folder.
//!
//! The walk goes component by component and follows nothing, so no name leads out of the root: `..` is refused, and a
//! symbolic link is only ever read. Only regular files and directories are opened; FIFOs, sockets and devices are
//! shown by their attributes, for opening one may block or do something.
//!
//! A node is a parent, a name and an identity (device, inode, type), not a descriptor: at most [`OPEN_MAX`](nodes::OPEN_MAX) descriptors
//! are kept, the least recently used goes first, and a node without one is found again by its names. If another file
//! has its name by then, the answer is ESTALE. So a file that is removed or renamed on the host while the machine uses
//! it may be lost to the machine, but never mistaken for another and never a panic.
//!
//! What the host's kernel shows of itself (its `/proc`, `/sys` and the like, wherever they are mounted below the root)
//! is an empty directory here.
//!
//! Lookups are counted: the same name gives the same node as long as it is the same file, and the node goes when it was
//! forgotten as often as it was looked up.
//!
//! Locks: one, [`Nodes`], never held across a call to the host.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::{AT_FDCWD, AtFlags, FallocateFlags, OFlag, fallocate, open, renameat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{UnlinkatFlags, linkat, symlinkat, unlinkat};
use ostd_hal::device::{FolderAttributes, FolderEntry, FolderError, FolderNode, SharedFolder};
use parking_lot::Mutex;

mod host;
mod nodes;

use host::{Failure, Result};
use nodes::{Access, Identity, Nodes, Open};

/// Whether the machine may change the host's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writable {
    /// Every change is EROFS, and reading leaves access times alone where the host permits.
    No,
    /// As the user who runs the machine may.
    Yes,
}

/// A directory of the host and what is below it. See the module.
pub struct HostFolder {
    nodes: Mutex<Nodes>,
    writable: Writable,
}

impl HostFolder {
    /// The folder at `path`, which may itself be a symbolic link to a directory.
    pub fn open(path: impl AsRef<Path>, writable: Writable) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = Arc::new(File::from(open(path.as_ref(), flags, Mode::empty())?));
        let identity = Identity::of(&fstat(&root)?);
        Ok(Self { nodes: Mutex::new(Nodes::new(root, identity)), writable })
    }

    /// A descriptor of a directory to walk from; only its path is open, not its contents.
    fn directory(&self, dir: FolderNode) -> Result<Arc<File>> {
        let (mut fd, missing) = {
            let mut nodes = self.nodes.lock();
            if !nodes.identity(dir)?.is_directory() {
                return Err(Failure(libc::ENOTDIR));
            }
            nodes.nearest_open(dir)?
        };
        for step in missing {
            let opened = Arc::new(host::open_path(&fd, &step.name, OFlag::O_DIRECTORY)?);
            step.identity.check(&fstat(&opened)?)?;
            fd = opened;
            self.keep(step.node, Open { fd: fd.clone(), access: Access::Path });
        }
        Ok(fd)
    }

    /// Whether a directory, open as `fd`, is one of the host's kernel's own.
    fn is_kernels(&self, dir: FolderNode, fd: &File) -> Result<bool> {
        let dev = self.nodes.lock().identity(dir)?.dev();
        if let Some(known) = self.nodes.lock().is_kernels(dev) {
            return Ok(known);
        }
        let is_kernels = host::is_kernels(fd)?;
        self.nodes.lock().note_device(dev, is_kernels);
        Ok(is_kernels)
    }

    /// A descriptor of a file of any kind, its path alone open, for one call.
    fn path(&self, node: FolderNode) -> Result<Arc<File>> {
        if self.nodes.lock().identity(node)?.is_directory() {
            return self.directory(node);
        }
        let place = self.nodes.lock().place(node)?;
        let fd = host::open_path(&*self.directory(place.parent)?, &place.name, OFlag::empty())?;
        place.identity.check(&fstat(&fd)?)?;
        Ok(Arc::new(fd))
    }

    /// An open regular file.
    fn file(&self, node: FolderNode, access: Access) -> Result<Arc<File>> {
        {
            let mut nodes = self.nodes.lock();
            nodes.identity(node)?.check_is_file()?;
            if let Some(fd) = nodes.open(node, access) {
                return Ok(fd);
            }
        }
        let path = self.path(node)?;
        let (opened, access) = match (access, self.writable) {
            (Access::Write, _) => match host::reopen(&path, OFlag::O_RDWR) {
                Err(Failure(libc::EACCES)) => (host::reopen(&path, OFlag::O_WRONLY)?, Access::Write),
                opened => (opened?, Access::Both),
            },
            (_, Writable::No) => (host::reopen_quietly(&path)?, Access::Read),
            (_, Writable::Yes) => (host::reopen(&path, OFlag::O_RDONLY)?, Access::Read),
        };
        let fd = Arc::new(opened);
        self.keep(node, Open { fd: fd.clone(), access });
        Ok(fd)
    }

    fn keep(&self, node: FolderNode, open: Open) {
        // Closing may wait for a distant host: not under the lock.
        let evicted = self.nodes.lock().keep(node, open);
        drop(evicted);
    }

    /// The node that a lookup of a name answers, given what the host says of it.
    fn found(&self, dir: FolderNode, name: &[u8], stat: &libc::stat) -> Result<(FolderNode, FolderAttributes)> {
        let node = self.nodes.lock().look_up(dir, name, Identity::of(stat))?;
        Ok((node, host::attributes(stat)))
    }

    /// The directory to change, if changing is allowed and the name is one.
    fn to_change(&self, dir: FolderNode, name: &[u8]) -> Result<Arc<File>> {
        self.check_writable()?;
        host::check_name(name)?;
        self.directory(dir)
    }

    fn check_writable(&self) -> Result<()> {
        if self.writable == Writable::Yes { Ok(()) } else { Err(Failure(libc::EROFS)) }
    }

    fn make(&self, dir: FolderNode, name: &[u8], mode: u32) -> Result<(FolderNode, FolderAttributes)> {
        let parent = self.to_change(dir, name)?;
        let permissions = Mode::from_bits_truncate(mode & 0o7777);
        let (fd, access) = match mode & libc::S_IFMT {
            libc::S_IFREG => (host::create_file(&parent, name)?, Access::Both),
            libc::S_IFDIR => (host::create_directory(&parent, name)?, Access::Path),
            // Nobody here opens these; they are names for the guest's own.
            libc::S_IFIFO | libc::S_IFSOCK => (host::create_name(&parent, name, mode)?, Access::Path),
            _ => return Err(Failure(libc::EPERM)),
        };
        // Whatever this process's umask took away.
        host::set_mode(&fd, permissions)?;
        let stat = fstat(&fd)?;
        let found = self.found(dir, name, &stat)?;
        self.keep(found.0, Open { fd: Arc::new(fd), access });
        Ok(found)
    }

    fn move_name(&self, from: FolderNode, name: &[u8], to: FolderNode, new: &[u8]) -> Result<()> {
        let (source, target) = (self.to_change(from, name)?, self.to_change(to, new)?);
        self.hold(to, new);
        renameat(&source, name, &target, new)?;
        let gone = self.nodes.lock().rename(from, name, to, new);
        drop(gone);
        Ok(())
    }

    /// Opens a file that is about to lose its name, so that whoever uses it can go on (while the descriptor is kept).
    fn hold(&self, dir: FolderNode, name: &[u8]) {
        let node = self.nodes.lock().find(dir, name);
        if let Some(node) = node {
            // Unreadable, or no file: then there is nothing to go on with.
            let _ = self.file(node, Access::Read);
        }
    }
}

impl SharedFolder for HostFolder {
    fn root(&self) -> FolderNode {
        nodes::ROOT
    }

    fn lookup(&self, dir: FolderNode, name: &[u8]) -> Result<(FolderNode, FolderAttributes), FolderError> {
        host::check_name(name)?;
        let above = self.directory(dir)?;
        if self.is_kernels(dir, &above)? {
            return Err(FolderError(libc::ENOENT));
        }
        let stat = host::stat_at(&above, name)?;
        Ok(self.found(dir, name, &stat)?)
    }

    fn attributes(&self, node: FolderNode) -> Result<FolderAttributes, FolderError> {
        let (open, place) = {
            let mut nodes = self.nodes.lock();
            (nodes.open(node, Access::Path), nodes.place(node)?)
        };
        let stat = match open {
            Some(fd) => fstat(&fd).map_err(Failure::from)?,
            None => host::stat_at(&*self.directory(place.parent)?, &place.name)?,
        };
        place.identity.check(&stat)?;
        Ok(host::attributes(&stat))
    }

    fn read(&self, node: FolderNode, offset: u64, into: &mut [u8]) -> Result<usize, FolderError> {
        let file = self.file(node, Access::Read)?;
        host::all_of(into.len(), |done| file.read_at(&mut into[done..], offset.saturating_add(done as u64)))
    }

    fn entries(&self, dir: FolderNode) -> Result<Vec<FolderEntry>, FolderError> {
        let path = self.directory(dir)?;
        if self.is_kernels(dir, &path)? {
            return Ok(Vec::new());
        }
        let opened = match self.writable {
            Writable::No => host::reopen_quietly(&path)?,
            Writable::Yes => host::reopen(&path, OFlag::O_RDONLY)?,
        };
        Ok(host::entries(opened)?)
    }

    fn link_target(&self, node: FolderNode) -> Result<Vec<u8>, FolderError> {
        Ok(host::link_target(&*self.path(node)?)?)
    }

    fn forget(&self, node: FolderNode) {
        let gone = self.nodes.lock().forget(node);
        drop(gone);
    }

    fn held(&self) -> usize {
        self.nodes.lock().held()
    }

    fn is_writable(&self) -> bool {
        self.writable == Writable::Yes
    }

    fn write(&self, node: FolderNode, offset: u64, from: &[u8]) -> Result<usize, FolderError> {
        self.check_writable()?;
        let file = self.file(node, Access::Write)?;
        host::all_of(from.len(), |done| file.write_at(&from[done..], offset.saturating_add(done as u64)))
    }

    fn truncate(&self, node: FolderNode, size: u64) -> Result<(), FolderError> {
        self.check_writable()?;
        let file = self.file(node, Access::Write)?;
        Ok(file.set_len(size).map_err(Failure::from)?)
    }

    fn punch(&self, node: FolderNode, offset: u64, len: u64) -> Result<(), FolderError> {
        self.check_writable()?;
        let file = self.file(node, Access::Write)?;
        let (Ok(offset), Ok(len)) = (offset.try_into(), len.try_into()) else { return Err(FolderError(libc::EFBIG)) };
        let how = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        Ok(fallocate(&*file, how, offset, len).map_err(Failure::from)?)
    }

    fn create(&self, dir: FolderNode, name: &[u8], mode: u32) -> Result<(FolderNode, FolderAttributes), FolderError> {
        Ok(self.make(dir, name, mode)?)
    }

    fn symlink(
        &self,
        dir: FolderNode,
        name: &[u8],
        target: &[u8],
    ) -> Result<(FolderNode, FolderAttributes), FolderError> {
        let parent = self.to_change(dir, name)?;
        symlinkat(target, &parent, name).map_err(Failure::from)?;
        let stat = host::stat_at(&parent, name)?;
        Ok(self.found(dir, name, &stat)?)
    }

    fn link(&self, node: FolderNode, dir: FolderNode, name: &[u8]) -> Result<(), FolderError> {
        let parent = self.to_change(dir, name)?;
        let file = self.path(node)?;
        let linked = linkat(AT_FDCWD, host::proc_path(&file).as_str(), &parent, name, AtFlags::AT_SYMLINK_FOLLOW);
        Ok(linked.map_err(Failure::from)?)
    }

    fn remove(&self, dir: FolderNode, name: &[u8], directory: bool) -> Result<(), FolderError> {
        let parent = self.to_change(dir, name)?;
        self.hold(dir, name);
        let how = if directory { UnlinkatFlags::RemoveDir } else { UnlinkatFlags::NoRemoveDir };
        unlinkat(&parent, name, how).map_err(Failure::from)?;
        self.nodes.lock().detach(dir, name);
        Ok(())
    }

    fn rename(&self, from: FolderNode, name: &[u8], to: FolderNode, new: &[u8]) -> Result<(), FolderError> {
        Ok(self.move_name(from, name, to, new)?)
    }

    fn set_mode(&self, node: FolderNode, mode: u32) -> Result<(), FolderError> {
        self.check_writable()?;
        if self.nodes.lock().identity(node)?.is_link() {
            return Err(FolderError(libc::EOPNOTSUPP));
        }
        Ok(host::set_mode(&*self.path(node)?, Mode::from_bits_truncate(mode & 0o7777))?)
    }

    fn set_owner(&self, node: FolderNode, uid: Option<u32>, gid: Option<u32>) -> Result<(), FolderError> {
        self.check_writable()?;
        Ok(host::set_owner(&*self.path(node)?, uid, gid)?)
    }

    fn set_times(&self, node: FolderNode, atime: (i64, u32), mtime: (i64, u32)) -> Result<(), FolderError> {
        self.check_writable()?;
        Ok(host::set_times(&*self.path(node)?, atime, mtime)?)
    }
}

#[cfg(test)]
mod tests;
