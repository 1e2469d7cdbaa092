//! Who waits where.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd::sync::atomic::AtomicBool;
use ostd::sync::{Mutex, Sleep, SpinLock, WaitError, WaitQueue};

use super::key::Name;
use super::owner::Owners;
use super::{Key, Operation, Scope};
use crate::error::{Errno, Result};
use crate::mm::AddressSpace;

/// The bit set that every other one meets (`FUTEX_BITSET_MATCH_ANY`).
pub const ANY: u32 = u32::MAX;

/// All futexes that anybody waits on.
#[derive(Default)]
pub struct FutexTable {
    /// Who owns the words that are locks.
    pub(super) owners: Mutex<Owners>,
    pub(super) queues: SpinLock<Queues>,
}

/// Longest waiters first; no queue is empty.
type Queues = BTreeMap<Name, VecDeque<Arc<Waiter>>>;

pub(super) struct Waiter {
    /// Where it is queued, and what for: requeueing changes both.
    pub(super) place: SpinLock<(Key, Role)>,
    bits: u32,
    /// Its thread, if it waits for a lock.
    pub(super) tid: i32,
    pub(super) woken: AtomicBool,
    /// Whether it was given the lock of a thread that is dead, and has yet to say so in the word.
    pub(super) is_heir: AtomicBool,
    pub(super) sleep: WaitQueue,
}

/// What is waited for.
#[derive(Clone, Debug)]
pub(super) enum Role {
    /// To be woken.
    Plain,
    /// To be made to wait for the lock that the key is of (`FUTEX_WAIT_REQUEUE_PI`).
    Condition(Key),
    /// The lock itself (`FUTEX_LOCK_PI`).
    Lock,
}

impl Waiter {
    pub(super) fn new(key: Key, role: Role, bits: u32, tid: i32) -> Arc<Self> {
        Arc::new(Self {
            place: SpinLock::new((key, role)),
            bits,
            tid,
            woken: AtomicBool::new(false),
            is_heir: AtomicBool::new(false),
            sleep: WaitQueue::new(),
        })
    }

    fn is_plain(&self) -> bool {
        matches!(self.place.lock().1, Role::Plain)
    }
}

impl FutexTable {
    /// A table where nobody waits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sleeps while the word at `at` is `expected`, until woken by somebody whose bits meet `bits`. EAGAIN if it is not;
    /// ETIMEDOUT at monotonic time `deadline_ns`; EINTR by a signal: what the call answers then is the caller's.
    pub fn wait(
        &self,
        space: &AddressSpace,
        at: usize,
        scope: Scope,
        expected: u32,
        bits: u32,
        deadline_ns: Option<u64>,
    ) -> Result<()> {
        let key = Key::new(space, at, scope)?;
        let name = key.name();
        let waiter = Waiter::new(key, Role::Plain, bits, 0);
        self.queues.lock().entry(name).or_default().push_back(Arc::clone(&waiter));
        match space.load32(at) {
            Ok(value) if value == expected => {}
            // A wake-up that came first has been counted, so it must end a wait.
            refused if self.leave(&waiter) => return Err(refused.err().unwrap_or(Errno::EAGAIN)),
            _ => return Ok(()),
        }
        let how = Sleep::interruptible().until(deadline_ns);
        match waiter.sleep.wait_until(how, || waiter.woken.load().then_some(())) {
            Ok(()) => Ok(()),
            Err(_) if !self.leave(&waiter) => Ok(()),
            Err(WaitError::TimedOut) => Err(Errno::ETIMEDOUT),
            Err(WaitError::Interrupted) => Err(Errno::EINTR),
        }
    }

    /// Wakes at most `count` waiters of the word at `at` whose bits meet `bits`; returns how many. EINVAL if one waits
    /// for a lock: those before it are woken.
    pub fn wake(&self, space: &AddressSpace, at: usize, scope: Scope, count: usize, bits: u32) -> Result<usize> {
        self.wake_key(&Key::new(space, at, scope)?, count, bits)
    }

