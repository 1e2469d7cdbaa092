//! x86-64: the instructions, and what is in a frame.
#![expect(unsafe_code, reason = "jumps to code that it has written")]

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::arch::asm;

use kernel_abi::structs::UcontextX86;

use crate::attempt::{ANY, Act, Attempt, Ends, GOES_ON, GOES_ON_OR_BUS, ILL, OR_LOOPS, SEGV, SEGV_OR_BUS, TRAP, Where};
use crate::values::{Chance, VALUES};

/// `mov edi, 42; mov eax, 231; syscall; ud2`: exit_group(2), from any registers.
pub(crate) const TAIL: &[u8] = &[0xbf, 42, 0, 0, 0, 0xb8, 231, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x0b];
/// `ret`, as a handler.
pub(crate) const RETURN: [u8; 1] = [0xc3];

/// Where the registers begin in `struct ucontext`, and those that matter here.
const REGISTERS: usize = core::mem::offset_of!(UcontextX86, uc_mcontext);
pub(crate) const PC_AT: usize = REGISTERS + 128;
pub(crate) const FP_POINTER_AT: usize = REGISTERS + 184;
const FLAGS_AT: usize = REGISTERS + 136;
const SEGMENTS_AT: usize = REGISTERS + 144;
const CONTEXT_LEN: usize = size_of::<UcontextX86>();
/// The trap flag.
const TRAP_FLAG: u64 = 1 << 8;

/// Where the floating-point state lies that a frame points to.
pub(crate) fn fp_state(_context: usize, pointer: usize) -> usize {
    pointer
}

/// Code in memory can be executed.
pub(crate) fn code_written() {}

/// Goes to `at`, with `own` in `rdi`.
///
/// # Safety
/// 1. The program has nothing more to do.
pub(crate) unsafe fn jump(at: usize, own: usize) -> ! {
    // SAFETY: the caller's promise.
    unsafe { asm!("jmp {}", in(reg) at, in("rdi") own, options(noreturn)) }
}

/// The address of a handler that returns at once, written at `at`.
pub(crate) fn returning_handler(at: &usize) -> u64 {
    *at as u64
}

/// Bytes of instructions.
fn code(pieces: &[&[u8]]) -> Vec<u8> {
    pieces.concat()
}

/// `movabs rax, value`, and the same for `rsp`.
fn rax(value: u64) -> Vec<u8> {
    code(&[&[0x48, 0xb8], &value.to_le_bytes()])
}

fn rsp(value: u64) -> Vec<u8> {
    code(&[&[0x48, 0xbc], &value.to_le_bytes()])
}

/// `push value; popfq`.
fn flags(value: u32) -> Vec<u8> {
    code(&[&[0x68], &value.to_le_bytes(), &[0x9d]])
}

/// `mov eax, number; syscall`, with the other registers as they are.
fn call(number: u32) -> Vec<u8> {
    code(&[&[0xb8], &number.to_le_bytes(), &[0x0f, 0x05]])
}

const GETPID: u32 = 39;
const RT_SIGRETURN: u32 = 15;
const ARCH_PRCTL: u32 = 158;
const UD2: &[u8] = &[0x0f, 0x0b];
const INT3: &[u8] = &[0xcc];

const FPE: Ends = &[8];
/// QEMU lets programs do some of what processors refuse, and does no harm by it.
const SEGV_OR_QEMU: Ends = &[11, 0];

/// Everything but the table's rows.
pub(crate) fn attempts() -> Vec<Attempt> {
    let mut all = Vec::new();
    frames(&mut all);
    states(&mut all);
    addresses(&mut all);
    stacks(&mut all);
    all_flags(&mut all);
    segments(&mut all);
    gates(&mut all);
    instructions(&mut all);
    arithmetic(&mut all);
    chance(&mut all);
    all
}

fn add(all: &mut Vec<Attempt>, name: String, act: Act, ends: Ends) {
    all.push(Attempt { name, act, ends });
}

