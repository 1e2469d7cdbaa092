//! Mappings that are moved, grown and doubled: mremap(2).

use alloc::vec;

use kernel_abi::flags::{MapFlags, MremapFlags, MsyncFlags, ProtFlags};
use kernel_abi::structs::status_exited;
use kernel_abi::{Calls, Errno, Fd, Sys};

use super::Outcome;
use super::limit::becomes_nobody;
use super::mapping::{BUS, SEGV, first, mapped, reads};
use super::memory::{PAGE, PRIVATE, SHARED, map};
use super::process::{ended, in_child};

cases! { "remap":
    a_mapping_moves_to_a_place, a_mapping_leaves_an_area_behind, what_mremap_refuses, shared_memory_is_doubled, a_shared_mapping_moves_with_its_file, what_becomes_shorter_may_have_holes,
    a_move_that_is_refused_has_begun, what_moves_is_one_mapping, a_mapping_moves_far_away, what_nobody_may_touch_moves_too,
}

fn a_mapping_moves_to_a_place(sys: &dyn Sys) -> Outcome {
    let both = MremapFlags::MREMAP_MAYMOVE | MremapFlags::MREMAP_FIXED;
    let (from, to) = (map(sys, 2 * PAGE, PRIVATE)?, map(sys, 4 * PAGE, PRIVATE)?);
    sys.poke(from, b"one");
    sys.poke(from + PAGE, b"two");
    sys.poke(to, &[8; 4 * PAGE]);
    assert_eq!(sys.mremap(from, 2 * PAGE, 2 * PAGE, both, to + PAGE)?, to + PAGE);
    let seen = [0, 1, 2, 3].map(|page| first(sys, to + page * PAGE));
    assert_eq!(seen, [8, b'o', b't', 8]);
    assert_eq!(reads(sys, from)?, SEGV);
    // Shorter, and part of a mapping only.
    assert_eq!(sys.mremap(to + 2 * PAGE, PAGE, PAGE, both, from)?, from);
    assert_eq!((first(sys, from), reads(sys, to + 2 * PAGE)?), (b't', SEGV));
    Ok(())
}

fn a_mapping_leaves_an_area_behind(sys: &dyn Sys) -> Outcome {
    let flags = MremapFlags::MREMAP_MAYMOVE | MremapFlags::MREMAP_DONTUNMAP;
    let from = map(sys, PAGE, PRIVATE)?;
    sys.poke(from, b"moved");
    let to = sys.mremap(from, PAGE, PAGE, flags, 0)?;
    assert_ne!(to, from);
    assert_eq!((sys.bytes(to, 5), sys.bytes(from, 5)), (b"moved".to_vec(), vec![0; 5]));
    assert_eq!(sys.mremap(from, PAGE, 2 * PAGE, flags, 0), Err(Errno::EINVAL));
    Ok(())
}

fn what_mremap_refuses(sys: &dyn Sys) -> Outcome {
    let (may, fixed) = (MremapFlags::MREMAP_MAYMOVE, MremapFlags::MREMAP_FIXED);
    let at = map(sys, 4 * PAGE, PRIVATE)?;
    let none = MremapFlags::empty();
    assert_eq!(sys.mremap(at, PAGE, PAGE, MremapFlags::from_bits_retain(8), 0), Err(Errno::EINVAL));
    assert_eq!(sys.mremap(at, PAGE, PAGE, fixed, at), Err(Errno::EINVAL));
    assert_eq!(sys.mremap(at, PAGE, 0, may, 0), Err(Errno::EINVAL));
    // The new place overlaps the old, or is none.
    assert_eq!(sys.mremap(at, 2 * PAGE, 2 * PAGE, may | fixed, at + PAGE), Err(Errno::EINVAL));
    assert_eq!(sys.mremap(at, PAGE, PAGE, may | fixed, at + 2 * PAGE + 1), Err(Errno::EINVAL));
    sys.munmap(at + PAGE, PAGE)?;
    assert_eq!(sys.mremap(at, 2 * PAGE, 3 * PAGE, may, 0), Err(Errno::EFAULT));
    assert_eq!(sys.mremap(at + PAGE, PAGE, PAGE, may, 0), Err(Errno::EFAULT));
    // Nothing of a private mapping is not doubled.
    assert_eq!(sys.mremap(at, 0, PAGE, may, 0), Err(Errno::EINVAL));
    assert_eq!(sys.mremap(at, PAGE, PAGE, none, 0)?, at);
    Ok(())
}

fn shared_memory_is_doubled(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, SHARED)?;
    let twin = sys.mremap(at, 0, 2 * PAGE, MremapFlags::MREMAP_MAYMOVE, 0)?;
    sys.poke(at + PAGE, b"seen");
    assert_eq!(sys.bytes(twin + PAGE, 4), b"seen");
    Ok(())
}

fn a_shared_mapping_moves_with_its_file(sys: &dyn Sys) -> Outcome {
    let (file, at) = mapped(sys, &[5; 2 * PAGE], 2 * PAGE, MapFlags::MAP_SHARED)?;
    let to = sys.mremap(at + PAGE, PAGE, 2 * PAGE, MremapFlags::MREMAP_MAYMOVE, 0)?;
    sys.poke(to, b"x");
    sys.pread64(file, sys.page(), 1, PAGE)?;
    assert_eq!(sys.bytes(sys.page(), 1), b"x");
    assert_eq!(reads(sys, to + PAGE)?, BUS);
    Ok(())
}

