//! RISC-V: the instructions, and what is in a frame.
#![expect(unsafe_code, reason = "jumps to code that it has written")]

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::arch::asm;

use kernel_abi::structs::UcontextRiscv;

use crate::attempt::{ANY, Act, Attempt, Ends, GOES_ON, GOES_ON_OR_BUS, ILL, OR_LOOPS, SEGV, SEGV_OR_BUS, TRAP, Where};
use crate::values::{Chance, VALUES};

/// `li a0, 42; li a7, 94; ecall; unimp`: exit_group(2), from any registers.
pub(crate) const TAIL: &[u8] = &[0x13, 0x05, 0xa0, 0x02, 0x93, 0x08, 0xe0, 0x05, 0x73, 0, 0, 0, 0, 0];
/// `ret`, as a handler.
pub(crate) const RETURN: [u8; 4] = [0x67, 0x80, 0, 0];

/// Where the registers begin in `struct ucontext`, `pc` first; the floating-point ones are among them.
const REGISTERS: usize = core::mem::offset_of!(UcontextRiscv, uc_mcontext);
pub(crate) const PC_AT: usize = REGISTERS;
pub(crate) const FP_POINTER_AT: usize = 0;
const FP_AT: usize = REGISTERS + 256;
/// Behind f0 to f31 and fcsr: room for extensions, and their header.
const EXTENSIONS_AT: usize = FP_AT + 33 * 8;
const CONTEXT_LEN: usize = size_of::<UcontextRiscv>();

const T0: u32 = 5;
const SP: u32 = 2;
const A0: u32 = 10;
const GETPID: u32 = 172;
const READ: u32 = 63;
const RT_SIGRETURN: u32 = 139;
const UNIMP: u32 = 0;
const EBREAK: u32 = 0x10_0073;
const ECALL: u32 = 0x73;

/// Where the floating-point state lies.
pub(crate) fn fp_state(context: usize, _pointer: usize) -> usize {
    context + FP_AT
}

/// Code in memory can be executed.
pub(crate) fn code_written() {
    // SAFETY: forgetting instructions is harmless.
    unsafe { asm!("fence.i", options(nostack)) };
}

/// Goes to `at`, with `own` in `a0`.
///
/// # Safety
/// 1. The program has nothing more to do.
pub(crate) unsafe fn jump(at: usize, own: usize) -> ! {
    // SAFETY: the caller's promise.
    unsafe { asm!("jr {}", in(reg) at, in("a0") own, options(noreturn)) }
}

/// The address of a handler that returns at once, written at `at`.
pub(crate) fn returning_handler(at: &usize) -> u64 {
    *at as u64
}

/// `auipc rd, 0; ld rd, 12(rd); j over the value`.
fn load(register: u32, value: u64) -> Vec<u8> {
    let (auipc, ld) = (0x17 | register << 7, 0x3003 | register << 7 | register << 15 | 12 << 20);
    code(&[&words(&[auipc, ld, 0x00c0_006f]), &value.to_le_bytes()])
}

/// `addi rd, zero, value`.
const fn li(register: u32, value: u32) -> u32 {
    0x13 | register << 7 | value << 20
}

/// `csrrw zero, csr, t0`, `csrrs t0, csr, zero`.
const fn csr_write(number: u32) -> u32 {
    0x1073 | T0 << 15 | number << 20
}

