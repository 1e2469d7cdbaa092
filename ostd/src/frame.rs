//! Counted frames of physical memory.
//!
//! Each frame has a metadata slot; a [`Frame`] is a pointer to it. Slots lie in chunks aligned to 2 MiB whose first
//! slot names the machine, so reading, cloning and dropping a frame work in any context, and RAM is given back only
//! when the last frame is.
#![expect(unsafe_code, reason = "frame metadata is shared memory laid out by hand")]

pub(crate) mod free;
mod pool;

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem::ManuallyDrop;
use core::ops::Range;
use core::panic::Location;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use ostd_hal::{Hal, PAGE_SHIFT, PAGE_SIZE, Paddr};

pub(crate) use self::pool::FramePool;
use crate::Error;
use crate::check::Culprit;
use crate::machine::{Core, Machine};

/// Bytes of a chunk of slots, and its alignment.
const CHUNK: usize = 2 << 20;
/// Slots in a chunk that stand for frames; the first one is the chunk's head.
const PER_CHUNK: usize = CHUNK / size_of::<Slot>() - 1;
/// Bytes of a page table of which its slot knows together whether they were ever written.
const LINE: usize = PAGE_SIZE / usize::BITS as usize;

/// What a frame may be used for. Users can be given only [`Kind::UNTYPED`] memory.
struct Kind;

impl Kind {
    const FREE: u32 = 0;
    const UNTYPED: u32 = 1;
    const TABLE: u32 = 2;
}

/// What a frame is used for, in words.
fn kind_name(kind: u32) -> &'static str {
    match kind {
        Kind::FREE => "free",
        Kind::TABLE => "page table",
        _ => "memory",
    }
}

/// In the place of a frame's writer: it may have several.
const SHARED: usize = usize::MAX;

/// One frame's metadata, or a chunk's head.
#[repr(C, align(32))]
struct Slot {
    refs: AtomicU32,
    kind: AtomicU32,
    /// In a chunk's head: the machine. In a frame's slot: unused.
    core: AtomicPtr<Core>,
    /// In a chunk's head: the index of the frame of its second slot. In a page table's slot: which of its lines were ever
    /// written, a bit each; all others hold zeros. In the slot of other memory, on a machine with checkers: who may write to
    /// it (see [`Frame::given_to`]).
    first_frame: AtomicUsize,
    /// In a frame's slot, on a machine with checkers: who asked for it.
    place: AtomicPtr<Location<'static>>,
}

/// A counted frame of memory that users may be given. Its bytes may change under the reader at any time, so they are
/// copied, never borrowed. Cloning counts; the frame is free again when the last one is dropped.
pub struct Frame(NonNull<Slot>);

// SAFETY: the slot's fields are atomic, and the bytes are reached only by racy copies.
unsafe impl Send for Frame {}
// SAFETY: as above.
unsafe impl Sync for Frame {}

/// A frame that holds a node of a page-table tree. Not counted: the tree owns it.
pub(crate) struct TableFrame(Frame);

impl TableFrame {
    /// Empties the node; `each` gets the words of lines that were ever written. Nobody may be changing them.
    pub(crate) fn take_words(&self, mut each: impl FnMut(u64)) {
        let lines = &self.0.slot().first_frame;
        let mut left = lines.load(Ordering::Relaxed);
        while left != 0 {
            let (start, mut line) = (left.trailing_zeros() as usize * LINE, [0; LINE]);
            self.0.read(start, &mut line);
            self.0.fill(start..start + LINE, 0);
            line.as_chunks().0.iter().for_each(|word| each(u64::from_ne_bytes(*word)));
            left &= left - 1;
        }
        lines.store(0, Ordering::Relaxed);
    }

    /// Gives the node's frame to the tree, which keeps only the address.
    pub(crate) fn into_paddr(self) -> Paddr {
        let this = ManuallyDrop::new(self.0);
        this.paddr()
    }

    /// Takes back what [`into_paddr`](Self::into_paddr) gave.
    ///
    /// # Safety
    /// 1. `at` came from `into_paddr` on this machine, and is taken back once.
    pub(crate) unsafe fn from_paddr(core: &Core, at: Paddr) -> Self {
        // SAFETY: the caller's promise; a table frame has exactly one count.
        Self(unsafe { Frame::from_raw(core, at) })
    }
}

impl Frame {
    /// Where the frame is.
    pub fn paddr(&self) -> Paddr {
        let (head, position) = self.head();
        let index = head.first_frame.load(Ordering::Relaxed) + position - 1;
        Paddr::new(index << PAGE_SHIFT)
    }

    /// How many hold this frame, mappings included.
    pub fn reference_count(&self) -> u32 {
        self.slot().refs.load(Ordering::Acquire)
    }

