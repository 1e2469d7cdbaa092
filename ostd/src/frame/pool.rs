//! A machine's frames: their slots, which of them are free, who gets one.
#![expect(unsafe_code, reason = "frame metadata is shared memory laid out by hand")]

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::panic::Location;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use ostd_hal::{Hal, PAGE_SHIFT, Paddr};

use super::free::Free;
use super::{CHUNK, Kind, PER_CHUNK, Slot, kind_name};
use crate::machine::Core;
use crate::sync::SpinLock;
use crate::{Backend, Error};

/// The frames of a machine, given out and free.
pub(crate) struct FramePool {
    free: SpinLock<Free>,
    slots: NonNull<u8>,
    first: usize,
    /// Frames from the first to the last, holes included.
    span: usize,
    /// Frames that can be given out.
    pub(super) total: usize,
    /// Whether frames remember who asked for them.
    checks: bool,
    pub(super) outstanding: AtomicUsize,
    /// Counts down to an allocation that fails on request; 0 is off.
    pub(super) fail_in: AtomicUsize,
    core: AtomicPtr<Core>,
}

// SAFETY: `slots` points to metadata that is shared by design; its fields are atomic.
unsafe impl Sync for FramePool {}
// SAFETY: as above.
unsafe impl Send for FramePool {}

