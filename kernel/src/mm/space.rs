//! An address space: mapping, unmapping, protecting, the heap's end.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;

use ostd::frame::Frame;
use ostd::sync::{Mutex, SpinLock};
use ostd::user::user_end;
use ostd::vm::{PageFlags, VmSpace};
use ostd::{Machine, PAGE_SIZE, Vaddr};

use crate::error::{Errno, OrErrno, Result};
use crate::mm::{Area, AreaInfo, Areas, Hints, Label, Lock, MemoryLimits, Place, Prot, SharedMemory, Sharing, Source};

/// What lies between the highest address and the highest mapping that a program did not place: the stack's room. It is more
/// than a transfer moves, so that a buffer in that mapping may be said to be as long as any, as it may on Linux.
const STACK_ROOM: usize = 4 << 30;
/// Nothing is mapped below (`vm.mmap_min_addr`).
pub(super) const FLOOR: usize = 0x1_0000;
/// Where Linux puts what must have 31-bit addresses: its second gigabyte.
const LOW: core::ops::Range<usize> = 0x4000_0000..0x8000_0000;

/// A program's memory. Shared by threads, and by a child of vfork(2) until it executes something.
pub struct AddressSpace {
    pub(super) vm: VmSpace,
    pub(super) state: Mutex<State>,
    pub(super) relief: SpinLock<Option<Weak<dyn Relief>>>,
}

/// Who finds memory when none is left.
pub trait Relief: Send + Sync {
    /// Makes somebody give memory back, which takes a while, for the calling task. False when it is to go without: it is
    /// ending itself. It sleeps.
    fn relieve(&self) -> bool;
}

/// What the lock protects.
pub(super) struct State {
    pub(super) areas: Areas,
    /// Private pages of areas that allow nothing: the page table cannot say "there, but not for you".
    pub(super) parked: BTreeMap<usize, Frame>,
    /// Changes with the areas: who looked away looks again.
    pub(super) generation: u64,
    brk_start: usize,
    brk: usize,
    /// What its program keeps.
    program: Option<Arc<dyn Any + Send + Sync>>,
    pub(super) limits: MemoryLimits,
    /// How whatever is mapped from now on is locked.
    pub(super) lock_future: Lock,
}

impl State {
    /// Takes over from a parent what is not areas.
    pub(super) fn inherit(&mut self, parent: &Self) {
        self.brk_start = parent.brk_start;
        self.brk = parent.brk;
        self.limits = parent.limits;
        self.program.clone_from(&parent.program);
    }
}

/// What mmap(2) asks for.
#[derive(Clone)]
pub struct MapRequest {
    /// Where.
    pub at: Place,
    /// Bytes, rounded up to pages.
    pub len: usize,
    /// What is allowed.
    pub prot: Prot,
    /// What mprotect(2) may allow later.
    pub allowed: Prot,
    /// Who sees stores.
    pub sharing: Sharing,
    /// What fills it.
    pub source: Source,
    /// Whether it grows down like a stack.
    pub grows_down: bool,
    /// Whether its pages may go at any time (`MAP_DROPPABLE`).
    pub droppable: bool,
    /// Its name in maps.
    pub label: Label,
    /// Whether the machine must have the memory, and be it in use (no `MAP_NORESERVE`).
    pub promised: bool,
    /// Whether its pages stay in memory (`MAP_LOCKED`).
    pub lock: Lock,
}

impl MapRequest {
    /// Private zeros.
    pub fn anonymous(at: Place, len: usize, prot: Prot) -> Self {
        Self {
            at,
            len,
            prot,
            allowed: Prot::all(),
            sharing: Sharing::Private,
            source: Source::Anonymous,
            grows_down: false,
            droppable: false,
            label: Label::None,
            promised: true,
            lock: Lock::None,
        }
    }

    /// Whether stores to it take memory that nothing else has.
    fn takes_memory(&self) -> bool {
        match self.sharing {
            Sharing::Private => self.prot.contains(Prot::WRITE),
            Sharing::Shared => matches!(self.source, Source::Anonymous),
        }
    }
}

/// How much memory a program uses, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Usage {
    /// In areas.
    pub virtual_pages: usize,
    /// In the page table.
    pub resident_pages: usize,
    /// Of those, in shared or file areas.
    pub shared_pages: usize,
    /// Private writable areas, stacks not counted.
    pub data_pages: usize,
    /// Areas that grow down.
    pub stack_pages: usize,
    /// Locked areas.
    pub locked_pages: usize,
    /// Executable areas of files.
    pub text_pages: usize,
}

