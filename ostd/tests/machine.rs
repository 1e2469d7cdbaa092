//! A machine end to end, on hosted machines: the tests that any machine can run, in both modes and with many seeds, and
//! those of what only a hosted machine has.

extern crate alloc;

#[path = "machine/mod.rs"]
mod machine;
#[expect(dead_code, reason = "the rest is the conformance suite's")]
#[path = "programs/mod.rs"]
mod programs;
#[path = "programs/scripted.rs"]
mod scripted_programs;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use machine::{Ground, expect_nothing_left};
use ostd::hosted::{Hosted, HostedConfig, Mode, Policy, replay, scripted};
use ostd::sched::Fifo;
use ostd::sync::{Mutex, Sleep, WaitError, WaitQueue};
use ostd::task::Task;
use ostd::user::{Registers as _, Regs, Trap, UserContext};
use ostd::vm::{PageFlags, VmSpace};
use ostd::{Machine, MachineConfig, PAGE_SIZE, RunEnd, Vaddr};
use scripted_programs::scripted_code;

fn main() -> ExitCode {
    let shared = machine::ALL.iter().map(|(name, test)| {
        let (name, test) = (*name, *test);
        Trial::test(name, move || {
            everywhere(name, test);
            Ok(())
        })
    });
    let hosted = HOSTED.iter().map(|(name, test)| {
        let test = *test;
        Trial::test(*name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), shared.chain(hosted).collect()).exit_code()
}

macro_rules! tests {
    ($($test:ident)*) => {
        /// Tests of what only a hosted machine has.
        const HOSTED: &[(&str, fn())] = &[$((stringify!($test), $test)),*];
    };
}

tests! {
    a_deadlock_is_reported_with_who_waits_where a_kernel_panic_ends_its_own_machine_and_carries_its_message
    a_scripted_program_calls_stores_and_faults_like_any_other a_year_of_sleep_is_over_at_once
}

fn machine_with(config: &HostedConfig) -> Machine {
    let machine = Machine::new(Hosted::new(config).expect("the host has memory"), MachineConfig::default());
    machine.set_scheduler(Arc::new(Fifo::default()));
    machine
}

fn machine() -> Machine {
    machine_with(&HostedConfig::default())
}

/// Runs a test alone, between CPUs with many seeds and by priorities, and in parallel; or with one seed that the
/// environment says.
fn everywhere(name: &str, test: fn(&Ground<'_>)) {
    let chance = || replay::policy().unwrap_or_default();
    let seeded = |seed, policy| (4, Mode::Deterministic { seed }, policy);
    let seeds = (0..50).map(|seed| seeded(seed, chance()));
    let priorities = (0..6).map(|seed| seeded(seed, Policy::Pct { depth: 4, steps: 200 }));
    let modes = [(1, Mode::Deterministic { seed: 0 }), (1, Mode::Parallel), (2, Mode::Parallel), (4, Mode::Parallel)];
    let all = modes.into_iter().map(|(cpus, mode)| (cpus, mode, Policy::Random)).chain(seeds).chain(priorities);
    let runs: Vec<_> = match replay::seed() {
        Some(seed) => vec![seeded(seed, chance())],
        None => all.collect(),
    };
    for (cpus, mode, policy) in runs {
        let machine = machine_with(&HostedConfig { cpus, mode, policy: policy.clone(), ..HostedConfig::default() });
        let code = |program| scripted_code(machine.backend(), program).expect("a function can do that");
        let _said = SaidOnPanic(match mode {
            Mode::Deterministic { seed } if cpus > 1 => {
                let variables = replay::variables(seed, &policy);
                format!("again: {variables}cargo test -p ostd --test machine -- --exact {name}")
            }
            _ => format!("{cpus} CPUs, {mode:?}"),
        });
        test(&Ground { machine: &machine, code: &code });
        expect_nothing_left(&machine);
        assert!(machine.into_backend().is_ok(), "somebody kept the machine");
    }
}

/// Where a test failed.
struct SaidOnPanic(String);

impl Drop for SaidOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

fn spawn(machine: &Machine, name: &str, entry: impl FnOnce() + Send + 'static) {
    Task::spawn(machine, name, Box::new(()), entry).expect("a stack");
}

/// Leaves nothing behind.
fn end(machine: &Machine) {
    machine.end_tasks();
    machine.detach();
    assert_eq!((machine.task_count(), machine.frames().used()), (0, 0));
}

fn a_deadlock_is_reported_with_who_waits_where() {
    let machine = machine();
    spawn(&machine, "forever", || {
        let _ = WaitQueue::new().wait_until(Sleep::uninterruptible(), || None::<()>);
    });
    let Err(RunEnd::Deadlock(report)) = machine.run() else { panic!("no deadlock was found") };
    assert!(report.contains("`forever` waits at") && report.contains("machine.rs"), "{report}");
    assert_eq!(machine.end_tasks().len(), 1);
    end(&machine);
}

fn a_kernel_panic_ends_its_own_machine_and_carries_its_message() {
    let machine = machine();
    spawn(&machine, "buggy", || panic!("on purpose"));
    let Err(end) = machine.run() else { panic!("the panic was lost") };
    assert!(format!("{end:?}").contains("on purpose"));
    assert!(machine.is_poisoned());
}

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
    end(&machine);
}

fn a_year_of_sleep_is_over_at_once() {
    let machine = machine();
    let handle = machine.clone();
    spawn(&machine, "sleeper", move || {
        let later = handle.monotonic_ns() + 365 * 86_400 * 1_000_000_000;
        let slept = WaitQueue::new().wait_until(Sleep::interruptible().until(Some(later)), || None::<()>);
        assert_eq!(slept, Err(WaitError::TimedOut));
        assert!(handle.monotonic_ns() >= later);
        handle.stop();
    });
    machine.run().expect("it stops");
    end(&machine);
}
