//! Descriptors: a process's numbers for its open files.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd::sync::{Mutex, SpinLock};

use super::file::Block;
use super::locks::{FileLocks, LockTable, Owner, Record};
use super::open_file::OpenFile;
use crate::error::{Errno, Result};

/// Whether a descriptor survives execve(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseOnExec {
    /// It is closed.
    Yes,
    /// It stays.
    No,
}

impl CloseOnExec {
    /// `Yes` if the bit was given.
    pub fn when(given: bool) -> Self {
        if given { Self::Yes } else { Self::No }
    }
}

/// The largest descriptor plus one that any limit allows: Linux's default of fs.nr_open.
pub const DESCRIPTORS_MAX: u32 = 1 << 20;

#[derive(Clone)]
struct Slot {
    file: Arc<OpenFile>,
    close: CloseOnExec,
}

/// A process's descriptors; threads share one.
pub struct FdTable {
    slots: Mutex<Vec<Option<Slot>>>,
    /// Files on which the process holds records. Closing any descriptor of such a file gives them back: fcntl(2).
    locked: SpinLock<Vec<Arc<FileLocks>>>,
}

impl FdTable {
    /// Empty.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { slots: Mutex::ranked(super::DESCRIPTORS, Vec::new()), locked: SpinLock::default() })
    }

    /// A copy with the same open files; ENOMEM.
    pub fn fork(&self) -> Result<Arc<Self>> {
        let slots = {
            let ours = self.slots.lock();
            let mut slots = Vec::new();
            slots.try_reserve_exact(ours.len()).map_err(|_| Errno::ENOMEM)?;
            slots.extend_from_slice(&ours);
            slots
        };
        Ok(Arc::new(Self { slots: Mutex::ranked(super::DESCRIPTORS, slots), locked: SpinLock::default() }))
    }

    /// The open file; EBADF also for one opened by O_PATH, which most calls refuse.
    pub fn get(&self, fd: i32) -> Result<Arc<OpenFile>> {
        let file = self.get_place(fd)?;
        if file.is_place() { Err(Errno::EBADF) } else { Ok(file) }
    }

    /// The open file, or what O_PATH made.
    pub fn get_place(&self, fd: i32) -> Result<Arc<OpenFile>> {
        let slots = self.slots.lock();
        let slot = usize::try_from(fd).ok().and_then(|at| slots.get(at)).and_then(Option::as_ref);
        slot.map(|slot| Arc::clone(&slot.file)).ok_or(Errno::EBADF)
    }

    /// Gives `file` the lowest free descriptor from `from` up, below `limit` (EMFILE).
    pub fn insert(&self, from: u32, file: Arc<OpenFile>, close: CloseOnExec, limit: u64) -> Result<i32> {
        let limit = limit.min(u64::from(DESCRIPTORS_MAX)) as usize;
        let mut slots = self.slots.lock();
        let mut at = from as usize;
        while slots.get(at).is_some_and(Option::is_some) {
            at += 1;
        }
        if at >= limit {
            return Err(Errno::EMFILE);
        }
        if at >= slots.len() {
            grow(&mut slots, at + 1)?;
        }
        slots[at] = Some(Slot { file, close });
        Ok(at as i32)
    }

    /// Whether a descriptor below `limit` is free; EMFILE. What is made only to get one is not made without.
    pub fn permit(&self, limit: u64) -> Result<()> {
        let limit = limit.min(u64::from(DESCRIPTORS_MAX)) as usize;
        let slots = self.slots.lock();
        let is_free = |at: usize| slots.get(at).is_none_or(Option::is_none);
        if (0..limit).any(is_free) { Ok(()) } else { Err(Errno::EMFILE) }
    }

    /// Gives `file` this descriptor, closing what had it. The caller has checked the limit; EBADF past any.
    pub fn replace(&self, fd: i32, file: Arc<OpenFile>, close: CloseOnExec) -> Result<()> {
        let at = u32::try_from(fd).ok().filter(|fd| *fd < DESCRIPTORS_MAX).ok_or(Errno::EBADF)? as usize;
        let mut slots = self.slots.lock();
        if at >= slots.len() {
            grow(&mut slots, at + 1)?;
        }
        let old = slots[at].replace(Slot { file, close });
        drop(slots);
        self.closed(old.as_ref());
        drop(old);
        Ok(())
    }

    /// Frees a descriptor and gives what it stood for.
    pub fn close(&self, fd: i32) -> Result<Arc<OpenFile>> {
        let mut slots = self.slots.lock();
        let slot = usize::try_from(fd).ok().and_then(|at| slots.get_mut(at)).and_then(Option::take);
        drop(slots);
        self.closed(slot.as_ref());
        slot.map(|slot| slot.file).ok_or(Errno::EBADF)
    }

    /// Closes all of `first..=last` that are open.
    pub fn close_range(&self, first: u32, last: u32) {
        let mut closed = Vec::new();
        let mut slots = self.slots.lock();
        let end = slots.len().min(last as usize + 1);
        for slot in slots.iter_mut().take(end).skip(first as usize) {
            closed.extend(slot.take());
        }
        drop(slots);
        self.closed(&closed);
        drop(closed);
    }

    /// Frees what execve(2) closes.
    pub fn take_close_on_exec(&self) {
        let mut closed = Vec::new();
        let mut slots = self.slots.lock();
        for slot in slots.iter_mut() {
            closed.extend(slot.take_if(|slot| slot.close == CloseOnExec::Yes));
        }
        drop(slots);
        self.closed(&closed);
        drop(closed);
    }

    /// Frees everything: the last thread is gone.
    pub fn clear(&self) {
        let closed = core::mem::take(&mut *self.slots.lock());
        self.release_records();
        drop(closed);
    }

    /// Who its process is to locks on files.
    pub fn owner(&self) -> Owner {
        Owner::Table(core::ptr::from_ref(self).addr())
    }

    /// F_SETLK and F_SETLKW: locks a range of what `fd` stands for.
    pub fn lock_record(&self, fd: i32, table: &LockTable, wish: Record, how: Block) -> Result<()> {
        let file = self.get(fd)?;
        let locks = table.of(file.identity());
        table.lock(&locks, wish, how)?;
        let mut locked = self.locked.lock();
        if !locked.iter().any(|other| Arc::ptr_eq(other, &locks)) {
            locked.push(Arc::clone(&locks));
        }
        drop(locked);
        // Closed meanwhile, by another thread: a lock that nobody could give back.
        if !self.get(fd).is_ok_and(|now| Arc::ptr_eq(&now, &file)) {
            locks.release(self.owner());
            return Err(Errno::EBADF);
        }
        Ok(())
    }

    /// As that, with F_UNLCK.
    pub fn unlock_record(&self, file: &OpenFile, table: &LockTable, start: u64, last: u64) -> Result<()> {
        table.unlock(&table.of(file.identity()), self.owner(), start, last)
    }

    /// Gives back the process's records on files that were closed.
    fn closed<'a>(&self, slots: impl IntoIterator<Item = &'a Slot>) {
        if self.locked.lock().is_empty() {
            return;
        }
        let mut given_back = Vec::new();
        for slot in slots {
            let identity = slot.file.identity();
            let mut locked = self.locked.lock();
            if let Some(at) = locked.iter().position(|locks| locks.identity() == identity) {
                given_back.push(locked.swap_remove(at));
            }
            drop(locked);
        }
        given_back.iter().for_each(|locks| locks.release(self.owner()));
    }

    fn release_records(&self) {
        let locked = core::mem::take(&mut *self.locked.lock());
        locked.iter().for_each(|locks| locks.release(self.owner()));
    }

    /// F_GETFD.
    pub fn close_on_exec(&self, fd: i32) -> Result<CloseOnExec> {
        let slots = self.slots.lock();
        let slot = usize::try_from(fd).ok().and_then(|at| slots.get(at)).and_then(Option::as_ref);
        slot.map(|slot| slot.close).ok_or(Errno::EBADF)
    }

    /// F_SETFD.
    pub fn set_close_on_exec(&self, fd: i32, close: CloseOnExec) -> Result<()> {
        let mut slots = self.slots.lock();
        let slot = usize::try_from(fd).ok().and_then(|at| slots.get_mut(at)).and_then(Option::as_mut);
        slot.ok_or(Errno::EBADF)?.close = close;
        Ok(())
    }

    /// Sets the flag of all of `first..=last` that are open.
    pub fn set_close_on_exec_range(&self, first: u32, last: u32) {
        let mut slots = self.slots.lock();
        let end = slots.len().min(last as usize + 1);
        for slot in slots.iter_mut().take(end).skip(first as usize).flatten() {
            slot.close = CloseOnExec::Yes;
        }
    }

    /// All that are open, lowest first.
    pub fn list(&self) -> Vec<(i32, Arc<OpenFile>)> {
        let slots = self.slots.lock();
        let open = slots.iter().enumerate();
        open.filter_map(|(fd, slot)| slot.as_ref().map(|slot| (fd as i32, Arc::clone(&slot.file)))).collect()
    }
}

/// A table may be longer than the heap has room for: ENOMEM.
fn grow(slots: &mut Vec<Option<Slot>>, len: usize) -> Result<()> {
    slots.try_reserve(len - slots.len()).map_err(|_| Errno::ENOMEM)?;
    slots.resize(len, None);
    Ok(())
}

impl Drop for FdTable {
    fn drop(&mut self) {
        self.release_records();
    }
}
