//! Files with holes, devices with ends, and mounts that nobody writes.

use kernel_abi::flags::{
    AtFlags, FallocateMode, FcntlCommand, MemfdFlags, MountFlags, OpenFlags, PipeFlags, Resource, UmountFlags, Whence,
};
use kernel_abi::structs::{Iovec, OpenHow, Rlimit, Stat};
use kernel_abi::{Calls, Errno, Fd, Mode, Result, Signal, Sys};

use super::Outcome;
use super::file::{create, descriptor, open, read, write};
use super::pipe::pipe;
use super::signal::{counts, handle};
use super::walk::{CHANGING, MAKING, OPENING, REMOVING, refused};

cases! { "hole":
    data_and_holes_are_found, behind_the_end_is_neither, a_hole_takes_no_room, a_punched_hole_reads_as_zeros,
    what_was_cut_off_is_zero_when_it_comes_back, a_write_into_a_hole_keeps_the_rest, a_full_device_has_room_for_nobody,
    vectors_end_where_files_may_not_grow, vectors_do_not_wait_when_told, nothing_changes_on_a_mount_to_read,
    a_mounted_place_is_not_removed, room_may_lie_behind_the_end, a_hole_of_any_size_is_punched, an_attribute_of_no_file, a_file_being_read_is_brought_to_its_device,
}

fn vector(sys: &dyn Sys, len: usize) -> usize {
    sys.store(sys.page() + 0x3000, &Iovec { iov_base: sys.page() + 0x4000, iov_len: len })
}

fn about(sys: &dyn Sys, file: Fd) -> Result<Stat> {
    let into = sys.page() + 0x5000;
    sys.fstat(file, into)?;
    Ok(Stat::decode(sys.arch(), &sys.bytes(into, Stat::size(sys.arch()))).expect("long enough"))
}

/// 64 KiB of nothing, a page of something, 64 KiB of nothing.
fn sparse(sys: &dyn Sys) -> Result<Fd> {
    let file = create(sys, "sparse")?;
    sys.poke(sys.page() + 0x4000, &[7; 4096]);
    sys.pwrite64(file, sys.page() + 0x4000, 4096, 0x1_0000)?;
    sys.ftruncate(file, 0x2_1000)?;
    Ok(file)
}

fn data_and_holes_are_found(sys: &dyn Sys) -> Outcome {
    let file = sparse(sys)?;
    let find = |at: i64, whence| sys.lseek(file, at, whence);
    // A file system that knows of no holes says that all is data.
    if find(0, Whence::SEEK_DATA)? == 0 {
        assert_eq!(find(0, Whence::SEEK_HOLE)?, 0x2_1000);
        return Ok(());
    }
    assert_eq!(find(0, Whence::SEEK_DATA)?, 0x1_0000);
    assert_eq!(find(0x1_0010, Whence::SEEK_DATA)?, 0x1_0010);
    assert_eq!(find(0x1_0010, Whence::SEEK_HOLE)?, 0x1_1000);
    assert_eq!(find(5, Whence::SEEK_HOLE)?, 5);
    assert_eq!(find(0x1_1000, Whence::SEEK_DATA), Err(Errno::ENXIO));
    Ok(())
}

fn behind_the_end_is_neither(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    for whence in [Whence::SEEK_DATA, Whence::SEEK_HOLE] {
        assert_eq!(sys.lseek(file, 0, whence), Err(Errno::ENXIO));
    }
    write(sys, file, b"data")?;
    assert_eq!(sys.lseek(file, 1, Whence::SEEK_DATA)?, 1);
    assert_eq!(sys.lseek(file, 1, Whence::SEEK_HOLE)?, 4);
    for at in [4_i64, 100, -1] {
        assert_eq!(sys.lseek(file, at, Whence::SEEK_DATA), Err(Errno::ENXIO));
        assert_eq!(sys.lseek(file, at, Whence::SEEK_HOLE), Err(Errno::ENXIO));
    }
    Ok(())
}

fn a_hole_takes_no_room(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    sys.ftruncate(file, 1 << 30)?;
    let found = about(sys, file)?;
    assert_eq!((found.size, found.blocks), (1 << 30, 0));
    Ok(())
}

fn a_punched_hole_reads_as_zeros(sys: &dyn Sys) -> Outcome {
    let file = sparse(sys)?;
    let punch = FallocateMode::FALLOC_FL_PUNCH_HOLE | FallocateMode::FALLOC_FL_KEEP_SIZE;
    match sys.fallocate(file, punch, 0x1_0800, 0x400) {
        Err(Errno::EOPNOTSUPP) => return Ok(()),
        answer => answer?,
    };
    sys.lseek(file, 0x1_07fe, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 4)?, b"\x07\x07\0\0");
    sys.lseek(file, 0x1_0bfe, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 4)?, b"\0\0\x07\x07");
    assert_eq!(sys.fallocate(file, FallocateMode::FALLOC_FL_PUNCH_HOLE, 0, 10), Err(Errno::EOPNOTSUPP));
    Ok(())
}

