//! Ranges of memory at their edges: holes, parts, what overlaps, and what is left when a call refuses.

use kernel_abi::flags::{Madvice, MapFlags, MremapFlags, MsyncFlags, OpenFlags, ProtFlags};
use kernel_abi::structs::status_exited;
use kernel_abi::{Calls, Errno, Fd, Sys};

use super::Outcome;
use super::file::{create, descriptor, open, write};
use super::mapping::{SEGV, first, mapped, reads};
use super::memory::{PAGE, PRIVATE, RW, SHARED, map};
use super::pipe::pipe;
use super::process::in_child;

cases! { "area":
    a_hole_stops_protection_behind_what_came_before, a_hole_stops_no_advice, unmapping_spans_holes,
    a_middle_is_unmapped, a_mapping_replaces_several, a_fixed_mapping_wants_a_page, the_end_of_memory_is_no_place,
    what_mmap_looks_at_first, what_cannot_be_mapped, a_mapping_of_no_kind, populating_past_a_file_is_efault,
    populating_a_hole_is_enomem, a_read_only_file_is_mapped_to_read, what_was_mapped_to_read_is_not_written,
    growing_in_place_takes_room, a_part_moves_alone, a_move_onto_others_replaces_them, a_move_takes_one_mapping,
    sharing_is_not_left_behind, msync_goes_through_a_hole, a_wild_vector_of_pages,
    more_pages_than_anybody_can_tell_of, the_break_is_remembered_by_a_child,
    the_break_ends_at_no_page, a_break_that_shrinks_forgets, memory_is_what_a_pipe_says_it_is,
}

fn a_hole_stops_protection_behind_what_came_before(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 4 * PAGE, PRIVATE)?;
    sys.poke(at, &[1; 4 * PAGE]);
    sys.munmap(at + 2 * PAGE, PAGE)?;
    assert_eq!(sys.mprotect(at, 4 * PAGE, ProtFlags::PROT_NONE), Err(Errno::ENOMEM));
    // What lies before the hole is changed, what lies behind is not.
    assert_eq!([reads(sys, at)?, reads(sys, at + PAGE)?], [SEGV, SEGV]);
    assert_eq!(reads(sys, at + 3 * PAGE)?, status_exited(1));
    // A hole at the start changes nothing.
    assert_eq!(sys.mprotect(at + 2 * PAGE, 2 * PAGE, ProtFlags::PROT_NONE), Err(Errno::ENOMEM));
    assert_eq!(reads(sys, at + 3 * PAGE)?, status_exited(1));
    Ok(())
}

fn a_hole_stops_no_advice(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 3 * PAGE, PRIVATE)?;
    sys.poke(at, &[1; 3 * PAGE]);
    sys.munmap(at + PAGE, PAGE)?;
    assert_eq!(sys.madvise(at, 3 * PAGE, Madvice::MADV_DONTNEED), Err(Errno::ENOMEM));
    // Both sides have been treated.
    assert_eq!([first(sys, at), first(sys, at + 2 * PAGE)], [0, 0]);
    Ok(())
}

fn unmapping_spans_holes(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 5 * PAGE, PRIVATE)?;
    sys.munmap(at + PAGE, PAGE)?;
    sys.munmap(at + 3 * PAGE, PAGE)?;
    // Less than a page takes a page.
    sys.munmap(at, 4 * PAGE + 1)?;
    for page in 0..5 {
        assert_eq!(sys.mincore(at + page * PAGE, PAGE, sys.page()), Err(Errno::ENOMEM));
    }
    Ok(())
}

fn a_middle_is_unmapped(sys: &dyn Sys) -> Outcome {
    let (_, at) = mapped(sys, &[7; 3 * PAGE], 3 * PAGE, MapFlags::MAP_SHARED)?;
    sys.munmap(at + PAGE, PAGE)?;
    assert_eq!([first(sys, at), first(sys, at + 2 * PAGE)], [7, 7]);
    assert_eq!(reads(sys, at + PAGE)?, SEGV);
    Ok(())
}

