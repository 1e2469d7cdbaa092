//! Memory that stays: mlock(2) and its kin, and what locked memory refuses.

use alloc::vec::Vec;

use kernel_abi::flags::{Madvice, MapFlags, MlockFlags, MlockallFlags, MremapFlags, MsyncFlags, ProtFlags, Resource};
use kernel_abi::structs::Rlimit;
use kernel_abi::{Calls, Errno, Fd, Result, Sys};

use super::Outcome;
use super::limit::becomes_nobody;
use super::memory::{PAGE, PRIVATE, RW, SHARED, map};
use super::process::{ended, in_child};

cases! { "pinned":
    what_is_locked_is_in_memory, what_is_locked_on_a_fault_is_not_fetched, a_hole_is_not_locked,
    what_cannot_be_touched_is_not_locked, a_part_of_a_page_locks_it, locks_have_a_limit,
    what_is_locked_twice_counts_once, whoever_may_lock_nothing, what_locking_refuses, what_is_locked_is_not_forgotten,
    what_is_locked_is_not_invalidated, a_locked_mapping_is_fetched, a_locked_mapping_grows_to_the_limit,
    everything_is_locked_now_or_later, what_locking_everything_refuses, a_child_has_nothing_locked,
    a_move_takes_the_lock_along, what_is_unmapped_is_not_locked,
}

/// Which pages are in memory.
fn there(sys: &dyn Sys, at: usize, pages: usize) -> Result<Vec<u8>> {
    sys.mincore(at, pages * PAGE, sys.page())?;
    Ok(sys.bytes(sys.page(), pages).iter().map(|byte| byte & 1).collect())
}

/// Becomes somebody who may lock so many pages.
fn limited(sys: &dyn Sys, pages: usize) -> Result<()> {
    becomes_nobody(sys)?;
    let limit = (pages * PAGE) as u64;
    sys.setrlimit(Resource::RLIMIT_MEMLOCK, sys.store(sys.page(), &Rlimit { rlim_cur: limit, rlim_max: limit }))?;
    Ok(())
}

fn what_is_locked_is_in_memory(sys: &dyn Sys) -> Outcome {
    for flags in [PRIVATE, SHARED] {
        let at = map(sys, 4 * PAGE, flags)?;
        sys.mlock(at + PAGE, 2 * PAGE)?;
        assert_eq!(there(sys, at, 4)?, [0, 1, 1, 0]);
        sys.mlock2(at, PAGE, MlockFlags::empty())?;
        assert_eq!(there(sys, at, 4)?, [1, 1, 1, 0]);
        sys.munlock(at, 4 * PAGE)?;
        assert_eq!(there(sys, at, 3)?, [1, 1, 1]);
    }
    Ok(())
}

fn what_is_locked_on_a_fault_is_not_fetched(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 3 * PAGE, PRIVATE)?;
    sys.mlock2(at, 3 * PAGE, MlockFlags::MLOCK_ONFAULT)?;
    assert_eq!(there(sys, at, 3)?, [0, 0, 0]);
    sys.poke(at + PAGE, b"x");
    assert_eq!(there(sys, at, 3)?, [0, 1, 0]);
    assert_eq!(sys.madvise(at, PAGE, Madvice::MADV_DONTNEED), Err(Errno::EINVAL));
    Ok(())
}

fn a_hole_is_not_locked(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 4 * PAGE, PRIVATE)?;
    sys.munmap(at + 2 * PAGE, PAGE)?;
    for range in [(at, 4 * PAGE), (at + 2 * PAGE, PAGE)] {
        assert_eq!(sys.mlock(range.0, range.1), Err(Errno::ENOMEM));
        assert_eq!(sys.munlock(range.0, range.1), Err(Errno::ENOMEM));
    }
    // What comes before the hole was locked; only fetching came to nothing.
    assert_eq!(sys.mlock(at, 4 * PAGE), Err(Errno::ENOMEM));
    assert_eq!(sys.madvise(at, PAGE, Madvice::MADV_DONTNEED), Err(Errno::EINVAL));
    sys.madvise(at + 3 * PAGE, PAGE, Madvice::MADV_DONTNEED)?;
    Ok(())
}

