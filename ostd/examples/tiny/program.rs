//! The program that the tiny kernel runs: three times a nap and what it was given to say, then the end, with what the
//! last call answered. Its registers hold the text's address and length when it starts.

use ostd::user::{ARCH, Arch};

/// Its machine code. Which processor programs of this machine are for is a constant.
pub(crate) fn code() -> &'static [u8] {
    match ARCH {
        Arch::X86_64 => X86_64,
        Arch::Riscv64 => RISCV64,
    }
}

#[rustfmt::skip]
const X86_64: &[u8] = &[
    0xbb, 3, 0, 0, 0, //       mov ebx, 3
    0xb8, 2, 0, 0, 0, // again:mov eax, NAP
    0x0f, 0x05,       //       syscall
    0xb8, 1, 0, 0, 0, //       mov eax, SAY
    0x0f, 0x05,       //       syscall
    0xff, 0xcb,       //       dec ebx
    0x75, 0xee,       //       jnz again
    0x89, 0xc7,       //       mov edi, eax
    0xb8, 0, 0, 0, 0, //       mov eax, EXIT
    0x0f, 0x05,       //       syscall
];

#[rustfmt::skip]
const RISCV64: &[u8] = &[
    0x93, 0x04, 0x05, 0x00, //       mv s1, a0
    0x13, 0x04, 0x30, 0x00, //       li s0, 3
    0x93, 0x08, 0x20, 0x00, // again:li a7, NAP
    0x73, 0x00, 0x00, 0x00, //       ecall
    0x13, 0x85, 0x04, 0x00, //       mv a0, s1
    0x93, 0x08, 0x10, 0x00, //       li a7, SAY
    0x73, 0x00, 0x00, 0x00, //       ecall
    0x13, 0x04, 0xf4, 0xff, //       addi s0, s0, -1
    0xe3, 0x14, 0x04, 0xfe, //       bnez s0, again
    0x93, 0x08, 0x00, 0x00, //       li a7, EXIT
    0x73, 0x00, 0x00, 0x00, //       ecall
];
