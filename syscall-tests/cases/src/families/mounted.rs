//! What a mount is told and asked: how it may be used, that it changes, goes, or is seen elsewhere. Who may not mount
//! sees only that.

use kernel_abi::flags::{
    AtFlags, MountFlags, OpenFlags, ST_NOATIME, ST_NODEV, ST_NODIRATIME, ST_NOEXEC, ST_NOSUID, ST_NOSYMFOLLOW,
    ST_RDONLY, ST_RELATIME, ST_SYNCHRONOUS, UmountFlags,
};
use kernel_abi::structs::{Stat, Statfs, Timespec};
use kernel_abi::{Calls, Errno, Fd, Mode, Result, Sys};

use super::Outcome;
use super::file::{create, open, read, write};

cases! { "mounted":
    a_mount_shows_how_it_is_used, what_a_mount_does_not_show, links_lead_nowhere, reading_leaves_no_time,
    a_mount_becomes_one_to_read, a_mount_that_is_written_stays_writable, one_mount_of_several_is_only_read,
    what_is_no_mount_is_not_changed, a_tree_of_mounts_is_seen_elsewhere, a_mount_that_is_seen_nowhere_else,
    what_spreads_is_one_thing, a_mount_expires, a_link_to_a_mount_is_none,
    options_are_read, nothing_is_run_there,
}

const NONE: MountFlags = MountFlags::empty();
const REMOUNT: MountFlags = MountFlags::MS_REMOUNT;

fn path(sys: &dyn Sys, name: &str) -> usize {
    sys.path(sys.page(), name)
}

fn directory(sys: &dyn Sys, name: &str) -> Result {
    sys.mkdirat(Fd::CWD, path(sys, name), Mode(0o755))
}

fn mount_with(sys: &dyn Sys, source: &str, target: &str, kind: &str, flags: MountFlags, data: usize) -> Result {
    let source = sys.path(sys.page() + 0x100, source);
    let target = sys.path(sys.page() + 0x200, target);
    sys.mount(source, target, sys.path(sys.page() + 0x300, kind), flags, data)
}

fn change(sys: &dyn Sys, target: &str, flags: MountFlags) -> Result {
    mount_with(sys, "none", target, "tmpfs", flags, 0)
}

fn bind(sys: &dyn Sys, source: &str, target: &str, flags: MountFlags) -> Result {
    mount_with(sys, source, target, "", MountFlags::MS_BIND | flags, 0)
}

/// Mounts a tree in memory on a directory; whether this user may.
fn mounted(sys: &dyn Sys, target: &str, flags: MountFlags) -> Result<bool> {
    match change(sys, target, flags) {
        Err(Errno::EPERM) => Ok(false),
        answer => answer.map(|_| true),
    }
}

fn unmount(sys: &dyn Sys, target: &str) -> Result {
    sys.umount2(path(sys, target), UmountFlags::empty())
}

/// Whatever is mounted there is gone, wherever it is still used: nothing is left on the host.
fn away<T>(sys: &dyn Sys, targets: &[&str], found: T) -> T {
    for target in targets {
        let _ = sys.umount2(path(sys, target), UmountFlags::MNT_DETACH);
    }
    found
}

fn flags(sys: &dyn Sys, target: &str) -> Result<u32> {
    let into = sys.page() + 0x2000;
    sys.statfs(path(sys, target), into)?;
    Ok(sys.load::<Statfs>(into).f_flags as u32)
}

fn refusal<T>(answer: Result<T>) -> Option<Errno> {
    answer.err()
}

