//! The waist's conformance suite on hosted machines: both engines, both modes.

extern crate alloc;

#[path = "conformance/mod.rs"]
mod conformance;
#[path = "programs/mod.rs"]
mod programs;
#[path = "programs/scripted.rs"]
mod scripted_programs;

use std::process::ExitCode;
use std::sync::Arc;

use conformance::{Checks, Subject};
use libtest_mimic::{Arguments, Failed, Trial};
use ostd::device::Devices;
use ostd::hal::user::Arch;
use ostd::hosted::disk::RamDisk;
use ostd::hosted::watch::Watch;
use ostd::hosted::{Engine, Hosted, HostedConfig, Log, Mode};
use programs::{Code, Program, machine_code};
use scripted_programs::scripted_code;

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for (name, mode) in [("deterministic", Mode::Deterministic { seed: 7 }), ("parallel", Mode::Parallel)] {
        trials.extend(suite(&format!("scripted_{name}"), move || {
            let (machine, devices) = machine(Engine::Scripted, mode);
            Scripted(machine, devices)
        }));
        trials.extend(suite(&format!("ptrace_{name}"), move || {
            let (machine, devices) = machine(Engine::Ptrace, mode);
            Ptrace(machine, devices)
        }));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Each check as a test, on a machine of its own.
fn suite<S: Subject + 'static>(name: &str, subject: impl Fn() -> S + Copy + Send + 'static) -> Vec<Trial> {
    let trial = |(check, run): &(&'static str, fn(&S))| {
        let run = *run;
        Trial::test(format!("{name}::{check}"), move || -> Result<(), Failed> {
            run(&subject());
            Ok(())
        })
    };
    Checks::<S>::ALL.iter().map(trial).collect()
}

/// A machine, and a disk of it.
fn machine(engine: Engine, mode: Mode) -> (Hosted, Devices) {
    let watch = Watch::new();
    let disk = RamDisk::new(&watch, DISK_LINE, vec![0; 1 << 20]);
    let log = Log::captured().0;
    let config =
        HostedConfig { memory: 8 << 20, cpus: 2, mode, engine, log, watch: Some(watch), ..HostedConfig::default() };
    let machine = Hosted::new(&config).expect("the host has memory, and allows ptrace");
    (machine, Devices { disks: vec![Arc::new(disk)], ..Devices::default() })
}

/// The disk's interrupt line.
const DISK_LINE: u32 = 9;

/// A machine whose programs are Rust functions.
struct Scripted(Hosted, Devices);

impl Subject for Scripted {
    type Machine = Hosted;

    fn machine(&self) -> &Hosted {
        &self.0
    }

    fn devices(&self) -> Devices {
        self.1.clone()
    }

    fn program(&self, program: Program) -> Option<Code> {
        scripted_code(&self.0, program)
    }
}

/// A machine that runs x86-64 code.
struct Ptrace(Hosted, Devices);

impl Subject for Ptrace {
    type Machine = Hosted;

    fn machine(&self) -> &Hosted {
        &self.0
    }

    fn devices(&self) -> Devices {
        self.1.clone()
    }

    fn program(&self, program: Program) -> Option<Code> {
        Some(machine_code(Arch::X86_64, program))
    }
}
