//! Bytes in and out of files.

use alloc::vec::Vec;

use kernel_abi::flags::{OpenFlags, Whence};
use kernel_abi::structs::Iovec;
use kernel_abi::sys::PAGE_LEN;
use kernel_abi::{Calls, Errno, Fd, Mode, Result, Sys};

use super::Outcome;

cases! { "file":
    what_is_written_is_read, reading_at_the_end_gives_nothing, a_missing_file_is_refused,
    exclusive_creation_refuses_a_file_that_exists, truncation_empties_a_file, appending_ignores_the_offset,
    a_hole_reads_as_zeros, seeking_finds_start_place_and_end, a_bad_seek_is_refused,
    reading_at_a_place_leaves_the_offset, a_negative_place_is_refused, the_wrong_direction_is_refused,
    a_closed_descriptor_is_bad, a_wild_buffer_is_efault, a_write_up_to_a_hole_in_memory_is_partial,
    several_buffers_are_one_transfer, a_directory_is_neither_read_nor_written, shortening_and_lengthening,
    descriptions_are_shared_by_duplicates_only, a_file_lives_while_it_is_open, an_empty_path_is_missing,
    a_path_from_nowhere_is_efault, a_name_that_is_too_long_is_refused, a_terminal_command_to_a_file_is_enotty,
}

/// Opens `name` for both directions, new.
pub(super) fn create(sys: &dyn Sys, name: &str) -> Result<Fd> {
    let path = sys.path(sys.page() + PAGE_LEN - 8192, name);
    let flags = OpenFlags::O_RDWR | OpenFlags::O_CREAT | OpenFlags::O_TRUNC;
    sys.openat(Fd::CWD, path, flags, Mode(0o644)).map(descriptor)
}

/// Opens `name`, which exists.
pub(super) fn open(sys: &dyn Sys, name: &str, flags: OpenFlags) -> Result<Fd> {
    let path = sys.path(sys.page() + PAGE_LEN - 8192, name);
    sys.openat(Fd::CWD, path, flags, Mode(0o644)).map(descriptor)
}

/// The descriptor that a call gave.
pub(super) fn descriptor(answer: usize) -> Fd {
    Fd(i32::try_from(answer).unwrap_or(-1))
}

/// Writes all of `bytes`.
pub(super) fn write(sys: &dyn Sys, file: Fd, bytes: &[u8]) -> Result {
    sys.poke(sys.page() + 0x8000, bytes);
    sys.write(file, sys.page() + 0x8000, bytes.len())
}

/// Reads up to `len` bytes.
pub(super) fn read(sys: &dyn Sys, file: Fd, len: usize) -> Result<Vec<u8>> {
    let got = sys.read(file, sys.page() + 0x8000, len)?;
    Ok(sys.bytes(sys.page() + 0x8000, got))
}

fn what_is_written_is_read(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    assert_eq!(write(sys, file, b"hello")?, 5);
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 3)?, b"hel");
    assert_eq!(read(sys, file, 100)?, b"lo");
    sys.close(file)?;
    Ok(())
}

fn reading_at_the_end_gives_nothing(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"x")?;
    assert_eq!(read(sys, file, 10)?, b"");
    assert_eq!(sys.pread64(file, sys.page(), 10, 1000_i64)?, 0);
    Ok(())
}

fn a_missing_file_is_refused(sys: &dyn Sys) -> Outcome {
    assert_eq!(open(sys, "missing", OpenFlags::O_RDONLY), Err(Errno::ENOENT));
    assert_eq!(open(sys, "missing/file", OpenFlags::O_RDWR | OpenFlags::O_CREAT), Err(Errno::ENOENT));
    create(sys, "file")?;
    assert_eq!(open(sys, "file/under", OpenFlags::O_RDONLY), Err(Errno::ENOTDIR));
    assert_eq!(open(sys, "file", OpenFlags::O_RDONLY | OpenFlags::O_DIRECTORY), Err(Errno::ENOTDIR));
    Ok(())
}

fn exclusive_creation_refuses_a_file_that_exists(sys: &dyn Sys) -> Outcome {
    let flags = OpenFlags::O_WRONLY | OpenFlags::O_CREAT | OpenFlags::O_EXCL;
    open(sys, "file", flags)?;
    assert_eq!(open(sys, "file", flags), Err(Errno::EEXIST));
    assert_eq!(open(sys, ".", flags), Err(Errno::EEXIST));
    Ok(())
}

fn truncation_empties_a_file(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"some bytes")?;
    open(sys, "file", OpenFlags::O_WRONLY | OpenFlags::O_TRUNC)?;
    assert_eq!(sys.lseek(file, 0, Whence::SEEK_END)?, 0);
    Ok(())
}

