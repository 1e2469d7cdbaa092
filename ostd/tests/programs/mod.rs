//! Programs that the suites run, in the code of each kind of machine. Needs `core` and `alloc` alone, as the suites do.

use alloc::vec::Vec;

use ostd::hal::Vaddr;
use ostd::hal::user::Arch;

/// A program that a suite asks for, in the machine's own code. Each begins at its page's entry; `DATA` is
/// [`DATA`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// System call 39 with arguments 7, 0, 0, 0, 0, 9; then for ever the call whose number is what the last one
    /// returned, with the same first argument.
    Calls,
    /// For ever: loads the 32-bit word at `DATA`; system call 1 with the word as first argument.
    Loads,
    /// For ever: stores 0x5a5a5a5a to `DATA` (four bytes); system call 2.
    Stores,
    /// Goes to `DATA`.
    Jumps,
    /// Executes what is no instruction.
    Breaks,
    /// Loops without a trap.
    Spins,
}

/// A page of code: where it must be mapped, what it holds, where to enter.
pub(crate) struct Code {
    /// The page's address in user memory.
    pub(crate) at: Vaddr,
    /// At most a page.
    pub(crate) bytes: Vec<u8>,
    /// Where the program begins.
    pub(crate) entry: Vaddr,
}

/// Where programs find their data: one page.
pub(crate) const DATA: Vaddr = Vaddr::new(0x60_0000);
/// Where programs lie.
const AT: Vaddr = Vaddr::new(0x40_0000);

/// A program for processors of `arch`.
pub(crate) fn machine_code(arch: Arch, program: Program) -> Code {
    let bytes = match arch {
        Arch::X86_64 => x86_64(program).to_vec(),
        Arch::Riscv64 => riscv64(program).iter().flat_map(|word| word.to_le_bytes()).collect(),
    };
    Code { at: AT, bytes, entry: AT }
}

fn x86_64(program: Program) -> &'static [u8] {
    match program {
        // mov eax, 39; mov edi, 7; mov r9d, 9; syscall; jmp to the syscall
        Program::Calls => &[0xb8, 39, 0, 0, 0, 0xbf, 7, 0, 0, 0, 0x41, 0xb9, 9, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xfc],
        // mov edi, [DATA]; mov eax, 1; syscall; jmp to the start
        Program::Loads => &[0x8b, 0x3c, 0x25, 0, 0, 0x60, 0, 0xb8, 1, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf0],
        // mov dword [DATA], 0x5a5a5a5a; mov eax, 2; syscall; jmp to the start
        Program::Stores => {
            &[0xc7, 0x04, 0x25, 0, 0, 0x60, 0, 0x5a, 0x5a, 0x5a, 0x5a, 0xb8, 2, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xec]
        }
        // mov eax, DATA; jmp rax
        Program::Jumps => &[0xb8, 0, 0, 0x60, 0, 0xff, 0xe0],
        // ud2
        Program::Breaks => &[0x0f, 0x0b],
        // jmp to itself
        Program::Spins => &[0xeb, 0xfe],
    }
}

const ZERO: u32 = 0;
const T0: u32 = 5;
const T1: u32 = 6;
const A0: u32 = 10;
const A5: u32 = 15;
const A7: u32 = 17;
const ECALL: u32 = 0x73;
/// What `lui` takes for [`DATA`].
const DATA_UPPER: u32 = 0x600;

/// The first argument's register is that of the answer too, so `Calls` sets it again each time.
fn riscv64(program: Program) -> Vec<u32> {
    let (first, last) = (addi(A0, ZERO, 7), addi(A5, ZERO, 9));
    match program {
        Program::Calls => [addi(A7, ZERO, 39), first, last, ECALL, addi(A7, A0, 0), first, jump(-12)].into(),
        Program::Loads => [lui(T0, DATA_UPPER), lw(A0, T0), addi(A7, ZERO, 1), ECALL, jump(-16)].into(),
        Program::Stores => {
            // The sign of the lower twelve bits is made up for in the upper twenty.
            let (upper, lower) = (lui(T1, 0x5_a5a6), addi(T1, T1, 0xa5a));
            [lui(T0, DATA_UPPER), upper, lower, sw(T1, T0), addi(A7, ZERO, 2), ECALL, jump(-24)].into()
        }
        Program::Jumps => [lui(T0, DATA_UPPER), jump_to(T0)].into(),
        // Zero is no instruction, and will never be one.
        Program::Breaks => [0].into(),
        Program::Spins => [jump(0)].into(),
    }
}

const fn addi(to: u32, from: u32, value: u32) -> u32 {
    value << 20 | from << 15 | to << 7 | 0x13
}

const fn lui(to: u32, value: u32) -> u32 {
    value << 12 | to << 7 | 0x37
}

const fn lw(to: u32, at: u32) -> u32 {
    at << 15 | 2 << 12 | to << 7 | 0x03
}

const fn sw(from: u32, at: u32) -> u32 {
    from << 20 | at << 15 | 2 << 12 | 0x23
}

const fn jump_to(at: u32) -> u32 {
    at << 15 | 0x67
}

/// A jump by a distance from itself.
const fn jump(by: i32) -> u32 {
    let by = by.cast_unsigned();
    (by >> 20 & 1) << 31 | (by >> 1 & 0x3ff) << 21 | (by >> 11 & 1) << 20 | (by >> 12 & 0xff) << 12 | 0x6f
}