impl FramePool {
    pub(crate) fn new(backend: &Backend, checks: bool) -> Self {
        let memory = backend.memory();
        let (first, end) = (memory.start.as_usize() >> PAGE_SHIFT, memory.end.as_usize() >> PAGE_SHIFT);
        let span = end - first;
        let slots = backend.metadata(span.div_ceil(PER_CHUNK) * CHUNK);
        let mut free = Free::new();
        let mut total = 0;
        let mut from = first;
        let holes = backend.memory_holes().into_iter();
        for hole in holes.chain([memory.end..memory.end]) {
            let (start, end) = (hole.start.as_usize() >> PAGE_SHIFT, hole.end.as_usize() >> PAGE_SHIFT);
            assert!(from <= start && start <= end, "holes of memory are in order");
            free.add(from, start);
            total += start - from;
            from = end;
        }
        Self {
            free: SpinLock::new(free),
            slots,
            first,
            span,
            total,
            checks,
            outstanding: AtomicUsize::new(0),
            fail_in: AtomicUsize::new(0),
            core: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Writes the chunk heads; called once, when the core has its final address.
    pub(crate) fn bind(&self, core: &Arc<Core>) {
        let core = Arc::as_ptr(core).cast_mut();
        self.core.store(core, Ordering::Relaxed);
        for chunk in 0..self.span.div_ceil(PER_CHUNK) {
            // SAFETY: inside the metadata that the backend promised, aligned to the chunk.
            let head = unsafe { self.slots.byte_add(chunk * CHUNK).cast::<Slot>().as_ref() };
            head.core.store(core, Ordering::Relaxed);
            head.first_frame.store(self.first + chunk * PER_CHUNK, Ordering::Relaxed);
        }
    }

    pub(super) fn slot(&self, at: Paddr) -> NonNull<Slot> {
        let index = (at.as_usize() >> PAGE_SHIFT) - self.first;
        assert!(index < self.span, "{at} is not in this machine's memory");
        let offset = index / PER_CHUNK * CHUNK + (index % PER_CHUNK + 1) * size_of::<Slot>();
        // SAFETY: inside the metadata that the backend promised.
        unsafe { self.slots.byte_add(offset) }.cast()
    }

    #[track_caller]
    pub(super) fn take(&self, kind: u32) -> Result<NonNull<Slot>, Error> {
        self.fail_on_request()?;
        let index = self.free.lock().take().ok_or(Error::NoMemory)?;
        self.count_out(1);
        Ok(self.claim(index, kind, Location::caller()))
    }

    /// A frame for a page table, and whether it is full of zeros.
    #[track_caller]
    pub(super) fn take_table(&self) -> Result<(NonNull<Slot>, bool), Error> {
        self.fail_on_request()?;
        let (index, is_blank) = {
            let mut free = self.free.lock();
            let blank = free.take_blank();
            (blank.or_else(|| free.take()).ok_or(Error::NoMemory)?, blank.is_some())
        };
        self.count_out(1);
        Ok((self.claim(index, Kind::TABLE, Location::caller()), is_blank))
    }

    #[track_caller]
    pub(super) fn take_run(&self, kind: u32, count: usize) -> Result<Vec<NonNull<Slot>>, Error> {
        self.fail_on_request()?;
        if count == 0 || count > self.span {
            return if count == 0 { Ok(Vec::new()) } else { Err(Error::NoMemory) };
        }
        let start = self.free.lock().take_run(count).ok_or(Error::NoMemory)?;
        self.count_out(count);
        let place = Location::caller();
        Ok((start..start + count).map(|index| self.claim(index, kind, place)).collect())
    }

    fn fail_on_request(&self) -> Result<(), Error> {
        if self.fail_in.load(Ordering::Relaxed) != 0 && self.fail_in.fetch_sub(1, Ordering::Relaxed) == 1 {
            return Err(Error::NoMemory);
        }
        Ok(())
    }

    fn claim(&self, index: usize, kind: u32, place: &'static Location<'static>) -> NonNull<Slot> {
        let pointer = self.slot(Paddr::new(index << PAGE_SHIFT));
        // SAFETY: inside the metadata, and the frame is ours since the allocator gave it out.
        let slot = unsafe { pointer.as_ref() };
        debug_assert_eq!(slot.kind.load(Ordering::Relaxed), Kind::FREE, "a frame was given out twice");
        slot.kind.store(kind, Ordering::Relaxed);
        slot.refs.store(1, Ordering::Relaxed);
        slot.first_frame.store(0, Ordering::Relaxed);
        if self.checks {
            slot.place.store(ptr::from_ref(place).cast_mut(), Ordering::Relaxed);
        }
        pointer
    }

    pub(super) fn users(&self, limit: usize) -> Vec<String> {
        let mut found = Vec::new();
        for index in self.first..self.first + self.span {
            // SAFETY: inside the metadata that the backend promised, for `index` is a frame's.
            let slot = unsafe { self.slot(Paddr::new(index << PAGE_SHIFT)).as_ref() };
            let kind = match slot.kind.load(Ordering::Relaxed) {
                Kind::FREE => continue,
                kind => kind_name(kind),
            };
            if found.len() == limit {
                found.push(String::from("..."));
                break;
            }
            let (at, refs) = (Paddr::new(index << PAGE_SHIFT), slot.refs.load(Ordering::Relaxed));
            // SAFETY: only ever null or a `&'static Location`; with the checkers on this machine wrote it itself.
            let place = unsafe { slot.place.load(Ordering::Relaxed).as_ref() }.filter(|_| self.checks);
            found.push(match place {
                Some(place) => format!("frame {at} ({kind}, held {refs} times), asked for at {place}"),
                None => format!("frame {at} ({kind}, held {refs} times)"),
            });
        }
        found
    }

    /// The first frame out takes one count of the machine, which the last one back gives up.
    fn count_out(&self, frames: usize) {
        if self.outstanding.fetch_add(frames, Ordering::Relaxed) == 0 {
            let core = self.core.load(Ordering::Relaxed);
            // SAFETY: set by `bind` from the Arc's own pointer; whoever called us holds that Arc.
            unsafe { Arc::increment_strong_count(core) };
        }
    }

    /// # Safety
    /// 1. `core` is alive by the outstanding count, and `at` names a frame of it whose last count is gone.
    pub(super) unsafe fn give_back(core: *const Core, at: Paddr, slot: &Slot) {
        let was_table = slot.kind.swap(Kind::FREE, Ordering::Relaxed) == Kind::TABLE;
        // SAFETY: the caller's promise.
        let pool = unsafe { &(*core).frames };
        let index = at.as_usize() >> PAGE_SHIFT;
        if was_table && slot.first_frame.load(Ordering::Relaxed) == 0 {
            pool.free.lock().give_blank(index);
        } else {
            pool.free.lock().give(index);
        }
        if pool.outstanding.fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: the count taken in `count_out`.
            unsafe { Arc::decrement_strong_count(core) };
        }
    }
}
