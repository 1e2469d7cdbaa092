//! The RISC-V register file.

use super::{Arch, Registers, RegistersMut, RegistersRef};

/// `x[0]` is not a register; it holds zero. `orig_a0` is what `a0` held when a system call was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Regs {
    /// x0 (always zero) to x31.
    pub x: [u64; 32],
    /// The instruction pointer.
    pub pc: u64,
    /// a0 at the last system call, for restarting it.
    pub orig_a0: u64,
}

const SP: usize = 2;
const TP: usize = 4;
const A0: usize = 10;
const A7: usize = 17;
/// Bytes of an `ecall` instruction.
const ECALL_LEN: u64 = 4;

impl Registers for Regs {
    const ARCH: Arch = Arch::Riscv64;

    fn syscall_number(&self) -> usize {
        self.x[A7] as usize
    }

    fn syscall_args(&self) -> [usize; 6] {
        core::array::from_fn(|i| self.x[A0 + i] as usize)
    }

    fn set_syscall_return(&mut self, value: usize) {
        self.x[A0] = value as u64;
    }

    fn syscall_return(&self) -> usize {
        self.x[A0] as usize
    }

    fn rewind_syscall(&mut self, number: usize, first_arg: usize) {
        self.pc = self.pc.wrapping_sub(ECALL_LEN);
        self.x[A7] = number as u64;
        self.x[A0] = first_arg as u64;
    }

    fn ip(&self) -> usize {
        self.pc as usize
    }

    fn set_ip(&mut self, ip: usize) {
        self.pc = ip as u64;
    }

    fn sp(&self) -> usize {
        self.x[SP] as usize
    }

    fn set_sp(&mut self, sp: usize) {
        self.x[SP] = sp as u64;
    }

    fn tls(&self) -> usize {
        self.x[TP] as usize
    }

    fn set_tls(&mut self, tls: usize) {
        self.x[TP] = tls as u64;
    }

    fn set_call_args(&mut self, args: [usize; 3]) {
        for (register, arg) in self.x[A0..].iter_mut().zip(args) {
            *register = arg as u64;
        }
    }

    fn view(&self) -> RegistersRef<'_> {
        RegistersRef::Riscv64(self)
    }

    fn view_mut(&mut self) -> RegistersMut<'_> {
        RegistersMut::Riscv64(self)
    }
}
