//! What somebody may do to files: permission bits, owners, sticky directories, the umask.
//!
//! As root, a case leaves files behind and becomes nobody; as anybody else it shuts itself out of its own.

use kernel_abi::flags::{
    AccessAtFlags, AccessMode, AtFlags, OpenFlags, RenameFlags, S_IFDIR, S_IFIFO, S_ISGID, S_ISUID, S_ISVTX, UTIME_NOW,
};
use kernel_abi::structs::{Stat, Timespec};
use kernel_abi::{Calls, Errno, Fd, Gid, Mode, Result, Sys, Uid};

use super::Outcome;
use super::file::{create, descriptor, open, read, write};
use super::id::{NOBODY, becomes_nobody};
use super::process::{ended, in_child};
use super::walk::{CHANGING, MAKING, OPENING, REMOVING, refused};

cases! { "right":
    no_name_is_made_where_writing_is_shut, no_name_goes_where_writing_is_shut, a_closed_file_is_not_opened,
    a_place_needs_no_permission, what_is_somebody_elses_stays_so, times_of_somebody_elses_file,
    a_sticky_directory_keeps_what_is_theirs, a_sticky_directory_obeys_its_owner, a_group_is_handed_down,
    a_foreign_group_gets_no_set_bit, writing_clears_the_set_bits, a_directory_that_is_only_searched,
    a_directory_that_is_only_read, a_descriptor_outlives_permission, a_directory_left_open_is_searched_anew,
    the_owners_bits_count_for_the_owner, root_runs_only_what_somebody_may, the_mask_takes_bits_away,
    the_mask_is_inherited, a_bit_unknown_to_the_mask_is_dropped, access_asks_for_the_real_user,
    who_may_have_another_owner, a_group_of_ones_own_is_given, no_device_is_made_by_nobody,
    a_file_is_made_with_a_mode_that_shuts_it, a_moved_directory_must_be_writable,
}

const SAME: u32 = u32::MAX;

fn path(sys: &dyn Sys, name: &str) -> usize {
    sys.path(sys.page(), name)
}

fn mkdir(sys: &dyn Sys, name: &str) -> Result {
    sys.mkdirat(Fd::CWD, path(sys, name), Mode(0o755))
}

fn chmod(sys: &dyn Sys, name: &str, mode: u16) -> Result {
    sys.fchmodat(Fd::CWD, path(sys, name), Mode(mode))
}

fn chown(sys: &dyn Sys, name: &str, user: u32, group: u32) -> Result {
    sys.fchownat(Fd::CWD, path(sys, name), user, group, AtFlags::AT_SYMLINK_NOFOLLOW)
}

