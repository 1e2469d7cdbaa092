//! Mappings.

use kernel_abi::flags::{Madvice, MapFlags, MremapFlags, MsyncFlags, OpenFlags, ProtFlags};
use kernel_abi::structs::{status_exited, status_signaled};
use kernel_abi::{Calls, Errno, Fd, Result, Signal, Sys};

use super::Outcome;
use super::file::{create, open, read, write};
use super::process::wait;

cases! { "memory":
    fresh_memory_is_zero, what_mmap_refuses, a_fixed_mapping_replaces, noreplace_refuses,
    private_memory_is_copied_by_fork, shared_memory_is_shared_by_fork, a_private_file_mapping_keeps_its_changes,
    a_shared_file_mapping_reaches_the_file, a_file_mapping_needs_a_readable_file, unmapping_is_forgiving_and_aligned,
    memory_that_is_gone_kills, memory_without_permission_kills, protection_needs_mapped_pages,
    the_break_grows_and_shrinks, a_mapping_moves_when_it_may, a_mapping_shrinks_in_place,
    advice_throws_away_private_pages, a_buffer_without_permission_is_efault,
}

pub(super) const RW: ProtFlags = ProtFlags::PROT_READ.union(ProtFlags::PROT_WRITE);
pub(super) const PRIVATE: MapFlags = MapFlags::MAP_PRIVATE.union(MapFlags::MAP_ANONYMOUS);
pub(super) const SHARED: MapFlags = MapFlags::MAP_SHARED.union(MapFlags::MAP_ANONYMOUS);
pub(super) const PAGE: usize = 4096;

/// New memory of `len` bytes.
pub(super) fn map(sys: &dyn Sys, len: usize, flags: MapFlags) -> Result {
    sys.mmap(0, len, RW, flags, Fd(-1), 0)
}

/// New memory that children share.
pub(super) fn map_shared(sys: &dyn Sys) -> Result {
    map(sys, PAGE, SHARED)
}

fn fresh_memory_is_zero(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 3 * PAGE, PRIVATE)?;
    assert_eq!(at % PAGE, 0);
    assert!(sys.bytes(at, 3 * PAGE).iter().all(|&byte| byte == 0));
    sys.poke(at + 2 * PAGE - 2, b"over");
    assert_eq!(sys.bytes(at + 2 * PAGE - 2, 4), b"over");
    Ok(())
}

fn what_mmap_refuses(sys: &dyn Sys) -> Outcome {
    assert_eq!(map(sys, 0, PRIVATE), Err(Errno::EINVAL));
    assert_eq!(map(sys, PAGE, MapFlags::MAP_ANONYMOUS), Err(Errno::EINVAL));
    assert_eq!(map(sys, usize::MAX - 10 * PAGE, PRIVATE), Err(Errno::ENOMEM));
    assert_eq!(map(sys, PAGE, MapFlags::MAP_PRIVATE), Err(Errno::EBADF));
    assert_eq!(sys.mmap(1, PAGE, RW, PRIVATE | MapFlags::MAP_FIXED, Fd(-1), 0), Err(Errno::EINVAL));
    let file = create(sys, "file")?;
    assert_eq!(sys.mmap(0, PAGE, RW, MapFlags::MAP_PRIVATE, file, 1), Err(Errno::EINVAL));
    Ok(())
}

fn a_fixed_mapping_replaces(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 3 * PAGE, PRIVATE)?;
    sys.poke(at, &[7; 3 * PAGE]);
    assert_eq!(sys.mmap(at + PAGE, PAGE, RW, PRIVATE | MapFlags::MAP_FIXED, Fd(-1), 0)?, at + PAGE);
    assert_eq!([0, PAGE, 2 * PAGE].map(|offset| sys.bytes(at + offset, 1)[0]), [7, 0, 7]);
    Ok(())
}

fn noreplace_refuses(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, PRIVATE)?;
    let flags = PRIVATE | MapFlags::MAP_FIXED_NOREPLACE;
    assert_eq!(sys.mmap(at, PAGE, RW, flags, Fd(-1), 0), Err(Errno::EEXIST));
    sys.munmap(at, PAGE)?;
    assert_eq!(sys.mmap(at, PAGE, RW, flags, Fd(-1), 0)?, at);
    Ok(())
}

