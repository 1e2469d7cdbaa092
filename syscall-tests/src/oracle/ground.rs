//! The ground that both subjects stand on: who runs programs, where, and what they may use. All of it is made by system
//! calls, so that it is the same on both.

use kernel_abi::flags::{CloseRangeFlags, DupFlags, OpenFlags, PrctlOption, Resource, SigHow, StackFlags};
use kernel_abi::structs::{Rlimit, Sigaction, StackT};
use kernel_abi::{Calls as _, Errno, Fd, Gid, Mode, Pid, Result, SigSet, Signal, Sys, Uid};

/// The user and the group that programs run as: nobody in particular, without any capability.
pub const USER: u32 = 1000;
/// Where programs have their directories; made by whoever makes the subject.
pub const HOME: &str = "/home";
/// Descriptors that a program may have.
pub const DESCRIPTORS_MAX: u64 = 64;

const SIGNAL_MAX: i32 = 64;
/// `_LINUX_CAPABILITY_VERSION_3`.
const CAPABILITIES_VERSION: u32 = 0x2008_0522;

/// Limits that both subjects enforce, and what a program sees of the others.
const LIMITS: &[(Resource, u64)] = &[
    (Resource::RLIMIT_CORE, 0),
    (Resource::RLIMIT_FSIZE, 8 << 20),
    (Resource::RLIMIT_NOFILE, DESCRIPTORS_MAX),
    (Resource::RLIMIT_NPROC, 64),
    (Resource::RLIMIT_CPU, 60),
    (Resource::RLIMIT_MEMLOCK, 1 << 20),
    (Resource::RLIMIT_SIGPENDING, 64),
    (Resource::RLIMIT_STACK, 8 << 20),
    (Resource::RLIMIT_DATA, 1 << 30),
    (Resource::RLIMIT_AS, 4 << 30),
];

/// Makes the calling process, which is root, what runs programs: a user in a directory of its own, without input, output,
/// or anything else open.
pub fn prepare(sys: &dyn Sys) -> Result<()> {
    let page = sys.page();
    sys.close_range(3, u32::MAX, CloseRangeFlags::empty())?;
    let null = sys.openat(Fd::CWD, sys.path(page, "/dev/null"), OpenFlags::O_RDWR, 0)?;
    for fd in 0..3 {
        if null != fd as usize {
            sys.dup3(null, Fd(fd), DupFlags::empty())?;
        }
    }
    if null > 2 {
        sys.close(null)?;
    }
    sys.path(page, HOME);
    sys.chown(page, Uid(USER), Gid(USER))?;
    sys.chdir(page)?;
    sys.umask(Mode(0o022))?;
    signals(sys)?;
    for (resource, most) in LIMITS {
        sys.store(page, &Rlimit { rlim_cur: *most, rlim_max: *most });
        sys.prlimit64(Pid(0), *resource, page, 0)?;
    }
    // A user name space that an ordinary user made does not let go of groups.
    match sys.setgroups(0, 0) {
        Ok(_) | Err(Errno::EPERM) => {}
        Err(errno) => return Err(errno),
    }
    sys.setresgid(Gid(USER), Gid(USER), Gid(USER))?;
    sys.setresuid(Uid(USER), Uid(USER), Uid(USER))?;
    // Who was no root in the first place has them still.
    sys.store(page, &[CAPABILITIES_VERSION, 0]);
    sys.store(page + 64, &[0_u32; 6]);
    sys.capset(page, page + 64)?;
    sys.prctl(PrctlOption::PR_SET_NAME, sys.path(page, "program"), 0, 0, 0)?;
    // Who changed users owns less of /proc.
    sys.prctl(PrctlOption::PR_SET_DUMPABLE, 1, 0, 0, 0)?;
    sys.prctl(PrctlOption::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)?;
    sys.poke(page, &[0; 4096]);
    Ok(())
}

/// Every signal at its default, and none blocked.
fn signals(sys: &dyn Sys) -> Result<()> {
    let page = sys.page();
    sys.poke(page, &Sigaction::default().encode(sys.arch()));
    for number in 1..=SIGNAL_MAX {
        if number != Signal::SIGKILL.number() && number != Signal::SIGSTOP.number() {
            sys.rt_sigaction(number, page, 0, 8)?;
        }
    }
    // Rust's runtime has one.
    sys.store(page, &StackT { ss_flags: StackFlags::SS_DISABLE.bits(), ..StackT::default() });
    sys.sigaltstack(page, 0)?;
    sys.store(page, &SigSet::EMPTY);
    sys.rt_sigprocmask(SigHow::SIG_SETMASK, page, 0, 8).map(drop)
}
