//! The machine: the waist, function by function.
#![expect(unsafe_code, reason = "implements the waist")]

use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

use ostd_hal::device::OutsideEvent;
use ostd_hal::hal::{Client, CopyFault, Resumed, RunError, SafePoint, StackUse};
use ostd_hal::user::{Access, PageFault, Registers as _, Trap, UserState, x86_64::Regs};
use ostd_hal::{CpuId, Hal, Interrupt, OutsideUse, PAGE_SIZE, Paddr, TaskEvent, Vaddr, paging};

use crate::clock::Clock;
use crate::config::{Engine, HostedConfig, Mode};
use crate::context::{self, Context};
use crate::engine::AnyEngine;
use crate::ram::Ram;
use crate::random::Random;
use crate::run::Runner;
use crate::schedule::Policy;
use crate::scripted::Scripted;

/// A hosted machine's guest is x86-64 on every host.
pub(crate) type Entry = paging::x86_64::Entry;

/// What a trap of each kind costs on a virtual clock, in nanoseconds: about what it costs on a real machine.
const TRAP_COST_NS: u64 = 200;
const FAULT_COST_NS: u64 = 800;
/// A program that was interrupted had burned what an engine lets it burn.
const BURNED_NS: u64 = 10_000_000;

/// A machine inside this process.
pub struct Hosted {
    pub(crate) ram: Ram,
    memory: usize,
    pub(crate) mode: Mode,
    pub(crate) clock: Clock,
    random: Random,
    pub(crate) runner: Runner,
    pub(crate) engine: AnyEngine,
    log: crate::config::Log,
    realtime_ns: u64,
    policy: Policy,
}

thread_local! {
    static CPU_LOCAL: Cell<*const ()> = const { Cell::new(ptr::null()) };
}

/// Makes `main`, a `fn(Hosted) -> u8`, what a program runs on a machine with one CPU and 64 MiB; its answer is the
/// program's status. Stands once, in a program that is `no_main`.
#[macro_export]
macro_rules! image {
    ($main:expr) => {
        const _: () = {
            #[unsafe(export_name = "main")]
            extern "C" fn start() -> i32 {
                $crate::Hosted::image($main)
            }
        };
    };
}

impl Hosted {
    /// What [`image!`](crate::image) does: makes a machine that runs user code, and says so where the host refuses.
    #[doc(hidden)]
    pub fn image(main: fn(Self) -> u8) -> i32 {
        crate::stdio::ignore_broken_pipes();
        let config = HostedConfig { mode: Mode::Parallel, engine: Engine::Ptrace, ..HostedConfig::default() };
        match Self::new(&config) {
            Ok(machine) => main(machine).into(),
            Err(problem) => {
                eprintln!("cannot make a machine: {problem}");
                125
            }
        }
    }

    /// A machine as `config` describes it. Fails when the host refuses memory, or what the engine needs.
    pub fn new(config: &HostedConfig) -> io::Result<Self> {
        let memory = config.memory.max(PAGE_SIZE).next_multiple_of(PAGE_SIZE);
        let metadata = Ram::metadata_mapping_len(metadata_max(memory));
        let (ram, engine) = match config.engine {
            Engine::Scripted => {
                let ram = Ram::private(memory, metadata)?;
                (ram, AnyEngine::Scripted(Scripted::new(config.cpus.max(1))))
            }
            Engine::Ptrace => {
                let ram = Ram::shared(memory, metadata)?;
                let engine = AnyEngine::ptrace(&ram, memory, config)?;
                (ram, engine)
            }
        };
        Ok(Self {
            ram,
            memory,
            mode: config.mode,
            clock: Clock::new(config.mode),
            random: Random::new(config.mode),
            runner: Runner::new(config),
            engine,
            log: config.log.clone(),
            policy: config.policy.clone(),
            realtime_ns: config.realtime_ns.unwrap_or_else(|| Clock::realtime_at_start_ns(config.mode)),
        })
    }

    /// The scripted engine.
    ///
    /// Panics on a machine with another engine.
    pub fn scripted(&self) -> &Scripted {
        match &self.engine {
            AnyEngine::Scripted(engine) => engine,
            AnyEngine::Ptrace(_) => panic!("this machine runs ELF programs, not scripted ones"),
        }
    }