fn a_mapping_replaces_several(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 5 * PAGE, PRIVATE)?;
    sys.poke(at, &[1; 5 * PAGE]);
    sys.mprotect(at + PAGE, PAGE, ProtFlags::PROT_READ)?;
    sys.munmap(at + 2 * PAGE, PAGE)?;
    let fixed = PRIVATE | MapFlags::MAP_FIXED;
    assert_eq!(sys.mmap(at + PAGE, 3 * PAGE, RW, fixed, Fd(-1), 0)?, at + PAGE);
    let seen = [0, 1, 2, 3, 4].map(|page| first(sys, at + page * PAGE));
    assert_eq!(seen, [1, 0, 0, 0, 1]);
    sys.poke(at + PAGE, &[2; 3 * PAGE]);
    Ok(())
}

fn a_fixed_mapping_wants_a_page(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, PRIVATE)?;
    for flags in [MapFlags::MAP_FIXED, MapFlags::MAP_FIXED_NOREPLACE] {
        assert_eq!(sys.mmap(at + 8, PAGE, RW, PRIVATE | flags, Fd(-1), 0), Err(Errno::EINVAL));
    }
    // Part of it is in the way.
    let flags = PRIVATE | MapFlags::MAP_FIXED_NOREPLACE;
    assert_eq!(sys.mmap(at - PAGE, 2 * PAGE, RW, flags, Fd(-1), 0), Err(Errno::EEXIST));
    Ok(())
}

fn the_end_of_memory_is_no_place(sys: &dyn Sys) -> Outcome {
    let fixed = PRIVATE | MapFlags::MAP_FIXED;
    let last = usize::MAX - PAGE + 1;
    assert_eq!(sys.mmap(last, PAGE, RW, fixed, Fd(-1), 0), Err(Errno::ENOMEM));
    assert_eq!(sys.mmap(1_usize << 62, PAGE, RW, fixed, Fd(-1), 0), Err(Errno::ENOMEM));
    assert_eq!(sys.munmap(last, PAGE), Err(Errno::EINVAL));
    assert_eq!(sys.mprotect(last, PAGE, RW), Err(Errno::ENOMEM));
    assert_eq!(sys.madvise(last, 2 * PAGE, Madvice::MADV_DONTNEED), Err(Errno::EINVAL));
    // A hint that cannot be is no reason to refuse.
    sys.mmap(last, PAGE, RW, PRIVATE, Fd(-1), 0)?;
    Ok(())
}

fn what_mmap_looks_at_first(sys: &dyn Sys) -> Outcome {
    // An offset inside a page, then the descriptor, then the kind and the length.
    assert_eq!(sys.mmap(0, 0, RW, MapFlags::empty(), Fd(77), 5), Err(Errno::EINVAL));
    assert_eq!(sys.mmap(0, 0, RW, MapFlags::empty(), Fd(77), 0), Err(Errno::EBADF));
    assert_eq!(sys.mmap(0, 0, RW, PRIVATE, Fd(77), 0), Err(Errno::EINVAL));
    let file = create(sys, "file")?;
    assert_eq!(sys.mmap(0, PAGE, RW, MapFlags::empty(), file, 0), Err(Errno::EINVAL));
    let writer = open(sys, "file", OpenFlags::O_WRONLY)?;
    assert_eq!(sys.mmap(0, PAGE, RW, MapFlags::MAP_SHARED, writer, 0), Err(Errno::EACCES));
    assert_eq!(sys.mmap(0, 0, RW, MapFlags::MAP_SHARED, writer, 0), Err(Errno::EINVAL));
    Ok(())
}

fn what_cannot_be_mapped(sys: &dyn Sys) -> Outcome {
    use kernel_abi::flags::{EventfdFlags, PipeFlags};
    let [reader, _] = pipe(sys, PipeFlags::empty())?;
    let read = ProtFlags::PROT_READ;
    assert_eq!(sys.mmap(0, PAGE, read, MapFlags::MAP_SHARED, reader, 0), Err(Errno::ENODEV));
    let counter = descriptor(sys.eventfd2(0, EventfdFlags::empty())?);
    assert_eq!(sys.mmap(0, PAGE, RW, MapFlags::MAP_PRIVATE, counter, 0), Err(Errno::ENODEV));
    create(sys, "file")?;
    let place = open(sys, "file", OpenFlags::O_PATH)?;
    assert_eq!(sys.mmap(0, PAGE, read, MapFlags::MAP_PRIVATE, place, 0), Err(Errno::EBADF));
    Ok(())
}

