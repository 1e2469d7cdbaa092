//! RAM, page tables and programs of a few bytes, made by hand.
#![expect(unsafe_code, reason = "maps the RAM file")]

use std::cell::Cell;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use ostd_hal::paging::x86_64::Entry;
use ostd_hal::paging::{LEVELS, PageEntry, index};
use ostd_hal::user::x86_64::Regs;
use ostd_hal::{PAGE_SIZE, Paddr, PageFlags, Trap, UserState, Vaddr};

use super::super::{PtraceConfig, PtraceEngine, sys};

pub(super) const CODE: usize = 0x40_0000;
pub(super) const STACK: usize = 0x50_0000;
pub(super) const DATA: usize = 0x60_0000;

pub(super) const READ: PageFlags = PageFlags::USER;
pub(super) const WRITE: PageFlags = PageFlags::USER.union(PageFlags::WRITE);
pub(super) const EXECUTE: PageFlags = PageFlags::USER.union(PageFlags::EXECUTE);

const RAM_SIZE: usize = 8 << 20;

pub(super) struct Machine {
    pub(super) engine: PtraceEngine,
    file: OwnedFd,
    ram: *mut u8,
    next: Cell<usize>,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self::with(PtraceConfig::default())
    }

    pub(super) fn with(config: PtraceConfig) -> Self {
        let file = sys::executable_memfd(c"test-ram").expect("memfd");
        // SAFETY: plain values.
        assert_eq!(unsafe { libc::ftruncate(file.as_raw_fd(), RAM_SIZE as i64) }, 0);
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let ram = unsafe { libc::mmap(std::ptr::null_mut(), RAM_SIZE, prot, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        assert_ne!(ram, libc::MAP_FAILED);
        let engine = PtraceEngine::new(file.as_raw_fd(), RAM_SIZE, config).expect("this host must allow ptrace");
        Self { engine, file, ram: ram.cast(), next: Cell::new(PAGE_SIZE) }
    }

    pub(super) fn word(&self, at: Paddr) -> &AtomicU64 {
        assert!(at.as_usize() < RAM_SIZE && at.as_usize().is_multiple_of(8));
        // SAFETY: within the mapping and aligned; guests that write it at the same time do so as hardware does.
        unsafe { &*self.ram.add(at.as_usize()).cast::<AtomicU64>() }
    }

    pub(super) fn load(&self, at: Paddr) -> u64 {
        self.word(at).load(Ordering::Acquire)
    }

    pub(super) fn frame(&self) -> Paddr {
        let frame = self.next.get();
        self.next.set(frame + PAGE_SIZE);
        Paddr::new(frame)
    }

    /// A frame that begins with `bytes`.
    pub(super) fn frame_with(&self, bytes: &[u8]) -> Paddr {
        let frame = self.frame();
        self.write(frame, bytes);
        frame
    }

    pub(super) fn write(&self, at: Paddr, bytes: &[u8]) {
        for (number, part) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.word(at + number * 8).store(u64::from_le_bytes(word), Ordering::Release);
        }
    }

    /// An empty address space.
    pub(super) fn space(&self) -> Paddr {
        self.frame()
    }

    pub(super) fn map(&self, root: Paddr, at: usize, frame: Paddr, flags: PageFlags) {
        self.set(root, at, Entry::page(frame, flags));
    }

    pub(super) fn unmap(&self, root: Paddr, at: usize) {
        self.set(root, at, Entry::ABSENT);
    }

    fn set(&self, root: Paddr, at: usize, entry: Entry) {
        let mut node = root;
        for level in (1..LEVELS).rev() {
            let slot = self.word(node + index(Vaddr::new(at), level) * 8);
            if slot.load(Ordering::Relaxed) == 0 {
                slot.store(Entry::table(self.frame()).bits(), Ordering::Relaxed);
            }
            node = Entry::from_bits(slot.load(Ordering::Relaxed)).paddr();
        }
        self.word(node + index(Vaddr::new(at), 0) * 8).store(entry.bits(), Ordering::Release);
    }

    /// An address space with `code` at [`CODE`] and a page of stack, and a program about to run it.
    pub(super) fn program(&self, code: &[u8]) -> (Paddr, UserState<Regs>) {
        let root = self.space();
        self.map(root, CODE, self.frame_with(code), EXECUTE);
        self.map(root, STACK - PAGE_SIZE, self.frame(), WRITE);
        (root, thread(CODE))
    }

    pub(super) fn enter(&self, root: Paddr, state: &mut UserState<Regs>) -> Trap {
        self.engine.enter(root, state, &|at| self.load(at))
    }

    pub(super) fn stub_pids(&self) -> Vec<i32> {
        let mut pids = Vec::new();
        self.engine.for_each_stub(|pid| pids.push(pid));
        pids
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = &self.file;
        // SAFETY: the mapping is ours and nothing borrows from it any more.
        unsafe { libc::munmap(self.ram.cast(), RAM_SIZE) };
    }
}

/// A thread that starts at `ip`.
pub(super) fn thread(ip: usize) -> UserState<Regs> {
    UserState::new(Regs { rip: ip as u64, rsp: STACK as u64, rflags: 0x202, ..Regs::default() })
}
