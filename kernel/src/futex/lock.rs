//! Words that are locks: zero, or the owner's number and two bits (`FUTEX_LOCK_PI` and its kin).
//!
//! Whoever unlocks names the next owner in the word, and a dead owner's next says so itself. The mutex of owners is held
//! from the look at the word to its change, so that word, owner and waiters agree; whoever waits for a lock, or is to be
//! moved there, also leaves under it. There are no priorities to inherit: the longest waiter is next.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use kernel_abi::flags::{FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS};
use ostd::sync::{Sleep, WaitError};

use super::key::Name;
use super::owner::{Owner, Owners};
use super::table::{Role, Waiter};
use super::{ANY, FutexTable, Key, Scope};
use crate::error::{Errno, Result};
use crate::mm::AddressSpace;

/// A thread that locks, and what it knows of others.
#[derive(Clone, Copy)]
pub struct Locker<'a> {
    /// Its memory.
    pub space: &'a AddressSpace,
    /// Its number.
    pub tid: i32,
    /// Whether the thread of a number can own a lock.
    pub may_own: &'a dyn Fn(i32) -> bool,
}

/// What became of trying to take a lock.
enum Attempt {
    Taken,
    OwnedBy(Owner),
}

/// Whether a word is to say that there are waiters though it is free.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Announce {
    Waiters,
    Nobody,
}

impl FutexTable {
    /// Takes the lock at `at`, or sleeps until it is handed on to the caller. EDEADLK if its owner is the caller, or
    /// waits for it; ESRCH if it is no thread; EINVAL if the word does not fit those who wait. ETIMEDOUT and EINTR as a
    /// wait.
    pub fn lock(&self, who: Locker<'_>, at: usize, scope: Scope, deadline_ns: Option<u64>) -> Result<()> {
        let key = Key::for_writing(who.space, at, scope)?;
        let waiter = {
            let mut owners = self.owners.lock();
            let owner = match self.attempt(&owners, who, at, &key, Announce::Nobody)? {
                Attempt::Taken => return Ok(()),
                Attempt::OwnedBy(owner) => owner,
            };
            if owners.waits_for(owner, who.tid) {
                return Err(Errno::EDEADLK);
            }
            let waiter = Waiter::new(key.clone(), Role::Lock, ANY, who.tid);
            self.enqueue(&mut owners, Arc::clone(&waiter), &key, owner);
            waiter
        };
        self.sleep_for_lock(who.space, at, &waiter, deadline_ns)
    }

    /// Takes the lock at `at` if that needs no wait; EAGAIN if it does.
    pub fn try_lock(&self, who: Locker<'_>, at: usize, scope: Scope) -> Result<()> {
        let key = Key::for_writing(who.space, at, scope)?;
        match self.attempt(&self.owners.lock(), who, at, &key, Announce::Nobody)? {
            Attempt::Taken => Ok(()),
            Attempt::OwnedBy(_) => Err(Errno::EAGAIN),
        }
    }

    /// Hands the lock at `at` on to its longest waiter, or frees it. EPERM if it is not the caller's.
    pub fn unlock(&self, space: &AddressSpace, tid: i32, at: usize, scope: Scope) -> Result<()> {
        let mut owners = self.owners.lock();
        loop {
            let old = space.load32(at)?;
            if old & FUTEX_TID_MASK != tid.cast_unsigned() {
                return Err(Errno::EPERM);
            }
            let key = Key::for_writing(space, at, scope)?;
            let Some(role) = self.first_role(key.name()) else {
                let is_unchanged = space.cmpxchg32(at, old, 0)? == old;
                return if is_unchanged { Ok(()) } else { Err(Errno::EAGAIN) };
            };
            if !matches!(role, Role::Lock) || owners.of(key.name()) != Some(Some(tid)) {
                return Err(Errno::EINVAL);
            }
            let next = self.first_for_lock(key.name()).ok_or(Errno::EINVAL)?;
            // Who waits may be followed by others: the next owner, too, has to ask the kernel.
            let seen = space.cmpxchg32(at, old, FUTEX_WAITERS | next.tid.cast_unsigned())?;
            if seen == old {
                self.grant(&mut owners, &next);
                self.settle(&mut owners, key.name(), Some(next.tid));
                return Ok(());
            }
            if seen & FUTEX_TID_MASK != old {
                return Err(Errno::EINVAL);
            }
        }
    }

