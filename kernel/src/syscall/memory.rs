//! Memory: mapped, protected, unmapped, and the heap.

use super::Context;
use super::file::check;
use crate::abi::Fd;
use crate::abi::arg::{Hex, UserAddr, UserMut};
use crate::abi::flags::{
    F_SEAL_FUTURE_WRITE, F_SEAL_WRITE, Madvice, MapFlags, MlockFlags, MlockallFlags, MremapFlags, MsyncFlags, ProtFlags,
};
use crate::error::{Errno, Result};
use crate::mm::{Advice, Hints, Leave, Lock, MapRequest, Move, PAGE_SIZE, Place, Prot, Sharing, Source};
use crate::vfs::{FileKind, OpenFile};

pub(super) fn brk(cx: &mut Context<'_>, end: UserAddr) -> Result {
    Ok(cx.space().brk(end.0))
}

fn protection(flags: ProtFlags) -> Prot {
    let mut prot = Prot::empty();
    prot.set(Prot::READ, flags.contains(ProtFlags::PROT_READ));
    prot.set(Prot::WRITE, flags.contains(ProtFlags::PROT_WRITE));
    prot.set(Prot::EXECUTE, flags.contains(ProtFlags::PROT_EXEC));
    prot
}

/// Pages that mincore(2) looks at together: a program may ask of any number.
const MINCORE_TOGETHER: usize = 4096;

/// The other sizes of pages that programs know, the usual one first. None is reserved, and no file has them.
const HUGE_PAGE_SIZES: [usize; 2] = [2 << 20, 1 << 30];

