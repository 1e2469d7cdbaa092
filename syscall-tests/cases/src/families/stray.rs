//! Refusals that a call makes for a reason of its own.

use alloc::string::ToString;

use kernel_abi::flags::{
    AccessAtFlags, AccessMode, AtFlags, ClockId, EpollFlags, F_SEAL_GROW, F_SEAL_SHRINK, F_SEAL_WRITE, FallocateMode,
    FcntlCommand, FlockOperation, MemfdFlags, MountFlags, OpenFlags, PipeFlags, RenameFlags, Resource, RwFlags,
    S_IFDIR, S_IFIFO, S_IFLNK, SignalfdFlags, StatxMask, TimerfdFlags, UmountFlags, Whence, XattrFlags,
};
use kernel_abi::structs::{Iovec, OpenHow, Rlimit};
use kernel_abi::{Calls, Errno, Fd, Mode, Result, Signal, Sys};

use super::Outcome;
use super::file::{create, descriptor, open, write};
use super::id::becomes_nobody;
use super::pipe::pipe;
use super::process::in_child;
use super::signal::{counts, handle};

cases! { "stray":
    a_sealed_file_is_not_written, vectors_have_a_limit, a_copy_stays_on_its_file_system, a_copy_ends_where_numbers_do,
    a_copy_ends_where_files_may_not_grow, a_copy_grows_no_file_past_its_limit, what_is_no_file_is_not_reserved,
    no_name_leads_to_another_file_system, a_name_does_not_move_to_another_file_system, a_directory_has_one_name,
    what_renaming_refuses_by_every_call, a_path_grows_past_any_buffer, a_listing_of_old needs getdents,
    nobody_changes_the_root,
    nobody_mounts, attributes_by_path_are_refused_alike, a_start_that_is_no_directory_for_the_rest,
    flags_that_nobody_knows, what_open_refuses_by_every_call, a_file_without_a_name_needs_a_place_for_it,
    a_set_of_signals_has_one_size, an_alarm_takes_privilege, a_set_of_no_size, what_waiting_on_a_set_refuses,
    too_many_files_to_poll, a_closed_file_is_not_selected needs select, nor_under_a_mask, a_wait_for_a_lock_is_interrupted,
    a_wait_on_a_set_is_interrupted, special_files_refused_by_every_call,
}

/// A call that moves a name.
type Move = fn(&dyn Sys, usize, usize) -> Result;

const HERE: Fd = Fd::CWD;
const SAME: u32 = u32::MAX;

fn first(sys: &dyn Sys, name: &str) -> usize {
    sys.path(sys.page(), name)
}

fn second(sys: &dyn Sys, name: &str) -> usize {
    sys.path(sys.page() + 0x1000, name)
}

fn into(sys: &dyn Sys) -> usize {
    sys.page() + 0x2000
}

fn mkdir(sys: &dyn Sys, name: &str) -> Result {
    sys.mkdirat(HERE, first(sys, name), Mode(0o755))
}

fn vector(sys: &dyn Sys, len: usize) -> usize {
    sys.store(sys.page() + 0x3000, &Iovec { iov_base: into(sys), iov_len: len })
}

fn a_sealed_file_is_not_written(sys: &dyn Sys) -> Outcome {
    let file = descriptor(sys.memfd_create(first(sys, "sealed"), MemfdFlags::MFD_ALLOW_SEALING)?);
    sys.ftruncate(file, 10)?;
    sys.fcntl(file, FcntlCommand::F_ADD_SEALS, (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) as usize)?;
    let answers = [
        sys.write(file, into(sys), 1),
        sys.writev(file, vector(sys, 1), 1),
        sys.pwrite64(file, into(sys), 1, 0),
        sys.pwritev(file, vector(sys, 1), 1, 0, 0),
        sys.pwritev2(file, vector(sys, 1), 1, 0, 0, RwFlags::empty()),
        sys.ftruncate(file, 9),
        sys.ftruncate(file, 11),
        sys.fallocate(file, FallocateMode::empty(), 0, 11),
        sys.fallocate(file, FallocateMode::FALLOC_FL_PUNCH_HOLE | FallocateMode::FALLOC_FL_KEEP_SIZE, 0, 4096),
    ];
    assert_eq!(answers, [Err(Errno::EPERM); 9]);
    Ok(())
}