fn a_mount_shows_how_it_is_used(sys: &dyn Sys) -> Outcome {
    directory(sys, "dir")?;
    for (given, shown) in [
        (MountFlags::MS_RDONLY, ST_RDONLY),
        (MountFlags::MS_NOSUID, ST_NOSUID),
        (MountFlags::MS_NODEV, ST_NODEV),
        (MountFlags::MS_NOEXEC, ST_NOEXEC),
        (MountFlags::MS_NOATIME, ST_NOATIME),
        (MountFlags::MS_NODIRATIME, ST_NODIRATIME | ST_RELATIME),
        (MountFlags::MS_RELATIME, ST_RELATIME),
        (MountFlags::MS_NOSYMFOLLOW, ST_NOSYMFOLLOW),
        (MountFlags::MS_SYNCHRONOUS, ST_SYNCHRONOUS),
        (NONE, ST_RELATIME),
    ] {
        if !mounted(sys, "dir", given)? {
            return Ok(());
        }
        let found = flags(sys, "dir");
        unmount(sys, "dir")?;
        assert_eq!(found? & shown, shown, "{given:?}");
        let times = ST_NOATIME | ST_RELATIME;
        assert_eq!(found? & times == ST_NOATIME, given == MountFlags::MS_NOATIME, "{given:?}");
    }
    Ok(())
}

fn what_a_mount_does_not_show(sys: &dyn Sys) -> Outcome {
    directory(sys, "dir")?;
    for given in [
        MountFlags::MS_DIRSYNC,
        MountFlags::MS_LAZYTIME,
        MountFlags::MS_MANDLOCK,
        MountFlags::MS_SILENT,
        MountFlags::MS_POSIXACL,
        MountFlags::MS_STRICTATIME,
        // What programs of long ago put into the upper half.
        MountFlags::from_bits_retain(0xc0ed_0000),
    ] {
        if !mounted(sys, "dir", given)? {
            return Ok(());
        }
        let (found, made) = (flags(sys, "dir"), create(sys, "dir/file"));
        if let Ok(file) = made {
            sys.close(file)?;
        }
        away(sys, &["dir"], ());
        assert_eq!(refusal(made), None, "{given:?}");
        let expected = if given == MountFlags::MS_STRICTATIME { 0 } else { ST_RELATIME };
        assert_eq!(found? & (ST_RDONLY | ST_RELATIME | ST_NOATIME), expected, "{given:?}");
    }
    Ok(())
}

fn links_lead_nowhere(sys: &dyn Sys) -> Outcome {
    directory(sys, "dir")?;
    if !mounted(sys, "dir", MountFlags::MS_NOSYMFOLLOW)? {
        return Ok(());
    }
    let link = || {
        sys.close(create(sys, "dir/file")?)?;
        directory(sys, "dir/way")?;
        sys.symlinkat(path(sys, "file"), Fd::CWD, sys.path(sys.page() + 0x100, "dir/link"))?;
        sys.symlinkat(path(sys, "way"), Fd::CWD, sys.path(sys.page() + 0x100, "dir/through"))
    };
    let made = link();
    let followed = refusal(open(sys, "dir/link", OpenFlags::O_RDONLY));
    let walked = refusal(open(sys, "dir/through/file", OpenFlags::O_RDONLY));
    let text = sys.readlinkat(Fd::CWD, path(sys, "dir/link"), sys.page() + 0x1000, 100);
    let itself = sys.newfstatat(Fd::CWD, path(sys, "dir/link"), sys.page() + 0x1000, AtFlags::AT_SYMLINK_NOFOLLOW);
    away(sys, &["dir"], made)?;
    assert_eq!((followed, walked), (Some(Errno::ELOOP), Some(Errno::ELOOP)));
    assert_eq!((text, itself), (Ok(4), Ok(0)));
    Ok(())
}

