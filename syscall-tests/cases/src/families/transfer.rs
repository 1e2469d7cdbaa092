//! Bytes moved many at a time, between files, and reserved: vectors, sendfile, ranges.

use alloc::vec;
use alloc::vec::Vec;

use kernel_abi::flags::{
    Fadvice, FallocateMode, MemfdFlags, OpenFlags, PipeFlags, Resource, RwFlags, SyncRangeFlags, WaitOptions, Whence,
};
use kernel_abi::structs::{Iovec, Rlimit, Stat, Timespec, status_signaled};
use kernel_abi::{Calls, Errno, Fd, Pid, Result, Signal, Sys};

use super::Outcome;
use super::file::{create, descriptor, open, read, write};
use super::pipe::pipe;

cases! { "transfer":
    vectors_at_a_place_leave_the_offset, vectors_with_flags, a_transfer_need_not_append,
    a_device_is_written_through, a_vector_ends_at_a_hole, vectors_are_refused,
    a_vector_goes_through_a_pipe, a_file_is_sent, sending_moves_the_offset_asked_for, what_sendfile_refuses,
    a_range_is_copied, a_copy_stops_at_the_end, what_copying_refuses, no_transfer_is_longer_than_a_write, space_is_reserved, holes_are_punched,
    what_fallocate_refuses, a_file_is_brought_to_its_device, advice_changes_nothing, everything_is_brought_to_its_device, truncation_by_name,
    what_truncation_refuses, a_file_grows_by_a_write_behind_its_end,
    a_file_that_is_sent_to_its_own_end_can_be_killed, a_file_is_sent_to_its_own_end,
}

/// The vector, and the text it speaks of.
const LIST: usize = 0;
const TEXT: usize = 0x1000;

/// Stores a vector of (offset in the text, length).
fn vector(sys: &dyn Sys, parts: &[(usize, usize)]) -> usize {
    let list = sys.page() + LIST;
    for (index, (offset, len)) in parts.iter().enumerate() {
        sys.store(list + index * 16, &Iovec { iov_base: sys.page() + TEXT + offset, iov_len: *len });
    }
    list
}

fn text(sys: &dyn Sys, bytes: &[u8]) {
    sys.poke(sys.page() + TEXT, bytes);
}

fn size(sys: &dyn Sys, file: Fd) -> Result<[i64; 2]> {
    let into = sys.page() + 0x3000;
    sys.fstat(file, into)?;
    let stat = Stat::decode(sys.arch(), &sys.bytes(into, Stat::size(sys.arch()))).expect("long enough");
    Ok([stat.size, stat.blocks])
}

fn contents(sys: &dyn Sys, file: Fd) -> Result<Vec<u8>> {
    let got = sys.pread64(file, sys.page() + 0x4000, 0x2000, 0)?;
    Ok(sys.bytes(sys.page() + 0x4000, got))
}

fn vectors_at_a_place_leave_the_offset(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    text(sys, b"abcdef");
    assert_eq!(sys.pwritev(file, vector(sys, &[(3, 3), (0, 0), (0, 3)]), 3, 2, 0)?, 6);
    assert_eq!(contents(sys, file)?, b"\0\0defabc");
    text(sys, b"......");
    assert_eq!(sys.preadv(file, vector(sys, &[(0, 2), (4, 1)]), 2, 3, 0)?, 3);
    assert_eq!(sys.bytes(sys.page() + TEXT, 6), b"ef..a.");
    assert_eq!(sys.preadv(file, vector(sys, &[(0, 2)]), 1, 8, 0)?, 0);
    assert_eq!(sys.lseek(file, 0, Whence::SEEK_CUR)?, 0);
    assert_eq!(sys.preadv(file, vector(sys, &[(0, 2)]), 1, -5_i64, 0), Err(Errno::EINVAL));
    assert_eq!(sys.pwritev(file, vector(sys, &[(0, 2)]), 1, -5_i64, 0), Err(Errno::EINVAL));
    Ok(())
}

