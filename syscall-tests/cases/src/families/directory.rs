//! Directories: listing them, being in them, and calling one the root.

use alloc::format;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use kernel_abi::flags::{AtFlags, DT_DIR, DT_LNK, DT_REG, OpenFlags, PipeFlags, RwFlags, Whence};
use kernel_abi::structs::{Dirent64, FromBytes, Iovec, Stat, status_exited};
use kernel_abi::{Calls, Errno, Fd, Gid, Mode, Result, Sys, Uid};

use super::Outcome;
use super::file::{create, open, read};
use super::pipe::pipe;
use super::process::wait;

cases! { "directory":
    every_name_is_listed_once, a_listing_goes_on_where_it_was_left, a_listing_begins_again,
    names_that_go_while_they_are_listed, what_is_not_listed, a_removed_directory_lists_nothing,
    directories_by_descriptor, a_short_buffer_for_a_path, another_root, who_may_have_another_root, proc_is_listed,
    proc_takes_no_names, descriptors_are_for_their_owner, what_proc_tells_has_no_place_to_write,
    what_proc_tells_ends_where_it_ends, what_proc_tells_is_read_without_a_wish,
    what_proc_tells_of_a_process_is_changed_in_vain, a_directory_of_proc_has_near_places, a_long_link_is_followed,
    a_tree_may_be_deep,
}

/// A line of a listing: name, type, and where the next one is.
type Line = (String, u8, i64);

/// The next lines, as many as fit `len` bytes.
fn lines(sys: &dyn Sys, directory: Fd, len: usize) -> Result<Vec<Line>> {
    let into = sys.page() + 0x8000;
    let got = sys.getdents64(directory, into, len)?;
    let bytes = sys.bytes(into, got);
    let mut rest = &bytes[..];
    let mut lines = Vec::new();
    while !rest.is_empty() {
        let (head, name) = Dirent64::read_from_prefix(rest).expect("a whole line");
        let (kind, next, len) = (head.d_type, head.d_off, usize::from(head.d_reclen));
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        lines.push((String::from_utf8_lossy(name).into_owned(), kind, next));
        rest = &rest[len..];
    }
    Ok(lines)
}

/// All names, in the order they come.
fn names(sys: &dyn Sys, directory: Fd, len: usize) -> Result<Vec<String>> {
    let mut names = Vec::new();
    loop {
        let some = lines(sys, directory, len)?;
        if some.is_empty() {
            return Ok(names);
        }
        names.extend(some.into_iter().map(|line| line.0));
    }
}

fn here(sys: &dyn Sys) -> Result<Fd> {
    open(sys, ".", OpenFlags::O_RDONLY | OpenFlags::O_DIRECTORY)
}

fn mkdir(sys: &dyn Sys, name: &str) -> Result {
    sys.mkdirat(Fd::CWD, sys.path(sys.page(), name), Mode(0o755))
}

fn every_name_is_listed_once(sys: &dyn Sys) -> Outcome {
    let mut expected = vec![String::from("."), String::from("..")];
    for number in 0..300 {
        let name = format!("{number}-{}", "x".repeat(number % 40));
        sys.close(create(sys, &name)?)?;
        expected.push(name);
    }
    expected.sort();
    for len in [100, 1000, 0x7000] {
        let mut found = names(sys, here(sys)?, len)?;
        found.sort();
        assert_eq!(found, expected);
    }
    Ok(())
}

fn a_listing_goes_on_where_it_was_left(sys: &dyn Sys) -> Outcome {
    for name in ["a", "b", "c", "d", "e", "f"] {
        create(sys, name)?;
    }
    let directory = here(sys)?;
    let all = lines(sys, directory, 0x7000)?;
    for at in 0..all.len() {
        // Behind line `at` are the lines after it.
        sys.lseek(directory, all[at].2, Whence::SEEK_SET)?;
        let rest = lines(sys, directory, 0x7000)?;
        assert_eq!(rest, all[at + 1..]);
    }
    Ok(())
}

fn a_listing_begins_again(sys: &dyn Sys) -> Outcome {
    create(sys, "old")?;
    let directory = here(sys)?;
    names(sys, directory, 0x1000)?;
    create(sys, "new")?;
    sys.lseek(directory, 0, Whence::SEEK_SET)?;
    let mut found = names(sys, directory, 0x1000)?;
    found.sort();
    assert_eq!(found, [".", "..", "new", "old"].map(String::from));
    Ok(())
}

