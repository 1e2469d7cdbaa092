//! The image's entry: one machine, lent to one suite after the other.

#[path = "../../../ostd/tests/conformance/mod.rs"]
mod conformance;
#[path = "../../../ostd/tests/machine/mod.rs"]
mod machine;
#[path = "../../../ostd/tests/programs/mod.rs"]
mod programs;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use conformance::{Checks, Subject};
use kernel::abi::SigSet;
use kernel::fs::initramfs::Archive;
use kernel::kernel::{Boot, Ending, Kernel, Program, Root};
use kernel::process::First;
use machine::{Ground, expect_nothing_left};
use ostd::baremetal::Baremetal;
use ostd::baremetal::serial::{Far, channel};
use ostd::device::Devices;
use ostd::hal::Hal as _;
use ostd::sched::Fifo;
use ostd::task::Task;
use ostd::user::ARCH;
use ostd::{Machine, MachineConfig};
use programs::{Code, machine_code};

use crate::plan::Plan;

ostd::baremetal::image!(main);

/// Orrery itself failed.
const FAILED: u8 = 125;
/// How the names of the waist's suite begin.
const CONFORMANCE: &str = "conformance::";
/// The most that a compressed archive may grow to.
const ARCHIVE_MAX: usize = 64 << 20;

/// A machine under the waist's suite.
struct Metal(Baremetal);

impl Subject for Metal {
    type Machine = Baremetal;

    fn machine(&self) -> &Baremetal {
        &self.0
    }

    fn devices(&self) -> Devices {
        self.0.devices().clone()
    }

    fn program(&self, program: programs::Program) -> Option<Code> {
        Some(machine_code(ARCH, program))
    }
}

/// A test of one of the suites.
#[derive(Clone, Copy)]
enum Test {
    Conformance(fn(&Metal)),
    Machine(fn(&Ground<'_>)),
    Alone(fn()),
}

/// Every test and its name.
fn tests() -> Vec<(String, Test)> {
    let conformance =
        Checks::<Metal>::ALL.iter().map(|(name, check)| (format!("{CONFORMANCE}{name}"), Test::Conformance(*check)));
    let alone = ostd::tests::all().into_iter().map(|(name, test)| (String::from(name), Test::Alone(test)));
    let machine = machine::ALL.iter().map(|(name, test)| (format!("machine::{name}"), Test::Machine(*test)));
    conformance.chain(alone).chain(machine).collect()
}

/// The words that ask for a machine which dies of a full kernel stack: a task's, or that of the first CPU's loop. And the
/// task.
const OVERFLOW: &[u8] = b"overflow";
const LOOP_OVERFLOW: &[u8] = b"loop-overflow";
const DEEP: &str = "deep";

fn main(mut backend: Baremetal) -> u8 {
    let has = |word: &[u8]| backend.command_line().split(|byte| *byte == b' ').any(|found| found == word);
    if has(LOOP_OVERFLOW) {
        core::hint::black_box(deeper(0));
    }
    if has(OVERFLOW) {
        return overflow(backend);
    }
    let plan = Plan::read(backend.command_line());
    let tests = tests();
    let names: Vec<&str> = tests.iter().map(|(name, _)| name.as_str()).collect();
    let chosen = plan.of(&names);
    backend.emergency_write(format!("KTAP version 1\n1..{}\n", chosen.len()).as_bytes());
    let mut number = 0;
    for (name, test) in tests.iter().filter(|(name, _)| chosen.contains(&name.as_str())) {
        number += 1;
        let check = name.strip_prefix(CONFORMANCE).unwrap_or_default();
        if backend.cpu_count() < 2 && Checks::<Metal>::needs_two_cpus(check) {
            backend.emergency_write(format!("ok {number} {name} # SKIP it needs two CPUs\n").as_bytes());
            continue;
        }
        // A test that fails ends the image with its message; this line says whose it is.
        backend.emergency_write(format!("# {name}\n").as_bytes());
        backend = run(backend, *test);
        backend.emergency_write(format!("ok {number} {name}\n").as_bytes());
    }
    cases(backend, plan.words_for_cases(&names))
}

/// Calls itself until the stack is full, of which the machine must die.
fn deeper(depth: usize) -> usize {
    let room = core::hint::black_box([depth; 64]);
    if depth == usize::MAX { depth } else { deeper(depth + 1) + room[depth % room.len()] }
}

/// Has a task do so.
fn overflow(backend: Baremetal) -> u8 {
    let machine = Machine::new(backend, MachineConfig::default());
    machine.set_scheduler(Arc::new(Fifo::default()));
    let recursion = || {
        core::hint::black_box(deeper(0));
    };
    Task::spawn(&machine, DEEP, Box::new(()), recursion).expect("memory for a stack");
    let end = machine.run();
    failed(&machine, &format!("a stack without an end: {end:?}"))
}

/// Boots the kernel, with the cases as its first program, which tells KTAP itself.
fn cases(backend: Baremetal, arguments: Vec<Vec<u8>>) -> u8 {
    let machine = Machine::new(backend, MachineConfig::default());
    match run_cases(&machine, arguments) {
        Ok(Ending::Exited(status)) => status,
        Ok(end) => failed(&machine, &format!("the cases ended as {end:?}")),
        Err(why) => failed(&machine, &why),
    }
}

fn run_cases(machine: &Machine, arguments: Vec<Vec<u8>>) -> Result<Ending, String> {
    let bytes = machine.backend().archive().ok_or("there is no initial file system")?;
    let archive = Archive::read(bytes.to_vec(), ARCHIVE_MAX).map_err(|broken| format!("the archive: {broken}"))?;
    let serial = channel(Far::Listener);
    let stdio = [Arc::clone(&serial), Arc::clone(&serial), serial];
    let devices = machine.backend().devices().clone();
    let boot = Boot { root: Root::Archive(archive), stdio, first: First::Program, devices, strace: None };
    let kernel = Kernel::boot(machine.clone(), boot).map_err(|errno| format!("cannot boot: {errno}"))?;
    let program = Program { arguments, environment: Vec::new(), directory: b"/".to_vec(), ignored: SigSet::EMPTY };
    kernel.run(&program).map_err(|end| format!("{end:?}"))
}

fn failed(machine: &Machine, why: &str) -> u8 {
    machine.emergency_write(format!("\norrery: {why}\n").as_bytes());
    FAILED
}

/// Lends the machine to a test.
fn run(backend: Baremetal, test: Test) -> Baremetal {
    match test {
        Test::Conformance(check) => {
            let subject = Metal(backend);
            check(&subject);
            // Programs are left with interrupts let through.
            subject.0.interrupts_disable();
            subject.0
        }
        Test::Machine(test) => {
            let machine = Machine::new(backend, MachineConfig::default());
            machine.set_scheduler(Arc::new(Fifo::default()));
            test(&Ground { machine: &machine, code: &|program| machine_code(ARCH, program) });
            expect_nothing_left(&machine);
            machine.into_backend().expect("every task has ended, and dropped what it had")
        }
        Test::Alone(test) => {
            test();
            backend
        }
    }
}
