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
use crate::vfs::{Attributes, Block, Change, Entry, File, FileKind, Inode, OpenFile, Path, Permissions, Sink, Source};

/// Whom a directory of `/proc` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whose {
    pub(super) pid: i32,
    /// One thread (`/proc/PID/task/TID`), or the whole process.
    pub(super) tid: Option<i32>,
}

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
    Process(Whose),
    /// `/proc/PID/task`.
    Tasks(i32),
    /// A process's file or link.
    Of(Whose, &'static str),
    Descriptors(Whose),
    Descriptor(Whose, i32),
    /// `fdinfo`, and what it tells of a descriptor.
    Facts(Whose),
    Fact(Whose, i32),
}

pub(super) struct Node {
    world: Arc<World>,
    what: What,
    _presence: Presence,
}

/// What Linux writes of a process by other means than its sequences.
const BY_HAND: &[&str] = &["auxv", "cmdline", "environ", "loginuid", "oom_score_adj", "sessionid"];

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
                let process = |pid| (i32::to_string(&pid), What::Process(Whose { pid, tid: None }));
                children.extend(everybody.iter().map(|one| process(one.pid())));
            }
            What::Folder(path) => children.extend(system::below(path).map(|(name, what)| (name.to_string(), what))),
            What::Process(whose) => {
                if whose.tid.is_none() {
                    children.push((String::from("task"), What::Tasks(whose.pid)));
                }
                children.push((String::from("fd"), What::Descriptors(*whose)));
                children.push((String::from("fdinfo"), What::Facts(*whose)));
                let files = process::FILES.iter().chain(process::LINKS);
                children.extend(files.map(|name| (name.to_string(), What::Of(*whose, name))));
            }
            What::Tasks(pid) => {
                let process = self.world.processes()?.find(*pid).ok_or(Errno::ENOENT)?;
                let task = |tid| (i32::to_string(&tid), What::Process(Whose { pid: *pid, tid: Some(tid) }));
                children.extend(process.threads().iter().map(|thread| task(thread.tid())));
            }
            What::Descriptors(whose) => {
                let files = self.thread(*whose)?.files();
                children.extend(files.list().iter().map(|(fd, _)| (fd.to_string(), What::Descriptor(*whose, *fd))));
            }
            What::Facts(whose) => {
                let files = self.thread(*whose)?.files();
                children.extend(files.list().iter().map(|(fd, _)| (fd.to_string(), What::Fact(*whose, *fd))));
            }
            _ => return Err(Errno::ENOTDIR),
        }
        Ok(children)
    }

    fn thread(&self, whose: Whose) -> Result<Arc<crate::process::Thread>> {
        let process = self.world.processes()?.find(whose.pid).ok_or(Errno::ENOENT)?;
        let is_meant = |thread: &Arc<crate::process::Thread>| whose.tid.is_none_or(|tid| tid == thread.tid());
        process.threads().into_iter().find(is_meant).ok_or(Errno::ENOENT)
    }

    /// A place for an open file that has none.
    fn nameless(&self, file: Arc<OpenFile>) -> Result<Path> {
        let mounts = self.world.mounts()?;
        Ok(Path::nameless(&mounts.root().mount, Nameless::inode(file)?))
    }

    /// The process that it tells of.
    fn owner(&self) -> Option<i32> {
        match &self.what {
            What::Process(whose)
            | What::Of(whose, _)
            | What::Descriptors(whose)
            | What::Descriptor(whose, _)
            | What::Facts(whose)
            | What::Fact(whose, _) => Some(whose.pid),
            What::Tasks(pid) => Some(*pid),
            _ => None,
        }
    }

    fn ino(&self) -> u64 {
        // Stable numbers: what, and of whom.
        let (class, of): (u64, u64) = match &self.what {
            What::Root => (1, 0),
            What::Own(name) | What::System(name) | What::Folder(name) => (2, number_of(name)),
            What::Process(whose) => (3, number(*whose)),
            What::Of(whose, name) => (4, (number(*whose) << 32) | (number_of(name) & 0xffff_ffff)),
            What::Descriptors(whose) => (5, number(*whose)),
            What::Descriptor(whose, fd) => (6, (number(*whose) << 32) | u64::from(fd.unsigned_abs())),
            What::Tasks(pid) => (7, u64::from(pid.unsigned_abs())),
            What::Facts(whose) => (8, number(*whose)),
            What::Fact(whose, fd) => (9, (number(*whose) << 32) | u64::from(fd.unsigned_abs())),
        };
        (class << 56) | (of & ((1 << 56) - 1))
    }

    fn text(&self) -> Result<Vec<u8>> {
        match &self.what {
            What::System(path) => system::text(&self.world, path),
            What::Of(whose, name) => {
                let found = self.world.processes()?.find(whose.pid).ok_or(Errno::ESRCH)?;
                process::text(&self.world, &found, *whose, name)
            }
            What::Fact(whose, fd) => {
                let file = self.thread(*whose)?.files().get_place(*fd).map_err(|_| Errno::ENOENT)?;
                process::descriptor(&file)
            }
            _ => Err(Errno::EINVAL),
        }
    }
}

/// Different for a process and for each of its threads.
fn number(whose: Whose) -> u64 {
    let of = |id: i32| u64::from(id.unsigned_abs());
    whose.tid.map_or_else(|| of(whose.pid), |tid| (1 << 23) | of(tid))
}

/// A number for a name, the same at every boot (FNV-1a).
fn number_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