fn about(sys: &dyn Sys, name: &str) -> Result<Stat> {
    let into = sys.page() + 0x5000;
    sys.newfstatat(Fd::CWD, path(sys, name), into, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    Ok(Stat::decode(sys.arch(), &sys.bytes(into, Stat::size(sys.arch()))).expect("long enough"))
}

fn bits(sys: &dyn Sys, name: &str) -> Result<u16> {
    Ok(about(sys, name)?.mode as u16 & 0o7777)
}

fn is_root(sys: &dyn Sys) -> Result<bool> {
    Ok(sys.geteuid()? == 0)
}

/// Makes a directory that the user to be may search and read, with a file and a directory in it.
fn shut(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    mkdir(sys, "shut")?;
    mkdir(sys, "shut/dir")?;
    create(sys, "shut/name")?;
    if is_root(sys)? {
        // Links are protected: only to what one may write.
        chown(sys, "file", NOBODY, NOBODY)?;
        chown(sys, ".", NOBODY, NOBODY)?;
    }
    chmod(sys, "shut", 0o555)?;
    becomes_nobody(sys)?;
    Ok(())
}

fn no_name_is_made_where_writing_is_shut(sys: &dyn Sys) -> Outcome {
    shut(sys)?;
    refused(sys, &[MAKING, &OPENING[1..2], &OPENING[5..]], "shut/new", Errno::EACCES);
    let unnamed = OpenFlags::O_TMPFILE | OpenFlags::O_RDWR;
    assert_eq!(open(sys, "shut", unnamed), Err(Errno::EACCES));
    // What is there is told first.
    refused(sys, &[&MAKING[..8]], "shut/name", Errno::EEXIST);
    Ok(())
}

fn no_name_goes_where_writing_is_shut(sys: &dyn Sys) -> Outcome {
    shut(sys)?;
    refused(sys, &[REMOVING], "shut/name", Errno::EACCES);
    refused(sys, &[REMOVING], "shut/missing", Errno::ENOENT);
    assert_eq!(sys.rmdir(path(sys, "shut/dir")), Err(Errno::EACCES));
    assert_eq!(sys.rmdir(path(sys, "shut/missing")), Err(Errno::ENOENT));
    let onto = sys.path(sys.page() + 0x3000, "shut/name");
    assert_eq!(sys.renameat2(Fd::CWD, path(sys, "file"), Fd::CWD, onto, RenameFlags::empty()), Err(Errno::EACCES));
    let swap = sys.renameat2(Fd::CWD, path(sys, "file"), Fd::CWD, onto, RenameFlags::RENAME_EXCHANGE);
    assert_eq!(swap, Err(Errno::EACCES));
    Ok(())
}

fn a_closed_file_is_not_opened(sys: &dyn Sys) -> Outcome {
    create(sys, "closed")?;
    chmod(sys, "closed", 0)?;
    becomes_nobody(sys)?;
    for flags in [OpenFlags::O_RDONLY, OpenFlags::O_WRONLY, OpenFlags::O_RDWR | OpenFlags::O_TRUNC] {
        assert_eq!(open(sys, "closed", flags), Err(Errno::EACCES));
    }
    assert_eq!(sys.truncate(path(sys, "closed"), 0), Err(Errno::EACCES));
    assert_eq!(sys.creat(path(sys, "closed"), Mode(0o600)), Err(Errno::EACCES));
    for mode in [AccessMode::R_OK, AccessMode::W_OK, AccessMode::X_OK] {
        assert_eq!(sys.access(path(sys, "closed"), mode), Err(Errno::EACCES));
        assert_eq!(sys.faccessat(Fd::CWD, path(sys, "closed"), mode), Err(Errno::EACCES));
        let effective = AccessAtFlags::AT_EACCESS;
        assert_eq!(sys.faccessat2(Fd::CWD, path(sys, "closed"), mode, effective), Err(Errno::EACCES));
    }
    sys.access(path(sys, "closed"), AccessMode::F_OK)?;
    Ok(())
}

fn a_place_needs_no_permission(sys: &dyn Sys) -> Outcome {
    create(sys, "closed")?;
    chmod(sys, "closed", 0)?;
    becomes_nobody(sys)?;
    let place = open(sys, "closed", OpenFlags::O_PATH)?;
    sys.fstat(place, sys.page())?;
    let again = alloc::format!("/proc/self/fd/{}", place.0);
    assert_eq!(open(sys, &again, OpenFlags::O_RDONLY), Err(Errno::EACCES));
    Ok(())
}

/// A file that is not this user's when it returns.
fn theirs(sys: &dyn Sys) -> Result<&'static str> {
    if !is_root(sys)? {
        return Ok("/");
    }
    create(sys, "theirs")?;
    becomes_nobody(sys)?;
    Ok("theirs")
}

fn what_is_somebody_elses_stays_so(sys: &dyn Sys) -> Outcome {
    let theirs = theirs(sys)?;
    refused(sys, &[&CHANGING[..3]], theirs, Errno::EPERM);
    let me = sys.geteuid()?;
    assert_eq!(sys.chown(path(sys, theirs), me, SAME), Err(Errno::EPERM));
    assert_eq!(sys.lchown(path(sys, theirs), me, SAME), Err(Errno::EPERM));
    assert_eq!(sys.fchownat(Fd::CWD, path(sys, theirs), SAME, sys.getegid()?, 0), Err(Errno::EPERM));
    let file = open(sys, theirs, OpenFlags::O_RDONLY)?;
    assert_eq!(sys.fchmod(file, Mode(0o777)), Err(Errno::EPERM));
    assert_eq!(sys.fchown(file, me, SAME), Err(Errno::EPERM));
    assert_eq!(open(sys, theirs, OpenFlags::O_RDONLY | OpenFlags::O_NOATIME), Err(Errno::EPERM));
    let flags = OpenFlags::O_RDONLY | OpenFlags::O_NOATIME;
    assert_eq!(sys.open(path(sys, theirs), flags, 0), Err(Errno::EPERM));
    let how = kernel_abi::structs::OpenHow { flags: u64::from(flags.bits()), ..Default::default() };
    let how = sys.store(sys.page() + 0x1000, &how);
    assert_eq!(sys.openat2(Fd::CWD, path(sys, theirs), how, 24), Err(Errno::EPERM));
    assert_eq!(sys.fcntl(file, kernel_abi::flags::FcntlCommand::F_SETFL, OpenFlags::O_NOATIME), Err(Errno::EPERM));
    Ok(())
}