const fn csr_read(number: u32) -> u32 {
    0x2073 | T0 << 7 | number << 20
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn code(pieces: &[&[u8]]) -> Vec<u8> {
    pieces.concat()
}

/// A system call with the other registers as they are.
fn call(number: u32) -> Vec<u8> {
    words(&[li(17, number), ECALL])
}

/// Everything but the table's rows.
pub(crate) fn attempts() -> Vec<Attempt> {
    let mut all = Vec::new();
    frames(&mut all);
    addresses(&mut all);
    stacks(&mut all);
    registers(&mut all);
    instructions(&mut all);
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
                PC_AT => SEGV,
                // The last word: how long the next extension is, and which.
                _ if at >= EXTENSIONS_AT => ANY,
                _ => GOES_ON,
            };
            add(all, format!("frame word {at} is {value:#x}"), Act::Frame(vec![(Where::Context, at, *value)]), ends);
        }
    }
    for bit in 0..64 {
        let control = vec![(Where::FloatingPoint, 256, 1 << bit)];
        add(all, format!("frame with bit {bit} of fcsr"), Act::Frame(control), GOES_ON);
        let extension = vec![(Where::Context, CONTEXT_LEN - 8, 1 << bit)];
        add(all, format!("frame with bit {bit} of an extension"), Act::Frame(extension), ANY);
    }
    // The vector extension's header, with a length.
    for length in [8_u64, 16, 264, 0xffff_fff0] {
        let header = vec![(Where::Context, CONTEXT_LEN - 8, 0x5346_5457 | length << 32)];
        add(all, format!("frame with a vector state of {length}"), Act::Frame(header), ANY);
    }
}

/// Executes at, reads and writes addresses that are none.
fn addresses(all: &mut Vec<Attempt>) {
    let kinds: &[(&str, u32, Ends)] = &[
        ("jr", 0x67 | T0 << 15, SEGV),
        ("jalr ra", 0xe7 | T0 << 15, SEGV),
        ("lb", 0x3 | T0 << 15, SEGV),
        ("ld", 0x3003 | T0 << 15, SEGV_OR_BUS),
        ("sb", 0x23 | T0 << 15, SEGV),
        ("sd", 0x3023 | T0 << 15, SEGV_OR_BUS),
        ("fld", 0x3007 | T0 << 15, SEGV_OR_BUS),
        ("lr.d", 0x1000_302f | T0 << 15, SEGV_OR_BUS),
        ("sc.d", 0x1800_302f | T0 << 15, ANY),
        ("amoadd.d", 0x302f | T0 << 15, SEGV_OR_BUS),
        ("cbo.zero", 0x0040_200f | T0 << 15, ANY),
        ("prefetch.r", 0x0010_6013 | T0 << 15, GOES_ON),
    ];
    for value in VALUES {
        for (name, word, ends) in kinds {
            add(all, format!("{name} at {value:#x}"), Act::Code(code(&[&load(T0, *value), &words(&[*word])])), ends);
        }
        add(all, format!("handler at {value:#x}"), Act::Handler((*value).max(2), 0, words(&[UNIMP])), SEGV);
        // There is no way back that programs choose: the handler returns to the instruction, and again.
    }
    let last: &[(&str, Vec<u8>, Ends)] = &[
        ("ecall", call(GETPID), SEGV),
        ("nop", words(&[0x13]), SEGV),
        ("a short nop", vec![1, 0], SEGV),
        ("ebreak", words(&[EBREAK]), TRAP),
        ("a short ebreak", vec![2, 0x90], TRAP),
        ("a jump across", words(&[0x1000_006f]), SEGV),
        ("an instruction that is cut off", vec![0x73, 0], SEGV),
    ];
    for (name, bytes, ends) in last {
        add(all, format!("{name} at the end"), Act::AtTheEnd(bytes.clone()), ends);
    }
    // Low memory is as good as any, where a program may have it (vm.mmap_min_addr).
    let there = code(&[&load(T0, 0x8000), &words(&[0x67 | T0 << 15])]);
    add(all, String::from("a low page"), Act::Mapped(0x8000, words(&[EBREAK]), there), &[5, 11]);
    // An odd address is one below, and half an instruction another one: both go on.
    add(
        all,
        String::from("a jump to an odd address"),
        Act::Code(words(&[0x17 | T0 << 7, 0x67 | T0 << 15 | 9 << 20])),
        GOES_ON,
    );
}

