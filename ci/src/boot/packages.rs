//! Debian packages for a guest, fetched by name with apt in a state of its own, from wherever this machine has its
//! packages. Nothing is installed here.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::Arch;

/// Suites of Debian that have architectures which this machine's suite lacks, the best first.
const SUITES: &[&str] = &["trixie", "sid"];
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// An apt for an architecture.
pub(crate) struct Apt {
    arch: Arch,
    folder: PathBuf,
}

impl Apt {
    pub(crate) fn new(arch: Arch, folder: PathBuf) -> Self {
        Self { arch, folder }
    }

    /// A program of this machine, where guests can run it.
    pub(super) fn installed(&self, name: &str) -> Option<PathBuf> {
        let places = ["/bin", "/usr/bin"].map(|folder| Path::new(folder).join(name));
        self.is_native().then(|| places.into_iter().find(|path| path.is_file())).flatten()
    }

    /// Copies a package's program to `kept`.
    pub(super) fn program(&self, package: &str, name: &str, kept: &Path) -> Result<()> {
        let _alone = self.update()?;
        println!("fetching {package} for {}", self.name());
        let downloaded = self.emptied("download")?;
        self.apt_get(&downloaded, &["download", package])?;
        let unpacked = self.emptied("unpacked")?;
        unpack(&downloaded, &unpacked)?;
        let program = ["usr/bin", "bin"].map(|folder| unpacked.join(folder).join(name));
        let program = program.into_iter().find(|path| path.is_file());
        fs::copy(program.with_context(|| format!("{package} has no {name}"))?, kept)?;
        Ok(())
    }

    /// Unpacks packages to `kept`, and the packages that they depend on.
    pub(super) fn closure(&self, packages: &[&str], kept: &Path) -> Result<()> {
        let _alone = self.update()?;
        println!("fetching {} and what it needs for {}", packages.join(" "), self.name());
        let archives = self.folder.join("cache/archives");
        for entry in archives.read_dir()?.flatten().filter(|entry| is_package(&entry.path())) {
            fs::remove_file(entry.path())?;
        }
        self.apt_get(
            &self.folder,
            &[&["install", "--yes", "--download-only", "--no-install-recommends"], packages].concat(),
        )?;
        let unpacked = self.emptied("unpacked")?;
        unpack(&archives, &unpacked)?;
        fs::create_dir_all(kept.parent().context("a folder in ours")?)?;
        fs::rename(unpacked, kept)?;
        Ok(())
    }

    /// Copies Debian's own kernel to `kept`; gives the name of its package.
    pub(crate) fn linux(&self, kept: &Path) -> Result<String> {
        let _alone = self.update()?;
        let depends = |package: &str, on: &str| {
            let listed = self.run("apt-cache", &self.folder, &["depends", package])?;
            let found = listed.split_whitespace().find(|word| word.starts_with(on) && word.contains('.'));
            Ok::<_, anyhow::Error>(found.map(String::from))
        };
        let image = depends(&format!("linux-image-{}", self.name()), "linux-image-")?.context("apt knows no kernel")?;
        // Younger suites have the kernel itself behind that.
        let package = depends(&image, "linux-binary-")?.unwrap_or(image);
        println!("fetching {package}");
        let downloaded = self.emptied("download")?;
        self.apt_get(&downloaded, &["download", &package])?;
        let unpacked = self.emptied("unpacked")?;
        unpack(&downloaded, &unpacked)?;
        let modules = unpacked.join("usr/lib/modules").read_dir().into_iter().flatten().flatten();
        let folders = [unpacked.join("boot")].into_iter().chain(modules.map(|entry| entry.path()));
        let mut files = folders.filter_map(|folder| folder.read_dir().ok()).flatten().flatten();
        let kernel = files.find(|file| file.file_name().to_string_lossy().starts_with("vmlinu"));
        fs::copy(kernel.with_context(|| format!("{package} has no kernel"))?.path(), kept)?;
        self.emptied("unpacked")?;
        Ok(package)
    }

    /// Lists of packages; read once, and again a day later. Nobody else uses this apt until the answer is dropped.
    fn update(&self) -> Result<File> {
        for part in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(self.folder.join(part))?;
        }
        let alone = File::create(self.folder.join("lock"))?;
        alone.lock()?;
        fs::write(self.folder.join("status"), "")?;
        let stamp = self.folder.join("updated");
        let age = stamp.metadata().and_then(|found| found.modified()).ok().and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age.as_secs() < 24 * 3600) {
            return Ok(alone);
        }
        if self.is_native() {
            self.apt_get(&self.folder, &["update"])?;
        } else {
            let source = source()?;
            let name = self.name();
            let tried = SUITES.iter().find(|suite| {
                let line = format!("deb [arch={name} signed-by={KEYS}] {source} {suite} main\n");
                fs::write(self.folder.join("sources.list"), line).is_ok()
                    && self.apt_get(&self.folder, &["update"]).is_ok()
            });
            ensure!(tried.is_some(), "no suite of {} has packages for {name} here", SUITES.join(", "));
        }
        fs::write(stamp, "")?;
        Ok(alone)
    }

    fn name(&self) -> &'static str {
        match self.arch {
            Arch::X86_64 => "amd64",
            Arch::Riscv64 => "riscv64",
        }
    }

    fn is_native(&self) -> bool {
        self.arch == Arch::X86_64 && std::env::consts::ARCH == "x86_64"
    }

    fn emptied(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn apt_get(&self, directory: &Path, words: &[&str]) -> Result<()> {
        self.run("apt-get", directory, words).map(drop)
    }

    /// Runs a tool of apt's on this state; gives what it printed.
    fn run(&self, tool: &str, directory: &Path, words: &[&str]) -> Result<String> {
        let mut command = Command::new(tool);
        command.current_dir(directory).arg("-qq");
        let at = |part: &str| self.folder.join(part).display().to_string();
        let mut options = vec![
            ("APT::Architecture", self.name().to_string()),
            ("APT::Architectures", self.name().to_string()),
            ("APT::Sandbox::User", String::from("root")),
            ("APT::Get::AllowUnauthenticated", String::from("false")),
            ("Acquire::Languages", String::from("none")),
            ("Debug::NoLocking", String::from("true")),
            ("Dir::State", at("state")),
            ("Dir::State::status", at("status")),
            ("Dir::Cache", at("cache")),
        ];
        if !self.is_native() {
            options.push(("Dir::Etc::SourceList", at("sources.list")));
            options.push(("Dir::Etc::SourceParts", String::from("/dev/null")));
        }
        options.iter().for_each(|(key, value)| {
            command.arg("-o").arg(format!("{key}={value}"));
        });
        let output = command.args(words).output().context("apt-get (Debian's) fetches programs for guests")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!("{tool} {}: {}", words.join(" "), said.lines().last().unwrap_or("failed"));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Where this machine has its packages from.
fn source() -> Result<String> {
    let listed = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"])
        .output()
        .context("apt-get (Debian's) fetches programs for guests")?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let source = listed.lines().find(|line| !line.contains("security")).context("apt has no package source")?;
    Ok(source.to_string())
}

fn is_package(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "deb")
}

fn unpack(from: &Path, into: &Path) -> Result<()> {
    let packages: Vec<_> =
        from.read_dir()?.flatten().map(|entry| entry.path()).filter(|path| is_package(path)).collect();
    ensure!(!packages.is_empty(), "apt downloaded nothing");
    for package in packages {
        let status = Command::new("dpkg-deb").arg("-x").args([&package, into]).status()?;
        ensure!(status.success(), "{}: cannot be unpacked", package.display());
    }
    Ok(())
}