    /// Sleeps while the word at `at` is `expected`, until somebody makes the caller wait for the lock at `to` and that is
    /// handed on to it. EAGAIN if a signal comes after it was moved.
    pub fn wait_for_lock(
        &self,
        who: Locker<'_>,
        (at, to): (usize, usize),
        scope: Scope,
        expected: u32,
        deadline_ns: Option<u64>,
    ) -> Result<()> {
        if at == to {
            return Err(Errno::EINVAL);
        }
        let target = Key::for_writing(who.space, to, scope)?;
        let key = Key::new(who.space, at, scope)?;
        let (name, is_same) = (key.name(), key.name() == target.name());
        let waiter = Waiter::new(key, Role::Condition(target), ANY, who.tid);
        self.queues.lock().entry(name).or_default().push_back(Arc::clone(&waiter));
        let refused = match who.space.load32(at) {
            Ok(value) if value != expected => Some(Errno::EAGAIN),
            Ok(_) => is_same.then_some(Errno::EINVAL),
            Err(errno) => Some(errno),
        };
        if let Some(errno) = refused {
            let mut owners = self.owners.lock();
            if self.leave_lock(&mut owners, &waiter) {
                return Err(errno);
            }
        }
        match self.sleep_for_lock(who.space, to, &waiter, deadline_ns) {
            Err(Errno::EINTR) if matches!(waiter.place.lock().1, Role::Lock) => Err(Errno::EAGAIN),
            ended => ended,
        }
    }

    /// Gives the lock at `to` to the first who waits at `from`, or makes it and at most `requeue` others wait for it;
    /// returns how many that were together. EAGAIN if the first word is not `expected`; EINVAL if one of them waits for
    /// something else.
    pub fn requeue_for_lock(
        &self,
        who: Locker<'_>,
        (from, to): (usize, usize),
        scope: Scope,
        requeue: usize,
        expected: u32,
    ) -> Result<usize> {
        let from_key = Key::new(who.space, from, scope)?;
        let key = Key::for_writing(who.space, to, scope)?;
        if from_key.name() == key.name() {
            return Err(Errno::EINVAL);
        }
        let mut owners = self.owners.lock();
        if who.space.load32(from)? != expected {
            return Err(Errno::EAGAIN);
        }
        let next = || match self.queues.lock().get(&from_key.name()).and_then(VecDeque::front) {
            None => Ok(None),
            Some(first) => match &first.place.lock().1 {
                Role::Condition(target) if target.name() == key.name() => Ok(Some(Arc::clone(first))),
                _ => Err(Errno::EINVAL),
            },
        };
        let Some(first) = next()? else { return Ok(0) };
        let announce = if requeue > 0 { Announce::Waiters } else { Announce::Nobody };
        let mut count = 0;
        let owner = match self.attempt(&owners, Locker { tid: first.tid, ..who }, to, &key, announce)? {
            Attempt::Taken => {
                first.place.lock().1 = Role::Lock;
                self.grant(&mut owners, &first);
                count += 1;
                Some(first.tid)
            }
            Attempt::OwnedBy(owner) => owner,
        };
        while count <= requeue
            && let Some(waiter) = next()?
        {
            if owners.waits_for(owner, waiter.tid) {
                return Err(Errno::EDEADLK);
            }
            self.leave(&waiter);
            *waiter.place.lock() = (key.clone(), Role::Lock);
            self.enqueue(&mut owners, waiter, &key, owner);
            count += 1;
        }
        Ok(count)
    }

    /// Hands on every lock that somebody waits for and thread `tid` owns: it is at its end. `told` runs at once with
    /// that: nobody begins to wait for the thread afterwards if it then says that it owns nothing any more.
    pub fn hand_on_all(&self, tid: i32, told: impl FnOnce()) {
        let mut owners = self.owners.lock();
        told();
        for lock in owners.owned_by(tid) {
            self.hand_on(&mut owners, lock);
        }
    }

    /// The lock's longest waiter owns it as soon as it has said so.
    fn hand_on(&self, owners: &mut Owners, lock: Name) {
        match self.first_for_lock(lock) {
            None => owners.remove(lock),
            Some(heir) => {
                heir.is_heir.store(true);
                owners.set(lock, None);
                self.grant(owners, &heir);
            }
        }
    }

