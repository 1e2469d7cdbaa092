//! Signals: actions, masks, sending, waiting.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd::sync::{Sleep, WaitQueue};
use ostd::user::Registers as _;
use zerocopy::IntoBytes as _;

use super::Context;
use crate::abi::arg::SignalNumber;
use crate::abi::flags::{SI_TKILL, SI_USER, SigHow};
use crate::abi::types::{Sigaction, Siginfo, StackT, Timespec, UserMut, UserPtr};
use crate::abi::{Arch, Pid, SigSet, Signal};
use crate::error::{Errno, Result};
use crate::process::{Process, Processes};
use crate::signal::UNBLOCKABLE;

const ARCH: Arch = match ostd::user::ARCH {
    ostd::user::Arch::X86_64 => Arch::X86_64,
    ostd::user::Arch::Riscv64 => Arch::Riscv64,
};

fn check_size(size: usize) -> Result<()> {
    if size == size_of::<SigSet>() { Ok(()) } else { Err(Errno::EINVAL) }
}

fn everybody(cx: &Context<'_>) -> Result<Arc<Processes>> {
    cx.process().processes().ok_or(Errno::ESRCH)
}

pub(super) fn rt_sigaction(
    cx: &mut Context<'_>,
    signal: SignalNumber,
    new: UserPtr<Sigaction>,
    old: UserMut<Sigaction>,
    size: usize,
) -> Result {
    check_size(size)?;
    let space = cx.space();
    let wish = if new.is_null() {
        None
    } else {
        let mut bytes = [0; 32];
        let bytes = &mut bytes[..Sigaction::size(ARCH)];
        space.read(new.addr, bytes)?;
        Sigaction::decode(ARCH, bytes)
    };
    let signal = Signal::from_number(signal.0).ok_or(Errno::EINVAL)?;
    if wish.is_some() && UNBLOCKABLE.contains(signal) {
        return Err(Errno::EINVAL);
    }
    let actions = cx.process().actions();
    let before = match wish {
        Some(action) => actions.lock().set(signal, action),
        None => actions.lock().of(signal),
    };
    if wish.is_some() {
        cx.process().forget_ignored(signal);
    }
    if !old.is_null() {
        space.write(old.addr, &before.encode(ARCH))?;
    }
    Ok(0)
}

pub(super) fn rt_sigprocmask(
    cx: &mut Context<'_>,
    how: SigHow,
    new: UserPtr<SigSet>,
    old: UserMut<SigSet>,
    size: usize,
) -> Result {
    check_size(size)?;
    let space = cx.space();
    let before = cx.thread.mask();
    if !new.is_null() {
        let set: SigSet = space.read_value(new.addr)?;
        let mask = match how {
            SigHow::SIG_BLOCK => before.union(set),
            SigHow::SIG_UNBLOCK => before.difference(set),
            SigHow::SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        };
        cx.thread.set_mask(mask);
    }
    if !old.is_null() {
        space.write_value(old.addr, &before)?;
    }
    Ok(0)
}

pub(super) fn rt_sigpending(cx: &mut Context<'_>, into: UserMut<SigSet>, size: usize) -> Result {
    if size > size_of::<SigSet>() {
        return Err(Errno::EINVAL);
    }
    let set = SigSet(cx.thread.pending().intersection(cx.thread.mask()).0.to_le());
    cx.space().write(into.addr, &set.0.to_le_bytes()[..size])?;
    Ok(0)
}

/// Sleeps until a signal comes.
fn sleep_for_a_signal() -> Result {
    let queue = WaitQueue::new();
    let _ = queue.wait_until(Sleep::interruptible(), || None::<()>);
    Err(Errno::ERESTARTNOHAND)
}

pub(super) fn rt_sigsuspend(cx: &mut Context<'_>, mask: UserPtr<SigSet>, size: usize) -> Result {
    check_size(size)?;
    let mask: SigSet = cx.space().read_value(mask.addr)?;
    let old = cx.thread.mask();
    cx.thread.set_mask_for_now(mask);
    // What asked the thread to look up may have been the old mask; only what the new one lets through counts.
    if let Some(task) = cx.thread.task() {
        task.clear_interrupt();
        let ready = cx.thread.pending().difference(cx.thread.mask());
        if !ready.is_empty() || cx.thread.is_ending() || cx.process().stopped_by().is_some() {
            task.interrupt();
        }
    }
    let _ = old;
    sleep_for_a_signal()
}

pub(super) fn pause(_cx: &mut Context<'_>) -> Result {
    sleep_for_a_signal()
}

