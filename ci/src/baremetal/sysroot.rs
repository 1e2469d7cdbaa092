//! A sysroot for bare targets out of Debian's rustc: a folder shaped like a toolchain, assembled once.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The compiler of Debian's packages (`rustc-web cargo-web rust-web-src`).
pub(super) const SYSTEM_RUSTC: &str = "/usr/bin/rustc";
const SYSTEM_CARGO: &str = "/usr/bin/cargo";
/// The linker that bare targets ask for: lld under a name by which it is told what kind of linker to be.
const RUST_LLD: &str = "rust-lld";
/// What an image links besides our own crates.
const LIBRARIES: &[&str] = &["core", "alloc", "compiler_builtins"];

/// A folder whose `bin/rustc` knows bare targets.
pub(super) struct Sysroot {
    /// The folder; it also serves as `RUSTUP_TOOLCHAIN`.
    pub(super) dir: PathBuf,
}

impl Sysroot {
    /// The sysroot in `dir`, with the libraries for `target`; builds what is missing (40 s a target on two cores).
    pub(super) fn assembled(dir: &Path, target: &str) -> Result<Self> {
        let version = answer_of(SYSTEM_RUSTC.as_ref(), &["-vV"]).context("asking the system's rustc")?;
        let linker =
            linker().context("no linker for bare targets: neither rust-lld nor lld (package lld-22, or lld)")?;
        // Made with another linker it is another one.
        let version = format!("{version}\n{}", linker.display());
        let stamp = dir.join("made-by");
        if fs::read_to_string(&stamp).is_ok_and(|made_by| made_by != version) {
            fs::remove_dir_all(dir)?;
        }
        let sysroot = Self { dir: dir.to_path_buf() };
        let libraries = dir.join("lib/rustlib").join(target).join("lib");
        if !stamp.exists() || !libraries.exists() {
            sysroot.write_driver(&linker)?;
            sysroot.build_libraries(target, &libraries)?;
            fs::write(&stamp, version)?;
        }
        Ok(sysroot)
    }

    /// The compiler to build with.
    pub(super) fn rustc(&self) -> PathBuf {
        self.dir.join("bin/rustc")
    }

    /// `bin/rustc`, the system's own libraries for build scripts and procedural macros, and a linker where rustc looks for
    /// the one that bare targets ask for.
    fn write_driver(&self, linker: &Path) -> Result<()> {
        let host_libraries = host_libraries().context("host libdir")?;
        let host = host_libraries.parent().context("a libdir lies in its target's folder")?;
        let own = self.dir.join("lib/rustlib").join(host.file_name().context("a target has a name")?);
        fs::create_dir_all(self.dir.join("bin"))?;
        // The folder itself was a link once.
        if own.is_symlink() {
            fs::remove_file(&own)?;
        }
        fs::create_dir_all(own.join("bin"))?;
        for (what, link) in [(host_libraries.as_path(), own.join("lib")), (linker, own.join("bin").join(RUST_LLD))] {
            if !link.is_symlink() {
                symlink(what, &link)?;
            }
        }
        fs::write(self.rustc(), format!("#!/bin/sh\nexec {SYSTEM_RUSTC} --sysroot '{}' \"$@\"\n", self.dir.display()))?;
        fs::set_permissions(self.rustc(), fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    /// Builds the libraries by way of an empty crate and copies them to `into`, complete or not at all.
    fn build_libraries(&self, target: &str, into: &Path) -> Result<()> {
        println!("{target}: building core and alloc once");
        let empty = self.dir.join("empty");
        fs::create_dir_all(empty.join("src"))?;
        fs::write(empty.join("Cargo.toml"), "[package]\nname = \"empty\"\nedition = \"2024\"\n[workspace]\n")?;
        fs::write(empty.join("src/lib.rs"), "#![no_std]\n")?;
        let status = Command::new(SYSTEM_CARGO)
            .current_dir(&empty)
            .args(["build", "--release", "--quiet", "--target", target, "--target-dir", "target"])
            .args(["-Zbuild-std=core,alloc,compiler_builtins", "-Zbuild-std-features=compiler-builtins-mem"])
            .env("RUSTC", SYSTEM_RUSTC)
            .env("RUSTC_BOOTSTRAP", "1")
            // Without bitcode, an image cannot be linked with LTO.
            .env("RUSTFLAGS", "-Cembed-bitcode=yes")
            .env_remove("RUSTUP_TOOLCHAIN")
            .status()
            .with_context(|| format!("starting {SYSTEM_CARGO} (package cargo-web)"))?;
        ensure!(status.success(), "building core for {target} failed");
        let partial = into.with_extension("partial");
        fs::create_dir_all(&partial)?;
        for entry in empty.join("target").join(target).join("release/deps").read_dir()? {
            let built = entry?.path();
            let name = built.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let wanted = LIBRARIES.iter().any(|library| name.starts_with(&format!("lib{library}-")));
            if wanted && name.ends_with(".rlib") {
                fs::copy(&built, partial.join(name))?;
            }
        }
        fs::rename(&partial, into)?;
        fs::remove_dir_all(empty.join("target"))?;
        Ok(())
    }
}

/// Where the system's rustc has its own libraries.
fn host_libraries() -> Option<PathBuf> {
    answer_of(SYSTEM_RUSTC.as_ref(), &["--print", "target-libdir"]).map(PathBuf::from)
}

/// A linker that can be [`RUST_LLD`]: the system rustc's own, the one of the toolchain in use, or lld of LLVM's packages,
/// whose newest version comes last.
fn linker() -> Option<PathBuf> {
    let toolchain = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let in_use = answer_of(&toolchain, &["--print", "target-libdir"]).map(PathBuf::from);
    let beside = |libraries: PathBuf| Some(libraries.parent()?.join("bin").join(RUST_LLD));
    let mut known = host_libraries().into_iter().chain(in_use).filter_map(beside);
    if let Some(found) = known.find(|linker| linker.exists()) {
        return Some(found);
    }
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
    let entries = folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten();
    let version = |name: &str| match name.strip_prefix("lld") {
        _ if name == RUST_LLD => Some(u32::MAX),
        Some("") => Some(0),
        Some(rest) => rest.strip_prefix('-')?.parse().ok(),
        None => None,
    };
    let versions = entries.filter_map(|entry| Some((version(entry.file_name().to_str()?)?, entry.path())));
    versions.max().map(|(_, linker)| linker)
}

/// Where `rustc`'s library source lies, if it has it.
pub(super) fn library_source(rustc: &OsStr) -> Option<PathBuf> {
    let sysroot = answer_of(rustc, &["--print", "sysroot"])?;
    let source = Path::new(&sysroot).join("lib/rustlib/src/rust/library");
    source.join("core").exists().then_some(source)
}

/// What a compiler prints, trimmed; nothing when it cannot be run or refuses.
pub(super) fn answer_of(rustc: &OsStr, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(rustc);
    if rustc == SYSTEM_RUSTC {
        command.env_remove("RUSTUP_TOOLCHAIN");
    }
    let output = command.args(arguments).output().ok()?;
    let printed = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| printed.trim().to_string())
}
