//! Orrery as a subject, with cases as a real program: the binary `case` on the ptrace engine, over the host's files.

use std::path::Path;
use std::sync::Arc;

use kernel::kernel::{Boot, Kernel, Root};
use kernel::process::First;
use ostd::device::Devices;
use ostd::hosted::folder::{HostFolder, Writable};
use ostd::hosted::{Engine, Hosted, HostedConfig};

use crate::host::Place;
use crate::machine::{self, Seat};
use cases::Case;

/// Bytes of a machine's memory: some cases copy the program, which is some 30 MB with its debugging information, and run it.
const MEMORY: usize = 256 << 20;

/// Why this machine cannot run such cases, if it cannot.
pub fn missing() -> Option<String> {
    let config = HostedConfig { engine: Engine::Ptrace, ..machine::config(0) };
    Hosted::new(&config).err().map(|problem| format!("no ptrace here: {problem}"))
}

/// Runs a case by `program`, which is the binary `case`, in a kernel of its own. The text says what went wrong.
pub fn run(case: &'static Case, program: &Path, seed: u64) -> Result<(), String> {
    let place = Place::new().map_err(|problem| format!("no directory: {problem}"))?;
    let directory = place.directory();
    let program = program.to_path_buf();
    machine::within(machine::TIME_MAX, move |seat| run_here(case, &program, &directory, seed, seat))
}

fn run_here(case: &Case, program: &Path, directory: &Path, seed: u64, seat: &Seat) -> Result<(), String> {
    let machine = seat.take(&HostedConfig { engine: Engine::Ptrace, memory: MEMORY, ..machine::config(seed) })?;
    let folder =
        HostFolder::open(Path::new("/"), Writable::No).map_err(|problem| format!("no host folder: {problem}"))?;
    let (stdio, output) = machine::stdio();
    let boot = Boot {
        root: Root::Folder(Arc::new(folder)),
        stdio,
        first: First::Program,
        devices: Devices::default(),
        strace: machine::strace(),
    };
    let kernel = Kernel::boot(machine, boot).map_err(|errno| format!("the kernel does not boot: {errno:?}"))?;
    let [program, directory] = [program, directory].map(|path| path.to_string_lossy().into_owned());
    machine::run(kernel, &[&program, case.name], &directory)
        .map_err(|problem| format!("{problem}\n{}", output.output_text()))
}
