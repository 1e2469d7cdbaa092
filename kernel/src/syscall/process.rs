//! Processes: made, executed, ended, waited for, grouped.

use alloc::sync::Arc;
use alloc::vec::Vec;

use zerocopy::IntoBytes as _;

use super::Context;
use crate::abi::arg::{UserAddr, UserPath, UserStrings};
use crate::abi::flags::{AtFlags, CloneFlags, OpenFlags, Personality, Resource, WaitId, WaitOptions};
use crate::abi::structs::{CloneArgs, STATUS_CONTINUED};
use crate::abi::types::{ChildChange, Rusage, Siginfo, UserMut, UserPtr};
use crate::abi::{Fd, Pid, Signal};
use crate::error::{Errno, Result};
use crate::ipc::{Of, PidFd};
use crate::process::exec::stack::{Budget, POINTERS_MAX, STRING_LEN_MAX};
use crate::process::exec::{Executable, Words};
use crate::process::{CloneRequest, Found, Process, Processes, Who, ticks};
use crate::vfs::Follow;

/// The low byte of clone's flags.
const EXIT_SIGNAL: u64 = 0xff;
/// The longest path, its NUL counted.
const PATH_MAX: usize = 4096;

fn everybody(cx: &Context<'_>) -> Result<Arc<Processes>> {
    cx.process().processes().ok_or(Errno::ESRCH)
}

fn clone_from_registers(
    cx: &mut Context<'_>,
    flags: CloneFlags,
    stack: usize,
    parent_tid: usize,
    child_tid: usize,
    tls: usize,
) -> Result {
    let bits = flags.bits() & u64::from(u32::MAX);
    // The older calls tell a descriptor where they tell a number.
    if flags.contains(CloneFlags::CLONE_PIDFD | CloneFlags::CLONE_PARENT_SETTID) {
        return Err(Errno::EINVAL);
    }
    let request = CloneRequest {
        flags: CloneFlags::from_bits_retain(bits & !EXIT_SIGNAL),
        exit_signal: (bits & EXIT_SIGNAL) as i32,
        stack,
        parent_tid,
        child_tid,
        tls,
    };
    make(cx, request, parent_tid)
}

/// Makes a thread or process, with a descriptor whose number is stored at `pidfd_at` if that is asked for.
fn make(cx: &mut Context<'_>, request: CloneRequest, pidfd_at: usize) -> Result {
    let (kernel, thread) = (cx.kernel, cx.thread);
    let announce = |process: &Arc<Process>| {
        let fd = super::pidfd::describe(kernel, thread, (process, Of::Process), OpenFlags::O_RDWR)?;
        let told = thread.space().write_value(pidfd_at, &fd);
        told.inspect_err(|_| drop(thread.files().close(fd)))?;
        Ok(fd)
    };
    thread.clone_as(&request, cx.user, &announce)
}

pub(super) fn clone(
    cx: &mut Context<'_>,
    flags: CloneFlags,
    stack: UserAddr,
    parent_tid: UserMut<Pid>,
    child_tid: UserMut<Pid>,
    tls: UserAddr,
) -> Result {
    clone_from_registers(cx, flags, stack.0, parent_tid.addr, child_tid.addr, tls.0)
}

pub(super) fn clone_backwards(
    cx: &mut Context<'_>,
    flags: CloneFlags,
    stack: UserAddr,
    parent_tid: UserMut<Pid>,
    tls: UserAddr,
    child_tid: UserMut<Pid>,
) -> Result {
    clone_from_registers(cx, flags, stack.0, parent_tid.addr, child_tid.addr, tls.0)
}

pub(super) fn clone3(cx: &mut Context<'_>, args: UserPtr<CloneArgs>, size: usize) -> Result {
    const SMALLEST: usize = 64;
    let args: CloneArgs = cx.space().read_versioned(args.addr, size, SMALLEST)?;
    let flags = CloneFlags::from_bits_retain(args.flags);
    let refused = args.flags & EXIT_SIGNAL != 0
        || args.flags >> 34 != 0
        || flags.contains(CloneFlags::CLONE_DETACHED)
        || args.exit_signal & !EXIT_SIGNAL != 0
        || args.exit_signal > Signal::MAX as u64
        || (args.stack == 0) != (args.stack_size == 0)
        || (flags.intersects(CloneFlags::CLONE_THREAD | CloneFlags::CLONE_PARENT) && args.exit_signal != 0)
        || args.set_tid != 0
        || args.set_tid_size != 0;
    if refused {
        return Err(Errno::EINVAL);
    }
    let request = CloneRequest {
        flags,
        exit_signal: args.exit_signal as i32,
        stack: args.stack.wrapping_add(args.stack_size) as usize,
        parent_tid: args.parent_tid as usize,
        child_tid: args.child_tid as usize,
        tls: args.tls as usize,
    };
    // One word cannot be both.
    let both = CloneFlags::CLONE_PIDFD | CloneFlags::CLONE_PARENT_SETTID;
    if flags.contains(both) && args.pidfd == args.parent_tid {
        return Err(Errno::EINVAL);
    }
    make(cx, request, args.pidfd as usize)
}

