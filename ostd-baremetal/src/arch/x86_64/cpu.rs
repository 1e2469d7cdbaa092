//! One CPU's segments, its task state, and the data that `gs` points to.
#![expect(unsafe_code, reason = "loads descriptor tables")]

use alloc::boxed::Box;
use core::arch::asm;
use core::cell::UnsafeCell;

use super::wrmsr;
use crate::image::BootStack;
use crate::local::Local;

/// Selectors, laid out as Linux has them: programs see the user ones.
pub(super) const KERNEL_CODE: u16 = 0x10;
pub(super) const KERNEL_DATA: u16 = 0x18;
pub(super) const USER_DATA: u16 = 0x2b;
pub(super) const USER_CODE: u16 = 0x33;
/// What `sysret` adds 16 and 8 to.
pub(super) const USER_BASE: u16 = 0x23;
const TASK_STATE: u16 = 0x40;
const GS_BASE: u32 = 0xc000_0101;

/// The task state: where the CPU finds a stack when it enters ring 0.
#[repr(C, packed(4))]
struct TaskState {
    reserved: u32,
    /// Used by traps from user mode.
    stack: [u64; 3],
    reserved_too: u64,
    /// Used by traps that must not trust the stack they interrupt.
    interrupt_stacks: [u64; 7],
    more_reserved: [u64; 1],
    also_reserved: u16,
    io_map: u16,
}

/// What `gs` points to in the kernel. Assembly uses the fields in front.
#[repr(C, align(64))]
pub(super) struct PerCpu {
    /// Where `gs` points, for code that needs the address.
    myself: *const PerCpu,
    /// The stack on which the kernel waits for user mode to be left.
    pub(super) kernel_stack: u64,
    /// Where the registers of the running program go.
    pub(super) user_regs: u64,
    pub(super) scratch: u64,
    /// The last trap's error code.
    pub(super) error: u64,
    state: TaskState,
    segments: [u64; 10],
    pub(super) local: Local,
}

/// Offset in [`PerCpu`] of the stack that traps from user mode begin on.
pub(super) const TRAP_STACK: usize = core::mem::offset_of!(PerCpu, state) + 4;

struct Boot(UnsafeCell<PerCpu>);
// SAFETY: each CPU uses its own, through `gs`.
unsafe impl Sync for Boot {}

/// The boot cell of the first CPU.
static FIRST: Boot = Boot(UnsafeCell::new(PerCpu::new(0)));

impl PerCpu {
    const fn new(id: usize) -> Self {
        Self {
            myself: core::ptr::null(),
            kernel_stack: 0,
            user_regs: 0,
            scratch: 0,
            error: 0,
            state: TaskState {
                reserved: 0,
                stack: [0; 3],
                reserved_too: 0,
                interrupt_stacks: [0; 7],
                more_reserved: [0],
                also_reserved: 0,
                io_map: size_of::<TaskState>() as u16,
            },
            // Null, unused, code, data, 32-bit user code (refused: not present), user data, user code, unused, the task
            // state.
            segments: [
                0,
                0,
                0x00af_9b00_0000_ffff,
                0x00cf_9300_0000_ffff,
                0,
                0x00cf_f300_0000_ffff,
                0x00af_fb00_0000_ffff,
                0,
                0,
                0,
            ],
            local: Local::new(id),
        }
    }
}

/// The first CPU's stack of double faults (a kernel stack that is full) and of what cannot be masked.
static mut FAULT_STACK: BootStack = BootStack([0; crate::image::BOOT_STACK_LEN]);

/// Loads the first CPU's tables.
pub(super) fn start() {
    let cpu = FIRST.0.get();
    // SAFETY: boot code alone runs, once; nothing refers to the data yet.
    unsafe {
        (*cpu).state.interrupt_stacks = [(&raw const FAULT_STACK) as u64 + crate::image::BOOT_STACK_LEN as u64; 7]
    };
    // SAFETY: as above; it is this CPU's from now on.
    unsafe { load(cpu) };
}

/// The data of another CPU, with the end of its stack for double faults; the CPU's for good.
pub(super) fn secondary(id: usize, fault_stack: usize) -> *mut PerCpu {
    let mut cpu = Box::new(PerCpu::new(id));
    cpu.state.interrupt_stacks = [fault_stack as u64; 7];
    Box::into_raw(cpu)
}

/// Loads this CPU's tables, and points `gs` to its data.
///
/// # Safety
/// 1. `cpu` is this CPU's alone and lasts; nothing refers to it yet.
pub(super) unsafe fn load(cpu: *mut PerCpu) {
    // SAFETY: the caller's promise.
    let cpu = unsafe { &mut *cpu };
    cpu.myself = cpu;
    let state = (&raw const cpu.state) as u64;
    let limit = size_of::<TaskState>() as u64 - 1;
    // An available 64-bit task state: type 9, present.
    cpu.segments[8] = limit | (state & 0xff_ffff) << 16 | 0x89 << 40 | (state >> 24 & 0xff) << 56;
    cpu.segments[9] = state >> 32;
    let pointer = Pointer { limit: size_of_val(&cpu.segments) as u16 - 1, base: cpu.segments.as_ptr() as u64 };
    // SAFETY: the table holds the code and data segments that the CPU uses from here on, and lasts.
    unsafe {
        asm!(
            "lgdt [{pointer}]",
            "push {code}",
            "lea {there}, [rip + 2f]",
            "push {there}",
            "retfq",
            "2:",
            "mov ss, {data:e}",
            "mov ds, {data:e}",
            "mov es, {data:e}",
            // Reset leaves a table at address zero, where programs could put segments and gates of their own.
            "lldt {none:x}",
            "ltr {task:x}",
            pointer = in(reg) &raw const pointer,
            none = in(reg) 0,
            code = const KERNEL_CODE as u64,
            there = out(reg) _,
            data = in(reg) u64::from(KERNEL_DATA),
            task = in(reg) u64::from(TASK_STATE),
        );
    }
    // SAFETY: from now on `gs` means this CPU's data, and only the code here uses it.
    unsafe { wrmsr(GS_BASE, (&raw const *cpu) as u64) };
}

/// What `lgdt` and `lidt` read.
#[repr(C, packed)]
pub(super) struct Pointer {
    pub(super) limit: u16,
    pub(super) base: u64,
}

fn this() -> *const PerCpu {
    let pointer;
    // SAFETY: `gs` points to this CPU's data since `start`, and its first field is that address.
    unsafe { asm!("mov {}, gs:[0]", out(reg) pointer, options(nostack, preserves_flags, readonly)) };
    pointer
}

/// This CPU's own data.
pub(crate) fn local() -> &'static Local {
    // SAFETY: static, and never borrowed exclusively after boot.
    unsafe { &(*this()).local }
}

/// The error code of the trap that left user mode last.
pub(super) fn trap_error() -> u64 {
    // SAFETY: as in `local`.
    unsafe { (*this()).error }
}
