//! The machine's CPUs among each other: starting them, calling them, and having them forget translations.
//!
//! Who changes a page table or ends one waits until every CPU that may remember it has answered, and the CPU that must
//! answer may have interrupts off: it copies, spins for a lock, or waits for an answer itself. So requests are words in
//! memory, served by the interrupt that announces them and by every loop that waits for another CPU ([`relax`]). A copy
//! never waits for anybody, so each request is answered.
#![expect(unsafe_code, reason = "shares a client among CPUs, and puts address spaces in force")]

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};

use ostd_hal::{Client, CpuId, Interrupt, Paddr, Step};

use crate::lock::Lock;
use crate::stacks::Stack;
use crate::{arch, halt, machine, user};

/// The most CPUs that are used; a machine may have more.
pub(crate) const CPUS_MAX: usize = 32;
/// How long a CPU may take to come up.
const START_NS: u64 = 10_000_000_000;
/// No address space's root.
const NONE: usize = 0;

/// What others see of a CPU.
#[repr(align(64))]
pub(crate) struct Shared {
    /// The hardware's number for it.
    hardware: AtomicUsize,
    /// [`OFF`], [`UP`] or [`GIVEN_UP`].
    phase: AtomicUsize,
    /// The address space that user addresses mean.
    root: AtomicUsize,
    /// The one before, while it may still be in force.
    leaving: AtomicUsize,
    /// The one whose tree is being walked for a copy, if it is not in force.
    walking: AtomicUsize,
    /// The one whose end this CPU waits for.
    retiring: AtomicUsize,
    /// How often it was asked to forget, and the last of these it has answered.
    asked: AtomicU64,
    answered: AtomicU64,
    /// It shall hear [`Interrupt::Ipi`], or [`Interrupt::Timer`].
    rung: AtomicBool,
    expired: AtomicBool,
    /// Another CPU has set its timer: the deadline, or `u64::MAX` for none.
    armed: AtomicBool,
    deadline_ns: AtomicU64,
}

const OFF: usize = 0;
const UP: usize = 1;
const GIVEN_UP: usize = 2;

impl Shared {
    const fn new() -> Self {
        Self {
            hardware: AtomicUsize::new(0),
            phase: AtomicUsize::new(OFF),
            root: AtomicUsize::new(NONE),
            leaving: AtomicUsize::new(NONE),
            walking: AtomicUsize::new(NONE),
            retiring: AtomicUsize::new(NONE),
            asked: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            rung: AtomicBool::new(false),
            expired: AtomicBool::new(false),
            armed: AtomicBool::new(false),
            deadline_ns: AtomicU64::new(u64::MAX),
        }
    }

    /// Whether the CPU may remember something of the tree at `root`, or is just looking at it. The caller has changed
    /// the tree and put a fence behind that: a CPU that takes the tree up later finds it changed.
    fn may_use(&self, root: Paddr) -> bool {
        // In the order that `set_root` relies on.
        [&self.root, &self.leaving, &self.walking].iter().any(|used| used.load(Ordering::Acquire) == root.as_usize())
    }
}

static CPUS: [Shared; CPUS_MAX] = [const { Shared::new() }; CPUS_MAX];
/// How many are up.
static COUNT: AtomicUsize = AtomicUsize::new(1);

