//! A machine end to end: tasks, sleeps, address spaces and programs, through ostd's public face alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ostd::hosted::{Hosted, HostedConfig, Mode, scripted};
use ostd::sched::Fifo;
use ostd::sync::{Mutex, Sleep, WaitError, WaitQueue};
use ostd::task::Task;
use ostd::user::{Registers as _, Regs, Trap, UserContext};
use ostd::vm::{PageFlags, VmSpace};
use ostd::{Machine, MachineConfig, PAGE_SIZE, RunEnd, Vaddr};

fn machine_with(config: &HostedConfig) -> Machine {
    let machine = Machine::new(Hosted::new(config).expect("the host has memory"), MachineConfig::default());
    machine.set_scheduler(Arc::new(Fifo::default()));
    machine
}

fn machine() -> Machine {
    machine_with(&HostedConfig::default())
}

fn spawn(machine: &Machine, name: &str, entry: impl FnOnce() + Send + 'static) {
    Task::spawn(machine, name, Box::new(()), entry).expect("a stack");
}

/// Leaves nothing behind.
fn end(machine: Machine) {
    machine.end_tasks();
    machine.detach();
    assert_eq!((machine.task_count(), machine.frames().used()), (0, 0));
}

#[test]
fn tasks_take_turns_and_the_machine_stops_when_told() {
    let machine = machine();
    let turns = Arc::new(Mutex::new(Vec::new()));
    for name in ["a", "b"] {
        let (turns, handle) = (Arc::clone(&turns), machine.clone());
        spawn(&machine, name, move || {
            for _ in 0..2 {
                turns.lock().push(name);
                Task::yield_now();
            }
            if name == "b" {
                handle.stop();
            }
        });
    }
    machine.run().expect("it stops");
    assert_eq!(*turns.lock(), ["a", "b", "a", "b"]);
    end(machine);
}

#[test]
fn a_sleep_ends_by_its_condition_by_an_interrupt_or_by_the_clock() {
    let machine = machine();
    let queue = Arc::new(WaitQueue::new());
    let flag = Arc::new(AtomicU32::new(0));
    let handle = machine.clone();
    let (q, f) = (Arc::clone(&queue), Arc::clone(&flag));
    spawn(&machine, "sleeper", move || {
        let set = || (f.load(Ordering::SeqCst) == 1).then_some(());
        assert_eq!(q.wait_until(Sleep::uninterruptible(), set), Ok(()));
        let before = handle.monotonic_ns();
        let year = 365 * 86_400 * 1_000_000_000;
        let slept = q.wait_until(Sleep::interruptible().until(Some(before + year)), || None::<()>);
        assert_eq!(slept, Err(WaitError::TimedOut));
        assert!(handle.monotonic_ns() >= before + year);
        Task::current().expect("a task").interrupt();
        assert_eq!(q.wait_until(Sleep::interruptible(), || None::<()>), Err(WaitError::Interrupted));
        handle.stop();
    });
    spawn(&machine, "waker", move || {
        flag.store(1, Ordering::SeqCst);
        assert!(queue.wake_one());
    });
    machine.run().expect("it stops");
    end(machine);
}

#[test]
fn a_deadlock_is_reported_with_who_waits_where() {
    let machine = machine();
    spawn(&machine, "forever", || {
        let _ = WaitQueue::new().wait_until(Sleep::uninterruptible(), || None::<()>);
    });
    let Err(RunEnd::Deadlock(report)) = machine.run() else { panic!("no deadlock was found") };
    assert!(report.contains("`forever` waits at") && report.contains("machine.rs"), "{report}");
    assert_eq!(machine.end_tasks().len(), 1);
    end(machine);
}

#[test]
fn a_kernel_panic_ends_its_own_machine_and_carries_its_message() {
    let machine = machine();
    spawn(&machine, "buggy", || panic!("on purpose"));
    let Err(end) = machine.run() else { panic!("the panic was lost") };
    assert!(format!("{end:?}").contains("on purpose"));
    assert!(machine.is_poisoned());
}

