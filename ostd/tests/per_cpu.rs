//! What each CPU has of its own, on hosted machines with several.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ostd::hosted::{Hosted, HostedConfig, Mode};
use ostd::sched::Fifo;
use ostd::task::Task;
use ostd::{CpuId, Machine, MachineConfig, PerCpu, RunEnd};

const TASKS: u64 = 8;
const TURNS: u64 = 50;

fn machine(cpus: usize, mode: Mode) -> Machine {
    let config = HostedConfig { cpus, mode, ..HostedConfig::default() };
    let machine = Machine::new(Hosted::new(&config).expect("the host has memory"), MachineConfig::default());
    machine.set_scheduler(Arc::new(Fifo::default()));
    machine
}

fn modes() -> impl Iterator<Item = Mode> {
    (0..50).map(|seed| Mode::Deterministic { seed }).chain([Mode::Parallel])
}

/// What one CPU counts. Reading and writing are two steps: if somebody else came in between, a turn would be lost.
struct Turns {
    cpu: CpuId,
    count: Cell<u64>,
}

#[test]
fn counters_that_are_no_atomics_lose_nothing_and_each_cpu_sees_its_own() {
    for mode in modes() {
        let machine = machine(3, mode);
        let turns = Arc::new(PerCpu::new(&machine, |cpu| Turns { cpu, count: Cell::new(0) }));
        let left = Arc::new(AtomicU32::new(TASKS as u32));
        for _ in 0..TASKS {
            let (turns, left, handle) = (Arc::clone(&turns), Arc::clone(&left), machine.clone());
            let count = move || {
                for _ in 0..TURNS {
                    turns.here(|mine| {
                        let before = mine.count.get();
                        // A safe point: on a deterministic machine other CPUs may have their turns here.
                        drop(ostd::sync::SpinLock::new(()).lock());
                        mine.count.set(before + 1);
                        assert_eq!(Task::current().expect("a task").last_cpu(), mine.cpu);
                        turns.here(|again| assert!(std::ptr::eq(mine, again)));
                    });
                    Task::yield_now();
                }
                drop(turns);
                if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    handle.stop();
                }
            };
            Task::spawn(&machine, "counter", Box::new(()), count).expect("a stack");
        }
        machine.run().expect("it stops");
        machine.detach();
        let mut turns = Arc::into_inner(turns).expect("every task has ended");
        assert!(turns.iter_mut().all(|(id, slot)| id == slot.cpu));
        assert_eq!(turns.iter_mut().map(|(_, slot)| slot.count.get()).sum::<u64>(), TASKS * TURNS, "{mode:?}");
    }
}

#[test]
fn what_may_be_shared_is_seen_from_everywhere_and_totals_add_up() {
    for mode in modes() {
        let machine = machine(2, mode);
        let seen = Arc::new(PerCpu::new(&machine, |_| AtomicU32::new(0)));
        let (handle, theirs) = (machine.clone(), Arc::clone(&seen));
        let adder = move || {
            for _ in 0..10 {
                theirs.here(|mine| mine.fetch_add(1, Ordering::SeqCst));
                theirs.of(CpuId(1)).fetch_add(10, Ordering::SeqCst);
                Task::yield_now();
            }
            handle.stop();
        };
        Task::spawn(&machine, "adder", Box::new(()), adder).expect("a stack");
        machine.run().expect("it stops");
        machine.detach();
        let ids: Vec<_> = seen.iter().map(|(id, _)| id).collect();
        assert_eq!(ids, [CpuId(0), CpuId(1)]);
        assert_eq!(seen.iter().map(|(_, slot)| slot.load(Ordering::SeqCst)).sum::<u32>(), 110, "{mode:?}");
    }
}

/// The message with which a task that ran `entry` ended its machine.
fn panic_of(machine: &Machine, entry: impl FnOnce() + Send + 'static) -> String {
    Task::spawn(machine, "buggy", Box::new(()), entry).expect("a stack");
    let Err(end @ RunEnd::Panicked(_)) = machine.run() else { panic!("it went through") };
    machine.end_tasks();
    machine.detach();
    format!("{end:?}")
}

#[test]
fn giving_way_with_a_cpus_own_data_in_hand_is_refused() {
    let machine = machine(2, Mode::Deterministic { seed: 0 });
    let own = PerCpu::new(&machine, |_| Cell::new(0));
    let message = panic_of(&machine, move || own.here(|_| Task::yield_now()));
    assert!(message.contains("a task gave way while it used its CPU's own data"), "{message}");
}

#[test]
fn another_machines_cpu_has_no_slot_and_a_plain_thread_neither() {
    let (one, other) = (machine(1, Mode::Deterministic { seed: 0 }), machine(1, Mode::Deterministic { seed: 0 }));
    let own = Arc::new(PerCpu::new(&one, |_| Cell::new(0)));
    let theirs = Arc::clone(&own);
    let message = panic_of(&other, move || theirs.here(|_| ()));
    assert!(message.contains("only a CPU of the machine"), "{message}");
    let lent = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| own.here(|_| ())));
    assert!(lent.is_err());
}
