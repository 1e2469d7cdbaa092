//! The image's entry: one machine, lent to one suite after the other.

#[path = "../../../ostd/tests/conformance/mod.rs"]
mod conformance;
#[path = "../../../ostd/tests/machine/mod.rs"]
mod machine;
#[path = "../../../ostd/tests/programs/mod.rs"]
mod programs;

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use conformance::{Checks, Subject};
use machine::{Ground, expect_nothing_left};
use ostd::baremetal::Baremetal;
use ostd::device::Devices;
use ostd::hal::Hal as _;
use ostd::sched::Fifo;
use ostd::user::ARCH;
use ostd::{Machine, MachineConfig};
use programs::{Code, Program, machine_code};

use crate::plan::Plan;

ostd::baremetal::image!(main);

/// A machine under the waist's suite.
struct Metal(Baremetal);

impl Subject for Metal {
    type Machine = Baremetal;

    fn machine(&self) -> &Baremetal {
        &self.0
    }

    fn program(&self, program: Program) -> Option<Code> {
        Some(machine_code(ARCH, program))
    }

    fn devices(&self) -> Devices {
        self.0.devices().clone()
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
        Checks::<Metal>::ALL.iter().map(|(name, check)| (format!("conformance::{name}"), Test::Conformance(*check)));
    let alone = ostd::tests::all().into_iter().map(|(name, test)| (String::from(name), Test::Alone(test)));
    let machine = machine::ALL.iter().map(|(name, test)| (format!("machine::{name}"), Test::Machine(*test)));
    conformance.chain(alone).chain(machine).collect()
}

fn main(mut backend: Baremetal) -> u8 {
    let plan = Plan::read(backend.command_line());
    let tests = tests();
    let names: Vec<&str> = tests.iter().map(|(name, _)| name.as_str()).collect();
    let chosen = plan.of(&names);
    backend.emergency_write(format!("KTAP version 1\n1..{}\n", chosen.len()).as_bytes());
    let mut number = 0;
    for (name, test) in tests.iter().filter(|(name, _)| chosen.contains(&name.as_str())) {
        number += 1;
        // A test that fails ends the image with its message; this line says whose it is.
        backend.emergency_write(format!("# {name}\n").as_bytes());
        backend = run(backend, *test);
        backend.emergency_write(format!("ok {number} {name}\n").as_bytes());
    }
    0
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