#[test]
fn contending_tasks_on_four_cpus_keep_a_mutex_whatever_the_seed_and_in_parallel() {
    let seeds = (0..50).map(|seed| Mode::Deterministic { seed });
    for mode in seeds.chain([Mode::Parallel]) {
        let machine = machine_with(&HostedConfig { cpus: 4, mode, ..HostedConfig::default() });
        let (sum, left) = (Arc::new(Mutex::new(0)), Arc::new(AtomicU32::new(8)));
        for _ in 0..8 {
            let (sum, left, handle) = (Arc::clone(&sum), Arc::clone(&left), machine.clone());
            spawn(&machine, "adder", move || {
                for _ in 0..50 {
                    let mut sum = sum.lock();
                    let read = *sum;
                    Task::yield_now();
                    *sum = read + 1;
                }
                if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    handle.stop();
                }
            });
        }
        machine.run().expect("no deadlock");
        assert_eq!(*sum.lock(), 8 * 50, "{mode:?}");
        end(machine);
    }
}

#[test]
fn a_scripted_program_calls_stores_and_faults_like_any_other() {
    let machine = machine();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let engine = machine.backend().scripted();
    let entry = engine.register(|guest, args| {
        assert_eq!(args, [7, 8, 9]);
        assert_eq!(guest.syscall(39, [1, 2, 3, 4, 5, 6]), 1234);
        guest.store(0x50_0ffe, b"over the edge");
        let mut back = [0; 13];
        guest.load(0x50_0ffe, &mut back);
        guest.syscall(60, [usize::from(&back == b"over the edge"), 0, 0, 0, 0, 0]);
    });
    let image = scripted::image(entry);
    let (handle, log) = (machine.clone(), Arc::clone(&seen));
    spawn(&machine, "program", move || {
        let space = VmSpace::new(&handle).expect("memory");
        let base = Vaddr::new(scripted::IMAGE_BASE);
        let end = (base + image.len()).page_ceil().expect("small");
        let mut cursor = space.cursor(base..end);
        for page in image.chunks(PAGE_SIZE) {
            let frame = handle.frame().expect("memory");
            frame.write(0, page);
            cursor.map(frame, PageFlags::EXECUTE).expect("memory");
        }
        drop(cursor);
        let mut regs = Regs::default();
        regs.set_ip(entry.address().as_usize());
        regs.set_call_args([7, 8, 9]);
        let mut user = UserContext::new(&handle, regs);
        loop {
            match user.execute(&space) {
                Trap::Syscall if user.frame().number == 39 => {
                    log.lock().push(format!("call {:?}", user.frame().args));
                    user.set_syscall_return(1234);
                }
                Trap::Syscall => {
                    log.lock().push(format!("exit {}", user.frame().args[0]));
                    break;
                }
                Trap::PageFault(fault) => {
                    log.lock().push(format!("{:?} at {}", fault.access, fault.addr));
                    let page = fault.addr.page_floor();
                    let frame = handle.frame().expect("memory");
                    space.cursor(page..page + PAGE_SIZE).map(frame, PageFlags::WRITE).expect("memory");
                }
                other => panic!("{other:?}"),
            }
        }
        let mut back = [0; 4];
        space.read(Vaddr::new(0x50_0ffe), &mut back).expect("mapped");
        assert_eq!(&back, b"over");
        assert_eq!(space.read(Vaddr::new(0x50_1ffe), &mut back).map_err(|fault| fault.done), Err(2));
        handle.stop();
    });
    machine.run().expect("it stops");
    assert_eq!(machine.backend().scripted().failures(), []);
    assert_eq!(*seen.lock(), ["call [1, 2, 3, 4, 5, 6]", "Write at 0x500ffe", "Write at 0x501000", "exit 1"]);
    end(machine);
}

