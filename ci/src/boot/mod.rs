//! `cargo xtask boot`: builds an image and its initial file system, and runs a program in it under QEMU.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

mod cpio;
mod qemu;
mod userland;

/// A processor that images are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    /// AMD64
    #[value(name = "x86_64")]
    X86_64,
    /// RV64GC
    #[value(name = "riscv64")]
    Riscv64,
}

impl Arch {
    fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-none",
            Self::Riscv64 => "riscv64imac-unknown-none-elf",
        }
    }
}

/// What the command line says.
#[derive(Args)]
pub(crate) struct Boot {
    /// Processor
    #[arg(long, value_enum, default_value = "x86_64")]
    arch: Arch,
    /// QEMU's machine: microvm, q35 or pc; virt
    #[arg(long)]
    machine: Option<String>,
    /// RAM, as QEMU takes it
    #[arg(long, default_value = "256M")]
    memory: String,
    /// A shell on the serial line; without it, input is at its end
    #[arg(long)]
    interactive: bool,
    /// Wait for a debugger, and print what to type
    #[arg(long)]
    gdb: bool,
    /// Print system calls; with a filter, only those it names
    #[arg(long, value_name = "FILTER", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    strace: Option<String>,
    /// Seconds after which a machine that still runs is stopped (not with --interactive or --gdb)
    #[arg(long, default_value_t = 60)]
    timeout: u64,
    /// Optimise the image
    #[arg(long)]
    release: bool,
    /// An archive to boot on instead of one with busybox
    #[arg(long, value_name = "FILE")]
    initramfs: Option<PathBuf>,
    /// Put a file or folder of this machine in the root, as HOST or HOST=GUEST
    #[arg(long, value_name = "HOST[=GUEST]")]
    add: Vec<String>,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "PROGRAM ARGS")]
    command: Vec<OsString>,
}

/// Boots; the exit code is the program's.
pub(crate) fn run(root: &Path, boot: &Boot) -> Result<ExitCode> {
    let qemu = qemu::Qemu::find(boot.arch, boot.machine.as_deref())?;
    let profile = if boot.release { "image" } else { "dev" };
    crate::baremetal::build_image(root, boot.arch.target(), profile)?;
    let folder = if boot.release { "image" } else { "debug" };
    let image = root.join("target/baremetal").join(boot.arch.target()).join(folder).join("orrery");
    let archive = match &boot.initramfs {
        Some(file) => {
            ensure!(file.is_file(), "{}: no such file", file.display());
            file.clone()
        }
        None => initramfs(root, boot)?,
    };
    let command: Vec<OsString> = if boot.command.is_empty() { vec!["/bin/sh".into()] } else { boot.command.clone() };
    let mut words: Vec<String> = command.iter().map(|word| format!("arg={}", encoded(word.as_bytes()))).collect();
    words.push(String::from("env=PATH=/usr/bin:/bin:/usr/sbin:/sbin"));
    words.push(String::from("env=HOME=/"));
    if boot.interactive {
        words.push(String::from("stdio=terminal"));
        words.push(String::from("env=TERM=vt100"));
    }
    if let Some(filter) = &boot.strace {
        words.push(if filter.is_empty() { String::from("strace") } else { format!("strace={filter}") });
    }
    qemu.run(&qemu::Run {
        image: &image,
        archive: &archive,
        words: &words.join(" "),
        memory: &boot.memory,
        gdb: boot.gdb,
        timeout: (!boot.interactive && !boot.gdb).then(|| Duration::from_secs(boot.timeout)),
    })
}

/// An archive of busybox and its names, and what was asked for besides.
fn initramfs(root: &Path, boot: &Boot) -> Result<PathBuf> {
    let target = root.join("target/userland").join(boot.arch.target());
    std::fs::create_dir_all(&target)?;
    let busybox = userland::busybox(boot.arch, &target)?;
    let mut archive = cpio::Archive::default();
    archive.file("bin/busybox", 0o755, &std::fs::read(&busybox)?)?;
    for name in userland::NAMES {
        archive.link(&format!("bin/{name}"), "busybox")?;
    }
    for added in &boot.add {
        let (host, guest) = added.split_once('=').unwrap_or((added, added));
        archive.tree(Path::new(host), guest.trim_matches('/')).with_context(|| format!("--add {added}"))?;
    }
    let path = target.join("initramfs.cpio");
    std::fs::write(&path, archive.finish()?)?;
    Ok(path)
}

/// A word as the image's command line has it: `%20` for a blank.
fn encoded(bytes: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.,:=+@".contains(byte);
    bytes.iter().map(|byte| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02x}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn a_word_has_no_blank_and_no_bare_percent() {
        assert_eq!(encoded(b"ls /; echo 100%"), "ls%20/%3b%20echo%20100%25");
    }
}
