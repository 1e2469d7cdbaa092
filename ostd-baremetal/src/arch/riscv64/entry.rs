//! From OpenSBI to Rust: supervisor mode without translation, then Sv48, or Sv39 where that is all there is, in the
//! upper half. The kernel's addresses are the same in both: the last 256 GiB.
#![expect(unsafe_code, reason = "the first instructions, and the tables they run on")]

use core::arch::global_asm;

use super::mmu::{SV39, SV48};

/// Where the image's addresses begin: physical address zero, seen from its code.
pub(crate) const KERNEL_OFFSET: usize = 0xffff_ffff_0000_0000;
/// Where physical memory, devices included, can be reached.
pub(crate) const DIRECT_MAP: usize = 0xffff_ffc0_0000_0000;
/// Physical memory behind [`DIRECT_MAP`].
pub(crate) const DIRECT_MAP_LEN: usize = 128 << 30;
/// What of it may be devices.
pub(crate) const DEVICE_MAP_LEN: usize = DIRECT_MAP_LEN;

/// A page of page-table entries.
#[repr(C, align(4096))]
pub(crate) struct Table(pub(crate) [u64; 512]);

/// Sv48's root of the kernel: entry 511 leads to the node below.
pub(super) static mut BOOT_ROOT: Table = Table([0; 512]);
/// The kernel's addresses, in GiB: the window on physical memory, the stacks', the image's. It is Sv39's root.
pub(super) static mut BOOT_HIGH: Table = Table([0; 512]);
/// The image's first GiB, at its own address while the boot code runs.
pub(super) const BOOT_IDENTITY: usize = 2;
/// The first entry of [`BOOT_HIGH`] for the window on physical memory.
pub(super) const WINDOW: usize = 256;
/// Which hart the firmware started; assembly writes it.
pub(super) static mut BOOT_HART: usize = 0;

// a0 is the hart's number, a1 the device tree's physical address. `la` is relative to the instruction: physical before
// the jump, in the upper half behind it. Leaves are valid, readable, writable, executable, accessed and dirty: 0xcf.
global_asm!(
    ".pushsection .text.entry, \"ax\"",
    ".globl _start",
    "_start:",
    "la t0, {root}",
    "la t3, {high}",
    "li t5, 1",
    "slli t5, t5, 28",
    // The GiB of the image at its own address, until the jump; and in the last 4 GiB.
    "li t1, 0x200000cf",
    "sd t1, 8 * {identity}(t3)",
    "addi t2, t3, 2040",
    "sd t1, 2040(t2)",
    // The window, GiB by GiB.
    "li t1, 0xcf",
    "li t2, {window} * 8",
    "add t2, t2, t3",
    "li t4, {window_len}",
    "3:",
    "sd t1, 0(t2)",
    "add t1, t1, t5",
    "addi t2, t2, 8",
    "addi t4, t4, -1",
    "bnez t4, 3b",
    // All of it from Sv48's root, first entry and last.
    "srli t3, t3, 12",
    "slli t4, t3, 10",
    "ori t4, t4, 1",
    "sd t4, 0(t0)",
    "addi t2, t0, 2044",
    "sd t4, 2044(t2)",
    // What the hart does not have, it does not take.
    "srli t0, t0, 12",
    "li t1, {sv48}",
    "or t0, t0, t1",
    "sfence.vma",
    "csrw satp, t0",
    "csrr t1, satp",
    "beq t0, t1, 4f",
    "li t1, {sv39}",
    "or t0, t3, t1",
    "csrw satp, t0",
    "4:",
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
    identity = const BOOT_IDENTITY,
    window = const WINDOW,
    window_len = const DIRECT_MAP_LEN >> 30,
    sv48 = const SV48,
    sv39 = const SV39,
    hart = sym BOOT_HART,
    offset = const KERNEL_OFFSET,
    stack = sym crate::image::BOOT_STACK,
    stack_len = const crate::image::BOOT_STACK_LEN,
    main = sym crate::image::enter,
);