fn times_of_somebody_elses_file(sys: &dyn Sys) -> Outcome {
    if is_root(sys)? {
        create(sys, "open")?;
        chmod(sys, "open", 0o666)?;
    }
    let theirs = theirs(sys)?;
    let at = sys.page() + 0x1000;
    sys.store(at, &[0_u64; 4]);
    assert_eq!(sys.utime(path(sys, theirs), at), Err(Errno::EPERM));
    assert_eq!(sys.utimes(path(sys, theirs), at), Err(Errno::EPERM));
    assert_eq!(sys.futimesat(Fd::CWD, path(sys, theirs), at), Err(Errno::EPERM));
    assert_eq!(sys.utimensat(Fd::CWD, path(sys, theirs), at, 0), Err(Errno::EPERM));
    // Now is allowed to whoever may write.
    assert_eq!(sys.utime(path(sys, theirs), 0), Err(Errno::EACCES));
    assert_eq!(sys.utimes(path(sys, theirs), 0), Err(Errno::EACCES));
    assert_eq!(sys.futimesat(Fd::CWD, path(sys, theirs), 0), Err(Errno::EACCES));
    assert_eq!(sys.utimensat(Fd::CWD, path(sys, theirs), 0, 0), Err(Errno::EACCES));
    if theirs == "theirs" {
        sys.utime(path(sys, "open"), 0)?;
        let now = Timespec { tv_sec: 0, tv_nsec: i64::from(UTIME_NOW) };
        sys.store(at, &now);
        sys.store(at + 16, &now);
        sys.utimensat(Fd::CWD, path(sys, "open"), at, 0)?;
        sys.store(at, &Timespec { tv_sec: 1, tv_nsec: 0 });
        assert_eq!(sys.utimensat(Fd::CWD, path(sys, "open"), at, 0), Err(Errno::EPERM));
    }
    Ok(())
}

fn a_sticky_directory_keeps_what_is_theirs(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "sticky")?;
    chmod(sys, "sticky", S_ISVTX | 0o777)?;
    if !is_root(sys)? {
        // One's own goes as ever.
        create(sys, "sticky/mine")?;
        sys.unlink(path(sys, "sticky/mine"))?;
        return Ok(());
    }
    create(sys, "sticky/theirs")?;
    mkdir(sys, "sticky/dir")?;
    chown(sys, ".", NOBODY, NOBODY)?;
    becomes_nobody(sys)?;
    refused(sys, &[REMOVING], "sticky/theirs", Errno::EPERM);
    assert_eq!(sys.rmdir(path(sys, "sticky/dir")), Err(Errno::EPERM));
    create(sys, "sticky/mine")?;
    let onto = |name| sys.path(sys.page() + 0x3000, name);
    assert_eq!(sys.rename(path(sys, "sticky/mine"), onto("sticky/theirs")), Err(Errno::EPERM));
    sys.rename(path(sys, "sticky/mine"), onto("sticky/new"))?;
    sys.unlink(path(sys, "sticky/new"))?;
    Ok(())
}

fn a_sticky_directory_obeys_its_owner(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "sticky")?;
    chmod(sys, "sticky", S_ISVTX | 0o777)?;
    if is_root(sys)? {
        create(sys, "sticky/theirs")?;
        chown(sys, "sticky", NOBODY, NOBODY)?;
        becomes_nobody(sys)?;
        sys.unlink(path(sys, "sticky/theirs"))?;
    }
    assert_eq!(about(sys, "sticky")?.mode as u16, S_IFDIR | S_ISVTX | 0o777);
    Ok(())
}

fn a_group_is_handed_down(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "dir")?;
    let group = if is_root(sys)? { 4321 } else { sys.getegid()? as u32 };
    chown(sys, "dir", SAME, group)?;
    chmod(sys, "dir", S_ISGID | 0o777)?;
    create(sys, "dir/file")?;
    mkdir(sys, "dir/dir")?;
    sys.mknodat(Fd::CWD, path(sys, "dir/fifo"), Mode(S_IFIFO | 0o600), 0)?;
    assert_eq!([about(sys, "dir/file")?.gid, about(sys, "dir/dir")?.gid, about(sys, "dir/fifo")?.gid], [group; 3]);
    // A directory hands it down in turn.
    assert_eq!([bits(sys, "dir/file")?, bits(sys, "dir/dir")?], [0o644, S_ISGID | 0o755]);
    Ok(())
}

