//! Planted mistakes: each checker names its own on a machine with checkers, and keeps quiet on one without.

use std::sync::Arc;

use ostd::hosted::{Hosted, HostedConfig};
use ostd::irq::InterruptsOff;
use ostd::sched::Fifo;
use ostd::sync::{Mutex, Rank, RwLock, Sleep, SpinLock, WaitQueue};
use ostd::task::Task;
use ostd::user::{Regs, UserContext};
use ostd::vm::{PageFlags, VmSpace};
use ostd::{Machine, MachineConfig, PAGE_SIZE, Vaddr};

const OUTER: Rank = Rank::new("outer", 1);
const INNER: Rank = Rank::new("inner", 2);

/// Runs `mistake` in a task; the kernel's panic, if there was one.
fn panic_of(checks: bool, mistake: impl FnOnce(&Machine) + Send + 'static) -> Option<String> {
    let backend = Hosted::new(&HostedConfig::default()).expect("the host has memory");
    let machine = Machine::new(backend, MachineConfig { checks, ..MachineConfig::default() });
    machine.set_scheduler(Arc::new(Fifo::default()));
    let handle = machine.clone();
    let entry = move || {
        mistake(&handle);
        handle.stop();
    };
    Task::spawn(&machine, "mistaken", Box::new(()), entry).expect("a stack");
    let said = machine.run().err().map(|end| format!("{end:?}"));
    machine.end_tasks();
    machine.detach();
    assert_eq!(machine.task_count(), 0);
    said
}

/// The checkers say each of `parts`, in a checked machine only.
#[track_caller]
fn is_found(mistake: impl Fn(&Machine) + Send + Sync + Clone + 'static, parts: &[&str]) {
    assert_eq!(panic_of(false, mistake.clone()), None);
    let said = panic_of(true, mistake).expect("the mistake is found");
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");
}

#[test]
fn locks_taken_out_of_order_are_named_with_their_places() {
    let backwards = |_: &Machine| {
        let (outer, inner) = (Mutex::ranked(OUTER, ()), SpinLock::ranked(INNER, ()));
        let _inner = inner.lock();
        let _outer = outer.lock();
    };
    is_found(backwards, &["locks out of order: `outer` (rank 1), at ostd/tests/checkers.rs", "while holding `inner`"]);
}

#[test]
fn reading_a_lock_twice_in_one_task_is_out_of_order() {
    let twice = |_: &Machine| {
        let lock = RwLock::ranked(OUTER, ());
        let _first = lock.read();
        let _second = lock.read();
    };
    is_found(twice, &["locks out of order"]);
}

#[test]
fn locks_in_order_and_a_lock_that_was_only_tried_are_no_mistake() {
    let in_order = |_: &Machine| {
        let (outer, inner) = (Mutex::ranked(OUTER, ()), Mutex::ranked(INNER, ()));
        for _ in 0..2 {
            let _outer = outer.lock();
            let _inner = inner.lock();
        }
        let _inner = inner.lock();
        let _outer = outer.try_lock().expect("it is free");
    };
    assert_eq!(panic_of(true, in_order), None);
}

#[test]
fn each_task_has_its_own_locks() {
    let machine_of_two = |machine: &Machine| {
        let (outer, inner) = (Arc::new(Mutex::ranked(OUTER, ())), Arc::new(Mutex::ranked(INNER, ())));
        let _inner = inner.lock();
        let other = Arc::clone(&outer);
        Task::spawn(machine, "other", Box::new(()), move || drop(other.lock())).expect("a stack");
        Task::yield_now();
    };
    assert_eq!(panic_of(true, machine_of_two), None);
}

#[test]
fn a_task_that_ends_with_a_lock_is_named() {
    let forgetful = |_: &Machine| {
        let lock = Box::leak(Box::new(Mutex::ranked(OUTER, ())));
        std::mem::forget(lock.lock());
    };
    is_found(forgetful, &["a task ended while holding `outer`", "checkers.rs"]);
}

#[test]
fn a_program_is_not_entered_with_a_lock_held() {
    let hasty = |machine: &Machine| {
        let (space, lock) = (VmSpace::new(machine).expect("memory"), Mutex::ranked(OUTER, ()));
        let _held = lock.lock();
        UserContext::new(machine, Regs::default()).execute(&space);
    };
    is_found(hasty, &["a program was entered while holding `outer`"]);
}

/// What goes wrong on any machine is found on any: an interrupt that never comes again, a sleep under a spin lock.
#[test]
fn giving_way_in_atomic_context_is_found_with_checkers_or_without() {
    for checks in [false, true] {
        let unbalanced = |machine: &Machine| {
            let space = VmSpace::new(machine).expect("memory");
            std::mem::forget(InterruptsOff::new());
            UserContext::new(machine, Regs::default()).execute(&space);
        };
        let said = panic_of(checks, unbalanced).expect("it is found");
        assert!(said.contains("a program was entered with interrupts off"), "{said}");
        let sleepy = |_: &Machine| {
            let lock = SpinLock::new(());
            let _held = lock.lock();
            let _ = WaitQueue::new().wait_until(Sleep::uninterruptible(), || None::<()>);
        };
        let said = panic_of(checks, sleepy).expect("it is found");
        assert!(said.contains("went to sleep with a spin lock held, at ostd/tests/checkers.rs"), "{said}");
    }
}

#[test]
fn copying_user_memory_in_atomic_context_is_found() {
    let copying = |machine: &Machine| {
        let space = VmSpace::new(machine).expect("memory");
        let lock = SpinLock::new(());
        let _held = lock.lock();
        let _ = space.read(Vaddr::new(0x1000), &mut [0; 4]);
    };
    is_found(copying, &["user memory was copied with a spin lock held"]);
}

#[test]
fn a_forgotten_flush_is_found() {
    let forgetful = |machine: &Machine| {
        let space = VmSpace::new(machine).expect("memory");
        let page = Vaddr::new(0x1000);
        space.cursor(page..page + PAGE_SIZE).map(machine.frame().expect("memory"), PageFlags::WRITE).expect("memory");
        let flush = space.cursor(page..page + PAGE_SIZE).unmap(PAGE_SIZE);
        drop(flush);
    };
    is_found(forgetful, &["a flush of", "was forgotten"]);
}
