//! The host's own kernel, raw: system calls, memory, handlers and children, for test cases that ask Linux first.
//!
//! A caller is a whole program: what a call does to the process (unmapping it, for one) is the caller's doing.
#![expect(unsafe_code, reason = "makes raw system calls")]

use std::arch::{asm, global_asm};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Handlers that a program can have.
pub const HANDLERS_MAX: usize = 8;

/// Runs a handler: its slot, and the three arguments that the kernel gave.
pub type Dispatch = fn(slot: usize, args: [usize; 3]);

/// Exit status of a child whose function panicked.
const STATUS_PANICKED: i32 = 101;
const EXIT: usize = 60;
const EXIT_GROUP: usize = 231;
const CLONE3: usize = 435;
const MMAP: usize = 9;
const CLONE_VM: u64 = 0x100;
const STACK_BYTES: usize = 256 << 10;
/// Where stacks are, one after the other, if nothing else is there: none is in a hole that its program made.
const STACKS_AT: usize = 0x20_0000_0000;
const STACKS_MAX: usize = 1 << 20;
static STACKS: AtomicUsize = AtomicUsize::new(0);
/// What a call returns for an errno is above the negative of this.
const ERRNO_MAX: usize = 4096;

/// Makes a system call and returns what the register held afterwards.
pub fn syscall(number: usize, args: [usize; 6]) -> usize {
    let result;
    // SAFETY: the call leaves Rust's registers alone but for those named; what it does to the process is the caller's
    // declared wish.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5], lateout("rcx") _, lateout("r11") _,
            options(nostack));
    }
    result
}

/// Stores to memory by number: a wild address is this process's SIGSEGV.
pub fn store(addr: usize, bytes: &[u8]) {
    // SAFETY: the caller names memory that it got from the kernel by number and that Rust knows nothing of.
    unsafe { copy(addr, bytes.as_ptr().expose_provenance(), bytes.len()) }
}

/// Loads from memory by number: a wild address is this process's SIGSEGV.
pub fn load(addr: usize, into: &mut [u8]) {
    // SAFETY: `into` is writable for its length; the source is the kernel's to give or refuse.
    unsafe { copy(into.as_mut_ptr().expose_provenance(), addr, into.len()) }
}

/// Copies bytes one way, with the processor's own instruction.
///
/// # Safety
/// 1. `to` holds nothing that Rust relies on, or is exclusively the caller's.
unsafe fn copy(to: usize, from: usize, len: usize) {
    // SAFETY: by the caller's promise; the registers are named.
    unsafe { asm!("rep movsb", inout("rdi") to => _, inout("rsi") from => _, inout("rcx") len => _, options(nostack)) }
}

global_asm!(".globl orrery_native_restorer", "orrery_native_restorer:", "mov eax, 15", "syscall", "ud2");

unsafe extern "C" {
    fn orrery_native_restorer();
}

/// What `sa_restorer` is to be.
pub fn restorer() -> usize {
    (orrery_native_restorer as unsafe extern "C" fn() as *const ()).expose_provenance()
}

static DISPATCH: OnceLock<Dispatch> = OnceLock::new();

extern "C" fn enter<const SLOT: usize>(signal: usize, info: usize, context: usize) {
    if let Some(dispatch) = DISPATCH.get() {
        dispatch(SLOT, [signal & 0xffff_ffff, info, context]);
    }
}

/// The address of a handler that calls `dispatch` with this slot. The first `dispatch` of a process is the one.
///
/// Panics when `slot` is not below [`HANDLERS_MAX`].
pub fn handler(slot: usize, dispatch: Dispatch) -> usize {
    let entries: [extern "C" fn(usize, usize, usize); HANDLERS_MAX] =
        [enter::<0>, enter::<1>, enter::<2>, enter::<3>, enter::<4>, enter::<5>, enter::<6>, enter::<7>];
    let _ = DISPATCH.set(dispatch);
    (entries[slot] as *const ()).expose_provenance()
}

type Child = Box<dyn FnOnce() -> i32>;

