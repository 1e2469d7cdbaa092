//! The calls on names that take no directory: x86-64's older half, next to the errors of both.

use alloc::format;

use kernel_abi::flags::{
    AccessAtFlags, AccessMode, AtFlags, NAME_MAX, OpenFlags, PATH_MAX, RenameFlags, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK,
    S_IFMT, S_IFREG,
};
use kernel_abi::structs::{OpenHow, Stat, device_number};
use kernel_abi::{Calls, Errno, Fd, Mode, Result, Sys};

use super::Outcome;
use super::file::{create, descriptor, open, read, write};

cases! { "name":
    an_old_open_opens, a_file_is_made_by_creat, directories_come_and_go, names_come_and_go, links_of_both_kinds,
    an_old_rename_replaces, access_answers_for_the_user, access_with_flags, a_directory_descriptor_is_a_start,
    a_start_that_is_none, a_trailing_slash_asks_for_a_directory, what_has_no_last_name,
    a_file_is_no_directory_on_the_way, long_names_and_long_paths, what_is_linked_by_flags, links_are_not_followed_twice,
    special_files_are_made, the_old_stats_differ_by_the_last_link, a_descriptor_as_a_path, openat2_reads_its_structure,
    a_removed_directory_is_empty_for_ever, wild_paths_are_efault,
}

fn first(sys: &dyn Sys, name: &str) -> usize {
    sys.path(sys.page(), name)
}

fn second(sys: &dyn Sys, name: &str) -> usize {
    sys.path(sys.page() + 8192, name)
}