fn vectors_with_flags(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    text(sys, b"abc");
    let one = || vector(sys, &[(0, 3)]);
    assert_eq!(sys.pwritev2(file, one(), 1, -1_i64, 0, RwFlags::empty())?, 3);
    assert_eq!(sys.pwritev2(file, one(), 1, 0, 0, RwFlags::RWF_APPEND)?, 3);
    assert_eq!(contents(sys, file)?, b"abcabc");
    assert_eq!(sys.pwritev2(file, one(), 1, 0, 0, RwFlags::RWF_DSYNC)?, 3);
    assert_eq!(sys.lseek(file, 0, Whence::SEEK_CUR)?, 3);
    assert_eq!(sys.preadv2(file, one(), 1, -1_i64, 0, RwFlags::empty())?, 3);
    assert_eq!(sys.lseek(file, 0, Whence::SEEK_CUR)?, 6);
    assert_eq!(sys.preadv2(file, one(), 1, 4, 0, RwFlags::empty())?, 2);
    assert_eq!(sys.preadv2(file, one(), 1, -2_i64, 0, RwFlags::empty()), Err(Errno::EINVAL));
    assert_eq!(sys.preadv2(file, one(), 1, 0, 0, RwFlags::from_bits_retain(1 << 30)), Err(Errno::EOPNOTSUPP));
    Ok(())
}

fn a_transfer_need_not_append(sys: &dyn Sys) -> Outcome {
    write(sys, create(sys, "f")?, b"......")?;
    let file = open(sys, "f", OpenFlags::O_RDWR | OpenFlags::O_APPEND)?;
    text(sys, b"abc");
    let one = || vector(sys, &[(0, 3)]);
    assert_eq!(sys.pwritev2(file, one(), 1, 1, 0, RwFlags::RWF_NOAPPEND)?, 3);
    assert_eq!(contents(sys, file)?, b".abc..");
    assert_eq!(sys.pwritev2(file, one(), 1, 1, 0, RwFlags::empty())?, 3);
    assert_eq!(contents(sys, file)?, b".abc..abc");
    let both = RwFlags::RWF_APPEND | RwFlags::RWF_NOAPPEND;
    assert_eq!(sys.pwritev2(file, one(), 1, 1, 0, both), Err(Errno::EINVAL));
    Ok(())
}

fn a_device_is_written_through(sys: &dyn Sys) -> Outcome {
    let null = open(sys, "/dev/null", OpenFlags::O_RDWR)?;
    text(sys, b"abc");
    let one = || vector(sys, &[(0, 3)]);
    assert_eq!(sys.pwritev2(null, one(), 1, 0, 0, RwFlags::RWF_SYNC)?, 3);
    assert_eq!(sys.pwritev2(null, one(), 1, 0, 0, RwFlags::RWF_DSYNC)?, 3);
    Ok(())
}

fn a_vector_ends_at_a_hole(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    text(sys, b"abcdef");
    let list = vector(sys, &[(0, 3), (3, 3)]);
    sys.store(list + 16, &Iovec { iov_base: 8, iov_len: 3 });
    assert_eq!(sys.writev(file, list, 2)?, 3);
    assert_eq!(contents(sys, file)?, b"abc");
    write(sys, file, b"more")?;
    assert_eq!(sys.preadv(file, list, 2, 0, 0)?, 3);
    sys.store(list, &Iovec { iov_base: 8, iov_len: 3 });
    assert_eq!(sys.writev(file, list, 2), Err(Errno::EFAULT));
    assert_eq!(sys.preadv(file, list, 2, 0, 0), Err(Errno::EFAULT));
    Ok(())
}

