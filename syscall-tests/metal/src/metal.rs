//! The image's entry: one machine, lent to one suite after the other.

#[path = "../../../ostd/tests/conformance/mod.rs"]
mod conformance;

use alloc::format;
use alloc::vec::Vec;

use conformance::{Checks, Code, Program, Subject, machine_code};
use ostd::baremetal::Baremetal;
use ostd::device::Devices;
use ostd::hal::Hal as _;
use ostd::user::ARCH;

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

fn main(backend: Baremetal) -> u8 {
    let plan = Plan::read(backend.command_line());
    let conformance: Vec<_> = Checks::<Metal>::ALL.iter().map(|(name, _)| format!("conformance::{name}")).collect();
    let names: Vec<&str> = conformance.iter().map(alloc::string::String::as_str).collect();
    let chosen = plan.of(&names);
    backend.emergency_write(format!("KTAP version 1\n1..{}\n", chosen.len()).as_bytes());
    let mut number = 0;
    let mut subject = Metal(backend);
    for ((_, check), name) in Checks::<Metal>::ALL.iter().zip(&names).filter(|(_, name)| chosen.contains(name)) {
        number += 1;
        subject = announced(subject, number, name, check);
    }
    0
}

/// Runs a test between two lines: what begins, and that it passed. One that fails ends the image with its message.
fn announced(subject: Metal, number: usize, name: &str, check: &fn(&Metal)) -> Metal {
    let say = |line: &str| subject.0.emergency_write(line.as_bytes());
    say(&format!("# {name}\n"));
    check(&subject);
    // Programs are left with interrupts let through.
    subject.0.interrupts_disable();
    say(&format!("ok {number} {name}\n"));
    subject
}
