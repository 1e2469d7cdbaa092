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
/// Packages with unsafe code that runs on a host, and the kernel, whose tests drive it. Contexts of the first have stacks of
/// their own, of which the sanitizer has to hear: a feature of what it depends on, so that it is always there.
const PACKAGES: [&str; 5] = ["ostd-hosted", "ostd-hal", "ostd", "kernel", "orrery"];
/// What cannot run so, and why.
const WITHOUT: [(&str, &str); 4] = [
    ("memory_ends_at_a_programs_own_limits", "the program is instrumented too, and its shadow is beyond its limits"),
    ("garbage_in_every_register_leaves", "the program is instrumented too, and ends of what it does on purpose"),
    ("garbage_in_every_header_leaves", "the program is instrumented too, and ends of what it does on purpose"),
    ("a_thousand_kernels_one_after_another", "what is given back is kept for a while, to see whether it is used again"),
];
/// The same, of cases.
const WITHOUT_CASES: [(&str, &str); 2] = [
    ("host::", "nothing of ours is below the program, and what it does on purpose ends it"),
    ("ptrace::", "the program is instrumented too, and its shadow is larger than the machine"),
];

/// What to run.
#[derive(Args)]
pub(crate) struct Asan {
    /// Only tests with this in their names
    filter: Option<String>,
}

/// Builds and runs them.
pub(crate) fn run(root: &Path, asan: &Asan) -> Result<ExitCode> {
    let host = host()?;
    println!("address sanitizer: {}", runtime(&host)?);
    let packages: Vec<&str> = PACKAGES.iter().flat_map(|package| ["-p", package]).collect();
    let cases = ["-p", PACKAGES[0], "-p", "syscall-tests", "--test", "cases", "--test", "corpus", "--test", "programs"];
    let mut code = ExitCode::SUCCESS;
    for (what, without) in [(&packages[..], &WITHOUT[..]), (&cases[..], &WITHOUT_CASES[..])] {
        let mut cargo = cargo(root, &host);
        cargo.args(what).arg("--").args(&asan.filter);
        for (name, why) in without {
            println!("without {name}: {why}");
            cargo.args(["--skip", name]);
        }
        if !cargo.status().context("starting cargo")?.success() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// `cargo test`, instrumented.
fn cargo(root: &Path, host: &str) -> Command {
    let mut flags = env::var_os("RUSTFLAGS").unwrap_or_default();
    flags.push(" -Zsanitizer=address");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    // The flag is unstable; the runtime is in stable toolchains all the same.
    cargo.current_dir(root).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", flags).env("ASAN_OPTIONS", options());
    // With a target named, build scripts and macros are built without it.
    cargo.args(["test", "--no-fail-fast", "--quiet", "--target-dir", FOLDER, "--target", host]);
    cargo.args(["--features", "corosensei/sanitizer"]);
    cargo
}

/// Leaks are left out: what a signal's handler may be looking at, and what is a process's to the end, is never given back.
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