pub(super) fn mmap(
    cx: &mut Context<'_>,
    addr: UserAddr,
    len: usize,
    prot: ProtFlags,
    flags: MapFlags,
    file: Fd,
    offset: Hex,
) -> Result {
    if !offset.0.is_multiple_of(ostd::PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let open = if flags.contains(MapFlags::MAP_ANONYMOUS) { None } else { Some(cx.files().get(file.0)?) };
    let is_huge = flags.contains(MapFlags::MAP_HUGETLB);
    let page_size = if is_huge { huge_page_size(flags, open.is_none())? } else { PAGE_SIZE };
    if len == 0 {
        return Err(Errno::EINVAL);
    }
    // A length that wraps when it is rounded is none.
    let too_long = if is_huge { Errno::EINVAL } else { Errno::ENOMEM };
    let len = len.checked_next_multiple_of(page_size).ok_or(too_long)?;
    let at = if flags.contains(MapFlags::MAP_FIXED_NOREPLACE) {
        Place::FixedNoReplace(addr.0)
    } else if flags.contains(MapFlags::MAP_FIXED) {
        Place::Fixed(addr.0)
    } else if flags.contains(MapFlags::MAP_32BIT) {
        Place::Low
    } else {
        Place::Hint(addr.0)
    };
    if let Place::Fixed(at) | Place::FixedNoReplace(at) = at
        && is_huge
        && !at.is_multiple_of(page_size)
    {
        return Err(Errno::EINVAL);
    }
    let lock = if flags.contains(MapFlags::MAP_LOCKED) { Lock::Whole } else { Lock::None };
    let base = MapRequest { lock, ..MapRequest::anonymous(at, len, protection(prot)) };
    let wish = match what(base, flags, open.as_deref(), offset.0) {
        // A file of large pages begins at one.
        Ok(_) if is_huge && !offset.0.is_multiple_of(page_size) => Err(Errno::EINVAL),
        Ok(_) if is_huge => Err(Errno::ENOMEM),
        wish => wish,
    };
    // A place is looked for before what is to be there is looked at.
    let wish = wish.or_else(|errno| cx.space().foresee(at, len, lock).and(Err(errno)))?;
    let at = cx.space().map(&wish)?;
    let is_locked = || cx.space().area_at(at).is_some_and(|area| area.lock == Lock::Whole);
    if (flags.contains(MapFlags::MAP_POPULATE) && !flags.contains(MapFlags::MAP_NONBLOCK)) || is_locked() {
        cx.space().populate_as_allowed(at, at + wish.len.next_multiple_of(PAGE_SIZE));
    }
    Ok(at)
}

/// The size that `MAP_HUGETLB` asks for, EINVAL if there is none such.
fn huge_page_size(flags: MapFlags, is_anonymous: bool) -> Result<usize> {
    /// The logarithm of the size; nothing is the usual one (`MAP_HUGE_SHIFT`).
    const SIZE_SHIFT: u32 = 26;
    let logarithm = (flags.bits() >> SIZE_SHIFT & 0x3f) as u32;
    match logarithm {
        _ if !is_anonymous => Err(Errno::EINVAL),
        0 => Ok(HUGE_PAGE_SIZES[0]),
        logarithm => HUGE_PAGE_SIZES.into_iter().find(|size| size.trailing_zeros() == logarithm).ok_or(Errno::EINVAL),
    }
}

/// What is to be mapped, if it may be.
fn what(mut wish: MapRequest, flags: MapFlags, open: Option<&OpenFile>, offset: usize) -> Result<MapRequest> {
    /// What never was refused: `MAP_ABOVE4G`, and bits of the sizes of large pages.
    const UNHEEDED: u64 = 0x80 | 0x1f << 26;
    /// `MAP_SHARED`, `MAP_PRIVATE`, `MAP_SHARED_VALIDATE` and `MAP_DROPPABLE` are values of this field.
    const TYPE: u64 = 0xf;
    let is_file = open.is_some() || flags.contains(MapFlags::MAP_HUGETLB);
    if is_file && offset.checked_add(wish.len).is_none_or(|end| end > i64::MAX as usize) {
        return Err(Errno::EOVERFLOW);
    }
    // No file is memory that keeps what is stored in it.
    let validated =
        flags.unknown() & !UNHEEDED != 0 || flags.intersects(MapFlags::MAP_SYNC | MapFlags::MAP_FIXED_NOREPLACE);
    wish.sharing = match flags.bits() & TYPE {
        1 => Sharing::Shared,
        // Flags are validated where there is a file that could know them.
        3 if is_file && validated => return Err(Errno::EOPNOTSUPP),
        3 if is_file => Sharing::Shared,
        2 => Sharing::Private,
        // What may go at any time is neither kept nor a stack, and no memory is set aside for it.
        8 if !is_file && wish.lock == Lock::None && !flags.contains(MapFlags::MAP_GROWSDOWN) => {
            wish.droppable = true;
            Sharing::Private
        }
        _ => return Err(Errno::EINVAL),
    };
    wish.promised = !flags.contains(MapFlags::MAP_NORESERVE) && !wish.droppable;
    wish.grows_down = flags.contains(MapFlags::MAP_GROWSDOWN);
    let stores = wish.sharing == Sharing::Shared && wish.prot.contains(Prot::WRITE);
    let Some(open) = open else {
        let is_refused = wish.grows_down && (is_file || wish.sharing == Sharing::Shared);
        return if is_refused { Err(Errno::EINVAL) } else { Ok(wish) };
    };
    if !open.is_readable() || (stores && !open.is_writable()) {
        return Err(Errno::EACCES);
    }
    // Nobody's zeros are like memory without a file.
    let is_zeros = open.file().maps_zeros();
    let pages = open.file().backing();
    // What has no name is no program.
    let is_stream = || open.attributes().is_ok_and(|found| found.kind == FileKind::Fifo);
    if wish.prot.contains(Prot::EXECUTE) && pages.is_err() && !is_zeros && open.path().is_none() && !is_stream() {
        return Err(Errno::EPERM);
    }
    if !is_zeros {
        wish.source = Source::Backed(pages?, offset as u64);
    }
    // A stack is nobody's but its program's.
    if wish.grows_down {
        return Err(Errno::EINVAL);
    }
    let sealed = open.file().seals().unwrap_or(0) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0;
    if sealed && stores {
        return Err(Errno::EPERM);
    }
    if wish.sharing == Sharing::Shared && (sealed || !open.is_writable()) {
        wish.allowed = Prot::READ | Prot::EXECUTE;
    }
    Ok(wish)
}

pub(super) fn munmap(cx: &mut Context<'_>, addr: UserAddr, len: usize) -> Result {
    cx.space().unmap(addr.0, len)?;
    Ok(0)
}

pub(super) fn mprotect(cx: &mut Context<'_>, addr: UserAddr, len: usize, prot: ProtFlags) -> Result {
    let growth = ProtFlags::PROT_GROWSDOWN | ProtFlags::PROT_GROWSUP;
    let known = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE | ProtFlags::PROT_EXEC | ProtFlags::PROT_SEM;
    if prot.contains(growth) || !addr.0.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    if len == 0 {
        return Ok(0);
    }
    let end = len.checked_next_multiple_of(PAGE_SIZE).and_then(|len| addr.0.checked_add(len)).ok_or(Errno::ENOMEM)?;
    if !known.union(growth).contains(prot) {
        return Err(Errno::EINVAL);
    }
    let mut start = addr.0;
    if prot.intersects(growth) {
        let first = cx.space().area_from(start).filter(|area| area.start < end).ok_or(Errno::ENOMEM)?;
        if prot.contains(ProtFlags::PROT_GROWSUP) {
            // Nothing grows up on the machines there are.
            return Err(if first.start > start { Errno::ENOMEM } else { Errno::EINVAL });
        }
        if !first.grows_down {
            return Err(Errno::EINVAL);
        }
        // From where the stack has grown to.
        start = first.start;
    }
    cx.space().protect(start, end - start, protection(prot))?;
    Ok(0)
}

pub(super) fn mremap(
    cx: &mut Context<'_>,
    old: UserAddr,
    old_len: usize,
    new_len: usize,
    flags: MremapFlags,
    new: UserAddr,
) -> Result {
    let (may_move, fixed) = (flags.contains(MremapFlags::MREMAP_MAYMOVE), flags.contains(MremapFlags::MREMAP_FIXED));
    let leave_area = flags.contains(MremapFlags::MREMAP_DONTUNMAP);
    if flags.unknown() != 0 || ((fixed || leave_area) && !may_move) {
        return Err(Errno::EINVAL);
    }
    let how = match (fixed, leave_area, may_move) {
        (true, ..) => Move::To(new.0),
        (false, true, _) => Move::Near(new.0),
        (false, false, true) => Move::Anywhere,
        (false, false, false) => Move::Never,
    };
    let leave = if leave_area { Leave::Area } else { Leave::Nothing };
    let at = cx.space().remap(old.0, old_len, new_len, how, leave)?;
    if new_len > old_len && cx.space().area_at(at).is_some_and(|area| area.lock == Lock::Whole) {
        cx.space().populate_as_allowed(at + old_len / PAGE_SIZE * PAGE_SIZE, at + new_len.next_multiple_of(PAGE_SIZE));
    }
    Ok(at)
}

pub(super) fn madvise(cx: &mut Context<'_>, addr: UserAddr, len: usize, advice: Madvice) -> Result {
    let advice = match advice {
        Madvice::MADV_DONTNEED => Advice::Forget,
        Madvice::MADV_DONTNEED_LOCKED => Advice::ForgetLocked,
        Madvice::MADV_COLD | Madvice::MADV_PAGEOUT => Advice::Chill,
        Madvice::MADV_FREE => Advice::Free,
        Madvice::MADV_DONTFORK => Advice::Inherit(false),
        Madvice::MADV_DOFORK => Advice::Inherit(true),
        Madvice::MADV_WIPEONFORK => Advice::Wipe(true),
        Madvice::MADV_KEEPONFORK => Advice::Wipe(false),
        Madvice::MADV_REMOVE => Advice::Remove,
        Madvice::MADV_POPULATE_READ => Advice::PopulateRead,
        Madvice::MADV_POPULATE_WRITE => Advice::PopulateWrite,
        Madvice::MADV_WILLNEED => Advice::Nothing,
        Madvice::MADV_NORMAL => Advice::Hint(Hints::empty(), Hints::RANDOM | Hints::SEQUENTIAL),
        Madvice::MADV_RANDOM => Advice::Hint(Hints::RANDOM, Hints::SEQUENTIAL),
        Madvice::MADV_SEQUENTIAL => Advice::Hint(Hints::SEQUENTIAL, Hints::RANDOM),
        Madvice::MADV_HUGEPAGE => Advice::Hint(Hints::HUGE, Hints::NOT_HUGE),
        Madvice::MADV_NOHUGEPAGE => Advice::Hint(Hints::NOT_HUGE, Hints::HUGE),
        Madvice::MADV_MERGEABLE => Advice::Hint(Hints::MERGEABLE, Hints::empty()),
        Madvice::MADV_UNMERGEABLE => Advice::Hint(Hints::empty(), Hints::MERGEABLE),
        Madvice::MADV_DONTDUMP => Advice::Hint(Hints::NOT_DUMPED, Hints::empty()),
        Madvice::MADV_DODUMP => Advice::Hint(Hints::empty(), Hints::NOT_DUMPED),
        _ => return Err(Errno::EINVAL),
    };
    cx.space().advise(addr.0, len, advice)?;
    Ok(0)
}

pub(super) fn msync(cx: &mut Context<'_>, addr: UserAddr, len: usize, flags: MsyncFlags) -> Result {
    let both = MsyncFlags::MS_ASYNC | MsyncFlags::MS_SYNC;
    if flags.unknown() != 0 || flags.contains(both) {
        return Err(Errno::EINVAL);
    }
    // A length that wraps when it is rounded is none; and nothing can be anywhere.
    if addr.0.is_multiple_of(PAGE_SIZE) && (len == 0 || len.checked_next_multiple_of(PAGE_SIZE).is_none()) {
        return Ok(0);
    }
    let end = len.checked_next_multiple_of(PAGE_SIZE).and_then(|len| addr.0.checked_add(len));
    if addr.0.is_multiple_of(PAGE_SIZE)
        && flags.contains(MsyncFlags::MS_INVALIDATE)
        && end.is_some_and(|end| cx.space().has_locked(addr.0, end))
    {
        return Err(Errno::EBUSY);
    }
    cx.space().sync(addr.0, len)?;
    Ok(0)
}

pub(super) fn mlock(cx: &mut Context<'_>, addr: UserAddr, len: usize) -> Result {
    cx.space().lock(addr.0, len, Lock::Whole)?;
    Ok(0)
}

pub(super) fn mlock2(cx: &mut Context<'_>, addr: UserAddr, len: usize, flags: MlockFlags) -> Result {
    if flags.unknown() != 0 {
        return Err(Errno::EINVAL);
    }
    let how = if flags.contains(MlockFlags::MLOCK_ONFAULT) { Lock::OnFault } else { Lock::Whole };
    cx.space().lock(addr.0, len, how)?;
    Ok(0)
}

pub(super) fn munlock(cx: &mut Context<'_>, addr: UserAddr, len: usize) -> Result {
    cx.space().lock(addr.0, len, Lock::None)?;
    Ok(0)
}

pub(super) fn mlockall(cx: &mut Context<'_>, flags: MlockallFlags) -> Result {
    let (now, later) = (flags.contains(MlockallFlags::MCL_CURRENT), flags.contains(MlockallFlags::MCL_FUTURE));
    if flags.unknown() != 0 || !(now || later) {
        return Err(Errno::EINVAL);
    }
    let how = if flags.contains(MlockallFlags::MCL_ONFAULT) { Lock::OnFault } else { Lock::Whole };
    cx.space().lock_all(now.then_some(how), if later { how } else { Lock::None })?;
    Ok(0)
}

pub(super) fn munlockall(cx: &mut Context<'_>) -> Result {
    cx.space().lock_all(Some(Lock::None), Lock::None)?;
    Ok(0)
}

pub(super) fn mincore(cx: &mut Context<'_>, addr: UserAddr, len: usize, into: UserMut<u8>) -> Result {
    if !addr.0.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let space = cx.space();
    addr.0.checked_add(len).filter(|end| *end <= space.end()).ok_or(Errno::ENOMEM)?;
    let wanted = len.div_ceil(PAGE_SIZE);
    check(space, into.addr, wanted)?;
    let mut told = 0;
    while told < wanted {
        let count = MINCORE_TOGETHER.min(wanted - told);
        // What comes before a hole is told.
        let pages = space.mincore(addr.0 + told * PAGE_SIZE, count * PAGE_SIZE);
        space.write(into.addr + told, &pages)?;
        if pages.len() < count {
            return Err(Errno::ENOMEM);
        }
        told += count;
    }
    Ok(0)
}
