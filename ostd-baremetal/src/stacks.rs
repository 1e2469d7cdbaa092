//! Kernel stacks: slots of a window of addresses, with a hole below each, so that a full stack is a fault and no silence.
#![expect(unsafe_code, reason = "writes the kernel's page tables")]

use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use ostd_hal::paging::{PageEntry as _, index};
use ostd_hal::{PAGE_SIZE, Paddr, PageFlags, Vaddr};

use crate::arch::{self, Entry};
use crate::image::{BOOT_STACK, BOOT_STACK_LEN};
use crate::layout::{FIRST_SLOTS, Layout, STACK_LEN, STACK_STRIDE};
use crate::lock::Lock;

/// Free slots. Contexts are dropped anywhere, so this is one of the image's few statics.
static FREE: Lock<Vec<usize>> = Lock::new(Vec::new());

/// How many slots there are; behind them, the first CPU's boot stack. Found out once.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// One stack, ours until dropped.
pub(crate) struct Stack(usize);

impl Stack {
    /// A free one.
    pub(crate) fn take() -> Option<Self> {
        FREE.lock().pop().map(Self)
    }

    /// The address behind it, aligned to a page.
    pub(crate) fn end(&self) -> usize {
        // The hole is in front: stacks grow down into it.
        arch::STACK_WINDOW + (self.0 + 1) * STACK_STRIDE
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // Never longer than it was at first: no memory is asked for.
        FREE.lock().push(self.0);
    }
}

const _: () = assert!(BOOT_STACK_LEN <= (FIRST_SLOTS - 1) * STACK_STRIDE);

fn word(at: Paddr) -> *mut u64 {
    (arch::DIRECT_MAP + at.as_usize()) as *mut u64
}

/// Maps all stacks, once, before the first address space is made.
pub(crate) fn map(layout: &Layout) {
    let mut nodes = layout.tables.clone().step_by(PAGE_SIZE);
    let count = layout.stacks.len() / STACK_LEN;
    for slot in 0..count {
        let end = Stack(slot);
        let start = core::mem::ManuallyDrop::new(end).end() - STACK_LEN;
        for offset in (0..STACK_LEN).step_by(PAGE_SIZE) {
            let frame = Paddr::new(layout.stacks.start + slot * STACK_LEN + offset);
            map_page(Vaddr::new(start + offset), frame, &mut nodes);
        }
    }
    *FREE.lock() = (0..count).rev().collect();
    COUNT.store(count, Ordering::Relaxed);
    let boot = (&raw const BOOT_STACK).addr() - arch::KERNEL_OFFSET;
    for offset in (0..BOOT_STACK_LEN).step_by(PAGE_SIZE) {
        map_page(Vaddr::new(first_end() - BOOT_STACK_LEN + offset), Paddr::new(boot + offset), &mut nodes);
    }
}

/// The end of the boot stack, seen with a hole below it: a slot of nothing lies between it and the others.
pub(crate) fn first_end() -> usize {
    arch::STACK_WINDOW + (COUNT.load(Ordering::Relaxed) + FIRST_SLOTS) * STACK_STRIDE
}

fn map_page(at: Vaddr, frame: Paddr, nodes: &mut core::iter::StepBy<Range<usize>>) {
    let mut node = arch::kernel_root();
    for level in (1..arch::levels()).rev() {
        let slot = word(node + index(at, level) * 8);
        // SAFETY: `node` is a node of the kernel's tree, reached through the window on physical memory.
        let entry = Entry::from_bits(unsafe { slot.read_volatile() });
        node = if entry.is_present() {
            entry.paddr()
        } else {
            let below = Paddr::new(nodes.next().expect("the layout counts the nodes"));
            // SAFETY: the layout's own memory, a page of it.
            unsafe { core::ptr::write_bytes(word(below).cast::<u8>(), 0, PAGE_SIZE) };
            // SAFETY: as above; the entry leads to a node of absent entries.
            unsafe { slot.write_volatile(Entry::table(below).bits()) };
            below
        };
    }
    let flags = PageFlags::WRITE | PageFlags::ACCESSED | PageFlags::DIRTY;
    // SAFETY: as above; the frame is the layout's, for this stack.
    unsafe { word(node + index(at, 0) * 8).write_volatile(Entry::page(frame, flags).bits()) };
}
