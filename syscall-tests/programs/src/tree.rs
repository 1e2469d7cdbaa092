//! A program's directory: made for it, and what it left there looked at and removed in one go.

use alloc::vec::Vec;

use kernel_abi::flags::{AtFlags, OpenFlags};
use kernel_abi::structs::{Dirent64, Stat};
use kernel_abi::sys::{Calls, Sys};
use kernel_abi::{Errno, Fd, Mode, Result};
use zerocopy::FromBytes as _;

use crate::model::Program;
use crate::shared::text;
use crate::transcript::sum;

/// Where the directory of a program that looks up is within the one that is made for it.
const INNER: &[u8] = b"/d";
/// Directories within directories that are looked into.
const DEPTH_MAX: usize = 16;
/// Entries that are told.
const NODES_MAX: usize = 256;
/// Bytes of a file that count.
const CONTENT_MAX: usize = 2048;
/// Where answers go, behind names.
const ANSWER: usize = 2048;
/// Bytes of a directory's longest entry.
const ENTRY_MAX: usize = 280;
/// Who may do everything to a directory, and read a file.
const OWNERS_ALL: u32 = 0o700;
const OWNERS_READ: u32 = 0o400;

/// A file, a directory, anything that has a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// Its path below the program's directory.
    pub path: Vec<u8>,
    /// Its type and permissions.
    pub mode: u32,
    /// Its links.
    pub nlink: u32,
    /// Its bytes, unless it is a directory.
    pub len: u64,
    /// A sum over how it begins, or over what a link says.
    pub sum: u64,
}

/// Where a program works.
pub(crate) struct Ground<'a> {
    directory: &'a [u8],
    /// Whether its program's directory is another one in it: what the program does to `..` is gone with that.
    has_inner: bool,
    /// Whether it is certainly as it was made.
    keeps_mode: bool,
}

impl<'a> Ground<'a> {
    /// A program's, of this name.
    pub(crate) fn of(program: &Program, directory: &'a [u8]) -> Self {
        Self { directory, has_inner: program.looks_up(), keeps_mode: !program.changes_modes() }
    }

    /// Makes it, and says what the program's directory is called. `own` is memory for names.
    pub(crate) fn make(&self, sys: &dyn Sys, own: usize) -> Result<Vec<u8>> {
        let mut name = self.directory.to_vec();
        sys.mkdirat(Fd::CWD, text(sys, own, &name), Mode(0o755))?;
        if self.has_inner {
            name.extend_from_slice(INNER);
            sys.mkdirat(Fd::CWD, text(sys, own, &name), Mode(0o755))?;
        }
        Ok(name)
    }

    /// Tells and removes what is below it, and itself. `own` is memory for names and answers.
    pub(crate) fn take(&self, sys: &dyn Sys, own: usize) -> Result<Vec<Node>> {
        let mut nodes = Vec::new();
        // Often there is nothing to tell.
        if sys.unlinkat(Fd::CWD, text(sys, own, self.directory), AtFlags::AT_REMOVEDIR).is_err() {
            let mut taking = Taking { sys, own, nodes: &mut nodes };
            let mode = if self.keeps_mode { OWNERS_ALL } else { 0 };
            // What cannot be removed is litter.
            let _ = taking.directory(Fd::CWD, self.directory, mode, b"", 0);
            let _ = sys.unlinkat(Fd::CWD, text(sys, own, self.directory), AtFlags::AT_REMOVEDIR);
        }
        nodes.sort();
        Ok(nodes)
    }
}

struct Taking<'a> {
    sys: &'a dyn Sys,
    own: usize,
    nodes: &'a mut Vec<Node>,
}