pub(super) fn fork(cx: &mut Context<'_>) -> Result {
    make(cx, CloneRequest::fork(), 0)
}

pub(super) fn vfork(cx: &mut Context<'_>) -> Result {
    make(cx, CloneRequest::vfork(), 0)
}

/// Reads an array of pointers to strings; a null array is an empty one.
fn pointers(cx: &Context<'_>, from: UserStrings) -> Result<Vec<usize>> {
    let (space, mut list, mut at) = (cx.space(), Vec::new(), from.0);
    if at == 0 {
        return Ok(list);
    }
    loop {
        let pointer: usize = space.read_value(at)?;
        if pointer == 0 {
            return Ok(list);
        }
        list.push(pointer);
        if list.len() > POINTERS_MAX {
            return Err(Errno::E2BIG);
        }
        at = at.checked_add(size_of::<usize>()).ok_or(Errno::EFAULT)?;
    }
}

/// Reads the strings, the last first, as far as there is room for them.
fn strings(cx: &Context<'_>, pointers: &[usize], budget: &mut Budget) -> Result<Vec<Vec<u8>>> {
    let space = cx.space();
    let mut list = Vec::with_capacity(pointers.len());
    for &pointer in pointers.iter().rev() {
        let string = space.read_string(pointer, STRING_LEN_MAX).map_err(|errno| match errno {
            Errno::ENAMETOOLONG => Errno::E2BIG,
            other => other,
        })?;
        budget.take(&string)?;
        list.push(string);
    }
    list.reverse();
    Ok(list)
}

pub(super) fn execve(cx: &mut Context<'_>, path: UserPath, argv: UserStrings, envp: UserStrings) -> Result {
    execveat(cx, Fd::CWD, path, argv, envp, AtFlags::empty())
}

pub(super) fn execveat(
    cx: &mut Context<'_>,
    dir: Fd,
    path: UserPath,
    argv: UserStrings,
    envp: UserStrings,
    flags: AtFlags,
) -> Result {
    let name = cx.space().read_string(path.0, PATH_MAX)?;
    if name.is_empty() && !flags.contains(AtFlags::AT_EMPTY_PATH) {
        return Err(Errno::ENOENT);
    }
    if flags.bits() & !(AtFlags::AT_EMPTY_PATH | AtFlags::AT_SYMLINK_NOFOLLOW).bits() != 0 {
        return Err(Errno::EINVAL);
    }
    let (user, limit) = (cx.credentials().user.real, cx.process().limit(Resource::RLIMIT_NPROC));
    if cx.thread.became_too_many() && everybody(cx)?.count_of(user) > limit {
        return Err(Errno::EAGAIN);
    }
    cx.thread.set_became_too_many(false);
    let mut at = None;
    if dir != Fd::CWD && !name.starts_with(b"/") {
        // What has no name is no directory, and no program.
        let nameless = if name.is_empty() { Errno::EACCES } else { Errno::ENOTDIR };
        at = Some(cx.files().get_place(dir.0)?.path().ok_or(nameless)?.clone());
    }
    let (credentials, fs) = (cx.credentials(), cx.fs());
    let (executable, path) = if name.is_empty() {
        // The file itself, by a name that leads to it.
        let place = at.ok_or(Errno::EACCES)?;
        let (name, _) = fs.path_of(&place);
        (Executable::open(&fs, &credentials, None, &name, Follow::Yes)?, name)
    } else {
        let follow = if flags.contains(AtFlags::AT_SYMLINK_NOFOLLOW) { Follow::No } else { Follow::Yes };
        (Executable::open(&fs, &credentials, at.as_ref(), &name, follow)?, name)
    };
    let (argv, envp) = (pointers(cx, argv)?, pointers(cx, envp)?);
    let mut budget = Budget::new(
        cx.process().memory_limits().stack.min(cx.kernel.machine().heap_room()),
        argv.len().max(1) + envp.len(),
    )?;
    budget.take(&path)?;
    let envp = strings(cx, &envp, &mut budget)?;
    let argv = strings(cx, &argv, &mut budget)?;
    cx.thread.execute(cx.user, executable, Words { argv, envp, budget })
}

