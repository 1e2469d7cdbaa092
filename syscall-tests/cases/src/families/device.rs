//! Device nodes, and the commands that files of all kinds answer.

use kernel_abi::flags::{
    AtFlags, FcntlCommand, FdFlags, IoctlCommand, MapFlags, MemfdFlags, OpenFlags, PipeFlags, ProtFlags, S_IFCHR,
    S_IFMT, Whence,
};
use kernel_abi::structs::{Stat, device_number, status_exited};
use kernel_abi::{Calls, Errno, Fd, Result, Sys};

use super::Outcome;
use super::file::{create, open, read, write};
use super::mapping::first;
use super::memory::{PAGE, RW};
use super::pipe::pipe;
use super::process::wait;

cases! { "device":
    null_takes_everything_and_gives_nothing, zero_gives_zeros, full_has_no_room, random_bytes_come_from_files_too,
    devices_have_numbers, a_device_has_no_size, descriptors_are_marked_by_command, waiting_is_turned_off_by_command,
    what_could_be_read_is_counted, what_is_no_command, what_files_know_of_their_room, who_is_told_that_a_file_is_ready,
    where_a_file_is_on_its_disk, how_random_the_machine_is, zeros_are_mapped,
}

fn device(sys: &dyn Sys, name: &str) -> Result<Fd> {
    open(sys, name, OpenFlags::O_RDWR)
}

fn null_takes_everything_and_gives_nothing(sys: &dyn Sys) -> Outcome {
    let null = device(sys, "/dev/null")?;
    assert_eq!(write(sys, null, &[1; 5000])?, 5000);
    assert_eq!(read(sys, null, 100)?, b"");
    assert_eq!(sys.lseek(null, 100, Whence::SEEK_SET)?, 0);
    assert_eq!(sys.pread64(null, sys.page(), 10, 5)?, 0);
    // Where it takes from is never looked at.
    assert_eq!(sys.write(null, 8, 100)?, 100);
    Ok(())
}

fn zero_gives_zeros(sys: &dyn Sys) -> Outcome {
    let zero = device(sys, "/dev/zero")?;
    sys.poke(sys.page() + 0x8000, &[9; 5000]);
    assert_eq!(read(sys, zero, 5000)?, [0; 5000]);
    assert_eq!(write(sys, zero, b"gone")?, 4);
    assert_eq!(sys.read(zero, 8, 100), Err(Errno::EFAULT));
    Ok(())
}

fn full_has_no_room(sys: &dyn Sys) -> Outcome {
    let full = device(sys, "/dev/full")?;
    assert_eq!(write(sys, full, b"x"), Err(Errno::ENOSPC));
    assert_eq!(read(sys, full, 3)?, [0; 3]);
    Ok(())
}

fn random_bytes_come_from_files_too(sys: &dyn Sys) -> Outcome {
    for name in ["/dev/urandom", "/dev/random"] {
        let random = open(sys, name, OpenFlags::O_RDONLY)?;
        let (one, other) = (read(sys, random, 64)?, read(sys, random, 64)?);
        assert_eq!([one.len(), other.len()], [64, 64]);
        assert_ne!(one, other);
    }
    Ok(())
}

fn devices_have_numbers(sys: &dyn Sys) -> Outcome {
    let into = sys.page() + 0x2000;
    for (name, minor) in [("/dev/null", 3), ("/dev/zero", 5), ("/dev/full", 7), ("/dev/random", 8), ("/dev/urandom", 9)]
    {
        sys.newfstatat(Fd::CWD, sys.path(sys.page(), name), into, AtFlags::empty())?;
        let stat = Stat::decode(sys.arch(), &sys.bytes(into, Stat::size(sys.arch()))).expect("long enough");
        assert_eq!((stat.mode as u16 & S_IFMT, stat.rdev), (S_IFCHR, device_number(1, minor)), "{name}");
    }
    Ok(())
}

fn a_device_has_no_size(sys: &dyn Sys) -> Outcome {
    let null = device(sys, "/dev/null")?;
    assert_eq!(sys.ftruncate(null, 0), Err(Errno::EINVAL));
    assert_eq!(sys.truncate(sys.path(sys.page(), "/dev/null"), 0), Err(Errno::EINVAL));
    // Opening asks for truncation in vain.
    open(sys, "/dev/null", OpenFlags::O_WRONLY | OpenFlags::O_TRUNC | OpenFlags::O_CREAT)?;
    assert_eq!(open(sys, "/dev/null", OpenFlags::O_RDONLY | OpenFlags::O_DIRECTORY), Err(Errno::ENOTDIR));
    Ok(())
}