/// Stack pointers that are none, where the kernel is entered.
fn stacks(all: &mut Vec<Attempt>) {
    for value in VALUES {
        let on = |bytes: &[u8]| code(&[&load(SP, *value), bytes]);
        add(all, format!("ecall on {value:#x}"), Act::Code(on(&call(GETPID))), GOES_ON);
        add(all, format!("ebreak on {value:#x}"), Act::Code(on(&words(&[EBREAK]))), TRAP);
        add(all, format!("a fault on {value:#x}"), Act::Code(on(&words(&[0x3003]))), SEGV);
        add(all, format!("a handler on {value:#x}"), Act::Handled(on(&words(&[UNIMP]))), SEGV);
        add(all, format!("an alternate stack at {value:#x}"), Act::OnStack(*value, words(&[UNIMP])), SEGV);
        add(all, format!("rt_sigreturn on {value:#x}"), Act::Code(on(&call(RT_SIGRETURN))), SEGV);
    }
    // `addi sp, a0, 0x7f1`: a stack of our own that is not aligned.
    let crooked = |bytes: &[u8]| code(&[&words(&[0x13 | SP << 7 | A0 << 15 | 0x7f1 << 20]), bytes]);
    add(all, String::from("a handler on a crooked stack"), Act::Handled(crooked(&words(&[UNIMP]))), ANY);
    add(all, String::from("rt_sigreturn on a crooked stack of zeros"), Act::Code(crooked(&call(RT_SIGRETURN))), SEGV);
}

/// Every register is hostile at each way into the kernel.
fn registers(all: &mut Vec<Attempt>) {
    for register in (1..32).filter(|register| *register != 17) {
        for value in [0, 1, 0x7fff_ffff_f000, 0xffff_8000_0000_0000, u64::MAX] {
            let with = |bytes: &[u8]| Act::Code(code(&[&load(register, value), bytes]));
            add(all, format!("ecall with x{register} = {value:#x}"), with(&call(GETPID)), GOES_ON);
            add(all, format!("ebreak with x{register} = {value:#x}"), with(&words(&[EBREAK])), TRAP);
        }
    }
    for bit in 0..64 {
        // fcsr and its halves, then a sum whose rounding they choose: `fadd.d f0, f0, f0, dyn`.
        for (name, csr) in [("fflags", 1), ("frm", 2), ("fcsr", 3)] {
            let write = code(&[&load(T0, 1 << bit), &words(&[csr_write(csr)])]);
            add(all, format!("{name} with bit {bit}"), Act::Code(write.clone()), GOES_ON);
            let sum = code(&[&write, &words(&[0x0200_7053]), &call(GETPID)]);
            add(all, format!("a sum with bit {bit} of {name}"), Act::Code(sum), &[0, 4]);
        }
    }
    for rounding in 0..8 {
        let sum = words(&[li(T0, rounding), csr_write(2), 0x0200_7053]);
        add(all, format!("a sum rounded by {rounding}"), Act::Code(sum), if rounding < 5 { GOES_ON } else { ILL });
    }
}