    /// Wakes at most `wake` waiters of one word and makes at most `requeue` others wait at another; returns how many
    /// that were together. With `expected`, EAGAIN if the first word is not that.
    pub fn requeue(
        &self,
        space: &AddressSpace,
        (from, to): (usize, usize),
        scope: Scope,
        (wake, requeue): (usize, usize),
        expected: Option<u32>,
    ) -> Result<usize> {
        let from_key = Key::new(space, from, scope)?;
        let to_key = Key::new(space, to, scope)?;
        if let Some(expected) = expected
            && space.load32(from)? != expected
        {
            return Err(Errno::EAGAIN);
        }
        let mut queues = self.queues.lock();
        let Some(mut queue) = queues.remove(&from_key.name()) else { return Ok(0) };
        let chosen = queue.iter().take(wake.saturating_add(requeue)).take_while(|waiter| waiter.is_plain()).count();
        let refused = chosen < wake.saturating_add(requeue).min(queue.len());
        let mut stay = queue.split_off(chosen);
        let mut moved = queue.split_off(wake.min(chosen));
        queue.iter().for_each(|waiter| waiter.woken.store(true));
        let moved_count = moved.len();
        if from_key.name() == to_key.name() {
            moved.append(&mut stay);
        } else {
            moved.iter().for_each(|waiter| waiter.place.lock().0 = to_key.clone());
        }
        for (name, mut waiters) in [(from_key.name(), stay), (to_key.name(), moved)] {
            if !waiters.is_empty() {
                queues.entry(name).or_default().append(&mut waiters);
            }
        }
        drop(queues);
        for waiter in &queue {
            waiter.sleep.wake_all();
        }
        if refused { Err(Errno::EINVAL) } else { Ok(queue.len() + moved_count) }
    }

    /// Changes the word at `second`, wakes at `first`, and wakes at `second` too if the word was as asked for.
    pub fn wake_op(
        &self,
        space: &AddressSpace,
        (first, second): (usize, usize),
        scope: Scope,
        (count, count_second): (usize, usize),
        operation: Operation,
    ) -> Result<usize> {
        let first = Key::new(space, first, scope)?;
        let second_key = Key::new(space, second, scope)?;
        let also = operation.apply(space, second)?;
        let woken = self.wake_key(&first, count, ANY)?;
        Ok(woken + if also { self.wake_key(&second_key, count_second, ANY)? } else { 0 })
    }

    /// How many wait anywhere.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queues.lock().values().map(VecDeque::len).sum()
    }

    fn wake_key(&self, key: &Key, count: usize, bits: u32) -> Result<usize> {
        let (mut chosen, mut refused) = (Vec::new(), false);
        let mut queues = self.queues.lock();
        if let Some(queue) = queues.get_mut(&key.name()) {
            queue.retain(|waiter| {
                if chosen.len() == count || refused {
                    return true;
                }
                refused = !waiter.is_plain();
                let wake = !refused && waiter.bits & bits != 0;
                if wake {
                    waiter.woken.store(true);
                    chosen.push(Arc::clone(waiter));
                }
                !wake
            });
            if queue.is_empty() {
                queues.remove(&key.name());
            }
        }
        drop(queues);
        for waiter in &chosen {
            waiter.sleep.wake_all();
        }
        if refused { Err(Errno::EINVAL) } else { Ok(chosen.len()) }
    }

    /// Takes a waiter off its queue; `false` if it was woken before.
    pub(super) fn leave(&self, waiter: &Arc<Waiter>) -> bool {
        let mut queues = self.queues.lock();
        if waiter.woken.load() {
            return false;
        }
        let name = waiter.place.lock().0.name();
        if let Some(queue) = queues.get_mut(&name) {
            queue.retain(|other| !Arc::ptr_eq(other, waiter));
            if queue.is_empty() {
                queues.remove(&name);
            }
        }
        true
    }
}

impl core::fmt::Debug for FutexTable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "FutexTable({} words)", self.queues.lock().len())
    }
}