fn a_mapping_of_no_kind(sys: &dyn Sys) -> Outcome {
    for kind in [0, 4, 0xf] {
        let flags = MapFlags::MAP_ANONYMOUS | MapFlags::from_bits_retain(kind);
        assert_eq!(sys.mmap(0, PAGE, RW, flags, Fd(-1), 0), Err(Errno::EINVAL), "{kind}");
    }
    // A descriptor is not looked at where there is no file.
    sys.mmap(0, PAGE, RW, PRIVATE, Fd(77), 0)?;
    Ok(())
}

fn populating_past_a_file_is_efault(sys: &dyn Sys) -> Outcome {
    let (_, at) = mapped(sys, b"short", 2 * PAGE, MapFlags::MAP_SHARED)?;
    sys.madvise(at, PAGE, Madvice::MADV_POPULATE_READ)?;
    assert_eq!(sys.madvise(at, 2 * PAGE, Madvice::MADV_POPULATE_READ), Err(Errno::EFAULT));
    assert_eq!(sys.madvise(at + PAGE, PAGE, Madvice::MADV_POPULATE_WRITE), Err(Errno::EFAULT));
    Ok(())
}

fn populating_a_hole_is_enomem(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 3 * PAGE, PRIVATE)?;
    sys.munmap(at + PAGE, PAGE)?;
    assert_eq!(sys.madvise(at, 3 * PAGE, Madvice::MADV_POPULATE_WRITE), Err(Errno::ENOMEM));
    sys.mincore(at, PAGE, sys.page())?;
    // What came before is there by now.
    assert_eq!(first(sys, sys.page()) & 1, 1);
    sys.mprotect(at, PAGE, ProtFlags::PROT_NONE)?;
    assert_eq!(sys.madvise(at, PAGE, Madvice::MADV_POPULATE_READ), Err(Errno::EINVAL));
    Ok(())
}

fn a_read_only_file_is_mapped_to_read(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"bytes")?;
    let reader = open(sys, "file", OpenFlags::O_RDONLY)?;
    let anonymous = MapFlags::MAP_SHARED_VALIDATE | MapFlags::MAP_ANONYMOUS;
    assert_eq!(sys.mmap(0, PAGE, ProtFlags::PROT_READ, anonymous, Fd(-1), 0), Err(Errno::EINVAL));
    for flags in [MapFlags::MAP_SHARED, MapFlags::MAP_SHARED_VALIDATE] {
        assert_eq!(sys.mmap(0, PAGE, RW, flags, reader, 0), Err(Errno::EACCES));
        let at = sys.mmap(0, PAGE, ProtFlags::PROT_READ, flags, reader, 0)?;
        assert_eq!(first(sys, at), b'b');
        assert_eq!(sys.mprotect(at, PAGE, RW), Err(Errno::EACCES));
        // Nothing is also something it may become.
        sys.mprotect(at, PAGE, ProtFlags::PROT_NONE)?;
        sys.mprotect(at, PAGE, ProtFlags::PROT_READ)?;
    }
    Ok(())
}

fn what_was_mapped_to_read_is_not_written(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, PRIVATE)?;
    let (_, shared) = mapped(sys, b"file", PAGE, MapFlags::MAP_SHARED)?;
    let reader = open(sys, "file", OpenFlags::O_RDONLY)?;
    let fixed = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED;
    sys.mmap(at + PAGE, PAGE, ProtFlags::PROT_READ, fixed, reader, 0)?;
    // The first part may change, and does before the second refuses.
    assert_eq!(sys.mprotect(at, PAGE, ProtFlags::PROT_READ)?, 0);
    assert_eq!(sys.mprotect(at, 2 * PAGE, RW), Err(Errno::EACCES));
    sys.poke(at, b"x");
    assert_eq!(sys.bytes(shared, 4), b"file");
    Ok(())
}

