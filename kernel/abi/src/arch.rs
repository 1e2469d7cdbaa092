//! The two architectures, where Linux differs between them.

/// The instruction set a program was made for. The value is its column in the table of system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// AMD64.
    X86_64 = 0,
    /// RV64GC.
    Riscv64 = 1,
}

impl Arch {
    /// Both, in the order of the table's columns.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Riscv64];

    /// What uname(2) says in `machine`.
    pub const fn machine(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Riscv64 => "riscv64",
        }
    }
}
