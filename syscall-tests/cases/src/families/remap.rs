//! Mappings that are moved, grown and doubled: mremap(2).

use alloc::vec;

use kernel_abi::flags::{MapFlags, MremapFlags};
use kernel_abi::{Calls, Errno, Sys};

use super::Outcome;
use super::mapping::{BUS, SEGV, first, mapped, reads};
use super::memory::{PAGE, PRIVATE, SHARED, map};

cases! { "remap":
    a_mapping_moves_to_a_place, a_mapping_leaves_an_area_behind, what_mremap_refuses, shared_memory_is_doubled, a_shared_mapping_moves_with_its_file,
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