fn names_that_go_while_they_are_listed(sys: &dyn Sys) -> Outcome {
    for number in 0..60 {
        sys.close(create(sys, &format!("file-{number}"))?)?;
    }
    // As rm -r does: what has been listed goes, and the listing goes on.
    let directory = here(sys)?;
    let mut gone = 0;
    loop {
        let some = lines(sys, directory, 200)?;
        if some.is_empty() {
            break;
        }
        for (name, _, _) in some.iter().filter(|line| !line.0.starts_with('.')) {
            sys.unlinkat(Fd::CWD, sys.path(sys.page(), name), 0)?;
            gone += 1;
        }
    }
    assert_eq!(gone, 60);
    assert_eq!(names(sys, here(sys)?, 0x1000)?.len(), 2);
    Ok(())
}

fn what_is_not_listed(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    assert_eq!(lines(sys, file, 1000), Err(Errno::ENOTDIR));
    assert_eq!(lines(sys, Fd(99), 1000), Err(Errno::EBADF));
    assert_eq!(lines(sys, open(sys, ".", OpenFlags::O_PATH)?, 1000), Err(Errno::EBADF));
    let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
    assert_eq!(lines(sys, reader, 1000), Err(Errno::ENOTDIR));
    assert_eq!(sys.getdents64(here(sys)?, 8, 1000), Err(Errno::EFAULT));
    assert_eq!(lines(sys, here(sys)?, 10), Err(Errno::EINVAL));
    Ok(())
}

fn a_removed_directory_lists_nothing(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "d")?;
    let directory = open(sys, "d", OpenFlags::O_RDONLY)?;
    sys.rmdir(sys.path(sys.page(), "d"))?;
    assert_eq!(lines(sys, directory, 1000), Err(Errno::ENOENT));
    Ok(())
}

fn directories_by_descriptor(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "d")?;
    create(sys, "d/inside")?;
    sys.symlinkat(sys.path(sys.page(), "d"), Fd::CWD, sys.path(sys.page() + 4096, "l"))?;
    let mut kinds: Vec<_> = lines(sys, here(sys)?, 1000)?.into_iter().map(|line| (line.0, line.1)).collect();
    kinds.sort();
    let expected = [(".", DT_DIR), ("..", DT_DIR), ("d", DT_DIR), ("l", DT_LNK)];
    assert_eq!(kinds, expected.map(|(name, kind)| (String::from(name), kind)));
    sys.fchdir(open(sys, "l", OpenFlags::O_PATH)?)?;
    let inside = lines(sys, here(sys)?, 1000)?;
    assert!(inside.iter().any(|line| (line.0.as_str(), line.1) == ("inside", DT_REG)));
    sys.chdir(sys.path(sys.page(), ".."))?;
    open(sys, "d/inside", OpenFlags::O_RDONLY)?;
    assert_eq!(sys.chdir(sys.path(sys.page(), "none")), Err(Errno::ENOENT));
    Ok(())
}

fn a_short_buffer_for_a_path(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "a-directory")?;
    sys.chdir(sys.path(sys.page(), "a-directory"))?;
    let into = sys.page() + 0x2000;
    let len = sys.getcwd(into, 4096)?;
    assert!(sys.bytes(into, len).ends_with(b"/a-directory\0"));
    assert_eq!(sys.getcwd(into, len)?, len);
    assert_eq!(sys.getcwd(into, len - 1), Err(Errno::ERANGE));
    assert_eq!(sys.getcwd(into, 0), Err(Errno::ERANGE));
    assert_eq!(sys.getcwd(8, 4096), Err(Errno::EFAULT));
    Ok(())
}

fn another_root(sys: &dyn Sys) -> Outcome {
    if sys.geteuid()? != 0 {
        return Ok(());
    }
    mkdir(sys, "d")?;
    create(sys, "d/inside")?;
    create(sys, "outside")?;
    let child = |sys: &dyn Sys, _| {
        let inside = || open(sys, "/inside", OpenFlags::O_RDONLY);
        let into = sys.page() + 0x2000;
        let moved = sys.chroot(sys.path(sys.page(), "d")).is_ok() && inside().is_ok();
        // The working directory stayed outside, and cannot be named any more.
        let outside = open(sys, "outside", OpenFlags::O_RDONLY).is_ok()
            && sys.getcwd(into, 4096).is_ok()
            && sys.bytes(into, 13) == b"(unreachable)";
        let entered = sys.chdir(sys.path(sys.page(), "/")).is_ok()
            && open(sys, "../../inside", OpenFlags::O_RDONLY).is_ok()
            && sys.getcwd(into, 4096) == Ok(2);
        i32::from(!(moved && outside && entered))
    };
    let pid = sys.fork_with(child, 0)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    // A child's root is its own.
    assert_eq!(open(sys, "/inside", OpenFlags::O_RDONLY), Err(Errno::ENOENT));
    Ok(())
}

