//! The initial file system of a machine: Debian's busybox under its names, packages, and whatever is asked for.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Arch;
use super::cpio::Archive;
use super::packages::Apt;

/// The names under which busybox is put in `/bin`.
pub(crate) const NAMES: &str = "\
    ash awk base64 basename bunzip2 bzip2 cat chmod chown clear cmp cp cpio cut date dd df diff dirname \
    dmesg du echo env expr false find fold free grep gunzip gzip head hexdump hostname id ifconfig ip \
    kill killall less ln ls md5sum mkdir mkfifo mknod mktemp more mount mv nc nl nproc od paste pidof \
    ping printf ps pwd readlink realpath rev rm rmdir sed seq setsid sh sha1sum sha256sum shuf sleep \
    sort stat strings stty sync tac tail tar tee test time timeout top touch tr true truncate tty \
    umount uname uniq uptime usleep vi watch wc wget which xargs xz yes";
/// Folders of a package that no program here reads.
const LEFT_OUT: &[&str] =
    &["usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian"];

/// A root file system that grows, and the folder for what it is made of.
pub(crate) struct Root {
    archive: Archive,
    apt: Apt,
    folder: PathBuf,
}

impl Root {
    /// A root with busybox; `root` is the workspace.
    pub(crate) fn with_busybox(root: &Path, arch: Arch) -> Result<Self> {
        let folder = root.join("target/userland").join(arch.target());
        std::fs::create_dir_all(&folder)?;
        let root = Self { archive: Archive::default(), apt: Apt::new(arch, folder.join("apt")), folder };
        root.program("busybox-static", "busybox")?;
        Ok(root)
    }

    /// Adds the static bash as `/bin/bash`.
    pub(crate) fn bash(&mut self) -> Result<()> {
        let bash = self.program("bash-static", "bash-static")?;
        self.archive.file("bin/bash", 0o755, &std::fs::read(bash)?)
    }

    /// Adds Debian packages, with the packages that they depend on. Their scripts do not run.
    pub(crate) fn packages(&mut self, names: &[String]) -> Result<()> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let kept = self.folder.join("packages").join(names.join("+"));
        if !kept.exists() {
            self.apt.closure(&names, &kept)?;
        }
        self.archive.tree(&kept, "", LEFT_OUT)
    }

    /// Adds a file, link or folder of this machine.
    pub(crate) fn add(&mut self, host: &Path, guest: &str) -> Result<()> {
        self.archive.tree(host, guest.trim_matches('/'), &[])
    }

    /// Adds a file.
    pub(crate) fn file(&mut self, path: &str, mode: u32, contents: &[u8]) -> Result<()> {
        self.archive.file(path, mode, contents)
    }

    /// Writes the archive. What nothing else has become is busybox.
    pub(crate) fn write(mut self, name: &str) -> Result<PathBuf> {
        let busybox = self.program("busybox-static", "busybox")?;
        self.archive.file("bin/busybox", 0o755, &std::fs::read(busybox)?)?;
        for name in NAMES.split_whitespace().map(|name| format!("bin/{name}")) {
            if !self.archive.has(&name) {
                self.archive.link(&name, "busybox")?;
            }
        }
        let path = self.folder.join(name);
        // A machine may still be reading the one before.
        let partial = path.with_extension("partial");
        std::fs::write(&partial, self.archive.finish()?)?;
        std::fs::rename(&partial, &path)?;
        Ok(path)
    }

    /// The static programs by name.
    pub(crate) fn programs(&self) -> Result<[(&'static str, PathBuf); 2]> {
        Ok([
            ("busybox", self.program("busybox-static", "busybox")?),
            ("bash", self.program("bash-static", "bash-static")?),
        ])
    }

    /// A static program of a package: this machine's own, or one that was fetched.
    fn program(&self, package: &str, name: &str) -> Result<PathBuf> {
        if let Some(installed) = self.apt.installed(name) {
            return Ok(installed);
        }
        let kept = self.folder.join(name);
        if !kept.exists() {
            self.apt
                .program(package, name, &kept)
                .with_context(|| format!("put a static {name} at {}", kept.display()))?;
        }
        Ok(kept)
    }
}