fn vectors_are_refused(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    let list = vector(sys, &[(0, 3)]);
    assert_eq!(sys.readv(file, 8, 1), Err(Errno::EFAULT));
    assert_eq!(sys.writev(Fd(99), 8, 1), Err(Errno::EBADF));
    assert_eq!(sys.preadv(file, list, 1025, 0, 0), Err(Errno::EINVAL));
    sys.store(list, &Iovec { iov_base: sys.page(), iov_len: 1 << 63 });
    assert_eq!(sys.writev(file, list, 1), Err(Errno::EINVAL));
    let reader = open(sys, "f", OpenFlags::O_RDONLY)?;
    let writer = open(sys, "f", OpenFlags::O_WRONLY)?;
    let list = vector(sys, &[(0, 3)]);
    assert_eq!(sys.writev(reader, list, 1), Err(Errno::EBADF));
    assert_eq!(sys.readv(writer, list, 1), Err(Errno::EBADF));
    assert_eq!(sys.pwritev(reader, list, 1, 0, 0), Err(Errno::EBADF));
    Ok(())
}

fn a_vector_goes_through_a_pipe(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    text(sys, b"abcdef");
    assert_eq!(sys.writev(writer, vector(sys, &[(4, 2), (0, 4)]), 2)?, 6);
    assert_eq!(sys.readv(reader, vector(sys, &[(8, 1), (16, 100)]), 2)?, 6);
    assert_eq!(sys.bytes(sys.page() + TEXT + 8, 1), b"e");
    assert_eq!(sys.bytes(sys.page() + TEXT + 16, 5), b"fabcd");
    assert_eq!(sys.preadv(reader, vector(sys, &[(0, 1)]), 1, 0, 0), Err(Errno::ESPIPE));
    assert_eq!(sys.pwritev(writer, vector(sys, &[(0, 1)]), 1, 0, 0), Err(Errno::ESPIPE));
    Ok(())
}

fn a_file_is_sent(sys: &dyn Sys) -> Outcome {
    let (from, to) = (create(sys, "from")?, create(sys, "to")?);
    write(sys, from, b"0123456789")?;
    sys.lseek(from, 2, Whence::SEEK_SET)?;
    assert_eq!(sys.sendfile(to, from, 0, 5)?, 5);
    assert_eq!(sys.sendfile(to, from, 0, 500)?, 3);
    assert_eq!(sys.sendfile(to, from, 0, 500)?, 0);
    assert_eq!(contents(sys, to)?, b"23456789");
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    sys.lseek(from, 0, Whence::SEEK_SET)?;
    assert_eq!(sys.sendfile(writer, from, 0, 4)?, 4);
    assert_eq!(read(sys, reader, 100)?, b"0123");
    Ok(())
}

fn sending_moves_the_offset_asked_for(sys: &dyn Sys) -> Outcome {
    let (from, to) = (create(sys, "from")?, create(sys, "to")?);
    write(sys, from, b"0123456789")?;
    let offset = sys.store(sys.page(), &7_i64);
    assert_eq!(sys.sendfile(to, from, offset, 2)?, 2);
    assert_eq!(sys.load::<i64>(offset), 9);
    assert_eq!(sys.lseek(from, 0, Whence::SEEK_CUR)?, 10);
    assert_eq!(contents(sys, to)?, b"78");
    sys.store(offset, &-1_i64);
    assert_eq!(sys.sendfile(to, from, offset, 2), Err(Errno::EINVAL));
    assert_eq!(sys.sendfile(to, from, 8, 2), Err(Errno::EFAULT));
    Ok(())
}

