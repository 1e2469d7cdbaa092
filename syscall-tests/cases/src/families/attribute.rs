//! What a file is said to be: owners, modes, times, and the file system below.

use kernel_abi::flags::{
    AtFlags, OpenFlags, PROC_SUPER_MAGIC, PipeFlags, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, StatxMask, UTIME_NOW,
    UTIME_OMIT,
};
use kernel_abi::structs::{Stat, Statfs, Statx, Timespec, Timeval};
use kernel_abi::{Calls, Errno, Fd, Mode, Result, Sys};

use super::Outcome;
use super::file::{create, open, write};
use super::pipe::pipe;

cases! { "attribute":
    statx_says_what_stat_says, statx_of_a_link_and_of_a_descriptor, what_statx_refuses, modes_by_every_name,
    what_chmod_refuses, owners_by_every_name, changing_owners_clears_the_set_bits, only_root_gives_files_away,
    times_are_set, times_of_a_descriptor, times_left_alone_and_times_of_now, what_utimensat_refuses,
    older_calls_set_times, a_write_changes_the_time, a_file_system_is_described, what_statfs_refuses, a_pipe_is_described,
    links_and_directories_are_counted,
}

fn path(sys: &dyn Sys, name: &str) -> usize {
    sys.path(sys.page(), name)
}

