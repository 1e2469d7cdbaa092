//! One-shot timers.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use ostd_hal::{CpuId, Hal};

use crate::cpu::CurrentCpu;
use crate::irq::InterruptsOff;
use crate::sync::SpinLock;
use crate::{Backend, Machine};

/// Fires once per [`arm`](Self::arm), in interrupt context. Dropping it disarms it.
pub struct Timer {
    machine: Machine,
    shared: Arc<Shared>,
}

struct Shared {
    callback: Box<dyn Fn() + Send + Sync>,
    /// Where it is queued.
    armed: SpinLock<Option<(CpuId, Key)>>,
}

type Key = (u64, u64);

impl Timer {
    /// A disarmed timer. `callback` must not sleep.
    pub fn new(machine: &Machine, callback: impl Fn() + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared { callback: Box::new(callback), armed: SpinLock::new(None) });
        Self { machine: machine.clone(), shared }
    }

    /// Fires at monotonic time `deadline_ns` (at once if that is past), instead of any earlier arming.
    pub fn arm(&self, deadline_ns: u64) {
        self.disarm();
        let core = &self.machine.0;
        // A CPU of another machine may be current (a test that runs two); its clock is not ours.
        let cpu = CurrentCpu::with(|cpu| core::ptr::eq(cpu.core(), Arc::as_ptr(core)).then_some(cpu.id)).flatten();
        let cpu = cpu.unwrap_or(CpuId(0));
        let timers = &core.cpus[cpu.0].timers;
        // Held across the insertion: a deadline that is past already may expire as soon as it is queued, and whoever
        // expires it looks here whether it is still meant.
        let mut armed = self.shared.armed.lock();
        *armed = Some((cpu, timers.insert(deadline_ns, Arc::clone(&self.shared))));
        drop(armed);
        timers.rearm(&core.backend, cpu);
    }

    /// Makes sure that it does not fire any more. A callback already running on another CPU may still be running.
    pub fn disarm(&self) {
        if let Some((cpu, key)) = self.shared.armed.lock().take() {
            self.machine.0.cpus[cpu.0].timers.remove(key);
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.disarm();
    }
}

/// The timers armed on one CPU, and the end of the running task's slice.
#[derive(Default)]
pub(crate) struct CpuTimers {
    queue: SpinLock<BTreeMap<Key, Arc<Shared>>>,
    sequence: AtomicU64,
    /// Earliest deadline in `queue`; `u64::MAX` when empty. Spares `rearm` the lock.
    first: AtomicU64Max,
    /// End of the running task's slice; `u64::MAX` when none runs.
    slice_end: AtomicU64Max,
}

/// An atomic number that starts at its maximum.
struct AtomicU64Max(AtomicU64);

impl Default for AtomicU64Max {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl CpuTimers {
    fn insert(&self, deadline_ns: u64, shared: Arc<Shared>) -> Key {
        let key = (deadline_ns, self.sequence.fetch_add(1, Ordering::Relaxed));
        let mut queue = self.queue.lock();
        queue.insert(key, shared);
        self.note_first(&queue);
        key
    }

    fn remove(&self, key: Key) {
        let mut queue = self.queue.lock();
        let removed = queue.remove(&key);
        self.note_first(&queue);
        drop(queue);
        drop(removed);
    }

    fn note_first(&self, queue: &BTreeMap<Key, Arc<Shared>>) {
        let first = queue.first_key_value().map_or(u64::MAX, |(key, _)| key.0);
        self.first.0.store(first, Ordering::Relaxed);
    }

    pub(crate) fn clear(&self) {
        let old = core::mem::take(&mut *self.queue.lock());
        self.first.0.store(u64::MAX, Ordering::Relaxed);
        drop(old);
    }

    /// Calls back every timer whose deadline is not after `now`, earliest first.
    pub(crate) fn expire(&self, now: u64) {
        if self.first.0.load(Ordering::Relaxed) > now {
            return;
        }
        let due: Vec<_> = {
            let mut queue = self.queue.lock();
            let later = queue.split_off(&(now.saturating_add(1), 0));
            let due = core::mem::replace(&mut *queue, later);
            self.note_first(&queue);
            due.into_iter().collect()
        };
        for (key, shared) in due {
            let mut armed = shared.armed.lock();
            // Disarmed, or armed anew, since it was taken off the queue.
            let ours = armed.is_some_and(|(_, armed_key)| armed_key == key);
            if ours {
                *armed = None;
            }
            drop(armed);
            if ours {
                (shared.callback)();
            }
        }
    }

    pub(crate) fn begin_slice(&self, end_ns: u64) {
        self.slice_end.0.store(end_ns, Ordering::Relaxed);
    }

    /// Returns whether there was one.
    pub(crate) fn end_slice(&self) -> bool {
        self.slice_end.0.swap(u64::MAX, Ordering::Relaxed) != u64::MAX
    }

    pub(crate) fn slice_is_over(&self, now: u64) -> bool {
        self.slice_end.0.load(Ordering::Relaxed) <= now
    }

    /// Tells the hardware timer the next deadline. No interrupt comes between: its own arming would be undone.
    pub(crate) fn rearm(&self, backend: &Backend, cpu: CpuId) {
        let _off = InterruptsOff::new();
        let next = self.first.0.load(Ordering::Relaxed).min(self.slice_end.0.load(Ordering::Relaxed));
        backend.timer_arm(cpu, (next != u64::MAX).then_some(next));
    }
}