fn private_memory_is_copied_by_fork(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, PRIVATE)?;
    sys.poke(at, b"parent");
    let child = |sys: &dyn Sys, at| {
        let saw = sys.bytes(at, 6) == b"parent";
        sys.poke(at, b"child!");
        i32::from(!saw)
    };
    let pid = sys.fork_with(child, at)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    assert_eq!(sys.bytes(at, 6), b"parent");
    Ok(())
}

fn shared_memory_is_shared_by_fork(sys: &dyn Sys) -> Outcome {
    let at = map_shared(sys)?;
    let child = |sys: &dyn Sys, at| {
        sys.poke(at, b"child!");
        0
    };
    let pid = sys.fork_with(child, at)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    assert_eq!(sys.bytes(at, 6), b"child!");
    Ok(())
}

fn a_private_file_mapping_keeps_its_changes(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"from the file")?;
    let at = sys.mmap(0, PAGE, RW, MapFlags::MAP_PRIVATE, file, 0)?;
    assert_eq!(sys.bytes(at, 14), b"from the file\0");
    sys.poke(at, b"FROM");
    sys.pread64(file, sys.page(), 4, 0)?;
    assert_eq!(sys.bytes(sys.page(), 4), b"from");
    Ok(())
}

fn a_shared_file_mapping_reaches_the_file(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"from the file")?;
    let at = sys.mmap(0, PAGE, RW, MapFlags::MAP_SHARED, file, 0)?;
    sys.close(file)?;
    sys.poke(at, b"INTO");
    sys.msync(at, PAGE, MsyncFlags::MS_SYNC)?;
    let file = open(sys, "file", OpenFlags::O_RDWR)?;
    assert_eq!(read(sys, file, 100)?, b"INTO the file");
    sys.poke(sys.page(), b"back");
    sys.pwrite64(file, sys.page(), 4, 0)?;
    assert_eq!(sys.bytes(at, 8), b"back the");
    Ok(())
}

fn a_file_mapping_needs_a_readable_file(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    let writer = open(sys, "file", OpenFlags::O_WRONLY)?;
    assert_eq!(sys.mmap(0, PAGE, RW, MapFlags::MAP_PRIVATE, writer, 0), Err(Errno::EACCES));
    let reader = open(sys, "file", OpenFlags::O_RDONLY)?;
    assert_eq!(sys.mmap(0, PAGE, RW, MapFlags::MAP_SHARED, reader, 0), Err(Errno::EACCES));
    let at = sys.mmap(0, PAGE, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, reader, 0)?;
    assert_eq!(sys.mprotect(at, PAGE, RW), Err(Errno::EACCES));
    let directory = open(sys, ".", OpenFlags::O_RDONLY)?;
    assert_eq!(sys.mmap(0, PAGE, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE, directory, 0), Err(Errno::ENODEV));
    Ok(())
}

fn unmapping_is_forgiving_and_aligned(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 3 * PAGE, PRIVATE)?;
    sys.munmap(at + PAGE, PAGE)?;
    sys.munmap(at + PAGE, PAGE)?;
    assert_eq!(sys.munmap(at + 1, PAGE), Err(Errno::EINVAL));
    assert_eq!(sys.munmap(at, 0), Err(Errno::EINVAL));
    assert_eq!(sys.munmap(at, usize::MAX), Err(Errno::EINVAL));
    sys.poke(at, b"x");
    sys.poke(at + 2 * PAGE, b"x");
    Ok(())
}

fn killed_by_segv(sys: &dyn Sys, status: i32) -> Outcome {
    let _ = sys;
    assert_eq!(status & !0x80, status_signaled(Signal::SIGSEGV.number(), false));
    Ok(())
}

fn memory_that_is_gone_kills(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, PRIVATE)?;
    sys.munmap(at, PAGE)?;
    let child = |sys: &dyn Sys, at| i32::from(sys.bytes(at, 1)[0]);
    let pid = sys.fork_with(child, at)?;
    killed_by_segv(sys, wait(sys, pid)?)
}