fn descriptors_are_marked_by_command(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    let is_marked =
        || sys.fcntl(file, FcntlCommand::F_GETFD, 0).map(|flags| flags == FdFlags::FD_CLOEXEC.bits() as usize);
    sys.ioctl(file, IoctlCommand::FIOCLEX, 0)?;
    assert_eq!(is_marked(), Ok(true));
    sys.ioctl(file, IoctlCommand::FIONCLEX, 0)?;
    assert_eq!(is_marked(), Ok(false));
    Ok(())
}

fn waiting_is_turned_off_by_command(sys: &dyn Sys) -> Outcome {
    let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
    let switch = sys.page() + 64;
    sys.store(switch, &1_i32);
    sys.ioctl(reader, IoctlCommand::FIONBIO, switch)?;
    assert_eq!(read(sys, reader, 1), Err(Errno::EAGAIN));
    let flags = sys.fcntl(reader, FcntlCommand::F_GETFL, 0)?;
    assert_eq!(flags, OpenFlags::O_NONBLOCK.bits() as usize);
    sys.store(switch, &0_i32);
    sys.ioctl(reader, IoctlCommand::FIONBIO, switch)?;
    assert_eq!(sys.fcntl(reader, FcntlCommand::F_GETFL, 0)?, 0);
    assert_eq!(sys.ioctl(reader, IoctlCommand::FIONBIO, 8), Err(Errno::EFAULT));
    Ok(())
}

fn what_could_be_read_is_counted(sys: &dyn Sys) -> Outcome {
    let into = sys.page() + 64;
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    write(sys, writer, b"12345")?;
    sys.ioctl(reader, IoctlCommand::FIONREAD, into)?;
    assert_eq!(sys.load::<i32>(into), 5);
    let file = create(sys, "f")?;
    write(sys, file, b"1234567")?;
    sys.lseek(file, 3, Whence::SEEK_SET)?;
    sys.ioctl(file, IoctlCommand::FIONREAD, into)?;
    assert_eq!(sys.load::<i32>(into), 4);
    assert_eq!(sys.ioctl(file, IoctlCommand::FIONREAD, 8), Err(Errno::EFAULT));
    assert_eq!(sys.ioctl(reader, IoctlCommand::FIONREAD, 8), Err(Errno::EFAULT));
    Ok(())
}

fn what_files_know_of_their_room(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    write(sys, file, &[7; 5000])?;
    let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
    let into = sys.page() + 64;
    for fd in [file, open(sys, ".", OpenFlags::O_RDONLY)?, reader] {
        sys.ioctl(fd, IoctlCommand::FIGETBSZ, into)?;
        assert!(sys.load::<i32>(into) >= 512);
        assert_eq!(sys.ioctl(fd, IoctlCommand::FIGETBSZ, 8), Err(Errno::EFAULT));
    }
    sys.ioctl(file, IoctlCommand::FIOQSIZE, into)?;
    assert_eq!(sys.load::<u64>(into) % 512, 0);
    assert_eq!(sys.ioctl(file, IoctlCommand::FIOQSIZE, 8), Err(Errno::EFAULT));
    assert_eq!(sys.ioctl(reader, IoctlCommand::FIOQSIZE, into), Err(Errno::ENOTTY));
    Ok(())
}

fn who_is_told_that_a_file_is_ready(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
    let told = |fd, on: i32| sys.ioctl(fd, IoctlCommand::FIOASYNC, sys.store(sys.page() + 64, &on));
    let is_told =
        |fd| sys.fcntl(fd, FcntlCommand::F_GETFL, 0).map(|flags| flags & OpenFlags::FASYNC.bits() as usize != 0);
    told(reader, 1)?;
    assert_eq!(is_told(reader), Ok(true));
    told(reader, 0)?;
    assert_eq!(is_told(reader), Ok(false));
    // A file is always ready; but nobody who asks for nothing is refused.
    assert_eq!(told(file, 1), Err(Errno::ENOTTY));
    told(file, 0)?;
    assert_eq!(sys.ioctl(file, IoctlCommand::FIOASYNC, 8), Err(Errno::EFAULT));
    Ok(())
}

