//! Processes by descriptor.

use alloc::sync::Arc;

use super::Context;
use super::signal::{info_from, may_signal, own_info, send_to_group, send_to_thread, signal_of};
use crate::abi::arg::{Fd, Pid, SignalNumber, UserPtr};
use crate::abi::flags::{OpenFlags, PidfdFlags, Resource, SI_USER};
use crate::abi::structs::Siginfo;
use crate::error::{Errno, Result};
use crate::ipc::{Of, PidFd};
use crate::kernel::{Kernel, PIDFD_DEV};
use crate::process::{Process, Thread};
use crate::vfs::{Attributes, CloseOnExec, FileKind, OpenFile};

pub(super) fn pidfd_open(cx: &mut Context<'_>, who: Pid, flags: PidfdFlags) -> Result {
    let known = PidfdFlags::PIDFD_NONBLOCK | PidfdFlags::PIDFD_THREAD;
    if !flags.difference(known).is_empty() || who.0 <= 0 {
        return Err(Errno::EINVAL);
    }
    let processes = cx.kernel.processes();
    let thread = processes.find_thread(who.0);
    let mut how = OpenFlags::O_RDWR;
    how.set(OpenFlags::O_NONBLOCK, flags.contains(PidfdFlags::PIDFD_NONBLOCK));
    let (process, of) = match (processes.find(who.0), thread) {
        (_, Some(thread)) if flags.contains(PidfdFlags::PIDFD_THREAD) => {
            // F_GETFL tells one from the other.
            how |= OpenFlags::O_EXCL;
            (Arc::clone(thread.process()), Of::Thread(who.0))
        }
        (Some(process), _) => (process, Of::Process),
        // A thread that is no process's first.
        (None, Some(_)) => return Err(Errno::ENOENT),
        (None, None) => return Err(Errno::ESRCH),
    };
    Ok(describe(cx.kernel, cx.thread, (&process, of), how)?.cast_unsigned() as usize)
}

/// A new descriptor of the thread's, which stands for a process or for one of its threads.
pub(super) fn describe(
    kernel: &Kernel,
    thread: &Thread,
    (process, of): (&Arc<Process>, Of),
    how: OpenFlags,
) -> Result<i32> {
    let attributes = Attributes::anonymous(FileKind::Regular, 0o600, kernel.next_anonymous_inode());
    let attributes = Attributes { dev: PIDFD_DEV, ..attributes };
    let file = OpenFile::new(kernel.mounts().admit()?, PidFd::new(process, of, attributes), how);
    thread.files().insert(0, file, CloseOnExec::Yes, thread.process().limit(Resource::RLIMIT_NOFILE))
}

/// Whom a signal is for, whatever the descriptor stands for.
const PIDFD_SIGNAL_THREAD: u32 = 1;
const PIDFD_SIGNAL_THREAD_GROUP: u32 = 2;
const PIDFD_SIGNAL_PROCESS_GROUP: u32 = 4;
const SCOPES: u32 = PIDFD_SIGNAL_THREAD | PIDFD_SIGNAL_THREAD_GROUP | PIDFD_SIGNAL_PROCESS_GROUP;

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
    let target = open.file().as_any().downcast_ref::<PidFd>().ok_or(Errno::EBADF)?;
    let scope = match (flags, target.of()) {
        (0, Of::Process) => PIDFD_SIGNAL_THREAD_GROUP,
        (0, Of::Thread(_)) => PIDFD_SIGNAL_THREAD,
        (scope, _) => scope,
    };
    if !info.is_null() && cx.space().read_value::<Siginfo>(info.addr)?.si_signo != signal.0 {
        return Err(Errno::EINVAL);
    }
    let to_self = target.number() == cx.thread.tid() && scope != PIDFD_SIGNAL_PROCESS_GROUP;
    let told = if info.is_null() { None } else { Some(info_from(cx, info, signal, to_self)?) };
    match scope {
        PIDFD_SIGNAL_THREAD => return send_to_thread(cx, None, target.number(), signal, told),
        PIDFD_SIGNAL_PROCESS_GROUP => return send_to_group(cx, target.number(), signal, told),
        _ => {}
    }
    let target = target.process();
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