fn what_cannot_be_touched_is_not_locked(sys: &dyn Sys) -> Outcome {
    let at = sys.mmap(0, PAGE, ProtFlags::PROT_NONE, PRIVATE, Fd(-1), 0)?;
    assert_eq!(sys.mlock(at, PAGE), Err(Errno::ENOMEM));
    assert_eq!(sys.mlock2(at, PAGE, MlockFlags::MLOCK_ONFAULT)?, 0);
    let read = sys.mmap(0, PAGE, ProtFlags::PROT_READ, PRIVATE, Fd(-1), 0)?;
    sys.mlock(read, PAGE)?;
    Ok(())
}

fn a_part_of_a_page_locks_it(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 3 * PAGE, PRIVATE)?;
    sys.mlock(at + PAGE - 1, 2)?;
    assert_eq!(there(sys, at, 3)?, [1, 1, 0]);
    sys.munlock(at + 5, 1)?;
    sys.madvise(at, PAGE, Madvice::MADV_DONTNEED)?;
    assert_eq!(sys.madvise(at + PAGE, PAGE, Madvice::MADV_DONTNEED), Err(Errno::EINVAL));
    // Nothing is no part of a page, wherever in a range of several it begins.
    sys.mlock(at, 0)?;
    sys.mlock(at + PAGE, 0)?;
    sys.munlock(at + PAGE, 0)?;
    assert_eq!(there(sys, at, 3)?, [0, 1, 0]);
    Ok(())
}

fn locks_have_a_limit(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 6 * PAGE, PRIVATE)?;
    limited(sys, 4)?;
    assert_eq!(sys.mlock(at, 5 * PAGE), Err(Errno::ENOMEM));
    sys.mlock(at, 3 * PAGE)?;
    assert_eq!(sys.mlock(at + 4 * PAGE, 2 * PAGE), Err(Errno::ENOMEM));
    assert_eq!(sys.mlock2(at + 4 * PAGE, 2 * PAGE, MlockFlags::MLOCK_ONFAULT), Err(Errno::ENOMEM));
    sys.mlock(at + 4 * PAGE, PAGE)?;
    sys.munlock(at, PAGE)?;
    sys.mlock(at + 5 * PAGE, PAGE)?;
    Ok(())
}

fn what_is_locked_twice_counts_once(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 6 * PAGE, PRIVATE)?;
    limited(sys, 4)?;
    sys.mlock(at, 3 * PAGE)?;
    sys.mlock(at, 4 * PAGE)?;
    sys.mlock(at, 4 * PAGE)?;
    assert_eq!(sys.mlock(at, 5 * PAGE), Err(Errno::ENOMEM));
    // One call unlocks what several locked.
    sys.munlock(at, 4 * PAGE)?;
    sys.madvise(at, 4 * PAGE, Madvice::MADV_DONTNEED)?;
    Ok(())
}

fn whoever_may_lock_nothing(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, PRIVATE)?;
    limited(sys, 0)?;
    assert_eq!(sys.mlock(at, PAGE), Err(Errno::EPERM));
    assert_eq!(sys.mlock2(at, PAGE, MlockFlags::MLOCK_ONFAULT), Err(Errno::EPERM));
    assert_eq!(sys.mlockall(MlockallFlags::MCL_CURRENT), Err(Errno::EPERM));
    assert_eq!(sys.mlockall(MlockallFlags::MCL_FUTURE), Err(Errno::EPERM));
    assert_eq!(sys.mmap(0, PAGE, RW, PRIVATE | MapFlags::MAP_LOCKED, Fd(-1), 0), Err(Errno::EPERM));
    // To unlock takes nothing.
    sys.munlock(at, PAGE)?;
    sys.munlockall()?;
    Ok(())
}

fn what_locking_refuses(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, PRIVATE)?;
    assert_eq!(sys.mlock2(at, PAGE, MlockFlags::from_bits_retain(2)), Err(Errno::EINVAL));
    assert_eq!(sys.munlock(at, usize::MAX - 2 * PAGE), Err(Errno::EINVAL));
    if sys.geteuid()? == 0 {
        // Whom no limit stops first.
        assert_eq!(sys.mlock(at, usize::MAX - 2 * PAGE), Err(Errno::EINVAL));
        assert_eq!(sys.mlock2(at, usize::MAX - 2 * PAGE, MlockFlags::MLOCK_ONFAULT), Err(Errno::EINVAL));
    }
    Ok(())
}

