//! The bare-metal image's entry: boots the kernel on the initial file system and runs the program that the command line
//! names.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;

use kernel::abi::SigSet;
use kernel::error::Errno;
use kernel::fs::initramfs::Archive;
use kernel::kernel::{Boot, Ending, Kernel, Program, Root};
use kernel::process::First;
use ostd::baremetal::Baremetal;
use ostd::baremetal::serial::{Far, channel};
use ostd::{Machine, MachineConfig, RunEnd};

use crate::words::Words;

ostd::baremetal::image!(main);

/// Orrery itself failed; the program cannot be executed; there is no such program: as on a host.
const FAILED: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
/// The most that a compressed archive may grow to.
const ARCHIVE_MAX: usize = 1 << 30;

fn main(backend: Baremetal) -> u8 {
    let words = match Words::read(backend.command_line()) {
        Ok(words) => words,
        Err(word) => return told(&backend, FAILED, &format!("`{word}` on the command line means nothing")),
    };
    let Some(bytes) = backend.archive() else { return told(&backend, FAILED, "there is no initial file system") };
    let archive = match Archive::read(bytes, ARCHIVE_MAX) {
        Ok(archive) => archive,
        Err(broken) => return told(&backend, FAILED, &format!("the initial file system is broken: {broken}")),
    };
    let serial = channel(if words.terminal { Far::Terminal } else { Far::Listener });
    let stdio = [Arc::clone(&serial), Arc::clone(&serial), serial];
    let devices = backend.devices().clone();
    let machine = Machine::new(backend, MachineConfig::default());
    // What nobody names is init, as on Linux; what is named is a program, as on a host.
    let (first, arguments) = match words.arguments {
        named if named.is_empty() => (First::Init, vec![b"/init".to_vec()]),
        named => (First::Program, named),
    };
    let boot = Boot { root: Root::Archive(archive), stdio, first, devices, strace: words.strace };
    let kernel = match Kernel::boot(machine.clone(), boot) {
        Ok(kernel) => kernel,
        Err(errno) => return told(machine.backend(), FAILED, &format!("cannot boot: {errno}")),
    };
    let name = String::from_utf8_lossy(&arguments[0]).into_owned();
    let program =
        Program { arguments, environment: words.environment, directory: b"/".to_vec(), ignored: SigSet::EMPTY };
    let (status, why) = match kernel.run(&program) {
        Ok(Ending::Exited(code)) => return code,
        Ok(Ending::Killed(signal)) => return 128_u8.wrapping_add(signal),
        Ok(Ending::NotStarted(Errno::ENOENT)) => (NOT_FOUND, format!("{name}: not found")),
        Ok(Ending::NotStarted(errno)) => (NOT_EXECUTABLE, format!("{name}: {errno}")),
        Ok(Ending::Stopped) => (FAILED, String::from("stopped from outside")),
        Err(RunEnd::Deadlock(report)) => (FAILED, format!("deadlock: nothing can run any more\n{report}")),
        Err(RunEnd::Paused) => (FAILED, String::from("the machine paused")),
        Err(RunEnd::Panicked(_)) => (FAILED, String::from("the kernel panicked")),
    };
    told(machine.backend(), status, &why)
}

/// Says why on the serial line, and answers `status`.
fn told(machine: &Baremetal, status: u8, why: &str) -> u8 {
    use ostd::hal::Hal as _;
    machine.emergency_write(format!("\norrery: {why}").as_bytes());
    status
}