fn vectors_have_a_limit(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let list = vector(sys, 1);
    for count in [1025_i64, -1, i64::MAX] {
        let answers = [
            sys.readv(file, list, count),
            sys.writev(file, list, count),
            sys.preadv(file, list, count, 0, 0),
            sys.pwritev(file, list, count, 0, 0),
            sys.preadv2(file, list, count, 0, 0, RwFlags::empty()),
            sys.pwritev2(file, list, count, 0, 0, RwFlags::empty()),
        ];
        assert_eq!(answers, [Err(Errno::EINVAL); 6], "{count}");
    }
    let list = vector(sys, usize::MAX);
    assert_eq!(sys.readv(file, list, 1), Err(Errno::EINVAL));
    assert_eq!(sys.pwritev2(file, list, 1, 0, 0, RwFlags::empty()), Err(Errno::EINVAL));
    assert_eq!(sys.pwritev2(file, vector(sys, 1), 1, 0, 0, RwFlags::from_bits_retain(1 << 30)), Err(Errno::EOPNOTSUPP));
    Ok(())
}

fn a_copy_stays_on_its_file_system(sys: &dyn Sys) -> Outcome {
    let memory = descriptor(sys.memfd_create(first(sys, "memory"), MemfdFlags::empty())?);
    write(sys, memory, b"bytes")?;
    let file = create(sys, "file")?;
    assert_eq!(sys.copy_file_range(memory, 0, file, 0, 5, 0), Err(Errno::EXDEV));
    assert_eq!(sys.copy_file_range(file, 0, memory, 0, 5, 0), Err(Errno::EXDEV));
    // Bytes that are sent go anywhere.
    sys.lseek(memory, 0, Whence::SEEK_SET)?;
    assert_eq!(sys.sendfile(file, memory, 0, 5)?, 5);
    Ok(())
}

fn a_copy_ends_where_numbers_do(sys: &dyn Sys) -> Outcome {
    let (from, to) = (create(sys, "from")?, create(sys, "to")?);
    write(sys, from, b"bytes")?;
    let at = sys.store(into(sys), &1_i64);
    assert_eq!(sys.copy_file_range(from, at, to, 0, usize::MAX, 0), Err(Errno::EOVERFLOW));
    assert_eq!(sys.copy_file_range(from, 0, to, at, usize::MAX, 0), Err(Errno::EOVERFLOW));
    sys.store(at, &-1_i64);
    assert_eq!(sys.copy_file_range(from, at, to, 0, 5, 0), Err(Errno::EOVERFLOW));
    sys.store(at, &-10_i64);
    assert_eq!(sys.copy_file_range(from, at, to, 0, 5, 0), Err(Errno::EINVAL));
    Ok(())
}

fn limit(sys: &dyn Sys, len: u64) -> Result {
    handle(sys, Signal::SIGXFSZ, counts)?;
    let limit = sys.store(sys.page(), &Rlimit { rlim_cur: len, rlim_max: len });
    sys.setrlimit(Resource::RLIMIT_FSIZE, limit)
}

fn a_copy_ends_where_files_may_not_grow(sys: &dyn Sys) -> Outcome {
    let (from, to) = (create(sys, "from")?, create(sys, "to")?);
    write(sys, from, b"0123456789")?;
    limit(sys, 8)?;
    let (source, target) = (sys.store(into(sys), &0_i64), sys.store(into(sys) + 8, &5_i64));
    assert_eq!(sys.copy_file_range(from, source, to, target, 10, 0)?, 3);
    assert_eq!(sys.copy_file_range(from, source, to, target, 10, 0), Err(Errno::EFBIG));
    sys.lseek(from, 0, Whence::SEEK_SET)?;
    sys.lseek(to, 6, Whence::SEEK_SET)?;
    assert_eq!(sys.sendfile(to, from, 0, 10)?, 2);
    assert_eq!(sys.sendfile(to, from, 0, 10), Err(Errno::EFBIG));
    Ok(())
}

