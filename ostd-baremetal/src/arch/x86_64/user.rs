//! User mode: into it by `sysret` or `iret`, out of it by `syscall` or a trap. And the switch of kernel stacks.
#![expect(unsafe_code, reason = "enters user mode and switches stacks")]

use core::arch::naked_asm;
use core::mem::offset_of;

use ostd_hal::user::{Access, Exception, PageFault};
use ostd_hal::{SyscallFrame, Trap, UserState, Vaddr};

use super::cpu::{KERNEL_CODE, PerCpu, TRAP_STACK, USER_BASE, USER_CODE, USER_DATA};
use super::trap::{FIRST_INTERRUPT, NON_MASKABLE, PAGE_FAULT, SYSTEM_CALL, fault_address, user_error};
use super::{Regs, apic, user_end, wrmsr};

const STAR: u32 = 0xc000_0081;
const LSTAR: u32 = 0xc000_0082;
const CSTAR: u32 = 0xc000_0083;
const SFMASK: u32 = 0xc000_0084;
const FS_BASE: u32 = 0xc000_0100;
/// What `swapgs` exchanges with the base of `gs`: in the kernel, the program's.
const USER_GS_BASE: u32 = 0xc000_0102;

/// Flags that a program may change: carry, parity, adjust, zero, sign, trap, direction, overflow, resume, alignment
/// check, identification.
const USER_FLAGS: u64 = 0x25_0dd5 | 1 << 16;
/// Flags that are always set in user mode: the reserved one, and interrupts.
const ALWAYS_FLAGS: u64 = 1 << 1 | 1 << 9;
/// The trap flag: `sysret` would raise it one instruction late.
const TRAP_OR_RESUME: u64 = 1 << 8 | 1 << 16;
/// Flags cleared when a system call enters the kernel: everything that could matter.
const CLEARED_ON_ENTRY: u64 = 0x25_7fd5;

/// Tells the CPU where system calls enter.
pub(super) fn start() {
    let star = u64::from(USER_BASE) << 48 | u64::from(KERNEL_CODE) << 32;
    let entry = system_call as *const () as u64;
    // SAFETY: the selectors are those of our segments; the entry saves everything; compatibility mode has no segment.
    unsafe {
        wrmsr(STAR, star);
    }
    // SAFETY: as above.
    unsafe { wrmsr(LSTAR, entry) };
    // SAFETY: 32-bit programs do not exist here, so nothing enters by this one.
    unsafe { wrmsr(CSTAR, entry) };
    // SAFETY: as above.
    unsafe { wrmsr(SFMASK, CLEARED_ON_ENTRY) };
}

/// In a page fault's error code: the page is there; the access was made with the program's own rights.
const PRESENT: u64 = 1;
const BY_PROGRAM: u64 = 1 << 2;

