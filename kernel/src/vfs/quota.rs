//! How many objects of a kind there may be: they live on the kernel's heap, which must not be a program's to fill.

use alloc::sync::Arc;

use ostd::Machine;
use ostd::sync::atomic::AtomicU64;

/// A number of objects that is not exceeded.
#[derive(Debug)]
pub struct Quota {
    used: AtomicU64,
    max: u64,
    /// Whose heap they live on, and bytes of it that they leave to others.
    heap: Option<(Machine, usize)>,
}

/// The right to one object, a field of it: given back when the object goes.
#[derive(Debug)]
pub struct Share(Arc<Quota>);

impl Quota {
    /// Room for `max`.
    pub fn new(max: u64) -> Arc<Self> {
        Arc::new(Self { used: AtomicU64::new(0), max, heap: None })
    }

    /// Room for `max` as long as the machine's heap has more than `kept` bytes for programs: objects of all kinds share
    /// it, some are large, and what stays when its maker is gone leaves some to what does not.
    pub fn on_heap_of(machine: &Machine, max: u64, kept: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicU64::new(0), max, heap: Some((machine.clone(), kept)) })
    }

    /// Room for one more, if there is any.
    pub fn take(self: &Arc<Self>) -> Option<Share> {
        // The share gives back what was taken beyond the end.
        let before = self.used.fetch_add(1);
        let share = Share(Arc::clone(self));
        let is_short = self.heap.as_ref().is_some_and(|(machine, kept)| machine.heap_room() <= *kept);
        (before < self.max && !is_short).then_some(share)
    }

    /// How many there are.
    pub fn used(&self) -> u64 {
        // Whoever is just being refused is no object.
        self.used.load().min(self.max)
    }

    /// How many there may be.
    pub fn max(&self) -> u64 {
        self.max
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::Quota;

    #[test]
    fn a_share_that_goes_makes_room_for_another() {
        let quota = Quota::new(2);
        let (first, _second) = (quota.take(), quota.take());
        assert!(first.is_some() && quota.take().is_none());
        assert_eq!(quota.used(), 2);
        drop(first);
        assert!(quota.take().is_some());
    }
}
