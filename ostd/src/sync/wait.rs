//! Sleeping until a condition holds.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::panic::Location;
use core::sync::atomic::{AtomicBool, Ordering};

use ostd_hal::SafePoint;

use super::raw::{GiveUp, Headcount, Place, wake_next};
use super::spin::SpinLock;
use crate::check::Culprit;
use crate::cpu::CurrentCpu;
use crate::faults::FaultKind;
use crate::task::Task;
use crate::timer::Timer;

/// What may end a sleep besides its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Sleep {
    interruptible: bool,
    deadline_ns: Option<u64>,
}

impl Sleep {
    /// [`Task::interrupt`] ends it: a sleep on behalf of a program, which a signal may end.
    pub const fn interruptible() -> Self {
        Self { interruptible: true, deadline_ns: None }
    }

    /// Nothing ends it but its condition.
    pub const fn uninterruptible() -> Self {
        Self { interruptible: false, deadline_ns: None }
    }

    /// Ends also at monotonic time `deadline_ns`, if there is one.
    pub const fn until(self, deadline_ns: Option<u64>) -> Self {
        Self { deadline_ns, ..self }
    }
}

/// What ended a sleep whose condition did not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitError {
    /// [`Task::interrupt`].
    Interrupted,
    /// The deadline.
    TimedOut,
}

/// Where tasks wait for something. Whoever makes a condition true calls [`wake_one`](Self::wake_one) or
/// [`wake_all`](Self::wake_all) afterwards; no wake-up is lost between a waiter's look and its sleep.
#[derive(Default)]
pub struct WaitQueue {
    entries: SpinLock<Entries>,
    /// Entries of both kinds: spares wakers the lock when nobody waits.
    len: Headcount,
}

#[derive(Default)]
struct Entries {
    sleepers: VecDeque<Arc<Sleeper>>,
    ears: Vec<Arc<dyn Ear>>,
}

/// One task in one queue, for one sleep.
struct Sleeper {
    task: Arc<Task>,
    place: Place,
}