fn appending_ignores_the_offset(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"one")?;
    let append = open(sys, "file", OpenFlags::O_WRONLY | OpenFlags::O_APPEND)?;
    write(sys, append, b"two")?;
    assert_eq!(sys.lseek(append, 0, Whence::SEEK_SET)?, 0);
    write(sys, append, b"three")?;
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 100)?, b"onetwothree");
    Ok(())
}

fn a_hole_reads_as_zeros(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    sys.lseek(file, 5000, Whence::SEEK_SET)?;
    write(sys, file, b"end")?;
    sys.lseek(file, 4998, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 10)?, b"\0\0end");
    Ok(())
}

fn seeking_finds_start_place_and_end(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"0123456789")?;
    assert_eq!(sys.lseek(file, -4_i64, Whence::SEEK_CUR)?, 6);
    assert_eq!(sys.lseek(file, 2, Whence::SEEK_END)?, 12);
    assert_eq!(sys.lseek(file, 3, Whence::SEEK_SET)?, 3);
    assert_eq!(read(sys, file, 2)?, b"34");
    Ok(())
}

fn a_bad_seek_is_refused(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    assert_eq!(sys.lseek(file, -1_i64, Whence::SEEK_SET), Err(Errno::EINVAL));
    assert_eq!(sys.lseek(file, 0, Whence(99)), Err(Errno::EINVAL));
    assert_eq!(sys.lseek(Fd(99), 0, Whence::SEEK_SET), Err(Errno::EBADF));
    Ok(())
}

fn reading_at_a_place_leaves_the_offset(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"abcdef")?;
    assert_eq!(sys.pread64(file, sys.page(), 2, 1)?, 2);
    assert_eq!(sys.bytes(sys.page(), 2), b"bc");
    sys.poke(sys.page(), b"XY");
    assert_eq!(sys.pwrite64(file, sys.page(), 2, 3)?, 2);
    assert_eq!(sys.lseek(file, 0, Whence::SEEK_CUR)?, 6);
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 9)?, b"abcXYf");
    Ok(())
}

fn a_negative_place_is_refused(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    assert_eq!(sys.pread64(file, sys.page(), 1, -1_i64), Err(Errno::EINVAL));
    assert_eq!(sys.pwrite64(file, sys.page(), 1, -1_i64), Err(Errno::EINVAL));
    Ok(())
}

fn the_wrong_direction_is_refused(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    let reader = open(sys, "file", OpenFlags::O_RDONLY)?;
    let writer = open(sys, "file", OpenFlags::O_WRONLY)?;
    assert_eq!(write(sys, reader, b"x"), Err(Errno::EBADF));
    assert_eq!(read(sys, writer, 1), Err(Errno::EBADF));
    Ok(())
}

fn a_closed_descriptor_is_bad(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    sys.close(file)?;
    assert_eq!(sys.close(file), Err(Errno::EBADF));
    assert_eq!(read(sys, file, 1), Err(Errno::EBADF));
    assert_eq!(write(sys, Fd(-1), b"x"), Err(Errno::EBADF));
    Ok(())
}

fn a_wild_buffer_is_efault(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"bytes")?;
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    for wild in [8, usize::MAX - 100, 0xffff_8000_0000_0000] {
        assert_eq!(sys.read(file, wild, 5), Err(Errno::EFAULT), "reading to {wild:#x}");
        assert_eq!(sys.write(file, wild, 5), Err(Errno::EFAULT), "writing from {wild:#x}");
    }
    assert_eq!(sys.read(file, 8, 0)?, 0);
    Ok(())
}

fn a_write_up_to_a_hole_in_memory_is_partial(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let hole = sys.page() + 0x4000;
    sys.munmap(hole, 4096)?;
    sys.poke(hole - 3, b"abc");
    assert_eq!(sys.write(file, hole - 3, 10)?, 3);
    assert_eq!(sys.write(file, hole, 10), Err(Errno::EFAULT));
    assert_eq!(sys.lseek(file, 0, Whence::SEEK_CUR)?, 3);
    assert_eq!(sys.pread64(file, hole - 2, 10, 0)?, 2);
    assert_eq!(sys.bytes(hole - 2, 2), b"ab");
    assert_eq!(sys.pread64(file, hole, 10, 0), Err(Errno::EFAULT));
    Ok(())
}

