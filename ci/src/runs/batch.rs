//! Rows that share a boot: a script that runs them, and what it said about each.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::{Outcome, Place, Row, Tally, elf, rows};
use crate::boot::Arch;
use crate::boot::devices::Devices;
use crate::boot::qemu::Run;
use crate::boot::root::{self, Root};

/// A machine and the rows that run on it, one after another.
pub(super) struct Batch {
    pub(super) name: &'static str,
    pub(super) rows: &'static [Row],
    pub(super) memory: &'static str,
    /// Debian packages in its root; only on x86-64.
    pub(super) packages: &'static [&'static str],
    /// With a disk and a source of random numbers.
    pub(super) devices: bool,
    /// Any Linux can run them.
    pub(super) everywhere: bool,
}

/// Each row in a folder of its own. What the shell itself says about a row's end is no output of the row.
const DRIVER: &str = r#"exec 2>/dev/null
for row in $ROWS; do
  mkdir -p $SCRATCH/$row
  cd $SCRATCH/$row
  echo "[$row"
  sh $FOLDER/$row.sh </dev/null 2>&1
  printf '\n]%s %s\n' $row $?
done
exit 42
"#;
const DRIVEN: u8 = 42;

/// A disk: what the host wrote at its start, and where a row leaves its mark.
const DISK_LEN: usize = 8 << 20;
const GREETING: &[u8] = b"from the host\n";
const MARK: (usize, &[u8]) = (4096, b"to the host\n");

/// Runs a batch's rows in one boot.
pub(super) fn run(place: &Place<'_>, batch: &Batch, tally: &mut Tally) -> Result<()> {
    let wanted: Vec<&Row> = batch.rows.iter().filter(|row| tally.wants(row.name)).collect();
    if wanted.is_empty() || (!batch.packages.is_empty() && place.arch != Arch::X86_64) {
        return Ok(());
    }
    let mut files = Root::with_busybox(place.root, place.arch)?;
    files.bash()?;
    if !batch.packages.is_empty() {
        files.packages(&batch.packages.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    }
    for row in &wanted {
        files.file(&format!("{}/{}.sh", elf::FOLDER, row.name), 0o644, row.script.as_bytes())?;
    }
    for (name, program) in elf::programs(place.root, place.arch)? {
        files.file(&format!("{}/{name}", elf::FOLDER), 0o755, &program)?;
    }
    files.file(&format!("{}/all", elf::FOLDER), 0o644, DRIVER.as_bytes())?;
    let archive = files.write(&format!("runs-{}.cpio", batch.name))?;
    let names: Vec<&str> = wanted.iter().map(|row| row.name).collect();
    let driver =
        format!("ROWS='{}' SCRATCH=/tmp FOLDER=/{f}; export FOLDER; . /{f}/all", names.join(" "), f = elf::FOLDER);
    let mut devices = Devices::default();
    if batch.devices {
        let disk = archive.with_file_name("runs-disk");
        fs::write(&disk, [GREETING, &vec![0; DISK_LEN - GREETING.len()]].concat())?;
        devices = Devices { disk: vec![disk], rng: true, ..Devices::default() };
    }
    let run = Run {
        image: place.image.to_path_buf(),
        archive: Some(archive),
        words: crate::boot::words([&b"/bin/sh"[..], b"-c", driver.as_bytes()].into_iter()),
        memory: batch.memory.to_string(),
        cpus: place.cpus,
        devices: devices.words(place.qemu.machine())?,
        gdb: false,
        timeout: Some(place.timeout),
    };
    let end = place.qemu.run(&run, std::io::sink(), None)?;
    for row in &wanted {
        tally.tell(row.name, outcome(row, &end.output));
    }
    if let Some(disk) = devices.disk.first() {
        let right = fs::read(disk)?.get(MARK.0..).is_some_and(|rest| rest.starts_with(MARK.1));
        tally.tell("the_host_sees_what_was_written", if right { Ok(()) } else { Err(String::from("it does not")) });
    }
    let ended = match end.status {
        Some(DRIVEN) if end.stopped.is_none() => Ok(()),
        Some(status) if end.stopped.is_none() => Err(format!("the machine's status is {status}, not {DRIVEN}")),
        _ => Err(end.complaint()),
    };
    tally.tell(&format!("{}_machine_ends_in_order", batch.name), ended);
    Ok(())
}

/// Runs the rows that need no machine of ours on this one, with the same programs.
pub(super) fn on_linux(root: &Path, tally: &mut Tally) -> Result<()> {
    let folder = root.join("target/userland/linux");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let (bin, rows) = (folder.join("bin"), folder.join(elf::FOLDER));
    fs::create_dir_all(&bin)?;
    fs::create_dir_all(&rows)?;
    for (name, program) in Root::with_busybox(root, Arch::X86_64)?.programs()? {
        symlink(program, bin.join(name)).with_context(|| format!("linking {name}"))?;
    }
    root::NAMES.split_whitespace().try_for_each(|name| symlink("busybox", bin.join(name)))?;
    for (name, program) in elf::programs(root, Arch::X86_64)? {
        fs::write(rows.join(name), program)?;
        fs::set_permissions(rows.join(name), fs::Permissions::from_mode(0o755))?;
    }
    for row in rows::BATCHES.iter().filter(|batch| batch.everywhere).flat_map(|batch| batch.rows) {
        if !tally.wants(row.name) {
            continue;
        }
        fs::write(rows.join(format!("{}.sh", row.name)), row.script)?;
        let mut driver = Command::new(bin.join("sh"));
        driver
            .env_clear()
            .env("PATH", &bin)
            .env("HOME", "/")
            .env("ROWS", row.name)
            .env("SCRATCH", folder.join("scratch"));
        driver.env("FOLDER", &rows).args(["-c", DRIVER]).stdin(Stdio::null());
        let said = driver.output()?.stdout;
        tally.tell(row.name, outcome(row, &String::from_utf8_lossy(&said)));
    }
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// What the driver said about a row.
fn outcome(row: &Row, said: &str) -> Outcome {
    let (begin, end) = (format!("[{}\n", row.name), format!("\n]{} ", row.name));
    let Some((_, rest)) = said.split_once(&begin) else { return Err(String::from("it was not reached")) };
    let Some((output, rest)) = rest.split_once(&end) else {
        return Err(format!("it did not end; its output:\n{rest}"));
    };
    let status = rest.lines().next().unwrap_or_default();
    if output == row.output && status == row.status.to_string() {
        return Ok(());
    }
    let mut why = String::new();
    if status != row.status.to_string() {
        let _ = writeln!(why, "status {status}, not {}", row.status);
    }
    if output != row.output {
        let _ = writeln!(why, "output:\n{output}\nand not:\n{}", row.output);
    }
    Err(why)
}
