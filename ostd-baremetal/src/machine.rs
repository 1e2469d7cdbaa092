//! The machine as the waist sees it.
#![expect(unsafe_code, reason = "makes the promises of the waist")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use ostd_hal::device::{Devices, OutsideEvent};
use ostd_hal::hal::{CopyFault, Resumed};
use ostd_hal::{
    Client, CpuId, Hal, Interrupt, PAGE_SIZE, Paddr, PageFault, RunError, SafePoint, Trap, UserState, Vaddr,
};

use crate::context::{self, Context};
use crate::copy::Copy;
use crate::cpus::{self, Lent};
use crate::layout::{Layout, free_parts};
use crate::{arch, copy, halt, heap, random, serial, stacks, user, virtio};

/// The line that no device raises: nothing happens to this machine from outside but by its devices.
const NO_LINE: u32 = u32::MAX;
/// More pages than this are forgotten by forgetting everything.
const FLUSH_PAGES_MAX: usize = 64;

/// The machine. There is one.
#[derive(Debug)]
pub struct Baremetal {
    layout: Layout,
    archive: Option<&'static [u8]>,
    command_line: Vec<u8>,
    boot_realtime_ns: u64,
    devices: Devices,
}

impl Baremetal {
    /// What the loader, which left `loaded` in a register, has put here; or why there is no machine.
    pub(crate) fn new(loaded: usize) -> Result<Self, &'static str> {
        let found = arch::information(loaded).ok_or("the loader left no information that can be read")?;
        arch::map_memory(&found.ram);
        let archive = found.archive.clone().filter(|range| !range.is_empty());
        if let Some(archive) = &archive {
            let is_around = |part: &Range<usize>| part.start <= archive.start && archive.end <= part.end;
            let inside = found.ram.iter().any(is_around) && archive.end <= arch::DIRECT_MAP_LEN;
            inside.then_some(()).ok_or("the initial file system is not in this machine's memory")?;
        }
        let mut taken = found.reserved.clone();
        taken.extend([arch::image(), archive.clone().unwrap_or(0..0)]);
        let within = |part: &Range<usize>| part.start..part.end.min(arch::DIRECT_MAP_LEN);
        let ram: Vec<_> = found.ram.iter().map(within).collect();
        let layout = Layout::divide(&free_parts(&ram, &taken)).ok_or("this machine has too little memory")?;
        // SAFETY: the layout gives it to the heap alone.
        unsafe { heap::add(&layout.heap) };
        stacks::map(&layout);
        cpus::start(&found.processors);
        random::start(found.seed);
        let devices = virtio::start(&found.places);
        random::complain();
        Ok(Self {
            layout,
            // SAFETY: inside the window; the range is kept out of everything else above.
            archive: archive.map(|range| unsafe {
                core::slice::from_raw_parts(copy::window(Paddr::new(range.start)), range.len())
            }),
            command_line: found.command_line,
            boot_realtime_ns: arch::boot_realtime_ns(),
            devices,
        })
    }

    /// The archive of the initial file system, as the loader put it in memory.
    pub fn archive(&self) -> Option<&'static [u8]> {
        self.archive
    }

    /// What the machine carries besides its serial line.
    pub fn devices(&self) -> &Devices {
        &self.devices
    }

    /// The words that the loader has for the kernel.
    pub fn command_line(&self) -> &[u8] {
        &self.command_line
    }
}

/// Tells generic code of an interrupt. Called with interrupts kept away; before the machine runs there is nobody to tell yet.
pub(crate) fn interrupted(interrupt: Interrupt) {
    match interrupt {
        Interrupt::Device(arch::UART_LINE) => serial::quiet(),
        Interrupt::Device(line) => virtio::raised(line),
        Interrupt::Timer | Interrupt::Ipi => {}
    }
    let local = arch::local();
    match local.client.get() {
        // SAFETY: set by `cpus::run` for as long as its caller's borrow of the client lasts.
        Some(client) => unsafe { (*client).interrupt(local.id, interrupt) },
        None => cpus::missed(interrupt),
    }
}

/// A kernel stack is full: says whose, and ends the machine. Called on another stack.
pub(crate) fn stack_is_full(pc: usize) -> ! {
    let local = arch::local();
    // SAFETY: as in `interrupted`.
    let task = local.client.get().and_then(|client| unsafe { (*client).task_name(local.id) });
    match task {
        Some(task) => halt::stop(format_args!("kernel stack overflow in task {task}, at {pc:#x}")),
        None => halt::stop(format_args!("kernel stack overflow in the loop of CPU {}, at {pc:#x}", local.id.0)),
    }
}

// SAFETY: 1. and 2. the layout divides memory that the loader calls free, without what the image and the archive take;
// the window on it is never unmapped. 3. `copy` asks the tree, or the paging unit that reads it. 4. `user::enter` puts the given tree in force, whose
// kernel half users cannot use. 5. `context` gives each context a stack, and takes its entry once.
unsafe impl Hal for Baremetal {
    const CHECKS: bool = false;
    type Entry = arch::Entry;
    type Registers = arch::Regs;
    type Context = Context;

    fn cpu_count(&self) -> usize {
        cpus::count()
    }

    fn memory(&self) -> Range<Paddr> {
        Paddr::new(self.layout.frames.start)..Paddr::new(self.layout.frames.end)
    }

    fn memory_holes(&self) -> Vec<Range<Paddr>> {
        self.layout.holes.iter().map(|hole| Paddr::new(hole.start)..Paddr::new(hole.end)).collect()
    }

    fn metadata(&self, len: usize) -> NonNull<u8> {
        assert!(len <= self.layout.metadata.len(), "the layout counts on less metadata");
        let start = copy::window(Paddr::new(self.layout.metadata.start));
        // SAFETY: the layout's memory, which nobody has used yet.
        unsafe { core::ptr::write_bytes(start, 0, len) };
        NonNull::new(start).expect("the window does not begin at zero")
    }