fn growing_in_place_takes_room(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 4 * PAGE, PRIVATE)?;
    sys.munmap(at + PAGE, 2 * PAGE)?;
    sys.poke(at, b"kept");
    let none = MremapFlags::empty();
    assert_eq!(sys.mremap(at, PAGE, 3 * PAGE, none, 0)?, at);
    assert_eq!(sys.mremap(at, 3 * PAGE, 4 * PAGE, none, 0), Err(Errno::ENOMEM));
    assert_eq!(sys.bytes(at, 4), b"kept");
    assert_eq!(first(sys, at + 2 * PAGE), 0);
    Ok(())
}

const TO: MremapFlags = MremapFlags::MREMAP_MAYMOVE.union(MremapFlags::MREMAP_FIXED);

fn a_part_moves_alone(sys: &dyn Sys) -> Outcome {
    let (at, to) = (map(sys, 3 * PAGE, PRIVATE)?, map(sys, PAGE, PRIVATE)?);
    for page in 0..3 {
        sys.poke(at + page * PAGE, &[page as u8 + 1]);
    }
    assert_eq!(sys.mremap(at + PAGE, PAGE, PAGE, TO, to)?, to);
    assert_eq!([first(sys, at), first(sys, to), first(sys, at + 2 * PAGE)], [1, 2, 3]);
    assert_eq!(reads(sys, at + PAGE)?, SEGV);
    Ok(())
}

fn a_move_onto_others_replaces_them(sys: &dyn Sys) -> Outcome {
    let (at, to) = (map(sys, PAGE, PRIVATE)?, map(sys, 3 * PAGE, PRIVATE)?);
    sys.poke(at, &[5]);
    sys.poke(to, &[6; 3 * PAGE]);
    assert_eq!(sys.mremap(at, PAGE, 2 * PAGE, TO, to)?, to);
    assert_eq!([0, 1, 2].map(|page| first(sys, to + page * PAGE)), [5, 0, 6]);
    Ok(())
}

fn a_move_takes_one_mapping(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, PRIVATE)?;
    sys.mprotect(at + PAGE, PAGE, ProtFlags::PROT_READ)?;
    // Two ways of use are two mappings, which grow apart only.
    assert_eq!(sys.mremap(at, 2 * PAGE, 3 * PAGE, MremapFlags::MREMAP_MAYMOVE, 0), Err(Errno::EFAULT));
    // What stays as it is, or shrinks, may be several.
    assert_eq!(sys.mremap(at, 2 * PAGE, PAGE, MremapFlags::empty(), 0)?, at);
    Ok(())
}

fn sharing_is_not_left_behind(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, SHARED)?;
    sys.poke(at, b"seen");
    let to = sys.mremap(at, PAGE, 4 * PAGE, MremapFlags::MREMAP_MAYMOVE, 0)?;
    let child = |sys: &dyn Sys, to| {
        sys.poke(to, b"told");
        0
    };
    in_child(sys, child, to)?;
    assert_eq!(sys.bytes(to, 4), b"told");
    Ok(())
}

fn msync_goes_through_a_hole(sys: &dyn Sys) -> Outcome {
    let (file, at) = mapped(sys, &[0; 3 * PAGE], 3 * PAGE, MapFlags::MAP_SHARED)?;
    sys.munmap(at + PAGE, PAGE)?;
    sys.poke(at + 2 * PAGE, b"behind");
    assert_eq!(sys.msync(at, 3 * PAGE, MsyncFlags::MS_SYNC), Err(Errno::ENOMEM));
    sys.pread64(file, sys.page(), 6, 2 * PAGE)?;
    assert_eq!(sys.bytes(sys.page(), 6), b"behind");
    // Neither now nor later is allowed too.
    sys.msync(at, PAGE, MsyncFlags::empty())?;
    sys.msync(at, PAGE, MsyncFlags::MS_INVALIDATE)?;
    assert_eq!(sys.msync(at, usize::MAX - PAGE, MsyncFlags::MS_SYNC), Err(Errno::ENOMEM));
    // So much that the end lies before the beginning, before whether anything is locked.
    sys.mlock(at, PAGE)?;
    assert_eq!(sys.msync(at, PAGE, MsyncFlags::MS_INVALIDATE), Err(Errno::EBUSY));
    assert_eq!(sys.msync(at, usize::MAX - PAGE, MsyncFlags::MS_INVALIDATE), Err(Errno::ENOMEM));
    Ok(())
}