pub(super) fn exit(cx: &mut Context<'_>, status: i32) -> Result {
    cx.thread.exit(status);
    Ok(0)
}

pub(super) fn exit_group(cx: &mut Context<'_>, status: i32) -> Result {
    cx.thread.exit_group(status);
    Ok(0)
}

fn own_group(cx: &Context<'_>) -> Result<i32> {
    Ok(everybody(cx)?.place(cx.process().pid()).ok_or(Errno::ESRCH)?.1)
}

pub(super) fn wait4(
    cx: &mut Context<'_>,
    who: Pid,
    status: UserMut<i32>,
    options: WaitOptions,
    usage: UserMut<Rusage>,
) -> Result {
    let known = WaitOptions::WNOHANG
        | WaitOptions::WUNTRACED
        | WaitOptions::WCONTINUED
        | WaitOptions::__WNOTHREAD
        | WaitOptions::__WALL
        | WaitOptions::__WCLONE;
    if options.bits() & !known.bits() != 0 {
        return Err(Errno::EINVAL);
    }
    let who = match who.0 {
        i32::MIN => return Err(Errno::ESRCH),
        -1 => Who::Any,
        0 => Who::Group(own_group(cx)?),
        group if group < 0 => Who::Group(-group),
        pid => Who::Pid(pid),
    };
    let found = cx.thread.wait_for_child(who, options | WaitOptions::WEXITED)?;
    let Some((found, child)) = found else { return Ok(0) };
    let space = cx.space();
    if !usage.is_null() {
        space.write_value(usage.addr, &usage_of_child(&child))?;
    }
    if !status.is_null() {
        space.write_value(status.addr, &found.status)?;
    }
    Ok(found.pid as usize)
}

/// What waitid(2) tells of a status word.
fn told(found: Found, child: &Process) -> Siginfo {
    let status = found.status;
    let signal = |number: i32| Signal::from_number(number).unwrap_or(Signal::SIGKILL);
    let change = match status & 0x7f {
        _ if status == STATUS_CONTINUED => ChildChange::Continued,
        0 => ChildChange::Exited(status >> 8),
        0x7f => ChildChange::Stopped(signal(status >> 8 & 0xff)),
        number if status & 0x80 != 0 => ChildChange::Dumped(signal(number)),
        number => ChildChange::Killed(signal(number)),
    };
    let spent = child.spent();
    Siginfo::child(found.pid, child.credentials().user.real, change, ticks(spent.user_ns), ticks(spent.system_ns))
}

fn usage_of_child(child: &Process) -> Rusage {
    super::limit::usage_of(child.spent() + child.spent_by_children())
}

/// Which child waitid(2) waits for, and what it did.
fn child_for(cx: &Context<'_>, kind: WaitId, who: Pid, options: WaitOptions) -> Result<Option<(Found, Arc<Process>)>> {
    let wanted = WaitOptions::WEXITED | WaitOptions::WUNTRACED | WaitOptions::WCONTINUED;
    let known = wanted
        | WaitOptions::WNOHANG
        | WaitOptions::WNOWAIT
        | WaitOptions::__WNOTHREAD
        | WaitOptions::__WALL
        | WaitOptions::__WCLONE;
    if options.bits() & !known.bits() != 0 || !options.intersects(wanted) {
        return Err(Errno::EINVAL);
    }
    let mut patience = options;
    let who = match (kind, who.0) {
        (WaitId::P_ALL, _) => Who::Any,
        (WaitId::P_PID, pid) if pid > 0 => Who::Pid(pid),
        (WaitId::P_PGID, 0) => Who::Group(own_group(cx)?),
        (WaitId::P_PGID, group) if group > 0 => Who::Group(group),
        (WaitId::P_PIDFD, fd) if fd >= 0 => {
            let open = cx.files().get(fd)?;
            patience.set(
                WaitOptions::WNOHANG,
                patience.contains(WaitOptions::WNOHANG) || open.flags().contains(OpenFlags::O_NONBLOCK),
            );
            Who::Pid(open.file().as_any().downcast_ref::<PidFd>().ok_or(Errno::EBADF)?.number())
        }
        _ => return Err(Errno::EINVAL),
    };
    match cx.thread.wait_for_child(who, patience)? {
        // The descriptor does not wait, though the call would.
        None if patience != options => Err(Errno::EAGAIN),
        found => Ok(found),
    }
}

