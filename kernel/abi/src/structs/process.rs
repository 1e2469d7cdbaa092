//! Processes: how they are made, limited, accounted and empowered.

use super::Timeval;

plain! {
    /// `struct clone_args`, as long as Linux 5.7 made it.
    CloneArgs as "clone_args", 88 {
        0 flags: u64,
        8 pidfd: u64,
        16 child_tid: u64,
        24 parent_tid: u64,
        32 exit_signal: u64,
        40 stack: u64,
        48 stack_size: u64,
        56 tls: u64,
        64 set_tid: u64,
        72 set_tid_size: u64,
        80 cgroup: u64,
    }

    /// `struct robust_list_head`.
    RobustListHead as "robust_list_head", 24 {
        0 list: usize,
        8 futex_offset: isize,
        16 list_op_pending: usize,
    }

    /// `struct rlimit`.
    Rlimit as "rlimit", 16 {
        0 rlim_cur: u64,
        8 rlim_max: u64,
    }

    /// `struct rusage`.
    Rusage as "rusage", 144 {
        0 ru_utime: Timeval,
        16 ru_stime: Timeval,
        32 ru_maxrss: i64,
        40 ru_ixrss: i64,
        48 ru_idrss: i64,
        56 ru_isrss: i64,
        64 ru_minflt: i64,
        72 ru_majflt: i64,
        80 ru_nswap: i64,
        88 ru_inblock: i64,
        96 ru_oublock: i64,
        104 ru_msgsnd: i64,
        112 ru_msgrcv: i64,
        120 ru_nsignals: i64,
        128 ru_nvcsw: i64,
        136 ru_nivcsw: i64,
    }

    /// `struct sched_param`.
    SchedParam as "sched_param", 4 {
        0 sched_priority: i32,
    }

    /// `struct rseq`, as long as Linux 6.3 made it; programs align it to 32.
    Rseq as "rseq", 32 {
        0 cpu_id_start: u32,
        4 cpu_id: u32,
        8 rseq_cs: u64,
        16 flags: u32,
        20 node_id: u32,
        24 mm_cid: u32,
        28 pad0: u32,
    }

    /// `struct __user_cap_header_struct`.
    CapHeader as "cap_user_header", 8 {
        0 version: u32,
        4 pid: i32,
    }

    /// `struct __user_cap_data_struct`; version 3 has two, for the low and the high capabilities.
    CapData as "cap_user_data", 12 {
        0 effective: u32,
        4 permitted: u32,
        8 inheritable: u32,
    }
}

/// How a status word of wait4(2) says that a child exited.
pub const fn status_exited(code: i32) -> i32 {
    (code & 0xff) << 8
}

/// How a status word of wait4(2) says that a signal ended a child.
pub const fn status_signaled(signal: i32, dumped: bool) -> i32 {
    signal & 0x7f | if dumped { 0x80 } else { 0 }
}

/// How a status word of wait4(2) says that a signal stopped a child.
pub const fn status_stopped(signal: i32) -> i32 {
    (signal & 0xff) << 8 | 0x7f
}

/// How a status word of wait4(2) says that a child goes on.
pub const STATUS_CONTINUED: i32 = 0xffff;

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::{CloneArgs, Rlimit, Rusage, STATUS_CONTINUED, status_exited, status_signaled, status_stopped};

    #[test]
    fn layouts_are_the_c_librarys() {
        assert_eq!(size_of::<Rusage>(), size_of::<libc::rusage>());
        assert_eq!(offset_of!(Rusage, ru_minflt), offset_of!(libc::rusage, ru_minflt));
        assert_eq!(size_of::<Rlimit>(), size_of::<libc::rlimit64>());
        assert_eq!(size_of::<CloneArgs>(), size_of::<libc::clone_args>());
        assert_eq!(offset_of!(CloneArgs, tls), offset_of!(libc::clone_args, tls));
    }

    #[test]
    fn the_c_library_reads_status_words_as_meant() {
        assert!(libc::WIFEXITED(status_exited(3)) && libc::WEXITSTATUS(status_exited(3)) == 3);
        assert!(libc::WIFSIGNALED(status_signaled(9, false)) && libc::WTERMSIG(status_signaled(9, false)) == 9);
        assert!(libc::WCOREDUMP(status_signaled(11, true)) && libc::WTERMSIG(status_signaled(11, true)) == 11);
        assert!(libc::WIFSTOPPED(status_stopped(19)) && libc::WSTOPSIG(status_stopped(19)) == 19);
        assert!(libc::WIFCONTINUED(STATUS_CONTINUED));
    }
}
