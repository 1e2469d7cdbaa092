//! Programs for the initial file system: Debian's busybox, of this machine or fetched as a package by name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::Arch;

/// The names under which busybox is put in `/bin`.
pub(super) const NAMES: &[&str] = &[
    "ash",
    "awk",
    "base64",
    "basename",
    "cat",
    "chmod",
    "chown",
    "clear",
    "cmp",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "diff",
    "dirname",
    "du",
    "echo",
    "env",
    "expr",
    "false",
    "find",
    "free",
    "grep",
    "gunzip",
    "gzip",
    "head",
    "hostname",
    "id",
    "kill",
    "ln",
    "ls",
    "md5sum",
    "mkdir",
    "mkfifo",
    "mknod",
    "mktemp",
    "more",
    "mount",
    "mv",
    "nproc",
    "od",
    "paste",
    "pidof",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "stty",
    "sync",
    "tail",
    "tar",
    "tee",
    "test",
    "time",
    "timeout",
    "top",
    "touch",
    "tr",
    "true",
    "truncate",
    "tty",
    "umount",
    "uname",
    "uniq",
    "usleep",
    "vi",
    "wc",
    "which",
    "xargs",
    "yes",
];
/// Suites of Debian that have the architecture, the best first.
const SUITES: &[&str] = &["trixie", "sid"];
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A static busybox for `arch`.
pub(super) fn busybox(arch: Arch, folder: &Path) -> Result<PathBuf> {
    if arch == Arch::X86_64 && std::env::consts::ARCH == "x86_64" {
        let installed = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
        let found = installed.into_iter().find(|path| path.is_file());
        return found.context("no busybox here; install the package busybox-static");
    }
    let kept = folder.join("busybox");
    if !kept.exists() {
        fetch(arch, folder, &kept)?;
    }
    Ok(kept)
}

/// Fetches the package with apt, in a state of its own, from wherever this machine has its packages.
fn fetch(arch: Arch, folder: &Path, kept: &Path) -> Result<()> {
    let name = match arch {
        Arch::X86_64 => "amd64",
        Arch::Riscv64 => "riscv64",
    };
    let listed = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"])
        .output()
        .context("apt-get (Debian's) fetches programs for other processors")?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let source = listed.lines().find(|line| !line.contains("security")).context("apt has no package source")?;
    let apt = folder.join("apt");
    for part in ["state/lists/partial", "cache/archives/partial", "unpacked"] {
        fs::create_dir_all(apt.join(part))?;
    }
    fs::write(apt.join("status"), "")?;
    println!("fetching busybox-static for {name}");
    for suite in SUITES {
        fs::write(apt.join("sources.list"), format!("deb [arch={name} signed-by={KEYS}] {source} {suite} main\n"))?;
        if !apt_get(&apt, name, &["update"])? || !apt_get(&apt, name, &["download", "busybox-static"])? {
            continue;
        }
        let package = apt.read_dir()?.flatten().map(|entry| entry.path());
        let package = package.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "deb"));
        let package = package.context("apt downloaded nothing")?;
        let unpacked = apt.join("unpacked");
        let status = Command::new("dpkg-deb").arg("-x").args([&package, &unpacked]).status()?;
        ensure!(status.success(), "{}: cannot be unpacked", package.display());
        let program = ["usr/bin/busybox", "bin/busybox"].map(|path| unpacked.join(path));
        let program = program.into_iter().find(|path| path.is_file()).context("the package has no busybox")?;
        fs::copy(program, kept)?;
        fs::remove_dir_all(&apt)?;
        return Ok(());
    }
    bail!("no package busybox-static for {name}: put a static busybox at {}", kept.display())
}

fn apt_get(apt: &Path, arch: &str, command: &[&str]) -> Result<bool> {
    let mut apt_get = Command::new("apt-get");
    apt_get.current_dir(apt).arg("-qq");
    let at = |part: &str| apt.join(part).display().to_string();
    for (key, value) in [
        ("APT::Architecture", arch.to_string()),
        ("APT::Architectures", arch.to_string()),
        ("APT::Sandbox::User", String::from("root")),
        ("Acquire::Languages", String::from("none")),
        ("Dir::State", at("state")),
        ("Dir::State::status", at("status")),
        ("Dir::Cache", at("cache")),
        ("Dir::Etc::SourceList", at("sources.list")),
        ("Dir::Etc::SourceParts", String::from("/dev/null")),
    ] {
        apt_get.arg("-o").arg(format!("{key}={value}"));
    }
    let output = apt_get.args(command).output().context("starting apt-get")?;
    Ok(output.status.success())
}