fn a_wild_vector_of_pages(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, PRIVATE)?;
    let vector = map(sys, 2 * PAGE, PRIVATE)?;
    sys.munmap(vector + PAGE, PAGE)?;
    sys.mincore(at, 2 * PAGE, vector + PAGE - 2)?;
    assert_eq!(sys.mincore(at, 2 * PAGE, vector + PAGE - 1), Err(Errno::EFAULT));
    assert_eq!(sys.mincore(at + 1, 2 * PAGE, 8), Err(Errno::EINVAL));
    Ok(())
}

fn more_pages_than_anybody_can_tell_of(sys: &dyn Sys) -> Outcome {
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS | MapFlags::MAP_NORESERVE;
    let len = 1_usize << 36;
    let at = sys.mmap(0, len, ProtFlags::PROT_NONE, flags, Fd(-1), 0)?;
    let vector = map(sys, 2 * PAGE, PRIVATE)?;
    sys.poke(vector, &[7; PAGE]);
    sys.munmap(vector + PAGE, PAGE)?;
    assert_eq!(sys.mincore(at, len, vector), Err(Errno::EFAULT));
    assert_eq!(sys.bytes(vector, PAGE), [0; PAGE]);
    Ok(())
}

fn the_break_is_remembered_by_a_child(sys: &dyn Sys) -> Outcome {
    let start = sys.brk(0)?;
    sys.brk(start + PAGE)?;
    let child = |sys: &dyn Sys, end| {
        let same = sys.brk(0) == Ok(end);
        i32::from(!same || sys.brk(end + PAGE) != Ok(end + PAGE))
    };
    in_child(sys, child, start + PAGE)?;
    assert_eq!(sys.brk(0)?, start + PAGE);
    Ok(())
}

fn the_break_ends_at_no_page(sys: &dyn Sys) -> Outcome {
    let start = sys.brk(0)?;
    assert_eq!(sys.brk(start + 5)?, start + 5);
    assert_eq!(sys.brk(0)?, start + 5);
    let page = (start + 5).next_multiple_of(PAGE);
    sys.poke(page - 1, b"x");
    // Nowhere is what it cannot be.
    assert_eq!(sys.brk(PAGE)?, start + 5);
    assert_eq!(sys.brk(1_usize << 62)?, start + 5);
    Ok(())
}

fn a_break_that_shrinks_forgets(sys: &dyn Sys) -> Outcome {
    let start = sys.brk(0)?.next_multiple_of(PAGE);
    sys.brk(start + 2 * PAGE)?;
    sys.poke(start, &[1; 2 * PAGE]);
    sys.brk(start + PAGE)?;
    assert_eq!(reads(sys, start + PAGE)?, SEGV);
    sys.brk(start + 2 * PAGE)?;
    assert_eq!([first(sys, start), first(sys, start + PAGE)], [1, 0]);
    Ok(())
}

/// What is written from memory that another call unmaps is what was there: here, before.
fn memory_is_what_a_pipe_says_it_is(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, kernel_abi::flags::PipeFlags::empty())?;
    let at = map(sys, PAGE, PRIVATE)?;
    sys.poke(at, b"before");
    sys.write(writer, at, 6)?;
    sys.munmap(at, PAGE)?;
    assert_eq!(sys.write(writer, at, 6), Err(Errno::EFAULT));
    assert_eq!(sys.read(reader, at, 6), Err(Errno::EFAULT));
    assert_eq!(super::file::read(sys, reader, 6)?, b"before");
    Ok(())
}
