//! Mappings in detail: where they go, what happens to them at a fork and past a file's end.

use alloc::vec::Vec;

use kernel_abi::flags::{Madvice, MapFlags, MremapFlags, MsyncFlags, OpenFlags, ProtFlags, Resource};
use kernel_abi::structs::{status_exited, status_signaled};
use kernel_abi::{Calls, Errno, Fd, Result, Signal, Sys};

use super::Outcome;
use super::file::{create, open, read, write};
use super::memory::{PAGE, PRIVATE, RW, SHARED, map};
use super::process::{in_child, wait};

cases! { "mapping":
    a_hint_is_taken_when_there_is_room, a_low_mapping_stays_low, a_file_is_mapped_from_a_place,
    behind_the_end_of_a_file_is_zero, past_the_last_page_is_sigbus, a_file_that_grows_is_seen, a_file_that_shrinks_is_missed, what_was_cut_off_does_not_come_back,
    a_private_mapping_sees_the_file_until_it_is_written, a_mapping_keeps_its_file, processes_share_a_file,
    a_private_page_is_copied_once, a_grandchild_has_its_own_copy, memory_nobody_may_touch, what_is_read_only_stays_so,
    protection_splits_and_joins, who_is_in_memory, what_mincore_refuses, what_msync_refuses,
    some_memory_is_not_inherited, some_memory_is_wiped_for_a_child, memory_is_fetched_beforehand,
    shared_memory_is_not_forgotten, a_file_behind_private_changes_comes_back, a_large_mapping_costs_nothing,
    a_stack_grows_down, a_stack_grows_no_further_than_its_limit, the_break_keeps_what_is_below, the_break_runs_into_nothing, a_transfer_ends_where_memory_does,
    execution_takes_permission, what_mprotect_and_munmap_refuse,
    a_hole_too_many,
}

pub(super) fn first(sys: &dyn Sys, at: usize) -> u8 {
    let mut byte = [0];
    sys.peek(at, &mut byte);
    byte[0]
}

/// A file of `bytes`, mapped.
pub(super) fn mapped(sys: &dyn Sys, bytes: &[u8], len: usize, flags: MapFlags) -> Result<(Fd, usize)> {
    let file = create(sys, "file")?;
    write(sys, file, bytes)?;
    Ok((file, sys.mmap(0, len, RW, flags, file, 0)?))
}

/// What becomes of a child that reads at an address.
pub(super) fn reads(sys: &dyn Sys, at: usize) -> Result<i32> {
    let pid = sys.fork_with(|sys, at| i32::from(first(sys, at)), at)?;
    Ok(wait(sys, pid)? & !0x80)
}

/// What becomes of a child that writes a byte at an address.
fn writes(sys: &dyn Sys, at: usize) -> Result<i32> {
    let child = |sys: &dyn Sys, at| {
        sys.poke(at, b"w");
        0
    };
    let pid = sys.fork_with(child, at)?;
    Ok(wait(sys, pid)? & !0x80)
}

pub(super) const SEGV: i32 = status_signaled(Signal::SIGSEGV.number(), false);
pub(super) const BUS: i32 = status_signaled(Signal::SIGBUS.number(), false);

fn a_hint_is_taken_when_there_is_room(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 4 * PAGE, PRIVATE)?;
    sys.munmap(at, 4 * PAGE)?;
    // Rounded down to a page.
    assert_eq!(sys.mmap(at + PAGE + 5, PAGE, RW, PRIVATE, Fd(-1), 0)?, at + PAGE);
    let other = sys.mmap(at, 2 * PAGE, RW, PRIVATE, Fd(-1), 0)?;
    assert!(other != at && other % PAGE == 0);
    Ok(())
}

fn a_low_mapping_stays_low(sys: &dyn Sys) -> Outcome {
    let at = sys.mmap(0, PAGE, RW, PRIVATE | MapFlags::MAP_32BIT, Fd(-1), 0)?;
    if sys.arch() == kernel_abi::Arch::X86_64 {
        assert!(at + PAGE <= 1 << 31);
    }
    sys.poke(at, b"x");
    Ok(())
}