/// Each word of a frame in turn.
fn frames(all: &mut Vec<Attempt>) {
    for at in (0..CONTEXT_LEN).step_by(8) {
        for value in VALUES {
            let ends = match at {
                PC_AT | SEGMENTS_AT => SEGV,
                FP_POINTER_AT if *value != 0 => SEGV,
                FLAGS_AT if value & TRAP_FLAG != 0 => TRAP,
                _ => GOES_ON,
            };
            add(all, format!("frame word {at} is {value:#x}"), Act::Frame(vec![(Where::Context, at, *value)]), ends);
        }
    }
    // cs, gs, fs, ss; Linux has a code segment for programs of 32 bits.
    for (name, word, ends) in [
        ("cs of the kernel", 0x002b_0000_0000_0010_u64, SEGV),
        ("cs of 32 bits", 0x002b_0000_0000_0023, ANY),
        ("cs that is data", 0x002b_0000_0000_002b, SEGV),
        ("cs of a table of its own", 0x002b_0000_0000_0037, SEGV),
        ("cs in ring 0", 0x002b_0000_0000_0030, GOES_ON),
        ("ss of the kernel", 0x0018_0000_0000_0033, SEGV),
        ("ss that is nothing", 0x0000_0000_0000_0033, SEGV),
        ("ss that is code", 0x0033_0000_0000_0033, SEGV),
        ("ss in ring 0", 0x0028_0000_0000_0033, GOES_ON),
        ("ss of ones", 0xffff_0000_0000_0033, SEGV),
        ("gs and fs of ones", 0x002b_ffff_ffff_0033, GOES_ON),
    ] {
        add(all, format!("frame with {name}"), Act::Frame(vec![(Where::Context, SEGMENTS_AT, word)]), ends);
        let lenient = vec![(Where::Context, SEGMENTS_AT, word), (Where::Context, 0, 0)];
        add(
            all,
            format!("lenient frame with {name}"),
            Act::Frame(lenient),
            if name.starts_with("ss") { GOES_ON } else { ends },
        );
    }
    for bit in 0..64 {
        let ends = if bit == 8 { TRAP } else { GOES_ON };
        add(all, format!("frame with flag {bit}"), Act::Frame(vec![(Where::Context, FLAGS_AT, 1 << bit)]), ends);
    }
}

/// Each word of the floating-point state in turn: what a processor refuses depends on the processor.
fn states(all: &mut Vec<Attempt>) {
    for at in (0..64).chain(464..640).step_by(8) {
        for value in VALUES {
            add(
                all,
                format!("state word {at} is {value:#x}"),
                Act::Frame(vec![(Where::FloatingPoint, at, *value)]),
                ANY,
            );
        }
    }
    for bit in 0..64 {
        for (name, at) in [("components", 512), ("compaction", 520), ("control", 24)] {
            add(all, format!("state {name} bit {bit}"), Act::Frame(vec![(Where::FloatingPoint, at, 1 << bit)]), ANY);
        }
    }
    // With no more state than before XSAVE, the control word is all that can be wrong.
    let old = |word: u64| Act::Frame(vec![(Where::FloatingPoint, 464, 0), (Where::FloatingPoint, 24, word)]);
    add(all, String::from("old state"), old(0x1f80), GOES_ON);
    add(all, String::from("old state of impossible control"), old(0xffff_0000), SEGV);
}

