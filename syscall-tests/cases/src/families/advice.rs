//! Advice about memory, and flags of mappings, that a kernel may heed or not: what a program sees stays the same.

use kernel_abi::flags::{Madvice, MapFlags, MemfdFlags, MremapFlags, ProtFlags};
use kernel_abi::structs::Stat;
use kernel_abi::{Calls, Errno, Fd, Result, Sys};

use super::Outcome;
use super::file::descriptor;
use super::mapping::first;
use super::memory::{PAGE, PRIVATE, RW, SHARED, map};

cases! { "advice":
    advice_changes_no_bytes, advice_about_large_pages, what_is_free_may_be_zero, old_flags_change_nothing,
    pages_of_another_size_are_not_there, a_stack_is_protected_from_its_start, nothing_grows_up,
    a_hole_is_made_in_shared_memory, no_hole_is_made_in_what_is_ones_own, advice_about_one_page_is_refused_to_some,
    a_nameless_file_may_be_run_or_never, what_was_said_of_a_part_makes_it_another_area, memory_that_may_go_at_any_time,
    what_may_go_at_any_time_is_refused,
}

fn advice_changes_no_bytes(sys: &dyn Sys) -> Outcome {
    for flags in [PRIVATE, SHARED] {
        let at = map(sys, 3 * PAGE, flags)?;
        sys.poke(at, &[5; 3 * PAGE]);
        for advice in [
            Madvice::MADV_NORMAL,
            Madvice::MADV_RANDOM,
            Madvice::MADV_SEQUENTIAL,
            Madvice::MADV_WILLNEED,
            Madvice::MADV_DONTDUMP,
            Madvice::MADV_DODUMP,
            Madvice::MADV_COLD,
            Madvice::MADV_PAGEOUT,
            Madvice::MADV_NORMAL,
        ] {
            assert_eq!(sys.madvise(at + PAGE, PAGE, advice), Ok(0), "{advice:?}");
            assert!(sys.bytes(at, 3 * PAGE).iter().all(|byte| *byte == 5), "{advice:?}");
        }
    }
    Ok(())
}

/// Linux has both, or neither, as it was built.
fn advice_about_large_pages(sys: &dyn Sys) -> Outcome {
    let pairs =
        [[Madvice::MADV_HUGEPAGE, Madvice::MADV_NOHUGEPAGE], [Madvice::MADV_MERGEABLE, Madvice::MADV_UNMERGEABLE]];
    let at = map(sys, 3 * PAGE, PRIVATE)?;
    sys.poke(at, &[5; 3 * PAGE]);
    for [on, off] in pairs {
        let first = sys.madvise(at, 2 * PAGE, on);
        assert!(matches!(first, Ok(0) | Err(Errno::EINVAL)), "{on:?}: {first:?}");
        assert_eq!(sys.madvise(at, 3 * PAGE, off), first, "{off:?}");
        assert!(sys.bytes(at, 3 * PAGE).iter().all(|byte| *byte == 5), "{on:?}");
    }
    Ok(())
}

fn what_is_free_may_be_zero(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, PRIVATE)?;
    sys.poke(at, &[5; 2 * PAGE]);
    sys.madvise(at, PAGE, Madvice::MADV_FREE)?;
    // Sooner or later it is zero; what is stored meanwhile stays.
    assert!(matches!(first(sys, at), 0 | 5));
    sys.poke(at, &[6]);
    assert_eq!([first(sys, at), first(sys, at + PAGE)], [6, 5]);
    sys.madvise(at, 2 * PAGE, Madvice::MADV_DONTNEED_LOCKED)?;
    assert_eq!([first(sys, at), first(sys, at + PAGE)], [0, 0]);
    let shared = map(sys, PAGE, SHARED)?;
    assert_eq!(sys.madvise(shared, PAGE, Madvice::MADV_FREE), Err(Errno::EINVAL));
    Ok(())
}

fn old_flags_change_nothing(sys: &dyn Sys) -> Outcome {
    for flags in [
        MapFlags::MAP_DENYWRITE,
        MapFlags::MAP_EXECUTABLE,
        MapFlags::MAP_STACK,
        MapFlags::MAP_NONBLOCK,
        MapFlags::MAP_POPULATE | MapFlags::MAP_NONBLOCK,
        MapFlags::MAP_SYNC,
    ] {
        let at = map(sys, PAGE, PRIVATE | flags)?;
        assert_eq!(first(sys, at), 0, "{flags:?}");
        sys.poke(at, b"x");
    }
    for prot in [ProtFlags::PROT_SEM, ProtFlags::PROT_GROWSDOWN, ProtFlags::PROT_GROWSUP] {
        let at = sys.mmap(0, PAGE, RW | prot, PRIVATE, Fd(-1), 0)?;
        sys.poke(at, b"x");
    }
    let at = map(sys, PAGE, PRIVATE)?;
    // Which processor has semaphores is the processor's.
    let semaphores = sys.mprotect(at, PAGE, RW | ProtFlags::PROT_SEM);
    assert_eq!(semaphores, Ok(0));
    Ok(())
}

