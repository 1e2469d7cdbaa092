//! Every call that takes a descriptor, against descriptors that will not do; every call that gives one.

use alloc::vec::Vec;

use kernel_abi::flags::{
    AtFlags, ClockId, CloseRangeFlags, DupFlags, EpollFlags, EpollOp, EventfdFlags, Fadvice, FallocateMode,
    FcntlCommand, FlockOperation, IoctlCommand, MemfdFlags, OpenFlags, PipeFlags, Resource, RwFlags, SignalfdFlags,
    StatxMask, SyncRangeFlags, TimerfdFlags, Whence,
};
use kernel_abi::structs::{Iovec, OpenHow, Rlimit};
use kernel_abi::{Calls, Errno, Fd, Mode, Result, Sys};

use super::Outcome;
use super::file::{create, descriptor, open};
use super::pipe::pipe;

cases! { "number":
    nothing_is_read_from_a_closed_number, nothing_is_written_to_a_closed_number, no_closed_number_is_moved_about,
    nobody_asks_about_a_closed_number, no_closed_number_is_doubled, no_closed_number_is_waited_for,
    a_place_is_not_read, a_place_is_not_written, a_place_is_not_changed, a_place_is_asked_about,
    a_pipe_has_no_places_to_read, a_pipe_has_no_places_to_write, a_directory_is_read_by_nobody,
    a_reader_is_not_written, a_writer_is_not_read, wild_buffers_to_read_into, wild_buffers_to_write_from,
    wild_places_for_answers, an_old_listing_needs_a_directory_and_a_place needs getdents, every_way_to_a_number_is_limited, a_limit_below_what_is_open,
    the_lowest_number_is_given_by_everybody, numbers_that_no_descriptor_can_have, closed_on_exec_by_every_maker,
    what_close_range_refuses, a_range_behind_everything_is_empty,
}

