//! Calls that the younger architecture does not have, made of those it has, as a C library makes them.
//!
//! Left out are the calls that have no younger form, or one that answers otherwise: `alarm`, `arch_prctl`, `getdents`,
//! `pause`, `select`, `time`. A case about one of them says so.

use alloc::vec::Vec;

use kernel_abi::arg::Reg as _;
use kernel_abi::flags::{AtFlags, CloneFlags, FcntlCommand, OpenFlags};
use kernel_abi::structs::{Timespec, Timeval, Utimbuf};
use kernel_abi::{Call, Calls as _, Errno, Fd, Result, Signal};

use crate::Guest;

/// Makes `call`, which there is not, of one that there is; else ENOSYS.
pub(crate) fn make(call: Call, args: &[usize]) -> Result {
    let mut regs = [0; 4];
    for (reg, arg) in regs.iter_mut().zip(args) {
        *reg = *arg;
    }
    let [a, b, c, d] = regs;
    let here = Fd::CWD.reg();
    let nofollow = AtFlags::AT_SYMLINK_NOFOLLOW.reg();
    let (call, args): (_, &[usize]) = match call {
        Call::open => (Call::openat, &[here, a, b, c]),
        Call::creat => {
            (Call::openat, &[here, a, (OpenFlags::O_CREAT | OpenFlags::O_WRONLY | OpenFlags::O_TRUNC).reg(), b])
        }
        Call::access => (Call::faccessat, &[here, a, b]),
        Call::readlink => (Call::readlinkat, &[here, a, b, c]),
        Call::link => (Call::linkat, &[here, a, here, b, 0]),
        Call::symlink => (Call::symlinkat, &[a, here, b]),
        Call::unlink => (Call::unlinkat, &[here, a, 0]),
        Call::rmdir => (Call::unlinkat, &[here, a, AtFlags::AT_REMOVEDIR.reg()]),
        Call::rename => (Call::renameat2, &[here, a, here, b, 0]),
        Call::renameat => (Call::renameat2, &[a, b, c, d, 0]),
        Call::mknod => (Call::mknodat, &[here, a, b, c]),
        Call::mkdir => (Call::mkdirat, &[here, a, b]),
        Call::stat => (Call::newfstatat, &[here, a, b, 0]),
        Call::lstat => (Call::newfstatat, &[here, a, b, nofollow]),
        Call::chmod => (Call::fchmodat, &[here, a, b]),
        Call::chown => (Call::fchownat, &[here, a, b, c, 0]),
        Call::lchown => (Call::fchownat, &[here, a, b, c, nofollow]),
        // dup3(2) refuses what dup2(2) finds done already.
        Call::dup2 if a == b => {
            Guest.fcntl(a, FcntlCommand::F_GETFD, 0)?;
            return Ok(b);
        }
        Call::dup2 => (Call::dup3, &[a, b, 0]),
        Call::pipe => (Call::pipe2, &[a, 0]),
        Call::eventfd => (Call::eventfd2, &[a, 0]),
        Call::signalfd => (Call::signalfd4, &[a, b, c, 0]),
        Call::epoll_create if (a as i32) <= 0 => return Err(Errno::EINVAL),
        Call::epoll_create => (Call::epoll_create1, &[0]),
        Call::epoll_wait => (Call::epoll_pwait, &[a, b, c, d, 0, 8]),
        Call::getpgrp => (Call::getpgid, &[0]),
        Call::poll => return poll(a, b, c as i32),
        Call::utime => {
            return times(here, a, b, |at| {
                let Utimbuf { actime, modtime } = Guest.load(at);
                Ok([actime, modtime].map(|tv_sec| Timespec { tv_sec, tv_nsec: 0 }))
            });
        }
        Call::utimes => return times(here, a, b, timevals),
        Call::futimesat => return times(a, b, c, timevals),
        _ => return Err(Errno::ENOSYS),
    };
    Guest.make(call, args)
}

/// poll(2): a negative time-out has no end.
fn poll(files: usize, count: usize, timeout_ms: i32) -> Result {
    let timeout = u32::try_from(timeout_ms)
        .ok()
        .map(|ms| Timespec { tv_sec: i64::from(ms / 1000), tv_nsec: i64::from(ms % 1000) * 1_000_000 });
    Guest.ppoll(files, count, timeout.as_ref().map_or(0, address), 0, 8)
}

/// utimensat(2) with what `read` makes of the times at `at`; none means now.
fn times(dir: usize, path: usize, at: usize, read: fn(usize) -> Result<[Timespec; 2]>) -> Result {
    let times = if at == 0 { None } else { Some(read(at)?) };
    Guest.utimensat(dir, path, times.as_ref().map_or(0, address), 0)
}

fn timevals(at: usize) -> Result<[Timespec; 2]> {
    let [first, second] = [at, at + size_of::<Timeval>()].map(|at| Guest.load::<Timeval>(at));
    if ![first, second].iter().all(|time| (0..1_000_000).contains(&time.tv_usec)) {
        return Err(Errno::EINVAL);
    }
    Ok([first, second].map(|time| Timespec { tv_sec: time.tv_sec, tv_nsec: time.tv_usec * 1000 }))
}

fn address<T>(value: &T) -> usize {
    core::ptr::from_ref(value).expose_provenance()
}

/// The call, and its arguments, that makes a child as `call` does: fork(2) and vfork(2) by clone(2).
pub(crate) fn child(call: Call) -> Option<(Call, Vec<usize>)> {
    let flags = match call {
        Call::fork => CloneFlags::empty(),
        Call::vfork => CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK,
        _ => return None,
    };
    Some((Call::clone_backwards, alloc::vec![flags.reg() | Signal::SIGCHLD.reg()]))
}

#[cfg(test)]
mod tests {
    use kernel_abi::flags::MapFlags;
    use kernel_abi::structs::Timeval;
    use kernel_abi::{Call, Calls as _, Errno, Fd};

    use super::make;
    use crate::Guest;

    /// The call and its counterpart, where both are to be had.
    #[track_caller]
    fn agree(call: Call, args: &[usize]) {
        assert_eq!(make(call, args), Guest.make(call, args), "{call:?}");
    }

    #[test]
    fn the_younger_call_answers_as_the_older_one() {
        let rw = kernel_abi::flags::ProtFlags::PROT_READ | kernel_abi::flags::ProtFlags::PROT_WRITE;
        let page = Guest.mmap(0, 4096, rw, MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS, Fd(-1), 0).expect("maps");
        let (none, root) = (Guest.path(page, "/none/such"), Guest.path(page + 64, "/"));
        for call in
            [Call::open, Call::unlink, Call::rmdir, Call::mkdir, Call::stat, Call::lstat, Call::chmod, Call::utime]
        {
            agree(call, &[none, page + 1024, 0]);
            agree(call, &[8, 0, 0]);
        }
        agree(Call::access, &[root, 4]);
        agree(Call::stat, &[root, page + 1024]);
        agree(Call::link, &[root, none]);
        agree(Call::dup2, &[1, 1]);
        agree(Call::dup2, &[999, 999]);
        agree(Call::getpgrp, &[]);
        agree(Call::epoll_create, &[0]);
        agree(Call::poll, &[0, 0, 1]);
        let bad = Guest.store(page + 512, &[Timeval { tv_sec: 1, tv_usec: -1 }, Timeval::default()]);
        agree(Call::utimes, &[root, bad]);
        assert_eq!(make(Call::arch_prctl, &[0, 0]), Err(Errno::ENOSYS));
    }
}