fn a_copy_grows_no_file_past_its_limit(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    limit(sys, 8)?;
    let list = vector(sys, 10);
    assert_eq!(sys.pwritev2(file, list, 1, 4, 0, RwFlags::empty())?, 4);
    assert_eq!(sys.pwritev2(file, list, 1, 8, 0, RwFlags::empty()), Err(Errno::EFBIG));
    assert_eq!(sys.pwritev2(file, list, 1, 0, 0, RwFlags::RWF_APPEND), Err(Errno::EFBIG));
    assert_eq!(sys.fallocate(file, FallocateMode::empty(), 0, 9), Err(Errno::EFBIG));
    Ok(())
}

fn what_is_no_file_is_not_reserved(sys: &dyn Sys) -> Outcome {
    let null = open(sys, "/dev/null", OpenFlags::O_WRONLY)?;
    assert_eq!(sys.fallocate(null, FallocateMode::empty(), 0, 1), Err(Errno::ENODEV));
    assert_eq!(sys.ftruncate(null, 0), Err(Errno::EINVAL));
    assert_eq!(sys.fsync(null), Err(Errno::EINVAL));
    assert_eq!(sys.truncate(first(sys, "/dev/null"), 0), Err(Errno::EINVAL));
    Ok(())
}

fn no_name_leads_to_another_file_system(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    assert_eq!(sys.link(first(sys, "/proc/version"), second(sys, "new")), Err(Errno::EXDEV));
    assert_eq!(sys.linkat(HERE, first(sys, "/proc/version"), HERE, second(sys, "new"), 0), Err(Errno::EXDEV));
    assert_eq!(sys.link(first(sys, "/proc/version"), second(sys, "file")), Err(Errno::EEXIST));
    Ok(())
}

fn a_name_does_not_move_to_another_file_system(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    assert_eq!(sys.rename(first(sys, "file"), second(sys, "/proc/new")), Err(Errno::EXDEV));
    assert_eq!(sys.renameat(HERE, first(sys, "/proc/version"), HERE, second(sys, "file")), Err(Errno::EXDEV));
    // Before anybody looks whether it exists.
    assert_eq!(sys.renameat2(HERE, first(sys, "missing"), HERE, second(sys, "/proc/new"), 0), Err(Errno::EXDEV));
    Ok(())
}

fn a_directory_has_one_name(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "dir")?;
    assert_eq!(sys.link(first(sys, "dir"), second(sys, "new")), Err(Errno::EPERM));
    assert_eq!(sys.linkat(HERE, first(sys, "dir"), HERE, second(sys, "dir/new"), 0), Err(Errno::EPERM));
    Ok(())
}

fn what_renaming_refuses_by_every_call(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    mkdir(sys, "dir")?;
    mkdir(sys, "full")?;
    create(sys, "full/file")?;
    let calls: [Move; 3] = [
        |sys, old, new| sys.rename(old, new),
        |sys, old, new| sys.renameat(HERE, old, HERE, new),
        |sys, old, new| sys.renameat2(HERE, old, HERE, new, RenameFlags::empty()),
    ];
    for call in calls {
        for (old, new, errno) in [
            ("file", "dir", Errno::EISDIR),
            ("dir", "file", Errno::ENOTDIR),
            ("dir", "full", Errno::ENOTEMPTY),
            ("dir", "dir/inside", Errno::EINVAL),
            ("full/file", "full", Errno::ENOTEMPTY),
            ("missing", "file", Errno::ENOENT),
            ("file", "missing/file", Errno::ENOENT),
            ("file", "dir/.", Errno::EBUSY),
            ("dir/..", "new", Errno::EBUSY),
        ] {
            assert_eq!(call(sys, first(sys, old), second(sys, new)), Err(errno), "{old} to {new}");
        }
    }
    Ok(())
}

fn a_path_grows_past_any_buffer(sys: &dyn Sys) -> Outcome {
    let name = "d".repeat(200);
    for _ in 0..22 {
        mkdir(sys, &name)?;
        sys.chdir(first(sys, &name))?;
    }
    assert_eq!(sys.getcwd(into(sys), 8192), Err(Errno::ENAMETOOLONG));
    // One still works there.
    create(sys, "file")?;
    sys.unlinkat(HERE, first(sys, "file"), 0)?;
    for _ in 0..22 {
        sys.chdir(first(sys, ".."))?;
        sys.unlinkat(HERE, first(sys, &name), AtFlags::AT_REMOVEDIR)?;
    }
    Ok(())
}

