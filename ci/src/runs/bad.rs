//! Bad input: each row is a machine that must end by itself, with a line that says why and a status that is no success.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Outcome, Place, Tally};
use crate::boot::FAILED;
use crate::boot::qemu::{End, Run};
use crate::boot::root::Root;

/// What a row boots with.
enum Files {
    None,
    /// Made of a good archive.
    Changed(fn(Vec<u8>) -> Result<Vec<u8>>),
}

/// A machine that cannot work.
struct Row {
    name: &'static str,
    files: Files,
    words: &'static str,
    memory: &'static str,
    /// In the line.
    says: &'static str,
    status: u8,
}

const TRUE: &str = "arg=/bin/true";
const MEMORY: &str = "128M";

const fn broken(name: &'static str, change: fn(Vec<u8>) -> Result<Vec<u8>>, says: &'static str) -> Row {
    Row { name, files: Files::Changed(change), words: TRUE, memory: MEMORY, says, status: 125 }
}

const fn with(name: &'static str, words: &'static str, says: &'static str, status: u8) -> Row {
    Row { name, files: Files::Changed(Ok), words, memory: MEMORY, says, status }
}

const TOO_LITTLE: &str = "this machine has too little memory";
const BROKEN: &str = "the initial file system is broken: ";

const ROWS: &[Row] = &[
    Row {
        name: "no_initial_file_system",
        files: Files::None,
        words: TRUE,
        memory: MEMORY,
        says: "there is no initial file system",
        status: 125,
    },
    broken(
        "an_archive_cut_off",
        |mut bytes| {
            bytes.truncate(bytes.len() / 2);
            Ok(bytes)
        },
        BROKEN,
    ),
    broken("an_archive_of_garbage", |bytes| Ok((0..bytes.len()).map(|at| (at * 7 + at / 251) as u8).collect()), BROKEN),
    broken("an_archive_of_zeros", |bytes| Ok(vec![0; bytes.len()]), BROKEN),
    broken(
        "a_compressed_archive_cut_off",
        |bytes| {
            let mut short = gzip(&bytes)?;
            short.truncate(short.len() / 2);
            Ok(short)
        },
        BROKEN,
    ),
    broken(
        "a_compressed_archive_with_a_wrong_byte",
        |bytes| {
            let mut wrong = gzip(&bytes)?;
            let half = wrong.len() / 2;
            wrong[half] ^= 0x55;
            Ok(wrong)
        },
        BROKEN,
    ),
    broken("compressed_garbage", |_| gzip(&[0x41; 100_000]), BROKEN),
    broken("a_name_from_the_top", |bytes| member(bytes, "/etc/passwd", 0o100_644, 0), BROKEN),
    broken("a_name_that_leads_out", |bytes| member(bytes, "a/../../b", 0o100_644, 0), BROKEN),
    broken("a_name_of_64_kib", |bytes| member(bytes, &"n".repeat(65_536), 0o100_644, 0), BROKEN),
    broken("a_file_larger_than_its_archive", |bytes| member(bytes, "big", 0o100_644, u32::MAX), BROKEN),
    broken("a_file_of_no_kind", |bytes| member(bytes, "strange", 0o170_644, 0), BROKEN),
    with("no_init", "", "/init: not found", 127),
    with("no_such_program", "arg=/no/such/program", "/no/such/program: not found", 127),
    with("a_program_that_is_a_folder", "arg=/bin", "/bin: ", 126),
    with("an_unknown_word", "arg=/bin/true quiet", "`quiet` on the command line means nothing", 125),
    with("a_word_cut_off", "arg=%2", "`arg=%2` on the command line means nothing", 125),
    Row {
        name: "twelve_mib_of_memory",
        files: Files::Changed(Ok),
        words: TRUE,
        memory: "12M",
        says: TOO_LITTLE,
        status: 125,
    },
];

