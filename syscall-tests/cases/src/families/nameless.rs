//! Files without a name: memfd_create(2) and O_TMPFILE.

use alloc::format;
use alloc::string::String;

use kernel_abi::flags::{
    AtFlags, ClockId, EpollFlags, EventfdFlags, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE, FcntlCommand,
    MapFlags, MemfdFlags, OpenFlags, PidfdFlags, PipeFlags, ProtFlags, SignalfdFlags, TimerfdFlags, Whence,
};
use kernel_abi::{Calls, Errno, Fd, Mode, Pid, Result, SigSet, Signal, Sys};

use super::Outcome;
use super::file::{create, descriptor, open, read, write};
use super::how::about;
use super::pipe::pipe;

cases! { "nameless":
    a_memory_file_is_a_file, a_memory_file_is_mapped, seals_keep_a_file_as_it_is, what_is_not_sealed,
    what_a_memory_file_refuses, a_temporary_file_gets_a_name, an_exclusive_temporary_file_stays_without,
    what_a_temporary_file_refuses, what_has_no_name_is_called_by_its_kind,
}

fn memory(sys: &dyn Sys, flags: MemfdFlags) -> Result<Fd> {
    let name = sys.path(sys.page(), "name");
    sys.memfd_create(name, flags).map(descriptor)
}

fn a_memory_file_is_a_file(sys: &dyn Sys) -> Outcome {
    let file = memory(sys, MemfdFlags::MFD_CLOEXEC)?;
    assert_eq!(sys.fcntl(file, FcntlCommand::F_GETFD, 0)?, 1);
    write(sys, file, b"bytes")?;
    sys.lseek(file, 1, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 10)?, b"ytes");
    sys.ftruncate(file, 2_i64)?;
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 10)?, b"by");
    Ok(())
}

fn map(sys: &dyn Sys, file: Fd, prot: ProtFlags, flags: MapFlags) -> Result {
    sys.mmap(0, 4096, prot, flags, file, 0)
}

fn a_memory_file_is_mapped(sys: &dyn Sys) -> Outcome {
    let file = memory(sys, MemfdFlags::empty())?;
    sys.ftruncate(file, 4096_i64)?;
    let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let (a, b) = (map(sys, file, both, MapFlags::MAP_SHARED)?, map(sys, file, both, MapFlags::MAP_SHARED)?);
    sys.store(a, &7_u32);
    assert_eq!(sys.load::<u32>(b), 7);
    assert_eq!(read(sys, file, 4)?, 7_u32.to_ne_bytes());
    Ok(())
}

fn seal(sys: &dyn Sys, file: Fd, seals: u32) -> Result {
    sys.fcntl(file, FcntlCommand::F_ADD_SEALS, seals as usize)
}

fn seals_keep_a_file_as_it_is(sys: &dyn Sys) -> Outcome {
    let file = memory(sys, MemfdFlags::MFD_ALLOW_SEALING)?;
    assert_eq!(sys.fcntl(file, FcntlCommand::F_GET_SEALS, 0)?, 0);
    sys.ftruncate(file, 100_i64)?;
    seal(sys, file, F_SEAL_SHRINK | F_SEAL_GROW)?;
    assert_eq!(sys.ftruncate(file, 99_i64), Err(Errno::EPERM));
    assert_eq!(sys.ftruncate(file, 101_i64), Err(Errno::EPERM));
    assert_eq!(sys.pwrite64(file, sys.page(), 1, 100_i64), Err(Errno::EPERM));
    assert_eq!(sys.pwrite64(file, sys.page(), 1, 99_i64)?, 1);
    seal(sys, file, F_SEAL_WRITE | F_SEAL_SEAL)?;
    assert_eq!(sys.pwrite64(file, sys.page(), 1, 0_i64), Err(Errno::EPERM));
    let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    assert_eq!(map(sys, file, both, MapFlags::MAP_SHARED), Err(Errno::EPERM));
    map(sys, file, both, MapFlags::MAP_PRIVATE)?;
    let shown = map(sys, file, ProtFlags::PROT_READ, MapFlags::MAP_SHARED)?;
    assert_eq!(sys.mprotect(shown, 4096, both), Err(Errno::EACCES));
    assert_eq!(seal(sys, file, F_SEAL_SHRINK), Err(Errno::EPERM));
    assert_eq!(sys.fcntl(file, FcntlCommand::F_GET_SEALS, 0)?, 15);
    Ok(())
}

fn what_is_not_sealed(sys: &dyn Sys) -> Outcome {
    let file = memory(sys, MemfdFlags::empty())?;
    assert_eq!(sys.fcntl(file, FcntlCommand::F_GET_SEALS, 0)?, F_SEAL_SEAL as usize);
    assert_eq!(seal(sys, file, F_SEAL_GROW), Err(Errno::EPERM));
    let file = memory(sys, MemfdFlags::MFD_ALLOW_SEALING)?;
    assert_eq!(seal(sys, file, 0x8000), Err(Errno::EINVAL));
    let pair = sys.pipe2(sys.page(), 0)?;
    assert_eq!(pair, 0);
    assert_eq!(seal(sys, Fd(sys.load(sys.page())), F_SEAL_GROW), Err(Errno::EPERM));
    assert_eq!(seal(sys, Fd(sys.load(sys.page() + 4)), F_SEAL_GROW), Err(Errno::EINVAL));
    Ok(())
}