/// The type and permission bits of a name.
fn mode(sys: &dyn Sys, name: &str) -> Result<u16> {
    let into = sys.page() + 0x5000;
    sys.newfstatat(Fd::CWD, first(sys, name), into, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    Ok(Stat::decode(sys.arch(), &sys.bytes(into, Stat::size(sys.arch()))).expect("long enough").mode as u16)
}

fn kind(sys: &dyn Sys, name: &str) -> Result<u16> {
    Ok(mode(sys, name)? & S_IFMT)
}

fn an_old_open_opens(sys: &dyn Sys) -> Outcome {
    let file = descriptor(sys.open(first(sys, "f"), OpenFlags::O_RDWR | OpenFlags::O_CREAT, Mode(0o666))?);
    assert_eq!(mode(sys, "f")?, S_IFREG | 0o644);
    write(sys, file, b"old")?;
    let again = descriptor(sys.open(first(sys, "f"), OpenFlags::O_RDONLY, 0)?);
    assert_eq!(read(sys, again, 9)?, b"old");
    assert_eq!(sys.open(first(sys, "none"), OpenFlags::O_RDONLY, 0), Err(Errno::ENOENT));
    assert_eq!(sys.open(first(sys, "."), OpenFlags::O_RDWR, 0), Err(Errno::EISDIR));
    assert_eq!(sys.open(first(sys, "f"), OpenFlags::O_RDONLY | OpenFlags::O_DIRECTORY, 0), Err(Errno::ENOTDIR));
    Ok(())
}

fn a_file_is_made_by_creat(sys: &dyn Sys) -> Outcome {
    let file = descriptor(sys.creat(first(sys, "f"), Mode(0o600))?);
    assert_eq!(mode(sys, "f")?, S_IFREG | 0o600);
    assert_eq!(write(sys, file, b"x")?, 1);
    assert_eq!(read(sys, file, 1), Err(Errno::EBADF));
    sys.creat(first(sys, "f"), Mode(0o777))?;
    assert_eq!(mode(sys, "f")?, S_IFREG | 0o600);
    assert_eq!(read(sys, open(sys, "f", OpenFlags::O_RDONLY)?, 1)?, b"");
    assert_eq!(sys.creat(first(sys, "."), Mode(0o600)), Err(Errno::EISDIR));
    Ok(())
}

fn directories_come_and_go(sys: &dyn Sys) -> Outcome {
    sys.mkdir(first(sys, "d"), Mode(0o1777))?;
    assert_eq!(mode(sys, "d")?, S_IFDIR | 0o1755);
    sys.mkdir(first(sys, "d/e/"), Mode(0o700))?;
    assert_eq!(sys.mkdir(first(sys, "d"), Mode(0o700)), Err(Errno::EEXIST));
    assert_eq!(sys.mkdir(first(sys, "."), Mode(0o700)), Err(Errno::EEXIST));
    assert_eq!(sys.mkdir(first(sys, "none/e"), Mode(0o700)), Err(Errno::ENOENT));
    assert_eq!(sys.rmdir(first(sys, "d")), Err(Errno::ENOTEMPTY));
    assert_eq!(sys.rmdir(first(sys, "d/e/.")), Err(Errno::EINVAL));
    assert_eq!(sys.rmdir(first(sys, "d/e/..")), Err(Errno::ENOTEMPTY));
    sys.rmdir(first(sys, "d/e/"))?;
    sys.rmdir(first(sys, "d"))?;
    assert_eq!(sys.rmdir(first(sys, "d")), Err(Errno::ENOENT));
    create(sys, "f")?;
    assert_eq!(sys.rmdir(first(sys, "f")), Err(Errno::ENOTDIR));
    assert_eq!(sys.mkdir(first(sys, "f"), Mode(0o700)), Err(Errno::EEXIST));
    Ok(())
}

fn names_come_and_go(sys: &dyn Sys) -> Outcome {
    create(sys, "f")?;
    sys.unlink(first(sys, "f"))?;
    assert_eq!(sys.unlink(first(sys, "f")), Err(Errno::ENOENT));
    sys.mkdir(first(sys, "d"), Mode(0o755))?;
    assert_eq!(sys.unlink(first(sys, "d")), Err(Errno::EISDIR));
    assert_eq!(sys.unlink(first(sys, "")), Err(Errno::ENOENT));
    create(sys, "f")?;
    assert_eq!(sys.unlink(first(sys, "f/")), Err(Errno::ENOTDIR));
    assert_eq!(sys.unlink(first(sys, "f/g")), Err(Errno::ENOTDIR));
    assert_eq!(sys.unlinkat(Fd::CWD, first(sys, "f"), AtFlags::AT_SYMLINK_NOFOLLOW), Err(Errno::EINVAL));
    Ok(())
}

fn links_of_both_kinds(sys: &dyn Sys) -> Outcome {
    create(sys, "f")?;
    sys.link(first(sys, "f"), second(sys, "hard"))?;
    sys.symlink(first(sys, "f"), second(sys, "soft"))?;
    assert_eq!([kind(sys, "hard")?, kind(sys, "soft")?], [S_IFREG, S_IFLNK]);
    assert_eq!(sys.link(first(sys, "f"), second(sys, "soft")), Err(Errno::EEXIST));
    assert_eq!(sys.symlink(first(sys, "f"), second(sys, "hard")), Err(Errno::EEXIST));
    assert_eq!(sys.link(first(sys, "none"), second(sys, "l")), Err(Errno::ENOENT));
    assert_eq!(sys.symlink(first(sys, ""), second(sys, "l")), Err(Errno::ENOENT));
    let into = sys.page() + 0x5000;
    assert_eq!(sys.readlink(first(sys, "soft"), into, 64)?, 1);
    assert_eq!(sys.bytes(into, 1), b"f");
    assert_eq!(sys.readlink(first(sys, "hard"), into, 64), Err(Errno::EINVAL));
    assert_eq!(sys.readlink(first(sys, "none"), into, 64), Err(Errno::ENOENT));
    assert_eq!(sys.readlink(first(sys, "soft"), into, -1_i32), Err(Errno::EINVAL));
    assert_eq!(sys.readlink(first(sys, "soft"), 8, 64), Err(Errno::EFAULT));
    Ok(())
}

fn an_old_rename_replaces(sys: &dyn Sys) -> Outcome {
    write(sys, create(sys, "a")?, b"a")?;
    create(sys, "b")?;
    sys.rename(first(sys, "a"), second(sys, "b"))?;
    assert_eq!(read(sys, open(sys, "b", OpenFlags::O_RDONLY)?, 9)?, b"a");
    assert_eq!(sys.rename(first(sys, "a"), second(sys, "b")), Err(Errno::ENOENT));
    sys.renameat(Fd::CWD, first(sys, "b"), Fd::CWD, second(sys, "c"))?;
    assert_eq!(sys.renameat(Fd(99), first(sys, "c"), Fd::CWD, second(sys, "d")), Err(Errno::EBADF));
    // A name onto another name of the same file does nothing.
    sys.link(first(sys, "c"), second(sys, "d"))?;
    sys.rename(first(sys, "c"), second(sys, "d"))?;
    assert_eq!([kind(sys, "c")?, kind(sys, "d")?], [S_IFREG, S_IFREG]);
    let unknown = RenameFlags::from_bits_retain(0x100);
    assert_eq!(sys.renameat2(Fd::CWD, first(sys, "c"), Fd::CWD, second(sys, "e"), unknown), Err(Errno::EINVAL));
    Ok(())
}

fn access_answers_for_the_user(sys: &dyn Sys) -> Outcome {
    create(sys, "f")?;
    sys.access(first(sys, "f"), AccessMode::R_OK | AccessMode::W_OK)?;
    assert_eq!(sys.access(first(sys, "f"), AccessMode::X_OK), Err(Errno::EACCES));
    sys.chmod(first(sys, "f"), Mode(0o711))?;
    sys.access(first(sys, "f"), AccessMode::X_OK)?;
    assert_eq!(sys.access(first(sys, "none"), AccessMode::F_OK), Err(Errno::ENOENT));
    assert_eq!(sys.access(first(sys, "f/x"), AccessMode::F_OK), Err(Errno::ENOTDIR));
    assert_eq!(sys.access(first(sys, "f"), AccessMode::from_bits_retain(0x10)), Err(Errno::EINVAL));
    Ok(())
}

fn access_with_flags(sys: &dyn Sys) -> Outcome {
    sys.symlink(first(sys, "none"), second(sys, "l"))?;
    let ask = |flags| sys.faccessat2(Fd::CWD, first(sys, "l"), AccessMode::F_OK, flags);
    assert_eq!(ask(AccessAtFlags::empty()), Err(Errno::ENOENT));
    ask(AccessAtFlags::AT_SYMLINK_NOFOLLOW)?;
    assert_eq!(ask(AccessAtFlags::from_bits_retain(0x4000)), Err(Errno::EINVAL));
    let file = create(sys, "f")?;
    let empty = first(sys, "");
    sys.faccessat2(file, empty, AccessMode::R_OK, AccessAtFlags::AT_EMPTY_PATH)?;
    sys.faccessat2(file, empty, AccessMode::R_OK, AccessAtFlags::AT_EMPTY_PATH | AccessAtFlags::AT_EACCESS)?;
    assert_eq!(sys.faccessat2(file, empty, AccessMode::R_OK, AccessAtFlags::empty()), Err(Errno::ENOENT));
    assert_eq!(sys.faccessat2(Fd(99), first(sys, "f"), AccessMode::R_OK, AccessAtFlags::empty()), Err(Errno::EBADF));
    Ok(())
}

fn a_directory_descriptor_is_a_start(sys: &dyn Sys) -> Outcome {
    sys.mkdir(first(sys, "d"), Mode(0o755))?;
    let dir = open(sys, "d", OpenFlags::O_RDONLY | OpenFlags::O_DIRECTORY)?;
    let place = open(sys, "d", OpenFlags::O_PATH)?;
    sys.mkdirat(dir, first(sys, "e"), Mode(0o755))?;
    sys.openat(place, first(sys, "e/f"), OpenFlags::O_WRONLY | OpenFlags::O_CREAT, Mode(0o644))?;
    sys.linkat(dir, first(sys, "e/f"), place, second(sys, "g"), 0)?;
    sys.symlinkat(first(sys, "g"), dir, second(sys, "s"))?;
    sys.renameat2(place, first(sys, "s"), dir, second(sys, "t"), 0)?;
    sys.faccessat(dir, first(sys, "t"), AccessMode::R_OK)?;
    sys.fchmodat(place, first(sys, "t"), Mode(0o600))?;
    assert_eq!(mode(sys, "d/g")?, S_IFREG | 0o600);
    sys.unlinkat(dir, first(sys, "t"), 0)?;
    // An absolute path needs no start.
    sys.faccessat(Fd(99), first(sys, "/"), AccessMode::F_OK)?;
    // O_PATH is a place and nothing else.
    assert_eq!(read(sys, place, 1), Err(Errno::EBADF));
    assert_eq!(sys.fchmod(place, Mode(0o700)), Err(Errno::EBADF));
    Ok(())
}

fn a_start_that_is_none(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    for (start, errno) in [(file, Errno::ENOTDIR), (Fd(99), Errno::EBADF)] {
        let flags = OpenFlags::O_RDONLY;
        assert_eq!(sys.openat(start, first(sys, "x"), flags, 0), Err(errno));
        assert_eq!(sys.mkdirat(start, first(sys, "x"), Mode(0o755)), Err(errno));
        assert_eq!(sys.mknodat(start, first(sys, "x"), Mode(S_IFIFO | 0o600), 0), Err(errno));
        assert_eq!(sys.unlinkat(start, first(sys, "x"), 0), Err(errno));
        assert_eq!(sys.symlinkat(first(sys, "x"), start, second(sys, "y")), Err(errno));
        assert_eq!(sys.linkat(start, first(sys, "x"), Fd::CWD, second(sys, "y"), 0), Err(errno));
        assert_eq!(sys.linkat(Fd::CWD, first(sys, "f"), start, second(sys, "y"), 0), Err(errno));
        assert_eq!(sys.renameat2(Fd::CWD, first(sys, "f"), start, second(sys, "y"), 0), Err(errno));
        assert_eq!(sys.readlinkat(start, first(sys, "x"), sys.page() + 4096, 10), Err(errno));
        assert_eq!(sys.fchmodat(start, first(sys, "x"), Mode(0o600)), Err(errno));
        assert_eq!(sys.fchownat(start, first(sys, "x"), -1_i32, -1_i32, 0), Err(errno));
        assert_eq!(sys.utimensat(start, first(sys, "x"), 0, 0), Err(errno));
        assert_eq!(sys.fchdir(start), Err(errno));
    }
    Ok(())
}

fn a_trailing_slash_asks_for_a_directory(sys: &dyn Sys) -> Outcome {
    create(sys, "f")?;
    sys.mkdir(first(sys, "d"), Mode(0o755))?;
    sys.symlink(first(sys, "d"), second(sys, "l"))?;
    assert_eq!(open(sys, "f/", OpenFlags::O_RDONLY), Err(Errno::ENOTDIR));
    open(sys, "d/", OpenFlags::O_RDONLY)?;
    assert_eq!(open(sys, "new/", OpenFlags::O_WRONLY | OpenFlags::O_CREAT), Err(Errno::EISDIR));
    assert_eq!(sys.rename(first(sys, "f"), second(sys, "g/")), Err(Errno::ENOTDIR));
    assert_eq!(sys.link(first(sys, "f"), second(sys, "g/")), Err(Errno::ENOENT));
    sys.rename(first(sys, "d/"), second(sys, "e/"))?;
    // A link with a slash is what it points to, and that has moved.
    assert_eq!(sys.access(first(sys, "l/"), AccessMode::F_OK), Err(Errno::ENOENT));
    sys.rename(first(sys, "e"), second(sys, "d"))?;
    assert_eq!(sys.rmdir(first(sys, "l/")), Err(Errno::ENOTDIR));
    assert_eq!(kind(sys, "l/")?, S_IFDIR);
    Ok(())
}

fn what_has_no_last_name(sys: &dyn Sys) -> Outcome {
    sys.mkdir(first(sys, "d"), Mode(0o755))?;
    assert_eq!(sys.unlink(first(sys, "d/..")), Err(Errno::EISDIR));
    assert_eq!(sys.unlink(first(sys, "/")), Err(Errno::EISDIR));
    assert_eq!(sys.rmdir(first(sys, "/")), Err(Errno::EBUSY));
    assert_eq!(sys.mkdir(first(sys, "/"), Mode(0o755)), Err(Errno::EEXIST));
    assert_eq!(sys.rename(first(sys, "d"), second(sys, "d/..")), Err(Errno::EBUSY));
    assert_eq!(sys.rename(first(sys, "d/."), second(sys, "e")), Err(Errno::EBUSY));
    assert_eq!(sys.link(first(sys, "d"), second(sys, "d/.")), Err(Errno::EEXIST));
    Ok(())
}

fn a_file_is_no_directory_on_the_way(sys: &dyn Sys) -> Outcome {
    create(sys, "f")?;
    assert_eq!(open(sys, "f/..", OpenFlags::O_RDONLY), Err(Errno::ENOTDIR));
    assert_eq!(open(sys, "f/.", OpenFlags::O_RDONLY), Err(Errno::ENOTDIR));
    assert_eq!(sys.mkdir(first(sys, "f/d"), Mode(0o755)), Err(Errno::ENOTDIR));
    assert_eq!(sys.truncate(first(sys, "f/x"), 0), Err(Errno::ENOTDIR));
    assert_eq!(sys.chdir(first(sys, "f")), Err(Errno::ENOTDIR));
    Ok(())
}

fn long_names_and_long_paths(sys: &dyn Sys) -> Outcome {
    let name = "n".repeat(NAME_MAX as usize);
    create(sys, &name)?;
    sys.unlink(first(sys, &name))?;
    assert_eq!(create(sys, &"n".repeat(NAME_MAX as usize + 1)), Err(Errno::ENAMETOOLONG));
    // PATH_MAX counts the NUL.
    let slashes = |len: u32| "/".repeat(len as usize);
    open(sys, &slashes(PATH_MAX - 1), OpenFlags::O_RDONLY)?;
    assert_eq!(open(sys, &slashes(PATH_MAX), OpenFlags::O_RDONLY), Err(Errno::ENAMETOOLONG));
    assert_eq!(sys.symlink(first(sys, &slashes(PATH_MAX)), second(sys, "l")), Err(Errno::ENAMETOOLONG));
    Ok(())
}

fn what_is_linked_by_flags(sys: &dyn Sys) -> Outcome {
    create(sys, "f")?;
    sys.symlink(first(sys, "f"), second(sys, "l"))?;
    sys.linkat(Fd::CWD, first(sys, "l"), Fd::CWD, second(sys, "a"), 0)?;
    sys.linkat(Fd::CWD, first(sys, "l"), Fd::CWD, second(sys, "b"), AtFlags::AT_SYMLINK_FOLLOW)?;
    assert_eq!([kind(sys, "a")?, kind(sys, "b")?], [S_IFLNK, S_IFREG]);
    let wrong = AtFlags::AT_SYMLINK_NOFOLLOW;
    assert_eq!(sys.linkat(Fd::CWD, first(sys, "f"), Fd::CWD, second(sys, "c"), wrong), Err(Errno::EINVAL));
    Ok(())
}

fn links_are_not_followed_twice(sys: &dyn Sys) -> Outcome {
    // Forty links are followed, and no more.
    create(sys, "l0")?;
    for number in 1..=41 {
        sys.symlink(first(sys, &format!("l{}", number - 1)), second(sys, &format!("l{number}")))?;
    }
    open(sys, "l40", OpenFlags::O_RDONLY)?;
    assert_eq!(open(sys, "l41", OpenFlags::O_RDONLY), Err(Errno::ELOOP));
    // What is not followed is not counted.
    assert_eq!(kind(sys, "l41")?, S_IFLNK);
    assert_eq!(open(sys, "l0", OpenFlags::O_WRONLY | OpenFlags::O_NOFOLLOW).map(drop), Ok(()));
    let exclusive = OpenFlags::O_WRONLY | OpenFlags::O_CREAT | OpenFlags::O_EXCL;
    sys.symlink(first(sys, "nowhere"), second(sys, "dangling"))?;
    assert_eq!(open(sys, "dangling", exclusive), Err(Errno::EEXIST));
    Ok(())
}

fn special_files_are_made(sys: &dyn Sys) -> Outcome {
    sys.mknod(first(sys, "fifo"), Mode(S_IFIFO | 0o666), 0)?;
    assert_eq!(mode(sys, "fifo")?, S_IFIFO | 0o644);
    sys.mknodat(Fd::CWD, first(sys, "plain"), Mode(0o600), 0)?;
    assert_eq!(mode(sys, "plain")?, S_IFREG | 0o600);
    assert_eq!(sys.mknod(first(sys, "fifo"), Mode(0o600), 0), Err(Errno::EEXIST));
    assert_eq!(sys.mknod(first(sys, "d"), Mode(S_IFDIR | 0o755), 0), Err(Errno::EPERM));
    assert_eq!(sys.mknod(first(sys, "d"), Mode(S_IFLNK | 0o755), 0), Err(Errno::EINVAL));
    if sys.geteuid()? != 0 {
        let null = device_number(1, 3) as u32;
        assert_eq!(sys.mknod(first(sys, "n"), Mode(S_IFCHR | 0o666), null), Err(Errno::EPERM));
    }
    // Nobody reads, so a writer that does not wait is refused.
    let flags = OpenFlags::O_WRONLY | OpenFlags::O_NONBLOCK;
    assert_eq!(open(sys, "fifo", flags), Err(Errno::ENXIO));
    // A socket is not opened at all.
    sys.mknodat(Fd::CWD, first(sys, "socket"), Mode(0o140_600), 0)?;
    assert_eq!(open(sys, "socket", OpenFlags::O_RDWR), Err(Errno::ENXIO));
    assert_eq!(sys.creat(first(sys, "socket"), Mode(0o600)), Err(Errno::ENXIO));
    let reader = open(sys, "fifo", OpenFlags::O_RDONLY | OpenFlags::O_NONBLOCK)?;
    let writer = open(sys, "fifo", flags)?;
    assert_eq!(write(sys, writer, b"through")?, 7);
    assert_eq!(read(sys, reader, 100)?, b"through");
    Ok(())
}

fn the_old_stats_differ_by_the_last_link(sys: &dyn Sys) -> Outcome {
    create(sys, "f")?;
    sys.symlink(first(sys, "f"), second(sys, "l"))?;
    let into = sys.page() + 0x5000;
    let kind = || {
        let stat = Stat::decode(sys.arch(), &sys.bytes(into, Stat::size(sys.arch())));
        stat.expect("long enough").mode as u16 & S_IFMT
    };
    sys.stat(first(sys, "l"), into)?;
    assert_eq!(kind(), S_IFREG);
    sys.lstat(first(sys, "l"), into)?;
    assert_eq!(kind(), S_IFLNK);
    assert_eq!(sys.stat(first(sys, "none"), into), Err(Errno::ENOENT));
    assert_eq!(sys.lstat(first(sys, "f/x"), into), Err(Errno::ENOTDIR));
    assert_eq!(sys.stat(first(sys, "f"), 8), Err(Errno::EFAULT));
    Ok(())
}

fn a_descriptor_as_a_path(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    write(sys, file, b"again")?;
    // Opened anew, with an offset of its own.
    let again = open(sys, &format!("/proc/self/fd/{}", file.0), OpenFlags::O_RDONLY)?;
    assert_eq!(read(sys, again, 9)?, b"again");
    let into = sys.page() + 0x5000;
    let len = sys.readlink(first(sys, &format!("/proc/self/fd/{}", file.0)), into, 4096)?;
    assert!(sys.bytes(into, len).ends_with(b"/f"));
    assert_eq!(open(sys, "/proc/self/fd/99", OpenFlags::O_RDONLY), Err(Errno::ENOENT));
    Ok(())
}

fn openat2_reads_its_structure(sys: &dyn Sys) -> Outcome {
    let how = sys.page() + 0x5000;
    let open = |flags: u64, mode: u64, size: usize| {
        sys.store(how, &OpenHow { flags, mode, resolve: 0 });
        sys.openat2(Fd::CWD, first(sys, "f"), how, size)
    };
    let make = u64::from((OpenFlags::O_WRONLY | OpenFlags::O_CREAT).bits());
    open(make, 0o640, 24)?;
    assert_eq!(mode(sys, "f")?, S_IFREG | 0o640);
    open(0, 0, 24)?;
    assert_eq!(open(0, 0o640, 24), Err(Errno::EINVAL));
    assert_eq!(open(1 << 40, 0, 24), Err(Errno::EINVAL));
    assert_eq!(open(make, 0o20000, 24), Err(Errno::EINVAL));
    assert_eq!(open(0, 0, 23), Err(Errno::EINVAL));
    // Longer is welcome as long as what is not known is zero.
    sys.store(how + 24, &0_u64);
    open(0, 0, 32)?;
    sys.store(how + 24, &1_u64);
    assert_eq!(open(0, 0, 32), Err(Errno::E2BIG));
    assert_eq!(sys.openat2(Fd::CWD, first(sys, "f"), 8, 24), Err(Errno::EFAULT));
    Ok(())
}

fn a_removed_directory_is_empty_for_ever(sys: &dyn Sys) -> Outcome {
    sys.mkdir(first(sys, "d"), Mode(0o755))?;
    let dir = open(sys, "d", OpenFlags::O_RDONLY)?;
    sys.rmdir(first(sys, "d"))?;
    assert_eq!(sys.mkdirat(dir, first(sys, "e"), Mode(0o755)), Err(Errno::ENOENT));
    let flags = OpenFlags::O_WRONLY | OpenFlags::O_CREAT;
    assert_eq!(sys.openat(dir, first(sys, "f"), flags, Mode(0o644)), Err(Errno::ENOENT));
    sys.fchdir(dir)?;
    assert_eq!(sys.getcwd(sys.page() + 4096, 4096), Err(Errno::ENOENT));
    Ok(())
}

fn wild_paths_are_efault(sys: &dyn Sys) -> Outcome {
    create(sys, "f")?;
    let outcomes = [
        sys.open(8, OpenFlags::O_RDONLY, 0),
        sys.creat(8, Mode(0o644)),
        sys.mkdir(8, Mode(0o755)),
        sys.rmdir(8),
        sys.unlink(8),
        sys.link(8, second(sys, "g")),
        sys.link(first(sys, "f"), 8),
        sys.symlink(8, second(sys, "g")),
        sys.symlink(first(sys, "f"), 8),
        sys.rename(8, second(sys, "g")),
        sys.rename(first(sys, "f"), 8),
        sys.readlink(8, sys.page(), 10),
        sys.access(8, AccessMode::F_OK),
        sys.chmod(8, Mode(0o600)),
        sys.chown(8, -1_i32, -1_i32),
        sys.chdir(8),
        sys.truncate(8, 0),
        sys.mknod(8, Mode(0o600), 0),
        sys.utimensat(Fd::CWD, 8, 0, 0),
    ];
    // Where it differs, the place in this list says which call.
    assert_eq!(outcomes, [Err(Errno::EFAULT); 19]);
    Ok(())
}
