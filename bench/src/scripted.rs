//! Kernels whose programs are Rust functions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kernel::abi::SigSet;
use kernel::kernel::{Boot, Booted, Ending, Kernel, Program, Root};
use kernel::process::First;
use ostd::device::{ByteChannel, Devices};
use ostd::hosted::scripted::{Guest, Token, image};
use ostd::hosted::stdio::Captured;
use ostd::hosted::watch::Watch;
use ostd::hosted::{Hosted, HostedConfig};
use ostd::machine::RunEnd;
use ostd::{Machine, MachineConfig};

use crate::Figure;

const READ: usize = 0;
const WRITE: usize = 1;
const OPEN: usize = 2;
const CLOSE: usize = 3;
const LSEEK: usize = 8;
const GETPID: usize = 39;
const FORK: usize = 57;
const WAIT4: usize = 61;
const UNLINK: usize = 87;
const EXIT_GROUP: usize = 231;

/// `O_RDWR` and `O_CREAT`.
const OPEN_NEW: usize = 0o102;
/// A page of the program's stack that nobody else uses.
const BELOW_STACK: usize = 4096;

pub(crate) fn figures(checks: bool) -> [Figure; 2] {
    [
        Figure {
            name: "scripted: fresh kernel, 10 calls, shutdown",
            checks: Some(checks),
            count: 50,
            measure: Box::new(move |count| {
                let start = Instant::now();
                (0..count).for_each(|_| life(checks));
                start.elapsed()
            }),
        },
        Figure {
            name: "scripted: null call (getpid)",
            checks: Some(checks),
            count: 20_000,
            measure: Box::new(move |count| null_calls(checks, count)),
        },
    ]
}

/// A kernel with root, `/dev` and `/proc` mounted, 64 MiB, one CPU, on which `main` is the program `/program`.
fn boot(checks: bool, main: impl Fn(&mut Guest) + Send + Sync + 'static) -> Booted {
    boot_on(&HostedConfig::default(), checks, main)
}

/// The same on another machine.
pub(crate) fn boot_on(
    config: &HostedConfig,
    checks: bool,
    main: impl Fn(&mut Guest) + Send + Sync + 'static,
) -> Booted {
    let watch = Watch::new();
    boot_with(checks, HostedConfig { watch: Some(Arc::clone(&watch)), ..config.clone() }, &watch, main)
}

/// The same with nobody outside who could ring: when all of its processes wait, [`attempt`] ends.
pub(crate) fn boot_alone(checks: bool, main: impl Fn(&mut Guest) + Send + Sync + 'static) -> Booted {
    boot_with(checks, HostedConfig::default(), &Watch::new(), main)
}

fn boot_with(
    checks: bool,
    config: HostedConfig,
    watch: &Arc<Watch>,
    main: impl Fn(&mut Guest) + Send + Sync + 'static,
) -> Booted {
    let machine = Machine::new(
        Hosted::new(&config).expect("the host has memory"),
        MachineConfig { checks, ..MachineConfig::default() },
    );
    let streams = Captured::new(b"");
    let stdio: [Arc<dyn ByteChannel>; 3] = [1, 2, 3].map(|line| streams.channel(watch, line));
    let entry = machine.backend().scripted().register(move |guest, _| main(guest));
    let kernel = Kernel::boot(
        machine,
        Boot { root: Root::Empty, stdio, first: First::Program, devices: Devices::default(), strace: None },
    )
    .expect("it boots");
    kernel.install(b"/program", 0o755, &image(entry)).expect("there is room");
    kernel
}

/// Runs the program to its end, which is to be code 0, and ends the kernel.
pub(crate) fn run(kernel: Booted) {
    assert_eq!(attempt(&kernel).expect("no deadlock"), Ending::Exited(0));
    kernel.shutdown().expect("nothing is left");
}

/// Runs the program until it ends, or until nothing can go on.
pub(crate) fn attempt(kernel: &Booted) -> Result<Ending, RunEnd> {
    let arguments = vec![b"/program".to_vec()];
    let program = Program { arguments, environment: Vec::new(), directory: b"/".to_vec(), ignored: SigSet::EMPTY };
    kernel.run(&program)
}

fn life(checks: bool) {
    run(boot(checks, |guest| {
        let child = guest.engine().register(|guest, _| {
            guest.end_with(EXIT_GROUP, [0; 6]);
        });
        ten_calls(guest, child);
    }));
}

/// Ten calls, of which one makes a process and one takes it away.
fn ten_calls(guest: &mut Guest, child: Token) {
    let at = guest.stack_pointer() - BELOW_STACK;
    guest.store(at, b"/tmp/file\0");
    let pid = guest.syscall_with_child(FORK, [0; 6], child);
    let file = guest.syscall(OPEN, [at, OPEN_NEW, 0o644, 0, 0, 0]);
    let fd = usize::try_from(file).expect("a descriptor");
    assert_eq!(guest.syscall(WRITE, [fd, at, 10, 0, 0, 0]), 10);
    assert_eq!(guest.syscall(LSEEK, [fd, 0, 0, 0, 0, 0]), 0);
    assert_eq!(guest.syscall(READ, [fd, at, 10, 0, 0, 0]), 10);
    assert_eq!(guest.syscall(CLOSE, [fd, 0, 0, 0, 0, 0]), 0);
    assert_eq!(guest.syscall(UNLINK, [at, 0, 0, 0, 0, 0]), 0);
    assert_eq!(guest.syscall(GETPID, [0; 6]), 2);
    assert_eq!(guest.syscall(WAIT4, [usize::MAX, 0, 0, 0, 0, 0]), pid);
    guest.end_with(EXIT_GROUP, [0; 6]);
}

fn null_calls(checks: bool, count: u64) -> Duration {
    timed(checks, move |guest| {
        for _ in 0..count {
            guest.syscall(GETPID, [0; 6]);
        }
    })
}

/// How long a program's `work` takes.
pub(crate) fn timed(checks: bool, work: impl Fn(&mut Guest) + Send + Sync + 'static) -> Duration {
    let took = Arc::new(Mutex::new(Duration::ZERO));
    let told = Arc::clone(&took);
    run(boot(checks, move |guest| {
        let start = Instant::now();
        work(guest);
        *told.lock().unwrap_or_else(PoisonError::into_inner) = start.elapsed();
        guest.end_with(EXIT_GROUP, [0; 6]);
    }));
    *took.lock().unwrap_or_else(PoisonError::into_inner)
}