fn what_is_locked_is_not_forgotten(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, PRIVATE)?;
    sys.poke(at, &[5; 2 * PAGE]);
    sys.mlock(at, PAGE)?;
    for advice in [Madvice::MADV_DONTNEED, Madvice::MADV_FREE, Madvice::MADV_COLD, Madvice::MADV_PAGEOUT] {
        assert_eq!(sys.madvise(at, PAGE, advice), Err(Errno::EINVAL), "{advice:?}");
    }
    assert_eq!(sys.bytes(at, 1), [5]);
    sys.madvise(at, PAGE, Madvice::MADV_DONTNEED_LOCKED)?;
    assert_eq!([sys.bytes(at, 1), sys.bytes(at + PAGE, 1)], [[0], [5]]);
    let shared = map(sys, PAGE, SHARED)?;
    sys.mlock(shared, PAGE)?;
    assert_eq!(sys.madvise(shared, PAGE, Madvice::MADV_REMOVE), Err(Errno::EINVAL));
    Ok(())
}

fn what_is_locked_is_not_invalidated(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, SHARED)?;
    sys.mlock(at, PAGE)?;
    let both = MsyncFlags::MS_SYNC | MsyncFlags::MS_INVALIDATE;
    assert_eq!(sys.msync(at, 2 * PAGE, both), Err(Errno::EBUSY));
    assert_eq!(sys.msync(at, PAGE, MsyncFlags::MS_INVALIDATE), Err(Errno::EBUSY));
    sys.msync(at, 2 * PAGE, MsyncFlags::MS_SYNC)?;
    sys.msync(at + PAGE, PAGE, both)?;
    Ok(())
}

fn a_locked_mapping_is_fetched(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, PRIVATE | MapFlags::MAP_LOCKED)?;
    assert_eq!(there(sys, at, 2)?, [1, 1]);
    assert_eq!(sys.madvise(at, PAGE, Madvice::MADV_DONTNEED), Err(Errno::EINVAL));
    limited(sys, 3)?;
    assert_eq!(map(sys, 2 * PAGE, PRIVATE | MapFlags::MAP_LOCKED), Err(Errno::EAGAIN));
    map(sys, PAGE, PRIVATE | MapFlags::MAP_LOCKED)?;
    Ok(())
}

fn a_locked_mapping_grows_to_the_limit(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, PRIVATE | MapFlags::MAP_LOCKED)?;
    limited(sys, 3)?;
    let may = MremapFlags::MREMAP_MAYMOVE;
    assert_eq!(sys.mremap(at, 2 * PAGE, 4 * PAGE, may, 0), Err(Errno::EAGAIN));
    let at = sys.mremap(at, 2 * PAGE, 3 * PAGE, may, 0)?;
    assert_eq!(there(sys, at, 3)?, [1, 1, 1]);
    Ok(())
}

fn everything_is_locked_now_or_later(sys: &dyn Sys) -> Outcome {
    fn child(sys: &dyn Sys) -> Outcome {
        let (current, future) = (MlockallFlags::MCL_CURRENT, MlockallFlags::MCL_FUTURE);
        let before = map(sys, 2 * PAGE, PRIVATE)?;
        match sys.mlockall(current | MlockallFlags::MCL_ONFAULT) {
            // More than somebody may lock.
            Err(Errno::ENOMEM) if sys.geteuid()? != 0 => return Ok(()),
            locked => assert_eq!(locked, Ok(0)),
        }
        assert_eq!(there(sys, before, 2)?, [0, 0]);
        assert_eq!(sys.madvise(before, PAGE, Madvice::MADV_DONTNEED), Err(Errno::EINVAL));
        sys.munlockall()?;
        sys.madvise(before, PAGE, Madvice::MADV_DONTNEED)?;
        sys.mlockall(future)?;
        sys.madvise(before, PAGE, Madvice::MADV_DONTNEED)?;
        let at = map(sys, 2 * PAGE, PRIVATE)?;
        assert_eq!(there(sys, at, 2)?, [1, 1]);
        sys.mlockall(future | MlockallFlags::MCL_ONFAULT)?;
        let at = map(sys, 2 * PAGE, PRIVATE)?;
        assert_eq!(there(sys, at, 2)?, [0, 0]);
        assert_eq!(sys.madvise(at, PAGE, Madvice::MADV_DONTNEED), Err(Errno::EINVAL));
        sys.munlockall()?;
        let at = map(sys, 2 * PAGE, PRIVATE)?;
        assert_eq!(there(sys, at, 2)?, [0, 0]);
        Ok(())
    }
    in_child(sys, |sys, _| ended(child(sys)), 0)?;
    Ok(())
}