pub(super) fn waitid(
    cx: &mut Context<'_>,
    kind: WaitId,
    who: Pid,
    info: UserMut<Siginfo>,
    options: WaitOptions,
    usage: UserMut<Rusage>,
) -> Result {
    let found = child_for(cx, kind, who, options);
    let space = cx.space();
    let refusal = found.as_ref().err().copied();
    let found = found.unwrap_or_default();
    if let Some((_, child)) = found.as_ref().filter(|_| !usage.is_null()) {
        space.write_value(usage.addr, &usage_of_child(child))?;
    }
    if !info.is_null() {
        let told = found.map_or_else(Siginfo::default, |(found, child)| told(found, &child));
        // Field by field: what lies between and behind them stays as it was.
        space.write(info.addr, &told.as_bytes()[..12])?;
        space.write(info.addr.wrapping_add(16), &told.as_bytes()[16..28])?;
    }
    // What is told of nobody is told even when the call is refused.
    refusal.map_or(Ok(0), Err)
}

pub(super) fn set_tid_address(cx: &mut Context<'_>, addr: UserMut<Pid>) -> Result {
    cx.thread.set_clear_child_tid(addr.addr);
    Ok(cx.thread.tid() as usize)
}

pub(super) fn getpid(cx: &mut Context<'_>) -> Result {
    Ok(cx.process().pid() as usize)
}

pub(super) fn gettid(cx: &mut Context<'_>) -> Result {
    Ok(cx.thread.tid() as usize)
}

pub(super) fn getppid(cx: &mut Context<'_>) -> Result {
    Ok(everybody(cx)?.place(cx.process().pid()).ok_or(Errno::ESRCH)?.0 as usize)
}

pub(super) fn getpgrp(cx: &mut Context<'_>) -> Result {
    Ok(own_group(cx)? as usize)
}

/// A process by number; 0 is the caller. Any thread's number names its process.
fn pid_or_own(cx: &Context<'_>, who: Pid) -> i32 {
    if who.0 == 0 {
        return cx.process().pid();
    }
    let thread = cx.process().processes().and_then(|processes| processes.find_thread(who.0));
    thread.map_or(who.0, |thread| thread.process().pid())
}

pub(super) fn getpgid(cx: &mut Context<'_>, who: Pid) -> Result {
    Ok(everybody(cx)?.place(pid_or_own(cx, who)).ok_or(Errno::ESRCH)?.1 as usize)
}

pub(super) fn setpgid(cx: &mut Context<'_>, who: Pid, group: Pid) -> Result {
    if group.0 < 0 {
        return Err(Errno::EINVAL);
    }
    let pid = pid_or_own(cx, who);
    let group = if group.0 == 0 { pid } else { group.0 };
    if group < 0 {
        return Err(Errno::EINVAL);
    }
    // Only who leads its threads is moved.
    if who.0 != 0 && pid != who.0 {
        return Err(Errno::EINVAL);
    }
    everybody(cx)?.set_group(cx.process().pid(), pid, group)?;
    Ok(0)
}

pub(super) fn getsid(cx: &mut Context<'_>, who: Pid) -> Result {
    Ok(everybody(cx)?.place(pid_or_own(cx, who)).ok_or(Errno::ESRCH)?.2 as usize)
}

pub(super) fn setsid(cx: &mut Context<'_>) -> Result {
    Ok(everybody(cx)?.set_session(cx.process())? as usize)
}

/// What is asked for is remembered, and children have it too.
pub(super) fn personality(cx: &mut Context<'_>, persona: Personality) -> Result {
    const ASK: u32 = u32::MAX;
    let old = cx.process().personality();
    if persona.bits() != ASK {
        cx.process().set_personality(persona.bits());
    }
    Ok(old as usize)
}

pub(super) fn vhangup(cx: &mut Context<'_>) -> Result {
    const CAP_SYS_TTY_CONFIG: u32 = 26;
    if !cx.credentials().can(CAP_SYS_TTY_CONFIG) {
        return Err(Errno::EPERM);
    }
    everybody(cx)?.hang_up(cx.process().session().id());
    Ok(0)
}