fn reading_leaves_no_time(sys: &dyn Sys) -> Outcome {
    directory(sys, "dir")?;
    // A time that reading would replace, whatever is kept of times.
    let long_ago = || -> Result<[i64; 2]> {
        let file = create(sys, "dir/file")?;
        write(sys, file, b"bytes")?;
        let times = [Timespec { tv_sec: 5, tv_nsec: 0 }, Timespec { tv_sec: 9, tv_nsec: 0 }];
        let times = sys.store(sys.page() + 0x1000, &times);
        for name in ["dir/file", "dir"] {
            sys.utimensat(Fd::CWD, path(sys, name), times, AtFlags::empty())?;
        }
        sys.pread64(file, sys.page() + 0x3000, 5, 0)?;
        sys.close(file)?;
        let dir = open(sys, "dir", OpenFlags::O_RDONLY)?;
        sys.getdents64(dir, sys.page() + 0x3000, 0x1000)?;
        sys.close(dir)?;
        let mut found = [0; 2];
        for (name, found) in ["dir/file", "dir"].iter().zip(&mut found) {
            let into = sys.page() + 0x1000;
            sys.newfstatat(Fd::CWD, path(sys, name), into, AtFlags::empty())?;
            let stat = Stat::decode(sys.arch(), &sys.bytes(into, Stat::size(sys.arch()))).expect("long enough");
            *found = stat.atime.tv_sec;
        }
        Ok(found)
    };
    for (given, is_kept) in [
        (MountFlags::MS_NOATIME, [false, false]),
        (MountFlags::MS_NODIRATIME, [true, false]),
        (MountFlags::MS_STRICTATIME, [true, true]),
        (NONE, [true, true]),
    ] {
        if !mounted(sys, "dir", given)? {
            return Ok(());
        }
        let found = away(sys, &["dir"], long_ago())?;
        assert_eq!(found.map(|time| time != 5), is_kept, "{given:?}");
    }
    Ok(())
}

fn a_mount_becomes_one_to_read(sys: &dyn Sys) -> Outcome {
    directory(sys, "dir")?;
    if !mounted(sys, "dir", MountFlags::MS_NOATIME)? {
        return Ok(());
    }
    let before = create(sys, "dir/file").and_then(|file| sys.close(file));
    let changed = change(sys, "dir", REMOUNT | MountFlags::MS_RDONLY);
    let (made, shown) = (refusal(create(sys, "dir/new")), flags(sys, "dir"));
    let seen = open(sys, "dir/file", OpenFlags::O_RDONLY).and_then(|file| sys.close(file));
    let back = change(sys, "dir", REMOUNT | MountFlags::MS_NOEXEC);
    let again = create(sys, "dir/new").and_then(|file| sys.close(file));
    let after = flags(sys, "dir");
    away(sys, &["dir"], ());
    assert_eq!([before, changed, seen, back, again], [Ok(0); 5]);
    assert_eq!(made, Some(Errno::EROFS));
    // What is kept of times stays when nobody speaks of it.
    assert_eq!(shown? & (ST_RDONLY | ST_NOATIME), ST_RDONLY | ST_NOATIME);
    assert_eq!(after? & (ST_RDONLY | ST_NOATIME | ST_NOEXEC), ST_NOATIME | ST_NOEXEC);
    Ok(())
}

fn a_mount_that_is_written_stays_writable(sys: &dyn Sys) -> Outcome {
    directory(sys, "dir")?;
    if !mounted(sys, "dir", NONE)? {
        return Ok(());
    }
    let file = create(sys, "dir/file")?;
    let busy = change(sys, "dir", REMOUNT | MountFlags::MS_RDONLY);
    let busy_here = change(sys, "dir", REMOUNT | MountFlags::MS_BIND | MountFlags::MS_RDONLY);
    let written = write(sys, file, b"still");
    sys.close(file)?;
    let reader = open(sys, "dir/file", OpenFlags::O_RDONLY)?;
    let now = change(sys, "dir", REMOUNT | MountFlags::MS_RDONLY);
    let read = read(sys, reader, 10);
    away(sys, &["dir"], ());
    assert_eq!((busy, busy_here), (Err(Errno::EBUSY), Err(Errno::EBUSY)));
    assert_eq!((written, now, read), (Ok(5), Ok(0), Ok(b"still".to_vec())));
    Ok(())
}

