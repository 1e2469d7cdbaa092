//! What a program left in its directory: looked at and removed in one go.

use alloc::vec::Vec;

use kernel_abi::flags::{AtFlags, OpenFlags};
use kernel_abi::structs::{Dirent64, Stat};
use kernel_abi::sys::{Calls, Sys};
use kernel_abi::{Errno, Fd, Mode, Result};
use zerocopy::FromBytes as _;

use crate::stage::unlink;
use crate::transcript::sum;

/// Directories within directories that are looked into.
const DEPTH_MAX: usize = 16;
/// Entries that are told.
const NODES_MAX: usize = 256;
/// Bytes of a file that count.
const CONTENT_MAX: usize = 2048;
/// Where answers go, behind names.
const ANSWER: usize = 2048;

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

/// Tells and removes what is below a directory, and the directory. `own` is memory for names and answers.
pub(crate) fn take(sys: &dyn Sys, own: usize, directory: &[u8]) -> Result<Vec<Node>> {
    let mut nodes = Vec::new();
    let inner = [directory, b"/d"].concat();
    // Mostly there is nothing to tell.
    if sys.unlinkat(Fd::CWD, name(sys, own, &inner), AtFlags::AT_REMOVEDIR).is_err()
        || sys.unlinkat(Fd::CWD, name(sys, own, directory), AtFlags::AT_REMOVEDIR).is_err()
    {
        let mut taking = Taking { sys, own, nodes: &mut nodes };
        // What cannot be removed is litter.
        let _ = taking.directory(Fd::CWD, directory, b"", 0);
        let _ = sys.unlinkat(Fd::CWD, name(sys, own, directory), AtFlags::AT_REMOVEDIR);
    }
    nodes.sort();
    Ok(nodes)
}

fn name(sys: &dyn Sys, own: usize, name: &[u8]) -> usize {
    let mut bytes = name.to_vec();
    bytes.push(0);
    sys.poke(own, &bytes);
    own
}

struct Taking<'a> {
    sys: &'a dyn Sys,
    own: usize,
    nodes: &'a mut Vec<Node>,
}

impl Taking<'_> {
    fn directory(&mut self, above: Fd, own_name: &[u8], path: &[u8], depth: usize) -> Result<()> {
        let Self { sys, own, .. } = *self;
        let _ = sys.fchmodat(above, name(sys, own, own_name), Mode(0o700));
        let flags = OpenFlags::O_RDONLY | OpenFlags::O_DIRECTORY | OpenFlags::O_NOFOLLOW | OpenFlags::O_CLOEXEC;
        let directory = Fd(sys.openat(above, name(sys, own, own_name), flags, 0)? as i32);
        for entry in self.names(directory)? {
            let path = if path.is_empty() { entry.clone() } else { [path, b"/", &entry].concat() };
            let is_directory = self.tell(directory, &entry, &path)?;
            if is_directory && depth < DEPTH_MAX {
                let _ = self.directory(directory, &entry, &path, depth + 1);
            }
            let _ = unlink(sys, directory, name(sys, own, &entry));
        }
        sys.close(directory).map(drop)
    }

    fn names(&self, directory: Fd) -> Result<Vec<Vec<u8>>> {
        let Self { sys, own, .. } = *self;
        let mut names = Vec::new();
        loop {
            let len = sys.getdents64(directory, own + ANSWER, CONTENT_MAX)?;
            if len == 0 {
                // Files with two names change as they are told.
                names.sort();
                return Ok(names);
            }
            let bytes = sys.bytes(own + ANSWER, len);
            let mut rest = &bytes[..];
            while let Ok((head, name)) = Dirent64::read_from_prefix(rest) {
                let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                if !matches!(name, b"." | b"..") {
                    names.push(name.to_vec());
                }
                rest = rest.get(usize::from(head.d_reclen).max(1)..).unwrap_or_default();
            }
        }
    }

    /// Tells an entry; whether it is a directory.
    fn tell(&mut self, directory: Fd, entry: &[u8], path: &[u8]) -> Result<bool> {
        let Self { sys, own, .. } = *self;
        let at = name(sys, own, entry);
        sys.newfstatat(directory, at, own + ANSWER, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        let stat = Stat::decode(sys.arch(), &sys.bytes(own + ANSWER, 144)).ok_or(Errno::EIO)?;
        let kind = stat.mode & 0o170_000;
        let content = match kind {
            0o120_000 => sys.readlinkat(directory, at, own + ANSWER, CONTENT_MAX).unwrap_or(0),
            0o100_000 => self.content(directory, at).unwrap_or(0),
            _ => 0,
        };
        if self.nodes.len() < NODES_MAX {
            let is_directory = kind == 0o040_000;
            self.nodes.push(Node {
                path: path.to_vec(),
                mode: stat.mode,
                nlink: if is_directory { 0 } else { stat.nlink },
                len: if is_directory { 0 } else { stat.size as u64 },
                sum: sum(&sys.bytes(own + ANSWER, content)),
            });
        }
        Ok(kind == 0o040_000)
    }

    fn content(&self, directory: Fd, name: usize) -> Result {
        let Self { sys, own, .. } = *self;
        let _ = sys.fchmodat(directory, name, Mode(0o600));
        let flags = OpenFlags::O_RDONLY | OpenFlags::O_NOFOLLOW | OpenFlags::O_NONBLOCK | OpenFlags::O_CLOEXEC;
        let file = Fd(sys.openat(directory, name, flags, 0)? as i32);
        let len = sys.read(file, own + ANSWER, CONTENT_MAX);
        sys.close(file)?;
        len
    }
}
