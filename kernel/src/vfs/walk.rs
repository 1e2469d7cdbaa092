//! From a path to a place: names, dots, links and mounts, one step at a time.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;

use kernel_abi::flags::{NAME_MAX, PATH_MAX, ResolveFlags};

use super::attributes::{Access, FileKind, Identity};
use super::context::FsContext;
use super::inode::Inode;
use super::path::Path;
use crate::error::{Errno, Result};

/// Links that one look-up follows at most.
const LINKS_MAX: u32 = 40;

/// What to do with a symbolic link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Go where it points.
    Yes,
    /// It is what was meant.
    No,
}

/// How a path ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Last<'p> {
    /// In a name that may not exist yet, or be too long to ([`named`]); the flag says whether slashes follow.
    Name(Cow<'p, [u8]>, bool),
    /// In `.`.
    Dot,
    /// In `..`.
    DotDot,
    /// It is nothing but slashes.
    Root,
}

/// One look-up: its links count together.
pub(super) struct Walk<'a> {
    context: &'a FsContext,
    /// Looked up when it is first asked for, and the same until the end.
    root: Option<Path>,
    who: &'a Identity,
    rules: ResolveFlags,
    links: u32,
}

impl<'a> Walk<'a> {
    /// A walk from `start` that openat2(2)'s `rules` hold for. Where they keep it below its start, that is its root.
    pub(super) fn new(context: &'a FsContext, start: &Path, who: &'a Identity, rules: ResolveFlags) -> Self {
        let mut walk = Self { context, root: None, who, rules, links: 0 };
        if walk.is_scoped() {
            walk.root = Some(start.clone());
        }
        walk
    }

    fn root(&mut self) -> &Path {
        self.root.get_or_insert_with(|| self.context.root())
    }

