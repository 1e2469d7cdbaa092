//! User mode: register files, and what a processor says when it leaves user mode.

use alloc::vec::Vec;

use crate::Vaddr;

pub mod riscv64;
pub mod x86_64;

/// The instruction set that guests of a machine run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// AMD64.
    X86_64,
    /// RV64GC.
    Riscv64,
}

/// What an access wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

/// An access that the page tables (or a stale TLB) refused. A spurious one is legal: whoever handles it reads the
/// entry again before believing it. `access` may say `Read` for a store when the machine cannot tell; the store will
/// then fault again, as `Write`, once the page is readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageFault {
    /// The address that was used.
    pub addr: Vaddr,
    /// What was wanted of it.
    pub access: Access,
}

/// A processor exception that is neither a system call nor a page fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// Integer division by zero or overflow.
    DivideError,
    /// An instruction that does not exist or is privileged in a way Linux answers with SIGILL.
    InvalidInstruction,
    /// `int3`, `ebreak`.
    Breakpoint,
    /// A single step or hardware watch point.
    Debug,
    /// A floating-point or SIMD exception.
    FloatingPoint,
    /// A misaligned access where that is an error.
    Alignment(Vaddr),
    /// A stack segment or other bus error (SIGBUS).
    Bus(Vaddr),
    /// Everything x86-64 calls a general protection fault: privileged instructions, non-canonical addresses, `int n`.
    GeneralProtection,
}

/// Why user mode was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// A system call; number and arguments are in [`UserState::frame`].
    Syscall,
    /// A refused memory access.
    PageFault(PageFault),
    /// Another processor exception.
    Exception(Exception),
    /// Nothing the program did: an interrupt is pending or its time is up.
    Interrupt,
}

/// What every trap carries, whether or not the other registers were moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyscallFrame {
    /// The system call's number, as the program gave it.
    pub number: usize,
    /// Its arguments.
    pub args: [usize; 6],
    /// The instruction after the call, or the one that trapped.
    pub ip: usize,
    /// The stack pointer.
    pub sp: usize,
}

/// A register file: what it is to every kernel, whatever the architecture.
pub trait Registers: Clone + Default + core::fmt::Debug + Send + Sync + 'static {
    /// Which architecture's file this is.
    const ARCH: Arch;
    /// The system call's number.
    fn syscall_number(&self) -> usize;
    /// The system call's six arguments.
    fn syscall_args(&self) -> [usize; 6];
    /// Sets what the system call returns.
    fn set_syscall_return(&mut self, value: usize);
    /// What the system call returns.
    fn syscall_return(&self) -> usize;
    /// Makes the file repeat the system call it is stopped behind, with `number` in the number register.
    fn rewind_syscall(&mut self, number: usize, first_arg: usize);
    /// The instruction pointer.
    fn ip(&self) -> usize;
    /// Sets the instruction pointer.
    fn set_ip(&mut self, ip: usize);
    /// The stack pointer.
    fn sp(&self) -> usize;
    /// Sets the stack pointer.
    fn set_sp(&mut self, sp: usize);
    /// The thread pointer (`fs` base, `tp`).
    fn tls(&self) -> usize;
    /// Sets the thread pointer.
    fn set_tls(&mut self, tls: usize);
    /// Sets the first three arguments of a function about to be entered (a signal handler).
    fn set_call_args(&mut self, args: [usize; 3]);
    /// The architecture as its own tag, for code that must know more than this trait (signal frames).
    fn view(&self) -> RegistersRef<'_>;
    /// The same, to be changed.
    fn view_mut(&mut self) -> RegistersMut<'_>;
}

/// A register file with its architecture known.
pub enum RegistersRef<'a> {
    /// An x86-64 file.
    X86_64(&'a x86_64::Regs),
    /// A RISC-V file.
    Riscv64(&'a riscv64::Regs),
}

/// A register file with its architecture known, to be changed.
pub enum RegistersMut<'a> {
    /// An x86-64 file.
    X86_64(&'a mut x86_64::Regs),
    /// A RISC-V file.
    Riscv64(&'a mut riscv64::Regs),
}

/// The user half of a task: what is moved between the program and the kernel, and what of it has been moved.
///
/// The engine that runs the program may keep registers where they are until somebody asks. The rules:
///
/// - After a trap, `frame` is true. `regs` is true only when `loaded`; [`crate::Hal::user_load`] makes it so.
/// - Before entering: if `changed`, `regs` (all of it) is what the program continues with. Otherwise, if `ret` is
///   set, the engine's own registers are, with that system-call return value. Otherwise the engine's own.
/// - A state that never entered has `loaded` and `changed` set.
/// - `fp` follows the same rules with `fp_loaded` and `fp_changed`; empty means the architecture's initial state.
#[derive(Debug, Clone, Default)]
pub struct UserState<R> {
    /// Number, arguments, ip and sp at the last trap.
    pub frame: SyscallFrame,
    /// The registers, when `loaded`.
    pub regs: R,
    /// Whether `regs` is what the program has.
    pub loaded: bool,
    /// Whether `regs` must be given to the program on entry. Implies `loaded`.
    pub changed: bool,
    /// A system-call return value to be given on entry when nothing else changed.
    pub ret: Option<usize>,
    /// Floating-point and vector state in the architecture's memory format (XSAVE area, or f0..f31 and fcsr).
    pub fp: Vec<u8>,
    /// Whether `fp` is what the program has.
    pub fp_loaded: bool,
    /// Whether `fp` must be given to the program on entry. Implies `fp_loaded`.
    pub fp_changed: bool,
    /// The engine's own name for what it keeps for this program; 0 before the first entry.
    pub home: u64,
}

impl<R: Registers> UserState<R> {
    /// A program that has not run, about to start with `regs` and initial floating-point state.
    pub fn new(regs: R) -> Self {
        Self {
            regs,
            loaded: true,
            changed: true,
            fp_loaded: true,
            fp_changed: true,
            frame: SyscallFrame::default(),
            ret: None,
            fp: Vec::new(),
            home: 0,
        }
    }
}
