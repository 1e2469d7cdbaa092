//! Building the kernel for bare metal, and the cases as a static program for it, with whatever core library this machine
//! has. Nothing is downloaded.
//!
//! Order: the targets that rustup installed; the toolchain's own library source; Debian's rustc, which brings that
//! source, as a sysroot assembled once. The choice is printed.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

mod sysroot;

/// Where an image can run.
const TARGETS: &[&str] = &["x86_64-unknown-none", "riscv64imac-unknown-none-elf"];

/// What is built for bare targets: a package, and the words that choose its parts.
type Package = &'static [&'static str];

/// The image.
const IMAGE: Package = &["--package", "orrery", "--no-default-features", "--features", "baremetal"];
/// A kernel of ostd's examples.
const EXAMPLE: Package = &["--package", "ostd", "--no-default-features", "--features", "baremetal"];
/// A program of the guests' examples.
const GUEST_EXAMPLE: Package = &["--package", "ostd-guest"];
/// The cases as a program.
const CASES: Package = &["--package", "cases"];
/// The image that tests its machine.
const TESTS: Package = &["--package", "metal-tests", "--no-default-features", "--features", "baremetal"];

/// Where the core library for a target comes from.
enum Core {
    /// The toolchain has it built.
    Prebuilt,
    /// The toolchain has its source.
    Source,
    /// The system's rustc, which has its source, and a sysroot made of that.
    System(sysroot::Sysroot),
}

/// Runs `cargo COMMAND` on the kernel and the cases for `target`, or for every target.
pub(crate) fn run(root: &Path, command: &str, target: Option<&str>) -> Result<()> {
    ensure!(matches!(command, "check" | "clippy" | "build"), "`{command}`: check, clippy or build");
    let targets = TARGETS.iter().filter(|known| target.is_none_or(|only| only == **known));
    ensure!(targets.clone().next().is_some(), "no such target; there are {}", TARGETS.join(" and "));
    for target in targets {
        cargo(root, target, IMAGE, &[command], Say::Everything)?;
        cargo(root, target, CASES, &[command], Say::Errors)?;
        cargo(root, target, TESTS, &[command], Say::Errors)?;
    }
    Ok(())
}

/// Builds the image for `target`.
pub(crate) fn build_image(root: &Path, target: &str, profile: &str) -> Result<()> {
    cargo(root, target, IMAGE, &["build", "--quiet", "--profile", profile], Say::Errors)
}

/// Builds the image of one of ostd's examples.
pub(crate) fn build_example(root: &Path, target: &str, profile: &str, name: &str) -> Result<()> {
    cargo(root, target, EXAMPLE, &["build", "--quiet", "--profile", profile, "--example", name], Say::Errors)
}

/// Builds one of the guests' examples, optimised, as a static program for Linux on the processor of `target`, and says
/// where it is.
pub(crate) fn build_guest_example(root: &Path, target: &str, name: &str) -> Result<PathBuf> {
    let words = ["build", "--quiet", "--profile", "image", "--example", name];
    cargo(root, target, GUEST_EXAMPLE, &words, Say::Errors)?;
    Ok(root.join("target/baremetal").join(target).join("image/examples").join(name))
}

/// Builds the cases as a static program for Linux on the processor of `target`, and says where it is.
pub(crate) fn build_cases(root: &Path, target: &str) -> Result<PathBuf> {
    cargo(root, target, CASES, &["build", "--quiet", "--bin", "cases"], Say::Errors)?;
    Ok(root.join("target/baremetal").join(target).join("debug/cases"))
}

/// Builds the image that tests its machine, and says where it is.
pub(crate) fn build_tests(root: &Path, target: &str) -> Result<PathBuf> {
    cargo(root, target, TESTS, &["build", "--quiet"], Say::Errors)?;
    Ok(root.join("target/baremetal").join(target).join("debug/metal-tests"))
}

/// How much is printed.
#[derive(PartialEq)]
enum Say {
    Everything,
    Errors,
}

fn cargo(root: &Path, target: &str, package: Package, words: &[&str], say: Say) -> Result<()> {
    let core = choose(root, target)?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(words).args(package).args(["--target", target]);
    // Its own folder: another compiler than the host's would make cargo build everything again at every turn.
    cargo.arg("--target-dir").arg(root.join("target/baremetal"));
    // A debugger finds functions by their names.
    cargo.args(["--config", "profile.dev.debug='limited'"]);
    let choice = match &core {
        Core::Prebuilt => String::from("the core library that rustup installed"),
        Core::Source => {
            cargo.args(["-Zbuild-std=core,alloc,compiler_builtins"]);
            cargo.args(["-Zbuild-std-features=compiler-builtins-mem"]).env("RUSTC_BOOTSTRAP", "1");
            String::from("core and alloc built from the toolchain's rust-src")
        }
        Core::System(sysroot) => {
            // clippy is a compiler of its own, and must be the one that built core.
            ensure!(words[0] != "clippy", "clippy needs rustup's {target}, or its rust-src");
            cargo.env("RUSTC", sysroot.rustc());
            format!("the system's rustc with the sysroot {}", sysroot.dir.display())
        }
    };
    if say == Say::Everything {
        println!("{target}: {choice}");
    }
    ensure!(cargo.status().context("starting cargo")?.success(), "{target}: cargo {} failed", words[0]);
    Ok(())
}

fn choose(root: &Path, target: &str) -> Result<Core> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    if has_core(&rustc, target) {
        return Ok(Core::Prebuilt);
    }
    if sysroot::library_source(&rustc).is_some() {
        return Ok(Core::Source);
    }
    if sysroot::library_source(sysroot::SYSTEM_RUSTC.as_ref()).is_some() {
        return Ok(Core::System(sysroot::Sysroot::assembled(&root.join("target/baremetal-sysroot"), target)?));
    }
    bail!("no core library for {target} on this machine; with rustup: rustup target add {}", TARGETS.join(" "))
}

fn has_core(rustc: &OsString, target: &str) -> bool {
    let Some(dir) = sysroot::answer_of(rustc, &["--print", "target-libdir", "--target", target]) else { return false };
    let Ok(entries) = Path::new(&dir).read_dir() else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
}
