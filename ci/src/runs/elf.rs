//! Programs for what no shell does: a fault and a loop without a system call, in one or two instructions,
//! threads, and what no program should do.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::baremetal;
use crate::boot::Arch;

/// Where they are in a root.
pub(super) const FOLDER: &str = "rows";
/// Where their one page is.
const BASE: u64 = 0x40_0000;
const HEADERS_LEN: u64 = 64 + 56;

/// Name and whole executable of each; `root` is the workspace.
pub(super) fn programs(root: &Path, arch: Arch) -> Result<[(&'static str, Vec<u8>); 5]> {
    let (store, illegal, jump): (&[u8], &[u8], &[u8]) = match arch {
        // xor %eax,%eax; movl $0,(%rax) - ud2 - jmp .
        Arch::X86_64 => (&[0x31, 0xc0, 0xc7, 0, 0, 0, 0, 0], &[0x0f, 0x0b], &[0xeb, 0xfe]),
        // sw zero,0(zero) - the instruction of zeros - j .
        Arch::Riscv64 => (&[0x23, 0x20, 0, 0], &[0, 0, 0, 0], &[0x6f, 0, 0, 0]),
    };
    let example = |name| anyhow::Ok(fs::read(baremetal::build_guest_example(root, arch.target(), name)?)?);
    let (threads, hostile) = (example("threads")?, example("hostile")?);
    let small = |code| executable(arch, code);
    Ok([
        ("store", small(store)),
        ("illegal", small(illegal)),
        ("loop", small(jump)),
        ("threads", threads),
        ("hostile", hostile),
    ])
}

fn executable(arch: Arch, code: &[u8]) -> Vec<u8> {
    let machine: u16 = match arch {
        Arch::X86_64 => 62,
        Arch::Riscv64 => 243,
    };
    let len = HEADERS_LEN + code.len() as u64;
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    [2, machine].iter().for_each(|half| bytes.extend(half.to_le_bytes()));
    bytes.extend(1_u32.to_le_bytes());
    // Entry, program headers, no sections.
    [BASE + HEADERS_LEN, 64, 0].iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    bytes.extend(0_u32.to_le_bytes());
    [64_u16, 56, 1, 0, 0, 0].iter().for_each(|half| bytes.extend(half.to_le_bytes()));
    // To be loaded, readable and executable: offset, addresses, lengths, alignment.
    [1_u32, 5].iter().for_each(|half| bytes.extend(half.to_le_bytes()));
    [0, BASE, BASE, len, len, 0x1000].iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    bytes.extend(code);
    bytes
}
