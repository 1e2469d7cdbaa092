//! epoll(7): a set of files, and those of them that may be ready.
//!
//! Every wake-up of a file's queues puts the file on the set's list; whoever waits takes files off it, looks at each, and
//! puts back what is level-triggered and still ready. A file leaves the set when its last descriptor is closed.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::{Arc, Weak};
use alloc::vec;
use alloc::vec::Vec;
use core::any::Any;

use ostd::sync::{Ear, Mutex, Sleep, SpinLock, WaitError, WaitQueue};

use crate::abi::flags::EpollEvents;
use crate::abi::structs::EpollEvent;
use crate::error::{Errno, Result};
use crate::vfs::{Attributes, Block, File, OpenFile, PollEvents, Quota, Share, Sink, Source};

/// Sets in sets in sets at most.
const DEPTH_MAX: usize = 5;
/// What is reported whether it was asked for or not.
const ALWAYS: EpollEvents = EpollEvents::EPOLLERR.union(EpollEvents::EPOLLHUP);
/// What says how to report, and is nothing to wait for.
const MANNERS: EpollEvents = EpollEvents::EPOLLET
    .union(EpollEvents::EPOLLONESHOT)
    .union(EpollEvents::EPOLLWAKEUP)
    .union(EpollEvents::EPOLLEXCLUSIVE);

/// A set, open.
pub struct Epoll {
    /// By descriptor and open file.
    items: Mutex<BTreeMap<(i32, usize), Arc<Item>>>,
    shared: Arc<Shared>,
    attributes: Attributes,
    /// How many files all sets hold.
    watches: Arc<Quota>,
}

/// What the members know of their set.
#[derive(Default)]
struct Shared {
    ready: SpinLock<VecDeque<Arc<Item>>>,
    queue: WaitQueue,
}

/// A file in a set.
struct Item {
    file: Weak<OpenFile>,
    set: Weak<Shared>,
    state: SpinLock<Wish>,
    _share: Share,
}

struct Wish {
    events: EpollEvents,
    data: u64,
    /// Whether it is on the list.
    listed: bool,
    removed: bool,
}

impl Shared {
    /// Puts an item on the list, once.
    fn list(&self, item: &Arc<Item>) {
        let mut wish = item.state.lock();
        if !core::mem::replace(&mut wish.listed, true) {
            self.ready.lock().push_back(Arc::clone(item));
        }
    }
}

/// An item as a queue knows it.
struct Heard(Weak<Item>);

impl Ear for Heard {
    fn heard(&self) -> bool {
        let Some(item) = self.0.upgrade() else { return false };
        let wish = item.state.lock();
        let (is_gone, is_off) = (wish.removed, wish.events.difference(MANNERS).is_empty());
        drop(wish);
        let Some(set) = item.set.upgrade() else { return false };
        if is_gone || item.file.strong_count() == 0 {
            return false;
        }
        if !is_off {
            set.list(&item);
            set.queue.wake_all();
        }
        true
    }
}

impl Item {
    fn events(&self, file: &OpenFile, wish: EpollEvents) -> EpollEvents {
        let now = EpollEvents::from_bits_retain(u32::from(file.file().poll().bits()));
        if wish.difference(MANNERS).is_empty() { EpollEvents::empty() } else { now & (wish | ALWAYS) }
    }
}

impl Epoll {
    /// An empty set, whose members are counted in `watches`.
    pub fn new(attributes: Attributes, watches: &Arc<Quota>) -> Arc<Self> {
        let watches = Arc::clone(watches);
        Arc::new(Self { items: Mutex::new(BTreeMap::new()), shared: Arc::default(), attributes, watches })
    }

    /// EPOLL_CTL_ADD.
    pub fn add(&self, fd: i32, file: &Arc<OpenFile>, event: EpollEvent) -> Result<()> {
        if file.file().queues().is_empty() {
            return Err(Errno::EPERM);
        }
        if let Some(inner) = file.file().as_any().downcast_ref::<Self>()
            && (self.is_in(inner, 0) || inner.depth(0) >= DEPTH_MAX)
        {
            return Err(Errno::ELOOP);
        }
        let key = (fd, Arc::as_ptr(file).addr());
        let mut items = self.items.lock();
        if items.get(&key).is_some_and(|old| old.file.strong_count() > 0) {
            return Err(Errno::EEXIST);
        }
        items.retain(|_, old| old.file.strong_count() > 0);
        let item = Arc::new(Item {
            file: Arc::downgrade(file),
            set: Arc::downgrade(&self.shared),
            state: SpinLock::new(Wish {
                events: EpollEvents::from_bits_retain(event.events),
                data: event.data,
                listed: false,
                removed: false,
            }),
            _share: self.watches.take().ok_or(Errno::ENOSPC)?,
        });
        items.insert(key, Arc::clone(&item));
        drop(items);
        for queue in file.file().queues() {
            queue.tell(Arc::new(Heard(Arc::downgrade(&item))));
        }
        self.look(&item, file);
        Ok(())
    }