/// Runs the program until it traps. Called with interrupts kept away; returns so.
///
/// # Safety
/// 1. The address space in force is the program's, and its kernel half is the kernel's.
pub(crate) unsafe fn user_run(state: &mut UserState<Regs>) -> Trap {
    let regs = &mut state.regs;
    regs.rflags = regs.rflags & USER_FLAGS | ALWAYS_FLAGS;
    // Neither `iret` nor `sysret` may be given an address that no program can have: they would fault in the kernel.
    // Linux's programs get a general protection fault for it.
    if regs.rip as usize >= user_end() + 4096 {
        state.frame = frame_of(regs);
        return Trap::Exception(Exception::GeneralProtection);
    }
    let base = |base: u64| if (base as usize) < user_end() { base } else { 0 };
    // SAFETY: an address of the lower half, as the registers demand; only the program uses them.
    unsafe { wrmsr(FS_BASE, base(regs.fs_base)) };
    // SAFETY: as above.
    unsafe { wrmsr(USER_GS_BASE, base(regs.gs_base)) };
    let short = regs.rcx == regs.rip && regs.r11 == regs.rflags && regs.rflags & TRAP_OR_RESUME == 0;
    // SAFETY: `regs` is ours until the program is left; flags and address are what user mode may have; the address space
    // is the caller's promise.
    let vector = unsafe { enter(regs, u64::from(short)) };
    let trap = match vector {
        SYSTEM_CALL => Trap::Syscall,
        // What the processor did with the kernel's rights in the program's name, and was not allowed to with a page that is
        // there, no page table will ever allow. QEMU 7 reads the stack so for a program's `iretq`, against SMAP.
        PAGE_FAULT if user_error() & (PRESENT | BY_PROGRAM) == PRESENT => Trap::Exception(Exception::GeneralProtection),
        PAGE_FAULT => {
            let error = user_error();
            let access = match error {
                error if error & 1 << 4 != 0 => Access::Execute,
                error if error & 1 << 1 != 0 => Access::Write,
                _ => Access::Read,
            };
            Trap::PageFault(PageFault { addr: Vaddr::new(fault_address() as usize), access })
        }
        vector if vector >= FIRST_INTERRUPT => {
            apic::deliver(vector);
            Trap::Interrupt
        }
        vector => {
            if vector == NON_MASKABLE as u64 {
                crate::halt::obey();
            }
            Trap::Exception(exception(vector))
        }
    };
    state.frame = frame_of(&state.regs);
    trap
}

fn frame_of(regs: &Regs) -> SyscallFrame {
    SyscallFrame {
        number: regs.orig_rax as usize,
        args: [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9].map(|arg| arg as usize),
        ip: regs.rip as usize,
        sp: regs.rsp as usize,
    }
}

/// What the kernel above calls an exception (Intel SDM volume 3, chapter 6.15).
fn exception(vector: u64) -> Exception {
    match vector {
        0 => Exception::DivideError,
        1 => Exception::Debug,
        3 => Exception::Breakpoint,
        6 => Exception::InvalidInstruction,
        // Segment not present, stack segment.
        11 | 12 => Exception::Bus(Vaddr::new(0)),
        7 | 16 | 19 => Exception::FloatingPoint,
        17 => Exception::Alignment(Vaddr::new(0)),
        _ => Exception::GeneralProtection,
    }
}

/// Enters user mode with `regs`, by `sysret` if `short`; returns the vector of what left it.
///
/// # Safety
/// 1. `regs` stays valid and unborrowed until the return.
/// 2. Its `rip` is canonical, and its flags are a program's.
#[unsafe(naked)]
unsafe extern "C" fn enter(regs: *mut Regs, short: u64) -> u64 {
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov gs:[{user_regs}], rdi",
        "mov gs:[{kernel_stack}], rsp",
        "mov gs:[{trap_stack}], rsp",
        "mov r15, [rdi + {r15}]",
        "mov r14, [rdi + {r14}]",
        "mov r13, [rdi + {r13}]",
        "mov r12, [rdi + {r12}]",
        "mov rbp, [rdi + {rbp}]",
        "mov rbx, [rdi + {rbx}]",
        "mov r10, [rdi + {r10}]",
        "mov r9, [rdi + {r9}]",
        "mov r8, [rdi + {r8}]",
        "mov rax, [rdi + {rax}]",
        "mov rdx, [rdi + {rdx}]",
        "test rsi, rsi",
        "mov rsi, [rdi + {rsi}]",
        "jnz 2f",
        "push {user_data}",
        "push [rdi + {rsp}]",
        "push [rdi + {rflags}]",
        "push {user_code}",
        "push [rdi + {rip}]",
        "mov r11, [rdi + {r11}]",
        "mov rcx, [rdi + {rcx}]",
        "mov rdi, [rdi + {rdi}]",
        "swapgs",
        "iretq",
        "2:",
        "mov rcx, [rdi + {rip}]",
        "mov r11, [rdi + {rflags}]",
        "mov rsp, [rdi + {rsp}]",
        "mov rdi, [rdi + {rdi}]",
        "swapgs",
        "sysretq",
        user_regs = const offset_of!(PerCpu, user_regs),
        kernel_stack = const offset_of!(PerCpu, kernel_stack),
        trap_stack = const TRAP_STACK,
        user_data = const USER_DATA,
        user_code = const USER_CODE,
        r15 = const offset_of!(Regs, r15), r14 = const offset_of!(Regs, r14), r13 = const offset_of!(Regs, r13),
        r12 = const offset_of!(Regs, r12), rbp = const offset_of!(Regs, rbp), rbx = const offset_of!(Regs, rbx),
        r11 = const offset_of!(Regs, r11), r10 = const offset_of!(Regs, r10), r9 = const offset_of!(Regs, r9),
        r8 = const offset_of!(Regs, r8), rax = const offset_of!(Regs, rax), rcx = const offset_of!(Regs, rcx),
        rdx = const offset_of!(Regs, rdx), rsi = const offset_of!(Regs, rsi), rdi = const offset_of!(Regs, rdi),
        rip = const offset_of!(Regs, rip), rflags = const offset_of!(Regs, rflags), rsp = const offset_of!(Regs, rsp),
    )
}

