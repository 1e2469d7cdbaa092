//! Memory: mapped, protected, unmapped, and the heap.

use super::Context;
use crate::abi::Fd;
use crate::abi::arg::{Hex, UserAddr};
use crate::abi::flags::{MapFlags, ProtFlags};
use crate::error::{Errno, Result};
use crate::mm::{MapRequest, Place, Prot, Sharing, Source};

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

pub(super) fn mmap(
    cx: &mut Context<'_>,
    addr: UserAddr,
    len: usize,
    prot: ProtFlags,
    flags: MapFlags,
    file: Fd,
    offset: Hex,
) -> Result {
    /// `MAP_SHARED`, `MAP_PRIVATE` and `MAP_SHARED_VALIDATE` are values of this field.
    const TYPE: u64 = 0xf;
    let offset = offset.0;
    if offset % ostd::PAGE_SIZE != 0 {
        return Err(Errno::EINVAL);
    }
    let prot = protection(prot);
    let open = if flags.contains(MapFlags::MAP_ANONYMOUS) { None } else { Some(cx.files().get(file.0)?) };
    let sharing = match u64::from(flags.bits()) & TYPE {
        1 | 3 => Sharing::Shared,
        2 => Sharing::Private,
        _ => return Err(Errno::EINVAL),
    };
    if len == 0 {
        return Err(Errno::EINVAL);
    }
    let at = if flags.contains(MapFlags::MAP_FIXED_NOREPLACE) {
        Place::FixedNoReplace(addr.0)
    } else if flags.contains(MapFlags::MAP_FIXED) {
        Place::Fixed(addr.0)
    } else {
        Place::Hint(addr.0)
    };
    let mut wish = MapRequest { sharing, ..MapRequest::anonymous(at, len, prot) };
    wish.grows_down = flags.contains(MapFlags::MAP_GROWSDOWN);
    if let Some(open) = open {
        if !open.is_readable() {
            return Err(Errno::EACCES);
        }
        if sharing == Sharing::Shared && !open.is_writable() {
            if prot.contains(Prot::WRITE) {
                return Err(Errno::EACCES);
            }
            wish.allowed = Prot::READ | Prot::EXECUTE;
        }
        wish.source = Source::Backed(open.backing()?, offset as u64);
    }
    cx.space().map(&wish)
}

pub(super) fn munmap(cx: &mut Context<'_>, addr: UserAddr, len: usize) -> Result {
    cx.space().unmap(addr.0, len)?;
    Ok(0)
}

pub(super) fn mprotect(cx: &mut Context<'_>, addr: UserAddr, len: usize, prot: ProtFlags) -> Result {
    cx.space().protect(addr.0, len, protection(prot))?;
    Ok(0)
}