    /// Copies bytes out, starting at `offset`. Users may be writing them: the copy is a snapshot of no single moment.
    ///
    /// Panics if the range leaves the frame.
    pub fn read(&self, offset: usize, into: &mut [u8]) {
        let from = self.window(offset, into.len());
        // SAFETY: the window is inside the frame, which `self` keeps; a slice of ours is never in a frame.
        unsafe { copy_racy(from, into.as_mut_ptr(), into.len()) };
    }

    /// Copies bytes in, starting at `offset`.
    ///
    /// Panics if the range leaves the frame.
    pub fn write(&self, offset: usize, from: &[u8]) {
        let to = self.window(offset, from.len());
        // SAFETY: as in `read`.
        unsafe { copy_racy(from.as_ptr(), to, from.len()) };
    }

    /// Sets bytes.
    ///
    /// Panics if the range leaves the frame.
    pub fn fill(&self, range: Range<usize>, byte: u8) {
        let to = self.window(range.start, range.len());
        // SAFETY: as in `read`; the copy is a plain fill of memory that nobody borrows.
        unsafe { ptr::write_bytes(to, byte, range.len()) };
    }

    /// Copies the whole of another frame into this one.
    pub fn copy_from(&self, other: &Self) {
        let (to, from) = (self.window(0, PAGE_SIZE), other.window(0, PAGE_SIZE));
        // SAFETY: both windows are whole frames kept by their owners; copying a frame to itself is a no-op.
        unsafe { copy_racy(from, to, PAGE_SIZE) };
    }

    /// Whether both are the same frame.
    pub fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// The machine's address of `len` bytes at `offset`.
    pub(crate) fn window(&self, offset: usize, len: usize) -> *mut u8 {
        assert!(offset.checked_add(len).is_some_and(|end| end <= PAGE_SIZE), "{offset}+{len} leaves the frame");
        self.core().backend.phys_to_virt(self.paddr() + offset)
    }

    /// Says that several address spaces may be given this frame to write to, as shared memory is. Otherwise a machine with
    /// checkers panics at the second.
    pub fn share(&self) {
        if self.core().checks {
            self.slot().first_frame.store(SHARED, Ordering::Relaxed);
        }
    }

    /// Checks that the page table under `root` may map the frame, and to write to if `writable`: it is no frame of the
    /// kernel's own, and no other space writes to it.
    #[track_caller]
    pub(crate) fn given_to(&self, root: Paddr, writable: bool) {
        let slot = self.slot();
        let kind = slot.kind.load(Ordering::Relaxed);
        assert!(kind == Kind::UNTYPED, "{self:?}, {}, was given to a program, {Culprit}", kind_name(kind));
        let (writer, mine) = (slot.first_frame.load(Ordering::Relaxed), root.as_usize() + 1);
        if !writable || writer == SHARED {
            return;
        }
        if writer != 0 && writer != mine {
            // SAFETY: only ever null or a `&'static Location`, on a machine with checkers.
            let place = unsafe { slot.place.load(Ordering::Relaxed).as_ref() };
            let asked = place.map_or_else(String::new, |place| format!(", asked for at {place},"));
            panic!(
                "{self:?}{asked} was mapped to be written by two address spaces, at {}, {Culprit}",
                Location::caller()
            );
        }
        slot.first_frame.store(mine, Ordering::Relaxed);
    }

    /// The page table under `root` does not let programs write to it any more.
    pub(crate) fn taken_from(&self, root: Paddr) {
        let mine = root.as_usize() + 1;
        let _ = self.slot().first_frame.compare_exchange(mine, 0, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn belongs_to(&self, core: &Core) -> bool {
        ptr::eq(self.core(), core)
    }

    /// Gives one count to a page table, which keeps only the address.
    pub(crate) fn into_raw(self) -> Paddr {
        let this = ManuallyDrop::new(self);
        this.paddr()
    }

    /// Takes back one count given by [`into_raw`](Self::into_raw).
    ///
    /// # Safety
    /// 1. `at` came from `into_raw` on this machine, and each count is taken back once.
    pub(crate) unsafe fn from_raw(core: &Core, at: Paddr) -> Self {
        Self(core.frames.slot(at))
    }

    fn slot(&self) -> &Slot {
        // SAFETY: a counted frame's slot lives in the machine's metadata, which the count keeps.
        unsafe { self.0.as_ref() }
    }

    fn head(&self) -> (&Slot, usize) {
        let address = self.0.addr().get();
        let offset = address & (CHUNK - 1);
        // SAFETY: chunks are aligned to their size and begin with a head in the same allocation.
        let head = unsafe { self.0.byte_sub(offset).as_ref() };
        (head, offset / size_of::<Slot>())
    }

    fn core(&self) -> &Core {
        let (head, _) = self.head();
        // SAFETY: `FramePool::bind` set it; the outstanding count that this frame is part of keeps the core alive.
        unsafe { &*head.core.load(Ordering::Relaxed) }
    }
}

impl Clone for Frame {
    fn clone(&self) -> Self {
        let before = self.slot().refs.fetch_add(1, Ordering::Relaxed);
        assert!(before < u32::MAX / 2, "a frame was cloned two thousand million times");
        Self(self.0)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if self.slot().refs.fetch_sub(1, Ordering::Release) == 1 {
            core::sync::atomic::fence(Ordering::Acquire);
            let core = ptr::from_ref(self.core());
            // SAFETY: this frame's share of the outstanding count is given up only inside.
            unsafe { FramePool::give_back(core, self.paddr(), self.slot()) };
        }
    }
}

impl core::fmt::Debug for Frame {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Frame({})", self.paddr())
    }
}

/// Copies between memory of ours and memory that others may be changing.
///
/// # Safety
/// 1. Both ranges of `len` bytes are valid, and do not overlap unless they are equal.
pub(crate) unsafe fn copy_racy(from: *const u8, to: *mut u8, len: usize) {
    // The compiler may not assume anything about bytes that user code races on: an opaque copy, not a typed one.
    // SAFETY: the caller's promise.
    unsafe { ptr::copy(from, to, len) };
}

/// The frame allocator of a machine.
pub struct Frames<'a>(pub(crate) &'a Arc<Core>);