fn stat(sys: &dyn Sys, name: &str) -> Result<Stat> {
    let into = sys.page() + 0x2000;
    sys.newfstatat(Fd::CWD, path(sys, name), into, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    Ok(Stat::decode(sys.arch(), &sys.bytes(into, Stat::size(sys.arch()))).expect("long enough"))
}

fn symlink(sys: &dyn Sys, target: &str, name: &str) -> Result {
    let target = sys.path(sys.page() + 0x1000, target);
    sys.symlinkat(target, Fd::CWD, path(sys, name))
}

fn statx(sys: &dyn Sys, dir: Fd, name: &str, flags: AtFlags) -> Result<Statx> {
    let into = sys.page() + 0x2000;
    sys.statx(dir, path(sys, name), flags, StatxMask::STATX_BASIC_STATS, into)?;
    Ok(sys.load(into))
}

fn statx_says_what_stat_says(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    write(sys, file, b"12345")?;
    let (old, new) = (stat(sys, "f")?, statx(sys, Fd::CWD, "f", AtFlags::empty())?);
    assert!(StatxMask::from_bits_retain(new.stx_mask).contains(StatxMask::STATX_BASIC_STATS));
    assert_eq!((new.stx_ino, new.stx_size, new.stx_mode), (old.ino, 5, S_IFREG | 0o644));
    assert_eq!((new.stx_nlink, new.stx_uid, new.stx_gid), (1, old.uid, old.gid));
    assert_eq!((new.stx_mtime.tv_sec, i64::from(new.stx_mtime.tv_nsec)), (old.mtime.tv_sec, old.mtime.tv_nsec));
    assert_eq!((new.stx_blocks, new.stx_blksize), (old.blocks as u64, old.blksize as u32));
    Ok(())
}

fn statx_of_a_link_and_of_a_descriptor(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    symlink(sys, "f", "l")?;
    assert_eq!(statx(sys, Fd::CWD, "l", AtFlags::empty())?.stx_mode & S_IFMT, S_IFREG);
    assert_eq!(statx(sys, Fd::CWD, "l", AtFlags::AT_SYMLINK_NOFOLLOW)?.stx_mode & S_IFMT, S_IFLNK);
    assert_eq!(statx(sys, file, "", AtFlags::AT_EMPTY_PATH)?.stx_ino, stat(sys, "f")?.ino);
    assert_eq!(statx(sys, Fd::CWD, "", AtFlags::AT_EMPTY_PATH)?.stx_mode & S_IFMT, S_IFDIR);
    let place = open(sys, "f", OpenFlags::O_PATH)?;
    assert_eq!(statx(sys, place, "", AtFlags::AT_EMPTY_PATH)?.stx_mode & S_IFMT, S_IFREG);
    Ok(())
}

fn what_statx_refuses(sys: &dyn Sys) -> Outcome {
    create(sys, "f")?;
    assert_eq!(statx(sys, Fd::CWD, "none", AtFlags::empty()).err(), Some(Errno::ENOENT));
    assert_eq!(statx(sys, Fd::CWD, "", AtFlags::empty()).err(), Some(Errno::ENOENT));
    assert_eq!(statx(sys, Fd(99), "f", AtFlags::empty()).err(), Some(Errno::EBADF));
    assert_eq!(statx(sys, Fd::CWD, "f", AtFlags::from_bits_retain(1 << 30)).err(), Some(Errno::EINVAL));
    let both = AtFlags::AT_STATX_FORCE_SYNC | AtFlags::AT_STATX_DONT_SYNC;
    assert_eq!(statx(sys, Fd::CWD, "f", both).err(), Some(Errno::EINVAL));
    let reserved = StatxMask::STATX__RESERVED;
    assert_eq!(sys.statx(Fd::CWD, path(sys, "f"), 0, reserved, sys.page()), Err(Errno::EINVAL));
    assert_eq!(sys.statx(Fd::CWD, path(sys, "f"), 0, StatxMask::STATX_ALL, 8), Err(Errno::EFAULT));
    assert_eq!(sys.statx(Fd::CWD, 8, 0, StatxMask::STATX_ALL, sys.page()), Err(Errno::EFAULT));
    Ok(())
}

fn modes_by_every_name(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    symlink(sys, "f", "l")?;
    let mode = || stat(sys, "f").map(|stat| stat.mode & 0o7777);
    sys.chmod(path(sys, "l"), Mode(0o601))?;
    assert_eq!(mode()?, 0o601);
    sys.fchmod(file, Mode(0o4711))?;
    assert_eq!(mode()?, 0o4711);
    sys.fchmodat(Fd::CWD, path(sys, "f"), Mode(0o1000))?;
    assert_eq!(mode()?, 0o1000);
    // Bits that are none are dropped, and a descriptor outlives its permission.
    sys.fchmod(file, Mode(0o170_644))?;
    assert_eq!(mode()?, 0o644);
    let before = stat(sys, "f")?.ctime;
    sys.chmod(path(sys, "f"), Mode(0))?;
    let after = stat(sys, "f")?.ctime;
    assert!((after.tv_sec, after.tv_nsec) >= (before.tv_sec, before.tv_nsec));
    write(sys, file, b"still")?;
    Ok(())
}

fn what_chmod_refuses(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    assert_eq!(sys.chmod(path(sys, "none"), Mode(0o600)), Err(Errno::ENOENT));
    assert_eq!(sys.chmod(path(sys, "f/x"), Mode(0o600)), Err(Errno::ENOTDIR));
    assert_eq!(sys.fchmod(Fd(99), Mode(0o600)), Err(Errno::EBADF));
    assert_eq!(sys.fchmodat(file, path(sys, "x"), Mode(0o600)), Err(Errno::ENOTDIR));
    if sys.geteuid()? != 0 {
        assert_eq!(sys.chmod(path(sys, "/"), Mode(0o755)), Err(Errno::EPERM));
    }
    Ok(())
}

/// -1 as an owner: leave as it is.
const SAME: i32 = -1;

fn owners_by_every_name(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    symlink(sys, "f", "l")?;
    let (user, group) = (sys.geteuid()?, sys.getegid()?);
    sys.chown(path(sys, "l"), user, group)?;
    sys.lchown(path(sys, "l"), user, SAME)?;
    sys.fchown(file, SAME, group)?;
    sys.fchownat(Fd::CWD, path(sys, "l"), user, group, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    sys.fchownat(file, path(sys, ""), user, group, AtFlags::AT_EMPTY_PATH)?;
    if user == 0 {
        sys.chown(path(sys, "l"), 7, 8)?;
        sys.lchown(path(sys, "l"), 9, SAME)?;
        sys.fchown(file, SAME, 10)?;
        let (file, link) = (stat(sys, "f")?, stat(sys, "l")?);
        assert_eq!([file.uid, file.gid, link.uid, link.gid], [7, 10, 9, group as u32]);
    }
    assert_eq!(sys.fchown(Fd(99), SAME, SAME), Err(Errno::EBADF));
    assert_eq!(sys.chown(path(sys, "none"), SAME, SAME), Err(Errno::ENOENT));
    assert_eq!(sys.fchownat(Fd::CWD, path(sys, "f"), SAME, SAME, AtFlags::AT_REMOVEDIR), Err(Errno::EINVAL));
    Ok(())
}

fn changing_owners_clears_the_set_bits(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    let (user, group) = (sys.geteuid()?, sys.getegid()?);
    sys.fchmod(file, Mode(0o6755))?;
    sys.fchown(file, user, group)?;
    assert_eq!(stat(sys, "f")?.mode & 0o7777, 0o755);
    // A directory keeps them.
    sys.mkdirat(Fd::CWD, path(sys, "d"), Mode(0o755))?;
    sys.fchmodat(Fd::CWD, path(sys, "d"), Mode(0o2755))?;
    sys.fchownat(Fd::CWD, path(sys, "d"), user, group, AtFlags::empty())?;
    assert_eq!(stat(sys, "d")?.mode & 0o7777, 0o2755);
    Ok(())
}

fn only_root_gives_files_away(sys: &dyn Sys) -> Outcome {
    create(sys, "f")?;
    let given = sys.chown(path(sys, "f"), 12345, SAME);
    assert_eq!(given, if sys.geteuid()? == 0 { Ok(0) } else { Err(Errno::EPERM) });
    Ok(())
}

/// Stores two times where utimensat(2) may find them.
fn times(sys: &dyn Sys, atime: [i64; 2], mtime: [i64; 2]) -> usize {
    let at = sys.page() + 0x1000;
    for (index, [tv_sec, tv_nsec]) in [atime, mtime].into_iter().enumerate() {
        sys.store(at + index * 16, &Timespec { tv_sec, tv_nsec });
    }
    at
}

fn seen(stat: &Stat) -> [i64; 4] {
    [stat.atime.tv_sec, stat.atime.tv_nsec, stat.mtime.tv_sec, stat.mtime.tv_nsec]
}

fn times_are_set(sys: &dyn Sys) -> Outcome {
    create(sys, "f")?;
    symlink(sys, "f", "l")?;
    let at = times(sys, [1000, 5], [2000, 999_999_999]);
    sys.utimensat(Fd::CWD, path(sys, "l"), at, AtFlags::empty())?;
    assert_eq!(seen(&stat(sys, "f")?), [1000, 5, 2000, 999_999_999]);
    let at = times(sys, [3, 0], [4, 0]);
    sys.utimensat(Fd::CWD, path(sys, "l"), at, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    assert_eq!(seen(&stat(sys, "l")?), [3, 0, 4, 0]);
    assert_eq!(stat(sys, "f")?.mtime.tv_sec, 2000);
    Ok(())
}

fn times_of_a_descriptor(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    let at = times(sys, [10, 0], [20, 0]);
    sys.utimensat(file, 0, at, AtFlags::empty())?;
    assert_eq!(seen(&stat(sys, "f")?), [10, 0, 20, 0]);
    let at = times(sys, [30, 0], [40, 0]);
    sys.utimensat(file, path(sys, ""), at, AtFlags::AT_EMPTY_PATH)?;
    assert_eq!(seen(&stat(sys, "f")?), [30, 0, 40, 0]);
    assert_eq!(sys.utimensat(Fd(99), 0, at, AtFlags::empty()), Err(Errno::EBADF));
    Ok(())
}

fn times_left_alone_and_times_of_now(sys: &dyn Sys) -> Outcome {
    create(sys, "f")?;
    let (now, omit) = (i64::from(UTIME_NOW), i64::from(UTIME_OMIT));
    let set = |atime, mtime| sys.utimensat(Fd::CWD, path(sys, "f"), times(sys, atime, mtime), AtFlags::empty());
    set([1, 0], [2, 0])?;
    set([77, omit], [3, 0])?;
    assert_eq!(seen(&stat(sys, "f")?), [1, 0, 3, 0]);
    set([0, now], [0, omit])?;
    let after = stat(sys, "f")?;
    assert!(after.atime.tv_sec > 1000 && after.mtime.tv_sec == 3);
    set([0, omit], [0, omit])?;
    sys.utimensat(Fd::CWD, path(sys, "f"), 0, AtFlags::empty())?;
    assert!(stat(sys, "f")?.mtime.tv_sec > 1000);
    Ok(())
}

fn what_utimensat_refuses(sys: &dyn Sys) -> Outcome {
    create(sys, "f")?;
    let ask = |name: &str, atime, flags| sys.utimensat(Fd::CWD, path(sys, name), times(sys, atime, [0, 0]), flags);
    assert_eq!(ask("f", [0, 1_000_000_000], AtFlags::empty()), Err(Errno::EINVAL));
    assert_eq!(ask("f", [0, -1], AtFlags::empty()), Err(Errno::EINVAL));
    assert_eq!(ask("f", [0, 0], AtFlags::AT_REMOVEDIR), Err(Errno::EINVAL));
    assert_eq!(ask("none", [0, 0], AtFlags::empty()), Err(Errno::ENOENT));
    assert_eq!(sys.utimensat(Fd::CWD, path(sys, "f"), 8, AtFlags::empty()), Err(Errno::EFAULT));
    if sys.geteuid()? != 0 {
        assert_eq!(ask("/", [1, 0], AtFlags::empty()), Err(Errno::EPERM));
        assert_eq!(sys.utimensat(Fd::CWD, path(sys, "/"), 0, AtFlags::empty()), Err(Errno::EACCES));
    }
    Ok(())
}

fn older_calls_set_times(sys: &dyn Sys) -> Outcome {
    create(sys, "f")?;
    let at = sys.page() + 0x1000;
    sys.store(at, &[11_i64, 22]);
    sys.utime(path(sys, "f"), at)?;
    assert_eq!(seen(&stat(sys, "f")?), [11, 0, 22, 0]);
    sys.store(at, &Timeval { tv_sec: 33, tv_usec: 1 });
    sys.store(at + 16, &Timeval { tv_sec: 44, tv_usec: 999_999 });
    sys.utimes(path(sys, "f"), at)?;
    assert_eq!(seen(&stat(sys, "f")?), [33, 1000, 44, 999_999_000]);
    sys.futimesat(Fd::CWD, path(sys, "f"), 0)?;
    assert!(stat(sys, "f")?.mtime.tv_sec > 1000);
    sys.store(at, &Timeval { tv_sec: 33, tv_usec: 1_000_000 });
    assert_eq!(sys.utimes(path(sys, "f"), at), Err(Errno::EINVAL));
    assert_eq!(sys.utime(path(sys, "none"), 0), Err(Errno::ENOENT));
    Ok(())
}

fn a_write_changes_the_time(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    let old = || sys.utimensat(Fd::CWD, path(sys, "f"), times(sys, [1, 0], [2, 0]), AtFlags::empty());
    old()?;
    write(sys, file, b"x")?;
    assert!(stat(sys, "f")?.mtime.tv_sec > 1000);
    old()?;
    sys.ftruncate(file, 0)?;
    assert!(stat(sys, "f")?.mtime.tv_sec > 1000);
    sys.mkdirat(Fd::CWD, path(sys, "d"), Mode(0o755))?;
    let at = times(sys, [1, 0], [2, 0]);
    sys.utimensat(Fd::CWD, path(sys, "d"), at, AtFlags::empty())?;
    create(sys, "d/f")?;
    assert!(stat(sys, "d")?.mtime.tv_sec > 1000);
    Ok(())
}

fn a_file_system_is_described(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    let into = sys.page() + 0x2000;
    sys.statfs(path(sys, "."), into)?;
    let by_name: Statfs = sys.load(into);
    sys.fstatfs(file, into)?;
    let by_file: Statfs = sys.load(into);
    assert_eq!((by_name.f_type, by_name.f_bsize), (by_file.f_type, by_file.f_bsize));
    assert!(by_name.f_bsize > 0 && by_name.f_namelen >= 255 && by_name.f_bfree <= by_name.f_blocks);
    sys.statfs(path(sys, "/proc"), into)?;
    assert_eq!(sys.load::<Statfs>(into).f_type, i64::from(PROC_SUPER_MAGIC));
    Ok(())
}

fn what_statfs_refuses(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    assert_eq!(sys.statfs(path(sys, "none"), sys.page()), Err(Errno::ENOENT));
    assert_eq!(sys.statfs(path(sys, "f/x"), sys.page()), Err(Errno::ENOTDIR));
    assert_eq!(sys.statfs(path(sys, "f"), 8), Err(Errno::EFAULT));
    assert_eq!(sys.fstatfs(file, 8), Err(Errno::EFAULT));
    assert_eq!(sys.fstatfs(Fd(99), sys.page()), Err(Errno::EBADF));
    Ok(())
}

fn a_pipe_is_described(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    let into = sys.page() + 0x2000;
    let about = |file| {
        sys.fstat(file, into)?;
        Ok::<_, Errno>(Stat::decode(sys.arch(), &sys.bytes(into, Stat::size(sys.arch()))).expect("long enough"))
    };
    let (one, other) = (about(reader)?, about(writer)?);
    assert_eq!((one.mode as u16, one.ino, one.size), (S_IFIFO | 0o600, other.ino, 0));
    assert_eq!(one.uid as usize, sys.geteuid()?);
    Ok(())
}

fn links_and_directories_are_counted(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    let other = sys.path(sys.page() + 0x1000, "g");
    sys.linkat(Fd::CWD, path(sys, "f"), Fd::CWD, other, 0)?;
    assert_eq!(stat(sys, "g")?.nlink, 2);
    sys.unlinkat(Fd::CWD, path(sys, "f"), 0)?;
    sys.unlinkat(Fd::CWD, path(sys, "g"), 0)?;
    let into = sys.page() + 0x2000;
    sys.fstat(file, into)?;
    let gone = Stat::decode(sys.arch(), &sys.bytes(into, Stat::size(sys.arch()))).expect("long enough");
    assert_eq!(gone.nlink, 0);
    Ok(())
}
