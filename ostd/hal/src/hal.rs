//! The trait a machine implements. A backend is a value; on metal it has size zero.
#![expect(unsafe_code, reason = "declares the promises a machine makes")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;
use core::ops::Range;
use core::ptr::NonNull;

use crate::paging::{LEVELS, PageEntry};
use crate::user::{PageFault, Registers, Trap, UserState};
use crate::{Paddr, Vaddr};

/// A processor of the machine, counted from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CpuId(pub usize);

/// Why a CPU is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// The CPU's one-shot timer reached its deadline, and is now unarmed.
    Timer,
    /// Another CPU wants this one to look at its run queue.
    Ipi,
    /// A device raised its line.
    Device(u32),
}

/// Where in generic code a CPU stands when it offers to be interleaved with others (deterministic machines only).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SafePoint {
    /// Before a lock is taken.
    LockAcquire,
    /// After a lock was released.
    LockRelease,
    /// At a wait-queue operation.
    WaitQueue,
    /// Before a copy to or from user memory.
    UserCopy,
    /// Before page-table entries change.
    PageTable,
    /// Before an atomic operation of `ostd::sync::atomic`.
    Atomic,
}

/// What a CPU did when it was given a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It ran something and has more to do.
    Busy,
    /// It has nothing to run until an interrupt.
    Idle,
}

/// Why a kernel context gave the CPU back.
pub enum Resumed {
    /// It called [`Hal::context_suspend`].
    Suspended,
    /// The backend took it at a safe point; it is still the CPU's current context.
    Interleaved,
    /// Its entry function returned.
    Finished,
    /// Its entry function panicked, with this payload.
    Panicked(Box<dyn Any + Send>),
}

/// Why [`Hal::run`] ended without being asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunError {
    /// Every CPU is idle, no timer is armed, and nothing outside can raise an interrupt.
    Deadlock,
    /// Somebody wanted to look at the machine at this point of its life. It can be run on from here.
    Paused,
}

/// What became of a task, for machines that record their lives or decide by it who runs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskEvent<'a> {
    /// It is new, and has this name.
    Spawned(&'a str),
    /// What it waited for has happened.
    Woken,
    /// Its turn on a CPU begins.
    Resumed,
    /// It left its CPU, and could go on.
    Yielded,
    /// It left its CPU to wait.
    Parked,
    /// Its entry function returned, or panicked.
    Ended,
}

/// Generic code, as the backend calls it.
pub trait Client: Sync {
    /// Gives `cpu` a turn: run its current or next task until that gives way. Machines that interrupt by themselves call
    /// it with interrupts kept away, and after [`Step::Idle`] let them in only as they begin to wait: no interrupt is
    /// lost between the look at an empty queue and the sleep.
    fn step(&self, cpu: CpuId) -> Step;
    /// Delivers an interrupt to `cpu`. Called, with interrupts kept away, by backends whose hardware interrupts by
    /// itself; the others answer [`Hal::poll_interrupt`].
    fn interrupt(&self, cpu: CpuId, interrupt: Interrupt);
    /// Whether the machine has been asked to stop; [`Hal::run`] then returns.
    fn stopping(&self) -> bool;
    /// The name of the task that runs on `cpu`, which asks: for its last words.
    fn task_name(&self, _cpu: CpuId) -> Option<&str> {
        None
    }
}

/// A copy to or from user memory stopped at `fault` after `done` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyFault {
    /// Bytes that were copied, from the start, without a gap.
    pub done: usize,
    /// The access that was refused.
    pub fault: PageFault,
}

/// How much of a kernel stack was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackUse {
    /// Bytes from its base to the deepest page that was touched.
    pub used: usize,
    /// Bytes it has.
    pub size: usize,
}

impl StackUse {
    /// Whether less than a quarter was left.
    pub fn is_deep(self) -> bool {
        self.used > self.size / 4 * 3
    }
}

/// What of a machine's surroundings is held on behalf of its programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct OutsideUse {
    /// Processes of the host that hold an address space.
    pub processes: usize,
    /// Programs whose registers or stacks an engine keeps.
    pub programs: usize,
}

