//! Root file systems: archives, directories, and what is neither.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use super::subject::{Ran, orrery, run};
use crate::needing::needing;
use crate::scratch::Scratch;

const BUSYBOX: &str = "/bin/busybox";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        needing(
            BUSYBOX,
            "busybox-static",
            "programs::roots::an_archive_is_a_root_and_programs_run_from_it",
            archive_runs,
        ),
        needing("/bin/gzip", "gzip", "programs::roots::a_compressed_archive_is_a_root", compressed_archive_runs),
        needing(
            BUSYBOX,
            "busybox-static",
            "programs::roots::what_the_guest_writes_with_rw_is_on_the_host",
            written_through,
        ),
        needing(BUSYBOX, "busybox-static", "programs::roots::nothing_outside_a_root_can_be_reached", contained),
        needing(BUSYBOX, "busybox-static", "programs::roots::a_root_without_places_for_dev_and_proc_has_them", places),
        Trial::test("programs::roots::rw_without_a_directory_of_its_own_is_one_line_and_125", rw_refused),
        Trial::test("programs::roots::archives_that_are_broken_are_one_line_and_125", broken_archives),
        Trial::test("programs::roots::roots_that_are_none_are_one_line_and_125", no_roots),
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

/// A directory with busybox as its shell and nothing else.
fn directory_with_busybox(root: &Path) -> Result<(), Failed> {
    fs::create_dir_all(root.join("bin"))?;
    fs::copy(BUSYBOX, root.join("bin/busybox"))?;
    ["sh", "ls", "cat", "ln", "mkdir"].iter().try_for_each(|name| symlink("busybox", root.join("bin").join(name)))?;
    Ok(())
}

fn written_through() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    directory_with_busybox(&scratch.0)?;
    fs::write(scratch.0.join("old"), "0123456789")?;
    let script = "umask 027; echo made >new; mkdir -p d/e; ln -s /etc/passwd d/link; ln new d/hard;         echo more >>new; busybox chmod 4711 new; printf AB | busybox dd of=old bs=1 seek=3 conv=notrunc 2>/dev/null; busybox mkfifo pipe;         echo x >gone; busybox rm gone; busybox mv d/e moved; busybox touch -d @1000 d; busybox mknod null c 1 3 2>/dev/null;         busybox seq 30000 >long; busybox truncate -s 3 short; (cat pipe >heard & echo heard >pipe; wait)";
    let mut guest = orrery();
    guest.args(["--rw", "--root"]).arg(&scratch.0).args(["/bin/sh", "-c", script]);
    assert_eq!(run(guest)?, Ran { status: 0, out: String::new(), err: String::new() });
    let text = |name: &str| fs::read_to_string(scratch.0.join(name));
    assert_eq!(
        (text("new")?.as_str(), text("old")?.as_str(), text("heard")?.as_str()),
        (
            "made
more
",
            "012AB56789",
            "heard
"
        )
    );
    assert_eq!(
        (text("long")?.len(), text("long")?.lines().count(), text("short")?.as_str()),
        (168_894, 30_000, "\0\0\0")
    );
    let found = fs::metadata(scratch.0.join("new"))?;
    assert_eq!(
        (found.mode() & 0o7777, found.nlink(), found.ino()),
        (0o4711, 2, fs::metadata(scratch.0.join("d/hard"))?.ino())
    );
    assert_eq!(fs::metadata(scratch.0.join("moved"))?.mode() & 0o7777, 0o750);
    assert_eq!(
        (fs::read_link(scratch.0.join("d/link"))?, fs::metadata(scratch.0.join("d"))?.mtime()),
        ("/etc/passwd".into(), 1000)
    );
    let mut names: Vec<_> =
        fs::read_dir(&scratch.0)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
    names.sort();
    assert_eq!(names, ["bin", "d", "heard", "long", "moved", "new", "old", "pipe", "short"]);
    Ok(())
}

/// From inside a root: by `..`, by links of the guest's and of the host's, by links to what lies outside.
fn contained() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let root = scratch.0.join("root");
    directory_with_busybox(&root)?;
    let secret = scratch.0.join("secret");
    fs::write(&secret, "secret")?;
    symlink(&secret, root.join("absolute"))?;
    symlink("../secret", root.join("relative"))?;
    symlink("/..", root.join("up"))?;
    let outside = secret.display();
    let script = format!(
        "cat absolute relative up/secret ../secret {outside} /proc/1/root/../secret; ln -s ../../secret mine; cat mine;          ln absolute hard 2>/dev/null; cat hard; ln {outside} harder; ls / | busybox wc -l; echo x >up/made;          busybox mv up/made ../../moved; echo y >relative; cat /secret"
    );
    for rw in [&[][..], &["--rw"]] {
        let mut guest = orrery();
        guest.args(rw).arg("--root").arg(&root).args(["/bin/sh", "-c", &script]);
        let ran = run(guest)?;
        assert!(
            !ran.out.contains("secret")
                && ran.out.ends_with(
                    "y
"
                )
                && !ran.err.contains("panic"),
            "{ran:?}"
        );
        assert_eq!(fs::read_to_string(&secret)?, "secret");
        assert_eq!(fs::read_dir(&scratch.0)?.count(), 2);
        assert_eq!(root.join("moved").exists(), !rw.is_empty());
    }
    assert_eq!(
        fs::read_to_string(root.join("secret"))?,
        "y
"
    );
    Ok(())
}

fn places() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    directory_with_busybox(&scratch.0)?;
    let script = "ls /; echo x >/dev/null; cat /proc/self/comm; ls /sys";
    let ran = in_root(&scratch.0, &["/bin/sh", "-c", script])?;
    assert_eq!(ran, Ran { status: 0, out: "bin\ndev\nproc\nsys\ncat\n".into(), err: String::new() });
    assert_eq!(fs::read_dir(&scratch.0)?.count(), 1);
    Ok(())
}

fn rw_refused() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let file = scratch.0.join("file");
    fs::write(&file, "x")?;
    for root in [None, Some(Path::new("host")), Some(&file)] {
        let mut guest = orrery();
        guest.arg("--rw");
        if let Some(root) = root {
            guest.arg("--root").arg(root);
        }
        guest.arg("true");
        let ran = run(guest)?;
        assert_eq!((ran.status, ran.err.lines().count()), (125, 1), "{ran:?}");
        assert!(ran.err.starts_with("orrery: --rw: needs "), "{ran:?}");
    }
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
