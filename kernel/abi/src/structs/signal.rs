//! What a signal does, carries and runs on.

use zerocopy::FromBytes;

use super::Encoded;
use crate::arch::Arch;
use crate::arg::UserStruct;
use crate::flags::{
    CLD_CONTINUED, CLD_DUMPED, CLD_EXITED, CLD_KILLED, CLD_STOPPED, CLD_TRAPPED, SI_KERNEL, SI_TIMER, SI_TKILL,
    SIG_DFL, SaFlags,
};
use crate::signal::{SigSet, Signal};

plain! {
    /// The kernel's `struct sigaction` on x86-64.
    SigactionX86 as "sigaction", 32 {
        0 handler: usize,
        8 flags: u64,
        16 restorer: usize,
        24 mask: SigSet,
    }

    /// The kernel's `struct sigaction` on RISC-V, which has no restorer.
    SigactionRiscv as "sigaction", 24 {
        0 handler: usize,
        8 flags: u64,
        16 mask: SigSet,
    }

    /// `stack_t`.
    StackT as "stack_t", 24 {
        0 ss_sp: usize,
        8 ss_flags: u32,
        12 pad0: u32,
        16 ss_size: usize,
    }

    /// `siginfo_t`. What `fields` means depends on signal and code; the constructors and readers below know.
    Siginfo as "siginfo", 128 {
        0 si_signo: i32,
        4 si_errno: i32,
        8 si_code: i32,
        12 pad0: u32,
        16 fields: [u64; 14],
    }

    /// `struct signalfd_siginfo`: a siginfo as signalfd(2) tells it.
    SignalfdSiginfo as "signalfd_siginfo", 128 {
        0 ssi_signo: u32,
        4 ssi_errno: i32,
        8 ssi_code: i32,
        12 ssi_pid: u32,
        16 ssi_uid: u32,
        20 ssi_fd: i32,
        24 ssi_tid: u32,
        28 ssi_band: u32,
        32 ssi_overrun: u32,
        36 ssi_trapno: u32,
        40 ssi_status: i32,
        44 ssi_int: i32,
        48 ssi_ptr: u64,
        56 ssi_utime: u64,
        64 ssi_stime: u64,
        72 ssi_addr: u64,
        80 ssi_addr_lsb: u16,
        82 pad0: u16,
        84 ssi_syscall: i32,
        88 ssi_call_addr: u64,
        96 ssi_arch: u32,
        100 pad1: [u32; 7],
    }

    /// `struct sigevent`.
    Sigevent as "sigevent", 64 {
        0 sigev_value: u64,
        8 sigev_signo: i32,
        12 sigev_notify: i32,
        16 sigev_tid: i32,
        20 pad0: [u32; 11],
    }
}

impl UserStruct for SigSet {
    const NAME: &'static str = "sigset";
}

/// What a signal does, whatever the architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sigaction {
    /// A function's address, `SIG_DFL` or `SIG_IGN`.
    pub handler: usize,
    /// How it is called.
    pub flags: SaFlags,
    /// Where the handler returns to, on x86-64.
    pub restorer: usize,
    /// What is blocked meanwhile.
    pub mask: SigSet,
}

impl Default for Sigaction {
    fn default() -> Self {
        Self { handler: SIG_DFL, flags: SaFlags::empty(), restorer: 0, mask: SigSet::EMPTY }
    }
}

impl UserStruct for Sigaction {
    const NAME: &'static str = "sigaction";
}

impl Sigaction {
    /// Its bytes, as a program of `arch` expects them.
    pub fn encode(&self, arch: Arch) -> Encoded<32> {
        let &Self { handler, flags, restorer, mask } = self;
        let flags = flags.bits();
        match arch {
            Arch::X86_64 => Encoded::of(&SigactionX86 { handler, flags, restorer, mask }),
            Arch::Riscv64 => Encoded::of(&SigactionRiscv { handler, flags, mask }),
        }
    }

    /// Bytes of one in a program of `arch`.
    pub const fn size(arch: Arch) -> usize {
        match arch {
            Arch::X86_64 => size_of::<SigactionX86>(),
            Arch::Riscv64 => size_of::<SigactionRiscv>(),
        }
    }

