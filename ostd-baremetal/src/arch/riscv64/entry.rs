//! From OpenSBI to Rust: supervisor mode without translation, then Sv48 in the upper half.
#![expect(unsafe_code, reason = "the first instructions, and the tables they run on")]

use core::arch::global_asm;

/// Where the image's addresses begin: physical address zero, seen from its code.
pub(crate) const KERNEL_OFFSET: usize = 0xffff_ffff_0000_0000;
/// Where physical memory, devices included, can be reached.
pub(crate) const DIRECT_MAP: usize = 0xffff_8000_0000_0000;
/// Physical memory behind [`DIRECT_MAP`]: one entry of the root.
pub(crate) const DIRECT_MAP_LEN: usize = 512 << 30;

/// A page of page-table entries.
#[repr(C, align(4096))]
pub(crate) struct Table(pub(crate) [u64; 512]);

/// The kernel's own root. Entries of its upper half are copied into every address space.
pub(crate) static mut BOOT_ROOT: Table = Table([0; 512]);
static mut BOOT_HIGH: Table = Table([0; 512]);
/// Which hart the firmware started; assembly writes it.
pub(super) static mut BOOT_HART: usize = 0;

// a0 is the hart's number, a1 the device tree's physical address. `la` is relative to the instruction: physical before
// the jump, in the upper half behind it. Leaves are valid, readable, writable, executable, accessed and dirty: 0xcf.
global_asm!(
    ".pushsection .text.entry, \"ax\"",
    ".globl _start",
    "_start:",
    "la t0, {root}",
    "li t1, 0xcf",
    // Everything at its own address, until the jump; and the window.
    "sd t1, 0(t0)",
    "addi t2, t0, 2040",
    "sd t1, 8(t2)",
    // The last 512 GiB: in them, the GiB that the image is loaded in.
    "la t3, {high}",
    "srli t4, t3, 12",
    "slli t4, t4, 10",
    "ori t4, t4, 1",
    "addi t2, t2, 2040",
    "sd t4, 8(t2)",
    "li t1, 0x200000cf",
    "addi t3, t3, 2040",
    "sd t1, 2040(t3)",
    "srli t0, t0, 12",
    "li t1, 9",
    "slli t1, t1, 60",
    "or t0, t0, t1",
    "sfence.vma",
    "csrw satp, t0",
    "sfence.vma",
    "la t0, 2f",
    "li t1, {offset}",
    "add t0, t0, t1",
    "jr t0",
    "2:",
    "la t0, {hart}",
    "sd a0, 0(t0)",
    "la sp, {stack} + {stack_len}",
    "li s0, 0",
    "mv a0, a1",
    "tail {main}",
    ".popsection",
    root = sym BOOT_ROOT,
    high = sym BOOT_HIGH,
    hart = sym BOOT_HART,
    offset = const KERNEL_OFFSET,
    stack = sym crate::image::BOOT_STACK,
    stack_len = const crate::image::BOOT_STACK_LEN,
    main = sym crate::image::enter,
);
