//! From a signal that a stub is about to receive to what the processor meant by it.

use libc::user_regs_struct;
use ostd_hal::{Access, Exception, PageFault, Trap, Vaddr};

use super::image::{STUB_END, STUB_START};
use super::sys::Signal;

/// The host's page of three old system calls. Guests must not notice whether the host has it.
const VSYSCALL_PAGE: usize = 0xffff_ffff_ff60_0000;
const PAGE: usize = ostd_hal::PAGE_SIZE;
/// The selector of 64-bit user code. Another one is a guest that jumped to 32-bit mode.
const USER_CS: u64 = 0x33;

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing to the guest: somebody outside sent it.
    Nothing,
    /// The stub's timer.
    Tick,
    /// A refused access at this address.
    Fault(usize),
    /// A general protection fault, unless it is an instruction that we made trap.
    Protection,
    /// A call into the vsyscall page at this address, already undone by the host as if it had returned.
    Vsyscall(usize),
    /// Something for the guest's kernel.
    Trap(Trap),
}

/// Says what `number` with `signal` means for a guest stopped with `regs`.
pub(super) fn meaning(number: i32, signal: &Signal, regs: &user_regs_struct) -> Meaning {
    const SI_KERNEL: i32 = 0x80;
    const SEGV_MAPERR: i32 = 1;
    const SEGV_ACCERR: i32 = 2;
    const BUS_ADRALN: i32 = 1;
    const FPE_INTDIV: i32 = 1;
    const SYS_SECCOMP: i32 = 1;

    // kill(2) and its kin leave codes that are not positive.
    if signal.code <= 0 {
        return Meaning::Nothing;
    }
    let exception = |exception| Meaning::Trap(Trap::Exception(exception));
    let ip = regs.rip as usize;
    let meaning = match (number, signal.code) {
        (libc::SIGVTALRM, _) => Meaning::Tick,
        (libc::SIGSYS, SYS_SECCOMP) => return Meaning::Vsyscall(signal.addr),
        (libc::SIGSEGV, _) if is_within(ip, VSYSCALL_PAGE, VSYSCALL_PAGE + PAGE) => fetch_fault(ip),
        (libc::SIGSEGV, SEGV_MAPERR | SEGV_ACCERR) => Meaning::Fault(signal.addr),
        (libc::SIGSEGV, _) => Meaning::Protection,
        (libc::SIGBUS, BUS_ADRALN) => exception(Exception::Alignment(Vaddr::new(signal.addr))),
        (libc::SIGBUS, SI_KERNEL) => exception(Exception::Bus(Vaddr::new(0))),
        (libc::SIGBUS, _) => exception(Exception::Bus(Vaddr::new(signal.addr))),
        (libc::SIGFPE, FPE_INTDIV) => exception(Exception::DivideError),
        (libc::SIGFPE, _) => exception(Exception::FloatingPoint),
        (libc::SIGILL, _) => exception(Exception::InvalidInstruction),
        (libc::SIGTRAP, SI_KERNEL) => exception(Exception::Breakpoint),
        (libc::SIGTRAP, _) => exception(Exception::Debug),
        _ => Meaning::Nothing,
    };
    if meaning == Meaning::Nothing {
        meaning
    } else if is_stub_page(ip) {
        // A guest strayed there. To it, the page does not exist.
        fetch_fault(ip)
    } else if regs.cs != USER_CS {
        exception(Exception::GeneralProtection)
    } else {
        meaning
    }
}

/// Whether `addr` lies in the stub's own pages.
pub(super) fn is_stub_page(addr: usize) -> bool {
    is_within(addr, STUB_START, STUB_END)
}

fn is_within(addr: usize, start: usize, end: usize) -> bool {
    (start..end).contains(&addr)
}

fn fetch_fault(ip: usize) -> Meaning {
    Meaning::Trap(Trap::PageFault(PageFault { addr: Vaddr::new(ip), access: Access::Execute }))
}