fn several_buffers_are_one_transfer(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let (list, text) = (sys.page(), sys.page() + 512);
    sys.poke(text, b"onetwo");
    sys.store(list, &Iovec { iov_base: text + 3, iov_len: 3 });
    sys.store(list + 16, &Iovec { iov_base: text, iov_len: 3 });
    assert_eq!(sys.writev(file, list, 2)?, 6);
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    assert_eq!(sys.readv(file, list, 2)?, 6);
    assert_eq!(sys.bytes(text, 6), b"onetwo");
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 10)?, b"twoone");
    assert_eq!(sys.writev(file, list, -1_i64), Err(Errno::EINVAL));
    assert_eq!(sys.writev(file, list, 1025), Err(Errno::EINVAL));
    // Of the count only the lower half is looked at.
    assert_eq!(sys.writev(file, list, 1_usize << 32)?, 0);
    assert_eq!(sys.readv(file, 8, (1_usize << 32) + 1), Err(Errno::EFAULT));
    assert_eq!(sys.writev(file, list, 0)?, 0);
    Ok(())
}

fn a_directory_is_neither_read_nor_written(sys: &dyn Sys) -> Outcome {
    assert_eq!(open(sys, ".", OpenFlags::O_WRONLY), Err(Errno::EISDIR));
    assert_eq!(open(sys, ".", OpenFlags::O_RDWR | OpenFlags::O_CREAT), Err(Errno::EISDIR));
    let directory = open(sys, ".", OpenFlags::O_RDONLY)?;
    assert_eq!(read(sys, directory, 5), Err(Errno::EISDIR));
    assert_eq!(write(sys, directory, b"x"), Err(Errno::EBADF));
    Ok(())
}

fn shortening_and_lengthening(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"0123456789")?;
    sys.ftruncate(file, 4)?;
    sys.ftruncate(file, 6)?;
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 100)?, b"0123\0\0");
    assert_eq!(sys.ftruncate(file, -1_i64), Err(Errno::EINVAL));
    let reader = open(sys, "file", OpenFlags::O_RDONLY)?;
    assert_eq!(sys.ftruncate(reader, 0), Err(Errno::EINVAL));
    assert_eq!(sys.ftruncate(Fd(99), 0), Err(Errno::EBADF));
    Ok(())
}

fn descriptions_are_shared_by_duplicates_only(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"abcdef")?;
    let duplicate = descriptor(sys.dup(file)?);
    let other = open(sys, "file", OpenFlags::O_RDONLY)?;
    sys.lseek(file, 2, Whence::SEEK_SET)?;
    assert_eq!(read(sys, duplicate, 2)?, b"cd");
    assert_eq!(read(sys, file, 2)?, b"ef");
    assert_eq!(read(sys, other, 2)?, b"ab");
    Ok(())
}

fn a_file_lives_while_it_is_open(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    sys.unlinkat(Fd::CWD, sys.path(sys.page(), "file"), 0)?;
    write(sys, file, b"still here")?;
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 100)?, b"still here");
    assert_eq!(open(sys, "file", OpenFlags::O_RDONLY), Err(Errno::ENOENT));
    Ok(())
}

fn an_empty_path_is_missing(sys: &dyn Sys) -> Outcome {
    assert_eq!(open(sys, "", OpenFlags::O_RDONLY), Err(Errno::ENOENT));
    Ok(())
}

fn a_path_from_nowhere_is_efault(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.openat(Fd::CWD, 0, OpenFlags::O_RDONLY, 0), Err(Errno::EFAULT));
    let hole = sys.page() + 0x4000;
    sys.munmap(hole, 4096)?;
    sys.poke(hole - 2, b"ab");
    assert_eq!(sys.openat(Fd::CWD, hole - 2, OpenFlags::O_RDONLY, 0), Err(Errno::EFAULT));
    Ok(())
}

fn a_name_that_is_too_long_is_refused(sys: &dyn Sys) -> Outcome {
    let name = "n".repeat(256);
    assert_eq!(open(sys, &name, OpenFlags::O_RDONLY), Err(Errno::ENAMETOOLONG));
    assert_eq!(open(sys, &name[1..], OpenFlags::O_RDONLY), Err(Errno::ENOENT));
    assert_eq!(open(sys, &"a/".repeat(2048), OpenFlags::O_RDONLY), Err(Errno::ENAMETOOLONG));
    Ok(())
}

fn a_terminal_command_to_a_file_is_enotty(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let command = kernel_abi::flags::IoctlCommand::TCGETS;
    assert_eq!(sys.ioctl(file, command, sys.page()), Err(Errno::ENOTTY));
    assert_eq!(sys.ioctl(Fd(99), command, sys.page()), Err(Errno::EBADF));
    Ok(())
}
