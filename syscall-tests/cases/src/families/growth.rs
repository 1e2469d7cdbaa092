//! How far files grow, and when they were read.

use kernel_abi::flags::{AtFlags, FallocateMode, OpenFlags, Resource, Whence};
use kernel_abi::structs::{Rlimit, Stat, Timespec, status_signaled};
use kernel_abi::{Calls, Errno, Fd, Result, Signal, Sys};

use super::Outcome;
use super::file::{create, open, read};
use super::process::wait;
use super::signal::{counted, counts, handle};

cases! { "growth":
    a_write_ends_where_files_may_not_grow, growing_by_size_is_limited_too, too_much_kills, reading_is_noted_once,
    what_is_sent_and_does_not_fit_is_refused,
}

const LIMIT: u64 = 100;

/// Lets files grow so far, and counts the refusals.
fn limit(sys: &dyn Sys) -> Result {
    handle(sys, Signal::SIGXFSZ, counts)?;
    let limit = sys.store(sys.page(), &Rlimit { rlim_cur: LIMIT, rlim_max: LIMIT });
    sys.setrlimit(Resource::RLIMIT_FSIZE, limit)
}

fn a_write_ends_where_files_may_not_grow(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    limit(sys)?;
    assert_eq!(sys.write(file, sys.page(), 90)?, 90);
    assert_eq!(sys.write(file, sys.page(), 90)?, 10);
    assert_eq!(sys.write(file, sys.page(), 90), Err(Errno::EFBIG));
    assert_eq!(counted(sys), [1, Signal::SIGXFSZ.number() as u64]);
    assert_eq!(sys.pwrite64(file, sys.page(), 10, 95_i64)?, 5);
    assert_eq!(sys.pwrite64(file, sys.page(), 10, 100_i64), Err(Errno::EFBIG));
    assert_eq!(sys.write(file, sys.page(), 0)?, 0);
    let end = open(sys, "file", OpenFlags::O_WRONLY | OpenFlags::O_APPEND)?;
    assert_eq!(sys.write(end, sys.page(), 1), Err(Errno::EFBIG));
    // What is no file grows as it likes.
    sys.pipe2(sys.page(), 0)?;
    assert_eq!(sys.write(Fd(sys.load(sys.page() + 4)), sys.page(), 200)?, 200);
    Ok(())
}

fn growing_by_size_is_limited_too(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    sys.ftruncate(file, 200_i64)?;
    limit(sys)?;
    assert_eq!(sys.ftruncate(file, 201_i64), Err(Errno::EFBIG));
    sys.ftruncate(file, 150_i64)?;
    assert_eq!(sys.truncate(sys.path(sys.page(), "file"), 151_i64), Err(Errno::EFBIG));
    assert_eq!(counted(sys)[0], 2);
    // Room that does not count as size counts all the same, in memory.
    let memory = Fd(sys.memfd_create(sys.path(sys.page(), "memory"), 0)? as i32);
    assert_eq!(sys.fallocate(memory, FallocateMode::FALLOC_FL_KEEP_SIZE, 0_i64, 101_i64), Err(Errno::EFBIG));
    assert_eq!(counted(sys)[0], 3);
    sys.ftruncate(file, 0_i64)?;
    sys.ftruncate(file, 100_i64)?;
    Ok(())
}

fn too_much_kills(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        let limit = sys.store(sys.page(), &Rlimit { rlim_cur: 0, rlim_max: 0 });
        let limited = sys.setrlimit(Resource::RLIMIT_FSIZE, limit);
        let wrote = create(sys, "file").and_then(|file| sys.write(file, sys.page(), 1));
        i32::from(limited.is_err() || wrote.is_err())
    };
    let pid = sys.fork_with(child, 0)?;
    assert_eq!(wait(sys, pid)? & 0x7f, status_signaled(Signal::SIGXFSZ.number(), false));
    Ok(())
}

fn times(sys: &dyn Sys, file: Fd) -> Result<[Timespec; 2]> {
    sys.fstat(file, sys.page())?;
    let stat = Stat::decode(sys.arch(), &sys.bytes(sys.page(), Stat::size(sys.arch()))).expect("its size");
    Ok([stat.atime, stat.mtime])
}

fn reading_is_noted_once(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    sys.write(file, sys.page(), 10)?;
    let order = |time: Timespec| (time.tv_sec, time.tv_nsec);
    // Read last year, changed since.
    sys.store(
        sys.page(),
        &[Timespec { tv_sec: 1_000_000_000, tv_nsec: 0 }, Timespec { tv_sec: 1_000_000_001, tv_nsec: 0 }]
            .map(|time| [time.tv_sec, time.tv_nsec]),
    );
    sys.utimensat(file, 0, sys.page(), AtFlags::empty())?;
    assert_eq!(times(sys, file)?[0].tv_sec, 1_000_000_000);
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    let quiet = open(sys, "file", OpenFlags::O_RDONLY | OpenFlags::O_NOATIME)?;
    read(sys, quiet, 10)?;
    assert_eq!(times(sys, file)?[0].tv_sec, 1_000_000_000);
    read(sys, file, 10)?;
    let [accessed, changed] = times(sys, file)?;
    // Not where nobody wants to know (noatime).
    assert!(accessed.tv_sec == 1_000_000_000 || order(accessed) > order(changed));
    Ok(())
}

/// What fits is sent, and told; that there was more is a signal all the same.
fn what_is_sent_and_does_not_fit_is_refused(sys: &dyn Sys) -> Outcome {
    let (from, to) = (create(sys, "from")?, create(sys, "to")?);
    sys.ftruncate(from, 120_i64)?;
    limit(sys)?;
    let send = |to, len| -> Result {
        sys.lseek(from, 0, Whence::SEEK_SET)?;
        sys.sendfile(to, from, 0, len)
    };
    assert_eq!(send(to, 100)?, 100);
    sys.lseek(to, 50, Whence::SEEK_SET)?;
    assert_eq!(send(to, 50)?, 50);
    assert_eq!(counted(sys)[0], 0);
    sys.lseek(to, 0, Whence::SEEK_SET)?;
    assert_eq!(send(to, 200)?, 100);
    assert_eq!(counted(sys), [1, Signal::SIGXFSZ.number() as u64]);
    // A file that is sent behind itself never ends.
    let own = open(sys, "to", OpenFlags::O_RDWR)?;
    sys.ftruncate(own, 40_i64)?;
    sys.lseek(own, 40, Whence::SEEK_SET)?;
    sys.store(sys.page(), &0_u64);
    assert_eq!(sys.sendfile(own, own, sys.page(), 1000)?, 60);
    assert_eq!(counted(sys)[0], 2);
    Ok(())
}