fn what_a_memory_file_refuses(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.memfd_create(8, MemfdFlags::empty()), Err(Errno::EFAULT));
    assert_eq!(memory(sys, MemfdFlags::from_bits_retain(0x8000)), Err(Errno::EINVAL));
    let long = "x".repeat(250);
    assert_eq!(sys.memfd_create(sys.path(sys.page(), &long), 0), Err(Errno::EINVAL));
    sys.memfd_create(sys.path(sys.page(), &long[..249]), 0)?;
    Ok(())
}

fn temporary(sys: &dyn Sys, place: &str, flags: OpenFlags) -> Result<Fd> {
    let path = sys.path(sys.page() + 0x1000, place);
    sys.openat(Fd::CWD, path, OpenFlags::O_TMPFILE | flags, Mode(0o600)).map(descriptor)
}

fn link(sys: &dyn Sys, file: Fd, name: &str) -> Result {
    let from = sys.path(sys.page() + 0x1000, &format!("/proc/self/fd/{}", file.0));
    let to = sys.path(sys.page() + 0x2000, name);
    sys.linkat(Fd::CWD, from, Fd::CWD, to, AtFlags::AT_SYMLINK_FOLLOW)
}

fn a_temporary_file_gets_a_name(sys: &dyn Sys) -> Outcome {
    let file = temporary(sys, ".", OpenFlags::O_RDWR)?;
    write(sys, file, b"kept")?;
    assert_eq!(open(sys, "name", OpenFlags::O_RDONLY), Err(Errno::ENOENT));
    link(sys, file, "name")?;
    assert_eq!(read(sys, open(sys, "name", OpenFlags::O_RDONLY)?, 10)?, b"kept");
    Ok(())
}

fn an_exclusive_temporary_file_stays_without(sys: &dyn Sys) -> Outcome {
    let file = temporary(sys, ".", OpenFlags::O_RDWR | OpenFlags::O_EXCL)?;
    assert_eq!(link(sys, file, "name"), Err(Errno::ENOENT));
    Ok(())
}

fn what_a_temporary_file_refuses(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    assert_eq!(temporary(sys, ".", OpenFlags::O_RDONLY), Err(Errno::EINVAL));
    assert_eq!(temporary(sys, "file", OpenFlags::O_RDWR), Err(Errno::ENOTDIR));
    sys.symlinkat(sys.path(sys.page(), "."), Fd::CWD, sys.path(sys.page() + 64, "link"))?;
    assert_eq!(temporary(sys, "link", OpenFlags::O_RDWR | OpenFlags::O_NOFOLLOW), Err(Errno::ENOTDIR));
    temporary(sys, "link", OpenFlags::O_RDWR)?;
    assert_eq!(temporary(sys, "missing", OpenFlags::O_RDWR), Err(Errno::ENOENT));
    assert_eq!(temporary(sys, ".", OpenFlags::O_RDWR | OpenFlags::O_CREAT), Err(Errno::EINVAL));
    Ok(())
}

fn what_has_no_name_is_called_by_its_kind(sys: &dyn Sys) -> Outcome {
    let called = |file: Fd| -> Result<String> {
        let path = sys.path(sys.page(), &format!("/proc/self/fd/{}", file.0));
        let len = sys.readlinkat(Fd::CWD, path, sys.page() + 0x1000, 256)?;
        Ok(String::from_utf8_lossy(&sys.bytes(sys.page() + 0x1000, len)).into_owned())
    };
    let set = sys.store(sys.page(), &SigSet::of(&[Signal::SIGUSR1]));
    let kinds = [
        (sys.eventfd2(0, EventfdFlags::empty())?, "eventfd"),
        (sys.timerfd_create(ClockId::CLOCK_MONOTONIC, TimerfdFlags::empty())?, "timerfd"),
        (sys.signalfd4(Fd(-1), set, 8, SignalfdFlags::empty())?, "signalfd"),
        (sys.epoll_create1(EpollFlags::empty())?, "eventpoll"),
    ];
    for (file, kind) in kinds {
        assert_eq!(called(descriptor(file))?, format!("anon_inode:[{kind}]"));
    }
    let [reader, _] = pipe(sys, PipeFlags::empty())?;
    let number = format!("pipe:[{}]", about(sys, reader)?.ino);
    assert_eq!(called(reader)?, number);
    let process = descriptor(sys.pidfd_open(Pid(sys.getpid()? as i32), PidfdFlags::empty())?);
    // Since Linux 6.9 they have a file system of their own.
    let names = [String::from("anon_inode:[pidfd]"), format!("pidfd:[{}]", about(sys, process)?.ino)];
    assert!(names.contains(&called(process)?), "{}", called(process)?);
    assert_eq!(called(memory(sys, MemfdFlags::empty())?)?, "/memfd:name (deleted)");
    Ok(())
}
