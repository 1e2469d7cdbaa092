//! The host calls of the engine, one function each: ptrace(2), wait4(2), memfd_create(2).
#![expect(unsafe_code, reason = "calls the host kernel")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;

use libc::{c_long, c_void, iovec, pid_t, siginfo_t, user_regs_struct};

// Numbers from the kernel's headers, because libraries differ in which of them they know.
const TRACEME: c_long = 0;
const PEEKUSER: c_long = 3;
const POKEUSER: c_long = 6;
const CONT: c_long = 7;
const GETREGS: c_long = 12;
const SETREGS: c_long = 13;
const SYSEMU: c_long = 31;
const SETOPTIONS: c_long = 0x4200;
const GETSIGINFO: c_long = 0x4202;
const GETREGSET: c_long = 0x4204;
const SETREGSET: c_long = 0x4205;
const SETSIGMASK: c_long = 0x420b;
const GET_SYSCALL_INFO: c_long = 0x420e;
const O_TRACESYSGOOD: usize = 1;
const O_EXITKILL: usize = 1 << 20;
const NT_X86_XSTATE: usize = 0x202;
/// More than any processor's state; the kernel says how much it is.
const XSTATE_MAX: usize = 1 << 16;

/// Asks to be traced by the parent. For the child between clone and exec: no allocation, no lock.
pub(super) fn trace_me() -> bool {
    // SAFETY: the request takes no memory.
    unsafe { libc::syscall(libc::SYS_ptrace, TRACEME, 0, 0, 0) == 0 }
}

/// Makes a request whose argument is a plain value or an address that the caller vouches for.
///
/// # Safety
/// 1. If the request reads or writes memory of ours, `addr` and `data` are valid for that.
unsafe fn request(request: c_long, pid: pid_t, addr: usize, data: usize) -> io::Result<usize> {
    // SAFETY: passed on to the caller.
    let result = unsafe { libc::syscall(libc::SYS_ptrace, request, c_long::from(pid), addr, data) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as usize) }
}

/// Sets the options that every stub needs: it dies with its tracer, and system-call stops are told from SIGTRAP.
pub(super) fn set_options(pid: pid_t) -> io::Result<()> {
    // SAFETY: plain values.
    unsafe { request(SETOPTIONS, pid, 0, O_TRACESYSGOOD | O_EXITKILL) }.map(drop)
}

/// Unblocks every signal of a stopped stub.
pub(super) fn clear_signal_mask(pid: pid_t) -> io::Result<()> {
    let mask = 0_u64;
    // SAFETY: the kernel reads the eight bytes of `mask`.
    unsafe { request(SETSIGMASK, pid, size_of_val(&mask), &raw const mask as usize) }.map(drop)
}

/// Runs a stopped stub until its next system call, which is not made, or signal.
pub(super) fn resume_emulating(pid: pid_t) -> io::Result<()> {
    // SAFETY: plain values.
    unsafe { request(SYSEMU, pid, 0, 0) }.map(drop)
}

/// Runs a stopped stub with its system calls made by the host: only for code of ours.
pub(super) fn resume_injected(pid: pid_t) -> io::Result<()> {
    // SAFETY: plain values.
    unsafe { request(CONT, pid, 0, 0) }.map(drop)
}

/// The general registers of a stopped stub.
pub(super) fn registers(pid: pid_t) -> io::Result<user_regs_struct> {
    // SAFETY: integers only, for which zeros are valid.
    let mut regs: user_regs_struct = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one `user_regs_struct` to `regs`.
    unsafe { request(GETREGS, pid, 0, &raw mut regs as usize) }?;
    Ok(regs)
}

/// Sets the general registers of a stopped stub. EIO where the kernel refuses a value.
pub(super) fn set_registers(pid: pid_t, regs: &user_regs_struct) -> io::Result<()> {
    // SAFETY: the kernel reads one `user_regs_struct` from `regs`.
    unsafe { request(SETREGS, pid, 0, ptr::from_ref(regs) as usize) }.map(drop)
}

/// One general register, by its byte offset in `user_regs_struct`.
pub(super) fn register(pid: pid_t, offset: usize) -> io::Result<u64> {
    let mut word = 0_u64;
    // SAFETY: the bare system call, unlike its wrapper, writes one word to `data`.
    unsafe { request(PEEKUSER, pid, offset, &raw mut word as usize) }?;
    Ok(word)
}

/// Sets one general register, by its byte offset in `user_regs_struct`.
pub(super) fn set_register(pid: pid_t, offset: usize, value: u64) -> io::Result<()> {
    // SAFETY: plain values.
    unsafe { request(POKEUSER, pid, offset, value as usize) }.map(drop)
}