fn a_file_is_mapped_from_a_place(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    sys.pwrite64(file, sys.path(sys.page(), "second"), 6, PAGE)?;
    let at = sys.mmap(0, PAGE, RW, MapFlags::MAP_SHARED, file, PAGE)?;
    assert_eq!(sys.bytes(at, 7), b"second\0");
    let end = 1_u64 << 63;
    assert_eq!(sys.mmap(0, PAGE, RW, MapFlags::MAP_SHARED, file, end - PAGE as u64), Err(Errno::EOVERFLOW));
    Ok(())
}

fn behind_the_end_of_a_file_is_zero(sys: &dyn Sys) -> Outcome {
    let (file, at) = mapped(sys, b"short", PAGE, MapFlags::MAP_SHARED)?;
    assert_eq!(sys.bytes(at, 8), b"short\0\0\0");
    assert_eq!(first(sys, at + PAGE - 1), 0);
    // What is stored there is nobody's.
    sys.poke(at + 5, b"lost");
    assert_eq!(super::file::read(sys, open(sys, "file", OpenFlags::O_RDONLY)?, 100)?, b"short");
    sys.close(file)?;
    Ok(())
}

fn past_the_last_page_is_sigbus(sys: &dyn Sys) -> Outcome {
    let (file, shared) = mapped(sys, b"short", 3 * PAGE, MapFlags::MAP_SHARED)?;
    assert_eq!(reads(sys, shared + PAGE)?, BUS);
    assert_eq!(writes(sys, shared + 2 * PAGE)?, BUS);
    let private = sys.mmap(0, 2 * PAGE, RW, MapFlags::MAP_PRIVATE, file, 0)?;
    assert_eq!(writes(sys, private + PAGE)?, BUS);
    // For a call it is no signal.
    assert_eq!(sys.write(file, shared + PAGE, 1), Err(Errno::EFAULT));
    let empty = create(sys, "empty")?;
    let at = sys.mmap(0, PAGE, RW, MapFlags::MAP_SHARED, empty, 0)?;
    assert_eq!(reads(sys, at)?, BUS);
    Ok(())
}

fn a_file_that_grows_is_seen(sys: &dyn Sys) -> Outcome {
    let (file, at) = mapped(sys, b"", 2 * PAGE, MapFlags::MAP_SHARED)?;
    sys.ftruncate(file, PAGE + 1)?;
    assert_eq!([first(sys, at), first(sys, at + PAGE)], [0, 0]);
    sys.pwrite64(file, sys.path(sys.page(), "x"), 1, PAGE)?;
    assert_eq!(first(sys, at + PAGE), b'x');
    Ok(())
}

fn a_file_that_shrinks_is_missed(sys: &dyn Sys) -> Outcome {
    let (file, at) = mapped(sys, &[7; 2 * PAGE], 2 * PAGE, MapFlags::MAP_SHARED)?;
    assert_eq!([first(sys, at), first(sys, at + PAGE)], [7, 7]);
    sys.ftruncate(file, 10)?;
    assert_eq!(reads(sys, at + PAGE)?, BUS);
    assert_eq!(sys.bytes(at + 8, 4), [7, 7, 0, 0]);
    Ok(())
}

fn what_was_cut_off_does_not_come_back(sys: &dyn Sys) -> Outcome {
    let (file, at) = mapped(sys, &[7; 2 * PAGE], 2 * PAGE, MapFlags::MAP_SHARED)?;
    let private = sys.mmap(0, 2 * PAGE, RW, MapFlags::MAP_PRIVATE, file, 0)?;
    sys.poke(private + PAGE, &[8]);
    assert_eq!([first(sys, at), first(sys, at + PAGE), first(sys, private)], [7, 7, 7]);
    sys.ftruncate(file, 10)?;
    sys.ftruncate(file, 2 * PAGE)?;
    assert_eq!([first(sys, at + 9), first(sys, at + 10), first(sys, at + PAGE)], [7, 0, 0]);
    // Not even what was changed privately.
    assert_eq!([first(sys, private), first(sys, private + PAGE)], [7, 0]);
    Ok(())
}