impl Frames<'_> {
    /// A frame of zeros.
    #[track_caller]
    pub fn alloc(&self) -> Result<Frame, Error> {
        let frame = self.alloc_dirty()?;
        frame.fill(0..PAGE_SIZE, 0);
        Ok(frame)
    }

    /// A frame that holds whatever its last owner left: only for who overwrites all of it.
    #[track_caller]
    pub fn alloc_dirty(&self) -> Result<Frame, Error> {
        self.0.faults.allocation(Location::caller())?;
        self.0.frames.take(Kind::UNTYPED).map(Frame)
    }

    /// `count` frames of zeros that follow one another in memory, or none.
    #[track_caller]
    pub fn alloc_run(&self, count: usize) -> Result<Vec<Frame>, Error> {
        self.0.faults.allocation(Location::caller())?;
        let run = self.0.frames.take_run(Kind::UNTYPED, count)?;
        let frames: Vec<_> = run.into_iter().map(Frame).collect();
        for frame in &frames {
            frame.fill(0..PAGE_SIZE, 0);
        }
        Ok(frames)
    }

    /// Frames in the machine.
    pub fn total(&self) -> usize {
        self.0.frames.total
    }

    /// Frames in use, page tables included.
    pub fn used(&self) -> usize {
        self.0.frames.outstanding.load(Ordering::Relaxed)
    }

    /// Who asked for the frames that are in use, at most `limit` of them, one line each. Looks at every frame.
    pub fn users(&self, limit: usize) -> Vec<String> {
        self.0.frames.users(limit)
    }

    /// Frames that are free.
    pub fn free(&self) -> usize {
        self.total() - self.used()
    }

    /// Makes the `nth` allocation from now (0 is the next) fail, and that one only.
    pub fn fail_nth(&self, nth: usize) {
        self.0.frames.fail_in.store(nth + 1, Ordering::Relaxed);
    }
}

impl Core {
    #[track_caller]
    pub(crate) fn alloc_table(&self) -> Result<TableFrame, Error> {
        self.faults.allocation(Location::caller())?;
        let (slot, is_blank) = self.frames.take_table()?;
        let frame = Frame(slot);
        if !is_blank {
            frame.fill(0..PAGE_SIZE, 0);
        }
        Ok(TableFrame(frame))
    }

    /// Before a word of a page table is written, by whoever has the tree: says so to whoever takes it apart.
    pub(crate) fn about_to_write_table(&self, at: Paddr) {
        // SAFETY: the slot is inside the metadata that the backend promised.
        let lines = unsafe { &self.frames.slot(at).as_ref().first_frame };
        let (written, line) = (lines.load(Ordering::Relaxed), 1 << (at.page_offset() / LINE));
        if written & line == 0 {
            lines.store(written | line, Ordering::Relaxed);
        }
    }
}

impl Machine {
    /// A frame of zeros: short for `frames().alloc()`.
    #[track_caller]
    pub fn frame(&self) -> Result<Frame, Error> {
        self.frames().alloc()
    }
}

#[cfg(test)]
mod tests {
    use crate::hosted::{Hosted, HostedConfig};
    use crate::vm::{PageFlags, VmSpace};
    use crate::{Machine, MachineConfig, PAGE_SIZE, Vaddr};

    #[test]
    #[should_panic(expected = "page table, was given to a program")]
    fn a_node_of_a_page_table_is_not_given_to_programs() {
        let backend = Hosted::new(&HostedConfig::default()).expect("the host has memory");
        let machine = Machine::new(backend, MachineConfig::default());
        let space = VmSpace::new(&machine).expect("memory");
        let table = machine.0.alloc_table().expect("memory");
        let page = Vaddr::new(0x1000);
        let _ = space.cursor(page..page + PAGE_SIZE).map(table.0, PageFlags::empty());
    }
}
