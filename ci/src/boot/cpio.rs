//! Writing a cpio archive in the "newc" format.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};

const DIRECTORY: u32 = 0o04_0000;
const FILE: u32 = 0o10_0000;
const LINK: u32 = 0o12_0000;

/// Folders that are links to those of their name in `/usr`, as Debian has them.
const MERGED: &[&str] = &["bin", "lib", "lib64", "sbin"];

/// An archive being written. Folders above a file are added with it, and `/bin` and its like are links into `/usr`.
#[derive(Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    names: BTreeSet<String>,
}

impl Archive {
    /// Adds a regular file.
    pub(crate) fn file(&mut self, path: &str, mode: u32, contents: &[u8]) -> Result<()> {
        self.member(path, FILE | mode & 0o7777, contents)
    }

    /// Adds a symbolic link.
    pub(crate) fn link(&mut self, path: &str, to: &str) -> Result<()> {
        self.member(path, LINK | 0o777, to.as_bytes())
    }

    /// Adds a file, link or folder of this machine, with what is in it but for the folders `left_out`.
    pub(crate) fn tree(&mut self, from: &Path, path: &str, left_out: &[&str]) -> Result<()> {
        let found = from.symlink_metadata().with_context(|| from.display().to_string())?;
        if found.is_dir() {
            self.folder(path, found.mode())?;
            for entry in from.read_dir()? {
                let entry = entry?;
                let name = entry.file_name().into_string().ok().context("a name that is no text")?;
                let path = if path.is_empty() { name } else { format!("{path}/{name}") };
                if !left_out.contains(&path.as_str()) {
                    self.tree(&entry.path(), &path, left_out)?;
                }
            }
            Ok(())
        } else if found.is_symlink() {
            if MERGED.contains(&path) {
                return Ok(());
            }
            self.member(path, LINK | 0o777, from.read_link()?.as_os_str().as_bytes())
        } else {
            ensure!(found.is_file(), "{}: neither a file nor a folder", from.display());
            self.file(path, found.mode(), &std::fs::read(from)?)
        }
    }

    /// Whether there is such a name.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.names.contains(&merged(path))
    }

    /// The bytes.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>> {
        for name in MERGED {
            let target = format!("usr/{name}");
            self.folder(&target, 0o755)?;
            self.header(name, LINK | 0o777, target.len())?;
            self.bytes.extend(target.bytes());
            self.pad();
        }
        self.header("TRAILER!!!", 0, 0)?;
        Ok(self.bytes)
    }

    fn folder(&mut self, path: &str, mode: u32) -> Result<()> {
        if path.is_empty() || self.has(path) {
            return Ok(());
        }
        self.member(path, DIRECTORY | mode & 0o7777, b"")
    }

    fn member(&mut self, path: &str, mode: u32, contents: &[u8]) -> Result<()> {
        let path = merged(path);
        if let Some((above, _)) = path.rsplit_once('/') {
            self.folder(above, 0o755)?;
        }
        ensure!(self.names.insert(path.clone()), "{path} is there twice");
        self.header(&path, mode, contents.len())?;
        self.bytes.extend(contents);
        self.pad();
        Ok(())
    }

    fn header(&mut self, path: &str, mode: u32, len: usize) -> Result<()> {
        let len = u32::try_from(len).context("a file of 4 GiB or more")?;
        let inode = u32::try_from(self.names.len())?;
        let name_len = u32::try_from(path.len() + 1)?;
        self.bytes.extend(b"070701");
        for field in [inode, mode, 0, 0, 1, 0, len, 0, 0, 0, 0, name_len, 0] {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// Where a name really is.
fn merged(path: &str) -> String {
    let first = path.split('/').next().unwrap_or(path);
    if MERGED.contains(&first) { format!("usr/{path}") } else { path.to_string() }
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn folders_come_before_what_is_in_them_and_everything_is_aligned() {
        let mut archive = Archive::default();
        archive.file("a/b/c", 0o644, b"12345").expect("fits");
        assert!(archive.link("a/b/c", "d").is_err(), "a name is there once");
        let bytes = archive.finish().expect("fits");
        let text = String::from_utf8_lossy(&bytes);
        let places: Vec<_> = ["a\0", "a/b\0", "a/b/c\0", "12345", "TRAILER!!!\0"].map(|name| text.find(name)).into();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn what_is_put_in_bin_is_in_usr_bin() {
        let mut archive = Archive::default();
        archive.file("bin/true", 0o755, b"").expect("fits");
        assert!(archive.has("usr/bin/true") && archive.has("bin/true") && !archive.has("usr/lib"));
        assert!(archive.link("usr/bin/true", "false").is_err(), "the same name");
        let text = String::from_utf8_lossy(&archive.finish().expect("fits")).into_owned();
        assert!(text.contains("usr/bin/true\0") && text.contains("bin\0") && text.contains("usr/sbin"), "{text}");
    }
}