    fn run(&self, client: &dyn Client) -> Result<(), RunError> {
        arch::interrupts_disable();
        // SAFETY: only the lifetime changes; no CPU has the pointer when `cpus::run` returns, before the borrow ends.
        let lasting = unsafe { core::mem::transmute::<*const dyn Client, *const (dyn Client + 'static)>(client) };
        cpus::run(Lent(lasting));
        Ok(())
    }

    fn emergency_write(&self, bytes: &[u8]) {
        serial::write(bytes);
    }

    fn entropy(&self, out: &mut [u8]) {
        random::fill(out);
    }

    fn phys_to_virt(&self, at: Paddr) -> *mut u8 {
        copy::window(at)
    }

    fn word_load(&self, at: Paddr) -> u64 {
        copy::word(at).load(Ordering::Acquire)
    }

    unsafe fn word_store(&self, at: Paddr, value: u64) {
        copy::word(at).store(value, Ordering::Release);
    }

    fn space_made(&self, root: Paddr) {
        // SAFETY: ostd has just made the node, and shares it with nobody yet.
        unsafe { arch::share_kernel_half(root) };
    }

    fn levels(&self) -> usize {
        arch::levels()
    }

    fn tlb_flush(&self, cpu: CpuId, root: Paddr, range: Range<Vaddr>) {
        if cpu != arch::local().id {
            cpus::flush_remote(cpu, root);
            return;
        }
        // A root that is not in force has left nothing behind: putting another in force forgets everything.
        if !cpus::is_in_force(root) {
            return;
        }
        if (range.end - range.start) / PAGE_SIZE > FLUSH_PAGES_MAX {
            arch::flush_all();
            return;
        }
        for at in (range.start.as_usize()..range.end.as_usize()).step_by(PAGE_SIZE) {
            arch::flush_page(Vaddr::new(at));
        }
    }

    fn space_retired(&self, root: Paddr) {
        user::retire(root);
    }

    unsafe fn user_read(&self, root: Paddr, from: Vaddr, into: *mut u8, len: usize) -> Result<(), CopyFault> {
        // SAFETY: the waist's contract.
        unsafe { copy::copy(root, from, len, Copy::Read(into)) }
    }

    unsafe fn user_write(&self, root: Paddr, to: Vaddr, from: *const u8, len: usize) -> Result<(), CopyFault> {
        // SAFETY: the waist's contract.
        unsafe { copy::copy(root, to, len, Copy::Write(from)) }
    }

    fn user_fill(&self, root: Paddr, to: Vaddr, byte: u8, len: usize) -> Result<(), CopyFault> {
        // SAFETY: there is no kernel's end.
        unsafe { copy::copy(root, to, len, Copy::Fill(byte)) }
    }

    fn user_cmpxchg32(&self, root: Paddr, at: Vaddr, old: u32, new: u32) -> Result<u32, PageFault> {
        copy::word_exchange(root, at, old, new)
    }

    fn user_load32(&self, root: Paddr, at: Vaddr) -> Result<u32, PageFault> {
        copy::word_load(root, at)
    }

    fn user_enter(&self, _cpu: CpuId, root: Paddr, state: &mut UserState<Self::Registers>) -> Trap {
        user::enter(root, state)
    }

    fn user_load(&self, _state: &mut UserState<Self::Registers>) {
        // Registers never stay behind here: after a trap they are in the state already.
    }

    fn user_load_fp(&self, state: &mut UserState<Self::Registers>) {
        user::load_floating_point(state);
    }

    fn user_release(&self, state: &mut UserState<Self::Registers>) {
        user::release(state);
    }

    fn fp_initial(&self) -> Vec<u8> {
        arch::fp_initial()
    }

    fn user_end(&self) -> Vaddr {
        Vaddr::new(arch::user_end())
    }

    fn cpu_local() -> *const () {
        arch::local().generic.get()
    }

    fn set_cpu_local(pointer: *const ()) {
        arch::local().generic.set(pointer);
    }

    fn interrupts_disable(&self) -> bool {
        arch::interrupts_disable()
    }

    fn interrupts_enable(&self) {
        arch::interrupts_enable();
    }

    fn poll_interrupt(&self, _cpu: CpuId) -> Option<Interrupt> {
        // Hardware interrupts by itself; see `interrupted`.
        None
    }

    fn safe_point(&self, _cpu: CpuId, _kind: SafePoint) -> bool {
        false
    }

    fn relax() {
        cpus::relax();
    }

    fn ipi(&self, cpu: CpuId) {
        cpus::interrupt(cpu);
    }

    fn context_new(&self, entry: Box<dyn FnOnce() + Send>) -> Option<Self::Context> {
        context::new(entry)
    }

    fn context_resume(&self, context: &mut Self::Context) -> Resumed {
        context::resume(context)
    }

    fn context_suspend(&self) {
        context::suspend();
    }

    fn in_context(&self) -> bool {
        context::is_running()
    }

    fn heap_room(&self) -> usize {
        heap::room()
    }

    fn monotonic_ns(&self) -> u64 {
        arch::monotonic_ns()
    }

    fn boot_realtime_ns(&self) -> u64 {
        self.boot_realtime_ns
    }

    fn timer_arm(&self, cpu: CpuId, deadline_ns: Option<u64>) {
        cpus::arm_timer(cpu, deadline_ns);
    }

    fn spend(&self, _cost_ns: u64) {}

    fn outside_event(&self) -> Option<OutsideEvent> {
        None
    }

    fn outside_line(&self) -> u32 {
        NO_LINE
    }
}