/// A machine.
///
/// # Safety
/// An implementer promises:
/// 1. `memory()` without `memory_holes()` is RAM that nobody else uses; `phys_to_virt` of every address in it stays valid, readable and
///    writable until the value is dropped, and physical contiguity is virtual contiguity.
/// 2. `metadata(len)` is at least `len` bytes, aligned to 2 MiB, used by nobody else, valid until the value is dropped,
///    and holds zeros or what ostd left there when an earlier machine gave all its frames back.
/// 3. `user_*` copies touch only frames that the tree under `root` maps for users with the needed permission.
/// 4. User code entered by `user_enter` reaches only such frames, and nothing else of the host or machine.
/// 5. `context_*` run each context on a stack of its own, on one CPU at a time, and drop its entry function exactly once.
pub unsafe trait Hal: Send + Sync + Sized + 'static {
    /// Whether generic code runs its checkers (false on metal).
    const CHECKS: bool;
    /// The encoding of page-table entries.
    type Entry: PageEntry;
    /// The register file of user programs.
    type Registers: Registers;
    /// A suspended kernel context: a stack and where on it to go on.
    type Context: Send + 'static;

    // ---- machine ----

    /// How many CPUs there are, at least one.
    fn cpu_count(&self) -> usize;
    /// The usable RAM, page-aligned, from its first page to its last.
    fn memory(&self) -> Range<Paddr>;
    /// What of it is no RAM, or not to be used: in order, apart, inside, in whole pages.
    fn memory_holes(&self) -> Vec<Range<Paddr>> {
        Vec::new()
    }
    /// Memory for frame metadata, 32 bytes for each page of memory and 2 MiB at most. Called once by each machine that is
    /// made of this value, one after the other.
    fn metadata(&self, len: usize) -> NonNull<u8>;
    /// Lends every CPU to `client` until [`Client::stopping`], idling where all CPUs idle.
    fn run(&self, client: &dyn Client) -> Result<(), RunError>;
    /// Writes to the emergency console: panics and the kernel log, not the guest's terminal.
    fn emergency_write(&self, bytes: &[u8]);
    /// Fills `out` with random bytes (seeded on a deterministic machine).
    fn entropy(&self, out: &mut [u8]);

    // ---- memory ----

    /// Where the byte at `at` can be reached.
    fn phys_to_virt(&self, at: Paddr) -> *mut u8;
    /// Reads the aligned word at `at`, atomically (acquire).
    ///
    /// Panics (hosted) if `at` is outside RAM.
    fn word_load(&self, at: Paddr) -> u64;
    /// Writes the aligned word at `at`, atomically (release).
    ///
    /// # Safety
    /// 1. The word belongs to a frame that the caller owns, of a type in which any value is valid.
    unsafe fn word_store(&self, at: Paddr, value: u64);

    // ---- MMU ----

    /// How many levels a page-table tree has; the same for every tree, from the start.
    fn levels(&self) -> usize {
        LEVELS
    }
    /// Forgets on `cpu` what it may remember of `range` under `root`. Called after the entries changed; may be
    /// postponed until user mode or a user copy could notice.
    fn tlb_flush(&self, cpu: CpuId, root: Paddr, range: Range<Vaddr>);
    /// There is a new, empty tree at `root`, of which only the entries below [`user_end`](Self::user_end) will be used.
    /// A machine whose kernel shares the trees with programs puts its own half in.
    fn space_made(&self, root: Paddr);
    /// The tree at `root` will not be used again: everything remembered of it must go before its frame is reused, and
    /// what `space_made` put in must be out.
    fn space_retired(&self, root: Paddr);

    // ---- user copies ----

    /// Copies `len` bytes from user memory to `into`.
    ///
    /// # Safety
    /// 1. `into` is valid for writes of `len` bytes and not reachable by user code.
    unsafe fn user_read(&self, root: Paddr, from: Vaddr, into: *mut u8, len: usize) -> Result<(), CopyFault>;
    /// Copies `len` bytes from `from` to user memory.
    ///
    /// # Safety
    /// 1. `from` is valid for reads of `len` bytes. It may lie in a frame that users write at the same time.
    unsafe fn user_write(&self, root: Paddr, to: Vaddr, from: *const u8, len: usize) -> Result<(), CopyFault>;
    /// Sets `len` bytes of user memory to `byte`.
    fn user_fill(&self, root: Paddr, to: Vaddr, byte: u8, len: usize) -> Result<(), CopyFault>;
    /// Compares the aligned 32-bit word at `at` with `old` and, if equal, replaces it by `new`, atomically (SeqCst)
    /// towards user code. Returns what was there.
    fn user_cmpxchg32(&self, root: Paddr, at: Vaddr, old: u32, new: u32) -> Result<u32, PageFault>;
    /// Reads the aligned 32-bit word at `at`, atomically (SeqCst).
    fn user_load32(&self, root: Paddr, at: Vaddr) -> Result<u32, PageFault>;

    // ---- user mode ----

    /// Runs a user program on `cpu` in the address space `root` until it traps. See [`UserState`] for what moves. Called
    /// with interrupts kept away, so that none is missed on the way; they are let through on return.
    fn user_enter(&self, cpu: CpuId, root: Paddr, state: &mut UserState<Self::Registers>) -> Trap;
    /// Makes `state.regs` true.
    fn user_load(&self, state: &mut UserState<Self::Registers>);
    /// Makes `state.fp` true.
    fn user_load_fp(&self, state: &mut UserState<Self::Registers>);
    /// The program will not run again: whatever the engine keeps for it goes. Also called before its address space
    /// changes in execve(2), after `user_load` if the registers are still wanted.
    fn user_release(&self, state: &mut UserState<Self::Registers>);
    /// Floating-point state as a program starts with it, in the format of [`UserState::fp`].
    fn fp_initial(&self) -> alloc::vec::Vec<u8>;
    /// The highest address plus one that user programs may map.
    fn user_end(&self) -> Vaddr;

    // ---- CPU and interrupts ----

    /// The pointer last given to [`set_cpu_local`](Self::set_cpu_local) on this hardware thread; null before.
    fn cpu_local() -> *const ();
    /// Sets what [`cpu_local`](Self::cpu_local) answers.
    fn set_cpu_local(pointer: *const ());
    /// Keeps interrupts from this CPU; returns whether they were let through before.
    fn interrupts_disable(&self) -> bool;
    /// Lets interrupts through again.
    fn interrupts_enable(&self);
    /// Takes the next interrupt pending for `cpu`, on machines where interrupts come at safe points only.
    fn poll_interrupt(&self, cpu: CpuId) -> Option<Interrupt>;
    /// Offers to interleave `cpu` with the others. Does nothing on metal, outside contexts, and while unwinding. Says whether
    /// it did: the caller may be on another CPU now.
    fn safe_point(&self, cpu: CpuId, kind: SafePoint) -> bool;
    /// Called in every turn of a loop that waits for another CPU.
    fn relax();
    /// Raises [`Interrupt::Ipi`] on `cpu`.
    fn ipi(&self, cpu: CpuId);
    /// Hears what became of task `task`, on `cpu` if the caller is on a CPU of this machine. Metal does not listen.
    #[inline]
    fn note(&self, _cpu: Option<CpuId>, _task: u64, _event: TaskEvent<'_>) {}

    // ---- kernel contexts ----

    /// A context that will run `entry` when first resumed, with interrupts let through. Fails when there is no memory for
    /// a stack.
    fn context_new(&self, entry: Box<dyn FnOnce() + Send>) -> Option<Self::Context>;
    /// Runs a context on this CPU until it gives way. Called with interrupts kept away, and returns so.
    fn context_resume(&self, context: &mut Self::Context) -> Resumed;
    /// How deep the stack of a finished context was ever used, by it or by one that had it before; `None` where nobody
    /// knows.
    fn context_stack(&self, _context: &mut Self::Context) -> Option<StackUse> {
        None
    }
    /// Gives the CPU back to whoever resumed the running context. Interrupts are let through, before and after.
    ///
    /// Panics outside a context.
    fn context_suspend(&self);
    /// Whether the caller runs in a context.
    fn in_context(&self) -> bool;
    /// Whether the caller's stack is being unwound: a checker that found something would only hide the cause.
    fn unwinding() -> bool {
        false
    }

    // ---- heap ----

    /// Bytes of heap that are left for what programs ask for; what the kernel needs on its way is kept back. No end on
    /// machines whose heap is the host's.
    fn heap_room(&self) -> usize {
        usize::MAX
    }

    // ---- time ----

    /// Nanoseconds since the machine started.
    fn monotonic_ns(&self) -> u64;
    /// Nanoseconds since 1970 at the machine's start.
    fn boot_realtime_ns(&self) -> u64;
    /// Arms `cpu`'s one-shot timer for a monotonic time, or disarms it.
    fn timer_arm(&self, cpu: CpuId, deadline_ns: Option<u64>);
    /// Tells the machine's clock that kernel work of `cost_ns` was done, on machines whose clock is virtual.
    fn spend(&self, cost_ns: u64);

    // ---- devices ----

    /// Takes the next event from outside.
    fn outside_event(&self) -> Option<crate::device::OutsideEvent>;
    /// What of the machine's surroundings programs still hold; nothing on metal.
    fn outside_use(&self) -> OutsideUse {
        OutsideUse::default()
    }
    /// The interrupt line raised when there is an outside event.
    fn outside_line(&self) -> u32;
}
