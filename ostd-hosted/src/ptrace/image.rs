//! What a stub is made of: its code, its place in the address space, and the filter it locks itself in with.

use libc::sock_filter;

/// Start of the two pages that every stub keeps for itself; the last page below them that guests could use is not
/// offered to guests, so that a linear overrun faults.
pub(super) const STUB_START: usize = 0x7fff_ffff_d000;
/// The page with [`CODE`].
pub(super) const CODE_PAGE: usize = STUB_START;
/// The page with the commands, which the stub can only read.
pub(super) const COMMAND_PAGE: usize = STUB_START + PAGE;
/// End of the stub's pages, and of user addresses on a host with four-level page tables.
pub(super) const STUB_END: usize = STUB_START + 2 * PAGE;
/// Guests may map below this.
pub(super) const USER_END: usize = 0x7fff_ffff_0000;
/// Guests may map from here: the host's `vm.mmap_min_addr` forbids ordinary users everything below.
pub(super) const USER_START: usize = 0x1_0000;

/// Where execve(2) puts [`elf`]: far from the host's stack, mmap area and brk, wherever it randomizes them to.
const LOAD_ADDRESS: usize = 0x6000_0000_0000;
const HEADERS: usize = 64 + 2 * 56;
/// The first instruction of [`elf`]: `syscall`, then `int3`.
pub(super) const ELF_ENTRY: usize = LOAD_ADDRESS + HEADERS;

/// Bytes of a command: number, six arguments, one word unused.
pub(super) const COMMAND_LEN: usize = 64;
/// Commands that fit a batch.
pub(super) const BATCH_MAX: usize = PAGE / COMMAND_LEN;
/// Where on the command page larger arguments stand, during start-up only.
pub(super) const DATA_OFFSET: usize = PAGE / 2;

/// Descriptor of RAM in a stub.
pub(super) const RAM_FD: i32 = 3;
/// Descriptor of the file with code and command pages in a stub, until it has mapped them.
pub(super) const COMMAND_FD: i32 = 4;

const PAGE: usize = ostd_hal::PAGE_SIZE;

/// Makes the system calls that `rbx..r12` points at, and stops at the end or behind the first that fails.
pub(super) const CODE: &[u8] = &[
    0x4c, 0x39, 0xe3, //                   0: cmp rbx, r12
    0x73, 0x2b, //                            jae 2f
    0x48, 0x8b, 0x03, //                      mov rax, [rbx]
    0x48, 0x8b, 0x7b, 0x08, //                mov rdi, [rbx + 8]
    0x48, 0x8b, 0x73, 0x10, //                mov rsi, [rbx + 16]
    0x48, 0x8b, 0x53, 0x18, //                mov rdx, [rbx + 24]
    0x4c, 0x8b, 0x53, 0x20, //                mov r10, [rbx + 32]
    0x4c, 0x8b, 0x43, 0x28, //                mov r8, [rbx + 40]
    0x4c, 0x8b, 0x4b, 0x30, //                mov r9, [rbx + 48]
    0x0f, 0x05, //                            syscall
    0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, //    cmp rax, -4095
    0x73, 0x06, //                            jae 2f
    0x48, 0x83, 0xc3, 0x40, //                add rbx, 64
    0xeb, 0xd0, //                            jmp 0b
    0xcc, //                               2: int3
];

/// The executable that a stub starts as: one page with a `syscall`, which never runs undirected.
pub(super) fn elf() -> Vec<u8> {
    const PT_LOAD: u32 = 1;
    const PT_GNU_STACK: u32 = 0x6474_e551;
    let code = [0x0f, 0x05, 0xcc];
    let len = (HEADERS + code.len()) as u64;
    let base = LOAD_ADDRESS as u64;

    let mut image = Vec::new();
    let half = |image: &mut Vec<u8>, values: &[u16]| image.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    let word = |image: &mut Vec<u8>, values: &[u32]| image.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    let long = |image: &mut Vec<u8>, values: &[u64]| image.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    image.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    half(&mut image, &[2, 62]); // ET_EXEC, EM_X86_64
    word(&mut image, &[1]);
    long(&mut image, &[ELF_ENTRY as u64, 64, 0]);
    word(&mut image, &[0]);
    half(&mut image, &[64, 56, 2, 0, 0, 0]);
    word(&mut image, &[PT_LOAD, 5]); // readable and executable
    long(&mut image, &[0, base, base, len, len, PAGE as u64]);
    // Without this entry older hosts would make every readable page executable.
    word(&mut image, &[PT_GNU_STACK, 6]);
    long(&mut image, &[0, 0, 0, 0, 0, 16]);
    image.extend(code);
    assert_eq!(image.len() as u64, len);
    image
}

/// The seccomp filter of a stub: the calls that [`CODE`] makes after start-up, from its page, and nothing else. Guest
/// code runs under SYSEMU and makes no host calls at all but one, which SYSEMU does not see: a call into the host's
/// vsyscall page. Here it becomes a SIGSYS.
pub(super) fn filter() -> Vec<sock_filter> {
    const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
    const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
    const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
    const RET_ALLOW: u32 = 0x7fff_0000;
    const RET_TRAP: u32 = 0x0003_0000;
    /// Offsets in `struct seccomp_data`.
    const NUMBER: u32 = 0;
    const ARCH: u32 = 4;
    const IP_LOW: u32 = 8;
    const IP_HIGH: u32 = 12;

    let step = |code, k| sock_filter { code, jt: 0, jf: 0, k };
    // Goes on where equal; else skips to the trap, `to_trap` steps further.
    let require = |k, to_trap| sock_filter { code: EQUAL, jt: 0, jf: to_trap, k };
    let allow_if = |k, to_allow| sock_filter { code: EQUAL, jt: to_allow, jf: 0, k };
    vec![
        step(LOAD, ARCH),
        require(AUDIT_ARCH_X86_64, 9),
        step(LOAD, IP_HIGH),
        require((CODE_PAGE >> 32) as u32, 7),
        step(LOAD, IP_LOW),
        step(AND, !(PAGE as u32 - 1)),
        require(CODE_PAGE as u32, 4),
        step(LOAD, NUMBER),
        allow_if(libc::SYS_mmap as u32, 3),
        allow_if(libc::SYS_munmap as u32, 2),
        allow_if(libc::SYS_mprotect as u32, 1),
        step(RETURN, RET_TRAP),
        step(RETURN, RET_ALLOW),
    ]
}