impl Taking<'_> {
    /// Tells what is in a directory of this mode, and removes it.
    fn directory(&mut self, above: Fd, own_name: &[u8], mode: u32, path: &[u8], depth: usize) -> Result<()> {
        let Self { sys, own, .. } = *self;
        let name = text(sys, own, own_name);
        if mode & OWNERS_ALL != OWNERS_ALL {
            let _ = sys.fchmodat(above, name, Mode(OWNERS_ALL as u16));
        }
        let flags = OpenFlags::O_RDONLY | OpenFlags::O_DIRECTORY | OpenFlags::O_NOFOLLOW | OpenFlags::O_CLOEXEC;
        let directory = Fd(sys.openat(above, name, flags, 0)? as i32);
        for entry in self.names(directory)? {
            let path = if path.is_empty() { entry.clone() } else { [path, b"/", &entry].concat() };
            let mode = self.tell(directory, &entry, &path)?;
            let is_directory = mode & KIND == DIRECTORY;
            if is_directory && depth < DEPTH_MAX {
                let _ = self.directory(directory, &entry, mode, &path, depth + 1);
            }
            let how = if is_directory { AtFlags::AT_REMOVEDIR } else { AtFlags::empty() };
            let _ = sys.unlinkat(directory, text(sys, own, &entry), how);
        }
        sys.close(directory).map(drop)
    }

    fn names(&self, directory: Fd) -> Result<Vec<Vec<u8>>> {
        let Self { sys, own, .. } = *self;
        let mut names = Vec::new();
        loop {
            let len = sys.getdents64(directory, own + ANSWER, CONTENT_MAX)?;
            let bytes = sys.bytes(own + ANSWER, len);
            let mut rest = &bytes[..];
            while let Ok((head, name)) = Dirent64::read_from_prefix(rest) {
                let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                if !matches!(name, b"." | b"..") {
                    names.push(name.to_vec());
                }
                rest = rest.get(usize::from(head.d_reclen).max(1)..).unwrap_or_default();
            }
            // What there is comes as long as there is room for it.
            if len + ENTRY_MAX <= CONTENT_MAX {
                // Files with two names change as they are told.
                names.sort();
                return Ok(names);
            }
        }
    }

    /// Tells an entry, and says what it is and who may use it.
    fn tell(&mut self, directory: Fd, entry: &[u8], path: &[u8]) -> Result<u32> {
        let Self { sys, own, .. } = *self;
        let at = text(sys, own, entry);
        sys.newfstatat(directory, at, own + ANSWER, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        let mut bytes = [0; 144];
        sys.peek(own + ANSWER, &mut bytes);
        let stat = Stat::decode(sys.arch(), &bytes).ok_or(Errno::EIO)?;
        let kind = stat.mode & KIND;
        let content = match kind {
            LINK => sys.readlinkat(directory, at, own + ANSWER, CONTENT_MAX).unwrap_or(0),
            FILE if stat.size > 0 => self.content(directory, at, stat.mode).unwrap_or(0),
            _ => 0,
        };
        if self.nodes.len() < NODES_MAX {
            let is_directory = kind == DIRECTORY;
            self.nodes.push(Node {
                path: path.to_vec(),
                mode: stat.mode,
                nlink: if is_directory { 0 } else { stat.nlink },
                len: if is_directory { 0 } else { stat.size as u64 },
                sum: sum(&sys.bytes(own + ANSWER, content)),
            });
        }
        Ok(stat.mode)
    }

    fn content(&self, directory: Fd, name: usize, mode: u32) -> Result {
        let Self { sys, own, .. } = *self;
        if mode & OWNERS_READ == 0 {
            let _ = sys.fchmodat(directory, name, Mode(0o600));
        }
        let flags = OpenFlags::O_RDONLY | OpenFlags::O_NOFOLLOW | OpenFlags::O_NONBLOCK | OpenFlags::O_CLOEXEC;
        let file = Fd(sys.openat(directory, name, flags, 0)? as i32);
        let len = sys.read(file, own + ANSWER, CONTENT_MAX);
        sys.close(file)?;
        len
    }
}

/// Types of files.
const KIND: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