/// A call, and how to make it with a descriptor.
type Step = (&'static str, fn(&dyn Sys, Fd) -> Result);

const SAME: u32 = u32::MAX;

fn at(sys: &dyn Sys) -> usize {
    sys.page() + 0x4000
}

/// A vector of one byte.
fn vector(sys: &dyn Sys) -> usize {
    sys.store(sys.page() + 0x3000, &Iovec { iov_base: at(sys), iov_len: 1 })
}

fn zero(sys: &dyn Sys) -> usize {
    sys.store(sys.page() + 0x3100, &[0_u64; 4])
}

fn name(sys: &dyn Sys) -> usize {
    sys.path(sys.page() + 0x3200, "user.one")
}

const READING: &[Step] = &[
    ("read", |sys, file| sys.read(file, at(sys), 1)),
    ("readv", |sys, file| sys.readv(file, vector(sys), 1)),
    ("preadv2 at the offset", |sys, file| sys.preadv2(file, vector(sys), 1, -1_i64, 0, RwFlags::empty())),
    ("pread64", |sys, file| sys.pread64(file, at(sys), 1, 0)),
    ("preadv", |sys, file| sys.preadv(file, vector(sys), 1, 0, 0)),
    ("preadv2", |sys, file| sys.preadv2(file, vector(sys), 1, 0, 0, RwFlags::empty())),
];

const WRITING: &[Step] = &[
    ("write", |sys, file| sys.write(file, at(sys), 1)),
    ("writev", |sys, file| sys.writev(file, vector(sys), 1)),
    ("pwritev2 at the offset", |sys, file| sys.pwritev2(file, vector(sys), 1, -1_i64, 0, RwFlags::empty())),
    ("pwrite64", |sys, file| sys.pwrite64(file, at(sys), 1, 0)),
    ("pwritev", |sys, file| sys.pwritev(file, vector(sys), 1, 0, 0)),
    ("pwritev2", |sys, file| sys.pwritev2(file, vector(sys), 1, 0, 0, RwFlags::empty())),
    ("fallocate", |sys, file| sys.fallocate(file, FallocateMode::empty(), 0, 1)),
];

/// What O_PATH does not do either.
const CHANGING: &[Step] = &[
    ("lseek", |sys, file| sys.lseek(file, 0, Whence::SEEK_SET)),
    ("ftruncate", |sys, file| sys.ftruncate(file, 0)),
    ("fadvise64", |sys, file| sys.fadvise64(file, 0, 0, Fadvice::POSIX_FADV_NORMAL)),
    ("fsync", |sys, file| sys.fsync(file)),
    ("fdatasync", |sys, file| sys.fdatasync(file)),
    ("sync_file_range", |sys, file| sys.sync_file_range(file, 0, 0, SyncRangeFlags::empty())),
    ("syncfs", |sys, file| sys.syncfs(file)),
    ("ioctl", |sys, file| sys.ioctl(file, IoctlCommand::FIONREAD, at(sys))),
    ("flock", |sys, file| sys.flock(file, FlockOperation::LOCK_SH)),
    ("fcntl", |sys, file| sys.fcntl(file, FcntlCommand::F_SETFL, 0)),
    ("fchmod", |sys, file| sys.fchmod(file, Mode(0o600))),
    ("fchown", |sys, file| sys.fchown(file, SAME, SAME)),
    ("fsetxattr", |sys, file| sys.fsetxattr(file, name(sys), at(sys), 1, 0)),
    ("fgetxattr", |sys, file| sys.fgetxattr(file, name(sys), at(sys), 1)),
    ("flistxattr", |sys, file| sys.flistxattr(file, at(sys), 1)),
    ("fremovexattr", |sys, file| sys.fremovexattr(file, name(sys))),
    ("getdents64", |sys, file| sys.getdents64(file, at(sys), 1000)),
    ("utimensat without a path", |sys, file| sys.utimensat(file, 0, 0, 0)),
];

const ASKING: &[Step] = &[
    ("fstat", |sys, file| sys.fstat(file, at(sys))),
    ("fstatfs", |sys, file| sys.fstatfs(file, at(sys))),
    ("newfstatat", |sys, file| sys.newfstatat(file, empty(sys), at(sys), AtFlags::AT_EMPTY_PATH)),
    ("statx", |sys, file| sys.statx(file, empty(sys), AtFlags::AT_EMPTY_PATH, StatxMask::empty(), at(sys))),
    ("fcntl of its flag", |sys, file| sys.fcntl(file, FcntlCommand::F_GETFD, 0)),
    ("fcntl of its flags", |sys, file| sys.fcntl(file, FcntlCommand::F_GETFL, 0)),
    ("fchownat", |sys, file| sys.fchownat(file, empty(sys), SAME, SAME, AtFlags::AT_EMPTY_PATH)),
    ("fchmodat2", |sys, file| sys.fchmodat2(file, empty(sys), Mode(0o755), AtFlags::AT_EMPTY_PATH)),
];

const DOUBLING: &[Step] = &[
    ("dup", |sys, file| sys.dup(file)),
    ("dup2", |sys, file| sys.dup2(file, Fd(20))),
    ("dup2 onto itself", |sys, file| sys.dup2(file, file)),
    ("dup3", |sys, file| sys.dup3(file, Fd(21), DupFlags::empty())),
    ("fcntl", |sys, file| sys.fcntl(file, FcntlCommand::F_DUPFD, 0)),
    ("fcntl, closed on exec", |sys, file| sys.fcntl(file, FcntlCommand::F_DUPFD_CLOEXEC, 0)),
];

fn empty(sys: &dyn Sys) -> usize {
    sys.path(sys.page() + 0x3300, "")
}

fn refused(sys: &dyn Sys, steps: &[Step], file: Fd, errno: Errno) {
    for (name, step) in steps {
        assert_eq!(step(sys, file), Err(errno), "{name}");
    }
}

const CLOSED: [Fd; 4] = [Fd(99), Fd(-1), Fd(i32::MIN), Fd(i32::MAX)];

fn nothing_is_read_from_a_closed_number(sys: &dyn Sys) -> Outcome {
    CLOSED.iter().for_each(|file| refused(sys, READING, *file, Errno::EBADF));
    Ok(())
}

fn nothing_is_written_to_a_closed_number(sys: &dyn Sys) -> Outcome {
    CLOSED.iter().for_each(|file| refused(sys, WRITING, *file, Errno::EBADF));
    Ok(())
}

fn no_closed_number_is_moved_about(sys: &dyn Sys) -> Outcome {
    CLOSED.iter().for_each(|file| refused(sys, CHANGING, *file, Errno::EBADF));
    Ok(())
}

fn nobody_asks_about_a_closed_number(sys: &dyn Sys) -> Outcome {
    CLOSED.iter().for_each(|file| refused(sys, ASKING, *file, Errno::EBADF));
    Ok(())
}

fn no_closed_number_is_doubled(sys: &dyn Sys) -> Outcome {
    CLOSED.iter().for_each(|file| refused(sys, DOUBLING, *file, Errno::EBADF));
    Ok(())
}

fn no_closed_number_is_waited_for(sys: &dyn Sys) -> Outcome {
    let set = descriptor(sys.epoll_create1(EpollFlags::empty())?);
    let event = zero(sys);
    for file in CLOSED {
        assert_eq!(sys.close(file), Err(Errno::EBADF));
        assert_eq!(sys.epoll_ctl(set, EpollOp::EPOLL_CTL_ADD, file, event), Err(Errno::EBADF));
        assert_eq!(sys.epoll_ctl(file, EpollOp::EPOLL_CTL_ADD, set, event), Err(Errno::EBADF));
        assert_eq!(sys.epoll_wait(file, at(sys), 1, 0), Err(Errno::EBADF));
        assert_eq!(sys.epoll_pwait(file, at(sys), 1, 0, 0, 8), Err(Errno::EBADF));
        assert_eq!(sys.epoll_pwait2(file, at(sys), 1, zero(sys), 0, 8), Err(Errno::EBADF));
        assert_eq!(sys.timerfd_settime(file, 0, zero(sys), 0), Err(Errno::EBADF));
        assert_eq!(sys.timerfd_gettime(file, at(sys)), Err(Errno::EBADF));
        assert_eq!(sys.fchdir(file), Err(Errno::EBADF));
        assert_eq!(sys.sendfile(file, file, 0, 1), Err(Errno::EBADF));
        assert_eq!(sys.copy_file_range(file, 0, file, 0, 1, 0), Err(Errno::EBADF));
    }
    Ok(())
}

fn place(sys: &dyn Sys) -> Result<Fd> {
    create(sys, "file")?;
    open(sys, "file", OpenFlags::O_PATH)
}

fn a_place_is_not_read(sys: &dyn Sys) -> Outcome {
    refused(sys, READING, place(sys)?, Errno::EBADF);
    Ok(())
}

fn a_place_is_not_written(sys: &dyn Sys) -> Outcome {
    refused(sys, WRITING, place(sys)?, Errno::EBADF);
    Ok(())
}

fn a_place_is_not_changed(sys: &dyn Sys) -> Outcome {
    refused(sys, CHANGING, place(sys)?, Errno::EBADF);
    Ok(())
}

fn a_place_is_asked_about(sys: &dyn Sys) -> Outcome {
    let place = place(sys)?;
    for (name, step) in ASKING.iter().chain(DOUBLING) {
        assert!(step(sys, place).is_ok(), "{name}");
    }
    let flags = sys.fcntl(place, FcntlCommand::F_GETFL, 0)?;
    assert_eq!(flags, OpenFlags::O_PATH.bits() as usize);
    Ok(())
}

fn a_pipe_has_no_places_to_read(sys: &dyn Sys) -> Outcome {
    let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
    refused(sys, &READING[3..], reader, Errno::ESPIPE);
    for whence in [Whence::SEEK_SET, Whence::SEEK_CUR, Whence::SEEK_END, Whence::SEEK_DATA, Whence::SEEK_HOLE] {
        assert_eq!(sys.lseek(reader, 0, whence), Err(Errno::ESPIPE));
    }
    assert_eq!(sys.fadvise64(reader, 0, 0, Fadvice::POSIX_FADV_NORMAL), Err(Errno::ESPIPE));
    assert_eq!(sys.sync_file_range(reader, 0, 0, SyncRangeFlags::empty()), Err(Errno::ESPIPE));
    Ok(())
}

fn a_pipe_has_no_places_to_write(sys: &dyn Sys) -> Outcome {
    let [_reader, writer] = pipe(sys, PipeFlags::empty())?;
    refused(sys, &WRITING[3..], writer, Errno::ESPIPE);
    assert_eq!(sys.ftruncate(writer, 0), Err(Errno::EINVAL));
    assert_eq!(sys.fsync(writer), Err(Errno::EINVAL));
    assert_eq!(sys.fdatasync(writer), Err(Errno::EINVAL));
    Ok(())
}

fn a_directory_is_read_by_nobody(sys: &dyn Sys) -> Outcome {
    let directory = open(sys, ".", OpenFlags::O_RDONLY)?;
    refused(sys, READING, directory, Errno::EISDIR);
    refused(sys, WRITING, directory, Errno::EBADF);
    assert_eq!(sys.ftruncate(directory, 0), Err(Errno::EINVAL));
    Ok(())
}

fn a_reader_is_not_written(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    refused(sys, WRITING, open(sys, "file", OpenFlags::O_RDONLY)?, Errno::EBADF);
    let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
    refused(sys, &WRITING[..3], reader, Errno::EBADF);
    Ok(())
}

fn a_writer_is_not_read(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    refused(sys, READING, open(sys, "file", OpenFlags::O_WRONLY)?, Errno::EBADF);
    let [_reader, writer] = pipe(sys, PipeFlags::empty())?;
    refused(sys, &READING[..3], writer, Errno::EBADF);
    Ok(())
}

/// Addresses that nobody has.
const WILD: [usize; 3] = [8, usize::MAX - 4095, 1 << 63];

fn wild_buffers_to_read_into(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    sys.ftruncate(file, 10)?;
    for wild in WILD {
        let list = sys.store(sys.page() + 0x3400, &Iovec { iov_base: wild, iov_len: 4 });
        let answers = [
            sys.read(file, wild, 4),
            sys.pread64(file, wild, 4, 0),
            sys.readv(file, list, 1),
            sys.readv(file, wild, 1),
            sys.preadv(file, list, 1, 0, 0),
            sys.preadv(file, wild, 1, 0, 0),
            sys.preadv2(file, list, 1, 0, 0, RwFlags::empty()),
            sys.preadv2(file, wild, 1, 0, 0, RwFlags::empty()),
        ];
        assert_eq!(answers, [Err(Errno::EFAULT); 8], "{wild:#x}");
    }
    assert_eq!(sys.lseek(file, 0, Whence::SEEK_CUR)?, 0);
    Ok(())
}

fn wild_buffers_to_write_from(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    for wild in WILD {
        let list = sys.store(sys.page() + 0x3400, &Iovec { iov_base: wild, iov_len: 4 });
        let answers = [
            sys.write(file, wild, 4),
            sys.pwrite64(file, wild, 4, 0),
            sys.writev(file, list, 1),
            sys.writev(file, wild, 1),
            sys.pwritev(file, list, 1, 0, 0),
            sys.pwritev(file, wild, 1, 0, 0),
            sys.pwritev2(file, list, 1, 0, 0, RwFlags::empty()),
            sys.pwritev2(file, wild, 1, 0, 0, RwFlags::empty()),
        ];
        assert_eq!(answers, [Err(Errno::EFAULT); 8], "{wild:#x}");
    }
    assert_eq!(sys.lseek(file, 0, Whence::SEEK_END)?, 0);
    Ok(())
}

fn an_old_listing_needs_a_directory_and_a_place(sys: &dyn Sys) -> Outcome {
    CLOSED.iter().for_each(|file| assert_eq!(sys.getdents(*file, at(sys), 1000), Err(Errno::EBADF)));
    let place = open(sys, ".", OpenFlags::O_PATH)?;
    assert_eq!(sys.getdents(place, at(sys), 1000), Err(Errno::EBADF));
    let directory = open(sys, ".", OpenFlags::O_RDONLY)?;
    WILD.iter().for_each(|wild| assert_eq!(sys.getdents(directory, *wild, 1000), Err(Errno::EFAULT)));
    Ok(())
}

fn wild_places_for_answers(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let directory = open(sys, ".", OpenFlags::O_RDONLY)?;
    let timer = descriptor(sys.timerfd_create(ClockId::CLOCK_MONOTONIC, TimerfdFlags::empty())?);
    let dot = sys.path(sys.page(), ".");
    let link = sys.path(sys.page() + 0x100, "link");
    sys.symlinkat(dot, Fd::CWD, link)?;
    for wild in WILD {
        let answers = [
            sys.fstat(file, wild),
            sys.stat(dot, wild),
            sys.lstat(dot, wild),
            sys.newfstatat(Fd::CWD, dot, wild, AtFlags::empty()),
            sys.statx(Fd::CWD, dot, AtFlags::empty(), StatxMask::empty(), wild),
            sys.statfs(dot, wild),
            sys.fstatfs(file, wild),
            sys.getcwd(wild, 4096),
            sys.getdents64(directory, wild, 1000),
            sys.readlink(link, wild, 10),
            sys.readlinkat(Fd::CWD, link, wild, 10),
            sys.pipe2(wild, 0),
            sys.pipe(wild),
            sys.timerfd_gettime(timer, wild),
            sys.timerfd_settime(timer, 0, wild, 0),
            sys.signalfd4(Fd(-1), wild, 8, SignalfdFlags::empty()),
            sys.memfd_create(wild, MemfdFlags::empty()),
            sys.poll(wild, 1, 0),
            sys.ppoll(wild, 1, zero(sys), 0, 8),
            sys.openat2(Fd::CWD, dot, wild, size_of::<OpenHow>()),
            sys.fcntl(file, FcntlCommand::F_GETLK, wild),
            sys.ioctl(file, IoctlCommand::FIONREAD, wild),
        ];
        for (place, answer) in answers.iter().enumerate() {
            assert_eq!(*answer, Err(Errno::EFAULT), "call {place} with {wild:#x}");
        }
    }
    Ok(())
}

/// Calls that give a descriptor.
fn makers(sys: &dyn Sys) -> Vec<(&'static str, Result)> {
    let dot = sys.path(sys.page(), ".");
    let made = sys.path(sys.page() + 0x100, "made");
    let how = sys.store(sys.page() + 0x200, &OpenHow::default());
    let flags = OpenFlags::O_RDONLY;
    alloc::vec![
        ("open", sys.open(dot, flags, 0)),
        ("openat", sys.openat(Fd::CWD, dot, flags, 0)),
        ("openat of a place", sys.openat(Fd::CWD, dot, OpenFlags::O_PATH, 0)),
        ("openat2", sys.openat2(Fd::CWD, dot, how, size_of::<OpenHow>())),
        ("creat", sys.creat(made, Mode(0o600))),
        ("dup", sys.dup(Fd(0))),
        ("fcntl", sys.fcntl(Fd(0), FcntlCommand::F_DUPFD, 0)),
        ("fcntl, closed on exec", sys.fcntl(Fd(0), FcntlCommand::F_DUPFD_CLOEXEC, 0)),
        ("eventfd", sys.eventfd(0)),
        ("eventfd2", sys.eventfd2(0, EventfdFlags::empty())),
        ("signalfd", sys.signalfd(Fd(-1), zero(sys), 8)),
        ("signalfd4", sys.signalfd4(Fd(-1), zero(sys), 8, SignalfdFlags::empty())),
        ("timerfd_create", sys.timerfd_create(ClockId::CLOCK_MONOTONIC, TimerfdFlags::empty())),
        ("memfd_create", sys.memfd_create(name(sys), MemfdFlags::empty())),
        ("epoll_create", sys.epoll_create(1)),
        ("epoll_create1", sys.epoll_create1(EpollFlags::empty())),
    ]
}

fn limit(sys: &dyn Sys, descriptors: u64) -> Result {
    let limit = sys.store(sys.page(), &Rlimit { rlim_cur: descriptors, rlim_max: descriptors });
    sys.setrlimit(Resource::RLIMIT_NOFILE, limit)
}

fn every_way_to_a_number_is_limited(sys: &dyn Sys) -> Outcome {
    limit(sys, 3)?;
    for (name, answer) in makers(sys) {
        assert_eq!(answer, Err(Errno::EMFILE), "{name}");
    }
    assert_eq!(sys.pipe2(at(sys), PipeFlags::empty()), Err(Errno::EMFILE));
    assert_eq!(sys.pipe(at(sys)), Err(Errno::EMFILE));
    assert_eq!(sys.dup2(Fd(0), Fd(3)), Err(Errno::EBADF));
    assert_eq!(sys.dup3(Fd(0), Fd(3), DupFlags::empty()), Err(Errno::EBADF));
    assert_eq!(sys.fcntl(Fd(0), FcntlCommand::F_DUPFD, 3), Err(Errno::EINVAL));
    // What has a number already takes none.
    sys.dup2(Fd(0), Fd(1))?;
    Ok(())
}

fn a_limit_below_what_is_open(sys: &dyn Sys) -> Outcome {
    let files = [create(sys, "a")?, create(sys, "b")?, create(sys, "c")?];
    limit(sys, 4)?;
    // What is open stays so.
    assert_eq!(sys.write(files[2], sys.page(), 1)?, 1);
    assert_eq!(sys.dup(files[2]), Err(Errno::EMFILE));
    sys.close(files[0])?;
    assert_eq!(sys.dup(files[2])?, 3);
    assert_eq!(sys.dup2(files[2], files[1]), Err(Errno::EBADF));
    // One number is not enough for two ends, and is not lost.
    sys.close(files[0])?;
    assert_eq!(sys.pipe2(at(sys), PipeFlags::empty()), Err(Errno::EMFILE));
    assert_eq!(sys.dup(files[2])?, 3);
    Ok(())
}

fn the_lowest_number_is_given_by_everybody(sys: &dyn Sys) -> Outcome {
    for number in 0..makers(sys).len() {
        sys.close_range(3, u32::MAX, CloseRangeFlags::empty())?;
        create(sys, "file")?;
        let hole = create(sys, "file")?;
        create(sys, "file")?;
        sys.close(hole)?;
        let (name, answer) = makers(sys)[number];
        // The makers before it have taken the hole, and what is behind.
        assert_eq!(answer?, if number == 0 { 4 } else { 5 + number }, "{name}");
    }
    Ok(())
}

fn numbers_that_no_descriptor_can_have(sys: &dyn Sys) -> Outcome {
    for number in [Fd(-1), Fd(i32::MIN), Fd(i32::MAX)] {
        assert_eq!(sys.dup2(Fd(0), number), Err(Errno::EBADF));
        assert_eq!(sys.dup3(Fd(0), number, DupFlags::O_CLOEXEC), Err(Errno::EBADF));
    }
    assert_eq!(sys.dup3(Fd(0), Fd(5), DupFlags::from_bits_retain(1)), Err(Errno::EINVAL));
    assert_eq!(sys.dup3(Fd(99), Fd(99), DupFlags::empty()), Err(Errno::EINVAL));
    assert_eq!(sys.fcntl(Fd(0), FcntlCommand::F_DUPFD, i32::MAX), Err(Errno::EINVAL));
    assert_eq!(sys.fcntl(Fd(0), FcntlCommand::F_DUPFD, -1_i64), Err(Errno::EINVAL));
    Ok(())
}

fn closed_on_exec_by_every_maker(sys: &dyn Sys) -> Outcome {
    let dot = sys.path(sys.page(), ".");
    let cloexec = u64::from(OpenFlags::O_CLOEXEC.bits());
    let how = sys.store(sys.page() + 0x200, &OpenHow { flags: cloexec, ..OpenHow::default() });
    sys.pipe2(at(sys), PipeFlags::O_CLOEXEC)?;
    let [reader, writer]: [i32; 2] = sys.load(at(sys));
    let files = [
        reader as usize,
        writer as usize,
        sys.openat(Fd::CWD, dot, OpenFlags::O_CLOEXEC, 0)?,
        sys.openat(Fd::CWD, dot, OpenFlags::O_PATH | OpenFlags::O_CLOEXEC, 0)?,
        sys.openat2(Fd::CWD, dot, how, size_of::<OpenHow>())?,
        sys.dup3(Fd(0), Fd(30), DupFlags::O_CLOEXEC)?,
        sys.fcntl(Fd(0), FcntlCommand::F_DUPFD_CLOEXEC, 0)?,
        sys.eventfd2(0, EventfdFlags::EFD_CLOEXEC)?,
        sys.signalfd4(Fd(-1), zero(sys), 8, SignalfdFlags::SFD_CLOEXEC)?,
        sys.timerfd_create(ClockId::CLOCK_MONOTONIC, TimerfdFlags::TFD_CLOEXEC)?,
        sys.memfd_create(name(sys), MemfdFlags::MFD_CLOEXEC)?,
        sys.epoll_create1(EpollFlags::EPOLL_CLOEXEC)?,
    ];
    for file in files {
        assert_eq!(sys.fcntl(descriptor(file), FcntlCommand::F_GETFD, 0)?, 1, "{file}");
        // It is no status of the open file.
        assert_eq!(sys.fcntl(descriptor(file), FcntlCommand::F_GETFL, 0)? as u64 & cloexec, 0, "{file}");
    }
    Ok(())
}

fn what_close_range_refuses(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.close_range(1, 0, CloseRangeFlags::empty()), Err(Errno::EINVAL));
    assert_eq!(sys.close_range(3, 4, CloseRangeFlags::from_bits_retain(1)), Err(Errno::EINVAL));
    assert_eq!(sys.close_range(u32::MAX, 3, CloseRangeFlags::CLOSE_RANGE_CLOEXEC), Err(Errno::EINVAL));
    Ok(())
}

fn a_range_behind_everything_is_empty(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    sys.close_range(1000, u32::MAX, CloseRangeFlags::empty())?;
    sys.close_range(1000, 2000, CloseRangeFlags::CLOSE_RANGE_CLOEXEC)?;
    sys.close_range(u32::MAX, u32::MAX, CloseRangeFlags::CLOSE_RANGE_UNSHARE)?;
    sys.close(file)?;
    Ok(())
}