fn what_sendfile_refuses(sys: &dyn Sys) -> Outcome {
    let (from, to) = (create(sys, "from")?, create(sys, "to")?);
    write(sys, from, b"0123456789")?;
    let (reader, writer) = (open(sys, "to", OpenFlags::O_RDONLY)?, open(sys, "from", OpenFlags::O_WRONLY)?);
    assert_eq!(sys.sendfile(reader, from, 0, 1), Err(Errno::EBADF));
    assert_eq!(sys.sendfile(reader, from, 0, usize::MAX), Err(Errno::EINVAL));
    assert_eq!(sys.sendfile(to, writer, 0, 1), Err(Errno::EBADF));
    assert_eq!(sys.sendfile(Fd(99), from, 0, 1), Err(Errno::EBADF));
    let appending = open(sys, "to", OpenFlags::O_WRONLY | OpenFlags::O_APPEND)?;
    assert_eq!(sys.sendfile(appending, from, 0, 1), Err(Errno::EINVAL));
    let [reader, _writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    let offset = sys.store(sys.page() + 64, &0_i64);
    assert_eq!(sys.sendfile(to, reader, 0, 0), Err(Errno::EINVAL));
    let [_reader, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    assert_eq!((sys.sendfile(writer, reader, 0, 0), sys.sendfile(writer, reader, 0, 1)), (Ok(0), Err(Errno::EINVAL)));
    assert_eq!(sys.sendfile(to, reader, offset, 1), Err(Errno::ESPIPE));
    let directory = open(sys, ".", OpenFlags::O_RDONLY)?;
    assert_eq!(sys.sendfile(to, directory, 0, 1), Err(Errno::EINVAL));
    // What comes has to have a place there.
    let nameless = descriptor(sys.memfd_create(sys.path(sys.page() + 256, "name"), MemfdFlags::empty())?);
    sys.lseek(nameless, i64::MAX, Whence::SEEK_SET)?;
    sys.lseek(from, 0, Whence::SEEK_SET)?;
    assert_eq!(sys.sendfile(nameless, from, 0, 1), Err(Errno::EINVAL));
    // What sends nothing is no source, wherever it were to go.
    let null = open(sys, "/dev/null", OpenFlags::O_RDONLY)?;
    let limit = sys.store(sys.page() + 128, &Rlimit { rlim_cur: 4096, rlim_max: 4096 });
    sys.prlimit64(Pid(0), Resource::RLIMIT_FSIZE, limit, 0)?;
    sys.lseek(to, 4096, Whence::SEEK_SET)?;
    assert_eq!(sys.sendfile(to, null, 0, 1), Err(Errno::EINVAL));
    Ok(())
}

fn a_range_is_copied(sys: &dyn Sys) -> Outcome {
    let (from, to) = (create(sys, "from")?, create(sys, "to")?);
    write(sys, from, b"0123456789")?;
    let (source, target) = (sys.store(sys.page(), &4_i64), sys.store(sys.page() + 8, &2_i64));
    assert_eq!(sys.copy_file_range(from, source, to, target, 3, 0)?, 3);
    assert_eq!([sys.load::<i64>(source), sys.load::<i64>(target)], [7, 5]);
    assert_eq!(contents(sys, to)?, b"\0\x00456");
    // Without places of their own, the files' offsets move.
    sys.lseek(from, 0, Whence::SEEK_SET)?;
    assert_eq!(sys.copy_file_range(from, 0, to, 0, 2, 0)?, 2);
    assert_eq!([sys.lseek(from, 0, Whence::SEEK_CUR)?, sys.lseek(to, 0, Whence::SEEK_CUR)?], [2, 2]);
    assert_eq!(contents(sys, to)?, b"01456");
    // Inside one file, where the ranges are apart.
    let (source, target) = (sys.store(sys.page(), &0_i64), sys.store(sys.page() + 8, &5_i64));
    assert_eq!(sys.copy_file_range(from, source, from, target, 5, 0)?, 5);
    assert_eq!(contents(sys, from)?, b"0123401234");
    Ok(())
}

fn a_copy_stops_at_the_end(sys: &dyn Sys) -> Outcome {
    let (from, to) = (create(sys, "from")?, create(sys, "to")?);
    write(sys, from, b"0123456789")?;
    let source = sys.store(sys.page(), &8_i64);
    assert_eq!(sys.copy_file_range(from, source, to, 0, 100, 0)?, 2);
    assert_eq!(sys.copy_file_range(from, source, to, 0, 100, 0)?, 0);
    assert_eq!(sys.copy_file_range(from, source, to, 0, 0, 0)?, 0);
    assert_eq!(contents(sys, to)?, b"89");
    Ok(())
}

fn what_copying_refuses(sys: &dyn Sys) -> Outcome {
    let (from, to) = (create(sys, "from")?, create(sys, "to")?);
    write(sys, from, b"0123456789")?;
    assert_eq!(sys.copy_file_range(from, 0, to, 0, 1, 1), Err(Errno::EINVAL));
    assert_eq!(sys.copy_file_range(Fd(99), 0, to, 0, 1, 0), Err(Errno::EBADF));
    let reader = open(sys, "to", OpenFlags::O_RDONLY)?;
    assert_eq!(sys.copy_file_range(from, 0, reader, 0, 1, 0), Err(Errno::EBADF));
    let appending = open(sys, "to", OpenFlags::O_WRONLY | OpenFlags::O_APPEND)?;
    assert_eq!(sys.copy_file_range(from, 0, appending, 0, 1, 0), Err(Errno::EBADF));
    let (source, target) = (sys.store(sys.page(), &0_i64), sys.store(sys.page() + 8, &2_i64));
    assert_eq!(sys.copy_file_range(from, source, from, target, 5, 0), Err(Errno::EINVAL));
    assert_eq!(sys.copy_file_range(from, 8, to, 0, 1, 0), Err(Errno::EFAULT));
    let [end, _writer] = pipe(sys, PipeFlags::empty())?;
    assert_eq!(sys.copy_file_range(end, 0, to, 0, 1, 0), Err(Errno::EINVAL));
    let directory = open(sys, ".", OpenFlags::O_RDONLY)?;
    assert_eq!(sys.copy_file_range(directory, 0, to, 0, 1, 0), Err(Errno::EISDIR));
    assert_eq!(sys.copy_file_range(end, 0, directory, 0, 1, 0), Err(Errno::EISDIR));
    Ok(())
}

fn no_transfer_is_longer_than_a_write(sys: &dyn Sys) -> Outcome {
    let file = descriptor(sys.memfd_create(sys.path(sys.page(), "long"), MemfdFlags::empty())?);
    let null = open(sys, "/dev/null", OpenFlags::O_WRONLY)?;
    sys.ftruncate(file, 1_i64 << 40)?;
    assert_eq!(sys.sendfile(null, file, 0, 1_usize << 40)?, 0x7fff_f000);
    assert_eq!(sys.lseek(file, 0, Whence::SEEK_CUR)?, 0x7fff_f000);
    Ok(())
}

fn space_is_reserved(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    write(sys, file, b"abc")?;
    sys.fallocate(file, FallocateMode::empty(), 0, 5000)?;
    assert_eq!(size(sys, file)?[0], 5000);
    sys.fallocate(file, FallocateMode::empty(), 0, 10)?;
    assert_eq!(size(sys, file)?[0], 5000);
    sys.fallocate(file, FallocateMode::FALLOC_FL_KEEP_SIZE, 0, 20_000)?;
    assert_eq!(size(sys, file)?[0], 5000);
    assert_eq!(&contents(sys, file)?[..5], b"abc\0\0");
    Ok(())
}

fn holes_are_punched(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    for _ in 0..3 {
        write(sys, file, &[7; 4096])?;
    }
    let punch = FallocateMode::FALLOC_FL_PUNCH_HOLE | FallocateMode::FALLOC_FL_KEEP_SIZE;
    sys.fallocate(file, punch, 4000, 4200)?;
    assert_eq!(size(sys, file)?[0], 3 * 4096);
    let mut expected = vec![7; 0x2000];
    expected[4000..].fill(0);
    expected[8000..].fill(0);
    assert_eq!(contents(sys, file)?, expected);
    sys.pread64(file, sys.page(), 16, 8192)?;
    assert_eq!(sys.bytes(sys.page(), 16), [[0; 8], [7; 8]].concat());
    sys.fallocate(file, punch, 1 << 20, 4096)?;
    assert_eq!(size(sys, file)?[0], 3 * 4096);
    assert_eq!(sys.fallocate(file, FallocateMode::FALLOC_FL_PUNCH_HOLE, 0, 10), Err(Errno::EOPNOTSUPP));
    Ok(())
}

fn what_fallocate_refuses(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    let none = FallocateMode::empty();
    assert_eq!(sys.fallocate(file, none, 0, 0), Err(Errno::EINVAL));
    assert_eq!(sys.fallocate(file, none, -1_i64, 10), Err(Errno::EINVAL));
    assert_eq!(sys.fallocate(file, none, 0, -10_i64), Err(Errno::EINVAL));
    assert_eq!(sys.fallocate(file, none, i64::MAX, 10), Err(Errno::EFBIG));
    assert_eq!(sys.fallocate(Fd(99), none, 0, 10), Err(Errno::EBADF));
    let reader = open(sys, "f", OpenFlags::O_RDONLY)?;
    assert_eq!(sys.fallocate(reader, none, 0, 10), Err(Errno::EBADF));
    let [_reader, writer] = pipe(sys, PipeFlags::empty())?;
    assert_eq!(sys.fallocate(writer, none, 0, 10), Err(Errno::ESPIPE));
    Ok(())
}

fn a_file_is_brought_to_its_device(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    write(sys, file, b"kept")?;
    sys.fsync(file)?;
    sys.fdatasync(file)?;
    sys.sync_file_range(file, 0, 0, SyncRangeFlags::SYNC_FILE_RANGE_WRITE)?;
    assert_eq!(sys.sync_file_range(file, 0, 0, SyncRangeFlags::from_bits_retain(64)), Err(Errno::EINVAL));
    sys.fsync(open(sys, ".", OpenFlags::O_RDONLY)?)?;
    sys.fsync(open(sys, "f", OpenFlags::O_RDONLY)?)?;
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    assert_eq!(sys.fsync(reader), Err(Errno::EINVAL));
    assert_eq!(sys.fdatasync(writer), Err(Errno::EINVAL));
    assert_eq!([sys.fsync(Fd(99)), sys.fdatasync(Fd(99)), sys.syncfs(Fd(99))], [Err(Errno::EBADF); 3]);
    assert_eq!(sys.fsync(open(sys, "f", OpenFlags::O_PATH)?), Err(Errno::EBADF));
    Ok(())
}

fn advice_changes_nothing(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    write(sys, file, b"same")?;
    for advice in [Fadvice::POSIX_FADV_SEQUENTIAL, Fadvice::POSIX_FADV_DONTNEED, Fadvice::POSIX_FADV_WILLNEED] {
        sys.fadvise64(file, 0, 0, advice)?;
    }
    assert_eq!(contents(sys, file)?, b"same");
    assert_eq!(sys.fadvise64(file, 0, 0, Fadvice(77)), Err(Errno::EINVAL));
    assert_eq!(sys.fadvise64(file, 0, -1_i64, Fadvice::POSIX_FADV_NORMAL), Err(Errno::EINVAL));
    assert_eq!(sys.fadvise64(Fd(99), 0, 0, Fadvice::POSIX_FADV_NORMAL), Err(Errno::EBADF));
    let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
    assert_eq!(sys.fadvise64(reader, 0, 0, Fadvice::POSIX_FADV_NORMAL), Err(Errno::ESPIPE));
    Ok(())
}

fn everything_is_brought_to_its_device(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    write(sys, file, b"kept")?;
    assert_eq!(sys.sync()?, 0);
    Ok(())
}

fn truncation_by_name(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    write(sys, file, b"0123456789")?;
    sys.truncate(sys.path(sys.page(), "f"), 4)?;
    assert_eq!(contents(sys, file)?, b"0123");
    sys.truncate(sys.path(sys.page(), "f"), 6)?;
    assert_eq!(contents(sys, file)?, b"0123\0\0");
    sys.ftruncate(file, 0)?;
    assert_eq!(size(sys, file)?, [0, 0]);
    // The offset stays behind the end, and a write there leaves a hole.
    write(sys, file, b"x")?;
    assert_eq!(contents(sys, file)?, b"\0\0\0\0\0\0\0\0\0\0x");
    Ok(())
}

fn what_truncation_refuses(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    let path = || sys.path(sys.page(), "f");
    assert_eq!(sys.truncate(path(), -1_i64), Err(Errno::EINVAL));
    assert_eq!(sys.ftruncate(file, -1_i64), Err(Errno::EINVAL));
    assert_eq!(sys.truncate(sys.path(sys.page(), "none"), 0), Err(Errno::ENOENT));
    assert_eq!(sys.truncate(sys.path(sys.page(), "."), 0), Err(Errno::EISDIR));
    assert_eq!(sys.ftruncate(open(sys, "f", OpenFlags::O_RDONLY)?, 0), Err(Errno::EINVAL));
    assert_eq!(sys.ftruncate(open(sys, "f", OpenFlags::O_PATH)?, 0), Err(Errno::EBADF));
    assert_eq!(sys.ftruncate(Fd(99), 0), Err(Errno::EBADF));
    let [_reader, writer] = pipe(sys, PipeFlags::empty())?;
    assert_eq!(sys.ftruncate(writer, 0), Err(Errno::EINVAL));
    Ok(())
}

fn a_file_grows_by_a_write_behind_its_end(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    sys.poke(sys.page(), b"far");
    assert_eq!(sys.pwrite64(file, sys.page(), 3, 1_i64 << 32)?, 3);
    assert_eq!(size(sys, file)?[0], (1 << 32) + 3);
    assert_eq!(sys.pread64(file, sys.page() + 64, 16, (1_i64 << 32) - 8)?, 11);
    assert_eq!(sys.bytes(sys.page() + 64, 11), b"\0\0\0\0\0\0\0\0far");
    assert_eq!(sys.pwrite64(file, sys.page(), 3, i64::MAX), Err(Errno::EINVAL));
    assert_eq!(sys.pread64(file, sys.page(), 3, i64::MAX), Err(Errno::EINVAL));
    Ok(())
}

/// A byte at a time, so that it would go on for minutes: found by the fuzzer of system calls.
fn a_file_that_is_sent_to_its_own_end_can_be_killed(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    write(sys, file, b"x")?;
    let child = sys.fork_with(send_without_end, file.0 as usize)?;
    let pid = Pid(child as i32);
    let pause = sys.store(sys.page(), &Timespec { tv_sec: 0, tv_nsec: 20_000_000 });
    sys.nanosleep(pause, 0)?;
    assert_eq!(sys.wait4(pid, 0, WaitOptions::WNOHANG, 0)?, 0, "it is not done yet");
    sys.kill(pid, Signal::SIGKILL)?;
    assert_eq!(sys.wait4(pid, sys.page(), WaitOptions::empty(), 0)?, child);
    assert_eq!(sys.load::<i32>(sys.page()), status_signaled(Signal::SIGKILL.number(), false));
    assert!(size(sys, file)?[0] > 1);
    Ok(())
}

fn send_without_end(sys: &dyn Sys, file: usize) -> i32 {
    let offset = sys.store(sys.page(), &0_i64);
    let _ = sys.sendfile(Fd(file as i32), Fd(file as i32), offset, 1 << 30);
    1
}

/// What has just been written is there to be read, so that it all comes again and again.
fn a_file_is_sent_to_its_own_end(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    write(sys, file, b"ab")?;
    let offset = sys.store(sys.page() + 64, &0_i64);
    assert_eq!(sys.sendfile(file, file, offset, 9)?, 9);
    assert_eq!(contents(sys, file)?, b"abababababa");
    assert_eq!((sys.load::<i64>(offset), sys.lseek(file, 0, Whence::SEEK_CUR)?), (9, 11));
    assert_eq!(sys.sendfile(file, file, offset, 7000)?, 7000);
    assert_eq!(size(sys, file)?[0], 7011);
    assert!(contents(sys, file)?.chunks(2).all(|pair| pair == b"ab" || pair == b"a"));
    // Behind its end there are zeros first.
    sys.ftruncate(file, 2)?;
    sys.store(offset, &0_i64);
    sys.lseek(file, 4, Whence::SEEK_SET)?;
    assert_eq!(sys.sendfile(file, file, offset, 6)?, 6);
    assert_eq!(contents(sys, file)?, b"ab\0\0ab\0\0ab");
    Ok(())
}
