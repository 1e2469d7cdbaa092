//! Processes: how they are made, waited for, limited, scheduled and configured.

flags! {
    /// What clone(2) shares. The low byte is the signal sent to the parent at the end.
    CloneFlags: u64 from general {
        CLONE_NEWTIME = 0x80;
        CLONE_VM = 0x100;
        CLONE_FS = 0x200;
        CLONE_FILES = 0x400;
        CLONE_SIGHAND = 0x800;
        CLONE_PIDFD = 0x1000;
        CLONE_PTRACE = 0x2000;
        CLONE_VFORK = 0x4000;
        CLONE_PARENT = 0x8000;
        CLONE_THREAD = 0x1_0000;
        CLONE_NEWNS = 0x2_0000;
        CLONE_SYSVSEM = 0x4_0000;
        CLONE_SETTLS = 0x8_0000;
        CLONE_PARENT_SETTID = 0x10_0000;
        CLONE_CHILD_CLEARTID = 0x20_0000;
        CLONE_DETACHED = 0x40_0000;
        CLONE_UNTRACED = 0x80_0000;
        CLONE_CHILD_SETTID = 0x100_0000;
        CLONE_NEWCGROUP = 0x200_0000;
        CLONE_NEWUTS = 0x400_0000;
        CLONE_NEWIPC = 0x800_0000;
        CLONE_NEWUSER = 0x1000_0000;
        CLONE_NEWPID = 0x2000_0000;
        CLONE_NEWNET = 0x4000_0000;
        CLONE_IO = 0x8000_0000;
        CLONE_CLEAR_SIGHAND = 0x1_0000_0000;
        CLONE_INTO_CGROUP = 0x2_0000_0000;
        SIGCHLD = 0x11;
    }

    /// What wait4(2) and waitid(2) wait for.
    WaitOptions: u32 from general {
        WNOHANG = 1;
        WUNTRACED = 2;
        WEXITED = 4;
        WCONTINUED = 8;
        WNOWAIT = 0x100_0000;
        __WNOTHREAD = 0x2000_0000;
        __WALL = 0x4000_0000;
        __WCLONE = 0x8000_0000;
    }

    /// getrandom(2).
    GetrandomFlags: u32 from general {
        GRND_NONBLOCK = 1;
        GRND_RANDOM = 2;
        GRND_INSECURE = 4;
    }

    /// rseq(2).
    RseqFlags: u32 from general {
    } + {
        RSEQ_FLAG_UNREGISTER = 1;
    }

    /// pidfd_open(2).
    PidfdFlags: u32 from general {
    } + {
        PIDFD_NONBLOCK = 0x800;
        PIDFD_THREAD = 0x80;
    }

    /// personality(2); the low byte is the execution domain, 0 being Linux.
    Personality: u32 from general {
    } + {
        UNAME26 = 0x0020000;
        ADDR_NO_RANDOMIZE = 0x0040000;
        FDPIC_FUNCPTRS = 0x0080000;
        MMAP_PAGE_ZERO = 0x0100000;
        ADDR_COMPAT_LAYOUT = 0x0200000;
        READ_IMPLIES_EXEC = 0x0400000;
        ADDR_LIMIT_32BIT = 0x0800000;
        SHORT_INODE = 0x1000000;
        WHOLE_SECONDS = 0x2000000;
        STICKY_TIMEOUTS = 0x4000000;
        ADDR_LIMIT_3GB = 0x8000000;
        PER_LINUX = 0;
    }
}