    /// EPOLL_CTL_MOD.
    pub fn change(&self, fd: i32, file: &Arc<OpenFile>, event: EpollEvent) -> Result<()> {
        let item = self.items.lock().get(&(fd, Arc::as_ptr(file).addr())).cloned().ok_or(Errno::ENOENT)?;
        let mut wish = item.state.lock();
        wish.events = EpollEvents::from_bits_retain(event.events);
        wish.data = event.data;
        drop(wish);
        self.look(&item, file);
        Ok(())
    }

    /// EPOLL_CTL_DEL.
    pub fn remove(&self, fd: i32, file: &Arc<OpenFile>) -> Result<()> {
        let item = self.items.lock().remove(&(fd, Arc::as_ptr(file).addr())).ok_or(Errno::ENOENT)?;
        // Its queues forget it when they next wake.
        item.state.lock().removed = true;
        self.shared.ready.lock().retain(|other| !Arc::ptr_eq(other, &item));
        Ok(())
    }

    /// What was ready before anybody listened.
    fn look(&self, item: &Arc<Item>, file: &OpenFile) {
        let events = item.state.lock().events;
        if !item.events(file, events).is_empty() {
            self.shared.list(item);
            self.shared.queue.wake_all();
        }
    }

    /// epoll_wait(2): at most `count_max` events, none at `deadline_ns`; EINTR.
    pub fn wait(&self, count_max: usize, deadline_ns: Option<u64>) -> Result<Vec<EpollEvent>> {
        let look = || Some(self.take_ready(count_max)).filter(|events| !events.is_empty());
        match self.shared.queue.wait_until(Sleep::interruptible().until(deadline_ns), look) {
            Ok(events) => Ok(events),
            Err(WaitError::TimedOut) => Ok(Vec::new()),
            Err(WaitError::Interrupted) => Err(Errno::EINTR),
        }
    }

    fn take_ready(&self, count_max: usize) -> Vec<EpollEvent> {
        let (mut found, mut again) = (Vec::new(), Vec::new());
        let listed = self.shared.ready.lock().len();
        for _ in 0..listed {
            if found.len() == count_max {
                break;
            }
            let Some(item) = self.shared.ready.lock().pop_front() else { break };
            let (wanted, data) = {
                let mut wish = item.state.lock();
                // Before the look: what happens after it lists the item anew.
                wish.listed = false;
                if wish.removed {
                    continue;
                }
                (wish.events, wish.data)
            };
            let Some(file) = item.file.upgrade() else { continue };
            let events = item.events(&file, wanted);
            if events.is_empty() {
                continue;
            }
            found.push(EpollEvent { events: events.bits(), data });
            if wanted.contains(EpollEvents::EPOLLONESHOT) {
                item.state.lock().events &= MANNERS;
            } else if !wanted.contains(EpollEvents::EPOLLET) {
                again.push(item);
            }
        }
        again.iter().for_each(|item| self.shared.list(item));
        found
    }

    fn members(&self) -> Vec<Arc<OpenFile>> {
        self.items.lock().values().filter_map(|item| item.file.upgrade()).collect()
    }

    /// Whether this set is `inner` or somewhere in it.
    fn is_in(&self, inner: &Self, depth: usize) -> bool {
        let is_below = |file: &Arc<OpenFile>| {
            file.file().as_any().downcast_ref::<Self>().is_some_and(|set| self.is_in(set, depth + 1))
        };
        core::ptr::eq(self, inner) || depth > DEPTH_MAX || inner.members().iter().any(is_below)
    }

    /// How many sets are in each other, this one not counted.
    fn depth(&self, above: usize) -> usize {
        if above > DEPTH_MAX {
            return 0;
        }
        let below =
            |file: &Arc<OpenFile>| file.file().as_any().downcast_ref::<Self>().map(|set| 1 + set.depth(above + 1));
        self.members().iter().filter_map(below).max().unwrap_or(0)
    }
}

impl File for Epoll {
    fn read(&self, _into: &mut dyn Sink, _at: Option<u64>, _how: Block) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    fn write(&self, _from: &mut dyn Source, _at: Option<u64>, _how: Block) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    fn poll(&self) -> PollEvents {
        let listed: Vec<_> = self.shared.ready.lock().iter().cloned().collect();
        let is_ready = listed.iter().any(|item| {
            let wish = item.state.lock();
            let (wanted, removed) = (wish.events, wish.removed);
            drop(wish);
            !removed && item.file.upgrade().is_some_and(|file| !item.events(&file, wanted).is_empty())
        });
        if is_ready { PollEvents::POLLIN | PollEvents::POLLRDNORM } else { PollEvents::empty() }
    }

    fn queues(&self) -> Vec<&WaitQueue> {
        vec![&self.shared.queue]
    }

    fn seeks_in_vain(&self) -> bool {
        true
    }

    fn can_read(&self) -> bool {
        false
    }

    fn can_write(&self) -> bool {
        false
    }

    fn attributes(&self) -> Result<Attributes> {
        Ok(self.attributes)
    }

    fn called(&self) -> &'static str {
        "anon_inode:[eventpoll]"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