fn one_mount_of_several_is_only_read(sys: &dyn Sys) -> Outcome {
    directory(sys, "dir")?;
    directory(sys, "other")?;
    if !mounted(sys, "dir", NONE)? {
        return Ok(());
    }
    let bound = bind(sys, "dir", "other", NONE);
    let changed = change(sys, "other", REMOUNT | MountFlags::MS_BIND | MountFlags::MS_RDONLY);
    let (here, there) = (create(sys, "dir/file").and_then(|file| sys.close(file)), refusal(create(sys, "other/new")));
    // All of them, where the file system is meant.
    let all = change(sys, "dir", REMOUNT | MountFlags::MS_RDONLY);
    let back = change(sys, "other", REMOUNT);
    let (here_still, there_now) =
        (refusal(create(sys, "dir/new")), create(sys, "other/new").and_then(|file| sys.close(file)));
    away(sys, &["other", "dir"], ());
    assert_eq!([bound, changed, here, all, back, there_now], [Ok(0); 6]);
    assert_eq!((there, here_still), (Some(Errno::EROFS), Some(Errno::EROFS)));
    Ok(())
}

fn what_is_no_mount_is_not_changed(sys: &dyn Sys) -> Outcome {
    directory(sys, "dir")?;
    directory(sys, "dir/below")?;
    for given in [
        REMOUNT,
        REMOUNT | MountFlags::MS_BIND | MountFlags::MS_RDONLY,
        MountFlags::MS_PRIVATE,
        MountFlags::MS_SHARED,
        MountFlags::MS_SLAVE,
        MountFlags::MS_UNBINDABLE,
    ] {
        let answer = change(sys, "dir", given);
        assert!(matches!(answer, Err(Errno::EINVAL | Errno::EPERM)), "{given:?}: {answer:?}");
    }
    let moved = mount_with(sys, "dir/below", "dir", "", MountFlags::MS_MOVE, 0);
    assert!(matches!(moved, Err(Errno::EINVAL | Errno::EPERM)), "{moved:?}");
    Ok(())
}

fn a_tree_of_mounts_is_seen_elsewhere(sys: &dyn Sys) -> Outcome {
    for name in ["dir", "whole", "part"] {
        directory(sys, name)?;
    }
    if !mounted(sys, "dir", NONE)? {
        return Ok(());
    }
    let below = directory(sys, "dir/below").and_then(|_| mounted(sys, "dir/below", NONE));
    let made = create(sys, "dir/below/file").and_then(|file| sys.close(file));
    let bound = [bind(sys, "dir", "whole", MountFlags::MS_REC), bind(sys, "dir", "part", NONE)];
    let seen = |name| open(sys, name, OpenFlags::O_RDONLY).and_then(|file| sys.close(file));
    let (whole, part) = (seen("whole/below/file"), seen("part/below/file"));
    // What is mounted there keeps its place.
    let busy = unmount(sys, "whole");
    away(sys, &["part", "whole/below", "whole", "dir/below", "dir"], ());
    assert_eq!((below, made, bound, whole), (Ok(true), Ok(0), [Ok(0); 2], Ok(0)));
    assert_eq!((part, busy), (Err(Errno::ENOENT), Err(Errno::EBUSY)));
    Ok(())
}

fn a_mount_that_is_seen_nowhere_else(sys: &dyn Sys) -> Outcome {
    directory(sys, "dir")?;
    directory(sys, "other")?;
    if !mounted(sys, "dir", NONE)? {
        return Ok(());
    }
    let told = change(sys, "dir", MountFlags::MS_UNBINDABLE);
    let refused = bind(sys, "dir", "other", NONE);
    let again = change(sys, "dir", MountFlags::MS_PRIVATE | MountFlags::MS_REC);
    let bound = bind(sys, "dir", "other", NONE);
    let slave = change(sys, "dir", MountFlags::MS_SLAVE | MountFlags::MS_SILENT);
    away(sys, &["other", "dir"], ());
    assert_eq!(refused, Err(Errno::EINVAL));
    assert_eq!([told, again, bound, slave], [Ok(0); 4]);
    Ok(())
}