/// What programs may not execute, and what kernels answer.
fn instructions(all: &mut Vec<Attempt>) {
    let table: &[(&str, u32, Ends)] = &[
        ("sret", 0x1020_0073, ILL),
        ("mret", 0x3020_0073, ILL),
        ("uret", 0x0020_0073, ILL),
        ("wfi", 0x1050_0073, &[4, 0]),
        ("sfence.vma", 0x1200_0073, ILL),
        ("sinval.vma", 0x1600_0073, ILL),
        ("hfence.vvma", 0x2200_0073, ILL),
        ("hfence.gvma", 0x6200_0073, ILL),
        ("hlv.d", 0x6c00_4073, ILL),
        ("ebreak", EBREAK, TRAP),
        ("fence.i", 0x0000_100f, GOES_ON),
        ("pause", 0x0100_000f, GOES_ON),
        ("wrs.nto", 0x00d0_0073, ANY),
        ("zeros", 0, ILL),
        ("ones", u32::MAX, ILL),
        ("vsetvli", 0x0c00_7057, ILL),
        ("vle8.v", 0x0205_0007, ILL),
        ("cbo.inval", 0x0000_200f | A0 << 15, &[0, 4, 11]),
        ("cbo.clean", 0x0010_200f | A0 << 15, &[0, 4, 11]),
        ("a custom instruction", 0x0000_000b, ILL),
        ("crooked lr.w", 0x1000_202f | 6 << 15, SEGV_OR_BUS),
    ];
    for (name, word, ends) in table {
        // t1 is an address of our own that is not aligned.
        let bytes = words(&[0x13 | 6 << 7 | A0 << 15 | 1 << 20, *word]);
        add(all, String::from(*name), Act::Code(bytes), ends);
    }
    // Loads, stores and atomics where they are not aligned; across lines and pages.
    for (name, word) in [
        ("lw", 0x2003),
        ("ld", 0x3003),
        ("sd", 0x3023),
        ("amoadd.w", 0x202f),
        ("amoadd.d", 0x302f),
        ("sc.w", 0x1800_202f),
    ] {
        for offset in [1, 2, 0x3f, 0x7ff] {
            let bytes = words(&[0x13 | 6 << 7 | A0 << 15 | offset << 20, word | 6 << 15]);
            add(all, format!("crooked {name} at {offset}"), Act::Code(bytes), GOES_ON_OR_BUS);
        }
    }
    // Every register of control that there is a name for, and every hundredth that there is none for.
    let named = [
        0x100, 0x104, 0x105, 0x106, 0x10a, 0x140, 0x141, 0x142, 0x143, 0x144, 0x14d, 0x180, 0x200, 0x280, 0x300, 0x302,
        0x304, 0x305, 0x340, 0x341, 0x3a0, 0x3b0, 0x5a8, 0x600, 0x680, 0x7a0, 0x7b0, 0xb00, 0xc00, 0xc01, 0xc02, 0xc03,
        0xc20, 0xda0, 0xf11, 0xf14, 8, 9, 0xa, 0xf, 0x15, 0x17,
    ];
    for number in named.into_iter().chain((0..0x1000).step_by(97)) {
        // The counters and the floating-point unit are everybody's, or the kernel's to lend.
        let ends = if number >> 8 & 3 == 0 { ANY } else { ILL };
        add(all, format!("csr {number:#x} read"), Act::Code(words(&[csr_read(number)])), ends);
        let write = code(&[&load(T0, u64::MAX), &words(&[csr_write(number)])]);
        add(all, format!("csr {number:#x} written"), Act::Code(write), ends);
    }
    // `read(0, own, 64)` with a register of the kernel's: the kernel copies.
    let read = code(&[&words(&[0x13 | 11 << 7 | A0 << 15, li(A0, 0), li(12, 64)]), &call(READ)]);
    add(all, String::from("read"), Act::Code(read), GOES_ON);
}

/// Frames and instructions by chance, the same at every run.
fn chance(all: &mut Vec<Attempt>) {
    let mut chance = Chance::new(3);
    for number in 0..64 {
        let mut words = Vec::new();
        for at in (0..EXTENSIONS_AT).step_by(8).filter(|at| *at != PC_AT) {
            words.push((Where::Context, at, chance.next()));
        }
        add(all, format!("random registers {number}"), Act::Frame(words), GOES_ON);
        let words = (0..EXTENSIONS_AT).step_by(8).map(|at| (Where::Context, at, chance.next())).collect();
        add(all, format!("random frame {number}"), Act::Frame(words), SEGV);
        let words = (0..CONTEXT_LEN).step_by(8).filter(|at| *at != PC_AT);
        add(
            all,
            format!("random extensions {number}"),
            Act::Frame(words.map(|at| (Where::Context, at, chance.next())).collect()),
            ANY,
        );
    }
    for number in 0..128 {
        let mut bytes: Vec<u8> = (0..8).flat_map(|_| chance.next().to_le_bytes()).collect();
        // No calls of the kernel that nobody chose.
        bytes.iter_mut().filter(|byte| **byte == 0x73).for_each(|byte| *byte = 1);
        add(all, format!("random instructions {number}"), Act::Code(bytes), OR_LOOPS);
    }
}
