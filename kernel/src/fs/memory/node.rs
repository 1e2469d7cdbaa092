//! Nodes: what all kinds of file have, and what each kind has of its own.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;

use kernel_abi::flags::{F_SEAL_EXEC, F_SEAL_SEAL, OpenFlags, RenameFlags, XattrFlags};
use kernel_abi::structs::Timespec;
use ostd::census::Presence;
use ostd::device::FolderAttributes;
use ostd::sync::Mutex;

use super::Tree;
use super::directory::Directory;
use super::file::{OpenDirectory, OpenRegular};
use super::lower::Lower;
use super::names::Removal;
use super::pages::{Pages, full, time};
use super::through::version;
use super::xattr::Kept;
use crate::error::{Errno, Result};
use crate::vfs::{Attributes, Busy, Change, File, FileKind, Inode, Location, Make, Names, Permissions, Share};

/// A file in the tree.
pub(super) struct Node {
    pub(super) tree: Arc<Tree>,
    pub(super) this: Weak<Self>,
    pub(super) ino: u64,
    pub(super) kind: FileKind,
    pub(super) rdev: u64,
    pub(super) lower: Option<Lower>,
    pub(super) meta: Mutex<Meta>,
    pub(super) body: Body,
    busy: Busy,
    _presence: Presence,
    /// Its right to be; what is below needs none.
    _share: Option<Share>,
}

/// What can change of any file.
pub(super) struct Meta {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) nlink: u32,
    pub(super) atime: Timespec,
    pub(super) mtime: Timespec,
    pub(super) ctime: Timespec,
    pub(super) btime: Timespec,
    /// `F_SEAL_*`.
    pub(super) seals: u32,
    /// Whether a name may lead to it although none does.
    pub(super) may_be_named: bool,
    /// Extended attributes.
    pub(super) kept: Kept,
    /// Whether any of this is no longer what is below.
    pub(super) is_own: bool,
    /// Bytes that a directory takes below.
    pub(super) size_below: u64,
    /// 512-byte blocks that what is no regular file takes below.
    pub(super) blocks_below: u64,
    /// The rights of its names beyond the first.
    pub(super) names: Vec<Share>,
}

/// What a kind of file has of its own.
pub(super) enum Body {
    Regular {
        pages: Mutex<Pages>,
        turn: Mutex<()>,
    },
    Directory(Mutex<Directory>),
    /// `None` is what is below.
    Symlink(Option<Vec<u8>>),
    Special,
}

/// Where a node comes from.
enum Side {
    /// It was made here, with a right to be; the top needs none.
    Here(Option<Share>),
    /// It was found below.
    Below(Lower),
}

impl Node {
    pub(super) fn new_root(tree: &Arc<Tree>, mode: u32) -> Arc<Self> {
        let meta = Meta::new(tree, FileKind::Directory, mode, 0, 0);
        let body = Body::Directory(Mutex::ranked(super::NODE, Directory::new(Weak::new(), b"")));
        Self::build(tree, tree.new_ino(), FileKind::Directory, 0, Side::Here(None), meta, body)
    }

    /// A node that is new in `parent`.
    pub(super) fn new_in(parent: &Self, name: &[u8], make: &Make<'_>) -> Result<Arc<Self>> {
        use crate::vfs::New;
        let tree = &parent.tree;
        let share = tree.admit()?;
        let (kind, rdev, body) = match make.new {
            New::Regular => (FileKind::Regular, 0, Body::regular(Pages::empty())),
            New::Directory => {
                let directory = Directory::new(parent.this.clone(), name);
                (FileKind::Directory, 0, Body::Directory(Mutex::ranked(super::NODE, directory)))
            }
            New::Symlink(target) => (FileKind::Symlink, 0, Body::Symlink(Some(target.to_vec()))),
            New::Special(FileKind::Regular, _) => (FileKind::Regular, 0, Body::regular(Pages::empty())),
            New::Special(kind, rdev) => (kind, rdev, Body::Special),
        };
        let mut meta = Meta::new(tree, kind, make.mode, make.uid, make.gid);
        let above = parent.meta.lock();
        if above.mode & 0o2000 != 0 {
            meta.gid = above.gid;
            if kind == FileKind::Directory {
                meta.mode |= 0o2000;
            }
        }
        drop(above);
        Ok(Self::build(tree, tree.new_ino(), kind, rdev, Side::Here(Some(share)), meta, body))
    }

