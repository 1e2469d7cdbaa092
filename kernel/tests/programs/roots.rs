//! Root file systems: archives, directories, and what is neither.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::subject::{Ran, Scratch, needing, orrery, run};

const BUSYBOX: &str = "/bin/busybox";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        needing(BUSYBOX, "busybox-static", "an_archive_is_a_root_and_programs_run_from_it", archive_runs),
        needing("/bin/gzip", "gzip", "a_compressed_archive_is_a_root", compressed_archive_runs),
        Trial::test("archives_that_are_broken_are_one_line_and_125", broken_archives),
        Trial::test("roots_that_are_none_are_one_line_and_125", no_roots),
    ]
}

/// A member in cpio's newc format.
fn member(mode: u32, ino: u32, nlink: u32, name: &str, data: &[u8]) -> Vec<u8> {
    let words = [ino, mode, 0, 0, nlink, 86_400, data.len() as u32, 8, 1, 1, 3, name.len() as u32 + 1, 0];
    let mut bytes = b"070701".to_vec();
    words.iter().for_each(|word| bytes.extend(format!("{word:08x}").bytes()));
    for part in [&[name.as_bytes(), b"\0"].concat(), data] {
        bytes.extend(part);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    [members.concat(), member(0, 0, 1, "TRAILER!!!", b"")].concat()
}

/// busybox as `/bin/sh` and under two more names, and one of each kind of file.
fn with_busybox() -> Result<Vec<u8>, Failed> {
    let busybox = fs::read(BUSYBOX)?;
    let script = b"#!/bin/sh\necho from $0: $(cat /etc/motd)\nexit 9\n";
    Ok(archive(&[
        member(0o040_755, 1, 2, "bin", b""),
        member(0o100_755, 2, 3, "bin/sh", b""),
        member(0o100_755, 2, 3, "bin/busybox", b""),
        member(0o100_755, 2, 3, "bin/cat", &busybox),
        member(0o120_777, 3, 1, "bin/ls", b"busybox"),
        member(0o040_750, 4, 2, "etc", b""),
        member(0o100_640, 5, 1, "etc/motd", b"welcome"),
        member(0o020_666, 6, 1, "null", b""),
        member(0o100_755, 7, 1, "run", script),
    ]))
}

fn in_root(root: &Path, words: &[&str]) -> Result<Ran, Failed> {
    let mut guest = orrery();
    guest.arg("--root").arg(root).args(words);
    run(guest)
}

fn archive_runs() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let root = scratch.0.join("root.cpio");
    fs::write(&root, with_busybox()?)?;
    assert_eq!(in_root(&root, &["/run"])?, Ran { status: 9, out: "from /run: welcome\n".into(), err: String::new() });
    let script = "pwd; ls -d /*; busybox stat -c '%A %h %t,%T %Y %n' /bin/sh /etc /etc/motd /null; \
        ls -l /bin/ls | busybox awk '{ print $1, $9, $10, $11 }'; echo x >/null; echo new >/etc/motd; cat /etc/motd; \
        busybox ls /dev/null /proc/self/exe; cat </null";
    let expected = "/\n/bin\n/dev\n/etc\n/null\n/proc\n/run\n/sys\n/tmp\n-rwxr-xr-x 3 0,0 86400 /bin/sh\n\
        drwxr-x--- 2 0,0 86400 /etc\n-rw-r----- 1 0,0 86400 /etc/motd\ncrw-rw-rw- 1 1,3 86400 /null\n\
        lrwxrwxrwx /bin/ls -> busybox\nnew\n/dev/null\n/proc/self/exe\n";
    let ran = in_root(&root, &["/bin/sh", "-c", script])?;
    assert_eq!(ran, Ran { status: 0, out: expected.into(), err: String::new() });
    Ok(())
}

fn compressed_archive_runs() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let root = scratch.0.join("root.cpio");
    fs::write(&root, with_busybox()?)?;
    assert!(Command::new("gzip").arg(&root).status()?.success());
    let ran = in_root(&scratch.0.join("root.cpio.gz"), &["sh", "-c", "cat /etc/motd"])?;
    assert_eq!(ran, Ran { status: 0, out: "welcome".into(), err: String::new() });
    Ok(())
}

/// Refused in one line that names the problem.
fn refused(root: &Path, problem: &str) -> Result<(), Failed> {
    let ran = in_root(root, &["true"])?;
    assert_eq!((ran.status, ran.err.lines().count(), ran.out.as_str()), (125, 1, ""), "{ran:?}");
    assert!(ran.err.starts_with("orrery: --root ") && ran.err.contains(problem), "{ran:?}");
    Ok(())
}

fn broken_archives() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let root = scratch.0.join("root.cpio");
    let file = |name: &str| archive(&[member(0o100_644, 1, 1, name, b"x")]);
    let mut past_the_end = file("f");
    past_the_end[54..62].copy_from_slice(b"fffffff0");
    let mut long_name = file("f");
    long_name[94..102].copy_from_slice(b"ffffffff");
    let cut = file("f");
    let cases: [(&str, &[u8]); 8] = [
        ("name", &file("../../etc/passwd")),
        ("name", &file("/etc/passwd")),
        ("behind the archive", &past_the_end),
        ("behind the archive", &long_name),
        ("cut off", &cut[..cut.len() - 40]),
        ("no cpio header", &b"not an archive at all, but as long as a header of one ".repeat(3)),
        ("empty", b""),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\0\xff\xff\xff"),
    ];
    for (problem, bytes) in cases {
        fs::write(&root, bytes)?;
        refused(&root, problem)?;
    }
    Ok(())
}

fn no_roots() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    refused(&scratch.0.join("missing"), "No such file")?;
    refused(Path::new("/dev/null"), "neither a directory nor an archive")?;
    refused(Path::new("/etc/passwd"), "no cpio header")?;
    let secret = scratch.0.join("secret");
    fs::write(&secret, "x")?;
    fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o000))?;
    // Root reads it all the same.
    refused(&secret, if fs::read(&secret).is_ok() { "cut off" } else { "Permission denied" })?;
    // A guest that may not look into its root has no program there.
    let ran = in_root(&scratch.0, &["true"])?;
    assert_eq!((ran.status, ran.err.lines().count()), (127, 1), "{ran:?}");
    Ok(())
}