fn who_may_have_another_root(sys: &dyn Sys) -> Outcome {
    create(sys, "f")?;
    assert_eq!(sys.chroot(sys.path(sys.page(), "none")), Err(Errno::ENOENT));
    assert_eq!(sys.chroot(sys.path(sys.page(), "f")), Err(Errno::ENOTDIR));
    assert_eq!(sys.chroot(8), Err(Errno::EFAULT));
    if sys.geteuid()? != 0 {
        assert_eq!(sys.chroot(sys.path(sys.page(), ".")), Err(Errno::EPERM));
    }
    Ok(())
}

fn proc_is_listed(sys: &dyn Sys) -> Outcome {
    let me = sys.getpid()?.to_string();
    let found = names(sys, open(sys, "/proc", OpenFlags::O_RDONLY)?, 0x7000)?;
    for name in [me.as_str(), "self", "meminfo", "mounts", "stat", "uptime"] {
        assert!(found.iter().any(|found| found == name), "{name}");
    }
    let fds = names(sys, open(sys, "/proc/self/fd", OpenFlags::O_RDONLY)?, 0x1000)?;
    assert!(["0", "1", "2"].iter().all(|fd| fds.iter().any(|found| found == fd)));
    let about = open(sys, "/proc/self/fdinfo/1", OpenFlags::O_RDONLY)?;
    assert!(read(sys, about, 100)?.starts_with(b"pos:\t"));
    let comm = open(sys, &format!("/proc/{me}/comm"), OpenFlags::O_RDONLY)?;
    assert!(read(sys, comm, 100)?.ends_with(b"\n"));
    Ok(())
}

/// A name that is not there cannot be made, and may be as long as it likes.
fn proc_takes_no_names(sys: &dyn Sys) -> Outcome {
    create(sys, "here")?;
    let long = "x".repeat(256);
    for folder in ["/proc", "/proc/self", "/proc/self/fd"] {
        for name in ["none", long.as_str()] {
            let name = sys.path(sys.page(), &format!("{folder}/{name}"));
            let here = sys.path(sys.page() + 0x1000, "here");
            let making = OpenFlags::O_CREAT | OpenFlags::O_WRONLY;
            let answers = [
                sys.openat(Fd::CWD, name, making, Mode(0o644)),
                sys.mkdirat(Fd::CWD, name, Mode(0o755)),
                sys.mknodat(Fd::CWD, name, Mode(0o644), 0),
                sys.symlinkat(here, Fd::CWD, name),
                sys.linkat(Fd::CWD, here, Fd::CWD, name, 0),
                sys.unlinkat(Fd::CWD, name, 0),
                sys.faccessat(Fd::CWD, name, 0),
                sys.getxattr(name, here, 0, 0),
            ];
            assert_eq!(answers, [Err(Errno::ENOENT); 8], "{folder}");
            assert_eq!(sys.renameat2(Fd::CWD, here, Fd::CWD, name, 0), Err(Errno::EXDEV));
        }
    }
    Ok(())
}

/// How many there are is how long their directory is.
fn descriptors_are_for_their_owner(sys: &dyn Sys) -> Outcome {
    let about = |name: &str| -> Result<Stat> {
        sys.newfstatat(Fd::CWD, sys.path(sys.page(), name), sys.page() + 0x1000, 0)?;
        Ok(Stat::decode(sys.arch(), &sys.bytes(sys.page() + 0x1000, Stat::size(sys.arch()))).expect("long enough"))
    };
    let (fds, facts) = (about("/proc/self/fd")?, about("/proc/self/fdinfo")?);
    assert_eq!((fds.mode & 0o7777, fds.nlink, facts.nlink), (0o500, 2, 2));
    create(sys, "one more")?;
    // Kernels before 6.2 do not count them.
    let more = about("/proc/self/fd")?;
    assert!(more.size == fds.size + 1 || more.size == 0);
    Ok(())
}