/// Executes at, reads and writes addresses that are none.
fn addresses(all: &mut Vec<Attempt>) {
    let kinds: &[(&str, &[u8], Ends)] = &[
        ("jmp", &[0xff, 0xe0], SEGV),
        ("call", &[0xff, 0xd0], SEGV),
        ("push; ret", &[0x50, 0xc3], SEGV),
        ("mov al, [rax]", &[0x8a, 0x00], SEGV),
        ("mov [rax], al", &[0x88, 0x00], SEGV),
        ("lock xadd [rax], rax", &[0xf0, 0x48, 0x0f, 0xc1, 0x00], SEGV),
        ("movups xmm0, [rax]", &[0x0f, 0x10, 0x00], SEGV),
        ("fxsave [rax]", &[0x0f, 0xae, 0x00], SEGV),
        ("xchg rsi, rax; rep movsb", &[0x48, 0x96, 0xb9, 8, 0, 0, 0, 0xf3, 0xa4], SEGV),
        ("xchg rdi, rax; rep stosb", &[0x48, 0x97, 0xb9, 8, 0, 0, 0, 0xf3, 0xaa], SEGV),
        ("clflush [rax]", &[0x0f, 0xae, 0x38], ANY),
        ("prefetch [rax]", &[0x0f, 0x18, 0x08], GOES_ON),
    ];
    for value in VALUES {
        for (name, bytes, ends) in kinds {
            add(all, format!("{name} at {value:#x}"), Act::Code(code(&[&rax(*value), bytes])), ends);
        }
        // ARCH_SET_GS, ARCH_SET_FS, and a read by it.
        for (name, which, prefix) in [("fs", 0x1002_u32, 0x64), ("gs", 0x1001, 0x65)] {
            let set =
                [&[0x48, 0xbe][..], &value.to_le_bytes(), &[0xbf], &which.to_le_bytes(), &call(ARCH_PRCTL)].concat();
            add(all, format!("{name} base {value:#x}"), Act::Code(set.clone()), GOES_ON);
            let read = code(&[&set, &[prefix, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0]]);
            add(all, format!("read by {name} base {value:#x}"), Act::Code(read), if name == "fs" { ANY } else { SEGV });
        }
        // wrfsbase, wrgsbase: not every kernel lets programs do it.
        for (name, modrm) in [("wrfsbase", 0xd0), ("wrgsbase", 0xd8)] {
            let bytes = code(&[&rax(*value), &[0xf3, 0x48, 0x0f, 0xae, modrm], &call(GETPID)]);
            add(all, format!("{name} {value:#x}"), Act::Code(bytes), ANY);
        }
        add(all, format!("handler at {value:#x}"), Act::Handler((*value).max(2), 0, UD2.to_vec()), SEGV);
        add(all, format!("restorer at {value:#x}"), Act::Handler(0, (*value).max(1), UD2.to_vec()), SEGV);
    }
    add(
        all,
        String::from("the page of old calls"),
        Act::Code(code(&[&rax(0xffff_ffff_ff60_0000), &[0xff, 0xd0]])),
        ANY,
    );
    // The last page that can be had ends where the next address is the kernel's to refuse.
    let last: &[(&str, &[u8])] = &[
        ("syscall", &[0xb8, 39, 0, 0, 0, 0x0f, 0x05]),
        ("call", &[0xe8, 0, 0, 0, 0]),
        ("nop", &[0x90]),
        ("an instruction that is cut off", &[0x48]),
        ("a jump across", &[0xeb, 0x7f]),
    ];
    for (name, bytes) in last {
        add(all, format!("{name} at the end"), Act::AtTheEnd(bytes.to_vec()), SEGV);
    }
    add(all, String::from("int3 at the end"), Act::AtTheEnd(INT3.to_vec()), TRAP);
    add(
        all,
        String::from("syscall with the trap flag at the end"),
        Act::AtTheEnd(code(&[&rsp(0x1000), &[0x48, 0x8d, 0xa7, 0, 0x20, 0, 0], &flags(0x100), &call(GETPID)])),
        TRAP,
    );
}

