//! Register files: the host's form and the waist's.

use libc::user_regs_struct;
use ostd_hal::user::SyscallFrame;
use ostd_hal::user::x86_64::Regs;

use super::image;
use super::stub::host_registers;

/// Not a system call, in `orig_rax`.
pub(super) const NO_SYSCALL: u64 = u64::MAX;

/// The waist's form of a stub's registers. What it lacks (segment selectors) programs cannot usefully change.
pub(super) fn from_host(host: &user_regs_struct) -> Regs {
    Regs {
        r15: host.r15,
        r14: host.r14,
        r13: host.r13,
        r12: host.r12,
        rbp: host.rbp,
        rbx: host.rbx,
        r11: host.r11,
        r10: host.r10,
        r9: host.r9,
        r8: host.r8,
        rax: host.rax,
        rcx: host.rcx,
        rdx: host.rdx,
        rsi: host.rsi,
        rdi: host.rdi,
        orig_rax: host.orig_rax,
        rip: host.rip,
        rflags: host.eflags,
        rsp: host.rsp,
        fs_base: host.fs_base,
        gs_base: host.gs_base,
    }
}

/// The host's form, outside any system call.
pub(super) fn to_host(regs: &Regs) -> user_regs_struct {
    // The host refuses the whole file for a base that is no user address.
    let base = |base: u64| if base < image::STUB_END as u64 { base } else { 0 };
    user_regs_struct {
        r15: regs.r15,
        r14: regs.r14,
        r13: regs.r13,
        r12: regs.r12,
        rbp: regs.rbp,
        rbx: regs.rbx,
        r11: regs.r11,
        r10: regs.r10,
        r9: regs.r9,
        r8: regs.r8,
        rax: regs.rax,
        rcx: regs.rcx,
        rdx: regs.rdx,
        rsi: regs.rsi,
        rdi: regs.rdi,
        rip: regs.rip,
        eflags: regs.rflags,
        rsp: regs.rsp,
        fs_base: base(regs.fs_base),
        gs_base: base(regs.gs_base),
        ..host_registers()
    }
}

/// The frame of a trap that is no system call.
pub(super) fn trap_frame(regs: &Regs) -> SyscallFrame {
    let args = [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9].map(|arg| arg as usize);
    SyscallFrame { number: NO_SYSCALL as usize, args, ip: regs.rip as usize, sp: regs.rsp as usize }
}