fn a_private_mapping_sees_the_file_until_it_is_written(sys: &dyn Sys) -> Outcome {
    let (file, at) = mapped(sys, b"first", PAGE, MapFlags::MAP_PRIVATE)?;
    assert_eq!(sys.bytes(at, 5), b"first");
    sys.pwrite64(file, sys.path(sys.page(), "other"), 5, 0)?;
    assert_eq!(sys.bytes(at, 5), b"other");
    sys.poke(at, b"M");
    sys.pwrite64(file, sys.path(sys.page(), "third"), 5, 0)?;
    assert_eq!(sys.bytes(at, 5), b"Mther");
    Ok(())
}

fn a_mapping_keeps_its_file(sys: &dyn Sys) -> Outcome {
    let (file, at) = mapped(sys, b"kept", PAGE, MapFlags::MAP_SHARED)?;
    sys.close(file)?;
    sys.unlinkat(Fd::CWD, sys.path(sys.page(), "file"), 0)?;
    assert_eq!(sys.bytes(at, 4), b"kept");
    sys.poke(at, b"K");
    in_child(sys, |sys, at| i32::from(first(sys, at) != b'K'), at)?;
    Ok(())
}

fn processes_share_a_file(sys: &dyn Sys) -> Outcome {
    let (file, at) = mapped(sys, b"parent", PAGE, MapFlags::MAP_SHARED)?;
    let child = |sys: &dyn Sys, _| {
        // A mapping of its own, of the same file.
        let Ok(at) = sys.mmap(0, PAGE, RW, MapFlags::MAP_SHARED, Fd(3), 0) else { return 1 };
        let saw = first(sys, at) == b'p';
        sys.poke(at, b"child!");
        i32::from(!saw)
    };
    assert_eq!(file, Fd(3));
    in_child(sys, child, 0)?;
    assert_eq!(sys.bytes(at, 6), b"child!");
    assert_eq!(sys.pread64(file, sys.page(), 6, 0)?, 6);
    assert_eq!(sys.bytes(sys.page(), 6), b"child!");
    Ok(())
}

fn a_private_page_is_copied_once(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 4 * PAGE, PRIVATE)?;
    sys.poke(at, &[1; 4 * PAGE]);
    let child = |sys: &dyn Sys, at| {
        sys.poke(at + PAGE - 1, &[2, 2]);
        let own = [first(sys, at), first(sys, at + PAGE - 1), first(sys, at + PAGE), first(sys, at + PAGE + 1)];
        i32::from(own != [1, 2, 2, 1])
    };
    for _ in 0..2 {
        in_child(sys, child, at)?;
        assert!(sys.bytes(at, 4 * PAGE).iter().all(|&byte| byte == 1));
    }
    // The parent writes while a child looks.
    let pid = sys.fork_with(
        |sys, at| {
            let _ = sys.sched_yield();
            i32::from(first(sys, at))
        },
        at,
    )?;
    sys.poke(at, &[9]);
    assert_eq!(wait(sys, pid)?, status_exited(1));
    Ok(())
}

fn a_grandchild_has_its_own_copy(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, PRIVATE)?;
    sys.poke(at, &[1]);
    let child = |sys: &dyn Sys, at| {
        let grandchild = |sys: &dyn Sys, at| {
            let saw = first(sys, at);
            sys.poke(at, &[3]);
            i32::from(saw != 2 || first(sys, at) != 3)
        };
        sys.poke(at, &[2]);
        let ended = in_child(sys, grandchild, at).is_ok();
        i32::from(!ended || first(sys, at) != 2)
    };
    in_child(sys, child, at)?;
    assert_eq!(first(sys, at), 1);
    Ok(())
}

