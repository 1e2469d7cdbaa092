//! `cargo xtask boot`: builds an image and its initial file system, and runs a program in it under QEMU.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

pub(crate) mod cpio;
pub(crate) mod devices;
pub(crate) mod line;
pub(crate) mod packages;
pub(crate) mod qemu;
pub(crate) mod root;
mod terminal;

use qemu::{Qemu, Run};
use root::Root;
use terminal::Terminal;

/// The exit code when the image, not its program, failed.
pub(crate) const FAILED: u8 = 125;

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
    /// Whether this machine has it.
    pub(crate) fn is_this_machines(self) -> bool {
        std::env::consts::ARCH == if self == Self::X86_64 { "x86_64" } else { "riscv64" }
    }

    /// rustc's name for it.
    pub(crate) fn target(self) -> &'static str {
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
    /// QEMU's model of the processor, such as sifive-u54 or qemu64
    #[arg(long, value_name = "MODEL")]
    cpu: Option<String>,
    /// RAM, as QEMU takes it
    #[arg(long, default_value = "256M")]
    memory: String,
    /// Processors
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    cpus: u32,
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
    /// Boot a kernel of ostd's examples instead, without a file system
    #[arg(long, value_name = "NAME", conflicts_with_all = ["strace", "initramfs", "add", "packages", "command"])]
    example: Option<String>,
    /// An archive to boot on instead of one with busybox
    #[arg(long, value_name = "FILE")]
    initramfs: Option<PathBuf>,
    /// Put a file or folder of this machine in the root, as HOST or HOST=GUEST
    #[arg(long, value_name = "HOST[=GUEST]")]
    add: Vec<String>,
    /// Put Debian packages in the root, with what they depend on: python3,sqlite3
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    packages: Vec<String>,
    #[command(flatten)]
    devices: devices::Devices,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "PROGRAM ARGS")]
    command: Vec<OsString>,
}

/// Boots; the exit code is the program's.
pub(crate) fn run(root: &Path, boot: &Boot) -> Result<ExitCode> {
    let qemu = Qemu::find(boot.arch, boot.machine.as_deref())?;
    let image = match &boot.example {
        Some(name) => example(root, boot.arch, boot.release, name)?,
        None => image(root, boot.arch, boot.release)?,
    };
    let archive = match &boot.initramfs {
        _ if boot.example.is_some() => None,
        Some(file) => {
            ensure!(file.is_file(), "{}: no such file", file.display());
            Some(file.clone())
        }
        None => Some(initramfs(root, boot)?),
    };
    let shell = [OsString::from("/bin/sh")];
    let command = if boot.command.is_empty() { &shell[..] } else { &boot.command };
    let mut words = words(command.iter().map(|word| word.as_bytes()));
    if boot.interactive {
        words.push_str(" stdio=terminal env=TERM=vt100");
    }
    if let Some(filter) = &boot.strace {
        words.push_str(" strace");
        words.push_str(if filter.is_empty() { "" } else { "=" });
        words.push_str(filter);
    }
    let timeout = (!boot.interactive && !boot.gdb).then(|| Duration::from_secs(boot.timeout));
    let memory = boot.memory.clone();
    let mut devices = boot.devices.words(qemu.machine())?;
    // QEMU listens to the last one.
    devices.extend(boot.cpu.iter().flat_map(|model| [String::from("-cpu"), model.clone()]));
    let run = Run { image, archive, words, memory, cpus: boot.cpus, devices, gdb: boot.gdb, timeout };
    let terminal = if boot.interactive { Some(Terminal::raw()?) } else { None };
    let end = qemu.run(&run, io::stdout(), terminal)?;
    Ok(ExitCode::from(match end.status {
        Some(status) if end.stopped.is_none() => status,
        _ => {
            eprintln!("xtask: {}", end.complaint());
            FAILED
        }
    }))
}

/// Builds the image; gives its path.
pub(crate) fn image(root: &Path, arch: Arch, release: bool) -> Result<PathBuf> {
    let (profile, folder) = profile(release);
    crate::baremetal::build_image(root, arch.target(), profile)?;
    Ok(root.join("target/baremetal").join(arch.target()).join(folder).join("orrery"))
}

/// Builds the image of one of ostd's examples; gives its path.
fn example(root: &Path, arch: Arch, release: bool, name: &str) -> Result<PathBuf> {
    let (profile, folder) = profile(release);
    crate::baremetal::build_example(root, arch.target(), profile, name)?;
    Ok(root.join("target/baremetal").join(arch.target()).join(folder).join("examples").join(name))
}

/// A profile of cargo's, and the folder of what it builds.
fn profile(release: bool) -> (&'static str, &'static str) {
    if release { ("image", "image") } else { ("dev", "debug") }
}

/// The image's command line for a program and its arguments.
pub(crate) fn words<'a>(command: impl Iterator<Item = &'a [u8]>) -> String {
    let mut words: Vec<String> = command.map(|word| format!("arg={}", encoded(word))).collect();
    words.push(String::from("env=PATH=/usr/bin:/bin:/usr/sbin:/sbin env=HOME=/"));
    words.join(" ")
}

/// An archive of busybox and its names, and what was asked for besides.
fn initramfs(root: &Path, boot: &Boot) -> Result<PathBuf> {
    let mut files = Root::with_busybox(root, boot.arch)?;
    for added in &boot.add {
        let (host, guest) = added.split_once('=').unwrap_or((added, added));
        files.add(Path::new(host), guest).with_context(|| format!("--add {added}"))?;
    }
    if !boot.packages.is_empty() {
        files.packages(&boot.packages)?;
    }
    files.write("initramfs.cpio")
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