values! {
    /// Whom waitid(2) waits for.
    WaitId: i32 from general {
        P_ALL = 0;
        P_PID = 1;
        P_PGID = 2;
        P_PIDFD = 3;
    }

    /// A limit of setrlimit(2).
    Resource: u32 from general {
        RLIMIT_CPU = 0;
        RLIMIT_FSIZE = 1;
        RLIMIT_DATA = 2;
        RLIMIT_STACK = 3;
        RLIMIT_CORE = 4;
        RLIMIT_RSS = 5;
        RLIMIT_NPROC = 6;
        RLIMIT_NOFILE = 7;
        RLIMIT_MEMLOCK = 8;
        RLIMIT_AS = 9;
        RLIMIT_LOCKS = 10;
        RLIMIT_SIGPENDING = 11;
        RLIMIT_MSGQUEUE = 12;
        RLIMIT_NICE = 13;
        RLIMIT_RTPRIO = 14;
        RLIMIT_RTTIME = 15;
    }

    /// Whose use getrusage(2) tells.
    RusageWho: i32 from general {
        RUSAGE_SELF = 0;
        RUSAGE_CHILDREN = -1;
        RUSAGE_THREAD = 1;
    }

    /// Whose priority getpriority(2) tells.
    PriorityWhich: i32 from general {
        PRIO_PROCESS = 0;
        PRIO_PGRP = 1;
        PRIO_USER = 2;
    }

    /// sched_setscheduler(2).
    SchedPolicy: u32 from general {
        SCHED_NORMAL = 0;
        SCHED_FIFO = 1;
        SCHED_RR = 2;
        SCHED_BATCH = 3;
        SCHED_IDLE = 5;
        SCHED_DEADLINE = 6;
        SCHED_RESET_ON_FORK = 0x4000_0000;
    }

    /// prctl(2).
    PrctlOption: i32 from prctl {
        PR_SET_PDEATHSIG = 1;
        PR_GET_PDEATHSIG = 2;
        PR_GET_DUMPABLE = 3;
        PR_SET_DUMPABLE = 4;
        PR_GET_KEEPCAPS = 7;
        PR_SET_KEEPCAPS = 8;
        PR_SET_NAME = 15;
        PR_GET_NAME = 16;
        PR_GET_SECCOMP = 21;
        PR_SET_SECCOMP = 22;
        PR_CAPBSET_READ = 23;
        PR_CAPBSET_DROP = 24;
        PR_GET_TSC = 25;
        PR_SET_TSC = 26;
        PR_GET_SECUREBITS = 27;
        PR_SET_SECUREBITS = 28;
        PR_SET_TIMERSLACK = 29;
        PR_GET_TIMERSLACK = 30;
        PR_SET_MM = 35;
        PR_SET_PTRACER = 0x5961_6d61;
        PR_SET_CHILD_SUBREAPER = 36;
        PR_GET_CHILD_SUBREAPER = 37;
        PR_SET_NO_NEW_PRIVS = 38;
        PR_GET_NO_NEW_PRIVS = 39;
        PR_GET_TID_ADDRESS = 40;
        PR_SET_THP_DISABLE = 41;
        PR_GET_THP_DISABLE = 42;
        PR_CAP_AMBIENT = 47;
        PR_GET_SPECULATION_CTRL = 52;
        PR_SET_SPECULATION_CTRL = 53;
        PR_SET_VMA = 0x5356_4d41;
        PR_SET_MDWE = 65;
        PR_GET_MDWE = 66;
    }

    /// What a futex is to do, with its two option bits.
    FutexOp: u32 from general {
        FUTEX_WAIT = 0;
        FUTEX_WAIT_PRIVATE = 128;
        FUTEX_WAKE = 1;
        FUTEX_WAKE_PRIVATE = 129;
        FUTEX_FD = 2;
        FUTEX_REQUEUE = 3;
        FUTEX_REQUEUE_PRIVATE = 131;
        FUTEX_CMP_REQUEUE = 4;
        FUTEX_CMP_REQUEUE_PRIVATE = 132;
        FUTEX_WAKE_OP = 5;
        FUTEX_WAKE_OP_PRIVATE = 133;
        FUTEX_LOCK_PI = 6;
        FUTEX_LOCK_PI_PRIVATE = 134;
        FUTEX_UNLOCK_PI = 7;
        FUTEX_UNLOCK_PI_PRIVATE = 135;
        FUTEX_TRYLOCK_PI = 8;
        FUTEX_TRYLOCK_PI_PRIVATE = 136;
        FUTEX_WAIT_BITSET = 9;
        FUTEX_WAIT_BITSET_PRIVATE = 137;
        FUTEX_WAKE_BITSET = 10;
        FUTEX_WAKE_BITSET_PRIVATE = 138;
        FUTEX_WAIT_REQUEUE_PI = 11;
        FUTEX_WAIT_REQUEUE_PI_PRIVATE = 139;
        FUTEX_CMP_REQUEUE_PI = 12;
        FUTEX_CMP_REQUEUE_PI_PRIVATE = 140;
        FUTEX_LOCK_PI2 = 13;
        FUTEX_LOCK_PI2_PRIVATE = 141;
        FUTEX_PRIVATE_FLAG = 128;
        FUTEX_CLOCK_REALTIME = 256;
    } + {
        FUTEX_WAIT_CLOCK_REALTIME = 256;
        FUTEX_WAIT_PRIVATE_CLOCK_REALTIME = 384;
        FUTEX_WAIT_BITSET_CLOCK_REALTIME = 265;
        FUTEX_WAIT_BITSET_PRIVATE_CLOCK_REALTIME = 393;
    }

    /// arch_prctl(2), x86-64 only.
    ArchPrctlCode: u32 from general {
    } + {
        ARCH_SET_GS = 0x1001;
        ARCH_SET_FS = 0x1002;
        ARCH_GET_FS = 0x1003;
        ARCH_GET_GS = 0x1004;
        ARCH_GET_CPUID = 0x1011;
        ARCH_SET_CPUID = 0x1012;
        ARCH_GET_XCOMP_SUPP = 0x1021;
        ARCH_GET_XCOMP_PERM = 0x1022;
        ARCH_REQ_XCOMP_PERM = 0x1023;
        ARCH_CET_STATUS = 0x3001;
        ARCH_SHSTK_ENABLE = 0x5001;
        ARCH_SHSTK_DISABLE = 0x5002;
        ARCH_SHSTK_STATUS = 0x5005;
    }

    /// reboot(2).
    RebootCommand: u32 from general {
        LINUX_REBOOT_CMD_RESTART = 0x123_4567;
        LINUX_REBOOT_CMD_HALT = 0xcdef_0123;
        LINUX_REBOOT_CMD_CAD_ON = 0x89ab_cdef;
        LINUX_REBOOT_CMD_CAD_OFF = 0;
        LINUX_REBOOT_CMD_POWER_OFF = 0x4321_fedc;
    }

    /// What syslog(2) is to do.
    SyslogAction: i32 from general {
    } + {
        SYSLOG_ACTION_CLOSE = 0;
        SYSLOG_ACTION_OPEN = 1;
        SYSLOG_ACTION_READ = 2;
        SYSLOG_ACTION_READ_ALL = 3;
        SYSLOG_ACTION_READ_CLEAR = 4;
        SYSLOG_ACTION_CLEAR = 5;
        SYSLOG_ACTION_CONSOLE_OFF = 6;
        SYSLOG_ACTION_CONSOLE_ON = 7;
        SYSLOG_ACTION_CONSOLE_LEVEL = 8;
        SYSLOG_ACTION_SIZE_UNREAD = 9;
        SYSLOG_ACTION_SIZE_BUFFER = 10;
    }
}