impl AddressSpace {
    /// An empty address space.
    pub fn new(machine: &Machine) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            vm: VmSpace::new(machine).or_errno()?,
            state: Mutex::ranked(
                super::AREAS,
                State {
                    areas: Areas::default(),
                    parked: BTreeMap::new(),
                    generation: 0,
                    brk_start: 0,
                    brk: 0,
                    program: None,
                    limits: MemoryLimits::default(),
                    lock_future: Lock::None,
                },
            ),
            relief: SpinLock::new(None),
        }))
    }

    /// Says whom copies turn to when no frame is left; a copy of this address space turns to the same.
    pub fn set_relief(&self, relief: Weak<dyn Relief>) {
        *self.relief.lock() = Some(relief);
    }

    /// Gives it what is to live as long as it, and as its copies.
    pub fn keep(&self, program: Arc<dyn Any + Send + Sync>) {
        self.state.lock().program = Some(program);
    }

    /// The page table, to run programs on.
    pub fn vm(&self) -> &VmSpace {
        &self.vm
    }

    /// The machine it belongs to.
    pub fn machine(&self) -> &Machine {
        self.vm.machine()
    }

    /// A number that no other living address space has.
    pub fn id(&self) -> u64 {
        self.vm.id()
    }

    /// The first address that programs cannot use.
    pub fn end(&self) -> usize {
        user_end(self.machine()).page_floor().as_usize()
    }

    /// Maps, and returns where: mmap(2).
    pub fn map(&self, wish: &MapRequest) -> Result<usize> {
        let len = self.page_len(wish.len)?;
        if let Source::Backed(_, offset) = wish.source
            && offset.checked_add(len as u64).is_none_or(|end| end > i64::MAX as u64)
        {
            return Err(Errno::EOVERFLOW);
        }
        let mut state = self.state.lock();
        self.allow_execution(&state, wish.prot, wish.prot)?;
        let start = self.settle(&mut state, wish.at, len, wish.lock)?;
        if !self.has_room(&state, state.areas.splits(start, start + len) + 1) {
            return Err(Errno::ENOMEM);
        }
        let lock = if wish.lock == Lock::None { state.lock_future } else { wish.lock };
        let source = match &wish.source {
            Source::Anonymous if wish.sharing == Sharing::Shared => {
                let identity = (0, self.id() << 16 ^ state.generation);
                let memory = SharedMemory::new(self.machine(), len as u64, identity, b"/dev/zero (deleted)");
                Source::Backed(memory, 0)
            }
            source => source.clone(),
        };
        let area = Area {
            start,
            end: start + len,
            prot: wish.prot,
            allowed: wish.allowed,
            sharing: wish.sharing,
            source,
            grows_down: wish.grows_down,
            label: wish.label,
            dont_fork: false,
            // What may go at any time is nothing that a child or a dump could have.
            wipe_on_fork: wish.droppable,
            hints: if wish.droppable { Hints::NOT_DUMPED } else { Hints::empty() },
            droppable: wish.droppable,
            lock,
        };
        self.allow(&state, &area)?;
        if wish.promised && wish.takes_memory() {
            self.promise(len)?;
        }
        let removed = self.cut(&mut state, start, start + len);
        state.areas.insert(area);
        drop(state);
        // What the last reference to a file does, it does without our lock.
        drop(removed);
        Ok(start)
    }

    /// Unmaps whatever is there: munmap(2).
    pub fn unmap(&self, at: usize, len: usize) -> Result<()> {
        let end = self.range(at, len)?;
        if len == 0 {
            return Err(Errno::EINVAL);
        }
        let mut state = self.state.lock();
        if !self.has_room(&state, state.areas.splits(at, end)) {
            return Err(Errno::ENOMEM);
        }
        let removed = self.cut(&mut state, at, end);
        drop(state);
        drop(removed);
        Ok(())
    }

    /// Changes what is allowed: mprotect(2). ENOMEM at the first hole, after what comes before it was changed.
    pub fn protect(&self, at: usize, len: usize, prot: Prot) -> Result<()> {
        if !at.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        if len == 0 {
            return Ok(());
        }
        let len = len.checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::ENOMEM)?;
        let end = at.checked_add(len).filter(|end| *end <= self.end()).ok_or(Errno::ENOMEM)?;
        let mut state = self.state.lock();
        if !self.has_room(&state, state.areas.splits(at, end)) {
            return Err(Errno::ENOMEM);
        }
        let mut next = at;
        let mut result = Ok(());
        let parts: Vec<Area> = state.areas.overlapping(at, end).map(|area| area.clipped(at, end)).collect();
        for mut part in parts {
            if part.start > next {
                break;
            }
            result = self.allow_execution(&state, part.prot, prot);
            if result.is_err() {
                break;
            }
            if !part.allowed.contains(prot) {
                result = Err(Errno::EACCES);
                break;
            }
            next = part.end;
            if part.prot == prot {
                continue;
            }
            result = self.allow_change(&state, &part, prot);
            if result.is_err() {
                break;
            }
            state.generation += 1;
            state.areas.remove(part.start, part.end);
            part.prot = prot;
            self.reprotect(&mut state, &part);
            state.areas.insert(part);
        }
        if result.is_ok() && next < end { Err(Errno::ENOMEM) } else { result }
    }

    /// Makes the page table forbid what `area` forbids. What it allows anew is found out by faults.
    fn reprotect(&self, state: &mut State, area: &Area) {
        let mut cursor = self.vm.cursor(Vaddr::new(area.start)..Vaddr::new(area.end));
        let flush = if area.prot.is_empty() {
            if area.is_private() {
                while let Some((at, mapped)) = cursor.next_mapped() {
                    state.parked.insert(at.as_usize(), mapped.frame);
                    cursor.advance();
                }
                cursor.jump(Vaddr::new(area.start));
            }
            cursor.unmap(area.len())
        } else {
            let wanted = area.prot.page_flags();
            cursor.protect(area.len(), |mut flags| {
                // A store to a page that was not writable before must fault: it may be shared.
                flags.set(PageFlags::WRITE, flags.contains(PageFlags::WRITE) && wanted.contains(PageFlags::WRITE));
                flags.set(PageFlags::EXECUTE, wanted.contains(PageFlags::EXECUTE));
                flags
            })
        };
        drop(cursor);
        flush.now();
    }

    /// Sets where the heap begins: behind a new program's image.
    pub fn set_brk_start(&self, at: usize) {
        let mut state = self.state.lock();
        let at = at.next_multiple_of(PAGE_SIZE);
        (state.brk_start, state.brk) = (at, at);
    }

    /// Sets the heap's end if that can be, and returns where it is: brk(2).
    pub fn brk(&self, new: usize) -> usize {
        let mut state = self.state.lock();
        let old = state.brk;
        if new < state.brk_start || new > self.end() - PAGE_SIZE {
            return old;
        }
        let (old_end, new_end) = (old.next_multiple_of(PAGE_SIZE), new.next_multiple_of(PAGE_SIZE));
        if new_end > old_end {
            // One page above stays free, so that the heap does not run into what is there.
            if state.areas.overlaps(old_end, new_end + PAGE_SIZE) || !self.has_room(&state, 1) {
                return old;
            }
            let area = Area {
                start: old_end,
                end: new_end,
                prot: Prot::READ | Prot::WRITE,
                allowed: Prot::all(),
                sharing: Sharing::Private,
                source: Source::Anonymous,
                grows_down: false,
                label: Label::Heap,
                dont_fork: false,
                wipe_on_fork: false,
                hints: Hints::empty(),
                droppable: false,
                lock: state.lock_future,
            };
            let locked = if area.lock == Lock::None { Ok(()) } else { self.allow_locked(&state, area.len()) };
            if locked.and_then(|()| self.allow(&state, &area)).and_then(|()| self.promise(area.len())).is_err() {
                return old;
            }
            state.generation += 1;
            state.areas.insert(area);
        } else if new_end < old_end {
            self.cut(&mut state, new_end, old_end);
        }
        state.brk = new;
        new
    }

    /// Unmaps everything: the last thread is gone.
    pub fn clear(&self) {
        let mut state = self.state.lock();
        let removed = self.cut(&mut state, 0, self.end());
        drop(state);
        drop(removed);
    }

    /// Tells of each area, lowest first.
    pub fn areas(&self, each: &mut dyn FnMut(&AreaInfo)) {
        let areas = self.state.lock().areas.clone();
        for area in areas.iter() {
            each(&area.info());
        }
    }

    /// The area that holds `at`.
    pub fn area_at(&self, at: usize) -> Option<Area> {
        self.state.lock().areas.find(at).cloned()
    }

    /// The first area that ends behind `at`.
    pub fn area_from(&self, at: usize) -> Option<Area> {
        self.state.lock().areas.find_from(at).cloned()
    }

    /// How much memory it uses.
    pub fn usage(&self) -> Usage {
        let state = self.state.lock();
        let mut usage = Usage { resident_pages: state.parked.len(), ..Usage::default() };
        for area in state.areas.iter() {
            let pages = area.len() / PAGE_SIZE;
            let backed = matches!(area.source, Source::Backed(..));
            usage.virtual_pages += pages;
            usage.locked_pages += if area.lock == Lock::None { 0 } else { pages };
            if area.grows_down {
                usage.stack_pages += pages;
            } else if area.is_private() && area.prot.contains(Prot::WRITE) {
                usage.data_pages += pages;
            } else if backed && area.prot.contains(Prot::EXECUTE) {
                usage.text_pages += pages;
            }
            let resident = self.resident(area.start, area.end);
            usage.resident_pages += resident;
            usage.shared_pages += if backed { resident } else { 0 };
        }
        usage
    }

    fn resident(&self, start: usize, end: usize) -> usize {
        let mut cursor = self.vm.cursor(Vaddr::new(start)..Vaddr::new(end));
        let mut pages = 0;
        while cursor.next_mapped().is_some() {
            pages += 1;
            cursor.advance();
        }
        pages
    }

    /// Where `len` bytes go.
    pub(super) fn place(&self, state: &mut State, at: Place, len: usize) -> Result<usize> {
        let fits = |at: usize| at.checked_add(len).is_some_and(|end| end <= self.end());
        match at {
            Place::Fixed(at) | Place::FixedNoReplace(at) if !fits(at) => Err(Errno::ENOMEM),
            Place::Fixed(at) | Place::FixedNoReplace(at) if at % PAGE_SIZE != 0 => Err(Errno::EINVAL),
            // No machine lets programs have the first pages, not even the superuser's.
            Place::Fixed(at) | Place::FixedNoReplace(at) if at < FLOOR => Err(Errno::EPERM),
            Place::FixedNoReplace(at) if state.areas.overlaps(at, at + len) => Err(Errno::EEXIST),
            Place::Fixed(at) | Place::FixedNoReplace(at) => Ok(at),
            Place::Low => state.areas.room_below(len, LOW.start, LOW.end).ok_or(Errno::ENOMEM),
            Place::Hint(hint) => {
                let hint = hint / PAGE_SIZE * PAGE_SIZE;
                let free = |at: usize| fits(at) && !state.areas.overlaps(at, at + len);
                if hint != 0 && free(hint.max(FLOOR)) {
                    return Ok(hint.max(FLOOR));
                }
                let top = self.end().saturating_sub(STACK_ROOM);
                state.areas.room_below(len, FLOOR, top).ok_or(Errno::ENOMEM)
            }
        }
    }

    /// Takes out areas with their pages. What comes back is to be dropped without the lock.
    pub(super) fn cut(&self, state: &mut State, start: usize, end: usize) -> Vec<Area> {
        let removed = state.areas.remove(start, end);
        state.generation += 1;
        for area in &removed {
            self.forget_pages(state, area.start, area.end);
        }
        removed
    }

    /// Unmaps pages, whatever their areas.
    pub(super) fn forget_pages(&self, state: &mut State, start: usize, end: usize) {
        let flush = self.vm.cursor(Vaddr::new(start)..Vaddr::new(end)).unmap(end - start);
        flush.now();
        let parked: Vec<usize> = state.parked.range(start..end).map(|(at, _)| *at).collect();
        for at in parked {
            state.parked.remove(&at);
        }
    }

    /// `len` in whole pages.
    pub(super) fn page_len(&self, len: usize) -> Result<usize> {
        if len == 0 {
            return Err(Errno::EINVAL);
        }
        len.checked_next_multiple_of(PAGE_SIZE).filter(|len| *len <= self.end()).ok_or(Errno::ENOMEM)
    }

    /// The end of `len` bytes at `at` in whole pages, EINVAL outside user space.
    pub(super) fn range(&self, at: usize, len: usize) -> Result<usize> {
        let len = len.checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::EINVAL)?;
        let end = at.checked_add(len).ok_or(Errno::EINVAL)?;
        if !at.is_multiple_of(PAGE_SIZE) || end > self.end() { Err(Errno::EINVAL) } else { Ok(end) }
    }
}

impl core::fmt::Debug for AddressSpace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "AddressSpace({:#x})", self.id())
    }
}