fn memory_nobody_may_touch(sys: &dyn Sys) -> Outcome {
    let at = sys.mmap(0, PAGE, ProtFlags::PROT_NONE, PRIVATE, Fd(-1), 0)?;
    assert_eq!(reads(sys, at)?, SEGV);
    sys.mprotect(at, PAGE, RW)?;
    sys.poke(at, b"kept");
    sys.mprotect(at, PAGE, ProtFlags::PROT_NONE)?;
    assert_eq!(reads(sys, at)?, SEGV);
    // What it held is still there, also for a child.
    sys.mprotect(at, PAGE, ProtFlags::PROT_READ)?;
    assert_eq!(sys.bytes(at, 4), b"kept");
    sys.mprotect(at, PAGE, ProtFlags::PROT_NONE)?;
    let child = |sys: &dyn Sys, at| i32::from(sys.mprotect(at, PAGE, RW).is_err() || first(sys, at) != b'k');
    in_child(sys, child, at)?;
    Ok(())
}

fn what_is_read_only_stays_so(sys: &dyn Sys) -> Outcome {
    let (file, at) = mapped(sys, b"bytes", PAGE, MapFlags::MAP_SHARED)?;
    sys.mprotect(at, PAGE, ProtFlags::PROT_READ)?;
    assert_eq!(writes(sys, at)?, SEGV);
    assert_eq!(sys.pread64(file, at, 1, 0), Err(Errno::EFAULT));
    // A private mapping of a file that is open for reading may be written.
    let reader = open(sys, "file", OpenFlags::O_RDONLY)?;
    let private = sys.mmap(0, PAGE, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE, reader, 0)?;
    sys.mprotect(private, PAGE, RW)?;
    sys.poke(private, b"B");
    assert_eq!(sys.bytes(private, 5), b"Bytes");
    assert_eq!(sys.bytes(at, 5), b"bytes");
    Ok(())
}

fn protection_splits_and_joins(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 5 * PAGE, PRIVATE)?;
    sys.poke(at, &[1; 5 * PAGE]);
    sys.mprotect(at + PAGE, 3 * PAGE, ProtFlags::PROT_READ)?;
    sys.mprotect(at + 2 * PAGE, PAGE, RW)?;
    let ends = [0, 1, 2, 3, 4].map(|page| writes(sys, at + page * PAGE));
    assert_eq!(ends, [Ok(0), Ok(SEGV), Ok(0), Ok(SEGV), Ok(0)]);
    sys.mprotect(at, 5 * PAGE, RW)?;
    sys.poke(at, &[2; 5 * PAGE]);
    // Joined again, it moves as one.
    let to = sys.mremap(at, 5 * PAGE, 6 * PAGE, MremapFlags::MREMAP_MAYMOVE, 0)?;
    assert!(sys.bytes(to, 5 * PAGE).iter().all(|&byte| byte == 2));
    Ok(())
}

fn who_is_in_memory(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 3 * PAGE, PRIVATE)?;
    sys.poke(at + PAGE, b"x");
    sys.mincore(at, 3 * PAGE, sys.page())?;
    assert_eq!(sys.bytes(sys.page(), 3).iter().map(|byte| byte & 1).collect::<Vec<_>>(), [0, 1, 0]);
    sys.madvise(at + PAGE, PAGE, Madvice::MADV_DONTNEED)?;
    // Less than a page is a page.
    sys.mincore(at + PAGE, 1, sys.page())?;
    assert_eq!(first(sys, sys.page()) & 1, 0);
    Ok(())
}

fn what_mincore_refuses(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, PRIVATE)?;
    sys.munmap(at + PAGE, PAGE)?;
    assert_eq!(sys.mincore(at + 1, PAGE, sys.page()), Err(Errno::EINVAL));
    assert_eq!(sys.mincore(at, 2 * PAGE, sys.page()), Err(Errno::ENOMEM));
    assert_eq!(sys.mincore(usize::MAX - PAGE + 1, PAGE, sys.page()), Err(Errno::ENOMEM));
    assert_eq!(sys.mincore(at, PAGE, 8), Err(Errno::EFAULT));
    sys.mincore(at, 0, 8)?;
    Ok(())
}