consts! {
    u32 from general {
        FUTEX_WAITERS = 0x8000_0000;
        FUTEX_OWNER_DIED = 0x4000_0000;
        FUTEX_TID_MASK = 0x3fff_ffff;
        FUTEX_BITSET_MATCH_ANY = 0xffff_ffff;
        FUTEX_CMD_MASK = 0xffff_fe7f;
        FUTEX_OP_SET = 0;
        FUTEX_OP_ADD = 1;
        FUTEX_OP_OR = 2;
        FUTEX_OP_ANDN = 3;
        FUTEX_OP_XOR = 4;
        FUTEX_OP_OPARG_SHIFT = 8;
        FUTEX_OP_CMP_EQ = 0;
        FUTEX_OP_CMP_NE = 1;
        FUTEX_OP_CMP_LT = 2;
        FUTEX_OP_CMP_LE = 3;
        FUTEX_OP_CMP_GT = 4;
        FUTEX_OP_CMP_GE = 5;
        CAP_CHOWN = 0;
        CAP_DAC_OVERRIDE = 1;
        CAP_DAC_READ_SEARCH = 2;
        CAP_FOWNER = 3;
        CAP_FSETID = 4;
        CAP_KILL = 5;
        CAP_SETGID = 6;
        CAP_SETUID = 7;
        CAP_SETPCAP = 8;
        CAP_LINUX_IMMUTABLE = 9;
        CAP_NET_BIND_SERVICE = 10;
        CAP_NET_BROADCAST = 11;
        CAP_NET_ADMIN = 12;
        CAP_NET_RAW = 13;
        CAP_IPC_LOCK = 14;
        CAP_IPC_OWNER = 15;
        CAP_SYS_MODULE = 16;
        CAP_SYS_RAWIO = 17;
        CAP_SYS_CHROOT = 18;
        CAP_SYS_PTRACE = 19;
        CAP_SYS_PACCT = 20;
        CAP_SYS_ADMIN = 21;
        CAP_SYS_BOOT = 22;
        CAP_SYS_NICE = 23;
        CAP_SYS_RESOURCE = 24;
        CAP_SYS_TIME = 25;
        CAP_SYS_TTY_CONFIG = 26;
        CAP_MKNOD = 27;
        CAP_LEASE = 28;
        CAP_AUDIT_WRITE = 29;
        CAP_AUDIT_CONTROL = 30;
        CAP_SETFCAP = 31;
        CAP_MAC_OVERRIDE = 32;
        CAP_MAC_ADMIN = 33;
        CAP_SYSLOG = 34;
        CAP_WAKE_ALARM = 35;
        CAP_BLOCK_SUSPEND = 36;
        CAP_AUDIT_READ = 37;
        CAP_PERFMON = 38;
        CAP_BPF = 39;
        CAP_CHECKPOINT_RESTORE = 40;
        CSIGNAL = 255;
        _LINUX_CAPABILITY_VERSION_1 = 0x1998_0330;
        _LINUX_CAPABILITY_VERSION_2 = 0x2007_1026;
        _LINUX_CAPABILITY_VERSION_3 = 0x2008_0522;
    } + {
        LINUX_REBOOT_MAGIC1 = 0xfee1_dead;
        SUID_DUMP_DISABLE = 0;
        SUID_DUMP_USER = 1;
        CAP_LAST_CAP = 40;
        NGROUPS_MAX = 65536;
        TASK_COMM_LEN = 16;
        PR_CAP_AMBIENT_IS_SET = 1;
        PR_CAP_AMBIENT_RAISE = 2;
        PR_CAP_AMBIENT_LOWER = 3;
        PR_CAP_AMBIENT_CLEAR_ALL = 4;
        PR_MDWE_REFUSE_EXEC_GAIN = 1;
        PR_MDWE_NO_INHERIT = 2;
        PR_TSC_ENABLE = 1;
        PR_SPEC_STORE_BYPASS = 0;
        PR_SPEC_INDIRECT_BRANCH = 1;
        PR_SPEC_L1D_FLUSH = 2;
        PR_SPEC_ENABLE = 2;
        PR_SPEC_DISABLE = 4;
        PR_SPEC_FORCE_DISABLE = 8;
        PR_TSC_SIGSEGV = 2;
        SECCOMP_MODE_STRICT = 1;
        MAX_ARG_STRLEN = 131_072;
        MAX_ARG_STRINGS = 0x7fff_ffff;
    }

    u64 from general {
    } + {
        RLIM_INFINITY = 0xffff_ffff_ffff_ffff;
    }
}
