//! CPUs: clock, timers, interrupts, idling; entropy, console and devices.

use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use ostd::hal::hal::RunError;
use ostd::hal::{Client, CpuId, Hal, Interrupt, Step};

use super::{CPU, Subject};

/// What a client hears and does about it.
type Hears<'a> = &'a (dyn Fn(CpuId, Interrupt) + Sync);

/// Generic code in small: it has nothing to run, and listens.
struct Listener<'a, H: Hal> {
    hal: &'a H,
    hears: Hears<'a>,
    begins: &'a (dyn Fn() + Sync),
    has_begun: AtomicBool,
    stops: &'a AtomicBool,
}

impl<H: Hal> Client for Listener<'_, H> {
    fn step(&self, cpu: CpuId) -> Step {
        if !self.has_begun.swap(true, Ordering::SeqCst) {
            (self.begins)();
        }
        while let Some(interrupt) = self.hal.poll_interrupt(cpu) {
            (self.hears)(cpu, interrupt);
        }
        Step::Idle
    }

    fn interrupt(&self, cpu: CpuId, interrupt: Interrupt) {
        (self.hears)(cpu, interrupt);
    }

    fn stopping(&self) -> bool {
        self.stops.load(Ordering::SeqCst)
    }
}

/// Lends the machine's CPUs to a listener. `begins` is called once, on one of them.
pub(super) fn run<H: Hal>(
    hal: &H,
    stops: &AtomicBool,
    begins: &(dyn Fn() + Sync),
    hears: Hears<'_>,
) -> Result<(), RunError> {
    hal.run(&Listener { hal, hears, begins, has_begun: AtomicBool::new(false), stops })
}

pub(super) fn the_clock_never_goes_back<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let mut before = hal.monotonic_ns();
    for _ in 0..1000 {
        let now = hal.monotonic_ns();
        assert!(now >= before);
        before = now;
    }
    hal.spend(1000);
    assert!(hal.monotonic_ns() >= before);
    // Later than when this was written, in this century.
    let year = 365 * 86_400 * 1_000_000_000;
    assert!((40 * year..130 * year).contains(&hal.boot_realtime_ns()));
}

pub(super) fn timers_ring_once_in_order_and_not_early<S: Subject>(subject: &S) {
    const STEP_NS: u64 = 1_000_000;
    let hal = subject.machine();
    // On the first and the last: a machine of one CPU still has to do it right.
    let cpus = hal.cpu_count().min(2);
    let (stops, rings) = (AtomicBool::new(false), [AtomicUsize::new(0), AtomicUsize::new(0)]);
    let deadlines = [AtomicU64::new(0), AtomicU64::new(0)];
    let arm = |cpu: usize| {
        let deadline = hal.monotonic_ns() + STEP_NS * (cpu as u64 + 1);
        deadlines[cpu].store(deadline, Ordering::SeqCst);
        hal.timer_arm(CpuId(cpu), Some(deadline));
    };
    let hears = |cpu: CpuId, interrupt: Interrupt| {
        if interrupt != Interrupt::Timer {
            return;
        }
        let deadline = deadlines[cpu.0].swap(u64::MAX, Ordering::SeqCst);
        assert!(hal.monotonic_ns() >= deadline, "early, or twice for one deadline");
        if rings[cpu.0].fetch_add(1, Ordering::SeqCst) < 4 {
            arm(cpu.0);
        }
        // Whoever has seen less meanwhile must not take it back.
        stops.fetch_or(rings[..cpus].iter().all(|count| count.load(Ordering::SeqCst) == 5), Ordering::SeqCst);
    };
    let begins = || (0..cpus).for_each(arm);
    assert_eq!(run(hal, &stops, &begins, &hears), Ok(()));
    assert_eq!(rings.map(AtomicUsize::into_inner)[..cpus], [5, 5][..cpus]);
}