fn what_locking_everything_refuses(sys: &dyn Sys) -> Outcome {
    for flags in [MlockallFlags::empty(), MlockallFlags::MCL_ONFAULT, MlockallFlags::from_bits_retain(9)] {
        assert_eq!(sys.mlockall(flags), Err(Errno::EINVAL), "{flags:?}");
    }
    // A program is larger than this.
    limited(sys, 1)?;
    assert_eq!(sys.mlockall(MlockallFlags::MCL_CURRENT), Err(Errno::ENOMEM));
    sys.mlockall(MlockallFlags::MCL_FUTURE)?;
    assert_eq!(map(sys, 2 * PAGE, PRIVATE), Err(Errno::EAGAIN));
    map(sys, PAGE, PRIVATE)?;
    let end = sys.brk(0)?;
    assert_eq!(sys.brk(end + 4 * PAGE)?, end);
    sys.munlockall()?;
    Ok(())
}

fn a_child_has_nothing_locked(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, PRIVATE | MapFlags::MAP_LOCKED)?;
    let child = |sys: &dyn Sys, at| i32::from(sys.madvise(at, PAGE, Madvice::MADV_DONTNEED) != Ok(0));
    in_child(sys, child, at)?;
    assert_eq!(sys.madvise(at, PAGE, Madvice::MADV_DONTNEED), Err(Errno::EINVAL));
    Ok(())
}

fn a_move_takes_the_lock_along(sys: &dyn Sys) -> Outcome {
    let (at, to) = (map(sys, PAGE, PRIVATE | MapFlags::MAP_LOCKED)?, map(sys, PAGE, PRIVATE)?);
    let fixed = MremapFlags::MREMAP_MAYMOVE | MremapFlags::MREMAP_FIXED;
    assert_eq!(sys.mremap(at, PAGE, PAGE, fixed, to)?, to);
    assert_eq!(sys.madvise(to, PAGE, Madvice::MADV_DONTNEED), Err(Errno::EINVAL));
    // What is left behind is not locked.
    let left = MremapFlags::MREMAP_MAYMOVE | MremapFlags::MREMAP_DONTUNMAP;
    let moved = sys.mremap(to, PAGE, PAGE, left, 0)?;
    assert_eq!(sys.madvise(moved, PAGE, Madvice::MADV_DONTNEED), Err(Errno::EINVAL));
    sys.madvise(to, PAGE, Madvice::MADV_DONTNEED)?;
    Ok(())
}

fn what_is_unmapped_is_not_locked(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 3 * PAGE, PRIVATE)?;
    limited(sys, 3)?;
    sys.mlock(at, 3 * PAGE)?;
    sys.munmap(at + PAGE, PAGE)?;
    let other = map(sys, 2 * PAGE, PRIVATE)?;
    assert_eq!(sys.mlock(other, 2 * PAGE), Err(Errno::ENOMEM));
    sys.mlock(other, PAGE)?;
    // A new mapping in the place of a locked one is none.
    sys.mmap(at, PAGE, RW, PRIVATE | MapFlags::MAP_FIXED, Fd(-1), 0)?;
    sys.madvise(at, PAGE, Madvice::MADV_DONTNEED)?;
    sys.mlock(other, 2 * PAGE)?;
    Ok(())
}