impl Inode for Node {
    fn attributes(&self) -> Result<Attributes> {
        let mode = match self.kind() {
            FileKind::Directory if matches!(self.what, What::Descriptors(_)) => 0o500,
            FileKind::Directory => 0o555,
            FileKind::Symlink => 0o777,
            _ => 0o444,
        };
        let mut attributes = Attributes::anonymous(self.kind(), mode, self.ino());
        attributes.dev = self.world.dev;
        if let What::Descriptors(whose) | What::Facts(whose) = &self.what {
            attributes.nlink = 2;
            if matches!(self.what, What::Descriptors(_)) {
                attributes.size = self.thread(*whose)?.files().list().len() as u64;
            }
        }
        if let Some(pid) = self.owner() {
            let credentials = self.world.processes()?.find(pid).ok_or(Errno::ENOENT)?.credentials();
            (attributes.uid, attributes.gid) = (credentials.user.effective, credentials.group.effective);
        }
        Ok(attributes)
    }

    fn permissions(&self) -> Result<Permissions> {
        let mut permissions = self.attributes()?.permissions();
        // Its own descriptors are everybody's to look at, whoever the files of a process that changed belong to.
        if let What::Descriptors(whose) = &self.what
            && self.world.asker()?.process().pid() == whose.pid
        {
            permissions.mode = 0o777;
        }
        Ok(permissions)
    }

    fn is_immutable(&self) -> bool {
        matches!(self.what, What::Process(_))
    }

    fn set_attributes(&self, change: &Change) -> Result<()> {
        // What is a process's belongs to whom the process does: nothing else is remembered.
        let forgets = self.owner().is_some() && !self.is_immutable();
        if forgets && change.mode.is_none() { Ok(()) } else { Err(Errno::EPERM) }
    }

    fn identity(&self) -> (u64, u64) {
        (self.world.dev, self.ino())
    }

    fn kind(&self) -> FileKind {
        match &self.what {
            What::Root | What::Folder(_) | What::Process(_) | What::Tasks(_) => FileKind::Directory,
            What::Descriptors(_) | What::Facts(_) => FileKind::Directory,
            What::Own(_) | What::Descriptor(..) => FileKind::Symlink,
            What::Of(_, name) if process::LINKS.contains(name) => FileKind::Symlink,
            What::System("mounts") => FileKind::Symlink,
            What::Of(..) | What::Fact(..) | What::System(_) => FileKind::Regular,
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
            return Ok(self.child(What::Process(Whose { pid, tid: None })));
        }
        let found = self.children()?.into_iter().find(|(other, _)| other == name);
        found.map(|(_, what)| self.child(what)).ok_or(Errno::ENOENT)
    }

    fn takes_names(&self) -> bool {
        false
    }

    fn read_link(&self) -> Result<Vec<u8>> {
        match &self.what {
            What::Own("thread-self") => {
                let asker = self.world.asker()?;
                Ok(format!("{}/task/{}", asker.process().pid(), asker.tid()).into_bytes())
            }
            What::Own(_) => Ok(self.world.asker()?.process().pid().to_string().into_bytes()),
            What::System("mounts") => Ok(b"self/mounts".to_vec()),
            What::Descriptor(whose, fd) => {
                let thread = self.thread(*whose)?;
                let file = thread.files().get_place(*fd).map_err(|_| Errno::ENOENT)?;
                if let Some(path) = file.path() {
                    let mut name = self.world.asker()?.fs().path_of(path).0;
                    if path.inode.attributes().is_ok_and(|found| found.nlink == 0) {
                        name.extend_from_slice(b" (deleted)");
                    }
                    return Ok(name);
                }
                let attributes = file.attributes()?;
                let called = match attributes.kind {
                    FileKind::Fifo => "pipe:",
                    // Terminals have paths: this is a stream that the machine was given.
                    FileKind::Char => "/dev/null",
                    _ => file.file().called(),
                };
                let number = if called.ends_with(':') { format!("[{}]", attributes.ino) } else { String::new() };
                Ok([called.as_bytes(), number.as_bytes()].concat())
            }
            What::Of(whose, name) => {
                let thread = self.thread(*whose)?;
                let place = match *name {
                    "exe" => thread.process().info().file.clone().ok_or(Errno::ENOENT)?,
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
            What::Descriptor(whose, fd) => {
                let file = self.thread(*whose)?.files().get_place(*fd).map_err(|_| Errno::ENOENT)?;
                Ok(Some(match file.path() {
                    Some(path) => path.clone(),
                    None => self.nameless(file)?,
                }))
            }
            What::Of(whose, "exe") => Ok(self.thread(*whose)?.process().info().file.clone()),
            What::Of(whose, "cwd") => Ok(Some(self.thread(*whose)?.fs().cwd())),
            What::Of(whose, "root") => Ok(Some(self.thread(*whose)?.fs().root())),
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

    fn offset_max(&self) -> u64 {
        // Only sequences go further than a file could be of old.
        match &self.node.what {
            What::Of(_, "auxv" | "cmdline") => i32::MAX as u64,
            _ if self.node.kind() == FileKind::Directory => i32::MAX as u64,
            _ => i64::MAX.cast_unsigned(),
        }
    }

    fn is_written_at(&self) -> bool {
        // Most of Linux's are sequences, which have places to read at only.
        match &self.node.what {
            What::Of(_, name) => BY_HAND.contains(name),
            What::System(path) => path.starts_with("sys/"),
            What::Fact(..) => false,
            _ => true,
        }
    }

    fn has_end(&self) -> bool {
        // A sequence does not know how long it will be.
        self.is_written_at()
    }

    fn takes_wishes(&self) -> bool {
        // What is not sent is read in an old way, that knows no wishes.
        self.sends()
    }

    fn len(&self) -> Result<u64> {
        Ok(0)
    }

    fn sends(&self) -> bool {
        // On Linux too what is told of a process has to be read.
        match self.node.what {
            What::System(name) => name != "swaps",
            What::Of(_, name) => matches!(name, "mounts" | "mountinfo"),
            _ => false,
        }
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
