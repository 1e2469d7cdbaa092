//! From a PVH loader to Rust: 32-bit protected mode, then long mode in the upper half.
#![expect(unsafe_code, reason = "the first instructions, and the tables they run on")]

use core::arch::global_asm;

use crate::exit::Exit;

/// Where the image's addresses begin: physical address zero, seen from its code.
pub(crate) const KERNEL_OFFSET: usize = 0xffff_ffff_8000_0000;
/// Where physical memory can be reached: all of the first 4 GiB, devices included, and what RAM lies behind.
pub(crate) const DIRECT_MAP: usize = 0xffff_8000_0000_0000;
/// Physical memory behind [`DIRECT_MAP`].
pub(crate) const DIRECT_MAP_LEN: usize = 512 << 30;
/// What the boot code maps of it: devices are in it or cannot be reached.
pub(crate) const DEVICE_MAP_LEN: usize = 4 << 30;

/// A page of page-table entries.
#[repr(C, align(4096))]
pub(crate) struct Table(pub(crate) [u64; 512]);

/// The kernel's own root. Entries of its upper half are copied into every address space.
pub(crate) static mut BOOT_PML4: Table = Table([0; 512]);
pub(super) static mut BOOT_PDPT_LOW: Table = Table([0; 512]);
static mut BOOT_PDPT_HIGH: Table = Table([0; 512]);
static mut BOOT_PD: [Table; 4] = [const { Table([0; 512]) }; 4];
/// The root on which the other CPUs begin: the kernel's, and all of low memory at its own address.
static mut TRAMPOLINE_PML4: Table = Table([0; 512]);

/// The address of the root on which the other CPUs begin.
pub(super) fn trampoline_root() -> usize {
    let (from, to) = ((&raw const BOOT_PML4).cast::<u64>(), (&raw mut TRAMPOLINE_PML4).cast::<u64>());
    let low = (&raw const BOOT_PDPT_LOW) as usize - KERNEL_OFFSET;
    // SAFETY: both are whole tables, and only the CPU that starts others comes here, one after the other.
    unsafe { core::ptr::copy_nonoverlapping(from, to, 512) };
    // SAFETY: as above; present and writable.
    unsafe { to.write_volatile(low as u64 | 3) };
    to as usize
}

// The PVH note: type 18 is XEN_ELFNOTE_PHYS32_ENTRY, a physical address to enter with paging off.
global_asm!(
    ".pushsection .note.pvh, \"a\", @note",
    ".balign 4",
    ".long 4, 8, 18",
    ".asciz \"Xen\"",
    ".quad pvh_start - {offset}",
    ".popsection",
    offset = const KERNEL_OFFSET,
);

// ebx holds the physical address of the start information. All of it is 32-bit code on physical addresses, until the
// jump through rax. 2 MiB pages map the first 4 GiB, the last of them uncached, as devices lie there.
global_asm!(
    ".pushsection .text.entry, \"ax\"",
    ".code32",
    ".globl pvh_start",
    "pvh_start:",
    "cld",
    // A loader does not mind an image that is longer than memory. What is missing is its end, tables and stack.
    "movl $(image_end - {offset} - 4), %edi",
    "movl $0x5aa51234, (%edi)",
    "cmpl $0x5aa51234, (%edi)",
    "jne 4f",
    // Nor an initial file system that lies over it; the number of modules, their list, the first one's address.
    "cmpl $0, 12(%ebx)",
    "je 8f",
    "movl 16(%ebx), %edi",
    "cmpl $(image_end - {offset}), (%edi)",
    "jb 4f",
    "8:",
    "movl %ebx, %esi",
    "movl $({pd} - {offset}), %edi",
    "movl $0x83, %eax",
    "xorl %ecx, %ecx",
    "2:",
    "cmpl $1536, %ecx",
    "jb 3f",
    "orl $0x18, %eax",
    "3:",
    "movl %eax, (%edi)",
    "addl $8, %edi",
    "addl $0x200000, %eax",
    "incl %ecx",
    "cmpl $2048, %ecx",
    "jne 2b",
    "movl $({low} - {offset}), %edi",
    "movl $({pd} - {offset} + 3), %eax",
    "movl %eax, (%edi)",
    "addl $4096, %eax",
    "movl %eax, 8(%edi)",
    "addl $4096, %eax",
    "movl %eax, 16(%edi)",
    "addl $4096, %eax",
    "movl %eax, 24(%edi)",
    // The image's window: entry 510 of the topmost GiBs.
    "movl $({high} - {offset}), %edi",
    "movl $({pd} - {offset} + 3), %eax",
    "movl %eax, 510*8(%edi)",
    "movl $({pml4} - {offset}), %edi",
    "movl $({low} - {offset} + 3), %eax",
    "movl %eax, (%edi)",
    "movl %eax, 256*8(%edi)",
    "movl $({high} - {offset} + 3), %eax",
    "movl %eax, 511*8(%edi)",
    "movl %edi, %cr3",
    // PAE; then long mode, system calls and no-execute; then paging with write protection.
    "movl $0x20, %eax",
    "movl %eax, %cr4",
    "movl $0xc0000080, %ecx",
    "rdmsr",
    "orl $0x901, %eax",
    "wrmsr",
    "movl $0x80010033, %eax",
    "movl %eax, %cr0",
    "lgdt (boot_gdt_pointer - {offset})",
    "ljmp $8, $(pvh_long - {offset})",
    "4:",
    "movl $(too_little - {offset}), %esi",
    "5:",
    "movw $0x3fd, %dx",
    "inb %dx, %al",
    "testb $0x20, %al",
    "jz 5b",
    "movw $0x3f8, %dx",
    "lodsb",
    "testb %al, %al",
    "jz 6f",
    "outb %al, %dx",
    "jmp 5b",
    "6:",
    "movb ${failure}, %al",
    "outb %al, ${debug_exit}",
    "7:",
    "hlt",
    "jmp 7b",
    "too_little:",
    ".asciz \"\\norrery: this machine has too little memory\\n\"",
    ".balign 8",
    "boot_gdt:",
    ".quad 0",
    ".quad 0x00af9b000000ffff",
    ".quad 0x00cf93000000ffff",
    "boot_gdt_pointer:",
    ".word 23",
    ".long boot_gdt - {offset}",
    ".code64",
    "pvh_long:",
    "movl $16, %eax",
    "movl %eax, %ds",
    "movl %eax, %es",
    "movl %eax, %ss",
    "xorl %eax, %eax",
    "movl %eax, %fs",
    "movl %eax, %gs",
    "movabsq $pvh_high, %rax",
    "jmpq *%rax",
    "pvh_high:",
    "movabsq $({stack} + {stack_len}), %rsp",
    "xorl %ebp, %ebp",
    "movl %esi, %edi",
    "callq {main}",
    "ud2",
    ".popsection",
    pd = sym BOOT_PD,
    low = sym BOOT_PDPT_LOW,
    high = sym BOOT_PDPT_HIGH,
    pml4 = sym BOOT_PML4,
    offset = const KERNEL_OFFSET,
    stack = sym crate::image::BOOT_STACK,
    stack_len = const crate::image::BOOT_STACK_LEN,
    main = sym crate::image::enter,
    failure = const Exit::Failure.isa_debug_exit(),
    debug_exit = const super::DEBUG_EXIT,
    options(att_syntax),
);