/// What the CPUs but the first run, and how often that has begun.
static CLIENT: Lock<Option<Lent>> = Lock::new(None);
static RUNS: AtomicUsize = AtomicUsize::new(0);
/// CPUs but the first that have not left the run that began last.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// A client, for as long as `run` waits.
#[derive(Clone, Copy)]
pub(crate) struct Lent(pub(crate) *const (dyn Client + 'static));
// SAFETY: `Client` is `Sync`; `run` keeps the borrow until every CPU has let go.
unsafe impl Send for Lent {}

impl Lent {
    /// The client.
    pub(crate) fn client(&self) -> &dyn Client {
        // SAFETY: as above.
        unsafe { &*self.0 }
    }
}

fn mine() -> &'static Shared {
    &CPUS[arch::local().id.0]
}

fn others() -> impl Iterator<Item = CpuId> {
    let here = arch::local().id;
    (0..count()).map(CpuId).filter(move |cpu| *cpu != here)
}

/// How many CPUs run.
pub(crate) fn count() -> usize {
    COUNT.load(Ordering::Relaxed)
}

/// Starts the CPUs with these numbers of the hardware's, of which the caller's is one.
pub(crate) fn start(hardware: &[usize]) {
    let here = arch::hardware_id();
    CPUS[0].hardware.store(here, Ordering::Relaxed);
    CPUS[0].phase.store(UP, Ordering::Relaxed);
    mine().root.store(arch::kernel_root().as_usize(), Ordering::Relaxed);
    let wanted: Vec<usize> = hardware.iter().copied().filter(|id| *id != here).take(CPUS_MAX - 1).collect();
    for (before, hardware) in wanted.into_iter().enumerate() {
        let id = before + 1;
        let shared = &CPUS[id];
        shared.hardware.store(hardware, Ordering::Relaxed);
        shared.root.store(arch::kernel_root().as_usize(), Ordering::Relaxed);
        if !bring_up(id, hardware) {
            halt::say(format_args!("CPU {id} (the hardware's {hardware}) does not start; going on with {id}"));
            return;
        }
        COUNT.store(id + 1, Ordering::Release);
    }
}

/// Starts one and waits until it is there.
fn bring_up(id: usize, hardware: usize) -> bool {
    let (Some(stack), Some(fault_stack)) = (Stack::take(), Stack::take()) else { return false };
    // They are the CPU's for good, even if it comes too late.
    let ends = (core::mem::ManuallyDrop::new(stack).end(), core::mem::ManuallyDrop::new(fault_stack).end());
    if !arch::start_secondary(id, hardware, ends.0, ends.1) {
        return false;
    }
    let phase = &CPUS[id].phase;
    let deadline = arch::monotonic_ns() + START_NS;
    while phase.load(Ordering::Acquire) == OFF && arch::monotonic_ns() < deadline {
        relax();
    }
    phase.compare_exchange(OFF, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire).is_err()
}

/// Where a CPU but the first comes when it is ready, with interrupts kept away: it waits to be lent.
pub(crate) fn enter() -> ! {
    let local = arch::local();
    if mine().phase.compare_exchange(OFF, UP, Ordering::AcqRel, Ordering::Acquire).is_err() {
        arch::park();
    }
    let mut seen = 0;
    loop {
        let runs = RUNS.load(Ordering::Acquire);
        if runs == seen {
            arch::wait_for_interrupt();
            continue;
        }
        seen = runs;
        let lent = *CLIENT.lock();
        if let Some(lent) = lent {
            turns(lent);
        }
        local.generic.set(core::ptr::null());
        INSIDE.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Lends every CPU until the client is stopping. Called on the first, with interrupts kept away.
pub(crate) fn run(lent: Lent) {
    *CLIENT.lock() = Some(lent);
    INSIDE.store(count() - 1, Ordering::Release);
    RUNS.fetch_add(1, Ordering::AcqRel);
    others().for_each(announce);
    turns(lent);
    while INSIDE.load(Ordering::Acquire) != 0 {
        relax();
    }
    *CLIENT.lock() = None;
}

fn turns(lent: Lent) {
    let local = arch::local();
    let client = lent.client();
    local.client.set(Some(lent.0));
    deliver_missed();
    while !client.stopping() {
        let step = client.step(local.id);
        // Whatever the client did with interrupts: nobody's call to stop may come between the look and the sleep.
        arch::interrupts_disable();
        // A program entered in this step may be released by any CPU in the next: its registers go home.
        user::save_floating_point(local);
        if step == Step::Idle && !client.stopping() {
            arch::wait_for_interrupt();
        }
    }
    local.client.set(None);
    // Whoever sleeps may not have heard.
    others().for_each(announce);
}

/// Has `cpu` look at what is asked of it.
fn announce(cpu: CpuId) {
    arch::ring(CPUS[cpu.0].hardware.load(Ordering::Relaxed));
}

/// Raises [`Interrupt::Ipi`] on `cpu`.
pub(crate) fn interrupt(cpu: CpuId) {
    CPUS[cpu.0].rung.store(true, Ordering::Release);
    announce(cpu);
}

/// Sets the timer of `cpu`.
pub(crate) fn arm_timer(cpu: CpuId, deadline_ns: Option<u64>) {
    if cpu == arch::local().id {
        arm(deadline_ns.unwrap_or(u64::MAX));
        return;
    }
    let shared = &CPUS[cpu.0];
    shared.deadline_ns.store(deadline_ns.unwrap_or(u64::MAX), Ordering::Relaxed);
    shared.armed.store(true, Ordering::Release);
    announce(cpu);
}

fn arm(deadline_ns: u64) {
    mine().expired.store(false, Ordering::Relaxed);
    let delay = (deadline_ns != u64::MAX).then(|| deadline_ns.saturating_sub(arch::monotonic_ns()));
    arch::timer_arm(delay);
}

/// Another CPU has called this one. Called by interrupt handlers, with interrupts kept away.
pub(crate) fn called() {
    serve();
    let shared = mine();
    if shared.armed.swap(false, Ordering::AcqRel) {
        arm(shared.deadline_ns.load(Ordering::Relaxed));
    }
    if shared.rung.swap(false, Ordering::AcqRel) {
        machine::interrupted(Interrupt::Ipi);
    }
}

/// An interrupt came while this CPU was not lent: it is not lost if the CPU will be.
pub(crate) fn missed(interrupt: Interrupt) {
    match interrupt {
        Interrupt::Ipi => mine().rung.store(true, Ordering::Relaxed),
        Interrupt::Timer => mine().expired.store(true, Ordering::Relaxed),
        Interrupt::Device(_) => {}
    }
}

fn deliver_missed() {
    for (flag, interrupt) in [(&mine().rung, Interrupt::Ipi), (&mine().expired, Interrupt::Timer)] {
        if flag.swap(false, Ordering::AcqRel) {
            machine::interrupted(interrupt);
        }
    }
}

/// One turn of a loop that waits for another CPU.
pub(crate) fn relax() {
    arch::relax();
    serve();
}

/// Does what other CPUs wait for.
fn serve() {
    halt::obey();
    let shared = mine();
    let asked = shared.asked.load(Ordering::Acquire);
    if shared.answered.load(Ordering::Relaxed) >= asked {
        return;
    }
    fence(Ordering::SeqCst);
    let root = shared.root.load(Ordering::Relaxed);
    if CPUS[..count()].iter().any(|cpu| cpu.retiring.load(Ordering::Acquire) == root) {
        set_root(arch::kernel_root());
    } else {
        arch::flush_all();
    }
    // An interrupt may have served a later request meanwhile: never back.
    shared.answered.fetch_max(asked, Ordering::AcqRel);
}

/// Asks `cpu` to forget everything, and waits until it has.
fn have_forgotten(cpu: CpuId) {
    let shared = &CPUS[cpu.0];
    let request = shared.asked.fetch_add(1, Ordering::AcqRel) + 1;
    announce(cpu);
    while shared.answered.load(Ordering::Acquire) < request {
        relax();
    }
}

/// The tree at `root` has changed: what another CPU remembers of it goes. All of it, as a list of pages would have to
/// be handed over.
pub(crate) fn flush_remote(cpu: CpuId, root: Paddr) {
    fence(Ordering::SeqCst);
    if CPUS[cpu.0].may_use(root) {
        have_forgotten(cpu);
    }
}

/// Whether `root` is in force here.
pub(crate) fn is_in_force(root: Paddr) -> bool {
    mine().root.load(Ordering::Relaxed) == root.as_usize()
}

/// Puts `root`, which is ostd's and has the kernel's half, in force. Interrupts are kept away, or cannot come here.
pub(crate) fn set_root(root: Paddr) {
    let shared = mine();
    let before = shared.root.load(Ordering::Relaxed);
    if before == root.as_usize() {
        return;
    }
    // Both names stand until the old root is out of force, and the new one before it is in.
    shared.leaving.store(before, Ordering::Relaxed);
    shared.root.store(root.as_usize(), Ordering::Release);
    fence(Ordering::SeqCst);
    // SAFETY: ostd made the tree and has it retired before its end, which waits for this CPU; `space_made` gave it the
    // kernel's half.
    unsafe { arch::set_root(root) };
    shared.leaving.store(NONE, Ordering::Release);
}

/// Looks at the tree under `root` and uses what it finds, with interrupts kept away: a frame that is found is not freed
/// before `what` returns, as its unmapping waits for this CPU.
pub(crate) fn walking<R>(root: Paddr, what: impl FnOnce() -> R) -> R {
    let shared = mine();
    if is_in_force(root) {
        return what();
    }
    shared.walking.store(root.as_usize(), Ordering::Relaxed);
    fence(Ordering::SeqCst);
    let answer = what();
    shared.walking.store(NONE, Ordering::Release);
    answer
}

/// The tree at `root` ends: returns when no CPU has it in force.
pub(crate) fn leave_root(root: Paddr) {
    let before = arch::interrupts_disable();
    if is_in_force(root) {
        set_root(arch::kernel_root());
    }
    let shared = mine();
    shared.retiring.store(root.as_usize(), Ordering::Release);
    fence(Ordering::SeqCst);
    for cpu in others() {
        if CPUS[cpu.0].may_use(root) {
            have_forgotten(cpu);
        }
    }
    shared.retiring.store(NONE, Ordering::Release);
    if before {
        arch::interrupts_enable();
    }
}

/// Stops every other CPU for good, as far as the hardware can.
pub(crate) fn stop_others() {
    for cpu in others() {
        arch::stop(CPUS[cpu.0].hardware.load(Ordering::Relaxed));
    }
}
