//! An archive that was read: every name checked, nothing made yet.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use kernel_abi::flags::{NAME_MAX, PATH_MAX};

use super::cpio::{self, Header};
use super::gzip;
use crate::vfs::FileKind;

/// Why an archive is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Bytes from the start, of the archive as it is after decompression.
    at: usize,
    why: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.at, self.why)
    }
}

/// A file to be made.
pub(super) struct Member {
    pub(super) header: Header,
    pub(super) kind: FileKind,
    /// Names from the top; none is the top itself.
    pub(super) path: Vec<Vec<u8>>,
    /// Which of the archive's texts the header's ranges are of.
    pub(super) text: usize,
    /// Which archive of several: files share an inode within one only.
    pub(super) volume: usize,
}

/// A root file system to be. See the module.
pub struct Archive {
    pub(super) texts: Vec<Cow<'static, [u8]>>,
    pub(super) members: Vec<Member>,
    volumes: usize,
}

impl Archive {
    /// Reads and checks. Compressed parts may expand to `len_max` bytes together.
    pub fn read(bytes: impl Into<Cow<'static, [u8]>>, len_max: usize) -> Result<Self, Broken> {
        let bytes = bytes.into();
        let mut archive = Self { texts: Vec::new(), members: Vec::new(), volumes: 0 };
        let mut kinds = BTreeMap::new();
        let (mut at, mut left) = (0, len_max);
        let mut compressed = Vec::new();
        while let Some(start) = next_start(&bytes, at) {
            if bytes[start..].starts_with(&gzip::MAGIC) {
                let refuse = |why: &str| Broken { at: start, why: why.into() };
                let (text, len) = gzip::inflate(&bytes[start..], left).map_err(refuse)?;
                left -= text.len();
                // The given bytes are the first text.
                let mut inner = 0;
                while let Some(start) = next_start(&text, inner) {
                    inner = archive.read_volume(&text, start, 1 + compressed.len(), &mut kinds)?;
                }
                compressed.push(Cow::Owned(text));
                at = start + len;
            } else {
                at = archive.read_volume(&bytes, start, 0, &mut kinds)?;
            }
        }
        if archive.volumes == 0 {
            return Err(Broken { at: 0, why: "empty".into() });
        }
        archive.texts.push(bytes);
        archive.texts.append(&mut compressed);
        Ok(archive)
    }

    /// Reads one archive up to its trailer; gives where it ends.
    fn read_volume(
        &mut self,
        bytes: &[u8],
        start: usize,
        text: usize,
        kinds: &mut BTreeMap<Vec<Vec<u8>>, FileKind>,
    ) -> Result<usize, Broken> {
        let mut at = start;
        loop {
            let refuse = |why: String| Broken { at, why };
            let (header, next) = cpio::read(bytes, start, at).map_err(|why| refuse(why.into()))?;
            let Some(header) = header else {
                self.volumes += 1;
                return Ok(next);
            };
            let name = &bytes[header.name.clone()];
            let tell = |why: &str| refuse(format!("{}: {why}", name.escape_ascii()));
            let path = path_of(name).map_err(tell)?;
            let kind = FileKind::of_mode(header.mode & !0o7777).filter(|_| header.mode & 0o170_000 != 0);
            let kind = kind.ok_or_else(|| tell("no kind of file"))?;
            check_place(kinds, &path, kind).map_err(tell)?;
            check_contents(&header, kind, &bytes[header.data.clone()]).map_err(tell)?;
            self.members.push(Member { header, kind, path, text, volume: self.volumes });
            at = next;
        }
    }
}

/// Where the next archive begins: zeros between them are padding.
fn next_start(bytes: &[u8], at: usize) -> Option<usize> {
    Some(at + bytes.get(at..)?.iter().position(|byte| *byte != 0)?)
}

/// A name as the names on the way.
fn path_of(name: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    if name.len() >= PATH_MAX as usize {
        return Err("the name is too long");
    }
    if name.is_empty() {
        return Err("the name is empty");
    }
    if name[0] == b'/' {
        return Err("the name begins at the top; only names below it are taken");
    }
    let mut path = Vec::new();
    for step in name.split(|byte| *byte == b'/') {
        match step {
            b"" | b"." => {}
            b".." => return Err("the name leads out of the archive"),
            step if step.len() > NAME_MAX as usize => return Err("the name is too long"),
            step => path.push(step.to_vec()),
        }
    }
    Ok(path)
}

/// Notes what stands at a path: a directory stays one, and only directories lead on.
fn check_place(
    kinds: &mut BTreeMap<Vec<Vec<u8>>, FileKind>,
    path: &[Vec<u8>],
    kind: FileKind,
) -> Result<(), &'static str> {
    for len in (1..path.len()).rev() {
        match kinds.get(&path[..len]) {
            // What leads here was checked when this was noted.
            Some(FileKind::Directory) => break,
            Some(_) => return Err("the way leads through a file that is no directory"),
            None => drop(kinds.insert(path[..len].to_vec(), FileKind::Directory)),
        }
    }
    let before = if path.is_empty() { Some(FileKind::Directory) } else { kinds.insert(path.to_vec(), kind) };
    if before.is_some_and(|before| (before == FileKind::Directory) != (kind == FileKind::Directory)) {
        return Err("both a directory and not");
    }
    Ok(())
}

fn check_contents(header: &Header, kind: FileKind, data: &[u8]) -> Result<(), &'static str> {
    match kind {
        FileKind::Regular => Ok(()),
        FileKind::Symlink if header.nlink > 1 && data.is_empty() => Ok(()),
        FileKind::Symlink if data.is_empty() || data.len() >= PATH_MAX as usize || data.contains(&0) => {
            Err("points nowhere")
        }
        FileKind::Symlink => Ok(()),
        _ if data.is_empty() => Ok(()),
        _ => Err("contents in what has none"),
    }
}
