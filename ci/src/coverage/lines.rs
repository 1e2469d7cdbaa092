//! Which lines of the kernel the hosted tests run, by LLVM's own instruments.
//!
//! The tests are built once more, instrumented, in a target folder of their own, and run as ever. Lines that are compiled
//! for tests only are not counted.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::source::Source;
use crate::tree::Tree;

/// Where everything of this goes, in `target/`.
const FOLDER: &str = "target/coverage";
/// What is counted.
const COUNTED: &str = "kernel/src/";
/// Packages whose tests are about other things than a kernel on a host.
const OTHERS: [&str; 3] = ["xtask", "bench", "metal-tests"];

/// LLVM's tools, of the version that this compiler writes for.
struct Tools {
    profdata: PathBuf,
    cov: PathBuf,
}

/// Counted lines, and those of them that ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lines {
    counted: usize,
    ran: usize,
}

impl Lines {
    fn add(&mut self, other: Self) {
        self.counted += other.counted;
        self.ran += other.ran;
    }

    fn percent(self) -> f64 {
        100.0 * self.ran as f64 / self.counted.max(1) as f64
    }
}

/// Builds, runs, and prints lines by room; says where the pages are. A test that fails is told, and counts all the same.
pub(crate) fn run(tree: &Tree) -> Result<()> {
    let tools = Tools::find()?;
    let folder = tree.root.join(FOLDER);
    let raw = folder.join("raw");
    if raw.exists() {
        fs::remove_dir_all(&raw)?;
    }
    fs::create_dir_all(&raw)?;
    let binaries = build(&tree.root, &folder)?;
    let status = cargo(&tree.root, &folder, &["--no-fail-fast", "--quiet"])
        // Processes that run the same binary share two files.
        .env("LLVM_PROFILE_FILE", raw.join("%2m.profraw"))
        .status()
        .context("starting cargo")?;
    if !status.success() {
        println!("(some tests failed; what they ran is counted)");
    }
    let profile = folder.join("tests.profdata");
    let parts = fs::read_dir(&raw)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    ensure!(!parts.is_empty(), "the tests left no profiles in {}", raw.display());
    succeed(Command::new(&tools.profdata).args(["merge", "-sparse", "-o"]).arg(&profile).args(&parts))?;
    let html = folder.join("html");
    let about = |kind: &str| {
        let mut cov = Command::new(&tools.cov);
        cov.arg(kind).arg(format!("-instr-profile={}", profile.display()));
        for binary in &binaries {
            cov.arg("-object").arg(binary);
        }
        cov.arg("-ignore-filename-regex=/tests\\.rs$|/tests/").current_dir(&tree.root);
        cov
    };
    // By name, as LLVM lists no folder.
    let mut counted: Vec<_> =
        tree.rust.iter().map(|file| &file.path).filter(|path| path.starts_with(COUNTED)).collect();
    counted.sort();
    let mut pages = about("show");
    pages
        .args(["-format=html", "-show-line-counts-or-regions"])
        .arg("-project-title=Orrery: the kernel's lines, by hosted tests");
    succeed(pages.arg(format!("-output-dir={}", html.display())).arg("-sources").args(&counted))?;
    let lcov = succeed(about("export").arg("-format=lcov").arg("-sources").args(&counted))?;
    print(&by_file(&lcov, tree)?);
    println!("\nEvery line: {}", html.join("index.html").display());
    Ok(())
}

/// Builds the tests; gives the programs that have the kernel in them.
fn build(root: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let output = cargo(root, folder, &["--no-run"]).output().context("starting cargo")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    let mut found = executables(&said);
    found.extend(["orrery", "case"].map(|name| folder.join("debug").join(name)));
    Ok(found.into_iter().map(|path| root.join(path)).filter(|path| path.exists()).collect())
}

/// The paths in what cargo says it has built: `  Executable unittests src/lib.rs (target/debug/deps/kernel-0123)`.
fn executables(said: &str) -> Vec<PathBuf> {
    let line = |line: &str| {
        let (_, rest) = line.trim_start().strip_prefix("Executable ")?.rsplit_once('(')?;
        Some(PathBuf::from(rest.strip_suffix(')')?))
    };
    said.lines().filter_map(line).collect()
}

/// `cargo test` on the hosted packages, instrumented.
fn cargo(root: &Path, folder: &Path, words: &[&str]) -> Command {
    let mut flags = env::var_os("RUSTFLAGS").unwrap_or_default();
    flags.push(" -Cinstrument-coverage");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    // What is built to build the rest, and run, has instruments as well.
    cargo.env("LLVM_PROFILE_FILE", folder.join("built").join("%m.profraw"));
    cargo.current_dir(root).env("RUSTFLAGS", flags).env("CARGO_INCREMENTAL", "0");
    cargo.arg("test").arg("--target-dir").arg(folder).arg("--workspace");
    for package in OTHERS {
        cargo.args(["--exclude", package]);
    }
    cargo.args(words);
    cargo
}

fn succeed(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("starting {:?}", command.get_program()))?;
    ensure!(output.status.success(), "{:?}: {}", command.get_program(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).context("LLVM speaks UTF-8")
}