/// clone3(2) whose child runs `child` and exits with its answer. With `CLONE_VM` the child gets a stack of its own and
/// ends by exit(2); it shares this thread's thread-local storage, so it must not allocate or panic.
pub fn clone3(mut args: [u64; 11], child: impl FnOnce() -> i32 + 'static) -> usize {
    let size = size_of_val(&args);
    if args[0] & CLONE_VM == 0 {
        let result = syscall(CLONE3, [args.as_mut_ptr().expose_provenance(), size, 0, 0, 0, 0]);
        if result == 0 {
            let status = catch_unwind(AssertUnwindSafe(child)).unwrap_or(STATUS_PANICKED);
            syscall(EXIT_GROUP, [status as usize, 0, 0, 0, 0, 0]);
        }
        return result;
    }
    let hint = STACKS_AT + STACKS.fetch_add(1, Ordering::Relaxed) % STACKS_MAX * STACK_BYTES;
    // Readable and writable, private and anonymous.
    let stack = syscall(MMAP, [hint, STACK_BYTES, 3, 0x22, usize::MAX, 0]);
    if stack > usize::MAX - ERRNO_MAX {
        return stack;
    }
    args[5] = stack as u64;
    args[6] = STACK_BYTES as u64;
    let packet: Box<Child> = Box::new(Box::new(child));
    let result;
    // SAFETY: the new thread begins on its own empty stack and never leaves `start`; the old one goes on behind it.
    unsafe {
        asm!("syscall", "test rax, rax", "jnz 2f", "xor ebp, ebp", "mov rdi, r12", "call r13", "ud2", "2:",
            inlateout("rax") CLONE3 => result, in("rdi") args.as_mut_ptr(), in("rsi") size,
            in("r12") Box::into_raw(packet), in("r13") start as *const (),
            lateout("rcx") _, lateout("r11") _);
    }
    result
}

/// A call that makes a child as fork(2), vfork(2) and clone(2) do, without a stack of its own: the child runs `child` and
/// exits with its answer. One that shares memory must keep its parent waiting (`CLONE_VFORK`), for it runs on its stack.
pub fn fork(number: usize, args: [usize; 6], child: impl FnOnce() -> i32 + 'static) -> usize {
    let guarded = move || catch_unwind(AssertUnwindSafe(child)).unwrap_or(STATUS_PANICKED);
    let packet: Box<Child> = Box::new(Box::new(guarded));
    let result;
    // SAFETY: the child never leaves `start`, and on a shared stack works below this frame while the parent waits.
    unsafe {
        asm!("syscall", "test rax, rax", "jnz 2f", "xor ebp, ebp", "mov rdi, r12", "call r13", "ud2", "2:",
            inlateout("rax") number => result, in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5],
            in("r12") Box::into_raw(packet), in("r13") start as *const (),
            lateout("rcx") _, lateout("r11") _);
    }
    result
}

extern "C" fn start(packet: *mut Child) -> ! {
    // SAFETY: `clone3` gave this thread the packet that it made.
    let child = unsafe { Box::from_raw(packet) };
    // Neither freed nor unwound: this thread's allocator state is another thread's.
    let child = Box::leak(child);
    // SAFETY: leaked above, and read once.
    let child = unsafe { std::ptr::read(child) };
    let status = child();
    loop {
        syscall(EXIT, [status as usize, 0, 0, 0, 0, 0]);
    }
}

#[cfg(test)]
mod tests {
    use super::{load, store, syscall};

    #[test]
    fn a_raw_call_reaches_the_kernel() {
        assert_eq!(syscall(39, [0; 6]), std::process::id() as usize);
        assert_eq!(syscall(3, [usize::MAX, 0, 0, 0, 0, 0]) as isize, -9);
    }

    #[test]
    fn memory_by_number_is_memory() {
        let page = syscall(9, [0, 4096, 3, 0x22, usize::MAX, 0]);
        store(page + 5, b"orrery");
        let mut bytes = [0; 7];
        load(page + 5, &mut bytes);
        assert_eq!(&bytes, b"orrery\0");
    }
}