fn what_becomes_shorter_may_have_holes(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 8 * PAGE, PRIVATE)?;
    sys.munmap(at + PAGE, PAGE)?;
    let resize = |from, to| sys.mremap(at, from * PAGE, to * PAGE, MremapFlags::empty(), 0);
    assert_eq!(resize(8, 4)?, at);
    assert_eq!((reads(sys, at + 3 * PAGE)?, reads(sys, at + 4 * PAGE)?), (status_exited(0), SEGV));
    // Nor does it need to be there to stay as it is.
    assert_eq!(resize(4, 4)?, at);
    assert_eq!(resize(4, 5), Err(Errno::EFAULT));
    Ok(())
}

fn a_move_that_is_refused_has_begun(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        ended((|| {
            becomes_nobody(sys)?;
            let both = MremapFlags::MREMAP_MAYMOVE | MremapFlags::MREMAP_FIXED;
            let at = map(sys, 4 * PAGE, PRIVATE)?;
            // Nobody has the first page, but that it is to be shorter is known by then.
            assert_eq!(sys.mremap(at, 4 * PAGE, PAGE, both, 0), Err(Errno::EPERM));
            sys.msync(at, PAGE, MsyncFlags::empty())?;
            assert_eq!(sys.msync(at + PAGE, PAGE, MsyncFlags::empty()), Err(Errno::ENOMEM));
            Ok(())
        })())
    };
    in_child(sys, child, 0)?;
    Ok(())
}

fn what_moves_is_one_mapping(sys: &dyn Sys) -> Outcome {
    let (may, fixed) = (MremapFlags::MREMAP_MAYMOVE, MremapFlags::MREMAP_FIXED);
    let (at, to) = (map(sys, 4 * PAGE, PRIVATE)?, map(sys, 16 * PAGE, PRIVATE)?);
    sys.munmap(at + 2 * PAGE, 2 * PAGE)?;
    assert_eq!(sys.mremap(at, 4 * PAGE, 3 * PAGE, may | fixed, to), Err(Errno::EFAULT));
    assert_eq!(sys.mremap(at, 4 * PAGE, 5 * PAGE, may | fixed, to), Err(Errno::EFAULT));
    // A place that is only wished for is looked at all the same.
    let leave = may | MremapFlags::MREMAP_DONTUNMAP;
    assert_eq!(sys.mremap(at, PAGE, PAGE, leave, at), Err(Errno::EINVAL));
    assert_eq!(sys.mremap(at, PAGE, PAGE, leave, to + 1), Err(Errno::EINVAL));
    // A length that wraps hides that a place is taken, and then nothing is there to move.
    let gone = map(sys, PAGE, PRIVATE)?;
    assert_eq!(sys.mremap(gone, usize::MAX - PAGE, PAGE, may | fixed, gone), Err(Errno::EFAULT));
    assert_eq!(reads(sys, gone)?, SEGV);
    // Nothing of private memory is nothing, wherever it were to go.
    assert_eq!(sys.mremap(at, 0, PAGE, may | fixed, to), Err(Errno::EINVAL));
    // What is to be gone afterwards need not have been there.
    assert_eq!(sys.mremap(at, 4 * PAGE, PAGE, may | fixed, to + PAGE)?, to + PAGE);
    assert_eq!(reads(sys, at + PAGE)?, SEGV);
    let shared = map(sys, PAGE, SHARED)?;
    assert_eq!(sys.mremap(shared, 0, PAGE, may | fixed, to)?, to);
    sys.poke(shared, b"seen");
    assert_eq!(sys.bytes(to, 4), b"seen");
    Ok(())
}

/// Where there is not even a table for its pages.
fn a_mapping_moves_far_away(sys: &dyn Sys) -> Outcome {
    const FAR: usize = 0x15_5555_0000;
    let both = MremapFlags::MREMAP_MAYMOVE | MremapFlags::MREMAP_FIXED;
    let from = map(sys, PAGE, PRIVATE)?;
    sys.poke(from, b"far");
    assert_eq!(sys.mremap(from, PAGE, PAGE, both, FAR)?, FAR);
    assert_eq!(sys.bytes(FAR, 3), b"far");
    assert_eq!(reads(sys, from)?, SEGV);
    Ok(())
}

fn what_nobody_may_touch_moves_too(sys: &dyn Sys) -> Outcome {
    let both = MremapFlags::MREMAP_MAYMOVE | MremapFlags::MREMAP_FIXED;
    let (from, to) = (map(sys, 2 * PAGE, PRIVATE)?, map(sys, 2 * PAGE, PRIVATE)?);
    sys.poke(from, b"one");
    sys.poke(from + PAGE, b"two");
    sys.mprotect(from, 2 * PAGE, ProtFlags::PROT_NONE)?;
    assert_eq!(sys.mremap(from, 2 * PAGE, 2 * PAGE, both, to)?, to);
    assert_eq!(reads(sys, to)?, SEGV);
    sys.mprotect(to, 2 * PAGE, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)?;
    assert_eq!((sys.bytes(to, 3), sys.bytes(to + PAGE, 3)), (b"one".to_vec(), b"two".to_vec()));
    // What is unmapped is gone, whoever might have touched it.
    sys.mprotect(to, 2 * PAGE, ProtFlags::PROT_NONE)?;
    sys.munmap(to, PAGE)?;
    let rw = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    assert_eq!(sys.mmap(to, PAGE, rw, PRIVATE | MapFlags::MAP_FIXED_NOREPLACE, Fd(-1), 0)?, to);
    assert_eq!(sys.bytes(to, 3), [0; 3]);
    sys.mprotect(to + PAGE, PAGE, rw)?;
    assert_eq!(sys.bytes(to + PAGE, 3), b"two");
    Ok(())
}