/// Boots each row's machine.
pub(super) fn run(place: &Place<'_>, tally: &mut Tally) -> Result<()> {
    let wanted: Vec<&Row> = ROWS.iter().filter(|row| tally.wants(row.name)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let good = Root::with_busybox(place.root, place.arch)?.write("runs-good.cpio")?;
    let contents = std::fs::read(&good)?;
    for row in wanted {
        let archive = match row.files {
            Files::None => None,
            Files::Changed(change) => {
                let path = good.with_file_name("runs-bad.cpio");
                std::fs::write(&path, change(contents.clone())?)?;
                Some(path)
            }
        };
        let end = boot(place, row, archive)?;
        tally.tell(row.name, refusal(&end, row.status, row.says));
    }
    tally_little_memory(place, &good, tally)?;
    tally_time_out(place, good, tally)
}

/// What is enough for one processor's image need not be for the other's: it works, or says why not.
fn tally_little_memory(place: &Place<'_>, good: &Path, tally: &mut Tally) -> Result<()> {
    const NAME: &str = "sixteen_mib_are_enough_or_said_to_be_too_little";
    if !tally.wants(NAME) {
        return Ok(());
    }
    let run = machine(place, TRUE, "16M", Some(good.to_path_buf()));
    let end = place.qemu.run(&run, std::io::sink(), None)?;
    let works = end.status == Some(0) && end.stopped.is_none();
    tally.tell(NAME, if works { Ok(()) } else { refusal(&end, FAILED, TOO_LITTLE) });
    Ok(())
}

/// The runner stops what does not end, and says what it saw last.
fn tally_time_out(place: &Place<'_>, good: PathBuf, tally: &mut Tally) -> Result<()> {
    const NAME: &str = "a_machine_that_hangs_is_stopped_and_its_last_line_told";
    if !tally.wants(NAME) {
        return Ok(());
    }
    let script = b"echo seen last; while :; do :; done";
    let words = crate::boot::words([&b"/bin/sh"[..], b"-c", script].into_iter());
    let timeout = Some(Duration::from_secs(20));
    let run = Run { words, timeout, ..machine(place, "", MEMORY, Some(good)) };
    let complaint = place.qemu.run(&run, std::io::sink(), None)?.complaint();
    let right = complaint.starts_with("stopped after 20 s") && complaint.ends_with("seen last");
    tally.tell(NAME, if right { Ok(()) } else { Err(complaint) });
    Ok(())
}

fn machine(place: &Place<'_>, words: &str, memory: &str, archive: Option<PathBuf>) -> Run {
    Run {
        image: place.image.to_path_buf(),
        archive,
        words: words.to_string(),
        memory: memory.to_string(),
        cpus: place.cpus,
        devices: Vec::new(),
        gdb: false,
        timeout: Some(place.timeout),
    }
}

fn boot(place: &Place<'_>, row: &Row, archive: Option<PathBuf>) -> Result<End> {
    place.qemu.run(&machine(place, row.words, row.memory, archive), std::io::sink(), None)
}

/// Whether a machine ended with this status, and one line that has `says` in it.
fn refusal(end: &End, status: u8, says: &str) -> Outcome {
    // A machine that ends before it can tell a status has failed, if it ends by itself.
    if end.status.unwrap_or(FAILED) != status || end.stopped.is_some() {
        return Err(format!("status {:?}, not {status}: {}", end.status, end.complaint()));
    }
    let lines: Vec<&str> = end.output.lines().filter(|line| !line.is_empty()).collect();
    match lines.as_slice() {
        [line] if line.starts_with("orrery: ") && line.contains(says) => Ok(()),
        _ => Err(format!("one line with `{says}` in it, and not:\n{}", end.output)),
    }
}

/// Puts one more member in front of an archive: `len` is what its header says, and nothing follows.
fn member(rest: Vec<u8>, name: &str, mode: u32, len: u32) -> Result<Vec<u8>> {
    let mut bytes = b"070701".to_vec();
    for word in [1, mode, 0, 0, 1, 0, len, 0, 0, 0, 0, u32::try_from(name.len() + 1)?, 0] {
        bytes.extend(format!("{word:08x}").bytes());
    }
    bytes.extend(name.bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(rest);
    Ok(bytes)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = Command::new("gzip").args(["-1", "-c"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut into = gzip.stdin.take().context("gzip reads")?;
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || into.write_all(&bytes));
    let output = gzip.wait_with_output()?;
    ensure!(writer.join().is_ok_and(|written| written.is_ok()) && output.status.success(), "gzip failed");
    Ok(output.stdout)
}