fn a_listing_of_old(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    assert_eq!(sys.getdents(file, into(sys), 1000), Err(Errno::ENOTDIR));
    let dir = open(sys, ".", OpenFlags::O_RDONLY)?;
    assert_eq!(sys.getdents(dir, into(sys), 4), Err(Errno::EINVAL));
    mkdir(sys, "gone")?;
    let gone = open(sys, "gone", OpenFlags::O_RDONLY)?;
    sys.rmdir(first(sys, "gone"))?;
    assert_eq!(sys.getdents(gone, into(sys), 1000), Err(Errno::ENOENT));
    Ok(())
}

fn nobody_changes_the_root(sys: &dyn Sys) -> Outcome {
    becomes_nobody(sys)?;
    assert_eq!(sys.chroot(first(sys, "/")), Err(Errno::EPERM));
    assert_eq!(sys.chroot(first(sys, "/missing")), Err(Errno::ENOENT));
    Ok(())
}

fn nobody_mounts(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "dir")?;
    becomes_nobody(sys)?;
    let kind = sys.path(into(sys), "tmpfs");
    assert_eq!(sys.mount(kind, first(sys, "dir"), kind, 0, 0), Err(Errno::EPERM));
    assert_eq!(sys.mount(second(sys, "/"), first(sys, "dir"), 0, MountFlags::MS_BIND, 0), Err(Errno::EPERM));
    assert_eq!(sys.umount2(first(sys, "/proc"), UmountFlags::empty()), Err(Errno::EPERM));
    Ok(())
}

fn attributes_by_path_are_refused_alike(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    let (path, value) = (first(sys, "file"), sys.path(into(sys), "value"));
    let name = |name: &str| sys.path(sys.page() + 0x1000, name);
    match sys.setxattr(path, name("user.one"), value, 5, 0) {
        Err(Errno::EOPNOTSUPP) => return Ok(()),
        answer => answer?,
    };
    let create = XattrFlags::XATTR_CREATE;
    let replace = XattrFlags::XATTR_REPLACE;
    assert_eq!(sys.lsetxattr(path, name("user.one"), value, 5, create), Err(Errno::EEXIST));
    assert_eq!(sys.setxattr(path, name("user.one"), value, 5, create), Err(Errno::EEXIST));
    assert_eq!(sys.setxattr(path, name("user.two"), value, 5, replace), Err(Errno::ENODATA));
    assert_eq!(sys.lsetxattr(path, name("user.two"), value, 5, replace), Err(Errno::ENODATA));
    let long = "user.".to_string() + &"x".repeat(251);
    for (wrong, errno) in [(long.as_str(), Errno::ERANGE), ("other.one", Errno::EOPNOTSUPP), ("", Errno::ERANGE)] {
        assert_eq!(sys.setxattr(path, name(wrong), value, 5, 0), Err(errno), "{wrong}");
        assert_eq!(sys.lsetxattr(path, name(wrong), value, 5, 0), Err(errno), "{wrong}");
        assert_eq!(sys.getxattr(path, name(wrong), value, 5), Err(errno), "{wrong}");
        assert_eq!(sys.lgetxattr(path, name(wrong), value, 5), Err(errno), "{wrong}");
        assert_eq!(sys.removexattr(path, name(wrong)), Err(errno), "{wrong}");
        assert_eq!(sys.lremovexattr(path, name(wrong)), Err(errno), "{wrong}");
    }
    assert_eq!(sys.getxattr(path, name("user.one"), value, 4), Err(Errno::ERANGE));
    assert_eq!(sys.lgetxattr(path, name("user.one"), value, 4), Err(Errno::ERANGE));
    assert_eq!(sys.getxattr(path, name("user.two"), value, 4), Err(Errno::ENODATA));
    assert_eq!(sys.listxattr(path, value, 3), Err(Errno::ERANGE));
    assert_eq!(sys.llistxattr(path, value, 3), Err(Errno::ERANGE));
    assert_eq!(sys.removexattr(path, name("user.two")), Err(Errno::ENODATA));
    assert_eq!(sys.lremovexattr(path, name("user.two")), Err(Errno::ENODATA));
    sys.lsetxattr(path, name("user.two"), value, 5, 0)?;
    assert!(sys.llistxattr(path, 0, 0)? >= 18);
    assert_eq!(sys.lgetxattr(path, name("user.two"), 0, 0)?, 5);
    sys.removexattr(path, name("user.one"))?;
    sys.lremovexattr(path, name("user.two"))?;
    Ok(())
}