fn what_proc_tells_has_no_place_to_write(sys: &dyn Sys) -> Outcome {
    let at = sys.store(sys.page() + 0x1000, &Iovec { iov_base: sys.page(), iov_len: 0 });
    for (name, refusal) in [
        ("/proc/self/status", Errno::ESPIPE),
        ("/proc/self/fdinfo/0", Errno::ESPIPE),
        ("/proc/uptime", Errno::ESPIPE),
        ("/proc/self/cmdline", Errno::EBADF),
        ("/proc/sys/kernel/hostname", Errno::EBADF),
    ] {
        let file = open(sys, name, OpenFlags::O_RDONLY)?;
        assert_eq!(sys.pwrite64(file, sys.page(), 0, 0), Err(refusal), "{name}");
        assert_eq!(sys.pwritev(file, at, 1, 0, 0), Err(refusal), "{name}");
        assert_eq!(sys.pwritev2(file, at, 1, 0, 0, 0), Err(refusal), "{name}");
        assert_eq!(sys.write(file, sys.page(), 0), Err(Errno::EBADF), "{name}");
        sys.pread64(file, sys.page(), 1, 0)?;
    }
    Ok(())
}

/// Most of it is told line by line, and nobody knows how long it will be; the rest says that it is empty.
fn what_proc_tells_ends_where_it_ends(sys: &dyn Sys) -> Outcome {
    for name in ["/proc/self/status", "/proc/self/fdinfo/0", "/proc/self/mounts", "/proc/uptime"] {
        let file = open(sys, name, OpenFlags::O_RDONLY)?;
        for whence in [Whence::SEEK_END, Whence::SEEK_DATA, Whence::SEEK_HOLE] {
            assert_eq!(sys.lseek(file, 0, whence), Err(Errno::EINVAL), "{name} {whence:?}");
        }
        assert_eq!(sys.lseek(file, 1, Whence::SEEK_SET)?, 1, "{name}");
    }
    for name in ["/proc/self/cmdline", "/proc/sys/kernel/ostype", "/proc/self/fd"] {
        let file = open(sys, name, OpenFlags::O_RDONLY)?;
        assert_eq!(sys.lseek(file, 0, Whence::SEEK_END)?, 0, "{name}");
        assert_eq!(sys.lseek(file, 0, Whence::SEEK_DATA), Err(Errno::ENXIO), "{name}");
        assert_eq!(sys.lseek(file, 0, Whence::SEEK_HOLE), Err(Errno::ENXIO), "{name}");
    }
    Ok(())
}

/// Times and owner are taken and forgotten; who may do what stays.
fn what_proc_tells_of_a_process_is_changed_in_vain(sys: &dyn Sys) -> Outcome {
    let (user, group) = (Uid(sys.geteuid()? as u32), Gid(sys.getegid()? as u32));
    for name in ["/proc/self/status", "/proc/self/fd", "/proc/self/task"] {
        let path = sys.path(sys.page(), name);
        sys.fchownat(Fd::CWD, path, user, group, 0)?;
        sys.utimensat(Fd::CWD, path, 0, 0)?;
        assert_eq!(sys.fchmodat(Fd::CWD, path, Mode(0o777)), Err(Errno::EPERM), "{name}");
    }
    // Its own descriptors are a process's to do with as it likes, though there is nothing to be done.
    let path = sys.path(sys.page(), "/proc/self/fd");
    sys.faccessat(Fd::CWD, path, 2)?;
    let attribute = sys.path(sys.page() + 64, "user.a");
    assert_eq!(sys.setxattr(path, attribute, sys.page(), 1, 0), Err(Errno::EOPNOTSUPP));
    let none = sys.path(sys.page() + 128, "user.");
    assert_eq!(sys.setxattr(path, none, sys.page(), 1, 0), Err(Errno::EOPNOTSUPP));
    let path = sys.path(sys.page(), &format!("/proc/{}", sys.getpid()?));
    assert_eq!(sys.fchownat(Fd::CWD, path, user, group, 0), Err(Errno::EPERM));
    assert_eq!(sys.setxattr(path, attribute, sys.page(), 1, 0), Err(Errno::EPERM));
    assert_eq!(sys.faccessat(Fd::CWD, path, 2), Err(Errno::EPERM));
    Ok(())
}