fn room_may_lie_behind_the_end(sys: &dyn Sys) -> Outcome {
    let file = descriptor(sys.memfd_create(sys.path(sys.page(), "room"), MemfdFlags::empty())?);
    let room = || about(sys, file).map(|found| (found.size, found.blocks));
    let keep = FallocateMode::FALLOC_FL_KEEP_SIZE;
    sys.fallocate(file, keep, 0, 20_000)?;
    assert_eq!(room()?, (0, 40));
    sys.ftruncate(file, 5000)?;
    assert_eq!(room()?, (5000, 40));
    sys.pread64(file, sys.page(), 4, 4096)?;
    assert_eq!(sys.bytes(sys.page(), 4), [0; 4]);
    // The size it has, and the room behind it goes all the same.
    sys.ftruncate(file, 5000)?;
    assert_eq!(room()?, (5000, 16));
    sys.fallocate(file, keep, 40_960, 1)?;
    assert_eq!(room()?, (5000, 24));
    let punch = FallocateMode::FALLOC_FL_PUNCH_HOLE | keep;
    sys.fallocate(file, punch, 40_961, 4095)?;
    assert_eq!(room()?, (5000, 24));
    sys.fallocate(file, punch, 40_960, 4096)?;
    assert_eq!(room()?, (5000, 16));
    Ok(())
}

fn a_hole_of_any_size_is_punched(sys: &dyn Sys) -> Outcome {
    let file = descriptor(sys.memfd_create(sys.path(sys.page(), "hole"), MemfdFlags::empty())?);
    sys.ftruncate(file, 1_i64 << 62)?;
    sys.pwrite64(file, sys.page(), 4, 1_i64 << 61)?;
    let punch = FallocateMode::FALLOC_FL_PUNCH_HOLE | FallocateMode::FALLOC_FL_KEEP_SIZE;
    sys.fallocate(file, punch, 1, (1_i64 << 62) - 2)?;
    let found = about(sys, file)?;
    assert_eq!((found.size, found.blocks), (1 << 62, 0));
    Ok(())
}

fn what_was_cut_off_is_zero_when_it_comes_back(sys: &dyn Sys) -> Outcome {
    let file = sparse(sys)?;
    sys.ftruncate(file, 0x1_0001)?;
    sys.ftruncate(file, 0x1_0010)?;
    sys.lseek(file, 0x1_0000, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 4)?, b"\x07\0\0\0");
    Ok(())
}

fn a_write_into_a_hole_keeps_the_rest(sys: &dyn Sys) -> Outcome {
    let file = sparse(sys)?;
    sys.lseek(file, 0x1_ffff, Whence::SEEK_SET)?;
    write(sys, file, b"ab")?;
    sys.lseek(file, 0x1_fffe, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 4)?, b"\0ab\0");
    assert_eq!(about(sys, file)?.size, 0x2_1000);
    Ok(())
}

fn a_full_device_has_room_for_nobody(sys: &dyn Sys) -> Outcome {
    let full = open(sys, "/dev/full", OpenFlags::O_RDWR)?;
    let answers = [
        sys.write(full, sys.page(), 1),
        sys.writev(full, vector(sys, 1), 1),
        sys.pwrite64(full, sys.page(), 1, 0),
        sys.pwritev(full, vector(sys, 1), 1, 0, 0),
        sys.pwritev2(full, vector(sys, 1), 1, 0, 0, 0),
    ];
    assert_eq!(answers, [Err(Errno::ENOSPC); 5]);
    assert_eq!(read(sys, full, 3)?, b"\0\0\0");
    Ok(())
}

fn vectors_end_where_files_may_not_grow(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    handle(sys, Signal::SIGXFSZ, counts)?;
    let limit = sys.store(sys.page(), &Rlimit { rlim_cur: 8, rlim_max: 8 });
    sys.setrlimit(Resource::RLIMIT_FSIZE, limit)?;
    assert_eq!(sys.writev(file, vector(sys, 10), 1)?, 8);
    assert_eq!(sys.writev(file, vector(sys, 10), 1), Err(Errno::EFBIG));
    assert_eq!(sys.pwritev(file, vector(sys, 10), 1, 6, 0)?, 2);
    assert_eq!(sys.pwritev(file, vector(sys, 10), 1, 8, 0), Err(Errno::EFBIG));
    Ok(())
}

fn vectors_do_not_wait_when_told(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    assert_eq!(sys.readv(reader, vector(sys, 1), 1), Err(Errno::EAGAIN));
    sys.fcntl(writer, FcntlCommand::F_SETPIPE_SZ, 4096)?;
    assert_eq!(sys.writev(writer, vector(sys, 4096), 1)?, 4096);
    assert_eq!(sys.writev(writer, vector(sys, 1), 1), Err(Errno::EAGAIN));
    Ok(())
}

fn path(sys: &dyn Sys, name: &str) -> usize {
    sys.path(sys.page(), name)
}

/// Mounts a tree in memory on a new directory; whether this user may.
fn mounted(sys: &dyn Sys, flags: MountFlags) -> Result<bool> {
    sys.mkdirat(Fd::CWD, path(sys, "dir"), Mode(0o755))?;
    let kind = sys.path(sys.page() + 0x100, "tmpfs");
    match sys.mount(kind, path(sys, "dir"), kind, flags, 0) {
        Err(Errno::EPERM) => Ok(false),
        answer => answer.map(|_| true),
    }
}