    /// Everything but the last name of a path that a program gave.
    pub(super) fn walk_to_parent<'p>(&mut self, start: &Path, path: &'p [u8]) -> Result<(Path, Last<'p>)> {
        if path.len() >= PATH_MAX as usize {
            return Err(Errno::ENAMETOOLONG);
        }
        self.walk_on_to_parent(start, path)
    }

    /// The same of one that a link may have made longer than any that is given.
    fn walk_on_to_parent<'p>(&mut self, start: &Path, path: &'p [u8]) -> Result<(Path, Last<'p>)> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        let mut here = if path[0] == b'/' { self.top(start)? } else { start.clone() };
        let mut todo = Cow::Borrowed(path);
        let mut done = 0;
        loop {
            done += todo[done..].iter().take_while(|byte| **byte == b'/').count();
            let rest = &todo[done..];
            if rest.is_empty() {
                return Ok((here, Last::Root));
            }
            let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            let (name, rest) = rest.split_at(end);
            permit_search(&here, self.who)?;
            if rest.iter().all(|byte| *byte == b'/') {
                let last = match name {
                    b"." => Last::Dot,
                    b".." => Last::DotDot,
                    _ => {
                        let (name, is_slashed) = (done..done + name.len(), !rest.is_empty());
                        let name = match todo {
                            Cow::Borrowed(path) => Cow::Borrowed(&path[name]),
                            Cow::Owned(text) => Cow::Owned(text[name].to_vec()),
                        };
                        Last::Name(name, is_slashed)
                    }
                };
                return Ok((here, last));
            }
            match name {
                b"." => {}
                b".." => here = self.above(&here)?,
                _ => {
                    let found = self.child(&here, name)?;
                    if found.inode.kind() != FileKind::Symlink {
                        here = found;
                    } else if let Some(target) = self.count_link(&found)? {
                        here = target;
                    } else {
                        let mut text = link_text(&found)?;
                        if text[0] == b'/' {
                            here = self.top(&here)?;
                        }
                        text.push(b'/');
                        text.extend_from_slice(rest);
                        (todo, done) = (Cow::Owned(text), 0);
                        continue;
                    }
                }
            }
            done = todo.len() - rest.len();
        }
    }

    /// The whole way.
    pub(super) fn walk_to_end(&mut self, start: &Path, path: &[u8], follow: Follow) -> Result<Path> {
        if path.len() >= PATH_MAX as usize {
            return Err(Errno::ENAMETOOLONG);
        }
        let (mut start, mut path) = (Cow::Borrowed(start), Cow::Borrowed(path));
        loop {
            let (dir, last) = self.walk_on_to_parent(&start, &path)?;
            let (name, is_slashed) = match last {
                Last::Root | Last::Dot => return Ok(dir),
                Last::DotDot => return self.above(&dir),
                Last::Name(name, is_slashed) => (name, is_slashed),
            };
            let found = self.child(&dir, &name)?;
            let is_link = found.inode.kind() == FileKind::Symlink;
            if !is_link || (follow == Follow::No && !is_slashed) {
                return if is_slashed { require_directory(found) } else { Ok(found) };
            }
            if let Some(target) = self.count_link(&found)? {
                return if is_slashed { require_directory(target) } else { Ok(target) };
            }
            let mut text = link_text(&found)?;
            if is_slashed {
                text.push(b'/');
            }
            (start, path) = (Cow::Owned(dir), Cow::Owned(text));
        }
    }

    /// What `name` is in `dir`, and what is mounted there.
    pub(super) fn child(&self, dir: &Path, name: &[u8]) -> Result<Path> {
        // Only what is in memory is known without a wait.
        if self.rules.contains(ResolveFlags::RESOLVE_CACHED) && dir.inode.is_outside() {
            return Err(Errno::EAGAIN);
        }
        let inode = named(dir, name)?;
        self.stepped(dir, self.context.mounts().covered(dir.child(name, inode)))
    }

    /// Counts a link (ELOOP), and gives the place that one of `/proc`'s leads to.
    pub(super) fn count_link(&mut self, link: &Path) -> Result<Option<Path>> {
        self.links += 1;
        let may_follow = !self.rules.contains(ResolveFlags::RESOLVE_NO_SYMLINKS) && link.mount.has_links();
        if self.links > LINKS_MAX || !may_follow {
            return Err(Errno::ELOOP);
        }
        let Some(target) = link.inode.follow()? else { return Ok(None) };
        if self.rules.contains(ResolveFlags::RESOLVE_NO_MAGICLINKS) {
            return Err(Errno::ELOOP);
        }
        if self.is_scoped() {
            return Err(Errno::EXDEV);
        }
        self.stepped(link, target).map(Some)
    }

    /// `..`, which one that is kept below its root may refuse (EXDEV).
    pub(super) fn above(&mut self, here: &Path) -> Result<Path> {
        if here.is(self.root()) {
            let leaves = self.rules.contains(ResolveFlags::RESOLVE_BENEATH);
            return if leaves { Err(Errno::EXDEV) } else { Ok(here.clone()) };
        }
        let found = self.stepped(here, self.context.mounts().covered(here.parent()))?;
        // A directory that is moved meanwhile has its `..` elsewhere.
        if self.is_scoped() && !found.is_at_or_below(self.root()) { Err(Errno::EXDEV) } else { Ok(found) }
    }

    /// Where an absolute path begins: the program's own, or that of a link in `here`.
    fn top(&mut self, here: &Path) -> Result<Path> {
        if self.rules.contains(ResolveFlags::RESOLVE_BENEATH) {
            return Err(Errno::EXDEV);
        }
        let root = self.root().clone();
        if self.links == 0 { Ok(root) } else { self.stepped(here, root) }
    }

    /// `to`, unless that is in another mount than `from` and must not be.
    fn stepped(&self, from: &Path, to: Path) -> Result<Path> {
        let leaves = self.rules.contains(ResolveFlags::RESOLVE_NO_XDEV) && from.mount.id != to.mount.id;
        if leaves { Err(Errno::EXDEV) } else { Ok(to) }
    }

    fn is_scoped(&self) -> bool {
        self.rules.intersects(ResolveFlags::RESOLVE_BENEATH | ResolveFlags::RESOLVE_IN_ROOT)
    }
}

/// What `name` itself is in `dir`, whatever is mounted there.
pub(super) fn named(dir: &Path, name: &[u8]) -> Result<Arc<dyn Inode>> {
    if name.len() > NAME_MAX as usize && dir.inode.takes_names() {
        return Err(Errno::ENAMETOOLONG);
    }
    dir.inode.lookup(name)
}

/// As [`named`], where nothing is there yet: `None`, if somebody could put something there.
pub(super) fn named_or_free(dir: &Path, name: &[u8]) -> Result<Option<Arc<dyn Inode>>> {
    match named(dir, name) {
        Err(Errno::ENOENT) if dir.inode.takes_names() => Ok(None),
        found => found.map(Some),
    }
}

/// Where an ordinary link points; one that points nowhere is ENOENT.
pub(super) fn link_text(link: &Path) -> Result<Vec<u8>> {
    let text = link.inode.read_link()?;
    if text.is_empty() { Err(Errno::ENOENT) } else { Ok(text) }
}

fn require_directory(found: Path) -> Result<Path> {
    if found.inode.kind() == FileKind::Directory { Ok(found) } else { Err(Errno::ENOTDIR) }
}

fn permit_search(dir: &Path, who: &Identity) -> Result<()> {
    if dir.inode.kind() != FileKind::Directory {
        return Err(Errno::ENOTDIR);
    }
    dir.inode.permissions()?.permit(who, Access::EXECUTE)
}