/// Stack pointers that are none, where the kernel is entered.
fn stacks(all: &mut Vec<Attempt>) {
    for value in VALUES {
        let on = |bytes: &[u8]| code(&[&rsp(*value), bytes]);
        add(all, format!("push at {value:#x}"), Act::Code(on(&[0x50])), SEGV_OR_BUS);
        add(all, format!("syscall on {value:#x}"), Act::Code(on(&call(GETPID))), GOES_ON);
        add(all, format!("int3 on {value:#x}"), Act::Code(on(INT3)), TRAP);
        add(all, format!("a fault on {value:#x}"), Act::Code(code(&[&on(&[]), &[0x8a, 0x04, 0x25, 0, 0, 0, 0]])), SEGV);
        add(all, format!("a handler on {value:#x}"), Act::Handled(on(UD2)), SEGV);
        add(all, format!("an alternate stack at {value:#x}"), Act::OnStack(*value, UD2.to_vec()), SEGV);
        add(all, format!("rt_sigreturn on {value:#x}"), Act::Code(on(&call(RT_SIGRETURN))), SEGV);
        add(all, format!("iretq on {value:#x}"), Act::Code(on(&[0x48, 0xcf])), SEGV_OR_BUS);
    }
    // `lea rsp, [rdi + 0x4001]`: a stack of our own that is not aligned.
    let crooked = |bytes: &[u8]| code(&[&[0x48, 0x8d, 0xa7, 1, 0x40, 0, 0], bytes]);
    add(all, String::from("a handler on a crooked stack"), Act::Handled(crooked(UD2)), GOES_ON);
    add(all, String::from("rt_sigreturn on a crooked stack of zeros"), Act::Code(crooked(&call(RT_SIGRETURN))), SEGV);
}

/// Flags that a program can set or only try to, at each way into the kernel.
fn all_flags(all: &mut Vec<Attempt>) {
    let one = (0..32).map(|bit| 1_u32 << bit);
    for value in one.chain([0, 0x7fff_ffff, u32::MAX, 0x0047_fed5, 0x0004_4400]) {
        let traps = u64::from(value) & TRAP_FLAG != 0;
        let or_trap = |ends| if traps { TRAP } else { ends };
        let with = |bytes: &[u8]| Act::Code(code(&[&flags(value), bytes]));
        // The stack of a child is aligned, and what is behind a handler is the kernel's.
        add(all, format!("flags {value:#x}"), with(&[]), or_trap(GOES_ON));
        add(all, format!("syscall with flags {value:#x}"), with(&call(GETPID)), or_trap(GOES_ON));
        add(all, format!("int3 with flags {value:#x}"), with(INT3), TRAP);
        // `mov [rdi + 0x8000], al`: a page that is not there yet.
        add(all, format!("a new page with flags {value:#x}"), with(&[0x88, 0x87, 0, 0x80, 0, 0]), or_trap(GOES_ON));
        add(all, format!("a fault with flags {value:#x}"), with(&[0x8a, 0x04, 0x25, 0, 0, 0, 0]), SEGV);
        let handled = Act::Handled(code(&[&flags(value), UD2]));
        add(all, format!("a handler with flags {value:#x}"), handled, GOES_ON);
        // `read(0, rdi, 64)`: the kernel copies.
        let read = [&[0x48, 0x89, 0xfe, 0x31, 0xff, 0xba, 64, 0, 0, 0][..], &call(0)].concat();
        add(all, format!("read with flags {value:#x}"), with(&read), or_trap(GOES_ON));
    }
    // `mov [rdi + 1], rax` with AC: where the kernel lets the processor look.
    let crooked = code(&[&flags(1 << 18), &[0x48, 0x89, 0x47, 1]]);
    add(all, String::from("a crooked store with AC"), Act::Code(crooked), GOES_ON_OR_BUS);
    // A stack segment holds single steps up for one instruction.
    for (name, next, ends) in [("int3", INT3, TRAP), ("syscall", &call(GETPID)[..], TRAP), ("ud2", UD2, &[4, 5])] {
        let bytes = code(&[&[0xb8, 0x2b, 0, 0, 0], &[0x50, 0x68], &0x100_u32.to_le_bytes(), &[0x9d, 0x8e, 0xd0], next]);
        add(all, format!("single step, mov ss, {name}"), Act::Code(bytes), ends);
    }
}