fn a_foreign_group_gets_no_set_bit(sys: &dyn Sys) -> Outcome {
    if !is_root(sys)? {
        return Ok(());
    }
    create(sys, "file")?;
    chown(sys, "file", NOBODY, 4321)?;
    becomes_nobody(sys)?;
    chmod(sys, "file", S_ISGID | S_ISUID | 0o755)?;
    assert_eq!(bits(sys, "file")?, S_ISUID | 0o755);
    Ok(())
}

fn writing_clears_the_set_bits(sys: &dyn Sys) -> Outcome {
    for name in ["written", "cut", "named", "kept"] {
        create(sys, name)?;
        if is_root(sys)? {
            chown(sys, name, NOBODY, NOBODY)?;
        }
    }
    becomes_nobody(sys)?;
    for name in ["written", "cut", "named"] {
        chmod(sys, name, S_ISUID | S_ISGID | 0o755)?;
    }
    // Without a group that may run it, the bit once meant something else.
    chmod(sys, "kept", S_ISGID | 0o644)?;
    write(sys, open(sys, "written", OpenFlags::O_WRONLY)?, b"x")?;
    sys.ftruncate(open(sys, "cut", OpenFlags::O_WRONLY)?, 0)?;
    sys.truncate(path(sys, "named"), 0)?;
    assert_eq!([bits(sys, "written")?, bits(sys, "cut")?, bits(sys, "named")?], [0o755; 3]);
    write(sys, open(sys, "kept", OpenFlags::O_WRONLY)?, b"x")?;
    assert_eq!(bits(sys, "kept")?, S_ISGID | 0o644);
    Ok(())
}

fn a_directory_that_is_only_searched(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "dir")?;
    write(sys, create(sys, "dir/file")?, b"known")?;
    chmod(sys, "dir", 0o111)?;
    becomes_nobody(sys)?;
    assert_eq!(open(sys, "dir", OpenFlags::O_RDONLY | OpenFlags::O_DIRECTORY), Err(Errno::EACCES));
    assert_eq!(read(sys, open(sys, "dir/file", OpenFlags::O_RDONLY)?, 9)?, b"known");
    sys.chdir(path(sys, "dir"))?;
    let len = sys.getcwd(sys.page(), 4096)?;
    assert!(sys.bytes(sys.page(), len).ends_with(b"/dir\0"));
    Ok(())
}

fn a_directory_that_is_only_read(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "dir")?;
    create(sys, "dir/file")?;
    chmod(sys, "dir", 0o444)?;
    becomes_nobody(sys)?;
    let dir = open(sys, "dir", OpenFlags::O_RDONLY | OpenFlags::O_DIRECTORY)?;
    assert!(sys.getdents64(dir, sys.page() + 0x4000, 4096)? > 0);
    assert_eq!(open(sys, "dir/file", OpenFlags::O_RDONLY), Err(Errno::EACCES));
    assert_eq!(sys.openat(dir, path(sys, "file"), OpenFlags::O_RDONLY, 0), Err(Errno::EACCES));
    assert_eq!(sys.access(path(sys, "dir/file"), AccessMode::F_OK), Err(Errno::EACCES));
    // Behind a name that does not exist, nobody learns that either.
    assert_eq!(sys.access(path(sys, "dir/missing"), AccessMode::F_OK), Err(Errno::EACCES));
    assert_eq!(sys.fchdir(dir), Err(Errno::EACCES));
    assert_eq!(sys.chdir(path(sys, "dir")), Err(Errno::EACCES));
    Ok(())
}

fn a_descriptor_outlives_permission(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"still")?;
    sys.fchmod(file, Mode(0))?;
    becomes_nobody(sys)?;
    sys.lseek(file, 0, kernel_abi::flags::Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 9)?, b"still");
    write(sys, file, b" open")?;
    assert_eq!(open(sys, "file", OpenFlags::O_RDONLY), Err(Errno::EACCES));
    Ok(())
}

fn a_directory_left_open_is_searched_anew(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "dir")?;
    create(sys, "dir/file")?;
    let dir = open(sys, "dir", OpenFlags::O_RDONLY)?;
    chmod(sys, "dir", 0o600)?;
    becomes_nobody(sys)?;
    assert_eq!(sys.openat(dir, path(sys, "file"), OpenFlags::O_RDONLY, 0), Err(Errno::EACCES));
    assert_eq!(sys.unlinkat(dir, path(sys, "file"), 0), Err(Errno::EACCES));
    assert_eq!(sys.fchdir(dir), Err(Errno::EACCES));
    assert!(sys.getdents64(dir, sys.page() + 0x4000, 4096)? > 0);
    Ok(())
}