fn what_spreads_is_one_thing(sys: &dyn Sys) -> Outcome {
    directory(sys, "dir")?;
    if !mounted(sys, "dir", NONE)? {
        return Ok(());
    }
    let given = [
        MountFlags::MS_PRIVATE | MountFlags::MS_SLAVE,
        MountFlags::MS_PRIVATE | MountFlags::MS_RDONLY,
        MountFlags::MS_UNBINDABLE | MountFlags::MS_SHARED,
    ];
    let answers = given.map(|given| change(sys, "dir", given));
    away(sys, &["dir"], ());
    assert_eq!(answers, [Err(Errno::EINVAL); 3]);
    Ok(())
}

/// Asked twice, without a use between: umount(2).
fn a_mount_expires(sys: &dyn Sys) -> Outcome {
    directory(sys, "dir")?;
    if !mounted(sys, "dir", NONE)? {
        return Ok(());
    }
    let expire = |flags| sys.umount2(path(sys, "dir"), UmountFlags::MNT_EXPIRE | flags);
    let both = [expire(UmountFlags::MNT_DETACH), expire(UmountFlags::MNT_FORCE)];
    let file = create(sys, "dir/file")?;
    let busy = expire(UmountFlags::empty());
    sys.close(file)?;
    let first = expire(UmountFlags::empty());
    let used = sys.newfstatat(Fd::CWD, path(sys, "dir/file"), sys.page() + 0x1000, AtFlags::empty());
    let second = expire(UmountFlags::empty());
    let third = expire(UmountFlags::empty());
    away(sys, &["dir"], ());
    assert_eq!((both, busy), ([Err(Errno::EINVAL); 2], Err(Errno::EBUSY)));
    assert_eq!((first, used, second, third), (Err(Errno::EAGAIN), Ok(0), Err(Errno::EAGAIN), Ok(0)));
    Ok(())
}

fn a_link_to_a_mount_is_none(sys: &dyn Sys) -> Outcome {
    directory(sys, "dir")?;
    sys.symlinkat(path(sys, "dir"), Fd::CWD, sys.path(sys.page() + 0x100, "link"))?;
    if !mounted(sys, "dir", NONE)? {
        return Ok(());
    }
    let by_link = sys.umount2(path(sys, "link"), UmountFlags::UMOUNT_NOFOLLOW);
    let itself = sys.umount2(path(sys, "dir"), UmountFlags::UMOUNT_NOFOLLOW | UmountFlags::MNT_FORCE);
    let again = mounted(sys, "dir", NONE);
    let followed = sys.umount2(path(sys, "link"), UmountFlags::empty());
    away(sys, &["dir"], ());
    assert_eq!((by_link, itself, again, followed), (Err(Errno::EINVAL), Ok(0), Ok(true), Ok(0)));
    Ok(())
}

fn options_are_read(sys: &dyn Sys) -> Outcome {
    directory(sys, "dir")?;
    let with = |options| mount_with(sys, "none", "dir", "tmpfs", NONE, sys.path(sys.page() + 0x400, options));
    match with("mode=700") {
        Err(Errno::EPERM) => return Ok(()),
        answer => answer?,
    };
    let into = sys.page() + 0x1000;
    let stat = sys.newfstatat(Fd::CWD, path(sys, "dir"), into, AtFlags::empty());
    let stat = stat.map(|_| Stat::decode(sys.arch(), &sys.bytes(into, Stat::size(sys.arch()))));
    unmount(sys, "dir")?;
    assert_eq!(stat?.expect("long enough").mode & 0o7777, 0o700);
    let refused = [with("mode=9"), with("mode=zzz")];
    away(sys, &["dir", "dir"], ());
    assert_eq!(refused, [Err(Errno::EINVAL); 2]);
    Ok(())
}

fn nothing_is_run_there(sys: &dyn Sys) -> Outcome {
    directory(sys, "dir")?;
    if !mounted(sys, "dir", MountFlags::MS_NOEXEC)? {
        return Ok(());
    }
    let program = || {
        let file = create(sys, "dir/program")?;
        sys.fchmod(file, Mode(0o755))?;
        sys.close(file)
    };
    let made = program();
    let run = sys.execve(path(sys, "dir/program"), 0, 0);
    away(sys, &["dir"], made)?;
    assert_eq!(run, Err(Errno::EACCES));
    Ok(())
}
