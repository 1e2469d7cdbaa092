//! Job control: who may use a terminal, and whose it becomes. See tcsetpgrp(3), ioctl_tty(2).

use alloc::sync::Arc;

use super::console::{Console, Job};
use crate::abi::flags::{IoctlCommand, SIG_IGN};
use crate::abi::signal::Signal;
use crate::abi::structs::Siginfo;
use crate::error::{Errno, Result};
use crate::process::{Process, Thread};
use crate::vfs::IoctlContext;

/// Lets a process take a terminal from another session.
const CAP_SYS_ADMIN: u32 = 21;

impl Console {
    /// Whether it is the controlling terminal of `process`.
    fn controls(&self, process: &Process) -> bool {
        process.terminal().is_some() && process.session().id() == self.job().session
    }

    /// Asks whether the caller may do what is for the group at work. A group in the background is sent `signal` instead
    /// (SIGTTIN or SIGTTOU); if that would do nothing, reading fails and everything else is allowed.
    pub(super) fn permit(&self, signal: Signal) -> Result<()> {
        let Some(thread) = Thread::current() else { return Ok(()) };
        let process = thread.process();
        if !self.controls(process) {
            return Ok(());
        }
        let Some(processes) = process.processes() else { return Ok(()) };
        let Some((_, group, ..)) = processes.place(process.pid()) else { return Ok(()) };
        let at_work = self.job().group;
        if at_work == 0 || at_work == group {
            return Ok(());
        }
        if thread.mask().contains(signal) || process.actions().lock().of(signal).handler == SIG_IGN {
            return if signal == Signal::SIGTTIN { Err(Errno::EIO) } else { Ok(()) };
        }
        if processes.is_orphaned(group) {
            return Err(Errno::EIO);
        }
        // The caller is in it.
        let _ = processes.signal_group(group, signal, Siginfo::kernel(signal));
        Err(Errno::ERESTARTSYS)
    }
}

/// The commands of ioctl(2) about sessions and groups; `None` is another command.
pub(super) fn ioctl(
    console: &Arc<Console>,
    cx: &IoctlContext<'_>,
    command: IoctlCommand,
    argument: usize,
) -> Option<Result<()>> {
    let thread = Thread::current()?;
    let process = thread.process();
    Some(match command {
        IoctlCommand::TIOCGPGRP => own_job(console, process).and_then(|job| cx.write_value(argument, &job.group)),
        IoctlCommand::TIOCGSID => own_job(console, process).and_then(|job| cx.write_value(argument, &job.session)),
        IoctlCommand::TIOCSPGRP => set_group(console, process, cx, argument),
        IoctlCommand::TIOCSCTTY => take(console, &thread, argument),
        IoctlCommand::TIOCNOTTY => leave(console, process),
        _ => return None,
    })
}

fn own_job(console: &Console, process: &Process) -> Result<Job> {
    if console.controls(process) { Ok(console.job()) } else { Err(Errno::ENOTTY) }
}

/// tcsetpgrp(3).
fn set_group(console: &Console, process: &Process, cx: &IoctlContext<'_>, argument: usize) -> Result<()> {
    console.permit(Signal::SIGTTOU).map_err(|errno| if errno == Errno::EIO { Errno::ENOTTY } else { errno })?;
    let group = cx.read_value::<i32>(argument)?;
    if group < 0 {
        return Err(Errno::EINVAL);
    }
    let job = own_job(console, process)?;
    let processes = process.processes().ok_or(Errno::ESRCH)?;
    if processes.session_of(group).ok_or(Errno::ESRCH)? != job.session {
        return Err(Errno::EPERM);
    }
    console.set_job(Job { group, ..job });
    Ok(())
}

/// A session's leader makes it the session's terminal.
fn take(console: &Arc<Console>, thread: &Thread, argument: usize) -> Result<()> {
    let (process, old) = (thread.process(), console.job());
    let session = process.session();
    let leads = session.id() == process.pid();
    if leads && old.session == session.id() {
        return Ok(());
    }
    if !leads || process.terminal().is_some() {
        return Err(Errno::EPERM);
    }
    let processes = process.processes().ok_or(Errno::ESRCH)?;
    if old.session != 0 {
        if argument != 1 || !thread.credentials().can(CAP_SYS_ADMIN) {
            return Err(Errno::EPERM);
        }
        if let Some(robbed) = processes.find(old.session) {
            robbed.session().set_terminal(None);
        }
    }
    let (_, group, ..) = processes.place(process.pid()).ok_or(Errno::ESRCH)?;
    session.set_terminal(Some(Arc::clone(console) as _));
    console.set_job(Job { session: session.id(), group });
    Ok(())
}

/// The caller gives its controlling terminal up; if it leads the session, all of them do.
fn leave(console: &Console, process: &Process) -> Result<()> {
    if !console.controls(process) {
        return Err(Errno::ENOTTY);
    }
    let session = process.session();
    if session.id() != process.pid() {
        process.leave_terminal();
        return Ok(());
    }
    let group = console.job().group;
    session.set_terminal(None);
    console.set_job(Job::default());
    if let Some(processes) = process.processes() {
        for signal in [Signal::SIGHUP, Signal::SIGCONT] {
            // It may have ended.
            let _ = processes.signal_group(group, signal, Siginfo::kernel(signal));
        }
    }
    Ok(())
}