/// Segments: every register with every kind of selector; far jumps into them.
fn segments(all: &mut Vec<Attempt>) {
    const SELECTORS: [u16; 20] =
        [0, 1, 3, 7, 8, 0x10, 0x13, 0x18, 0x1b, 0x23, 0x2b, 0x30, 0x33, 0x3b, 0x40, 0x43, 0x50, 0x7b, 0xfff8, 0xffff];
    for selector in SELECTORS {
        // Encoded as es, ss, ds, fs, gs.
        for (name, modrm) in [("es", 0xc0), ("ss", 0xd0), ("ds", 0xd8), ("fs", 0xe0), ("gs", 0xe8)] {
            let bytes = code(&[&rax(u64::from(selector)), &[0x8e, modrm], &call(GETPID), &[0x88, 0x07]]);
            add(all, format!("{name} is {selector:#x}"), Act::Code(bytes), ANY);
        }
        // lar, lsl, verr, verw.
        for (name, bytes) in [
            ("lar", &[0x0f, 0x02, 0xc0][..]),
            ("lsl", &[0x0f, 0x03, 0xc0]),
            ("verr", &[0x0f, 0, 0xe0]),
            ("verw", &[0x0f, 0, 0xe8]),
        ] {
            add(all, format!("{name} {selector:#x}"), Act::Code(code(&[&rax(u64::from(selector)), bytes])), GOES_ON);
        }
        // `iretq` to the instruction behind, in this code segment or on this stack segment, with all flags; `lretq`.
        let word = |value: u32| [&[0x68][..], &value.to_le_bytes()].concat();
        for (name, cs, ss) in [("cs", selector, 0x2b), ("ss", 0x33, selector)] {
            for flag_bits in [0x202_u32, 0x0024_7ed7, u32::MAX] {
                // `lea rax, [rip + 3]` (push rax, iretq).
                let there = [0x48, 0x8d, 0x05, 3, 0, 0, 0, 0x50, 0x48, 0xcf];
                let stack = [0x57]; // push rdi
                let bytes = code(&[&word(ss.into()), &stack, &word(flag_bits), &word(cs.into()), &there]);
                add(all, format!("iretq with {name} {selector:#x} and flags {flag_bits:#x}"), Act::Code(bytes), ANY);
            }
        }
        let there = [0x48, 0x8d, 0x05, 3, 0, 0, 0, 0x50, 0x48, 0xcb];
        add(all, format!("lretq to {selector:#x}"), Act::Code(code(&[&word(selector.into()), &there])), ANY);
    }
}

/// A table of segments that nobody loaded: what a processor takes for one after its reset begins at address zero. Each has
/// a gate into ring 0, or a segment of it, at an address that programs can map.
fn gates(all: &mut Vec<Attempt>) {
    const AT: usize = 0x8000;
    // A gate of 64 bits: where to, in the kernel's code segment; programs may use it. And code of ring 0, data.
    let gate = [0x0000_ec00_0010_0000_u64 | (AT as u64 + 0x100), 0];
    let code_segment = [0x00af_9b00_0000_ffff_u64, 0];
    let data_segment = [0x00cf_f300_0000_ffff_u64, 0];
    for (name, table, bytes) in [
        // `mov dword [rdi], 0; mov word [rdi + 4], selector; lcall [rdi]`.
        (
            "a call by a gate of its own",
            gate,
            &[0xc7, 0x07, 0, 0x81, 0, 0, 0x66, 0xc7, 0x47, 4, 7, 0x80, 0xff, 0x1f][..],
        ),
        (
            "a jump to a segment of its own",
            code_segment,
            &[0xc7, 0x07, 0, 0x81, 0, 0, 0x66, 0xc7, 0x47, 4, 7, 0x80, 0xff, 0x2f],
        ),
        // `mov eax, selector; mov ds, eax`.
        ("a segment of its own", data_segment, &[0xb8, 7, 0x80, 0, 0, 0x8e, 0xd8]),
    ] {
        let table: Vec<u8> = table.iter().flat_map(|word| word.to_le_bytes()).collect();
        add(all, String::from(name), Act::Mapped(AT, table, bytes.to_vec()), SEGV);
    }
}