fn pages_of_another_size_are_not_there(sys: &dyn Sys) -> Outcome {
    let wish = MapFlags::MAP_HUGETLB;
    // None are reserved, where there are any.
    let refused = map(sys, 1 << 21, PRIVATE | wish);
    assert!(matches!(refused, Err(Errno::ENOMEM | Errno::EINVAL)), "{refused:?}");
    // Behind them is a file, which has places up to a last one, whatever type of mapping this is not.
    let refused = sys.mmap(0, PAGE, RW, MapFlags::MAP_ANONYMOUS | wish, Fd(-1), usize::MAX & !(PAGE - 1));
    assert!(matches!(refused, Err(Errno::EOVERFLOW | Errno::ENOSYS)), "{refused:?}");
    Ok(())
}

fn a_stack_is_protected_from_its_start(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 8 * PAGE, PRIVATE)?;
    sys.munmap(at, 8 * PAGE)?;
    let flags = PRIVATE | MapFlags::MAP_GROWSDOWN | MapFlags::MAP_FIXED;
    sys.mmap(at + 4 * PAGE, 4 * PAGE, RW, flags, Fd(-1), 0)?;
    sys.poke(at + 4 * PAGE, b"low");
    // Asked for its last page, all of it changes.
    sys.mprotect(at + 7 * PAGE, PAGE, ProtFlags::PROT_READ | ProtFlags::PROT_GROWSDOWN)?;
    assert_eq!(super::mapping::reads(sys, at + 4 * PAGE)?, kernel_abi::structs::status_exited(i32::from(b'l')));
    let [reader, writer] = super::pipe::pipe(sys, kernel_abi::flags::PipeFlags::empty())?;
    assert_eq!(sys.write(writer, sys.page(), 1)?, 1);
    assert_eq!(sys.read(reader, at + 4 * PAGE, 1), Err(Errno::EFAULT));
    Ok(())
}

fn nothing_grows_up(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, PRIVATE)?;
    for growth in [ProtFlags::PROT_GROWSUP, ProtFlags::PROT_GROWSDOWN] {
        assert_eq!(sys.mprotect(at, PAGE, RW | growth), Err(Errno::EINVAL), "{growth:?}");
    }
    Ok(())
}

fn a_hole_is_made_in_shared_memory(sys: &dyn Sys) -> Outcome {
    let file = descriptor(sys.memfd_create(sys.path(sys.page(), "name"), MemfdFlags::empty())?);
    sys.ftruncate(file, 3 * PAGE)?;
    let at = sys.mmap(0, 3 * PAGE, RW, MapFlags::MAP_SHARED, file, 0)?;
    sys.poke(at, &[5; 3 * PAGE]);
    sys.madvise(at + PAGE, PAGE, Madvice::MADV_REMOVE)?;
    assert_eq!([0, 1, 2].map(|page| first(sys, at + page * PAGE)), [5, 0, 5]);
    // The file has lost it, not this mapping of it.
    assert_eq!(sys.pread64(file, sys.page(), 1, 2 * PAGE - 1)?, 1);
    assert_eq!(first(sys, sys.page()), 0);
    let shared = map(sys, 2 * PAGE, SHARED)?;
    sys.poke(shared, &[5; 2 * PAGE]);
    sys.madvise(shared, PAGE, Madvice::MADV_REMOVE)?;
    assert_eq!([first(sys, shared), first(sys, shared + PAGE)], [0, 5]);
    // It is enough that it could be written, if somebody asked.
    sys.mprotect(shared, 2 * PAGE, ProtFlags::PROT_READ)?;
    sys.madvise(shared + PAGE, PAGE, Madvice::MADV_REMOVE)?;
    assert_eq!(first(sys, shared + PAGE), 0);
    Ok(())
}

fn no_hole_is_made_in_what_is_ones_own(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, PRIVATE)?;
    assert_eq!(sys.madvise(at, PAGE, Madvice::MADV_REMOVE), Err(Errno::EINVAL));
    let file = descriptor(sys.memfd_create(sys.path(sys.page(), "name"), MemfdFlags::empty())?);
    sys.ftruncate(file, PAGE)?;
    let read = sys.mmap(0, PAGE, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE, file, 0)?;
    assert_eq!(sys.madvise(read, PAGE, Madvice::MADV_REMOVE), Err(Errno::EACCES));
    Ok(())
}

/// What poisons a page is not tried by who may.
fn advice_about_one_page_is_refused_to_some(sys: &dyn Sys) -> Outcome {
    super::limit::becomes_nobody(sys)?;
    let at = map(sys, PAGE, PRIVATE)?;
    for advice in [Madvice::MADV_HWPOISON, Madvice::MADV_SOFT_OFFLINE] {
        let refused = sys.madvise(at, PAGE, advice);
        assert!(matches!(refused, Err(Errno::EPERM | Errno::EINVAL)), "{advice:?}: {refused:?}");
    }
    Ok(())
}

