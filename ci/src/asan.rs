//! `cargo xtask asan`: the hosted tests under the address sanitizer, which sees what unsafe code of the trusted base does to
//! the heap and to stacks.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

/// Where the instrumented build goes, in the root.
const FOLDER: &str = "target/asan";
/// Packages with unsafe code that runs on a host, and those whose tests drive it.
const PACKAGES: [&str; 4] = ["ostd-hal", "ostd", "kernel", "syscall-tests"];
/// And the one whose contexts have stacks of their own.
const SWITCHES: &str = "ostd-hosted";
/// What cannot run so, and why: filters of libtest's.
const WITHOUT: [(&str, &str); 0] = [];

/// What to run.
#[derive(Args)]
pub(crate) struct Asan {
    /// One package instead of all that have unsafe code or drive it
    #[arg(long)]
    package: Option<String>,
    /// Only tests with this in their names
    filter: Option<String>,
}

/// Builds and runs them.
pub(crate) fn run(root: &Path, asan: &Asan) -> Result<ExitCode> {
    let host = host()?;
    let runtime = runtime(&host)?;
    println!("address sanitizer: {runtime}");
    let mut flags = env::var_os("RUSTFLAGS").unwrap_or_default();
    flags.push(" -Zsanitizer=address");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    // The flag is unstable; the runtime is in stable toolchains all the same.
    cargo.current_dir(root).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", flags);
    cargo.env("ASAN_OPTIONS", options());
    // With a target named, build scripts and macros are built without it.
    cargo.args(["test", "--no-fail-fast", "--quiet", "--target-dir", FOLDER, "--target", &host]);
    // The sanitizer has to hear of contexts' switches of stacks: the crate that switches says so, where it is asked to. The
    // package that depends on it is always there.
    cargo.args(["-p", SWITCHES, "--features", "corosensei/sanitizer"]);
    match asan.package.as_deref() {
        Some(package) => cargo.args(["-p", package]),
        None => cargo.args(PACKAGES.iter().flat_map(|package| ["-p", package])),
    };
    cargo.arg("--").args(&asan.filter);
    for (name, why) in WITHOUT {
        println!("without {name}: {why}");
        cargo.args(["--skip", name]);
    }
    let status = cargo.status().context("starting cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Those of the environment come last, and so win.
fn options() -> OsString {
    let mut options = OsString::from("detect_leaks=0:detect_stack_use_after_return=0:");
    options.push(env::var_os("ASAN_OPTIONS").unwrap_or_default());
    options
}

fn rustc(words: &[&str]) -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let output = Command::new(rustc).args(words).output().context("starting rustc")?;
    ensure!(output.status.success(), "rustc {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn host() -> Result<String> {
    let said = rustc(&["-vV"])?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say what it runs on")
}

/// The sanitizer's library, which a toolchain may lack.
fn runtime(host: &str) -> Result<String> {
    let folder = rustc(&["--print", "target-libdir", "--target", host])?;
    for entry in Path::new(folder.trim()).read_dir().with_context(|| folder.trim().to_owned())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("librustc") && name.ends_with("_rt.asan.a") {
            return Ok(name);
        }
    }
    bail!("this toolchain has no address sanitizer: rustup's has, for {host}")
}
