//! The x86-64 register file.

use super::{Arch, Registers, RegistersMut, RegistersRef};

/// General registers as user mode sees them. `orig_rax` is what `rax` held when a system call was made, -1 elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[expect(missing_docs, reason = "registers are named by the architecture")]
pub struct Regs {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub orig_rax: u64,
    pub rip: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub fs_base: u64,
    pub gs_base: u64,
}

/// Bytes of a `syscall` instruction.
const SYSCALL_LEN: u64 = 2;

impl Registers for Regs {
    const ARCH: Arch = Arch::X86_64;

    fn syscall_number(&self) -> usize {
        self.orig_rax as usize
    }

    fn syscall_args(&self) -> [usize; 6] {
        [self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9].map(|arg| arg as usize)
    }

    fn set_syscall_return(&mut self, value: usize) {
        self.rax = value as u64;
    }

    fn syscall_return(&self) -> usize {
        self.rax as usize
    }

    fn rewind_syscall(&mut self, number: usize, _first_arg: usize) {
        self.rip = self.rip.wrapping_sub(SYSCALL_LEN);
        self.rax = number as u64;
    }

    fn ip(&self) -> usize {
        self.rip as usize
    }

    fn set_ip(&mut self, ip: usize) {
        self.rip = ip as u64;
    }

    fn sp(&self) -> usize {
        self.rsp as usize
    }

    fn set_sp(&mut self, sp: usize) {
        self.rsp = sp as u64;
    }

    fn tls(&self) -> usize {
        self.fs_base as usize
    }

    fn set_tls(&mut self, tls: usize) {
        self.fs_base = tls as u64;
    }

    fn set_call_args(&mut self, args: [usize; 3]) {
        [self.rdi, self.rsi, self.rdx] = args.map(|arg| arg as u64);
    }

    fn view(&self) -> RegistersRef<'_> {
        RegistersRef::X86_64(self)
    }

    fn view_mut(&mut self) -> RegistersMut<'_> {
        RegistersMut::X86_64(self)
    }
}