fn mode(sys: &dyn Sys, file: Fd) -> Result<u32> {
    sys.newfstatat(file, sys.path(sys.page(), ""), sys.page() + 64, kernel_abi::flags::AtFlags::AT_EMPTY_PATH)?;
    let stat = Stat::decode(sys.arch(), &sys.bytes(sys.page() + 64, Stat::size(sys.arch()))).expect("long enough");
    Ok(stat.mode & 0o777)
}

fn a_nameless_file_may_be_run_or_never(sys: &dyn Sys) -> Outcome {
    let make = |flags| sys.memfd_create(sys.path(sys.page(), "name"), flags).map(descriptor);
    let runs = make(MemfdFlags::MFD_EXEC)?;
    assert_eq!(mode(sys, runs)?, 0o777);
    let never = make(MemfdFlags::MFD_NOEXEC_SEAL)?;
    assert_eq!(mode(sys, never)?, 0o666);
    assert_eq!(make(MemfdFlags::MFD_EXEC | MemfdFlags::MFD_NOEXEC_SEAL), Err(Errno::EINVAL));
    Ok(())
}

/// mremap(2) makes longer what is one area: what was said of a part shows there, until it is taken back.
fn what_was_said_of_a_part_makes_it_another_area(sys: &dyn Sys) -> Outcome {
    for (said, taken_back) in [
        (Madvice::MADV_RANDOM, Madvice::MADV_NORMAL),
        (Madvice::MADV_SEQUENTIAL, Madvice::MADV_NORMAL),
        (Madvice::MADV_DONTDUMP, Madvice::MADV_DODUMP),
        (Madvice::MADV_WIPEONFORK, Madvice::MADV_KEEPONFORK),
    ] {
        let at = map(sys, 2 * PAGE, PRIVATE)?;
        sys.poke(at, &[5; 2 * PAGE]);
        sys.madvise(at, PAGE, said)?;
        let longer = |sys: &dyn Sys| sys.mremap(at, 2 * PAGE, 3 * PAGE, MremapFlags::MREMAP_MAYMOVE, 0);
        assert_eq!(longer(sys), Err(Errno::EFAULT), "{said:?}");
        sys.madvise(at, PAGE, taken_back)?;
        let at = longer(sys)?;
        assert_eq!([first(sys, at + PAGE), first(sys, at + 2 * PAGE)], [5, 0], "{said:?}");
        sys.munmap(at, 3 * PAGE)?;
    }
    Ok(())
}

/// `MAP_DROPPABLE` is since Linux 6.11.
fn droppable(sys: &dyn Sys, flags: MapFlags) -> Result {
    sys.mmap(0, PAGE, RW, MapFlags::MAP_DROPPABLE | MapFlags::MAP_ANONYMOUS | flags, Fd(-1), 0)
}

fn memory_that_may_go_at_any_time(sys: &dyn Sys) -> Outcome {
    let at = droppable(sys, MapFlags::empty())?;
    assert_eq!(first(sys, at), 0);
    sys.poke(at, &[5]);
    assert!(matches!(first(sys, at), 0 | 5), "what is stored is there or has gone");
    // A child does not get it, and nobody can have it otherwise.
    assert_eq!(super::mapping::reads(sys, at)?, kernel_abi::structs::status_exited(0));
    assert_eq!(sys.madvise(at, PAGE, Madvice::MADV_WIPEONFORK)?, 0);
    assert_eq!(sys.madvise(at, PAGE, Madvice::MADV_DONTDUMP)?, 0);
    assert_eq!(sys.madvise(at, PAGE, Madvice::MADV_KEEPONFORK), Err(Errno::EINVAL));
    assert_eq!(sys.madvise(at, PAGE, Madvice::MADV_DODUMP), Err(Errno::EINVAL));
    // To lock it is granted, and not done: locked memory is not forgotten so.
    sys.mlock(at, PAGE)?;
    assert_eq!(sys.madvise(at, PAGE, Madvice::MADV_DONTNEED)?, 0);
    assert_eq!(first(sys, at), 0);
    Ok(())
}

fn what_may_go_at_any_time_is_refused(sys: &dyn Sys) -> Outcome {
    for flags in [MapFlags::MAP_LOCKED, MapFlags::MAP_HUGETLB, MapFlags::MAP_GROWSDOWN] {
        assert_eq!(droppable(sys, flags), Err(Errno::EINVAL), "{flags:?}");
    }
    let file = descriptor(sys.memfd_create(sys.path(sys.page(), "name"), MemfdFlags::empty())?);
    sys.ftruncate(file, PAGE)?;
    assert_eq!(sys.mmap(0, PAGE, RW, MapFlags::MAP_DROPPABLE, file, 0), Err(Errno::EINVAL));
    Ok(())
}