    /// Interleaves if the runner says so; says whether it did.
    #[cold]
    fn interleave_at(&self, cpu: CpuId, kind: SafePoint) -> bool {
        let wants = context::in_context() && self.runner.wants_interleaving(cpu, kind, &self.clock);
        if wants {
            context::interleave();
        }
        wants
    }

    fn slot(&self, at: Paddr) -> *mut u64 {
        assert!(
            at.as_usize() + 8 <= self.memory && at.as_usize().is_multiple_of(8),
            "{at} is no word of this machine's memory"
        );
        self.phys_to_virt(at).cast()
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        crate::replay::say_at_panic(self.mode, &self.policy);
    }
}

/// An upper bound of what frame metadata needs: a 64-byte slot per frame, in whole chunks of 2 MiB.
fn metadata_max(memory: usize) -> usize {
    const CHUNK: usize = 2 << 20;
    ((memory / PAGE_SIZE + 1) * 64).next_multiple_of(CHUNK) + CHUNK
}

// SAFETY: (1) `ram` is a mapping of `memory` bytes that only this value hands out, unmapped when it is dropped; (2)
// `Ram::metadata` aligns and checks, and pooled metadata comes only from machines whose frames are all back, because a
// machine's core lives as long as its last frame; (3) copies walk the tree for every page and check its flags; (4)
// engines install or reach only what the tree allows; (5) contexts are fibers with their own stacks.
unsafe impl Hal for Hosted {
    const CHECKS: bool = true;
    type Entry = Entry;
    type Registers = Regs;
    type Context = Context;

    fn cpu_count(&self) -> usize {
        self.runner.cpu_count()
    }

    fn memory(&self) -> Range<Paddr> {
        Paddr::new(0)..Paddr::new(self.memory)
    }

    fn metadata(&self, len: usize) -> NonNull<u8> {
        self.ram.metadata(len)
    }

    fn run(&self, client: &dyn Client) -> Result<(), RunError> {
        self.run_cpus(client)
    }

    fn emergency_write(&self, bytes: &[u8]) {
        self.log.write(bytes);
    }

    fn entropy(&self, out: &mut [u8]) {
        self.random.fill(out);
    }

    #[inline]
    fn phys_to_virt(&self, at: Paddr) -> *mut u8 {
        debug_assert!(at.as_usize() <= self.memory, "{at} is not in this machine's memory");
        self.ram.start().as_ptr().wrapping_add(at.as_usize())
    }

    #[inline]
    fn word_load(&self, at: Paddr) -> u64 {
        let slot = self.slot(at);
        // SAFETY: aligned and inside RAM, just checked; all accesses to page-table words are atomic.
        unsafe { AtomicU64::from_ptr(slot) }.load(Ordering::Acquire)
    }

    unsafe fn word_store(&self, at: Paddr, value: u64) {
        let slot = self.slot(at);
        // SAFETY: as in `word_load`; the caller owns the frame.
        unsafe { AtomicU64::from_ptr(slot) }.store(value, Ordering::Release);
    }

    fn tlb_flush(&self, cpu: CpuId, root: Paddr, range: Range<Vaddr>) {
        self.engine.flush(cpu, root, range);
    }

    fn space_made(&self, _root: Paddr) {
        // Trees hold programs' pages only.
    }

    fn space_retired(&self, root: Paddr) {
        self.engine.retire(root);
    }

    unsafe fn user_read(&self, root: Paddr, from: Vaddr, into: *mut u8, len: usize) -> Result<(), CopyFault> {
        self.copy_in(root, from, into, len)
    }

    unsafe fn user_write(&self, root: Paddr, to: Vaddr, from: *const u8, len: usize) -> Result<(), CopyFault> {
        self.copy_out(root, to, from, len)
    }

    fn user_fill(&self, root: Paddr, to: Vaddr, byte: u8, len: usize) -> Result<(), CopyFault> {
        self.fill_out(root, to, byte, len)
    }

    fn user_cmpxchg32(&self, root: Paddr, at: Vaddr, old: u32, new: u32) -> Result<u32, PageFault> {
        self.word_compare_exchange(root, at, old, new)
    }

