//! A few instructions of x86-64, put together by hand.

/// A general register, by its number.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Reg {
    Rax = 0,
    Rcx = 1,
    Rdx = 2,
    Rbx = 3,
    Rsp = 4,
    Rbp = 5,
    Rsi = 6,
    Rdi = 7,
    R8 = 8,
    R9 = 9,
    R10 = 10,
    R12 = 12,
}

/// Instructions so far.
#[derive(Clone, Default)]
pub(crate) struct Code(Vec<u8>);

impl Code {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes as they are.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// `mov reg, value`: ten bytes.
    pub(crate) fn set(mut self, reg: Reg, value: usize) -> Self {
        let number = reg as u8;
        self.0.extend([0x48 | number >> 3, 0xb8 | number & 7]);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A system call.
    pub(crate) fn call(self, number: usize, arguments: &[usize]) -> Self {
        let registers = [Reg::Rdi, Reg::Rsi, Reg::Rdx, Reg::R10, Reg::R8, Reg::R9];
        let code = registers.into_iter().zip(arguments).fold(self, |code, (reg, value)| code.set(reg, *value));
        code.set(Reg::Rax, number).raw(&[0x0f, 0x05])
    }

    /// Ends the program with status 7.
    pub(crate) fn exit(self) -> Self {
        self.call(231, &[7])
    }

    /// Code of 32 bits: `mov` for each register by number, `int 0x80`, and exit with status 7.
    pub(crate) fn narrow(registers: &[(u8, usize)]) -> Self {
        let set = |code: Self, register: u8, value: u32| code.raw(&[0xb8 | register]).raw(&value.to_le_bytes());
        let code = registers.iter().fold(Self::new(), |code, (register, value)| set(code, *register, *value as u32));
        set(set(code.raw(&[0xcd, 0x80]), 0, 1), 3, 7).raw(&[0xcd, 0x80])
    }
}