fn the_owners_bits_count_for_the_owner(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    chmod(sys, "file", 0o077)?;
    if is_root(sys)? {
        chown(sys, "file", NOBODY, NOBODY)?;
    }
    becomes_nobody(sys)?;
    assert_eq!(open(sys, "file", OpenFlags::O_RDONLY), Err(Errno::EACCES));
    chmod(sys, "file", 0o400)?;
    open(sys, "file", OpenFlags::O_RDONLY)?;
    assert_eq!(open(sys, "file", OpenFlags::O_RDWR), Err(Errno::EACCES));
    Ok(())
}

fn root_runs_only_what_somebody_may(sys: &dyn Sys) -> Outcome {
    if !is_root(sys)? {
        return Ok(());
    }
    create(sys, "file")?;
    chmod(sys, "file", 0)?;
    open(sys, "file", OpenFlags::O_RDWR)?;
    sys.access(path(sys, "file"), AccessMode::R_OK | AccessMode::W_OK)?;
    assert_eq!(sys.access(path(sys, "file"), AccessMode::X_OK), Err(Errno::EACCES));
    chmod(sys, "file", 0o001)?;
    sys.access(path(sys, "file"), AccessMode::X_OK)?;
    // Directories are searched all the same.
    mkdir(sys, "dir")?;
    create(sys, "dir/file")?;
    chmod(sys, "dir", 0)?;
    open(sys, "dir/file", OpenFlags::O_RDONLY)?;
    Ok(())
}

fn the_mask_takes_bits_away(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.umask(Mode(0o027))?, 0o022);
    sys.openat(Fd::CWD, path(sys, "file"), OpenFlags::O_CREAT | OpenFlags::O_RDWR, Mode(0o7777))?;
    sys.mkdirat(Fd::CWD, path(sys, "dir"), Mode(0o777))?;
    sys.mknodat(Fd::CWD, path(sys, "fifo"), Mode(S_IFIFO | 0o666), 0)?;
    sys.symlinkat(path(sys, "file"), Fd::CWD, sys.path(sys.page() + 4096, "link"))?;
    let seen = [bits(sys, "file")?, bits(sys, "dir")?, bits(sys, "fifo")?, bits(sys, "link")?];
    assert_eq!(seen, [0o7750, 0o750, 0o640, 0o777]);
    // chmod does not ask it.
    chmod(sys, "file", 0o666)?;
    assert_eq!(bits(sys, "file")?, 0o666);
    assert_eq!(sys.umask(Mode(0))?, 0o027);
    create(sys, "bare")?;
    assert_eq!(bits(sys, "bare")?, 0o644);
    Ok(())
}

fn the_mask_is_inherited(sys: &dyn Sys) -> Outcome {
    sys.umask(Mode(0o077))?;
    let child = |sys: &dyn Sys, _| {
        let made = create(sys, "file").and_then(|_| bits(sys, "file"));
        let before = sys.umask(Mode(0o011));
        i32::from(made != Ok(0o600) || before != Ok(0o077))
    };
    in_child(sys, child, 0)?;
    assert_eq!(sys.umask(Mode(0))?, 0o077);
    Ok(())
}

fn a_bit_unknown_to_the_mask_is_dropped(sys: &dyn Sys) -> Outcome {
    sys.umask(Mode(0o7777))?;
    assert_eq!(sys.umask(Mode(0o022))?, 0o777);
    // mkdir takes the sticky bit and neither of the others.
    sys.mkdirat(Fd::CWD, path(sys, "dir"), Mode(0o7777))?;
    assert_eq!(bits(sys, "dir")?, S_ISVTX | 0o755);
    Ok(())
}

fn access_asks_for_the_real_user(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    chmod(sys, "file", 0o600)?;
    if is_root(sys)? {
        sys.setresuid(Uid(NOBODY), Uid(0), Uid(0))?;
        assert_eq!(sys.access(path(sys, "file"), AccessMode::R_OK), Err(Errno::EACCES));
        sys.faccessat2(Fd::CWD, path(sys, "file"), AccessMode::R_OK, AccessAtFlags::AT_EACCESS)?;
        open(sys, "file", OpenFlags::O_RDWR)?;
    }
    sys.faccessat2(Fd::CWD, path(sys, "file"), AccessMode::F_OK, AccessAtFlags::AT_EACCESS)?;
    Ok(())
}

