//! Futexes among tasks of one machine, and of two address spaces.

use alloc::sync::Arc;

use ostd::hosted::{Hosted, HostedConfig, Mode};
use ostd::sched::Fifo;
use ostd::sync::Mutex;
use ostd::task::Task;
use ostd::{Machine, MachineConfig, PAGE_SIZE};

use crate::error::{Errno, Result};
use crate::futex::{ANY, FutexTable, Operation, Scope, exit_robust_list};
use crate::mm::{AddressSpace, MapRequest, Place, Prot, Sharing};

const WORD: usize = 0x1000_0000;
const OTHER: usize = WORD + 64;

fn machine(seed: u64) -> Machine {
    let config = HostedConfig { cpus: 2, mode: Mode::Deterministic { seed }, ..HostedConfig::default() };
    let machine = Machine::new(Hosted::new(&config).expect("the host has memory"), MachineConfig::default());
    machine.set_scheduler(Arc::new(Fifo::default()));
    machine
}

fn space(machine: &Machine) -> Arc<AddressSpace> {
    let space = AddressSpace::new(machine).expect("memory");
    let wish = MapRequest {
        sharing: Sharing::Shared,
        ..MapRequest::anonymous(Place::Fixed(WORD), PAGE_SIZE, Prot::READ | Prot::WRITE)
    };
    space.map(&wish).expect("room");
    space
}

type Log = Arc<Mutex<Vec<Result<()>>>>;

/// Runs `waiters`, each waiting at `WORD` for its bits, and then `waker` when all of them wait; returns how the waits
/// ended, in order.
fn run(
    seed: u64,
    scope: Scope,
    waiters: &[u32],
    deadline_ns: Option<u64>,
    waker: impl FnOnce(&FutexTable, &AddressSpace) + Send + 'static,
) -> Vec<Result<()>> {
    let machine = machine(seed);
    let table = Arc::new(FutexTable::new());
    let parent = space(&machine);
    let log: Log = Log::default();
    let left = Arc::new(Mutex::new(waiters.len() + 1));
    let spawn = |entry: Box<dyn FnOnce() + Send>| {
        let (left, handle) = (Arc::clone(&left), machine.clone());
        let entry = move || {
            entry();
            *left.lock() -= 1;
            if *left.lock() == 0 {
                handle.stop();
            }
        };
        Task::spawn(&machine, "party", Box::new(()), entry).expect("a stack");
    };
    for &bits in waiters {
        let (table, log) = (Arc::clone(&table), Arc::clone(&log));
        // A shared futex is waited on from another address space.
        let space = if scope == Scope::Shared { parent.fork().expect("memory") } else { Arc::clone(&parent) };
        spawn(Box::new(move || {
            let end = table.wait(&space, WORD, scope, 0, bits, deadline_ns);
            log.lock().push(end);
        }));
    }
    let (ends, all) = (Arc::clone(&log), waiters.len());
    spawn(Box::new(move || {
        while table.waiting() + ends.lock().len() < all {
            Task::yield_now();
        }
        waker(&table, &parent);
    }));
    machine.run().expect("everybody wakes");
    // Who has counted itself out may still be on a run queue with its last line to come.
    machine.end_tasks();
    machine.detach();
    assert_eq!((machine.task_count(), machine.frames().used()), (0, 0), "{:?}", machine.frames().users(4));
    log.lock().clone()
}

#[test]
fn waiters_wake_by_count_and_by_bits_in_one_space_and_across_two() {
    for seed in 0..20 {
        for scope in [Scope::Private, Scope::Shared] {
            let ends = run(seed, scope, &[1, 2, 1], None, move |table, space| {
                assert_eq!(table.wake(space, OTHER, scope, 9, ANY), Ok(0));
                assert_eq!(table.wake(space, WORD, scope, 9, 2), Ok(1));
                assert_eq!(table.wake(space, WORD, scope, 1, ANY), Ok(1));
                assert_eq!(table.wake(space, WORD, scope, 9, ANY), Ok(1));
            });
            assert_eq!(ends, [Ok(()); 3]);
        }
    }
}

#[test]
fn requeued_waiters_wake_at_their_new_word() {
    let ends = run(1, Scope::Private, &[ANY; 3], None, |table, space| {
        let requeue = |expected| table.requeue(space, (WORD, OTHER), Scope::Private, (1, 9), expected);
        assert_eq!(requeue(Some(7)), Err(Errno::EAGAIN));
        assert_eq!(requeue(Some(0)), Ok(3));
        assert_eq!(table.wake(space, WORD, Scope::Private, 9, ANY), Ok(0));
        assert_eq!(table.wake(space, OTHER, Scope::Private, 9, ANY), Ok(2));
    });
    assert_eq!(ends, [Ok(()); 3]);
}

#[test]
fn a_wait_ends_at_its_deadline_or_at_once_if_the_word_differs() {
    assert_eq!(run(1, Scope::Private, &[ANY], Some(1), |_, _| {}), [Err(Errno::ETIMEDOUT)]);
    let machine = machine(1);
    let space = space(&machine);
    let table = FutexTable::new();
    let wait = |at, expected| table.wait(&space, at, Scope::Private, expected, ANY, None);
    assert_eq!(wait(WORD, 1), Err(Errno::EAGAIN));
    assert_eq!(wait(WORD + 2, 0), Err(Errno::EINVAL));
    assert_eq!(wait(0x1000, 0), Err(Errno::EFAULT));
    assert_eq!(format!("{table:?}"), "FutexTable(0 words)");
}

#[test]
fn an_operation_changes_the_word_and_asks_about_what_it_was() {
    let machine = machine(1);
    let space = space(&machine);
    // FUTEX_OP(FUTEX_OP_ADD, -1, FUTEX_OP_CMP_EQ, 0)
    let decrement = Operation(1 << 28 | 0xfff << 12);
    assert_eq!(decrement.apply(&space, WORD), Ok(true));
    assert_eq!(space.load32(WORD), Ok(u32::MAX));
    // FUTEX_OP(FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT, 4, FUTEX_OP_CMP_LT, 0)
    assert_eq!(Operation(8 << 28 | 2 << 24 | 4 << 12).apply(&space, WORD), Ok(true));
    assert_eq!(space.load32(WORD), Ok(16));
    assert_eq!(Operation(5 << 28).apply(&space, WORD), Err(Errno::ENOSYS));
}

#[test]
fn a_dead_owner_gives_up_its_futexes_and_no_others() {
    let ends = run(1, Scope::Shared, &[ANY], None, |table, space| {
        let (head, entry, futex) = (WORD + 0x100, WORD + 0x200, WORD + 0x240);
        for (at, value) in [(head, entry), (head + 8, 0x40), (head + 16, WORD - 0x40), (entry, head)] {
            space.write_value(at, &value).expect("mapped");
        }
        space.write_value(futex, &(77_u32 | 1 << 31)).expect("mapped");
        exit_robust_list(table, space, head, 78);
        assert_eq!(space.load32(futex), Ok(77 | 1 << 31));
        exit_robust_list(table, space, head, 77);
        assert_eq!(space.load32(futex), Ok(3 << 30));
    });
    // The pending one had been released: its waiter is woken whoever dies.
    assert_eq!(ends, [Ok(())]);
}