pub(super) fn rt_sigtimedwait(
    cx: &mut Context<'_>,
    set: UserPtr<SigSet>,
    info: UserMut<Siginfo>,
    timeout: UserPtr<Timespec>,
    size: usize,
) -> Result {
    check_size(size)?;
    let space = cx.space();
    let set: SigSet = space.read_value(set.addr)?;
    let deadline = if timeout.is_null() {
        None
    } else {
        let time: Timespec = space.read_value(timeout.addr)?;
        if time.tv_sec < 0 || !(0..1_000_000_000).contains(&time.tv_nsec) {
            return Err(Errno::EINVAL);
        }
        let span = (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64);
        Some(space.machine().monotonic_ns().saturating_add(span))
    };
    let (signal, found) = cx.thread.wait_for_signal(set, deadline)?;
    if !info.is_null() {
        space.write_value(info.addr, &found)?;
    }
    Ok(signal.number().unsigned_abs() as usize)
}

pub(super) fn rt_sigreturn(cx: &mut Context<'_>) -> Result {
    cx.thread.sigreturn(cx.user)
}

/// What was interrupted by a stop goes on.
pub(super) fn restart_syscall(cx: &mut Context<'_>) -> Result {
    let restart = cx.thread.take_restart().ok_or(Errno::EINTR)?;
    restart(cx.thread)
}

pub(super) fn sigaltstack(cx: &mut Context<'_>, new: UserPtr<StackT>, old: UserMut<StackT>) -> Result {
    let space = cx.space();
    let sp = cx.user.regs().sp();
    let before = cx.thread.alt_stack();
    if !new.is_null() {
        let wish: StackT = space.read_value(new.addr)?;
        cx.thread.set_alt_stack(before.changed(&wish, sp)?);
    }
    if !old.is_null() {
        space.write_value(old.addr, &before.told(sp))?;
    }
    Ok(0)
}

/// The signal of a call; `None` for 0, which only asks.
pub(super) fn signal_of(number: SignalNumber) -> Result<Option<Signal>> {
    if number.0 == 0 {
        return Ok(None);
    }
    Signal::from_number(number.0).map(Some).ok_or(Errno::EINVAL)
}

pub(super) fn may_signal(cx: &Context<'_>, target: &Process, signal: Option<Signal>) -> Result<()> {
    let same_session = || target.session().id() == cx.process().session().id();
    let allowed = target.pid() == cx.process().pid()
        || cx.credentials().may_signal(&target.credentials())
        || (signal == Some(Signal::SIGCONT) && same_session());
    if allowed { Ok(()) } else { Err(Errno::EPERM) }
}

pub(super) fn own_info(cx: &Context<'_>, signal: Signal, code: i32) -> Siginfo {
    Siginfo::kill(signal, code, cx.process().pid(), cx.credentials().user.real)
}

fn send(cx: &Context<'_>, target: &Process, signal: Option<Signal>, info: Option<Siginfo>) -> Result<()> {
    may_signal(cx, target, signal)?;
    match signal {
        Some(signal) => target.send(signal, info.unwrap_or_else(|| own_info(cx, signal, SI_USER))),
        None => Ok(()),
    }
}

fn send_to_many(cx: &Context<'_>, targets: &[Arc<Process>], signal: SignalNumber, info: Option<Siginfo>) -> Result {
    if targets.is_empty() {
        return Err(Errno::ESRCH);
    }
    let signal = signal_of(signal)?;
    // One that could be reached is enough.
    let results: Vec<_> = targets.iter().map(|target| send(cx, target, signal, info)).collect();
    if results.iter().any(Result::is_ok) { Ok(0) } else { results.into_iter().collect::<Result<()>>().map(|()| 0) }
}

/// Sends to a process group; ESRCH when there is none.
pub(super) fn send_to_group(cx: &Context<'_>, group: i32, signal: SignalNumber, info: Option<Siginfo>) -> Result {
    send_to_many(cx, &everybody(cx)?.group(group), signal, info)
}

/// The process of that number, or the one whose thread has it.
fn numbered(processes: &Processes, pid: i32) -> Result<Arc<Process>> {
    match processes.find(pid) {
        Some(target) => Ok(target),
        None => processes.find_thread(pid).map(|thread| Arc::clone(thread.process())).ok_or(Errno::ESRCH),
    }
}

pub(super) fn kill(cx: &mut Context<'_>, who: Pid, signal: SignalNumber) -> Result {
    let processes = everybody(cx)?;
    if who.0 == i32::MIN {
        return Err(Errno::ESRCH);
    }
    let many = |targets: Vec<Arc<Process>>| send_to_many(cx, &targets, signal, None);
    match who.0 {
        -1 => many(processes.all().into_iter().filter(|other| other.pid() != cx.process().pid()).collect()),
        0 => {
            let (_, group, _, _) = processes.place(cx.process().pid()).ok_or(Errno::ESRCH)?;
            many(processes.group(group))
        }
        group if group < 0 => many(processes.group(-group)),
        pid => {
            let target = numbered(&processes, pid)?;
            // A process that is not there is told before a signal that does not exist.
            let signal = signal_of(signal)?;
            if pid == processes.kernel_pid() {
                // It takes no signals, but it is there.
                return may_signal(cx, &target, signal).map(|()| 0);
            }
            send(cx, &target, signal, None).map(|()| 0)
        }
    }
}

