//! Descriptors that are made to be polled.

use crate::abi::flags::{EventfdFlags, OpenFlags, Resource};
use crate::error::{Errno, Result};
use crate::ipc::EventFd;
use crate::ipc::eventfd::Takes;
use crate::syscall::Context;
use crate::vfs::{Attributes, CloseOnExec, FileKind, OpenFile};

pub(super) fn eventfd(cx: &mut Context<'_>, count: u32) -> Result {
    eventfd2(cx, count, EventfdFlags::empty())
}

pub(super) fn eventfd2(cx: &mut Context<'_>, count: u32, flags: EventfdFlags) -> Result {
    if flags.unknown() != 0 {
        return Err(Errno::EINVAL);
    }
    let takes = if flags.contains(EventfdFlags::EFD_SEMAPHORE) { Takes::One } else { Takes::All };
    let attributes = Attributes::anonymous(FileKind::Regular, 0o600, cx.kernel.next_anonymous_inode());
    let mut how = OpenFlags::O_RDWR;
    how.set(OpenFlags::O_NONBLOCK, flags.contains(EventfdFlags::EFD_NONBLOCK));
    let file = OpenFile::new(EventFd::new(count, takes, attributes), how);
    let close = CloseOnExec::when(flags.contains(EventfdFlags::EFD_CLOEXEC));
    let fd = cx.files().insert(0, file, close, cx.process().limit(Resource::RLIMIT_NOFILE))?;
    Ok(fd.cast_unsigned() as usize)
}