    fn user_load32(&self, root: Paddr, at: Vaddr) -> Result<u32, PageFault> {
        Ok(self.user_word(root, at, Access::Read)?.load(Ordering::SeqCst))
    }

    #[inline]
    fn user_enter(&self, cpu: CpuId, root: Paddr, state: &mut UserState<Regs>) -> Trap {
        if self.runner.turn_is_over() && context::in_context() {
            context::interleave();
        }
        if let Some(trace) = self.runner.trace() {
            trace.entered(self.clock.now_ns(), cpu, state.ret.unwrap_or_else(|| state.regs.syscall_return()));
        }
        let trap = self.engine.enter(self, cpu, root, state);
        self.clock.spend(match trap {
            Trap::Syscall => TRAP_COST_NS,
            Trap::Interrupt => BURNED_NS,
            _ => FAULT_COST_NS,
        });
        if let Some(trace) = self.runner.trace() {
            trace.trapped(self.clock.now_ns(), cpu, &trap, &state.frame);
            if trace.pause_is_due() && context::in_context() {
                context::interleave();
            }
        }
        self.runner.left_user_mode(cpu, &trap);
        while self.runner.holds(cpu) && context::in_context() {
            context::interleave();
        }
        trap
    }

    fn user_load(&self, state: &mut UserState<Regs>) {
        self.engine.load(state);
    }

    fn user_load_fp(&self, state: &mut UserState<Regs>) {
        self.engine.load_fp(state);
    }

    fn user_release(&self, state: &mut UserState<Regs>) {
        self.engine.release(state);
    }

    fn fp_initial(&self) -> Vec<u8> {
        self.engine.fp_initial()
    }

    fn user_end(&self) -> Vaddr {
        self.engine.user_end()
    }

    #[inline]
    fn cpu_local() -> *const () {
        CPU_LOCAL.get()
    }

    fn set_cpu_local(pointer: *const ()) {
        CPU_LOCAL.set(pointer);
    }

    #[inline]
    fn interrupts_disable(&self) -> bool {
        // Interrupts come at safe points only, where ostd looks at its own count.
        true
    }

    #[inline]
    fn interrupts_enable(&self) {}

    #[inline]
    fn poll_interrupt(&self, cpu: CpuId) -> Option<Interrupt> {
        self.runner.poll_interrupt(cpu, &self.clock)
    }

    #[inline]
    fn safe_point(&self, cpu: CpuId, kind: SafePoint) -> bool {
        self.runner.has_safe_points() && self.interleave_at(cpu, kind)
    }

    fn relax() {
        if context::in_context() {
            context::interleave();
        } else {
            // A CPU of another thread has to move.
            std::thread::yield_now();
        }
    }

    fn ipi(&self, cpu: CpuId) {
        self.runner.ipi(cpu);
    }

    #[inline]
    fn note(&self, cpu: Option<CpuId>, task: u64, event: TaskEvent<'_>) {
        self.runner.note(cpu, task, event, &self.clock);
    }

    fn context_new(&self, entry: Box<dyn FnOnce() + Send>) -> Option<Context> {
        Context::new(entry)
    }

    fn context_resume(&self, context: &mut Context) -> Resumed {
        let resumed = context.resume();
        self.runner.context_left(&resumed);
        resumed
    }

    fn context_stack(&self, context: &mut Context) -> Option<StackUse> {
        context.stack_use()
    }

    fn context_suspend(&self) {
        context::suspend();
    }

    fn in_context(&self) -> bool {
        context::in_context()
    }

    fn unwinding() -> bool {
        std::thread::panicking()
    }

    #[inline]
    fn monotonic_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    fn boot_realtime_ns(&self) -> u64 {
        self.realtime_ns
    }

    fn timer_arm(&self, cpu: CpuId, deadline_ns: Option<u64>) {
        self.runner.timer_arm(cpu, deadline_ns);
    }

    fn spend(&self, cost_ns: u64) {
        self.clock.spend(cost_ns);
    }

    fn outside_event(&self) -> Option<OutsideEvent> {
        self.runner.outside_event()
    }

    fn outside_use(&self) -> OutsideUse {
        self.engine.outside_use()
    }

    fn outside_line(&self) -> u32 {
        crate::run::OUTSIDE_LINE
    }
}