fn what_msync_refuses(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, SHARED)?;
    let both = MsyncFlags::MS_ASYNC | MsyncFlags::MS_SYNC;
    assert_eq!(sys.msync(at, PAGE, both), Err(Errno::EINVAL));
    assert_eq!(sys.msync(at, PAGE, MsyncFlags::from_bits_retain(8)), Err(Errno::EINVAL));
    assert_eq!(sys.msync(at + 1, PAGE, MsyncFlags::MS_SYNC), Err(Errno::EINVAL));
    sys.msync(at, 0, MsyncFlags::MS_SYNC)?;
    sys.msync(at, 1, MsyncFlags::MS_ASYNC | MsyncFlags::MS_INVALIDATE)?;
    sys.munmap(at + PAGE, PAGE)?;
    assert_eq!(sys.msync(at, 2 * PAGE, MsyncFlags::MS_SYNC), Err(Errno::ENOMEM));
    Ok(())
}

fn some_memory_is_not_inherited(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, PRIVATE)?;
    sys.poke(at, &[1; 2 * PAGE]);
    sys.madvise(at, PAGE, Madvice::MADV_DONTFORK)?;
    assert_eq!([reads(sys, at)?, reads(sys, at + PAGE)?], [SEGV, status_exited(1)]);
    sys.madvise(at, PAGE, Madvice::MADV_DOFORK)?;
    assert_eq!(reads(sys, at)?, status_exited(1));
    Ok(())
}

fn some_memory_is_wiped_for_a_child(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, PRIVATE)?;
    sys.poke(at, &[1; 2 * PAGE]);
    sys.madvise(at, PAGE, Madvice::MADV_WIPEONFORK)?;
    assert_eq!([reads(sys, at)?, reads(sys, at + PAGE)?], [status_exited(0), status_exited(1)]);
    assert_eq!(first(sys, at), 1);
    sys.madvise(at, PAGE, Madvice::MADV_KEEPONFORK)?;
    assert_eq!(reads(sys, at)?, status_exited(1));
    let shared = map(sys, PAGE, SHARED)?;
    assert_eq!(sys.madvise(shared, PAGE, Madvice::MADV_WIPEONFORK), Err(Errno::EINVAL));
    Ok(())
}

fn memory_is_fetched_beforehand(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, PRIVATE)?;
    sys.madvise(at, 2 * PAGE, Madvice::MADV_POPULATE_WRITE)?;
    sys.mincore(at, 2 * PAGE, sys.page())?;
    assert_eq!(sys.bytes(sys.page(), 2).iter().map(|byte| byte & 1).collect::<Vec<_>>(), [1, 1]);
    sys.mprotect(at, PAGE, ProtFlags::PROT_READ)?;
    assert_eq!(sys.madvise(at, 2 * PAGE, Madvice::MADV_POPULATE_WRITE), Err(Errno::EINVAL));
    sys.madvise(at, 2 * PAGE, Madvice::MADV_POPULATE_READ)?;
    let populated = sys.mmap(0, PAGE, RW, PRIVATE | MapFlags::MAP_POPULATE, Fd(-1), 0)?;
    sys.mincore(populated, PAGE, sys.page())?;
    assert_eq!(first(sys, sys.page()) & 1, 1);
    Ok(())
}

fn shared_memory_is_not_forgotten(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, SHARED)?;
    sys.poke(at, b"kept");
    sys.madvise(at, PAGE, Madvice::MADV_DONTNEED)?;
    assert_eq!(sys.bytes(at, 4), b"kept");
    sys.madvise(at, 0, Madvice::MADV_DONTNEED)?;
    sys.madvise(at, PAGE, Madvice::MADV_WILLNEED)?;
    Ok(())
}

