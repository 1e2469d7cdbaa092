//! Which names `/proc` has and what they lead to.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use kernel_abi::flags::OpenFlags;
use ostd::census::Presence;

use super::{World, process, system};
use crate::error::{Errno, Result};
use crate::vfs::{Attributes, Block, Entry, File, FileKind, Inode, OpenFile, Path, Sink, Source};

/// A place in `/proc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Root,
    /// `self` and `thread-self`.
    Own(&'static str),
    /// A file of the system, by its path below `/proc`.
    System(&'static str),
    /// A directory of the system's, `sys/kernel` say.
    Folder(&'static str),
    Process(i32),
    /// A process's file or link.
    Of(i32, &'static str),
    Descriptors(i32),
    Descriptor(i32, i32),
}

pub(super) struct Node {
    world: Arc<World>,
    what: What,
    _presence: Presence,
}

/// Names under `/proc` that are links to the asker's own directory.
const OWN: &[&str] = &["self", "thread-self"];

impl Node {
    pub(super) fn new(world: &Arc<World>, what: What) -> Self {
        Self { world: Arc::clone(world), what, _presence: Presence::new(&world.machine, "inode of /proc", 0) }
    }

    fn child(&self, what: What) -> Arc<dyn Inode> {
        Arc::new(Self::new(&self.world, what))
    }

    /// Names and what they lead to, for a directory.
    fn children(&self) -> Result<Vec<(String, What)>> {
        let mut children = Vec::new();
        match &self.what {
            What::Root => {
                children.extend(system::below("").map(|(name, what)| (name.to_string(), what)));
                children.extend(OWN.iter().map(|name| (name.to_string(), What::Own(name))));
                let everybody = self.world.processes()?.all();
                children.extend(everybody.iter().map(|one| (one.pid().to_string(), What::Process(one.pid()))));
            }
            What::Folder(path) => children.extend(system::below(path).map(|(name, what)| (name.to_string(), what))),
            What::Process(pid) => {
                children.push((String::from("fd"), What::Descriptors(*pid)));
                let files = process::FILES.iter().chain(process::LINKS);
                children.extend(files.map(|name| (name.to_string(), What::Of(*pid, name))));
            }
            What::Descriptors(pid) => {
                let files = self.thread(*pid)?.files();
                children.extend(files.list().iter().map(|(fd, _)| (fd.to_string(), What::Descriptor(*pid, *fd))));
            }
            _ => return Err(Errno::ENOTDIR),
        }
        Ok(children)
    }

    fn thread(&self, pid: i32) -> Result<Arc<crate::process::Thread>> {
        let process = self.world.processes()?.find(pid).ok_or(Errno::ENOENT)?;
        process.threads().into_iter().next().ok_or(Errno::ENOENT)
    }

    /// A place for an open file that has none.
    fn nameless(&self, file: Arc<OpenFile>) -> Result<Path> {
        let mounts = self.world.mounts.upgrade().ok_or(Errno::ENOENT)?;
        Ok(Path::nameless(&mounts.root().mount, Nameless::inode(file)?))
    }

    fn ino(&self) -> u64 {
        // Stable numbers: what, and of whom.
        let (class, of): (u64, u64) = match &self.what {
            What::Root => (1, 0),
            What::Own(name) | What::System(name) | What::Folder(name) => (2, number_of(name)),
            What::Process(pid) => (3, u64::from(pid.unsigned_abs())),
            What::Of(pid, name) => (4, (u64::from(pid.unsigned_abs()) << 32) | (number_of(name) & 0xffff_ffff)),
            What::Descriptors(pid) => (5, u64::from(pid.unsigned_abs())),
            What::Descriptor(pid, fd) => (6, (u64::from(pid.unsigned_abs()) << 32) | u64::from(fd.unsigned_abs())),
        };
        (class << 56) | (of & ((1 << 56) - 1))
    }

    fn text(&self) -> Result<Vec<u8>> {
        match &self.what {
            What::System(path) => system::text(&self.world, path),
            What::Of(pid, name) => {
                let found = self.world.processes()?.find(*pid).ok_or(Errno::ESRCH)?;
                process::text(&self.world, &found, name)
            }
            _ => Err(Errno::EINVAL),
        }
    }
}

/// A number for a name, the same at every boot (FNV-1a).
fn number_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

impl Inode for Node {
    fn attributes(&self) -> Result<Attributes> {
        let mode = match self.kind() {
            FileKind::Directory => 0o555,
            FileKind::Symlink => 0o777,
            _ => 0o444,
        };
        let mut attributes = Attributes::anonymous(self.kind(), mode, self.ino());
        attributes.dev = self.world.dev;
        let owner = match &self.what {
            What::Process(pid) | What::Of(pid, _) | What::Descriptors(pid) | What::Descriptor(pid, _) => Some(*pid),
            _ => None,
        };
        if let Some(pid) = owner {
            let credentials = self.world.processes()?.find(pid).ok_or(Errno::ENOENT)?.credentials();
            (attributes.uid, attributes.gid) = (credentials.user.effective, credentials.group.effective);
        }
        Ok(attributes)
    }

    fn identity(&self) -> (u64, u64) {
        (self.world.dev, self.ino())
    }

    fn kind(&self) -> FileKind {
        match &self.what {
            What::Root | What::Folder(_) | What::Process(_) | What::Descriptors(_) => FileKind::Directory,
            What::Own(_) | What::Descriptor(..) => FileKind::Symlink,
            What::Of(_, name) if process::LINKS.contains(name) => FileKind::Symlink,
            What::System("mounts") => FileKind::Symlink,
            What::Of(..) | What::System(_) => FileKind::Regular,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let name = core::str::from_utf8(name).map_err(|_| Errno::ENOENT)?;
        if self.what == What::Root
            && let Ok(pid) = name.parse::<i32>()
        {
            self.world.processes()?.find(pid).ok_or(Errno::ENOENT)?;
            return Ok(self.child(What::Process(pid)));
        }
        let found = self.children()?.into_iter().find(|(other, _)| other == name);
        found.map(|(_, what)| self.child(what)).ok_or(Errno::ENOENT)
    }

    fn read_link(&self) -> Result<Vec<u8>> {
        match &self.what {
            What::Own("thread-self") => {
                let asker = self.world.asker()?;
                Ok(format!("{}/task/{}", asker.process().pid(), asker.tid()).into_bytes())
            }
            What::Own(_) => Ok(self.world.asker()?.process().pid().to_string().into_bytes()),
            What::System("mounts") => Ok(b"self/mounts".to_vec()),
            What::Descriptor(pid, fd) => {
                let thread = self.thread(*pid)?;
                let file = thread.files().get_place(*fd).map_err(|_| Errno::ENOENT)?;
                if let Some(path) = file.path() {
                    let mut name = self.world.asker()?.fs().path_of(path).0;
                    if path.inode.attributes().is_ok_and(|found| found.nlink == 0) {
                        name.extend_from_slice(b" (deleted)");
                    }
                    return Ok(name);
                }
                let attributes = file.attributes()?;
                let kind = match attributes.kind {
                    FileKind::Fifo => "pipe",
                    FileKind::Socket => "socket",
                    FileKind::Char => return Ok(b"/dev/console".to_vec()),
                    _ => return Ok(b"anon_inode:[eventfd]".to_vec()),
                };
                Ok(format!("{kind}:[{}]", attributes.ino).into_bytes())
            }
            What::Of(pid, name) => {
                let thread = self.thread(*pid)?;
                let place = match *name {
                    "exe" => thread.process().info().file.ok_or(Errno::ENOENT)?,
                    "cwd" => thread.fs().cwd(),
                    "root" => thread.fs().root(),
                    _ => return Err(Errno::EINVAL),
                };
                Ok(self.world.asker()?.fs().path_of(&place).0)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn follow(&self) -> Result<Option<Path>> {
        match &self.what {
            What::Descriptor(pid, fd) => {
                let file = self.thread(*pid)?.files().get_place(*fd).map_err(|_| Errno::ENOENT)?;
                Ok(Some(match file.path() {
                    Some(path) => path.clone(),
                    None => self.nameless(file)?,
                }))
            }
            What::Of(pid, "exe") => Ok(self.thread(*pid)?.process().info().file),
            What::Of(pid, "cwd") => Ok(Some(self.thread(*pid)?.fs().cwd())),
            What::Of(pid, "root") => Ok(Some(self.thread(*pid)?.fs().root())),
            _ => Ok(None),
        }
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn File>> {
        let text = if self.kind() == FileKind::Directory { Vec::new() } else { self.text()? };
        Ok(Arc::new(Opened { node: self, text }))
    }
}

/// What a descriptor's link leads to where there is no path: the open file itself.
struct Nameless {
    file: Arc<OpenFile>,
    attributes: Attributes,
}

impl Nameless {
    fn inode(file: Arc<OpenFile>) -> Result<Arc<dyn Inode>> {
        let attributes = file.attributes()?;
        Ok(Arc::new(Self { file, attributes }))
    }
}

impl Inode for Nameless {
    fn attributes(&self) -> Result<Attributes> {
        self.file.attributes()
    }

    fn identity(&self) -> (u64, u64) {
        (self.attributes.dev, self.attributes.ino)
    }

    fn kind(&self) -> FileKind {
        self.attributes.kind
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn reopen(&self) -> Option<Arc<dyn File>> {
        Some(Arc::clone(self.file.file()))
    }

    fn truncate(&self, len: u64) -> Result<()> {
        self.file.file().truncate(len)
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn File>> {
        Ok(Arc::clone(self.file.file()))
    }
}

/// An open file of `/proc`: the text as it was when it was opened, or a directory.
struct Opened {
    node: Arc<Node>,
    text: Vec<u8>,
}

impl File for Opened {
    fn read(&self, into: &mut dyn Sink, at: Option<u64>, _how: Block) -> Result<usize> {
        if self.node.kind() == FileKind::Directory {
            return Err(Errno::EISDIR);
        }
        let at = usize::try_from(at.unwrap_or(0)).unwrap_or(usize::MAX).min(self.text.len());
        let end = at.saturating_add(into.remaining()).min(self.text.len());
        if at == end { Ok(0) } else { into.put(&self.text[at..end]) }
    }

    fn write(&self, _from: &mut dyn Source, _at: Option<u64>, _how: Block) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    fn attributes(&self) -> Result<Attributes> {
        self.node.attributes()
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn len(&self) -> Result<u64> {
        Ok(0)
    }

    fn entries(&self, from: u64, each: &mut dyn FnMut(Entry) -> bool) -> Result<()> {
        let own = |name: &str| (String::from(name), self.node.what.clone());
        let all = [own("."), own("..")].into_iter().chain(self.node.children()?);
        for (next, (name, what)) in (1..).zip(all).skip(usize::try_from(from).unwrap_or(usize::MAX)) {
            let node = Node::new(&self.node.world, what);
            let entry = Entry { name: name.into_bytes(), ino: node.ino(), kind: node.kind().entry_type(), next };
            if !each(entry) {
                break;
            }
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
