//! Many kernels in one process: how many live side by side and what each costs, and ten thousand tests with one each.

use std::io;
use std::time::{Duration, Instant};

use kernel::kernel::Booted;
use libtest_mimic::{Arguments, Trial};
use ostd::hosted::scripted::Guest;

use crate::scripted::{attempt, boot_alone, run};

const READ: usize = 0;
const PIPE: usize = 22;
const GETPID: usize = 39;
const FORK: usize = 57;
const EXIT_GROUP: usize = 231;

/// Kernels that live side by side, unless said otherwise.
const KERNELS: usize = 1000;
/// Tests with a kernel each, unless said otherwise.
const TESTS: usize = 10_000;

/// Boots so many kernels, each with two processes that block in a pipe, keeps all of them, and prints what they cost.
pub fn live(count: Option<usize>) -> io::Result<()> {
    let count = count.unwrap_or(KERNELS);
    // All stay until the end: memory that one lot gives back would be the next one's for nothing.
    let mut kept = Vec::new();
    for checks in [false, true] {
        // The first has what all share made.
        kept.push(blocked(checks));
        let (before, maps_before, start) = (resident()?, maps()?, Instant::now());
        let kernels: Vec<Booted> = (0..count).map(|_| blocked(checks)).collect();
        let (took, bytes) = (start.elapsed(), resident()?.saturating_sub(before));
        let maps = maps()?.saturating_sub(maps_before);
        let checkers = if checks { "on" } else { "off" };
        println!(
            "live kernels, checkers {checkers}: {}; {} bytes and {:.1} mappings each; {:?} to boot and block one",
            kernels.len(),
            bytes / count.max(1),
            maps as f64 / count.max(1) as f64,
            took / u32::try_from(count.max(1)).unwrap_or(u32::MAX)
        );
        kept.extend(kernels);
    }
    Ok(())
}

/// A kernel whose two processes both wait for bytes of a pipe that nobody will write.
fn blocked(checks: bool) -> Booted {
    let kernel = boot_alone(checks, |guest| {
        let at = guest.stack_pointer() - 4096;
        assert_eq!(guest.syscall(PIPE, [at, 0, 0, 0, 0, 0]), 0);
        let mut reader = [0; 4];
        guest.load(at, &mut reader);
        let reader = i32::from_ne_bytes(reader) as usize;
        let child = guest.engine().register(move |guest, _| read(guest, reader));
        assert_eq!(guest.syscall_with_child(FORK, [0; 6], child), 3);
        read(guest, reader);
    });
    assert!(attempt(&kernel).is_err(), "all wait, and nobody will come");
    kernel
}

fn read(guest: &mut Guest, file: usize) {
    let at = guest.stack_pointer() - 8192;
    guest.syscall(READ, [file, at, 1, 0, 0, 0]);
    unreachable!("nobody writes");
}

/// Runs so many tests with a kernel each under libtest-mimic, as `cargo test` would, and prints how long they took.
pub fn tests(count: Option<usize>) {
    let count = count.unwrap_or(TESTS);
    for checks in [false, true] {
        let trial = |number: usize| {
            Trial::test(format!("kernel_{number}"), move || {
                trivial(checks);
                Ok(())
            })
        };
        let trials = (0..count).map(trial).collect();
        let arguments = Arguments { quiet: true, logfile: Some("/dev/null".into()), ..Arguments::default() };
        let start = Instant::now();
        let done = libtest_mimic::run(&arguments, trials);
        let took: Duration = start.elapsed();
        let checkers = if checks { "on" } else { "off" };
        println!("tests with a kernel each, checkers {checkers}: {} passed in {took:?}", done.num_passed);
    }
}

/// One call in a kernel of its own.
fn trivial(checks: bool) {
    run(boot_alone(checks, |guest| {
        assert_eq!(guest.syscall(GETPID, [0; 6]), 2);
        guest.end_with(EXIT_GROUP, [0; 6]);
    }));
}

/// Bytes of this process that are in memory.
fn resident() -> io::Result<usize> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")).and_then(|number| number.parse::<usize>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other("/proc/self/status has no VmRSS"))
}

/// Mappings of this process; Linux has a limit on them (vm.max_map_count).
fn maps() -> io::Result<usize> {
    Ok(std::fs::read_to_string("/proc/self/maps")?.lines().count())
}