fn a_start_that_is_no_directory_for_the_rest(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let how = sys.store(into(sys) + 0x1000, &OpenHow::default());
    for (start, errno) in [(file, Errno::ENOTDIR), (Fd(99), Errno::EBADF), (Fd(-1), Errno::EBADF)] {
        let name = first(sys, "name");
        let answers = [
            sys.openat2(start, name, how, size_of::<OpenHow>()),
            sys.faccessat(start, name, AccessMode::F_OK),
            sys.faccessat2(start, name, AccessMode::F_OK, AccessAtFlags::empty()),
            sys.newfstatat(start, name, into(sys), AtFlags::empty()),
            sys.statx(start, name, AtFlags::empty(), StatxMask::empty(), into(sys)),
            sys.fchmodat2(start, name, Mode(0o600), AtFlags::empty()),
            sys.futimesat(start, name, 0),
            sys.renameat(start, name, HERE, second(sys, "new")),
            sys.renameat(HERE, first(sys, "file"), start, second(sys, "new")),
            sys.unlinkat(start, first(sys, "name"), AtFlags::AT_REMOVEDIR),
        ];
        assert_eq!(answers, [Err(errno); 10]);
    }
    Ok(())
}

fn flags_that_nobody_knows(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    let name = first(sys, "file");
    let unknown = AtFlags::from_bits_retain(0x10_0000);
    let answers = [
        sys.newfstatat(HERE, name, into(sys), unknown),
        sys.statx(HERE, name, unknown, StatxMask::empty(), into(sys)),
        sys.fchmodat2(HERE, name, Mode(0o600), unknown),
        sys.fchownat(HERE, name, SAME, SAME, unknown),
        sys.utimensat(HERE, name, 0, unknown),
        sys.unlinkat(HERE, name, unknown),
        sys.linkat(HERE, name, HERE, second(sys, "new"), unknown),
        sys.renameat2(HERE, name, HERE, second(sys, "new"), RenameFlags::from_bits_retain(0x80)),
        sys.faccessat2(HERE, name, AccessMode::F_OK, AccessAtFlags::from_bits_retain(0x10_0000)),
        sys.access(name, AccessMode::from_bits_retain(8)),
        sys.faccessat(HERE, name, AccessMode::from_bits_retain(8)),
        sys.memfd_create(name, MemfdFlags::from_bits_retain(0x4000)),
        sys.epoll_create1(EpollFlags::from_bits_retain(1)),
        sys.umount2(name, UmountFlags::from_bits_retain(0x10_0000)),
    ];
    for (place, answer) in answers.iter().enumerate() {
        assert_eq!(*answer, Err(Errno::EINVAL), "call {place}");
    }
    Ok(())
}

fn what_open_refuses_by_every_call(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    sys.mknodat(HERE, first(sys, "fifo"), Mode(S_IFIFO | 0o600), 0)?;
    sys.symlinkat(first(sys, "file"), HERE, second(sys, "link"))?;
    let exclusive = OpenFlags::O_CREAT | OpenFlags::O_EXCL | OpenFlags::O_WRONLY;
    for (name, flags, errno) in [
        ("file", exclusive, Errno::EEXIST),
        ("link", exclusive, Errno::EEXIST),
        ("fifo", OpenFlags::O_WRONLY | OpenFlags::O_NONBLOCK, Errno::ENXIO),
        ("link", OpenFlags::O_RDONLY | OpenFlags::O_NOFOLLOW, Errno::ELOOP),
        ("file", OpenFlags::O_DIRECTORY, Errno::ENOTDIR),
        (".", OpenFlags::O_RDWR, Errno::EISDIR),
        (".", OpenFlags::O_CREAT, Errno::EISDIR),
        ("new/", OpenFlags::O_CREAT, Errno::EISDIR),
        (".", OpenFlags::O_TMPFILE, Errno::EINVAL),
    ] {
        let how = sys.store(into(sys), &OpenHow { flags: u64::from(flags.bits()), ..OpenHow::default() });
        let path = first(sys, name);
        assert_eq!(sys.open(path, flags, 0), Err(errno), "{name}");
        assert_eq!(sys.openat(HERE, path, flags, 0), Err(errno), "{name}");
        assert_eq!(sys.openat2(HERE, path, how, size_of::<OpenHow>()), Err(errno), "{name}");
    }
    assert_eq!(sys.creat(first(sys, "."), Mode(0o600)), Err(Errno::EISDIR));
    Ok(())
}

