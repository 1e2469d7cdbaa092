//! pipe(2).

use crate::abi::arg::{Fd, UserMut};
use crate::abi::flags::{OpenFlags, PipeFlags, Resource};
use crate::error::{Errno, Result};
use crate::ipc::Pipe;
use crate::ipc::pipe::Direction;
use crate::kernel::PIPE_DEV;
use crate::syscall::Context;
use crate::vfs::{Attributes, CloseOnExec, File as _, FileKind, OpenFile};

pub(super) fn pipe(cx: &mut Context<'_>, ends: UserMut<Fd>) -> Result {
    pipe2(cx, ends, PipeFlags::empty())
}

pub(super) fn pipe2(cx: &mut Context<'_>, ends: UserMut<Fd>, flags: PipeFlags) -> Result {
    // O_NOTIFICATION_PIPE is O_EXCL: the kernel's own messages, which a kernel may do without.
    let notes = OpenFlags::O_EXCL.bits() as u64;
    if flags.unknown() as u64 & !notes != 0 {
        return Err(Errno::EINVAL);
    }
    if flags.unknown() != 0 {
        return Err(Errno::ENOPKG);
    }
    let mounts = cx.kernel.mounts();
    let shares = (mounts.admit()?, mounts.admit()?);
    let pipe = Pipe::new(cx.kernel.machine());
    let who = cx.thread.identity();
    let attributes = Attributes::anonymous(FileKind::Fifo, 0o600, cx.kernel.next_anonymous_inode());
    let attributes = Attributes { dev: PIPE_DEV, uid: who.uid, gid: who.gid, ..attributes };
    let (read, write) = (pipe.end(Direction::Read, attributes), pipe.end(Direction::Write, attributes));
    let waits = if flags.contains(PipeFlags::O_NONBLOCK) { OpenFlags::O_NONBLOCK } else { OpenFlags::empty() };
    let close = CloseOnExec::when(flags.contains(PipeFlags::O_CLOEXEC));
    let limit = cx.process().limit(Resource::RLIMIT_NOFILE);
    let files = cx.files();
    let read = files.insert(0, OpenFile::new(shares.0, read, waits), close, limit)?;
    let packets = if flags.contains(PipeFlags::O_DIRECT) { OpenFlags::O_DIRECT } else { OpenFlags::empty() };
    write.flags_changed(packets)?;
    let write = OpenFile::new(shares.1, write, waits | packets | OpenFlags::O_WRONLY);
    let given = files.insert(0, write, close, limit).and_then(|write| {
        let written = cx.space().write_value(ends.addr, &[read, write]);
        written.inspect_err(|_| {
            // Nobody else can have closed it that matters: the program was never told of it.
            let _ = files.close(write);
        })
    });
    if let Err(errno) = given {
        let _ = files.close(read);
        return Err(errno);
    }
    Ok(0)
}