/// Reads what llvm-cov exports: `SF:` begins a file, `DA:LINE,COUNT` is a line of it.
fn by_file(lcov: &str, tree: &Tree) -> Result<BTreeMap<String, Lines>> {
    let root = format!("{}/", tree.root.display());
    let mut files: BTreeMap<String, Lines> = BTreeMap::new();
    let mut at: Option<(&Source, Vec<&str>)> = None;
    for line in lcov.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            let path = path.strip_prefix(&root).unwrap_or(path);
            at = tree.rust.iter().find(|file| file.path == path).map(|file| (file, file.shipped.lines().collect()));
        } else if let (Some(data), Some((file, shipped))) = (line.strip_prefix("DA:"), &at) {
            let (number, count) = data.split_once(',').context("lcov: a line without a count")?;
            let number: usize = number.parse()?;
            if shipped.get(number - 1).is_some_and(|text| !text.trim().is_empty()) {
                let ran = usize::from(count != "0");
                files.entry(file.path.clone()).or_default().add(Lines { counted: 1, ran });
            }
        }
    }
    Ok(files)
}

/// The room of a file: what stands behind `kernel/src/`.
fn room(path: &str) -> &str {
    let rest = path.strip_prefix(COUNTED).unwrap_or(path);
    rest.split_once('/').map_or(rest, |(room, _)| room)
}

fn print(files: &BTreeMap<String, Lines>) {
    let (mut rooms, mut whole) = (BTreeMap::<&str, Lines>::new(), Lines::default());
    for (path, lines) in files {
        rooms.entry(room(path)).or_default().add(*lines);
        whole.add(*lines);
    }
    let row = |name: &str, lines: Lines| {
        println!("{name:<40}{:>8}{:>8}{:>8.1} %", lines.counted, lines.ran, lines.percent());
    };
    println!("{:<40}{:>8}{:>8}{:>10}", "room", "lines", "ran", "share");
    rooms.iter().for_each(|(room, lines)| row(room, *lines));
    row("kernel", whole);
    println!("\nThe files with most lines that no test runs:");
    worst(files).into_iter().take(12).for_each(|(path, lines)| row(path, lines));
}

/// Files by how many of their lines nothing runs, most first.
fn worst(files: &BTreeMap<String, Lines>) -> Vec<(&str, Lines)> {
    let mut worst: Vec<_> = files.iter().map(|(path, lines)| (path.as_str(), *lines)).collect();
    worst.sort_by_key(|(_, lines)| Reverse(lines.counted - lines.ran));
    worst
}

impl Tools {
    /// rustup's component, then LLVM's tools on the path, by version.
    fn find() -> Result<Self> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
        let about = succeed(Command::new(&rustc).arg("-vV"))?;
        let word = |key: &str| about.lines().find_map(|line| line.strip_prefix(key)).map(str::trim).unwrap_or_default();
        let (host, llvm) = (word("host:").to_string(), word("LLVM version:").to_string());
        let major = llvm.split('.').next().unwrap_or_default();
        let sysroot = succeed(Command::new(&rustc).args(["--print", "sysroot"]))?;
        let component = Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin");
        let tool = |name: &str| {
            let own = component.join(name);
            let named = PathBuf::from(format!("{name}-{major}"));
            [own, named, PathBuf::from(name)].into_iter().find(|path| version(path).as_deref() == Some(major))
        };
        match (tool("llvm-profdata"), tool("llvm-cov")) {
            (Some(profdata), Some(cov)) => Ok(Self { profdata, cov }),
            _ => bail!(
                "no llvm-profdata and llvm-cov of LLVM {major}, which this compiler writes for: Debian's package llvm-{major}, \
                 or `rustup component add llvm-tools`"
            ),
        }
    }
}

/// The major version of one of LLVM's tools.
fn version(path: &Path) -> Option<String> {
    let output = Command::new(path).arg("--version").output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    let (_, rest) = said.split_once("LLVM version ")?;
    rest.split('.').next().map(String::from)
}

#[cfg(test)]
mod tests {
    use super::{Lines, by_file, executables, room, worst};
    use crate::tree::Tree;

    #[test]
    fn lines_of_tests_and_of_other_crates_are_not_counted() {
        let text = "fn f() {\n    g();\n}\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\n";
        let tree = Tree::of(&[("kernel/src/mm/area.rs", text)]);
        let root = tree.root.display();
        let lcov = format!(
            "SF:{root}/kernel/src/mm/area.rs\nDA:1,7\nDA:2,0\nDA:6,1\nend_of_record\nSF:/elsewhere.rs\nDA:1,1\n"
        );
        let files = by_file(&lcov, &tree).expect("well formed");
        let lines: Vec<_> = files.into_iter().collect();
        assert_eq!(lines, [("kernel/src/mm/area.rs".to_string(), Lines { counted: 2, ran: 1 })]);
        assert_eq!((room("kernel/src/mm/area.rs"), room("kernel/src/kernel.rs")), ("mm", "kernel.rs"));
    }

    #[test]
    fn files_with_most_lines_that_nothing_runs_come_first() {
        let files = [("whole", 9, 9), ("half", 8, 4), ("nearly", 90, 89)];
        let files = files.map(|(path, counted, ran)| (path.to_string(), Lines { counted, ran })).into();
        assert_eq!(worst(&files).into_iter().map(|(path, _)| path).collect::<Vec<_>>(), ["half", "nearly", "whole"]);
    }

    #[test]
    fn executables_are_read_off_cargos_words() {
        let said =
            "   Compiling kernel\n  Executable unittests src/lib.rs (target/debug/deps/kernel-01)\n    Finished\n";
        assert_eq!(executables(said), [std::path::PathBuf::from("target/debug/deps/kernel-01")]);
    }
}