fn a_file_behind_private_changes_comes_back(sys: &dyn Sys) -> Outcome {
    let (_, at) = mapped(sys, b"file", PAGE, MapFlags::MAP_PRIVATE)?;
    sys.poke(at, b"mine");
    sys.madvise(at, PAGE, Madvice::MADV_DONTNEED)?;
    assert_eq!(sys.bytes(at, 4), b"file");
    Ok(())
}

fn a_large_mapping_costs_nothing(sys: &dyn Sys) -> Outcome {
    const LEN: usize = 1 << 36;
    let at = sys.mmap(0, LEN, RW, PRIVATE | MapFlags::MAP_NORESERVE, Fd(-1), 0)?;
    for place in [0, LEN / 3, LEN - 1] {
        sys.poke(at + place, b"x");
    }
    sys.munmap(at + PAGE, LEN - 2 * PAGE)?;
    assert_eq!([first(sys, at), first(sys, at + LEN - 1)], [b'x'; 2]);
    Ok(())
}

fn a_stack_grows_down(sys: &dyn Sys) -> Outcome {
    const ROOM: usize = 2048 * PAGE;
    let room = map(sys, ROOM, PRIVATE)?;
    sys.munmap(room, ROOM)?;
    let top = room + ROOM - PAGE;
    let flags = PRIVATE | MapFlags::MAP_FIXED | MapFlags::MAP_GROWSDOWN;
    assert_eq!(sys.mmap(top, PAGE, RW, flags, Fd(-1), 0)?, top);
    sys.poke(top - 3 * PAGE, b"deep");
    assert_eq!(sys.bytes(top - 3 * PAGE, 4), b"deep");
    assert_eq!(first(sys, top - PAGE), 0);
    Ok(())
}

fn a_stack_grows_no_further_than_its_limit(sys: &dyn Sys) -> Outcome {
    const ROOM: usize = 2048 * PAGE;
    let room = map(sys, ROOM, PRIVATE)?;
    sys.munmap(room, ROOM)?;
    let top = room + ROOM - PAGE;
    let flags = PRIVATE | MapFlags::MAP_FIXED | MapFlags::MAP_GROWSDOWN;
    sys.mmap(top, PAGE, RW, flags, Fd(-1), 0)?;
    super::limit::lower(sys, Resource::RLIMIT_STACK, 64 * PAGE as u64)?;
    assert_eq!(writes(sys, top - 62 * PAGE)?, 0);
    assert_eq!(writes(sys, top - 65 * PAGE)?, SEGV);
    // Nor into the room that is kept between it and what lies below.
    sys.mmap(top - 40 * PAGE, PAGE, RW, PRIVATE | MapFlags::MAP_FIXED, Fd(-1), 0)?;
    assert_eq!(writes(sys, top - PAGE)?, SEGV);
    Ok(())
}

fn the_break_keeps_what_is_below(sys: &dyn Sys) -> Outcome {
    let start = sys.brk(0)?;
    sys.brk(start + 2 * PAGE)?;
    sys.poke(start, &[6; 2 * PAGE]);
    // Not only whole pages.
    assert_eq!(sys.brk(start + 10)?, start + 10);
    assert_eq!(sys.brk(0)?, start + 10);
    assert_eq!(sys.brk(start + 2 * PAGE)?, start + 2 * PAGE);
    let end = (start + 10).next_multiple_of(PAGE);
    assert_eq!([first(sys, start), first(sys, end)], [6, 0]);
    in_child(sys, |sys, start| i32::from(sys.brk(0) != Ok(start + 2 * PAGE)), start)?;
    assert_eq!(sys.brk(start - PAGE * 1000)?, start + 2 * PAGE);
    Ok(())
}