    /// What was found below becomes a node.
    pub(super) fn adopt(
        tree: &Arc<Tree>,
        ino: u64,
        lower: Lower,
        found: &FolderAttributes,
        place: Option<(Weak<Self>, &[u8])>,
    ) -> Result<Arc<Self>> {
        let kind = FileKind::of_mode(found.mode).ok_or(Errno::EIO)?;
        let is_shared = kind != FileKind::Directory && found.nlink > 1;
        if let Some(node) = is_shared.then(|| tree.seen.get(found)).flatten() {
            return Ok(node);
        }
        let meta = Meta {
            mode: found.mode & 0o7777,
            uid: found.uid,
            gid: found.gid,
            nlink: found.nlink,
            atime: time(found.atime),
            mtime: time(found.mtime),
            ctime: time(found.ctime),
            btime: time(found.ctime),
            seals: F_SEAL_SEAL,
            may_be_named: false,
            kept: Kept::default(),
            is_own: false,
            size_below: found.size,
            blocks_below: found.blocks,
            names: Vec::new(),
        };
        let body = match kind {
            FileKind::Regular => Body::regular(Pages::of_lower(version(found), found.blocks)),
            FileKind::Directory => {
                let (parent, name) = place.unwrap_or((Weak::new(), b""));
                Body::Directory(Mutex::ranked(super::NODE, Directory::new(parent, name)))
            }
            FileKind::Symlink => Body::Symlink(None),
            _ => Body::Special,
        };
        let node = Self::build(tree, ino, kind, found.rdev, Side::Below(lower), meta, body);
        if is_shared {
            tree.seen.note(found, &node);
        }
        Ok(node)
    }

    fn build(tree: &Arc<Tree>, ino: u64, kind: FileKind, rdev: u64, side: Side, meta: Meta, body: Body) -> Arc<Self> {
        let (lower, _share) = match side {
            Side::Here(share) => (None, share),
            Side::Below(lower) => (Some(lower), None),
        };
        let _presence = Presence::new(&tree.machine, "inode", ino);
        let (tree, meta) = (Arc::clone(tree), Mutex::ranked(super::META, meta));
        let this = |this: &Weak<Self>| {
            let this = this.clone();
            Self { tree, this, ino, kind, rdev, lower, meta, body, busy: Busy::default(), _presence, _share }
        };
        Arc::new_cyclic(this)
    }

    /// Contents have changed now.
    pub(super) fn touch(&self) {
        if self.through().is_some() {
            return self.settle();
        }
        let now = self.tree.now();
        let mut meta = self.meta.lock();
        meta.mtime = now;
        meta.ctime = now;
        meta.is_own = true;
    }

    /// Somebody has read it. The time is kept only where it says something new, as with Linux's `relatime`.
    pub(super) fn note_access(&self) {
        const DAY: i64 = 24 * 60 * 60;
        let now = self.tree.now();
        let order = |time: Timespec| (time.tv_sec, time.tv_nsec);
        let mut meta = self.meta.lock();
        let atime = order(meta.atime);
        if atime <= order(meta.mtime) || atime <= order(meta.ctime) || now.tv_sec - atime.0 >= DAY {
            meta.atime = now;
        }
    }

    /// The number of names has changed by this.
    pub(super) fn count_links(&self, by: i32) {
        let now = self.tree.now();
        let mut meta = self.meta.lock();
        meta.nlink = meta.nlink.saturating_add_signed(by);
        meta.ctime = now;
        meta.is_own |= self.through().is_none();
    }