/// Where `syscall` leads. Interrupts are off; nothing but `gs` can be trusted. `rcx` is the program's address and `r11`
/// its flags, which Linux shows it as well.
#[unsafe(naked)]
unsafe extern "C" fn system_call() {
    naked_asm!(
        "swapgs",
        "mov gs:[{scratch}], rsp",
        "mov rsp, gs:[{user_regs}]",
        "mov [rsp + {r15}], r15",
        "mov [rsp + {r14}], r14",
        "mov [rsp + {r13}], r13",
        "mov [rsp + {r12}], r12",
        "mov [rsp + {rbp}], rbp",
        "mov [rsp + {rbx}], rbx",
        "mov [rsp + {r11}], r11",
        "mov [rsp + {r10}], r10",
        "mov [rsp + {r9}], r9",
        "mov [rsp + {r8}], r8",
        "mov [rsp + {rax}], rax",
        "mov [rsp + {orig_rax}], rax",
        "mov [rsp + {rcx}], rcx",
        "mov [rsp + {rip}], rcx",
        "mov [rsp + {rflags}], r11",
        "mov [rsp + {rdx}], rdx",
        "mov [rsp + {rsi}], rsi",
        "mov [rsp + {rdi}], rdi",
        "mov rax, gs:[{scratch}]",
        "mov [rsp + {rsp}], rax",
        "mov rsp, gs:[{kernel_stack}]",
        "mov eax, {system_call}",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
        scratch = const offset_of!(PerCpu, scratch),
        user_regs = const offset_of!(PerCpu, user_regs),
        kernel_stack = const offset_of!(PerCpu, kernel_stack),
        system_call = const SYSTEM_CALL,
        r15 = const offset_of!(Regs, r15), r14 = const offset_of!(Regs, r14), r13 = const offset_of!(Regs, r13),
        r12 = const offset_of!(Regs, r12), rbp = const offset_of!(Regs, rbp), rbx = const offset_of!(Regs, rbx),
        r11 = const offset_of!(Regs, r11), r10 = const offset_of!(Regs, r10), r9 = const offset_of!(Regs, r9),
        r8 = const offset_of!(Regs, r8), rax = const offset_of!(Regs, rax), rcx = const offset_of!(Regs, rcx),
        rdx = const offset_of!(Regs, rdx), rsi = const offset_of!(Regs, rsi), rdi = const offset_of!(Regs, rdi),
        orig_rax = const offset_of!(Regs, orig_rax),
        rip = const offset_of!(Regs, rip), rflags = const offset_of!(Regs, rflags), rsp = const offset_of!(Regs, rsp),
    )
}