fn a_file_without_a_name_needs_a_place_for_it(sys: &dyn Sys) -> Outcome {
    let flags = OpenFlags::O_TMPFILE | OpenFlags::O_RDWR;
    // Who may not write there is told that.
    let errno = if sys.geteuid()? == 0 { Errno::EOPNOTSUPP } else { Errno::EACCES };
    assert_eq!(sys.open(first(sys, "/proc"), flags, Mode(0o600)), Err(errno));
    assert_eq!(sys.openat(HERE, first(sys, "/proc"), flags, Mode(0o600)), Err(errno));
    assert_eq!(sys.open(first(sys, "missing"), flags, Mode(0o600)), Err(Errno::ENOENT));
    Ok(())
}

fn a_set_of_signals_has_one_size(sys: &dyn Sys) -> Outcome {
    let mask = sys.store(into(sys), &0_u64);
    let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
    for size in [0, 4, 16] {
        assert_eq!(sys.signalfd(Fd(-1), mask, size), Err(Errno::EINVAL));
        assert_eq!(sys.signalfd4(Fd(-1), mask, size, SignalfdFlags::empty()), Err(Errno::EINVAL));
    }
    assert_eq!(sys.signalfd(Fd(99), mask, 8), Err(Errno::EBADF));
    assert_eq!(sys.signalfd(reader, mask, 8), Err(Errno::EINVAL));
    let set = descriptor(sys.signalfd(Fd(-1), mask, 8)?);
    assert_eq!(sys.signalfd(set, mask, 8)?, set.0 as usize);
    assert_eq!(sys.timerfd_gettime(reader, into(sys)), Err(Errno::EINVAL));
    Ok(())
}

fn an_alarm_takes_privilege(sys: &dyn Sys) -> Outcome {
    becomes_nobody(sys)?;
    for clock in [ClockId::CLOCK_REALTIME_ALARM, ClockId::CLOCK_BOOTTIME_ALARM] {
        assert_eq!(sys.timerfd_create(clock, TimerfdFlags::empty()), Err(Errno::EPERM));
    }
    assert_eq!(sys.timerfd_create(ClockId::CLOCK_PROCESS_CPUTIME_ID, TimerfdFlags::empty()), Err(Errno::EINVAL));
    Ok(())
}

fn a_set_of_no_size(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.epoll_create(0), Err(Errno::EINVAL));
    assert_eq!(sys.epoll_create(-1_i32), Err(Errno::EINVAL));
    sys.epoll_create(1)?;
    Ok(())
}

fn what_waiting_on_a_set_refuses(sys: &dyn Sys) -> Outcome {
    let set = descriptor(sys.epoll_create1(EpollFlags::empty())?);
    let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
    let zero = sys.store(into(sys), &[0_u64; 2]);
    let at = into(sys) + 0x100;
    assert_eq!(sys.epoll_wait(set, at, 1, 0)?, 0);
    for count in [0, -1, i32::MAX] {
        assert_eq!(sys.epoll_wait(set, at, count, 0), Err(Errno::EINVAL));
        assert_eq!(sys.epoll_pwait(set, at, count, 0, 0, 8), Err(Errno::EINVAL));
        assert_eq!(sys.epoll_pwait2(set, at, count, zero, 0, 8), Err(Errno::EINVAL));
    }
    assert_eq!(sys.epoll_wait(reader, at, 1, 0), Err(Errno::EINVAL));
    for wild in [usize::MAX - 4095, 1 << 63] {
        assert_eq!(sys.epoll_wait(set, wild, 1, 0), Err(Errno::EFAULT));
        assert_eq!(sys.epoll_pwait(set, wild, 1, 0, 0, 8), Err(Errno::EFAULT));
        assert_eq!(sys.epoll_pwait2(set, wild, 1, zero, 0, 8), Err(Errno::EFAULT));
    }
    Ok(())
}

