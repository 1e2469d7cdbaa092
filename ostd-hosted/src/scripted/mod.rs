//! The scripted engine: user programs are Rust functions.
//!
//! A program's memory is real user memory under real page tables: it loads and stores through a software TLB and
//! faults like hardware. Its code is a *token*: sixteen bytes in an executable page that name a function registered
//! with the engine. Entry points, signal handlers, thread starts and the children of fork are addresses of tokens, and
//! [`image`] wraps a page of them in an ELF file, so a kernel loads, maps, protects and enters them like any code.
//!
//! What is not modelled: a program's Rust locals are not in its memory, and a function that never calls out is never
//! preempted.
//!
//! How the registers tell the story: at a trap, `rip` is where the program would go on. When the kernel enters with
//! that `rip`, the call returns; two bytes before it (a restarted system call), the call is made again; anywhere else,
//! the token there is called on top (a signal handler), and its return makes the system call `rt_sigreturn`.

mod engine;
mod guest;
mod tlb;
mod token;

pub use engine::{Failure, Scripted};
pub use guest::Guest;
pub use token::{IMAGE_BASE, TOKENS_MAX, Token, image};

use ostd_hal::Vaddr;

/// User space ends where Linux's does on x86-64.
pub const USER_END: Vaddr = Vaddr::new(0x7fff_ffff_f000);

/// The legacy region and header of an XSAVE area, with the x87 and SSE defaults: scripted programs have no
/// floating-point registers, but a kernel that saves them must find something plausible.
pub(crate) fn fp_initial() -> Vec<u8> {
    let mut area = vec![0; 576];
    area[0..2].copy_from_slice(&0x037f_u16.to_le_bytes());
    area[24..28].copy_from_slice(&0x1f80_u32.to_le_bytes());
    area
}