/// The floating-point and vector state of a stopped stub, as an XSAVE area of the host's size.
pub(super) fn xstate(pid: pid_t, size_hint: usize) -> io::Result<Vec<u8>> {
    let mut area = vec![0; if size_hint == 0 { XSTATE_MAX } else { size_hint }];
    let mut vector = iovec { iov_base: area.as_mut_ptr().cast::<c_void>(), iov_len: area.len() };
    // SAFETY: the kernel writes at most `iov_len` bytes to `area` and the length to `vector`.
    unsafe { request(GETREGSET, pid, NT_X86_XSTATE, &raw mut vector as usize) }?;
    area.truncate(vector.iov_len);
    Ok(area)
}

/// Sets the floating-point and vector state of a stopped stub. EINVAL where the kernel refuses the area.
pub(super) fn set_xstate(pid: pid_t, area: &[u8]) -> io::Result<()> {
    let mut vector = iovec { iov_base: area.as_ptr().cast_mut().cast::<c_void>(), iov_len: area.len() };
    // SAFETY: the kernel only reads `area`, and writes the length to `vector`.
    unsafe { request(SETREGSET, pid, NT_X86_XSTATE, &raw mut vector as usize) }.map(drop)
}

/// What a system-call stop says (`struct ptrace_syscall_info`, its entry form).
#[derive(Default)]
#[repr(C)]
pub(super) struct SyscallInfo {
    /// 1 at the entry of a system call.
    pub(super) op: u8,
    _pad: [u8; 3],
    /// The calling convention, as an audit number.
    pub(super) arch: u32,
    /// The instruction after the call.
    pub(super) ip: u64,
    /// The stack pointer.
    pub(super) sp: u64,
    /// The number.
    pub(super) number: u64,
    /// The arguments.
    pub(super) args: [u64; 6],
}

/// What the stub is stopped for.
pub(super) fn syscall_info(pid: pid_t) -> io::Result<SyscallInfo> {
    let mut info = SyscallInfo::default();
    // SAFETY: the kernel writes at most the given size to `info`, all of whose values are valid.
    unsafe { request(GET_SYSCALL_INFO, pid, size_of_val(&info), &raw mut info as usize) }?;
    Ok(info)
}

/// A signal as it is about to be delivered.
pub(super) struct Signal {
    /// Its `si_code`: positive where the kernel raised it.
    pub(super) code: i32,
    /// Its `si_addr`, or `si_call_addr` of a SIGSYS.
    pub(super) addr: usize,
}

/// The signal that a stub is stopped before.
pub(super) fn signal(pid: pid_t) -> io::Result<Signal> {
    // SAFETY: plain data, for which zeros are valid.
    let mut info: siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one `siginfo_t` to `info`.
    unsafe { request(GETSIGINFO, pid, 0, &raw mut info as usize) }?;
    // SAFETY: all forms of the union are plain data; for signals that carry no address the word means something else,
    // which callers find out by `code`.
    let addr = unsafe { info.si_addr() } as usize;
    Ok(Signal { code: info.si_code, addr })
}

/// Why a stub stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// At a system call.
    Syscall,
    /// Before a signal.
    Signal(i32),
    /// It is dead and reaped.
    Gone,
}

/// Waits until this stub, and no other process, stops.
pub(super) fn wait(pid: pid_t) -> Stop {
    let mut status = 0;
    loop {
        // SAFETY: the kernel writes one integer to `status`.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
        if waited == pid {
            break;
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return Stop::Gone;
        }
    }
    if !libc::WIFSTOPPED(status) {
        return Stop::Gone;
    }
    match libc::WSTOPSIG(status) {
        signal if signal == libc::SIGTRAP | 0x80 => Stop::Syscall,
        signal => Stop::Signal(signal),
    }
}

/// Kills a stub of this process and reaps it.
pub(super) fn end(pid: pid_t) {
    // SAFETY: sends a signal; `pid` is a child that has not been reaped, so nobody else has the number.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    while wait(pid) != Stop::Gone {}
}

/// An empty file in memory that can be executed.
pub(super) fn executable_memfd(name: &core::ffi::CStr) -> io::Result<OwnedFd> {
    const MFD_CLOEXEC: u32 = 1;
    const MFD_EXEC: u32 = 0x10;
    // Hosts before 6.3 do not know the flag; later ones may refuse files without it.
    for flags in [MFD_CLOEXEC | MFD_EXEC, MFD_CLOEXEC] {
        // SAFETY: the kernel reads a terminated string.
        let fd = unsafe { libc::syscall(libc::SYS_memfd_create, name.as_ptr(), flags) };
        if fd >= 0 {
            // SAFETY: the call just made it, nobody else owns it.
            return Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) });
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINVAL) {
            return Err(error);
        }
    }
    Err(io::Error::from_raw_os_error(libc::EINVAL))
}

/// A descriptor of our own, closed on exec, for the file that `fd` names.
pub(super) fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: plain values; a number that names nothing is refused.
    let own = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
    if own < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call just made it, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(own) })
}