fn nothing_changes_on_a_mount_to_read(sys: &dyn Sys) -> Outcome {
    if !mounted(sys, MountFlags::MS_RDONLY)? {
        return Ok(());
    }
    // A name from outside would have to come from another mount, which is told first.
    refused(sys, &[&OPENING[1..2], &OPENING[5..], &MAKING[..6]], "dir/new", Errno::EROFS);
    refused(sys, &[&REMOVING[..2]], "dir/missing", Errno::EROFS);
    refused(sys, &[&CHANGING[..10]], "dir", Errno::EROFS);
    let other = sys.path(sys.page() + 0x200, "dir/other");
    assert_eq!(sys.rename(path(sys, "dir/name"), other), Err(Errno::EROFS));
    assert_eq!(sys.renameat(Fd::CWD, path(sys, "dir/name"), Fd::CWD, other), Err(Errno::EROFS));
    assert_eq!(sys.renameat2(Fd::CWD, path(sys, "dir/name"), Fd::CWD, other, 0), Err(Errno::EROFS));
    assert_eq!(sys.rmdir(path(sys, "dir/missing")), Err(Errno::EROFS));
    assert_eq!(sys.access(path(sys, "dir"), kernel_abi::flags::AccessMode::W_OK), Err(Errno::EROFS));
    let write = kernel_abi::flags::AccessMode::W_OK;
    assert_eq!(sys.faccessat(Fd::CWD, path(sys, "dir"), write), Err(Errno::EROFS));
    assert_eq!(sys.faccessat2(Fd::CWD, path(sys, "dir"), write, 0), Err(Errno::EROFS));
    let new = sys.path(sys.page() + 0x200, "dir/new");
    assert_eq!(sys.link(path(sys, "dir"), new), Err(Errno::EROFS));
    assert_eq!(sys.linkat(Fd::CWD, path(sys, "dir"), Fd::CWD, new, 0), Err(Errno::EROFS));
    let unnamed = OpenFlags::O_TMPFILE | OpenFlags::O_RDWR;
    assert_eq!(open(sys, "dir", unnamed), Err(Errno::EROFS));
    let how = OpenHow { flags: u64::from(unnamed.bits()), mode: 0o600, ..OpenHow::default() };
    let how = sys.store(sys.page() + 0x300, &how);
    assert_eq!(sys.openat2(Fd::CWD, path(sys, "dir"), how, size_of::<OpenHow>()), Err(Errno::EROFS));
    let dir = open(sys, "dir", OpenFlags::O_RDONLY)?;
    assert_eq!(sys.fchmod(dir, Mode(0o700)), Err(Errno::EROFS));
    assert_eq!(sys.fchown(dir, 0, 0), Err(Errno::EROFS));
    sys.close(dir)?;
    sys.umount2(path(sys, "dir"), UmountFlags::MNT_DETACH)?;
    Ok(())
}

fn a_mounted_place_is_not_removed(sys: &dyn Sys) -> Outcome {
    if !mounted(sys, MountFlags::empty())? {
        return Ok(());
    }
    let removed = [
        sys.rmdir(path(sys, "dir")),
        sys.unlinkat(Fd::CWD, path(sys, "dir"), AtFlags::AT_REMOVEDIR),
        sys.rename(path(sys, "dir"), sys.path(sys.page() + 0x100, "new")),
    ];
    sys.umount2(path(sys, "dir"), UmountFlags::MNT_DETACH)?;
    assert_eq!(removed, [Err(Errno::EBUSY); 3]);
    sys.rmdir(path(sys, "dir"))?;
    Ok(())
}

fn an_attribute_of_no_file(sys: &dyn Sys) -> Outcome {
    let kind = kernel_abi::flags::S_IFIFO;
    sys.mknodat(Fd::CWD, path(sys, "fifo"), Mode(kind | 0o600), 0)?;
    let fifo = descriptor(sys.open(path(sys, "fifo"), OpenFlags::O_RDWR, 0)?);
    let name = sys.path(sys.page() + 0x100, "user.one");
    assert_eq!(sys.setxattr(path(sys, "fifo"), name, name, 1, 0), Err(Errno::EPERM));
    assert_eq!(sys.lsetxattr(path(sys, "fifo"), name, name, 1, 0), Err(Errno::EPERM));
    assert_eq!(sys.fsetxattr(fifo, name, name, 1, 0), Err(Errno::EPERM));
    assert_eq!(sys.getxattr(path(sys, "fifo"), name, 0, 0), Err(Errno::ENODATA));
    Ok(())
}

fn a_file_being_read_is_brought_to_its_device(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    let file = open(sys, "file", OpenFlags::O_RDONLY)?;
    assert_eq!([sys.fsync(file)?, sys.fdatasync(file)?], [0, 0]);
    assert_eq!(sys.syncfs(open(sys, "/proc", OpenFlags::O_RDONLY)?)?, 0);
    Ok(())
}
