//! epoll(7).

use alloc::sync::Arc;
use alloc::vec;

use super::Context;
use super::poll::{deadline, restore_mask, set_mask};
use crate::abi::SigSet;
use crate::abi::arg::{Fd, UserMut, UserPtr};
use crate::abi::flags::{EpollEvents, EpollFlags, EpollOp, OpenFlags, Resource};
use crate::abi::structs::{EpollEvent, Timespec};
use crate::error::{Errno, Result};
use crate::ipc::Epoll;
use crate::vfs::{Attributes, CloseOnExec, OpenFile};

pub(super) fn epoll_create(cx: &mut Context<'_>, size: i32) -> Result {
    if size <= 0 {
        return Err(Errno::EINVAL);
    }
    epoll_create1(cx, EpollFlags::empty())
}

pub(super) fn epoll_create1(cx: &mut Context<'_>, flags: EpollFlags) -> Result {
    if flags.unknown() != 0 {
        return Err(Errno::EINVAL);
    }
    let epoll = Epoll::new(Attributes::nameless(), cx.kernel.watches());
    let file = OpenFile::new(cx.kernel.mounts().admit()?, epoll, OpenFlags::O_RDWR);
    let close = CloseOnExec::when(flags.contains(EpollFlags::EPOLL_CLOEXEC));
    let fd = cx.files().insert(0, file, close, cx.process().limit(Resource::RLIMIT_NOFILE))?;
    Ok(fd.cast_unsigned() as usize)
}

/// What one may wait for whom alone others are woken for.
const FOR_ONE_ALONE: EpollEvents = EpollEvents::EPOLLIN
    .union(EpollEvents::EPOLLOUT)
    .union(EpollEvents::EPOLLERR)
    .union(EpollEvents::EPOLLHUP)
    .union(EpollEvents::EPOLLWAKEUP)
    .union(EpollEvents::EPOLLET)
    .union(EpollEvents::EPOLLEXCLUSIVE);

pub(super) fn epoll_ctl(cx: &mut Context<'_>, set: Fd, op: EpollOp, file: Fd, event: UserPtr<EpollEvent>) -> Result {
    let mut wish = EpollEvent::default();
    if op != EpollOp::EPOLL_CTL_DEL {
        let mut bytes = [0; 16];
        let bytes = &mut bytes[..EpollEvent::size(super::ARCH)];
        cx.space().read(event.addr, bytes)?;
        wish = EpollEvent::decode(super::ARCH, bytes).ok_or(Errno::EFAULT)?;
    }
    let fd = file.0;
    let (set, file) = (cx.files().get(set.0)?, cx.files().get(fd)?);
    if file.file().queues().is_empty() {
        return Err(Errno::EPERM);
    }
    let epoll = set.file().as_any().downcast_ref::<Epoll>().ok_or(Errno::EINVAL)?;
    if Arc::ptr_eq(set.file(), file.file()) {
        return Err(Errno::EINVAL);
    }
    let events = EpollEvents::from_bits_retain(wish.events);
    let alone = events.contains(EpollEvents::EPOLLEXCLUSIVE);
    if alone && (op == EpollOp::EPOLL_CTL_MOD || file.file().as_any().is::<Epoll>() || !FOR_ONE_ALONE.contains(events))
    {
        return Err(Errno::EINVAL);
    }
    match op {
        EpollOp::EPOLL_CTL_ADD => epoll.add(fd, &file, wish)?,
        EpollOp::EPOLL_CTL_MOD => epoll.change(fd, &file, wish)?,
        EpollOp::EPOLL_CTL_DEL => epoll.remove(fd, &file)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// Waits until `deadline_ns` and writes what came.
fn wait(cx: &Context<'_>, set: Fd, into: UserMut<EpollEvent>, count_max: i32, deadline_ns: Option<u64>) -> Result {
    let set = cx.files().get(set.0)?;
    let size = EpollEvent::size(super::ARCH);
    let count_max = usize::try_from(count_max).ok().filter(|&count| count > 0 && count <= i32::MAX as usize / size);
    let count_max = count_max.ok_or(Errno::EINVAL)?;
    let space = cx.space();
    if into.addr.checked_add(count_max * size).is_none_or(|end| end > space.end()) {
        return Err(Errno::EFAULT);
    }
    let epoll = set.file().as_any().downcast_ref::<Epoll>().ok_or(Errno::EINVAL)?;
    let events = epoll.wait(count_max, deadline_ns)?;
    let mut bytes = vec![0; events.len() * size];
    for (event, bytes) in events.iter().zip(bytes.chunks_exact_mut(size)) {
        bytes.copy_from_slice(&event.encode(super::ARCH));
    }
    space.write(into.addr, &bytes)?;
    Ok(events.len())
}

fn deadline_of_ms(cx: &Context<'_>, timeout_ms: i32) -> Option<u64> {
    deadline(cx, u64::try_from(timeout_ms).ok().map(|ms| ms * 1_000_000))
}

pub(super) fn epoll_wait(
    cx: &mut Context<'_>,
    set: Fd,
    into: UserMut<EpollEvent>,
    count_max: i32,
    timeout_ms: i32,
) -> Result {
    wait(cx, set, into, count_max, deadline_of_ms(cx, timeout_ms))
}

pub(super) fn epoll_pwait(
    cx: &mut Context<'_>,
    set: Fd,
    into: UserMut<EpollEvent>,
    count_max: i32,
    timeout_ms: i32,
    mask: UserPtr<SigSet>,
    mask_size: usize,
) -> Result {
    set_mask(cx, mask.addr, mask_size)?;
    let result = wait(cx, set, into, count_max, deadline_of_ms(cx, timeout_ms));
    restore_mask(cx, result)
}

pub(super) fn epoll_pwait2(
    cx: &mut Context<'_>,
    set: Fd,
    into: UserMut<EpollEvent>,
    count_max: i32,
    timeout: UserPtr<Timespec>,
    mask: UserPtr<SigSet>,
    mask_size: usize,
) -> Result {
    let mut deadline_ns = None;
    if !timeout.is_null() {
        let span = cx.space().read_value::<Timespec>(timeout.addr)?.to_ns().ok_or(Errno::EINVAL)?;
        deadline_ns = deadline(cx, Some(span));
    }
    set_mask(cx, mask.addr, mask_size)?;
    let result = wait(cx, set, into, count_max, deadline_ns);
    restore_mask(cx, result)
}