/// What programs may not execute, and what kernels answer.
fn instructions(all: &mut Vec<Attempt>) {
    for vector in 0..=255_u8 {
        let ends = match vector {
            3 => TRAP,
            // Linux for 32 bits, where there is one.
            0x80 => ANY,
            _ => SEGV,
        };
        add(all, format!("int {vector:#x}"), Act::Code(code(&[&rax(u64::MAX), &[0xcd, vector]])), ends);
    }
    let bytes: &[(&str, &[u8], Ends)] = &[
        ("hlt", &[0xf4], SEGV),
        ("cli", &[0xfa], SEGV),
        ("sti", &[0xfb], SEGV),
        ("in al, dx", &[0xec], SEGV),
        ("out dx, al", &[0xee], SEGV),
        ("in eax, 0x80", &[0xe5, 0x80], SEGV),
        ("out 0xf4, al", &[0xe6, 0xf4], SEGV),
        ("insb", &[0x6c], SEGV),
        ("rep outsb", &[0xf3, 0x6e], SEGV),
        ("lgdt [rdi]", &[0x0f, 0x01, 0x17], SEGV),
        ("lidt [rdi]", &[0x0f, 0x01, 0x1f], SEGV),
        ("lldt ax", &[0x0f, 0x00, 0xd0], SEGV),
        ("ltr ax", &[0x0f, 0x00, 0xd8], SEGV),
        ("lmsw ax", &[0x0f, 0x01, 0xf0], SEGV),
        ("clts", &[0x0f, 0x06], SEGV),
        ("invd", &[0x0f, 0x08], SEGV_OR_QEMU),
        ("wbinvd", &[0x0f, 0x09], SEGV_OR_QEMU),
        ("invlpg [rdi]", &[0x0f, 0x01, 0x3f], SEGV),
        ("wrmsr", &[0x0f, 0x30], SEGV),
        ("rdmsr", &[0x0f, 0x32], SEGV),
        ("rdpmc", &[0x0f, 0x33], ANY),
        ("sysretq", &[0x48, 0x0f, 0x07], SEGV),
        ("sysretl", &[0x0f, 0x07], SEGV),
        ("sysenter", &[0x0f, 0x34], ANY),
        ("sysexit", &[0x48, 0x0f, 0x35], &[11, 4]),
        ("swapgs", &[0x0f, 0x01, 0xf8], SEGV),
        ("mov cr0, rax", &[0x0f, 0x22, 0xc0], SEGV),
        ("mov rax, cr0", &[0x0f, 0x20, 0xc0], SEGV),
        ("mov rax, cr2", &[0x0f, 0x20, 0xd0], SEGV),
        ("mov cr3, rax", &[0x0f, 0x22, 0xd8], SEGV),
        ("mov cr4, rax", &[0x0f, 0x22, 0xe0], SEGV),
        ("mov cr8, rax", &[0x44, 0x0f, 0x22, 0xc0], SEGV),
        ("mov dr7, rax", &[0x0f, 0x23, 0xf8], SEGV),
        ("mov rax, dr7", &[0x0f, 0x21, 0xf8], SEGV),
        ("xsetbv", &[0x0f, 0x01, 0xd1], SEGV),
        ("monitor", &[0x0f, 0x01, 0xc8], ILL),
        ("mwait", &[0x0f, 0x01, 0xc9], ILL),
        ("vmcall", &[0x0f, 0x01, 0xc1], ANY),
        ("vmmcall", &[0x0f, 0x01, 0xd9], ANY),
        ("vmlaunch", &[0x0f, 0x01, 0xc2], ANY),
        ("vmrun", &[0x0f, 0x01, 0xd8], ANY),
        ("clgi", &[0x0f, 0x01, 0xdd], ANY),
        ("stac", &[0x0f, 0x01, 0xcb], ILL),
        ("clac", &[0x0f, 0x01, 0xca], ILL),
        ("invpcid rax, [rdi]", &[0x66, 0x0f, 0x38, 0x82, 0x07], ANY),
        ("rsm", &[0x0f, 0xaa], ILL),
        ("ud1", &[0x0f, 0xb9, 0xc0], ILL),
        ("ud2", UD2, ILL),
        ("int3", INT3, TRAP),
        // QEMU 7 knows no such instruction, and below it locks what cannot be locked.
        ("int1", &[0xf1], &[5, 4]),
        ("into", &[0xce], &[4, 0]),
        ("bound", &[0x62, 0x07], ILL),
        ("push es", &[0x06], ILL),
        ("lock nop", &[0xf0, 0x90], ILL),
        ("lock mov", &[0xf0, 0x88, 0x07], &[4, 0]),
        (
            "sixteen prefixes",
            &[0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90],
            SEGV,
        ),
        ("sgdt [rdi]", &[0x0f, 0x01, 0x07], GOES_ON),
        ("sidt [rdi]", &[0x0f, 0x01, 0x0f], GOES_ON),
        ("sldt eax", &[0x0f, 0x00, 0xc0], GOES_ON),
        ("str eax", &[0x0f, 0x00, 0xc8], GOES_ON),
        ("smsw eax", &[0x0f, 0x01, 0xe0], GOES_ON),
        ("rdtsc", &[0x0f, 0x31], GOES_ON),
        ("cpuid", &[0x0f, 0xa2], GOES_ON),
        ("xgetbv", &[0x31, 0xc9, 0x0f, 0x01, 0xd0], GOES_ON),
        ("xgetbv of nothing", &[0xb9, 9, 0, 0, 0, 0x0f, 0x01, 0xd0], SEGV),
        ("xrstor [rdi] of zeros", &[0x83, 0xc8, 0xff, 0x99, 0x0f, 0xae, 0x2f], GOES_ON),
        ("xrstor [rdi + 1]", &[0x0f, 0xae, 0x6f, 1], SEGV),
        ("fxrstor [rdi + 1]", &[0x0f, 0xae, 0x4f, 1], SEGV),
        ("xsaves [rdi]", &[0x0f, 0xc7, 0x2f], ANY),
        ("ldmxcsr of ones", &[0xc7, 0x07, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xae, 0x17], SEGV_OR_QEMU),
        ("wrpkru", &[0x31, 0xc0, 0x31, 0xc9, 0x31, 0xd2, 0x0f, 0x01, 0xef], ANY),
        ("wrpkru of ones", &[0x83, 0xc8, 0xff, 0x31, 0xc9, 0x31, 0xd2, 0x0f, 0x01, 0xef], ANY),
        ("rdrand", &[0x48, 0x0f, 0xc7, 0xf0], ANY),
        ("xbegin", &[0xc7, 0xf8, 0, 0, 0, 0], ANY),
        ("umwait", &[0xf2, 0x0f, 0xae, 0xf0], ANY),
        ("senduipi", &[0xf3, 0x0f, 0xc7, 0xf0], ANY),
        ("ptwrite", &[0xf3, 0x0f, 0xae, 0xe0], ANY),
    ];
    for (name, bytes, ends) in bytes {
        // What a program would want of them: a register whose bits are all set.
        add(all, String::from(*name), Act::Code(code(&[&rax(u64::MAX), bytes])), ends);
    }
}

