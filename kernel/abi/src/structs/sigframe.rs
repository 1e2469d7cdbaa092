//! Signal frames: what the kernel leaves on the stack for a handler, and takes back in rt_sigreturn(2).

use super::{Siginfo, StackT};
use crate::signal::SigSet;

plain! {
    /// The registers in an x86-64 signal frame.
    SigcontextX86 as "sigcontext_64", 256 {
        0 r8: u64,
        8 r9: u64,
        16 r10: u64,
        24 r11: u64,
        32 r12: u64,
        40 r13: u64,
        48 r14: u64,
        56 r15: u64,
        64 rdi: u64,
        72 rsi: u64,
        80 rbp: u64,
        88 rbx: u64,
        96 rdx: u64,
        104 rax: u64,
        112 rcx: u64,
        120 rsp: u64,
        128 rip: u64,
        136 eflags: u64,
        144 cs: u16,
        146 gs: u16,
        148 fs: u16,
        150 ss: u16,
        152 err: u64,
        160 trapno: u64,
        168 oldmask: u64,
        176 cr2: u64,
        184 fpstate: usize,
        192 reserved1: [u64; 8],
    }

    /// `struct ucontext` of x86-64.
    UcontextX86 as "ucontext", 304 {
        0 uc_flags: u64,
        8 uc_link: usize,
        16 uc_stack: StackT,
        40 uc_mcontext: SigcontextX86,
        296 uc_sigmask: SigSet,
    }

    /// `struct rt_sigframe` of x86-64: what the stack pointer shows a handler. The floating-point state lies above.
    RtSigframeX86 as "rt_sigframe", 440 {
        0 pretcode: usize,
        8 uc: UcontextX86,
        312 info: Siginfo,
    }

    /// What Linux writes at [`FPX_SW_OFFSET`] of the FXSAVE area to say how far the XSAVE area reaches.
    FpxSwBytes as "_fpx_sw_bytes", 48 {
        0 magic1: u32,
        4 extended_size: u32,
        8 xfeatures: u64,
        16 xstate_size: u32,
        20 padding: [u32; 7],
    }

    /// The integer registers of RISC-V, `pc` first.
    UserRegsRiscv as "user_regs_struct", 256 {
        0 pc: u64,
        8 ra: u64,
        16 sp: u64,
        24 gp: u64,
        32 tp: u64,
        40 t0_t2: [u64; 3],
        64 s0_s1: [u64; 2],
        80 a0_a7: [u64; 8],
        144 s2_s11: [u64; 10],
        224 t3_t6: [u64; 4],
    }

    /// The registers in a RISC-V signal frame. The floating-point union is as large as its largest member; what the
    /// D extension uses of it comes first.
    SigcontextRiscv as "sigcontext", 784 {
        0 sc_regs: UserRegsRiscv,
        256 f: [u64; 32],
        512 fcsr: u32,
        516 pad0: u32,
        520 reserved: [u64; 33],
    }

    /// `struct ucontext` of RISC-V.
    UcontextRiscv as "ucontext", 960 {
        0 uc_flags: u64,
        8 uc_link: usize,
        16 uc_stack: StackT,
        40 uc_sigmask: SigSet,
        48 unused: [u64; 15],
        168 pad0: u64,
        176 uc_mcontext: SigcontextRiscv,
    }

    /// `struct rt_sigframe` of RISC-V.
    RtSigframeRiscv as "rt_sigframe", 1088 {
        0 info: Siginfo,
        128 uc: UcontextRiscv,
    }
}

/// Where [`FpxSwBytes`] lie in an FXSAVE area.
pub const FPX_SW_OFFSET: usize = 464;
/// [`FpxSwBytes::magic1`]: the area is longer than FXSAVE's 512 bytes.
pub const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
/// The four bytes behind the XSAVE area.
pub const FP_XSTATE_MAGIC2: u32 = 0x4650_5845;
/// `uc_flags` of x86-64: the floating-point state is an XSAVE area.
pub const UC_FP_XSTATE: u64 = 1;
/// `uc_flags` of x86-64: `ss` was saved.
pub const UC_SIGCONTEXT_SS: u64 = 2;
/// `uc_flags` of x86-64: `ss` is put back as it is.
pub const UC_STRICT_RESTORE_SS: u64 = 4;

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::{SigcontextX86, UcontextX86};

    #[test]
    fn registers_lie_where_the_c_library_reads_them() {
        let register = |number: i32| offset_of!(libc::ucontext_t, uc_mcontext) + number as usize * 8;
        let ours = |offset: usize| offset_of!(UcontextX86, uc_mcontext) + offset;
        assert_eq!(ours(offset_of!(SigcontextX86, r8)), register(libc::REG_R8));
        assert_eq!(ours(offset_of!(SigcontextX86, rdi)), register(libc::REG_RDI));
        assert_eq!(ours(offset_of!(SigcontextX86, rax)), register(libc::REG_RAX));
        assert_eq!(ours(offset_of!(SigcontextX86, rip)), register(libc::REG_RIP));
        assert_eq!(ours(offset_of!(SigcontextX86, cr2)), register(libc::REG_CR2));
        assert_eq!(offset_of!(UcontextX86, uc_sigmask), offset_of!(libc::ucontext_t, uc_sigmask));
    }
}