fn a_directory_of_proc_has_near_places(sys: &dyn Sys) -> Outcome {
    for name in ["/proc", "/proc/self/fd", "/proc/self/cmdline"] {
        let file = open(sys, name, OpenFlags::O_RDONLY)?;
        assert_eq!(sys.lseek(file, 0x7fff_ffff, Whence::SEEK_SET)?, 0x7fff_ffff, "{name}");
        for whence in [Whence::SEEK_SET, Whence::SEEK_CUR, Whence::SEEK_END] {
            assert_eq!(sys.lseek(file, 1_i64 << 31, whence), Err(Errno::EINVAL), "{name} {whence:?}");
        }
    }
    let file = open(sys, "/proc/self/status", OpenFlags::O_RDONLY)?;
    assert_eq!(sys.lseek(file, 1_i64 << 31, Whence::SEEK_SET)?, 1 << 31);
    Ok(())
}

/// Whoever comes back from the bottom leaves thousands of places at once.
fn a_tree_may_be_deep(sys: &dyn Sys) -> Outcome {
    const DEPTH: usize = 2000;
    let top = open(sys, ".", OpenFlags::O_RDONLY)?;
    let (name, above) = (sys.path(sys.page(), "d"), sys.path(sys.page() + 64, ".."));
    for _ in 0..DEPTH {
        sys.mkdirat(Fd::CWD, name, Mode(0o755))?;
        sys.chdir(name)?;
    }
    let bottom = open(sys, ".", OpenFlags::O_RDONLY)?;
    sys.fchdir(top)?;
    sys.close(bottom)?;
    for _ in 0..DEPTH {
        sys.chdir(name)?;
    }
    sys.fchdir(top)?;
    for _ in 0..DEPTH {
        sys.chdir(name)?;
    }
    for _ in 0..DEPTH {
        sys.chdir(above)?;
        sys.unlinkat(Fd::CWD, name, AtFlags::AT_REMOVEDIR)?;
    }
    Ok(())
}

/// With what is behind its name it is longer than any path that is given.
fn a_long_link_is_followed(sys: &dyn Sys) -> Outcome {
    let link = sys.path(sys.page(), "link");
    sys.symlinkat(sys.path(sys.page() + 0x1000, &"/".repeat(4095)), Fd::CWD, link)?;
    for name in ["link", "link/", "link/.", "link/proc/self"] {
        assert_eq!(sys.faccessat(Fd::CWD, sys.path(sys.page(), name), 0), Ok(0), "{name}");
    }
    Ok(())
}

/// What is told of a process knows no flags of preadv2(2), but for the one that nobody heeds; what is told of all does.
fn what_proc_tells_is_read_without_a_wish(sys: &dyn Sys) -> Outcome {
    let at = sys.store(sys.page() + 0x1000, &Iovec { iov_base: sys.page(), iov_len: 1 });
    for name in ["/proc/self/status", "/proc/self/cmdline"] {
        let file = open(sys, name, OpenFlags::O_RDONLY)?;
        assert_eq!(sys.preadv2(file, at, 1, 0, 0, RwFlags::RWF_NOAPPEND), Err(Errno::EOPNOTSUPP), "{name}");
        assert_eq!(sys.preadv2(file, at, 1, 0, 0, RwFlags::RWF_HIPRI)?, 1, "{name}");
    }
    for name in ["/proc/self/mounts", "/proc/uptime", "/proc/sys/kernel/ostype"] {
        let file = open(sys, name, OpenFlags::O_RDONLY)?;
        assert_eq!(sys.preadv2(file, at, 1, 0, 0, RwFlags::RWF_NOAPPEND)?, 1, "{name}");
    }
    let directory = open(sys, ".", OpenFlags::O_RDONLY)?;
    // Even where flags forbid each other.
    for flags in [RwFlags::RWF_NOAPPEND, RwFlags::RWF_NOAPPEND | RwFlags::RWF_APPEND] {
        assert_eq!(sys.preadv2(directory, at, 1, 0, 0, flags), Err(Errno::EOPNOTSUPP), "{flags:?}");
    }
    assert_eq!(sys.preadv2(directory, at, 1, 0, 0, RwFlags::RWF_HIPRI), Err(Errno::EISDIR));
    Ok(())
}
