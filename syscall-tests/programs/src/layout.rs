//! What structures are made of, by Linux's name: what to put into them, and what of them differs from kernel to kernel.

use kernel_abi::Arch;
use kernel_abi::types::Sigaction;

/// Part of a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where it begins.
    pub at: usize,
    /// Bytes.
    pub len: usize,
    /// What it says.
    pub what: What,
}

/// What part of a structure says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A number that counts as it is.
    Number,
    /// Seconds.
    Seconds,
    /// Billionths of a second.
    Nanos,
    /// Millionths of a second.
    Micros,
    /// A descriptor.
    Fd,
    /// A signal's number.
    Signal,
    /// A set of signals or of descriptors.
    Set,
    /// Bits.
    Bits,
    /// A process.
    Pid,
    /// A file's number in its file system.
    Inode,
    /// A file system.
    Device,
    /// An address.
    Address,
    /// A signal handler, in front of flags and a restorer.
    Handler,
    /// Always this.
    Constant(u64),
    /// What the machine is like, and how long it ran.
    Machine,
}

/// A structure, or the array of them that calls with its name may mean.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Bytes of one.
    pub size: usize,
    /// How many are laid out.
    pub count: usize,
    /// What is known of one.
    pub fields: &'static [Field],
}

macro_rules! fields {
    ($($at:literal $len:literal $what:expr),* $(,)?) => { &[$(Field { at: $at, len: $len, what: $what }),*] };
}

const fn one(size: usize, fields: &'static [Field]) -> Layout {
    Layout { size, count: 1, fields }
}

const fn many(size: usize, count: usize, fields: &'static [Field]) -> Layout {
    Layout { size, count, fields }
}

/// The structure of a name. One that is not known is 64 bytes of numbers.
pub fn layout(name: &str, arch: Arch) -> Layout {
    use What::{Address, Bits, Constant, Device, Fd, Handler, Inode, Machine, Micros, Nanos, Number, Pid, Seconds};
    match name {
        "timespec" => many(16, 2, fields![0 8 Seconds, 8 8 Nanos]),
        "timeval" => many(16, 2, fields![0 8 Seconds, 8 8 Micros]),
        "itimerspec" => one(32, fields![0 8 Seconds, 8 8 Nanos, 16 8 Seconds, 24 8 Nanos]),
        "itimerval" => one(32, fields![0 8 Seconds, 8 8 Micros, 16 8 Seconds, 24 8 Micros]),
        "utimbuf" => one(16, fields![0 8 Seconds, 8 8 Seconds]),
        "timezone" => one(8, fields![0 8 Machine]),
        "tms" => one(32, fields![0 32 Machine]),
        "rusage" => one(144, fields![0 144 Machine]),
        "sysinfo" => one(112, fields![0 112 Machine]),
        "utsname" => one(390, fields![0 390 Machine]),
        "statfs" => one(120, fields![0 120 Machine]),
        "sigset" => one(8, fields![0 8 What::Set]),
        "sigset_argpack" => one(16, fields![0 8 Address, 8 8 Constant(8)]),
        // With what returns from a handler.
        "sigaction" if arch == Arch::X86_64 => one(Sigaction::size(arch), fields![0 8 Handler, 16 8 Handler]),
        "sigaction" => one(Sigaction::size(arch), fields![0 8 Handler]),
        "siginfo" => one(128, fields![0 4 What::Signal, 4 4 Number, 8 4 Number, 16 4 Pid, 24 8 Number, 32 16 Machine]),
        "stack_t" => one(24, fields![0 8 Address, 8 4 Bits, 16 8 Number]),
        "sigevent" => one(64, fields![0 8 Number, 8 4 What::Signal, 12 4 Number, 16 4 Pid]),
        "pollfd" => many(8, 4, fields![0 4 Fd, 4 2 Bits, 6 2 Bits]),
        "epoll_event" if arch == Arch::X86_64 => many(12, 4, fields![0 4 Bits, 4 8 Number]),
        "epoll_event" => many(16, 4, fields![0 4 Bits, 8 8 Number]),
        "fd_set" => one(128, fields![0 8 What::Set]),
        "rlimit" => one(16, fields![0 8 Number, 8 8 Number]),
        "open_how" => one(24, fields![0 8 Bits, 8 8 Bits, 16 8 Bits]),
        "flock" => one(32, fields![0 2 Number, 2 2 Number, 8 8 Number, 16 8 Number, 24 4 Pid]),
        "stat" if arch == Arch::X86_64 => one(
            144,
            fields![0 8 Device, 8 8 Inode, 24 4 Number, 48 8 Number, 56 16 Machine, 72 16 Machine, 88 16 Machine, 104 16 Machine],
        ),
        "stat" => one(128, fields![0 8 Device, 8 8 Inode, 56 4 Machine, 64 8 Machine, 72 48 Machine]),
        "statx" => one(
            256,
            fields![0 4 Machine, 4 4 Machine, 8 8 Machine, 32 8 Inode, 48 8 Machine, 56 8 Machine, 64 64 Machine, 136 8 Device, 144 8 Machine],
        ),
        "int" | "unsigned int" | "uid_t" => one(4, fields![0 4 Number]),
        "gid_t" => many(4, 4, fields![0 4 Number]),
        "pid_t" => one(4, fields![0 4 Pid]),
        "fd" => many(4, 2, fields![0 4 Number]),
        "long" | "unsigned long" | "size_t" => one(8, fields![0 8 Number]),
        "char" => one(16, fields![0 8 Number]),
        "robust_list_head" => one(24, fields![0 8 Address, 8 8 Number, 16 8 Address]),
        "sched_param" => one(4, fields![0 4 Number]),
        "cap_user_header" => one(8, fields![0 4 Constant(0x2008_0522), 4 4 Pid]),
        "cap_user_data" => many(12, 2, fields![0 4 Number, 4 4 Number, 8 4 Number]),
        _ => one(64, fields![0 8 Number]),
    }
}