    /// Takes the lock at `at` for `who`, if it is free; else sets the bit that says that somebody waits.
    fn attempt(&self, owners: &Owners, who: Locker<'_>, at: usize, key: &Key, announce: Announce) -> Result<Attempt> {
        loop {
            let old = who.space.load32(at)?;
            let tid = old & FUTEX_TID_MASK;
            if tid == who.tid.cast_unsigned() {
                return Err(Errno::EDEADLK);
            }
            let is_lock = self.first_role(key.name()).map(|role| matches!(role, Role::Lock));
            match (is_lock, owners.of(key.name())) {
                (Some(false), _) => return Err(Errno::EINVAL),
                // Somebody is about to own it.
                (_, Some(None)) => return Ok(Attempt::OwnedBy(None)),
                (_, Some(Some(owner))) => {
                    let is_dead = tid == 0 && old & FUTEX_OWNER_DIED != 0;
                    let fits = is_dead || tid == owner.cast_unsigned();
                    return if fits { Ok(Attempt::OwnedBy(Some(owner))) } else { Err(Errno::EINVAL) };
                }
                (_, None) => {}
            }
            let announced = if announce == Announce::Waiters { FUTEX_WAITERS } else { 0 };
            let new = match tid {
                0 => old & FUTEX_OWNER_DIED | who.tid.cast_unsigned() | announced,
                _ => old | FUTEX_WAITERS,
            };
            if who.space.cmpxchg32(at, old, new)? != old {
                continue;
            }
            if tid == 0 {
                return Ok(Attempt::Taken);
            }
            if (who.may_own)(tid.cast_signed()) {
                return Ok(Attempt::OwnedBy(Some(tid.cast_signed())));
            }
            // It may have let go while it died.
            if who.space.load32(at)? == new {
                return Err(Errno::ESRCH);
            }
        }
    }

    fn sleep_for_lock(
        &self,
        space: &AddressSpace,
        at: usize,
        waiter: &Arc<Waiter>,
        deadline_ns: Option<u64>,
    ) -> Result<()> {
        let how = Sleep::interruptible().until(deadline_ns);
        let slept = waiter.sleep.wait_until(how, || waiter.woken.load().then_some(()));
        let mut owners = self.owners.lock();
        match slept {
            Err(end) if self.leave_lock(&mut owners, waiter) => Err(match end {
                WaitError::TimedOut => Errno::ETIMEDOUT,
                WaitError::Interrupted => Errno::EINTR,
            }),
            _ if waiter.is_heir.load() => self.inherit(&mut owners, space, at, waiter),
            _ => Ok(()),
        }
    }

    /// The heir of a dead owner says in the word that it owns the lock, and that somebody died.
    fn inherit(&self, owners: &mut Owners, space: &AddressSpace, at: usize, heir: &Waiter) -> Result<()> {
        let lock = heir.place.lock().0.name();
        let new = FUTEX_OWNER_DIED | FUTEX_WAITERS | heir.tid.cast_unsigned();
        let write = || -> Result<()> {
            let mut old = space.load32(at)?;
            loop {
                let seen = space.cmpxchg32(at, old, new)?;
                if seen == old {
                    return Ok(());
                }
                old = seen;
            }
        };
        let written = write();
        match written {
            Ok(()) => self.settle(owners, lock, Some(heir.tid)),
            Err(_) => self.hand_on(owners, lock),
        }
        written
    }

    fn enqueue(&self, owners: &mut Owners, waiter: Arc<Waiter>, key: &Key, owner: Owner) {
        owners.set(key.name(), owner);
        owners.block(waiter.tid, key.name());
        self.queues.lock().entry(key.name()).or_default().push_back(waiter);
    }

    /// A waiter owns what it waited for.
    fn grant(&self, owners: &mut Owners, waiter: &Arc<Waiter>) {
        self.leave(waiter);
        owners.unblock(waiter.tid);
        waiter.woken.store(true);
        waiter.sleep.wake_all();
    }

    /// A waiter for a lock gives up; `false` if it was given the lock before.
    fn leave_lock(&self, owners: &mut Owners, waiter: &Arc<Waiter>) -> bool {
        let has_left = self.leave(waiter);
        if has_left {
            owners.unblock(waiter.tid);
            let lock = waiter.place.lock().0.name();
            if let Some(owner @ Some(_)) = owners.of(lock) {
                self.settle(owners, lock, owner);
            }
        }
        has_left
    }

    /// A lock has this owner, which is remembered while somebody waits.
    fn settle(&self, owners: &mut Owners, lock: Name, owner: Owner) {
        match self.first_for_lock(lock) {
            Some(_) => owners.set(lock, owner),
            None => owners.remove(lock),
        }
    }

    fn first_role(&self, name: Name) -> Option<Role> {
        let queues = self.queues.lock();
        let first = queues.get(&name)?.front()?;
        let role = first.place.lock().1.clone();
        Some(role)
    }

    fn first_for_lock(&self, name: Name) -> Option<Arc<Waiter>> {
        let queues = self.queues.lock();
        queues.get(&name)?.iter().find(|waiter| matches!(waiter.place.lock().1, Role::Lock)).cloned()
    }
}