/// Arithmetic that traps, and memory that is not aligned.
fn arithmetic(all: &mut Vec<Attempt>) {
    let bytes: &[(&str, &[u8], Ends)] = &[
        ("division by zero", &[0x31, 0xc9, 0xf7, 0xf1], FPE),
        ("division that overflows", &[0xb8, 0, 0, 0, 0x80, 0x99, 0x83, 0xc9, 0xff, 0xf7, 0xf9], FPE),
        // Control words with every exception let through, then 0 / 0: `fldcw; fldz; fldz; fdivp; fwait`.
        ("x87 division", &[0xc7, 0x07, 0x40, 3, 0, 0, 0xd9, 0x2f, 0xd9, 0xee, 0xd9, 0xee, 0xde, 0xf9, 0x9b], FPE),
        // ... and no wait, so that it is pending when the kernel is entered.
        (
            "x87 division left pending",
            &[0xc7, 0x07, 0x40, 3, 0, 0, 0xd9, 0x2f, 0xd9, 0xee, 0xd9, 0xee, 0xde, 0xf9],
            GOES_ON,
        ),
        ("SSE division", &[0xc7, 0x07, 0, 0, 0, 0, 0x0f, 0xae, 0x17, 0x0f, 0x57, 0xc0, 0x0f, 0x5e, 0xc0], &[8, 0]),
        ("crooked movaps", &[0x0f, 0x28, 0x47, 1], SEGV),
        ("crooked cmpxchg16b", &[0x48, 0x0f, 0xc7, 0x4f, 1], SEGV),
        ("lock xadd across words", &[0xf0, 0x0f, 0xc1, 0x47, 1], GOES_ON),
        ("lock xadd across lines", &[0xf0, 0x0f, 0xc1, 0x47, 0x3f], GOES_ON_OR_BUS),
        ("lock xadd across pages", &[0xf0, 0x0f, 0xc1, 0x87, 0xff, 0x0f, 0, 0], GOES_ON_OR_BUS),
        ("emms with a full stack", &[0xd9, 0xe8, 0x0f, 0x77], GOES_ON),
    ];
    for (name, bytes, ends) in bytes {
        add(all, String::from(*name), Act::Code(bytes.to_vec()), ends);
    }
}