fn memory_without_permission_kills(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, PRIVATE)?;
    sys.poke(at, b"x");
    sys.mprotect(at, PAGE, ProtFlags::PROT_READ)?;
    assert_eq!(sys.bytes(at, 1), b"x");
    let child = |sys: &dyn Sys, at| {
        sys.poke(at, b"y");
        0
    };
    let pid = sys.fork_with(child, at)?;
    killed_by_segv(sys, wait(sys, pid)?)?;
    sys.mprotect(at, PAGE, RW)?;
    sys.poke(at, b"y");
    Ok(())
}

fn protection_needs_mapped_pages(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 3 * PAGE, PRIVATE)?;
    sys.munmap(at + PAGE, PAGE)?;
    assert_eq!(sys.mprotect(at, 3 * PAGE, ProtFlags::PROT_READ), Err(Errno::ENOMEM));
    assert_eq!(sys.mprotect(at + 1, PAGE, ProtFlags::PROT_READ), Err(Errno::EINVAL));
    sys.mprotect(at, 0, ProtFlags::PROT_READ)?;
    Ok(())
}

fn the_break_grows_and_shrinks(sys: &dyn Sys) -> Outcome {
    let start = sys.brk(0)?;
    assert_eq!(sys.brk(start + 3 * PAGE)?, start + 3 * PAGE);
    sys.poke(start + 2 * PAGE, b"x");
    assert_eq!(sys.brk(start)?, start);
    assert_eq!(sys.brk(usize::MAX)?, start);
    Ok(())
}

fn a_mapping_moves_when_it_may(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 3 * PAGE, PRIVATE)?;
    sys.poke(at, b"moved");
    assert_eq!(sys.mremap(at, PAGE, 2 * PAGE, MremapFlags::empty(), 0), Err(Errno::ENOMEM));
    let to = sys.mremap(at, PAGE, 2 * PAGE, MremapFlags::MREMAP_MAYMOVE, 0)?;
    assert_ne!(to, at);
    assert_eq!(sys.bytes(to, 5), b"moved");
    assert_eq!(sys.bytes(to + PAGE, 1), [0]);
    assert_eq!(sys.mremap(at, PAGE, PAGE, MremapFlags::MREMAP_MAYMOVE, 0), Err(Errno::EFAULT));
    assert_eq!(sys.mremap(to + 1, PAGE, PAGE, MremapFlags::MREMAP_MAYMOVE, 0), Err(Errno::EINVAL));
    Ok(())
}

fn a_mapping_shrinks_in_place(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, PRIVATE)?;
    assert_eq!(sys.mremap(at, 2 * PAGE, PAGE, MremapFlags::empty(), 0)?, at);
    assert_eq!(sys.mprotect(at + PAGE, PAGE, RW), Err(Errno::ENOMEM));
    Ok(())
}

fn advice_throws_away_private_pages(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, PRIVATE)?;
    sys.poke(at, &[9; 2 * PAGE]);
    sys.madvise(at, PAGE, Madvice::MADV_DONTNEED)?;
    assert_eq!([sys.bytes(at, 1)[0], sys.bytes(at + PAGE, 1)[0]], [0, 9]);
    assert_eq!(sys.madvise(at + 1, PAGE, Madvice::MADV_DONTNEED), Err(Errno::EINVAL));
    assert_eq!(sys.madvise(at, PAGE, Madvice(9999)), Err(Errno::EINVAL));
    sys.munmap(at + PAGE, PAGE)?;
    assert_eq!(sys.madvise(at, 2 * PAGE, Madvice::MADV_DONTNEED), Err(Errno::ENOMEM));
    Ok(())
}

fn a_buffer_without_permission_is_efault(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, PRIVATE)?;
    let file = create(sys, "file")?;
    write(sys, file, b"bytes")?;
    sys.mprotect(at, PAGE, ProtFlags::PROT_READ)?;
    assert_eq!(sys.pread64(file, at, 5, 0), Err(Errno::EFAULT));
    assert_eq!(sys.pwrite64(file, at, 5, 0)?, 5);
    sys.mprotect(at, PAGE, ProtFlags::PROT_NONE)?;
    assert_eq!(sys.pwrite64(file, at, 5, 0), Err(Errno::EFAULT));
    Ok(())
}