/// For who may speak to disks; and every file system answers for itself.
fn where_a_file_is_on_its_disk(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    let answer = sys.ioctl(file, IoctlCommand::FIBMAP, sys.store(sys.page() + 64, &-1_i32));
    assert!(matches!(answer, Err(Errno::EINVAL | Errno::EPERM)), "{answer:?}");
    if answer == Err(Errno::EINVAL) {
        assert_eq!(sys.ioctl(file, IoctlCommand::FIBMAP, 8), Err(Errno::EFAULT));
        // Memory is on no disk: nothing is where every part is, said where it was asked.
        let memory = Fd(sys.memfd_create(sys.path(sys.page(), "m"), MemfdFlags::empty())? as i32);
        let block = sys.store(sys.page() + 64, &7_i32);
        assert_eq!(sys.ioctl(memory, IoctlCommand::FIBMAP, block), Err(Errno::EINVAL));
        assert_eq!(sys.load::<i32>(block), 0);
    }
    Ok(())
}

fn how_random_the_machine_is(sys: &dyn Sys) -> Outcome {
    let into = sys.page() + 64;
    for name in ["/dev/random", "/dev/urandom"] {
        let random = open(sys, name, OpenFlags::O_RDONLY)?;
        sys.ioctl(random, IoctlCommand::RNDGETENTCNT, into)?;
        assert!((0..=4096).contains(&sys.load::<i32>(into)), "{name}");
        assert_eq!(sys.ioctl(random, IoctlCommand::RNDGETENTCNT, 8), Err(Errno::EFAULT));
    }
    Ok(())
}

fn what_is_no_command(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    let null = device(sys, "/dev/null")?;
    let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
    for fd in [file, null, reader] {
        assert_eq!(sys.ioctl(fd, IoctlCommand::TCGETS, sys.page()), Err(Errno::ENOTTY));
        assert_eq!(sys.ioctl(fd, IoctlCommand(0x1234), sys.page()), Err(Errno::ENOTTY));
    }
    assert_eq!(sys.ioctl(Fd(99), IoctlCommand::FIOCLEX, 0), Err(Errno::EBADF));
    assert_eq!(sys.ioctl(open(sys, "f", OpenFlags::O_PATH)?, IoctlCommand::FIONREAD, sys.page()), Err(Errno::EBADF));
    Ok(())
}

/// A mapping of zeros is memory as if without a file: one's own, or shared with whoever has the mapping.
fn zeros_are_mapped(sys: &dyn Sys) -> Outcome {
    let (zero, reader) = (device(sys, "/dev/zero")?, open(sys, "/dev/zero", OpenFlags::O_RDONLY)?);
    for (flags, seen) in [(MapFlags::MAP_PRIVATE, 5), (MapFlags::MAP_SHARED, 6)] {
        let (at, other) = (sys.mmap(0, PAGE, RW, flags, zero, 0)?, sys.mmap(0, PAGE, RW, flags, zero, 0)?);
        assert_eq!(first(sys, at), 0);
        sys.poke(at, &[5]);
        assert_eq!(first(sys, other), 0, "every mapping is another memory");
        let pid = sys.fork_with(stores, at)?;
        assert_eq!(wait(sys, pid)?, status_exited(5));
        assert_eq!(first(sys, at), seen, "{flags:?}");
    }
    assert_eq!(sys.mmap(0, PAGE, RW, MapFlags::MAP_SHARED, reader, 0), Err(Errno::EACCES));
    let shared = sys.mmap(0, PAGE, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, reader, 0)?;
    assert_eq!(sys.mprotect(shared, PAGE, RW), Err(Errno::EACCES));
    assert_eq!(sys.mmap(0, PAGE, RW, MapFlags::MAP_PRIVATE | MapFlags::MAP_GROWSDOWN, zero, 0), Err(Errno::EINVAL));
    for name in ["/dev/null", "/dev/full", "/dev/urandom"] {
        let file = device(sys, name)?;
        assert_eq!(sys.mmap(0, PAGE, RW, MapFlags::MAP_PRIVATE, file, 0), Err(Errno::ENODEV), "{name}");
    }
    Ok(())
}

fn stores(sys: &dyn Sys, at: usize) -> i32 {
    let found = first(sys, at);
    sys.poke(at, &[6]);
    i32::from(found)
}