fn the_break_runs_into_nothing(sys: &dyn Sys) -> Outcome {
    let start = sys.brk(0)?.next_multiple_of(PAGE);
    let wall = start + 4 * PAGE;
    sys.mmap(wall, PAGE, RW, PRIVATE | MapFlags::MAP_FIXED_NOREPLACE, Fd(-1), 0)?;
    let before = sys.brk(0)?;
    assert_eq!(sys.brk(wall + PAGE)?, before);
    assert_eq!(sys.brk(start + 2 * PAGE)?, start + 2 * PAGE);
    Ok(())
}

fn a_transfer_ends_where_memory_does(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, PRIVATE)?;
    sys.munmap(at + PAGE, PAGE)?;
    let file = create(sys, "file")?;
    write(sys, file, &[3; 100])?;
    // As much as there is room for.
    assert_eq!(sys.pread64(file, at + PAGE - 10, 100, 0)?, 10);
    assert_eq!(sys.pread64(file, at + PAGE, 100, 0), Err(Errno::EFAULT));
    let shared = sys.mmap(0, PAGE, RW, MapFlags::MAP_SHARED, file, 0)?;
    // A file written from its own mapping.
    assert_eq!(sys.pwrite64(file, shared, 50, 50)?, 50);
    assert_eq!(read(sys, open(sys, "file", OpenFlags::O_RDONLY)?, 200)?.len(), 100);
    Ok(())
}

fn execution_takes_permission(sys: &dyn Sys) -> Outcome {
    // Whether it may be read is not asked of memory that is executed only where the processor cannot tell.
    let at = sys.mmap(0, PAGE, RW | ProtFlags::PROT_EXEC, PRIVATE, Fd(-1), 0)?;
    sys.poke(at, b"x");
    sys.mprotect(at, PAGE, ProtFlags::PROT_READ | ProtFlags::PROT_EXEC)?;
    assert_eq!(first(sys, at), b'x');
    assert_eq!(writes(sys, at)?, SEGV);
    Ok(())
}

fn what_mprotect_and_munmap_refuse(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, PRIVATE)?;
    assert_eq!(sys.mprotect(at, PAGE, ProtFlags::from_bits_retain(0x100)), Err(Errno::EINVAL));
    assert_eq!(sys.mprotect(at, usize::MAX, RW), Err(Errno::ENOMEM));
    assert_eq!(sys.mprotect(at, PAGE, ProtFlags::PROT_GROWSDOWN | RW), Err(Errno::EINVAL));
    let both = ProtFlags::PROT_GROWSDOWN | ProtFlags::PROT_GROWSUP;
    assert_eq!(sys.mprotect(at, PAGE, both), Err(Errno::EINVAL));
    assert_eq!(sys.munmap(usize::MAX - PAGE + 1, PAGE), Err(Errno::EINVAL));
    assert_eq!(sys.munmap(at, PAGE)?, 0);
    // Less than a page is a page.
    let at = map(sys, 2 * PAGE, PRIVATE)?;
    sys.munmap(at, 1)?;
    assert_eq!([reads(sys, at)?, reads(sys, at + PAGE)?], [SEGV, 0]);
    Ok(())
}

fn a_hole_too_many(sys: &dyn Sys) -> Outcome {
    /// `vm.max_map_count`, which a machine may have more of than this, but hardly.
    const AREAS: usize = 70_000;
    let at = sys.mmap(0, 2 * AREAS * PAGE, ProtFlags::PROT_NONE, PRIVATE, Fd(-1), 0)?;
    let mut refused = None;
    for number in 0..AREAS {
        if let Err(errno) = sys.munmap(at + (2 * number + 1) * PAGE, PAGE) {
            refused = Some((number, errno));
            break;
        }
    }
    let Some((holes, errno)) = refused else { return Ok(()) };
    assert_eq!(errno, Errno::ENOMEM);
    // What makes no more areas is no trouble, and then there is room.
    sys.munmap(at, PAGE)?;
    sys.munmap(at + 2 * PAGE, PAGE)?;
    sys.munmap(at + (2 * holes + 1) * PAGE, PAGE)?;
    sys.munmap(at, 2 * AREAS * PAGE)?;
    Ok(())
}