pub(super) fn send_to_thread(
    cx: &Context<'_>,
    group: Option<i32>,
    tid: i32,
    signal: SignalNumber,
    info: Option<Siginfo>,
) -> Result {
    let thread = everybody(cx)?.find_thread(tid).ok_or(Errno::ESRCH)?;
    if group.is_some_and(|group| group != thread.process().pid()) {
        return Err(Errno::ESRCH);
    }
    let signal = signal_of(signal)?;
    may_signal(cx, thread.process(), signal)?;
    if let Some(signal) = signal {
        thread.send(signal, info.unwrap_or_else(|| own_info(cx, signal, SI_TKILL)))?;
    }
    Ok(0)
}

pub(super) fn tkill(cx: &mut Context<'_>, thread: Pid, signal: SignalNumber) -> Result {
    if thread.0 <= 0 {
        return Err(Errno::EINVAL);
    }
    send_to_thread(cx, None, thread.0, signal, None)
}

pub(super) fn tgkill(cx: &mut Context<'_>, group: Pid, thread: Pid, signal: SignalNumber) -> Result {
    if thread.0 <= 0 || group.0 <= 0 {
        return Err(Errno::EINVAL);
    }
    send_to_thread(cx, Some(group.0), thread.0, signal, None)
}

/// Reads the caller's siginfo; only the kernel and kill(2) may say that it comes from them.
pub(super) fn info_from(
    cx: &Context<'_>,
    info: UserPtr<Siginfo>,
    signal: SignalNumber,
    to_self: bool,
) -> Result<Siginfo> {
    honest(siginfo(cx, info, signal)?, to_self)
}

/// What a program says of a signal. E2BIG where that is more than anybody knows of.
fn siginfo(cx: &Context<'_>, info: UserPtr<Siginfo>, signal: SignalNumber) -> Result<Siginfo> {
    /// Bytes that the kernel's own structure has.
    const KNOWN_LEN: usize = 48;
    let mut value: Siginfo = cx.space().read_value(info.addr)?;
    value.si_signo = signal.0;
    let is_more = || value.as_bytes()[KNOWN_LEN..].iter().any(|byte| *byte != 0);
    if !has_layout(signal.0, value.si_code) && is_more() { Err(Errno::E2BIG) } else { Ok(value) }
}

/// Whether it is known what a signal's code says of what follows it.
fn has_layout(signal: i32, code: i32) -> bool {
    /// Codes of their own that some signals have, from 1; all others have those of SIGPOLL.
    const CODES: [(Signal, i32); 7] = [
        (Signal::SIGILL, 11),
        (Signal::SIGTRAP, 6),
        (Signal::SIGBUS, 5),
        (Signal::SIGFPE, 15),
        (Signal::SIGSEGV, 10),
        (Signal::SIGCHLD, 6),
        (Signal::SIGSYS, 2),
    ];
    const SI_KERNEL: i32 = 0x80;
    const SI_DETHREAD: i32 = -7;
    const SI_ASYNCNL: i32 = -60;
    let last = CODES.iter().find(|own| own.0.number() == signal).map_or(6, |own| own.1);
    code == SI_KERNEL || code == SI_ASYNCNL || (SI_DETHREAD..=last).contains(&code)
}

/// EPERM for what looks as if the kernel had sent it, unless that deceives nobody but the sender.
fn honest(info: Siginfo, to_self: bool) -> Result<Siginfo> {
    if (info.si_code >= 0 || info.si_code == SI_TKILL) && !to_self { Err(Errno::EPERM) } else { Ok(info) }
}

pub(super) fn rt_sigqueueinfo(cx: &mut Context<'_>, who: Pid, signal: SignalNumber, info: UserPtr<Siginfo>) -> Result {
    let info = info_from(cx, info, signal, who.0 == cx.thread.tid())?;
    let processes = everybody(cx)?;
    let target = numbered(&processes, who.0)?;
    let signal = signal_of(signal)?;
    may_signal(cx, &target, signal)?;
    if let Some(signal) = signal {
        target.send(signal, info)?;
    }
    Ok(0)
}

pub(super) fn rt_tgsigqueueinfo(
    cx: &mut Context<'_>,
    group: Pid,
    thread: Pid,
    signal: SignalNumber,
    info: UserPtr<Siginfo>,
) -> Result {
    let value = siginfo(cx, info, signal)?;
    if thread.0 <= 0 || group.0 <= 0 {
        return Err(Errno::EINVAL);
    }
    let info = honest(value, thread.0 == cx.thread.tid())?;
    send_to_thread(cx, Some(group.0), thread.0, signal, Some(info))
}
