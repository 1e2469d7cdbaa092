//! Processes by descriptor.

use alloc::sync::Arc;

use super::Context;
use super::signal::{info_from, may_signal, own_info, signal_of};
use crate::abi::arg::{Fd, Pid, SignalNumber, UserPtr};
use crate::abi::flags::{OpenFlags, PidfdFlags, Resource, SI_USER};
use crate::abi::structs::Siginfo;
use crate::error::{Errno, Result};
use crate::ipc::PidFd;
use crate::kernel::Kernel;
use crate::process::{Process, Thread};
use crate::vfs::{Attributes, CloseOnExec, FileKind, OpenFile};

pub(super) fn pidfd_open(cx: &mut Context<'_>, who: Pid, flags: PidfdFlags) -> Result {
    if flags.bits() & !PidfdFlags::PIDFD_NONBLOCK.bits() != 0 || who.0 <= 0 {
        return Err(Errno::EINVAL);
    }
    let processes = cx.kernel.processes();
    let process = match processes.find(who.0) {
        Some(process) => process,
        // A thread that is no process's first.
        None if processes.find_thread(who.0).is_some() => return Err(Errno::ENOENT),
        None => return Err(Errno::ESRCH),
    };
    let mut how = OpenFlags::O_RDWR;
    how.set(OpenFlags::O_NONBLOCK, flags.contains(PidfdFlags::PIDFD_NONBLOCK));
    Ok(describe(cx.kernel, cx.thread, &process, how)?.cast_unsigned() as usize)
}

/// A new descriptor of the thread's, which stands for `process`.
pub(super) fn describe(kernel: &Kernel, thread: &Thread, process: &Arc<Process>, how: OpenFlags) -> Result<i32> {
    let attributes = Attributes::anonymous(FileKind::Regular, 0o600, kernel.next_anonymous_inode());
    let file = OpenFile::new(kernel.mounts().admit()?, PidFd::new(process, attributes), how);
    thread.files().insert(0, file, CloseOnExec::Yes, thread.process().limit(Resource::RLIMIT_NOFILE))
}

/// Whom a signal is for: a process, which is what happens anyhow; a thread, or a group, which none is sent to here.
const PIDFD_SIGNAL_THREAD_GROUP: u32 = 2;
const SCOPES: u32 = 1 | PIDFD_SIGNAL_THREAD_GROUP | 4;

pub(super) fn pidfd_send_signal(
    cx: &mut Context<'_>,
    file: Fd,
    signal: SignalNumber,
    info: UserPtr<Siginfo>,
    flags: u32,
) -> Result {
    if flags & !SCOPES != 0 || flags.count_ones() > 1 {
        return Err(Errno::EINVAL);
    }
    let open = cx.files().get(file.0)?;
    let target = open.file().as_any().downcast_ref::<PidFd>().ok_or(Errno::EBADF)?.process();
    if flags & !PIDFD_SIGNAL_THREAD_GROUP != 0 {
        return Err(Errno::EINVAL);
    }
    if !info.is_null() && cx.space().read_value::<Siginfo>(info.addr)?.si_signo != signal.0 {
        return Err(Errno::EINVAL);
    }
    let to_self = target.pid() == cx.thread.tid();
    let told = if info.is_null() { None } else { Some(info_from(cx, info, signal, to_self)?) };
    let signal = signal_of(signal)?;
    // Nobody has its number any more.
    if cx.kernel.processes().place(target.pid()).is_none() {
        return Err(Errno::ESRCH);
    }
    may_signal(cx, target, signal)?;
    if let Some(signal) = signal {
        target.send(signal, told.unwrap_or_else(|| own_info(cx, signal, SI_USER)))?;
    }
    Ok(0)
}