impl WaitQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { entries: SpinLock::new(Entries { sleepers: VecDeque::new(), ears: Vec::new() }), len: Headcount::new() }
    }

    /// Sleeps until `condition` gives a value. It is called first at once, then after every wake-up, in the waiting
    /// task; it should not sleep for long itself.
    ///
    /// Panics in atomic context, and outside tasks, if it has to sleep.
    #[track_caller]
    pub fn wait_until<T>(&self, sleep: Sleep, mut condition: impl FnMut() -> Option<T>) -> Result<T, WaitError> {
        if let Some(value) = condition() {
            return Ok(value);
        }
        let place = Location::caller();
        let task = sleeping_task(place);
        let mut plan = Disturbance::planned(&task, sleep, place);
        let alarm = Alarm::set(&task, sleep.deadline_ns);
        let result = loop {
            let sleeper = self.enter(&task);
            if let Some(value) = condition() {
                self.leave(&sleeper);
                break Ok(value);
            }
            match plan.rest(&task, sleep, alarm.as_ref(), || sleeper.place.is_woken()) {
                Ok(()) if sleeper.place.is_woken() => {}
                Ok(()) => self.leave(&sleeper),
                Err(why) => {
                    self.leave(&sleeper);
                    // A condition that came true at the last moment wins.
                    break condition().ok_or(why);
                }
            }
            if let Some(value) = condition() {
                break Ok(value);
            }
        };
        task.set_waits_at(None);
        result
    }

    /// Sleeps once, until woken, if `should_sleep` still says so when the caller is on the queue.
    pub(crate) fn sleep_while(&self, place: &'static Location<'static>, should_sleep: &dyn Fn() -> bool) {
        let task = sleeping_task(place);
        let sleeper = self.enter(&task);
        if should_sleep() {
            let sleep = Sleep::uninterruptible();
            let mut plan = Disturbance::planned(&task, sleep, place);
            let woken = plan.rest(&task, sleep, None, || sleeper.place.is_woken());
            debug_assert!(woken.is_ok(), "nothing else can end this sleep");
            if !sleeper.place.is_woken() {
                self.leave(&sleeper);
            }
        } else {
            self.leave(&sleeper);
        }
        task.set_waits_at(None);
    }

    /// Wakes every listener, and the task that has slept longest. Returns whether a task was chosen.
    pub fn wake_one(&self) -> bool {
        CurrentCpu::safe_point(SafePoint::WaitQueue);
        if self.is_empty() {
            return false;
        }
        self.wake_listeners();
        let chosen = wake_next(|| self.take_first(), |sleeper: &Arc<Sleeper>| &sleeper.place);
        if let Some(sleeper) = &chosen {
            sleeper.task.unpark();
        }
        chosen.is_some()
    }

    /// Wakes everybody; returns how many tasks were woken, listeners not counted.
    pub fn wake_all(&self) -> usize {
        CurrentCpu::safe_point(SafePoint::WaitQueue);
        if self.is_empty() {
            return 0;
        }
        self.wake_listeners();
        let mut woken = 0;
        // Those who come meanwhile have seen the condition: only the ones here now.
        let sleepers = {
            let mut entries = self.entries.lock();
            let sleepers = core::mem::take(&mut entries.sleepers);
            self.len.leave(u32::try_from(sleepers.len()).expect("they were counted"));
            sleepers
        };
        for sleeper in sleepers {
            if sleeper.place.wake() {
                sleeper.task.unpark();
                woken += 1;
            }
        }
        woken
    }

    /// Whether nobody waits here.
    pub fn is_empty(&self) -> bool {
        self.len.is_zero()
    }

    /// Has `ear` hear every wake-up from now on, until it says that it has heard enough or [`forget`](Self::forget).
    pub fn tell(&self, ear: Arc<dyn Ear>) {
        self.entries.lock().ears.push(ear);
        self.len.enter();
    }

    /// Takes [`tell`](Self::tell) back.
    pub fn forget(&self, ear: &Arc<dyn Ear>) {
        let mut entries = self.entries.lock();
        if let Some(i) = entries.ears.iter().position(|other| Arc::ptr_eq(other, ear)) {
            let removed = entries.ears.swap_remove(i);
            self.len.leave(1);
            drop(entries);
            drop(removed);
        }
    }

    fn enter(&self, task: &Arc<Task>) -> Arc<Sleeper> {
        CurrentCpu::safe_point(SafePoint::WaitQueue);
        let sleeper = Arc::new(Sleeper { task: Arc::clone(task), place: Place::new() });
        let mut entries = self.entries.lock();
        entries.sleepers.push_back(Arc::clone(&sleeper));
        self.len.enter();
        drop(entries);
        sleeper
    }

    /// Leaves for a reason of the sleeper's own, passing on a wake-up that came all the same.
    fn leave(&self, sleeper: &Arc<Sleeper>) {
        match sleeper.place.give_up() {
            GiveUp::Done => {
                let mut entries = self.entries.lock();
                if let Some(i) = entries.sleepers.iter().position(|other| Arc::ptr_eq(other, sleeper)) {
                    let removed = entries.sleepers.remove(i);
                    self.len.leave(1);
                    drop(entries);
                    drop(removed);
                }
            }
            GiveUp::AlreadyWoken => {
                self.wake_one();
            }
        }
    }

    fn take_first(&self) -> Option<Arc<Sleeper>> {
        let mut entries = self.entries.lock();
        let first = entries.sleepers.pop_front();
        if first.is_some() {
            self.len.leave(1);
        }
        first
    }

    fn wake_listeners(&self) {
        let ears = {
            let entries = self.entries.lock();
            if entries.ears.is_empty() {
                return;
            }
            entries.ears.clone()
        };
        for ear in ears {
            if !ear.heard() {
                self.forget(&ear);
            }
        }
    }
}

impl core::fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "WaitQueue({} waiting)", self.len.about())
    }
}

/// Hears the wake-ups of queues without sleeping on them: what epoll(7) is made of.
pub trait Ear: Send + Sync {
    /// A queue that was [told](WaitQueue::tell) of it has been woken. Called wherever that happens, interrupts
    /// included, so it must not sleep. `false` has the queue forget it.
    fn heard(&self) -> bool;
}

/// A task that waits on several queues at once (poll, select), without taking a wake-up from who waits on one.
pub struct Listener {
    shared: Arc<Shared>,
}

struct Shared {
    task: Arc<Task>,
    signalled: AtomicBool,
}

impl Ear for Shared {
    fn heard(&self) -> bool {
        self.signalled.store(true, Ordering::SeqCst);
        self.task.unpark();
        true
    }
}

impl Listener {
    /// For the current task.
    ///
    /// Panics outside tasks.
    pub fn new() -> Self {
        let task = Task::current().expect("only tasks can listen");
        Self { shared: Arc::new(Shared { task, signalled: AtomicBool::new(false) }) }
    }

