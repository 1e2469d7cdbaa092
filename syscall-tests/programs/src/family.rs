//! Families: the rows that a program draws from, by what they are about.

use core::fmt;
use core::str::FromStr;

use kernel_abi::Call;

/// Rows that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Bytes and descriptors.
    File,
    /// Names, directories, attributes.
    Path,
    /// Processes, users, groups, limits.
    Process,
    /// Signals and whoever sends them.
    Signal,
    /// Address spaces.
    Memory,
    /// Clocks, sleeps, timers.
    Time,
    /// Waiting for descriptors.
    Poll,
    /// Every row that there is.
    All,
}

/// What no program calls by its number: a child returns twice, a frame is not there, the machine would be gone.
const NEVER: &[Call] = &[
    Call::clone,
    Call::clone_backwards,
    Call::clone3,
    Call::fork,
    Call::vfork,
    Call::rt_sigreturn,
    Call::restart_syscall,
    Call::reboot,
];

macro_rules! rows {
    ($($name:ident)*) => { &[$(Call::$name),*] };
}
pub(crate) use rows;

const FILE: &[Call] = rows![
    open openat creat read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 sendfile
    copy_file_range lseek ftruncate truncate fallocate fadvise64 fsync fdatasync sync_file_range close close_range
    dup dup2 dup3 fcntl flock pipe pipe2 memfd_create fstat ioctl unlink link getdents64 eventfd2
];
const PATH: &[Call] = rows![
    open openat openat2 creat access faccessat faccessat2 readlink readlinkat link linkat symlink symlinkat unlink
    unlinkat rename renameat renameat2 mkdir mkdirat rmdir mknod mknodat chdir fchdir getcwd chroot getdents
    getdents64 truncate stat lstat fstat newfstatat statx statfs fstatfs chmod fchmod fchmodat fchmodat2 chown
    lchown fchown fchownat utime utimes futimesat utimensat umask setxattr lsetxattr fsetxattr getxattr lgetxattr
    fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr close dup write
];
const PROCESS: &[Call] = rows![
    execve execveat exit exit_group wait4 waitid pidfd_open pidfd_send_signal set_tid_address getpid gettid getppid
    getpgrp getpgid setpgid getsid setsid prctl personality kill open close read write pipe2 umask chdir getuid
    geteuid getgid getegid setuid setgid setreuid setregid getresuid setresuid getresgid setresgid setfsuid setfsgid
    getgroups setgroups capget capset getrlimit setrlimit prlimit64 getrusage getpriority setpriority sched_yield
    sched_getaffinity sched_setaffinity sched_getscheduler sched_setscheduler sched_getparam sched_setparam
    sched_get_priority_max sched_get_priority_min sched_rr_get_interval ioprio_get ioprio_set futex set_robust_list
    get_robust_list times uname
];
const SIGNAL: &[Call] = rows![
    rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo
    sigaltstack kill tkill tgkill pause alarm setitimer getitimer signalfd signalfd4 read wait4 waitid pidfd_open
    pidfd_send_signal timer_create timer_settime timer_delete getpid gettid nanosleep ppoll pipe2 write close exit
    setpgid
];
const MEMORY: &[Call] = rows![
    brk mmap munmap mprotect mremap madvise msync mincore memfd_create open ftruncate close read write pread64
    pwrite64 futex readv writev setrlimit fallocate
];
const TIME: &[Call] = rows![
    time gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep alarm getitimer setitimer timer_create
    timer_settime timer_gettime timer_getoverrun timer_delete times timerfd_create timerfd_settime timerfd_gettime
    read poll rt_sigaction rt_sigprocmask rt_sigtimedwait close utimensat stat creat
];
const POLL: &[Call] = rows![
    poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 pipe pipe2
    eventfd eventfd2 signalfd4 timerfd_create timerfd_settime read write close dup dup2 fcntl memfd_create
    rt_sigprocmask kill ioctl open
];

impl Family {
    /// All of them; the place in here is a family's number in bytes.
    pub const ALL: [Self; 8] =
        [Self::All, Self::File, Self::Path, Self::Process, Self::Signal, Self::Memory, Self::Time, Self::Poll];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Path => "path",
            Self::Process => "process",
            Self::Signal => "signal",
            Self::Memory => "memory",
            Self::Time => "time",
            Self::Poll => "poll",
            Self::All => "all",
        }
    }

    /// Its rows.
    pub const fn rows(self) -> &'static [Call] {
        match self {
            Self::File => FILE,
            Self::Path => PATH,
            Self::Process => PROCESS,
            Self::Signal => SIGNAL,
            Self::Memory => MEMORY,
            Self::Time => TIME,
            Self::Poll => POLL,
            Self::All => &EVERY,
        }
    }
}

/// Whether a program may make the call at all.
const fn is_possible(call: Call) -> bool {
    let mut at = 0;
    while at < NEVER.len() {
        if NEVER[at] as u16 == call as u16 {
            return false;
        }
        at += 1;
    }
    call.row().implemented
}

const fn possible() -> usize {
    let (mut count, mut at) = (0, 0);
    while at < Call::ALL.len() {
        count += is_possible(Call::ALL[at]) as usize;
        at += 1;
    }
    count
}

static EVERY: [Call; possible()] = {
    let mut rows = [Call::read; possible()];
    let (mut count, mut at) = (0, 0);
    while at < Call::ALL.len() {
        if is_possible(Call::ALL[at]) {
            rows[count] = Call::ALL[at];
            count += 1;
        }
        at += 1;
    }
    rows
};

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no such family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchFamily;

impl FromStr for Family {
    type Err = NoSuchFamily;
    fn from_str(name: &str) -> Result<Self, NoSuchFamily> {
        Self::ALL.into_iter().find(|family| family.name() == name).ok_or(NoSuchFamily)
    }
}

#[cfg(test)]
mod tests {
    use super::Family;

    #[test]
    fn a_family_has_rows_that_a_program_may_call() {
        let every = Family::All.rows();
        assert!(every.len() > 200);
        for family in Family::ALL {
            assert!(family.rows().iter().all(|call| every.contains(call)), "{family}");
            assert_eq!(family.name().parse(), Ok(family));
        }
    }
}