/// Frames and instructions by chance, the same at every run.
fn chance(all: &mut Vec<Attempt>) {
    let mut chance = Chance::new(3);
    for number in 0..64 {
        let mut words = Vec::new();
        for at in (0..CONTEXT_LEN).step_by(8).filter(|at| ![0, PC_AT, SEGMENTS_AT, FP_POINTER_AT].contains(at)) {
            let keep = if at == FLAGS_AT { !TRAP_FLAG } else { u64::MAX };
            words.push((Where::Context, at, chance.next() & keep));
        }
        add(all, format!("random registers {number}"), Act::Frame(words), GOES_ON);
        let words = (0..CONTEXT_LEN).step_by(8).map(|at| (Where::Context, at, chance.next())).collect();
        add(all, format!("random frame {number}"), Act::Frame(words), SEGV);
        // What lies behind the first 640 bytes is told by the words in front.
        let state = (0..640).step_by(8).map(|at| (Where::FloatingPoint, at, chance.next()));
        let keep =
            |(_, at, _): &(Where, usize, u64)| number % 2 == 0 || !(464..512).contains(at) && !(512..576).contains(at);
        add(all, format!("random state {number}"), Act::Frame(state.filter(keep).collect()), ANY);
    }
    for number in 0..64 {
        let mut bytes: Vec<u8> = (0..8).flat_map(|_| chance.next().to_le_bytes()).collect();
        // No calls of the kernel that nobody chose.
        bytes.iter_mut().filter(|byte| [0x05, 0x34, 0x80].contains(*byte)).for_each(|byte| *byte = 0x90);
        add(all, format!("random instructions {number}"), Act::Code(bytes), OR_LOOPS);
    }
}