pub(super) fn a_disarmed_timer_does_not_ring<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let (stops, early) = (AtomicBool::new(false), AtomicUsize::new(0));
    let last = AtomicU64::new(0);
    let begins = || {
        let now = hal.monotonic_ns();
        let other = CpuId(hal.cpu_count() - 1);
        hal.timer_arm(other, Some(now + 1_000_000));
        hal.timer_arm(other, None);
        hal.timer_arm(CPU, Some(now + 2_000_000));
        // The later one takes the place of the earlier.
        hal.timer_arm(CPU, Some(now + 4_000_000));
        last.store(now + 4_000_000, Ordering::SeqCst);
    };
    let hears = |_, interrupt| {
        if interrupt == Interrupt::Timer {
            early.fetch_add(usize::from(hal.monotonic_ns() < last.load(Ordering::SeqCst)), Ordering::SeqCst);
            stops.store(true, Ordering::SeqCst);
        }
    };
    assert_eq!(run(hal, &stops, &begins, &hears), Ok(()));
    assert_eq!(early.into_inner(), 0);
}

pub(super) fn an_interprocessor_interrupt_reaches_its_cpu<S: Subject>(subject: &S) {
    let hal = subject.machine();
    // To and fro between two, or to itself.
    let last = hal.cpu_count().min(2) - 1;
    let (stops, heard) = (AtomicBool::new(false), [AtomicUsize::new(0), AtomicUsize::new(0)]);
    let hears = |cpu: CpuId, interrupt: Interrupt| {
        if interrupt == Interrupt::Ipi {
            let count = heard[cpu.0].fetch_add(1, Ordering::SeqCst) + 1;
            if count < 10 || cpu.0 != 0 {
                hal.ipi(CpuId(last - cpu.0));
            } else {
                stops.store(true, Ordering::SeqCst);
            }
        }
    };
    assert_eq!(run(hal, &stops, &|| hal.ipi(CpuId(last)), &hears), Ok(()));
    assert_eq!(heard.map(AtomicUsize::into_inner)[..=last], [10, 10][..=last]);
}

pub(super) fn interrupts_kept_away_are_not_lost<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let (stops, is_kept_away) = (AtomicBool::new(false), AtomicBool::new(false));
    let begins = || {
        // Nested as locks nest: the inner pair asks nothing of the machine.
        let before = hal.interrupts_disable();
        is_kept_away.store(true, Ordering::SeqCst);
        (0..hal.cpu_count()).for_each(|cpu| hal.ipi(CpuId(cpu)));
        core::hint::black_box(hal.monotonic_ns());
        is_kept_away.store(false, Ordering::SeqCst);
        if before {
            hal.interrupts_enable();
        }
    };
    let left = AtomicUsize::new(hal.cpu_count());
    let hears = |_, interrupt| {
        if interrupt == Interrupt::Ipi {
            stops.fetch_or(left.fetch_sub(1, Ordering::SeqCst) == 1, Ordering::SeqCst);
        }
    };
    assert_eq!(run(hal, &stops, &begins, &hears), Ok(()));
    assert_eq!(left.into_inner(), 0);
}

pub(super) fn a_machine_with_nothing_to_wait_for_says_so<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let never = AtomicBool::new(false);
    // On metal the outside can always ring; there only a machine that is told to stop stops.
    if S::Machine::CHECKS {
        assert_eq!(run(hal, &never, &|| {}, &|_, _| {}), Err(RunError::Deadlock));
    }
    let at_once = AtomicBool::new(true);
    assert_eq!(run(hal, &at_once, &|| {}, &|_, _| {}), Ok(()));
}

pub(super) fn entropy_fills_all_and_differs<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let mut drawn = [[0; 64]; 4];
    drawn.iter_mut().for_each(|bytes| hal.entropy(bytes));
    for (number, bytes) in drawn.iter().enumerate() {
        // Each part of it: a zero byte is likely, eight in a row are not.
        assert!(bytes.chunks(8).all(|part| part != [0; 8]), "a hole in {bytes:?}");
        assert!(drawn[..number].iter().all(|other| other != bytes), "the same twice");
    }
    let mut odd = [7; 5];
    hal.entropy(&mut odd[1..4]);
    assert_eq!((odd[0], odd[4]), (7, 7));
    hal.entropy(&mut []);
}

pub(super) fn the_console_and_devices_answer<S: Subject>(subject: &S) {
    let hal = subject.machine();
    hal.emergency_write(b"conformance: the emergency console takes bytes\n");
    hal.emergency_write(b"");
    assert_eq!(hal.outside_event(), None, "nobody outside has spoken");
    let _ = hal.outside_line();
    let here = core::ptr::from_ref(subject).cast();
    let before = S::Machine::cpu_local();
    S::Machine::set_cpu_local(here);
    assert_eq!(S::Machine::cpu_local(), here);
    S::Machine::set_cpu_local(before);
}