/// A CPU that looks for something to run, finds nothing, and is told of something before it sleeps must not sleep over
/// it. The nap between two sleeps takes locks, each of them a safe point, so that the timer comes at every one of them.
#[test]
fn a_timer_that_fires_while_the_cpu_looks_for_work_is_not_slept_over() {
    let machine = machine_with(&HostedConfig { mode: Mode::Parallel, ..HostedConfig::default() });
    let handle = machine.clone();
    spawn(&machine, "sleeper", move || {
        let lock = Mutex::new(0);
        for round in 0..200_u64 {
            for _ in 0..round % 11 {
                *lock.lock() += 1;
            }
            let soon = handle.monotonic_ns() + 20_000;
            let slept = WaitQueue::new().wait_until(Sleep::uninterruptible().until(Some(soon)), || None::<()>);
            assert_eq!(slept, Err(WaitError::TimedOut));
        }
        handle.stop();
    });
    machine.run().expect("a deadlock, were a wake-up lost: nothing else is left to come");
    end(machine);
}

#[test]
fn a_deadline_that_is_past_when_it_is_set_ends_the_sleep_all_the_same() {
    for seed in 0..50 {
        let machine = machine_with(&HostedConfig { mode: Mode::Deterministic { seed }, ..HostedConfig::default() });
        let handle = machine.clone();
        spawn(&machine, "sleeper", move || {
            for late in 0..50 {
                let past = handle.monotonic_ns().saturating_sub(late);
                let slept = WaitQueue::new().wait_until(Sleep::uninterruptible().until(Some(past)), || None::<()>);
                assert_eq!(slept, Err(WaitError::TimedOut));
            }
            handle.stop();
        });
        machine.run().expect("it stops");
        end(machine);
    }
}

#[test]
fn a_machine_that_was_told_to_stop_leaves_nobody_in_the_middle_of_a_turn() {
    for seed in 0..50 {
        let machine =
            machine_with(&HostedConfig { cpus: 2, mode: Mode::Deterministic { seed }, ..HostedConfig::default() });
        let ended = Arc::new(AtomicU32::new(0));
        let (handle, count) = (machine.clone(), Arc::clone(&ended));
        spawn(&machine, "last", move || {
            handle.stop();
            // Each of these may leave the CPU to the other one, which sees that the machine is to stop.
            (0..100).for_each(|_| drop(ostd::sync::SpinLock::new(()).lock()));
            count.fetch_add(1, Ordering::SeqCst);
        });
        machine.run().expect("it stops");
        assert_eq!((ended.load(Ordering::SeqCst), machine.task_count()), (1, 0), "seed {seed}");
        end(machine);
    }
}

#[test]
fn a_slice_that_is_over_interrupts_once_and_a_program_that_runs_alone_hears_of_a_stop() {
    let machine = machine();
    let engine = machine.backend().scripted();
    let entry = engine.register(|guest, _| {
        loop {
            guest.syscall(39, [0; 6]);
        }
    });
    let image = scripted::image(entry);
    let calls = Arc::new(AtomicU32::new(0));
    for name in ["one", "other"] {
        let (handle, image, calls) = (machine.clone(), image.clone(), Arc::clone(&calls));
        spawn(&machine, name, move || {
            let space = VmSpace::new(&handle).expect("memory");
            let page = entry.address().page_floor();
            let frame = handle.frame().expect("memory");
            frame.write(0, &image[page.as_usize() - scripted::IMAGE_BASE..][..PAGE_SIZE]);
            space.cursor(page..page + PAGE_SIZE).map(frame, PageFlags::EXECUTE).expect("memory");
            let mut regs = Regs::default();
            regs.set_ip(entry.address().as_usize());
            let mut user = UserContext::new(&handle, regs);
            // Two slices of ten milliseconds at 200 ns a call, and a bit.
            while calls.fetch_add(1, Ordering::SeqCst) < 120_000 {
                assert_eq!(user.execute(&space), Trap::Syscall);
                user.set_syscall_return(0);
            }
            handle.stop();
            user.execute(&space);
        });
    }
    machine.run().expect("it stops");
    machine.end_tasks();
    end(machine);
}