    /// Reads what [`encode`](Self::encode) wrote; `None` when there are too few bytes.
    pub fn decode(arch: Arch, bytes: &[u8]) -> Option<Self> {
        let (handler, flags, restorer, mask) = match arch {
            Arch::X86_64 => {
                let (action, _) = SigactionX86::read_from_prefix(bytes).ok()?;
                (action.handler, action.flags, action.restorer, action.mask)
            }
            Arch::Riscv64 => {
                let (action, _) = SigactionRiscv::read_from_prefix(bytes).ok()?;
                (action.handler, action.flags, 0, action.mask)
            }
        };
        Some(Self { handler, flags: SaFlags::from_bits_retain(flags), restorer, mask })
    }
}

/// How a child changed, for [`Siginfo::child`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildChange {
    /// It exited with this code.
    Exited(i32),
    /// A signal ended it.
    Killed(Signal),
    /// A signal ended it and it left a core.
    Dumped(Signal),
    /// A signal stopped it for its tracer.
    Trapped(Signal),
    /// A signal stopped it.
    Stopped(Signal),
    /// SIGCONT made it go on.
    Continued,
}

const fn low(value: i32) -> u64 {
    value as u32 as u64
}

impl Siginfo {
    fn with(signal: Signal, code: i32) -> Self {
        Self { si_signo: signal.number(), si_code: code, ..Self::default() }
    }

    /// A signal from the kernel itself.
    pub fn kernel(signal: Signal) -> Self {
        Self::with(signal, SI_KERNEL)
    }

    /// A signal that a process sent: `code` is `SI_USER`, `SI_TKILL` or `SI_QUEUE`.
    pub fn kill(signal: Signal, code: i32, pid: i32, uid: u32) -> Self {
        let mut info = Self::with(signal, code);
        info.fields[0] = low(pid) | u64::from(uid) << 32;
        info
    }

    /// SIGCHLD, or what waitid(2) tells. Times are in clock ticks.
    pub fn child(pid: i32, uid: u32, change: ChildChange, utime: i64, stime: i64) -> Self {
        let (code, status) = match change {
            ChildChange::Exited(status) => (CLD_EXITED, status & 0xff),
            ChildChange::Killed(signal) => (CLD_KILLED, signal.number()),
            ChildChange::Dumped(signal) => (CLD_DUMPED, signal.number()),
            ChildChange::Trapped(signal) => (CLD_TRAPPED, signal.number()),
            ChildChange::Stopped(signal) => (CLD_STOPPED, signal.number()),
            ChildChange::Continued => (CLD_CONTINUED, Signal::SIGCONT.number()),
        };
        let mut info = Self::with(Signal::SIGCHLD, code);
        info.fields[0] = low(pid) | u64::from(uid) << 32;
        info.fields[1] = low(status);
        info.fields[2] = utime as u64;
        info.fields[3] = stime as u64;
        info
    }

    /// A fault at an address: SIGSEGV, SIGBUS, SIGILL, SIGFPE or SIGTRAP.
    pub fn fault(signal: Signal, code: i32, addr: usize) -> Self {
        let mut info = Self::with(signal, code);
        info.fields[0] = addr as u64;
        info
    }

    /// A timer of timer_create(2) was due.
    pub fn timer(signal: Signal, id: i32, overrun: i32, value: u64) -> Self {
        let mut info = Self::with(signal, SI_TIMER);
        info.fields[0] = low(id) | low(overrun) << 32;
        info.fields[1] = value;
        info
    }

    /// The timer that a signal of timer_create(2) is from.
    pub const fn timer_id(&self) -> i32 {
        self.fields[0] as i32
    }

    /// How often that timer was due besides.
    pub const fn timer_overrun(&self) -> i32 {
        (self.fields[0] >> 32) as i32
    }

    /// It was due `more` times; the count stops at its highest.
    pub fn add_overrun(&mut self, more: i32) {
        let sum = self.timer_overrun().saturating_add(more);
        self.fields[0] = low(self.timer_id()) | low(sum) << 32;
    }

    /// A descriptor is ready (SIGIO).
    pub fn poll(signal: Signal, code: i32, band: i64, fd: i32) -> Self {
        let mut info = Self::with(signal, code);
        info.fields[0] = band as u64;
        info.fields[1] = low(fd);
        info
    }

    /// Its signal, where the number is one.
    pub const fn signal(&self) -> Option<Signal> {
        Signal::from_number(self.si_signo)
    }

    /// `si_pid`: who sent it, or which child changed.
    pub const fn pid(&self) -> i32 {
        self.fields[0] as i32
    }