fn too_many_files_to_poll(sys: &dyn Sys) -> Outcome {
    let limit = sys.store(sys.page(), &Rlimit { rlim_cur: 4, rlim_max: 4 });
    sys.setrlimit(Resource::RLIMIT_NOFILE, limit)?;
    let zero = sys.store(into(sys), &[0_u64; 2]);
    assert_eq!(sys.poll(into(sys) + 0x100, 5, 0), Err(Errno::EINVAL));
    assert_eq!(sys.ppoll(into(sys) + 0x100, 5, zero, 0, 8), Err(Errno::EINVAL));
    Ok(())
}

fn a_closed_file_is_not_selected(sys: &dyn Sys) -> Outcome {
    let set = sys.store(into(sys), &[1_u64 << 40; 1]);
    let zero = sys.store(into(sys) + 0x100, &[0_u64; 2]);
    assert_eq!(sys.select(41, set, 0, 0, zero), Err(Errno::EBADF));
    assert_eq!(sys.select(40, set, 0, 0, zero)?, 0);
    assert_eq!(sys.select(-1_i32, set, 0, 0, zero), Err(Errno::EINVAL));
    Ok(())
}

fn nor_under_a_mask(sys: &dyn Sys) -> Outcome {
    let set = sys.store(into(sys), &[1_u64 << 40; 1]);
    let zero = sys.store(into(sys) + 0x100, &[0_u64; 2]);
    assert_eq!(sys.pselect6(41, 0, set, 0, zero, 0), Err(Errno::EBADF));
    Ok(())
}

/// Runs what waits in a child that a timer interrupts.
fn rung(sys: &dyn Sys) -> Result {
    handle(sys, Signal::SIGALRM, counts)?;
    let timer = sys.store(into(sys), &[0_i64, 0, 0, 20_000]);
    sys.setitimer(0, timer, 0)
}

fn a_wait_for_a_lock_is_interrupted(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    sys.flock(file, FlockOperation::LOCK_EX)?;
    let lock = kernel_abi::structs::Flock { l_type: kernel_abi::flags::F_WRLCK, ..Default::default() };
    let at = sys.store(sys.page() + 0x7000, &lock);
    sys.fcntl(file, FcntlCommand::F_SETLK, at)?;
    let child = |sys: &dyn Sys, at| {
        let Ok(file) = open(sys, "file", OpenFlags::O_RDWR) else { return 1 };
        let first = rung(sys).and_then(|_| sys.flock(file, FlockOperation::LOCK_EX));
        let second = rung(sys).and_then(|_| sys.fcntl(file, FcntlCommand::F_SETLKW, at));
        i32::from([first, second] != [Err(Errno::EINTR); 2])
    };
    in_child(sys, child, at)?;
    Ok(())
}

fn a_wait_on_a_set_is_interrupted(sys: &dyn Sys) -> Outcome {
    let set = descriptor(sys.epoll_create1(EpollFlags::empty())?);
    let at = into(sys) + 0x100;
    rung(sys)?;
    assert_eq!(sys.epoll_wait(set, at, 1, -1_i32), Err(Errno::EINTR));
    rung(sys)?;
    assert_eq!(sys.epoll_pwait(set, at, 1, -1_i32, 0, 8), Err(Errno::EINTR));
    rung(sys)?;
    assert_eq!(sys.epoll_pwait2(set, at, 1, 0, 0, 8), Err(Errno::EINTR));
    Ok(())
}

fn special_files_refused_by_every_call(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    for (name, mode, errno) in [
        ("file", S_IFIFO, Errno::EEXIST),
        ("new", S_IFDIR, Errno::EPERM),
        ("new", S_IFLNK, Errno::EINVAL),
        ("new", 0o170_000, Errno::EINVAL),
    ] {
        assert_eq!(sys.mknod(first(sys, name), Mode(mode | 0o600), 0), Err(errno), "{name}");
        assert_eq!(sys.mknodat(HERE, first(sys, name), Mode(mode | 0o600), 0), Err(errno), "{name}");
    }
    Ok(())
}
