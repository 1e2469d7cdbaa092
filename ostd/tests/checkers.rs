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
/// Who makes the mistakes.
const TASK: &str = "in task 1 `mistaken`";

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
    is_found(
        backwards,
        &["locks out of order: `outer` (rank 1), at ostd/tests/checkers.rs", "while holding `inner`", TASK],
    );
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
    is_found(forgetful, &["a task ended while holding `outer`", "checkers.rs", TASK]);
}

#[test]
fn a_program_is_not_entered_with_a_lock_held() {
    let hasty = |machine: &Machine| {
        let (space, lock) = (VmSpace::new(machine).expect("memory"), Mutex::ranked(OUTER, ()));
        let _held = lock.lock();
        UserContext::new(machine, Regs::default()).execute(&space);
    };
    is_found(hasty, &["a program was entered while holding `outer` (rank 1), at ostd/tests/checkers.rs", TASK]);
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
        assert!(said.contains("a program was entered with interrupts off (since ostd/tests/checkers.rs"), "{said}");
        assert!(said.contains(TASK), "{said}");
        let sleepy = |_: &Machine| {
            let lock = SpinLock::new(());
            let _held = lock.lock();
            let _ = WaitQueue::new().wait_until(Sleep::uninterruptible(), || None::<()>);
        };
        let said = panic_of(checks, sleepy).expect("it is found");
        assert!(said.contains("went to sleep with a spin lock held (since ostd/tests/checkers.rs"), "{said}");
        assert!(said.contains("), at ostd/tests/checkers.rs") && said.contains(TASK), "{said}");
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
    is_found(
        copying,
        &["user memory was copied with a spin lock held (since ostd/tests/checkers.rs", ", at ostd/tests", TASK],
    );
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
    is_found(forgetful, &["a flush of", "was forgotten, due since ostd/tests/checkers.rs", TASK]);
}

#[test]
fn a_frame_that_two_address_spaces_write_to_is_found_unless_it_is_shared() {
    let mapped_twice = |shared: bool| {
        move |machine: &Machine| {
            let spaces = [VmSpace::new(machine).expect("memory"), VmSpace::new(machine).expect("memory")];
            let (page, frame) = (Vaddr::new(0x1000), machine.frame().expect("memory"));
            if shared {
                frame.share();
            }
            for space in &spaces {
                space.cursor(page..page + PAGE_SIZE).map(frame.clone(), PageFlags::WRITE).expect("memory");
            }
        }
    };
    let parts = [", asked for at ostd/tests/checkers.rs", "to be written by two address spaces, at ostd/tests", TASK];
    is_found(mapped_twice(false), &parts);
    assert_eq!(panic_of(true, mapped_twice(true)), None);
}

#[test]
fn a_frame_that_is_handed_on_is_no_mistake() {
    let handed_on = |machine: &Machine| {
        let spaces = [VmSpace::new(machine).expect("memory"), VmSpace::new(machine).expect("memory")];
        let (page, frame) = (Vaddr::new(0x1000), machine.frame().expect("memory"));
        let range = page..page + PAGE_SIZE;
        // Written here, then only read by both, as fork(2) leaves it; then written there alone.
        spaces[0].cursor(range.clone()).map(frame.clone(), PageFlags::WRITE).expect("memory");
        spaces[0].cursor(range.clone()).protect(PAGE_SIZE, |flags| flags - PageFlags::WRITE).now();
        spaces[1].cursor(range.clone()).map(frame, PageFlags::empty()).expect("memory");
        spaces[0].cursor(range.clone()).unmap(PAGE_SIZE).now();
        spaces[1].cursor(range).protect(PAGE_SIZE, |flags| flags | PageFlags::WRITE).now();
    };
    assert_eq!(panic_of(true, handed_on), None);
}

/// Uses `kib` of the stack, and a little more.
fn use_stack(kib: usize) {
    fn below(top: usize, bytes: usize) {
        let block = std::hint::black_box([0_u8; 1024]);
        if top - block.as_ptr().addr() < bytes {
            below(top, bytes);
        }
        std::hint::black_box(block);
    }
    let top = 0_u8;
    below((&raw const top).addr(), kib << 10);
}

#[test]
fn a_task_that_leaves_little_of_its_stack_is_named() {
    is_found(
        |_: &Machine| use_stack(400),
        &["task 1 `mistaken`, spawned at ostd/tests/checkers.rs", "KiB of its stack of"],
    );
}

#[test]
fn the_high_water_mark_is_that_of_the_deepest_task() {
    let marks = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = Arc::clone(&marks);
    let measured = move |machine: &Machine| {
        for kib in [20, 120, 60] {
            Task::spawn(machine, "deep", Box::new(()), move || use_stack(kib)).expect("a stack");
            while machine.task_count() > 1 {
                Task::yield_now();
            }
            told.lock().expect("nobody panicked").push(machine.stack_high_water() >> 10);
        }
    };
    assert_eq!(panic_of(true, measured), None);
    let marks = marks.lock().expect("nobody panicked");
    assert!(marks[0] >= 20 && marks[1] >= 120 && marks[1] < 400 && marks[2] == marks[1], "{marks:?}");
}

#[test]
fn what_is_left_says_where_it_came_from() {
    let machine = Machine::new(Hosted::new(&HostedConfig::default()).expect("memory"), MachineConfig::default());
    machine.set_scheduler(Arc::new(Fifo::default()));
    let frame = machine.frame().expect("memory");
    let present = ostd::census::Presence::new(&machine, "pipe", 7);
    Task::spawn(&machine, "left", Box::new(()), || ()).expect("a stack");
    let here = " at ostd/tests/checkers.rs";
    assert!(
        machine.wait_report().contains(&format!("`left` does not wait, spawned{here}")),
        "{}",
        machine.wait_report()
    );
    assert!(machine.frames().users(1)[0].contains(&format!("asked for{here}")));
    assert!(machine.present(1).1[0].contains(&format!("pipe 7, made{here}")));
    drop((frame, present));
    machine.end_tasks();
    machine.detach();
}