    /// Hears every wake-up of `queue` as long as the answer lives.
    pub fn listen<'a>(&self, queue: &'a WaitQueue) -> Listening<'a> {
        let ear = Arc::clone(&self.shared) as Arc<dyn Ear>;
        queue.tell(Arc::clone(&ear));
        Listening { queue, ear }
    }

    /// Sleeps until `condition` gives a value, looking again after every wake-up heard.
    #[track_caller]
    pub fn wait_until<T>(&self, sleep: Sleep, mut condition: impl FnMut() -> Option<T>) -> Result<T, WaitError> {
        let place = Location::caller();
        let task = sleeping_task(place);
        let mut plan = Disturbance::planned(&task, sleep, place);
        let alarm = Alarm::set(&task, sleep.deadline_ns);
        let result = loop {
            // A swap, not a store: if it takes a signal back, the look below must see what the signaller did.
            self.shared.signalled.swap(false, Ordering::SeqCst);
            if let Some(value) = condition() {
                break Ok(value);
            }
            if let Err(why) = plan.rest(&task, sleep, alarm.as_ref(), || self.shared.signalled.load(Ordering::SeqCst)) {
                break condition().ok_or(why);
            }
        };
        task.set_waits_at(None);
        result
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self::new()
    }
}

/// A listener's place in one queue.
#[must_use]
pub struct Listening<'a> {
    queue: &'a WaitQueue,
    ear: Arc<dyn Ear>,
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.queue.forget(&self.ear);
    }
}

fn sleeping_task(place: &'static Location<'static>) -> Arc<Task> {
    if let Some(why) = CurrentCpu::atomic_context() {
        panic!("a task went to sleep {why}, at {place}, {Culprit}");
    }
    let task = Task::current().unwrap_or_else(|| panic!("something that is no task went to sleep, at {place}"));
    task.set_waits_at(Some(place));
    task
}

/// What a plan of faults does to one sleep.
struct Disturbance {
    interrupts: bool,
    wakes: bool,
}

impl Disturbance {
    #[inline]
    fn planned(task: &Arc<Task>, sleep: Sleep, place: &'static Location<'static>) -> Self {
        let faults = task.machine().faults();
        Self {
            interrupts: sleep.interruptible && faults.sleep(FaultKind::Signal, place),
            wakes: faults.sleep(FaultKind::Wake, place),
        }
    }

    /// Parks as [`rest`] does, but the first time ends early if that is the plan. Others get a turn, for a task that only
    /// looked would not have slept.
    fn rest(
        &mut self,
        task: &Arc<Task>,
        sleep: Sleep,
        alarm: Option<&Alarm>,
        woken: impl Fn() -> bool,
    ) -> Result<(), WaitError> {
        if core::mem::take(&mut self.wakes) {
            Task::yield_now();
            return Ok(());
        }
        if core::mem::take(&mut self.interrupts) {
            Task::yield_now();
            return if woken() { Ok(()) } else { Err(WaitError::Interrupted) };
        }
        rest(task, sleep, alarm, woken)
    }
}

/// Parks until `woken`, or until something else ends the sleep.
fn rest(task: &Arc<Task>, sleep: Sleep, alarm: Option<&Alarm>, woken: impl Fn() -> bool) -> Result<(), WaitError> {
    loop {
        if woken() {
            return Ok(());
        }
        if sleep.interruptible && task.is_interrupted() {
            return Err(WaitError::Interrupted);
        }
        if alarm.is_some_and(Alarm::rang) {
            return Err(WaitError::TimedOut);
        }
        Task::park();
    }
}

/// The deadline of a sleep: a timer that unparks the sleeper.
struct Alarm {
    rang: Arc<AtomicBool>,
    _timer: Timer,
}

impl Alarm {
    fn set(task: &Arc<Task>, deadline_ns: Option<u64>) -> Option<Self> {
        let deadline_ns = deadline_ns?;
        let rang = Arc::new(AtomicBool::new(false));
        let (flag, sleeper) = (Arc::clone(&rang), Arc::clone(task));
        let timer = Timer::new(task.machine(), move || {
            flag.store(true, Ordering::SeqCst);
            sleeper.unpark();
        });
        timer.arm(deadline_ns);
        Some(Self { rang, _timer: timer })
    }

    fn rang(&self) -> bool {
        self.rang.load(Ordering::SeqCst)
    }
}
