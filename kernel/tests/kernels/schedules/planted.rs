//! A race planted between two calls: which explorations find it, and that the line they print finds it again.

use std::sync::Arc;

use ostd::hosted::schedule::explore::{Exploration, explore};
use ostd::hosted::scripted::{IMAGE_BASE, image};
use ostd::hosted::{Hosted, Policy, replay};
use ostd::sched::Fifo;
use ostd::sync::atomic::AtomicU32;
use ostd::task::Task;
use ostd::user::{Registers as _, Regs, Trap, UserContext};
use ostd::vm::{PageFlags, VmSpace};
use ostd::{Machine, MachineConfig, PAGE_SIZE, Vaddr};

use super::kernels::config;

const LOOK: usize = 1;
const CHANGE: usize = 2;
const END: usize = 3;
/// The change is seen half made, by a look that began before it.
const TORN: u32 = 1;

/// What the two calls share.
#[derive(Default)]
struct Shared {
    begun: AtomicU32,
    done: AtomicU32,
    torn: AtomicU32,
    left: AtomicU32,
}

impl Shared {
    /// Goes wrong only if it is interrupted behind its first line by a change that is itself interrupted between its
    /// two: that takes two preemptions.
    fn look(&self) {
        let before = self.begun.load();
        if before == 0 && self.begun.load() == 1 && self.done.load() == 0 {
            self.torn.store(TORN);
        }
    }

    fn change(&self) {
        self.begun.store(1);
        self.done.store(1);
    }
}

/// Two programs on two CPUs, of which one looks while the other changes.
fn two_programs(seed: u64, policy: &Policy) -> Result<(), String> {
    let config = config(seed, policy.clone(), None);
    let machine = Machine::new(Hosted::new(&config).expect("the host has memory"), MachineConfig::default());
    machine.set_scheduler(Arc::new(Fifo::default()));
    let shared = Arc::new(Shared::default());
    for call in [LOOK, CHANGE] {
        let exploration = exploration_of(policy);
        let entry = machine.backend().scripted().register(move |guest, _| {
            exploration.iter().for_each(|exploration| exploration.arrive());
            guest.syscall(call, [0; 6]);
            exploration.iter().for_each(|exploration| exploration.leave());
            guest.syscall(END, [0; 6]);
        });
        let (handle, shared) = (machine.clone(), Arc::clone(&shared));
        let work = move || {
            let space = VmSpace::new(&handle).expect("memory");
            let (base, image) = (Vaddr::new(IMAGE_BASE), image(entry));
            let mut cursor = space.cursor(base..(base + image.len()).page_ceil().expect("small"));
            for page in image.chunks(PAGE_SIZE) {
                let frame = handle.frame().expect("memory");
                frame.write(0, page);
                cursor.map(frame, PageFlags::EXECUTE).expect("memory");
            }
            drop(cursor);
            let mut regs = Regs::default();
            regs.set_ip(entry.address().as_usize());
            let mut user = UserContext::new(&handle, regs);
            loop {
                let trap = user.execute(&space);
                match (trap, user.frame().number) {
                    (Trap::Syscall, LOOK) => shared.look(),
                    (Trap::Syscall, CHANGE) => shared.change(),
                    (Trap::Syscall, END) => break,
                    (Trap::Interrupt, _) => continue,
                    other => panic!("{other:?}"),
                }
                user.set_syscall_return(0);
            }
            drop((user, space));
            if shared.left.fetch_add(1) == 1 {
                handle.stop();
            }
        };
        Task::spawn(&machine, "program", Box::new(()), work).expect("a stack");
    }
    let end = machine.run();
    machine.end_tasks();
    machine.detach();
    match (end, shared.torn.load()) {
        (Ok(()), 0) => Ok(()),
        (Ok(()), _) => Err(String::from("a half-made change was seen")),
        (end, _) => Err(format!("{end:?}")),
    }
}

fn exploration_of(policy: &Policy) -> Option<Arc<Exploration>> {
    match policy {
        Policy::Explore(exploration) => Some(Arc::clone(exploration)),
        _ => None,
    }
}

#[test]
fn a_race_that_takes_two_preemptions_is_found_with_two_and_not_with_one() {
    let one = explore(1, |policy| two_programs(0, &policy));
    assert_eq!(one.failure, None);
    let two = explore(2, |policy| two_programs(0, &policy));
    let (policy, problem) = two.failure.expect("it is found");
    println!("{} schedules with one preemption, found in number {} with two: {problem}", one.schedules, two.schedules);
    let again: Policy = policy.parse().expect("it is a policy");
    println!("again: {}cargo test -p kernel --test kernels schedules::planted", replay::variables(0, &again));
    assert_eq!(two_programs(0, &again), Err(problem));
}

/// The same race between two tasks that do nothing else.
fn two_tasks(seed: u64, policy: &Policy) -> Result<(), String> {
    let config = config(seed, policy.clone(), None);
    let machine = Machine::new(Hosted::new(&config).expect("the host has memory"), MachineConfig::default());
    machine.set_scheduler(Arc::new(Fifo::default()));
    let shared = Arc::new(Shared::default());
    for call in [LOOK, CHANGE] {
        let (handle, shared) = (machine.clone(), Arc::clone(&shared));
        let work = move || {
            if call == LOOK {
                shared.look()
            } else {
                shared.change()
            }
            if shared.left.fetch_add(1) == 1 {
                handle.stop();
            }
        };
        Task::spawn(&machine, "task", Box::new(()), work).expect("a stack");
    }
    assert!(machine.run().is_ok());
    machine.end_tasks();
    machine.detach();
    if shared.torn.load() == 0 { Ok(()) } else { Err(String::from("a half-made change was seen")) }
}

#[test]
fn a_race_that_takes_two_preemptions_is_found_by_priorities_with_two_changes() {
    let found = |depth| (0..2000).find(|&seed| two_tasks(seed, &Policy::Pct { depth, steps: 12 }).is_err());
    assert_eq!(found(1), None, "without a preemption it does not happen");
    let (seed, policy) = (found(3).expect("one of so many seeds finds it"), Policy::Pct { depth: 3, steps: 12 });
    println!("again: {}cargo test -p kernel --test kernels schedules::planted", replay::variables(seed, &policy));
    assert!(two_tasks(seed, &policy).is_err());
}