    /// `si_uid`.
    pub const fn uid(&self) -> u32 {
        (self.fields[0] >> 32) as u32
    }

    /// `si_status` of SIGCHLD.
    pub const fn status(&self) -> i32 {
        self.fields[1] as i32
    }

    /// `si_addr` of a fault.
    pub const fn addr(&self) -> usize {
        self.fields[0] as usize
    }

    /// `si_value` of a queued signal or a timer.
    pub const fn value(&self) -> u64 {
        self.fields[1]
    }
}

impl SignalfdSiginfo {
    /// What a siginfo says, field by field; which of them count depends on signal and code.
    pub fn of(info: &Siginfo) -> Self {
        let mut told = Self {
            ssi_signo: info.si_signo.cast_unsigned(),
            ssi_errno: info.si_errno,
            ssi_code: info.si_code,
            ..Self::default()
        };
        let fault = [Signal::SIGILL, Signal::SIGTRAP, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGSEGV];
        let of_kernel = info.si_code > 0 && info.si_code < SI_KERNEL;
        match info.signal() {
            _ if info.si_code == SI_TIMER => {
                told.ssi_tid = info.fields[0] as u32;
                told.ssi_overrun = (info.fields[0] >> 32) as u32;
                (told.ssi_ptr, told.ssi_int) = (info.fields[1], info.fields[1] as i32);
            }
            Some(Signal::SIGCHLD) if of_kernel => {
                (told.ssi_pid, told.ssi_uid) = (info.pid().cast_unsigned(), info.uid());
                (told.ssi_status, told.ssi_utime, told.ssi_stime) = (info.status(), info.fields[2], info.fields[3]);
            }
            Some(Signal::SIGIO) if of_kernel => {
                (told.ssi_band, told.ssi_fd) = (info.fields[0] as u32, info.fields[1] as i32);
            }
            Some(signal) if of_kernel && fault.contains(&signal) => told.ssi_addr = info.fields[0],
            _ => {
                (told.ssi_pid, told.ssi_uid) = (info.pid().cast_unsigned(), info.uid());
                if info.si_code < 0 && info.si_code != SI_TKILL {
                    (told.ssi_ptr, told.ssi_int) = (info.fields[1], info.fields[1] as i32);
                }
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::{ChildChange, Sigaction, Sigevent, Siginfo, StackT};
    use crate::arch::Arch;
    use crate::flags::{SI_USER, SaFlags};
    use crate::signal::{SigSet, Signal};

    #[test]
    fn layouts_are_the_c_librarys() {
        assert_eq!(size_of::<Siginfo>(), size_of::<libc::siginfo_t>());
        assert_eq!(size_of::<StackT>(), size_of::<libc::stack_t>());
        assert_eq!(offset_of!(StackT, ss_size), offset_of!(libc::stack_t, ss_size));
        assert_eq!(size_of::<Sigevent>(), size_of::<libc::sigevent>());
        assert_eq!(offset_of!(Sigevent, sigev_tid), offset_of!(libc::sigevent, sigev_notify_thread_id));
        assert_eq!(Sigaction::size(Arch::X86_64), size_of::<linux_raw_sys::general::kernel_sigaction>());
    }

    #[test]
    fn a_siginfo_gives_back_what_it_was_made_of() {
        let sent = Siginfo::kill(Signal::SIGUSR1, SI_USER, -1, 1000);
        assert_eq!((sent.signal(), sent.pid(), sent.uid()), (Some(Signal::SIGUSR1), -1, 1000));
        let child = Siginfo::child(7, 8, ChildChange::Killed(Signal::SIGKILL), 1, 2);
        assert_eq!((child.pid(), child.uid(), child.status()), (7, 8, 9));
        assert_eq!(Siginfo::fault(Signal::SIGSEGV, 1, 0xdead_beef_0000).addr(), 0xdead_beef_0000);
    }

    #[test]
    fn an_action_survives_both_layouts() {
        let action = Sigaction {
            handler: 0x1234,
            flags: SaFlags::SA_RESTART | SaFlags::from_bits_retain(1 << 40),
            restorer: 0,
            mask: SigSet::of(&[Signal::SIGTERM]),
        };
        for arch in Arch::ALL {
            assert_eq!(Sigaction::decode(arch, &action.encode(arch)), Some(action));
        }
    }
}