    pub(super) fn directory(&self) -> Result<&Mutex<Directory>> {
        match &self.body {
            Body::Directory(directory) => Ok(directory),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// The pages of a regular file, and the lock that makes writers take turns.
    pub(super) fn regular(&self) -> Result<(&Mutex<Pages>, &Mutex<()>)> {
        match &self.body {
            Body::Regular { pages, turn } => Ok((pages, turn)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Bytes and blocks that stat(2) shows for a directory.
    fn directory_size(&self, directory: &Directory) -> (u64, u64) {
        match (&self.lower, self.tree.is_over) {
            (Some(_), _) => {
                let meta = self.meta.lock();
                (meta.size_below, meta.blocks_below)
            }
            // As beside it.
            (None, true) => (DIRECTORY_SIZE, DIRECTORY_SIZE / 512),
            (None, false) => (directory.len() as u64 * 20 + 40, 0),
        }
    }
}

/// What a small directory takes on the file systems that folders come from.
const DIRECTORY_SIZE: u64 = 4096;

impl Body {
    fn regular(pages: Pages) -> Self {
        Self::Regular { pages: Mutex::ranked(super::NODE, pages), turn: Mutex::ranked(super::TURN, ()) }
    }
}

impl Meta {
    fn new(tree: &Tree, kind: FileKind, mode: u32, uid: u32, gid: u32) -> Self {
        let now = tree.now();
        let nlink = if kind == FileKind::Directory { 2 } else { 1 };
        Self {
            mode,
            uid,
            gid,
            nlink,
            atime: now,
            mtime: now,
            ctime: now,
            btime: now,
            seals: F_SEAL_SEAL,
            may_be_named: false,
            kept: Kept::default(),
            is_own: true,
            size_below: 0,
            blocks_below: 0,
            names: Vec::new(),
        }
    }
}

impl Inode for Node {
    fn attributes(&self) -> Result<Attributes> {
        let (size, blocks) = match &self.body {
            Body::Regular { pages, .. } => {
                self.revalidate();
                let pages = pages.lock();
                (pages.size, pages.blocks())
            }
            Body::Directory(directory) => self.directory_size(&directory.lock()),
            Body::Symlink(Some(target)) => (target.len() as u64, 0),
            Body::Symlink(None) => (self.read_link()?.len() as u64, self.meta.lock().blocks_below),
            Body::Special => (0, 0),
        };
        let meta = self.meta.lock();
        Ok(Attributes {
            dev: self.tree.dev,
            ino: self.ino,
            kind: self.kind,
            mode: meta.mode,
            nlink: meta.nlink,
            uid: meta.uid,
            gid: meta.gid,
            rdev: self.rdev,
            size,
            blocks,
            atime: meta.atime,
            mtime: meta.mtime,
            ctime: meta.ctime,
            btime: meta.btime,
        })
    }

    fn permissions(&self) -> Result<Permissions> {
        if let Body::Regular { .. } = &self.body {
            self.revalidate();
        }
        let meta = self.meta.lock();
        Ok(Permissions { kind: self.kind, mode: meta.mode, uid: meta.uid, gid: meta.gid })
    }

    fn identity(&self) -> (u64, u64) {
        (self.tree.dev, self.ino)
    }

    fn kind(&self) -> FileKind {
        self.kind
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        Ok(self.find(name)? as Arc<dyn Inode>)
    }

    fn create(&self, name: &[u8], make: &Make<'_>) -> Result<Arc<dyn Inode>> {
        Ok(self.make(name, make)? as Arc<dyn Inode>)
    }

    fn create_unnamed(&self, make: &Make<'_>, names: Names) -> Result<Arc<dyn Inode>> {
        if self.through().is_some() {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.directory()?.lock().is_removed {
            return Err(Errno::ENOENT);
        }
        let node = Self::new_in(self, b"", make)?;
        let mut meta = node.meta.lock();
        meta.nlink = 0;
        meta.may_be_named = names == Names::Later;
        drop(meta);
        Ok(node)
    }

    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<()> {
        self.add_link(name, target.as_any().downcast_ref().ok_or(Errno::EXDEV)?)
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        self.remove(name, Removal::File)
    }

    fn rmdir(&self, name: &[u8]) -> Result<()> {
        self.remove(name, Removal::Directory)
    }

    fn rename(&self, name: &[u8], to: &Arc<dyn Inode>, new_name: &[u8], how: RenameFlags) -> Result<()> {
        self.move_name(name, to.as_any().downcast_ref().ok_or(Errno::EXDEV)?, new_name, how)
    }

    fn read_link(&self) -> Result<Vec<u8>> {
        match (&self.body, &self.lower) {
            (Body::Symlink(Some(target)), _) => Ok(target.clone()),
            (Body::Symlink(None), Some(lower)) => lower.link_target(),
            _ => Err(Errno::EINVAL),
        }
    }

    fn set_attributes(&self, change: &Change) -> Result<()> {
        if let Some(lower) = self.through() {
            lower.change(change)?;
            self.settle();
            return Ok(());
        }
        let now = self.tree.now();
        let mut meta = self.meta.lock();
        let turned = change.mode.map_or(0, |mode| mode ^ meta.mode);
        if meta.seals & F_SEAL_EXEC != 0 && turned & 0o111 != 0 {
            return Err(Errno::EPERM);
        }
        meta.is_own = true;
        meta.mode = change.mode.unwrap_or(meta.mode) & 0o7777;
        meta.uid = change.uid.unwrap_or(meta.uid);
        meta.gid = change.gid.unwrap_or(meta.gid);
        meta.atime = change.atime.unwrap_or(meta.atime);
        meta.mtime = change.mtime.unwrap_or(meta.mtime);
        meta.ctime = now;
        Ok(())
    }

    fn attribute(&self, name: &[u8]) -> Result<Vec<u8>> {
        self.kept(name)
    }

    fn set_attribute(&self, name: &[u8], value: &[u8], how: XattrFlags) -> Result<()> {
        self.keep(name, value, how)
    }

    fn remove_attribute(&self, name: &[u8]) -> Result<()> {
        self.keep_no_longer(name)
    }

    fn attribute_names(&self) -> Result<Vec<Vec<u8>>> {
        Ok(self.kept_names())
    }

    fn truncate(&self, len: u64) -> Result<()> {
        let (pages, turn) = self.regular()?;
        if i64::try_from(len).is_err() {
            return Err(Errno::EFBIG);
        }
        let _turn = turn.lock();
        let size = pages.lock().size;
        self.permit_resize(size, len)?;
        if let Some(lower) = self.through() {
            lower.truncate(len)?;
        }
        pages.lock().truncate(len, self.lower.as_ref(), &self.tree.machine).map_err(full)?;
        self.touch();
        Ok(())
    }

    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn File>> {
        match &self.body {
            Body::Regular { .. } => {
                self.permit_below(flags)?;
                self.revalidate();
                Ok(Arc::new(OpenRegular::new(self)))
            }
            Body::Directory(_) => {
                self.open_listing()?;
                Ok(Arc::new(OpenDirectory(self)))
            }
            _ => Err(Errno::ENXIO),
        }
    }

    fn is_outside(&self) -> bool {
        self.lower.is_some() && !self.tree.writes_through
    }

    fn busy(&self) -> Option<&Busy> {
        Some(&self.busy)
    }

    fn location(&self) -> Location {
        match &self.body {
            Body::Directory(directory) => directory.lock().location(),
            _ => Location::AsFound,
        }
    }
}