fn who_may_have_another_owner(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    if is_root(sys)? {
        chown(sys, "file", NOBODY, NOBODY)?;
        becomes_nobody(sys)?;
    }
    let (me, group) = (sys.geteuid()? as u32, sys.getegid()? as u32);
    assert_eq!(chown(sys, "file", me + 1, SAME), Err(Errno::EPERM));
    assert_eq!(chown(sys, "file", SAME, group + 1), Err(Errno::EPERM));
    assert_eq!(chown(sys, "file", me, group)?, 0);
    assert_eq!(chown(sys, "file", SAME, SAME)?, 0);
    Ok(())
}

fn a_group_of_ones_own_is_given(sys: &dyn Sys) -> Outcome {
    if !is_root(sys)? {
        return Ok(());
    }
    create(sys, "file")?;
    chown(sys, "file", NOBODY, NOBODY)?;
    let groups = sys.store(sys.page() + 0x100, &[4321_u32]);
    sys.setgroups(1, groups)?;
    sys.setresgid(Gid(NOBODY), Gid(NOBODY), Gid(NOBODY))?;
    sys.setresuid(Uid(NOBODY), Uid(NOBODY), Uid(NOBODY))?;
    chown(sys, "file", SAME, 4321)?;
    assert_eq!(about(sys, "file")?.gid, 4321);
    assert_eq!(chown(sys, "file", SAME, 4322), Err(Errno::EPERM));
    Ok(())
}

fn no_device_is_made_by_nobody(sys: &dyn Sys) -> Outcome {
    if is_root(sys)? {
        chown(sys, ".", NOBODY, NOBODY)?;
    }
    becomes_nobody(sys)?;
    for kind in [kernel_abi::flags::S_IFCHR, kernel_abi::flags::S_IFBLK] {
        assert_eq!(sys.mknod(path(sys, "null"), Mode(kind | 0o666), 0x103), Err(Errno::EPERM));
        assert_eq!(sys.mknodat(Fd::CWD, path(sys, "null"), Mode(kind | 0o666), 0x103), Err(Errno::EPERM));
    }
    sys.mknod(path(sys, "fifo"), Mode(S_IFIFO | 0o600), 0)?;
    // What stands for nothing is anybody's to make, but as a disk.
    sys.mknod(path(sys, "whiteout"), Mode(kernel_abi::flags::S_IFCHR | 0o600), 0)?;
    assert_eq!(sys.mknod(path(sys, "null"), Mode(kernel_abi::flags::S_IFBLK | 0o600), 0), Err(Errno::EPERM));
    // What already is what it is to be takes no right; but a machine may have its devices where nothing is written.
    let null = path(sys, "/dev/null");
    let renamed = sys.renameat2(Fd::CWD, null, Fd::CWD, null, RenameFlags::empty());
    assert!(matches!(renamed, Ok(0) | Err(Errno::EROFS)), "{renamed:?}");
    Ok(())
}

fn a_file_is_made_with_a_mode_that_shuts_it(sys: &dyn Sys) -> Outcome {
    if is_root(sys)? {
        chown(sys, ".", NOBODY, NOBODY)?;
    }
    becomes_nobody(sys)?;
    let flags = OpenFlags::O_CREAT | OpenFlags::O_RDWR;
    let file = descriptor(sys.openat(Fd::CWD, path(sys, "file"), flags, Mode(0))?);
    assert_eq!(write(sys, file, b"mine")?, 4);
    assert_eq!(open(sys, "file", OpenFlags::O_RDONLY), Err(Errno::EACCES));
    Ok(())
}

/// Its `..` changes, so the directory itself is written.
fn a_moved_directory_must_be_writable(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        let run = || -> Outcome {
            mkdir(sys, "dir")?;
            mkdir(sys, "other")?;
            chmod(sys, "dir", 0o555)?;
            let onto = |name| sys.path(sys.page() + 0x3000, name);
            assert_eq!(sys.rename(path(sys, "dir"), onto("other/dir")), Err(Errno::EACCES));
            // In its place it may be called otherwise.
            sys.rename(path(sys, "dir"), onto("new"))?;
            Ok(())
        };
        ended(run())
    };
    if is_root(sys)? {
        chown(sys, ".", NOBODY, NOBODY)?;
    }
    becomes_nobody(sys)?;
    in_child(sys, child, 0)?;
    Ok(())
}
