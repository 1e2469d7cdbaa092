//! Figures about the images: how large they are and what is trusted in them; and, in QEMU, how long they take for what
//! Debian's own Linux kernel does on the same machine, with the same first program, turn by turn.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{Lines, crate_of};
use crate::boot::packages::Apt;
use crate::boot::qemu::{Qemu, Run};
use crate::boot::root::Root;
use crate::boot::{Arch, image};
use crate::tree::Tree;

/// What the program in the machine says (`ostd-baremetal/guest/examples/figures.rs`).
const BEGIN: &[u8] = b"figures: begin";
const END: &str = "figures: end";
/// What it measures.
const NULL_CALL: &str = "null-call";
const FORK: &str = "fork-exec-wait";
/// The firmware and an optimised kernel take seconds; a busy machine makes minutes of them.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Linux, so that it is as bare as ours: no messages, no work against processors' flaws.
const LINUX_WORDS: &str = "quiet mitigations=off panic=-1 rdinit=/init";

/// Prints the tables for `arch`, from so many boots of each kernel.
pub(super) fn print(tree: &Tree, arch: Arch, boots: usize) -> Result<()> {
    let (name, other, machine, console) = match arch {
        Arch::X86_64 => ("x86-64", "arch/riscv64/", "q35", "ttyS0"),
        Arch::Riscv64 => ("RISC-V", "arch/x86_64/", "virt", "ttyS0"),
    };
    println!("{name}");
    let trusted = Lines::sum(
        tree.rust
            .iter()
            .filter(|file| ["ostd", "ostd-hal", "ostd-baremetal"].contains(&crate_of(&file.path)))
            .filter(|file| !file.path.contains(other))
            .map(Lines::of),
    );
    println!(
        "  trusted base: {} lines, {} of them in {} unsafe blocks or items' heads",
        trusted.shipped, trusted.unsafe_, trusted.unsafe_blocks
    );

    let folder = tree.root.join("target/userland").join(arch.target());
    let orrery = image(&tree.root, arch, true)?;
    let loaded = loaded_bytes(&fs::read(&orrery)?).context("the image is no ELF")?;
    println!("  image: {} KiB loaded, of it {} KiB zeros", loaded.memory >> 10, (loaded.memory - loaded.file) >> 10);
    if boots == 0 {
        return Ok(());
    }

    let program = crate::baremetal::build_guest_example(&tree.root, arch.target(), "figures")?;
    let mut root = Root::with_busybox(&tree.root, arch)?;
    root.file("init", 0o755, &fs::read(program)?)?;
    let archive = root.write("figures.cpio")?;
    let linux = folder.join("linux");
    let version = folder.join("linux.package");
    if !linux.exists() || !version.exists() {
        fs::write(&version, Apt::new(arch, folder.join("apt")).linux(&linux)?)?;
    }

    let qemu = Qemu::find(arch, Some(machine))?;
    let run = |image: &Path, words: String| Run {
        image: image.to_path_buf(),
        archive: Some(archive.clone()),
        words,
        memory: String::from("512M"),
        cpus: 1,
        devices: Vec::new(),
        gdb: false,
        timeout: Some(TIMEOUT),
    };
    let runs = [run(&orrery, String::new()), run(&linux, format!("console={console} {LINUX_WORDS}"))];
    let mut taken: [Vec<Taken>; 2] = Default::default();
    for _ in 0..boots {
        for (kernel, run) in runs.iter().enumerate() {
            taken[kernel].push(measure(&qemu, run)?);
        }
    }
    println!("  {machine}, one CPU, 512 MiB, emulated; medians of {boots} boots each, by turns:");
    println!("  {:<34}{:>12}{:>12}{:>8}", "", "Orrery", "Linux", "ratio");
    let row = |what: &str, unit: &str, of: &dyn Fn(&Taken) -> u64| {
        let [ours, theirs] = [0, 1].map(|kernel: usize| median(taken[kernel].iter().map(of).collect()));
        println!("  {what:<34}{ours:>9} {unit}{theirs:>9} {unit}{:>8.2}", ours as f64 / theirs as f64);
    };
    row("QEMU's start to the first program", "ms", &|taken| taken.boot_ms);
    row("null call", "ns", &|taken| taken.null_ns);
    row("fork, exec and wait", "us", &|taken| taken.fork_ns / 1000);
    println!("  Linux is {} with `{LINUX_WORDS}`", fs::read_to_string(version)?);
    Ok(())
}

/// What one boot showed.
struct Taken {
    boot_ms: u64,
    null_ns: u64,
    fork_ns: u64,
}

fn measure(qemu: &Qemu, run: &Run) -> Result<Taken> {
    let mut seen = Seen { text: Vec::new(), began: Instant::now(), first: None };
    let end = qemu.run(run, &mut seen, None)?;
    let text = String::from_utf8_lossy(&seen.text);
    let Some(first) = seen.first.filter(|_| text.contains(END)) else { bail!("{}", end.complaint()) };
    let figure = |what: &str| {
        let head = format!("figures: {what} ");
        let line = text.lines().find_map(|line| line.trim_end().split_once(&head)).context("a figure is missing")?;
        let batches: Vec<u64> = line.1.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        ensure!(!batches.is_empty(), "no batches");
        Ok(median(batches))
    };
    Ok(Taken { boot_ms: u64::try_from(first.as_millis())?, null_ns: figure(NULL_CALL)?, fork_ns: figure(FORK)? })
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

/// What has come down the line, and when the first program spoke.
struct Seen {
    text: Vec<u8>,
    began: Instant,
    first: Option<Duration>,
}

impl Write for &mut Seen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend(bytes);
        if self.first.is_none() && self.text.windows(BEGIN.len()).any(|window| window == BEGIN) {
            self.first = Some(self.began.elapsed());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes that a loader takes from an ELF's file, and gives it of memory.
#[derive(Debug, PartialEq, Eq)]
struct Loaded {
    file: u64,
    memory: u64,
}

fn loaded_bytes(elf: &[u8]) -> Option<Loaded> {
    let u64_at = |at: usize| elf.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
    let u16_at = |at: usize| elf.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes).map(usize::from);
    let headers = usize::try_from(u64_at(32)?).ok()?;
    let mut loaded = Loaded { file: 0, memory: 0 };
    for header in (0..u16_at(56)?).map(|index| headers + index * 56) {
        const PT_LOAD: &[u8] = &[1, 0, 0, 0];
        if elf.get(header..header + 4)? == PT_LOAD {
            loaded.file += u64_at(header + 32)?;
            loaded.memory += u64_at(header + 40)?;
        }
    }
    Some(loaded)
}

#[cfg(test)]
mod tests {
    use super::{Loaded, loaded_bytes, median};

    #[test]
    fn the_middle_of_a_row_is_its_median() {
        assert_eq!(median(vec![9, 1, 5]), 5);
    }

    #[test]
    fn what_an_elf_loads_is_the_sum_of_its_segments() {
        let mut elf = vec![0; 64 + 2 * 56];
        (elf[32], elf[56]) = (64, 2);
        for (header, kind, file, memory) in [(64, 1, 3, 5), (64 + 56, 1, 10, 10)] {
            (elf[header], elf[header + 32], elf[header + 40]) = (kind, file, memory);
        }
        assert_eq!(loaded_bytes(&elf), Some(Loaded { file: 13, memory: 15 }));
        assert_eq!(loaded_bytes(&elf[..100]), None);
    }
}