/// Where every other trap leads that finds the CPU in user mode. On the stack: vector, error code, what the CPU pushed.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn trap_from_user() {
    naked_asm!(
        "swapgs",
        "mov gs:[{scratch}], rax",
        "mov rax, gs:[{user_regs}]",
        "mov [rax + {r15}], r15",
        "mov [rax + {r14}], r14",
        "mov [rax + {r13}], r13",
        "mov [rax + {r12}], r12",
        "mov [rax + {rbp}], rbp",
        "mov [rax + {rbx}], rbx",
        "mov [rax + {r11}], r11",
        "mov [rax + {r10}], r10",
        "mov [rax + {r9}], r9",
        "mov [rax + {r8}], r8",
        "mov [rax + {rcx}], rcx",
        "mov [rax + {rdx}], rdx",
        "mov [rax + {rsi}], rsi",
        "mov [rax + {rdi}], rdi",
        "mov rcx, gs:[{scratch}]",
        "mov [rax + {rax}], rcx",
        "mov qword ptr [rax + {orig_rax}], -1",
        "mov rcx, [rsp + 16]",
        "mov [rax + {rip}], rcx",
        "mov rcx, [rsp + 32]",
        "mov [rax + {rflags}], rcx",
        "mov rcx, [rsp + 40]",
        "mov [rax + {rsp}], rcx",
        "mov rcx, [rsp + 8]",
        "mov gs:[{error}], rcx",
        "mov rax, [rsp]",
        "mov rsp, gs:[{kernel_stack}]",
        // Traps keep most of the program's flags; none of them is for the kernel, least of all AC, which opens programs'
        // memory.
        "push 2",
        "popfq",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
        scratch = const offset_of!(PerCpu, scratch),
        user_regs = const offset_of!(PerCpu, user_regs),
        kernel_stack = const offset_of!(PerCpu, kernel_stack),
        error = const offset_of!(PerCpu, error),
        r15 = const offset_of!(Regs, r15), r14 = const offset_of!(Regs, r14), r13 = const offset_of!(Regs, r13),
        r12 = const offset_of!(Regs, r12), rbp = const offset_of!(Regs, rbp), rbx = const offset_of!(Regs, rbx),
        r11 = const offset_of!(Regs, r11), r10 = const offset_of!(Regs, r10), r9 = const offset_of!(Regs, r9),
        r8 = const offset_of!(Regs, r8), rax = const offset_of!(Regs, rax), rcx = const offset_of!(Regs, rcx),
        rdx = const offset_of!(Regs, rdx), rsi = const offset_of!(Regs, rsi), rdi = const offset_of!(Regs, rdi),
        orig_rax = const offset_of!(Regs, orig_rax),
        rip = const offset_of!(Regs, rip), rflags = const offset_of!(Regs, rflags), rsp = const offset_of!(Regs, rsp),
    )
}

/// Leaves the stack in use for another: what must survive goes on the old one, whose top goes to `from`.
///
/// # Safety
/// 1. `to` came from `prepare_stack` or from an earlier switch, and is switched to once.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn switch_stack(from: *mut usize, to: usize) {
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi], rsp",
        "mov rsp, rsi",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
    )
}

/// Calls `run(arg)` on the stack that ends at `top`.
///
/// # Safety
/// 1. The stack is ours; what it holds, and what the one in use holds, is nobody's any more.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn call_on(top: usize, run: extern "C" fn(usize) -> !, arg: usize) -> ! {
    naked_asm!("mov rsp, rdi", "xor ebp, ebp", "mov rdi, rdx", "call rsi", "ud2")
}

/// Makes a fresh stack that ends at `top` look as if it had been left by `switch_stack` just before `entry`.
///
/// # Safety
/// 1. The 128 bytes below `top`, which is aligned to 16, are ours.
pub(crate) unsafe fn prepare_stack(top: usize, entry: extern "C" fn() -> !) -> usize {
    // Behind `ret`, a function finds its stack 8 bytes off a multiple of 16.
    let sp = top - 64;
    let words = sp as *mut usize;
    for at in 0..8 {
        let word = if at == 6 { entry as usize } else { 0 };
        // SAFETY: the caller's promise.
        unsafe { words.add(at).write(word) };
    }
    sp
}
