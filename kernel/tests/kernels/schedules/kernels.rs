//! Kernels of four tasks that get in each other's way.

use std::sync::Arc;

use kernel::abi::SigSet;
use kernel::kernel::{Boot, Booted, Ending, Kernel, Program, Root};
use kernel::process::First;
use ostd::device::{ByteChannel, Devices};
use ostd::hosted::scripted::{Guest, image};
use ostd::hosted::stdio::Captured;
use ostd::hosted::trace::Trace;
use ostd::hosted::watch::Watch;
use ostd::hosted::{Hosted, HostedConfig, Mode, Policy};
use ostd::{Machine, MachineConfig};

pub(crate) const READ: usize = 0;
pub(crate) const WRITE: usize = 1;
pub(crate) const CLOSE: usize = 3;
pub(crate) const PIPE: usize = 22;
pub(crate) const SCHED_YIELD: usize = 24;
pub(crate) const GETPID: usize = 39;
pub(crate) const FORK: usize = 57;
pub(crate) const WAIT4: usize = 61;
pub(crate) const EXIT_GROUP: usize = 231;
pub(crate) const TIMERFD_CREATE: usize = 283;
pub(crate) const TIMERFD_SETTIME: usize = 286;
/// A page of a program's stack that nobody else uses.
pub(crate) const BELOW_STACK: usize = 4096;

/// Two CPUs and little memory, interleaved as `seed` and `policy` say.
pub(crate) fn config(seed: u64, policy: Policy, trace: Option<Arc<Trace>>) -> HostedConfig {
    let mode = Mode::Deterministic { seed };
    HostedConfig { memory: 2 << 20, cpus: 2, mode, policy, trace, ..HostedConfig::default() }
}

/// A kernel on such a machine, with `main` as its program.
pub(crate) fn boot(config: &HostedConfig, main: impl Fn(&mut Guest) + Send + Sync + 'static) -> Booted {
    let watch = Watch::new();
    let config = HostedConfig { watch: Some(Arc::clone(&watch)), ..config.clone() };
    let machine = Machine::new(Hosted::new(&config).expect("the host has memory"), MachineConfig::default());
    let streams = Captured::new(b"");
    let stdio: [Arc<dyn ByteChannel>; 3] = [1, 2, 3].map(|line| streams.channel(&watch, line));
    let entry = machine.backend().scripted().register(move |guest, _| main(guest));
    let boot = Boot { root: Root::Empty, stdio, first: First::Program, devices: Devices::default(), strace: None };
    let kernel = Kernel::boot(machine, boot).expect("it boots");
    kernel.install(b"/program", 0o755, &image(entry)).expect("there is room");
    kernel
}

/// Runs the program to its end, which is to be a good one, and ends the kernel, which is to leave nothing.
pub(crate) fn run(kernel: Booted) -> Result<(), String> {
    let arguments = vec![b"/program".to_vec()];
    let program = Program { arguments, environment: Vec::new(), directory: b"/".to_vec(), ignored: SigSet::EMPTY };
    let machine = kernel.machine().clone();
    let ending = kernel.run(&program);
    let failures = machine.backend().scripted().failures();
    let rest = kernel.shutdown();
    if let Some(failure) = failures.first() {
        return Err(failure.message.clone());
    }
    match ending {
        Ok(Ending::Exited(0)) => rest.map(drop).map_err(|leaks| leaks.to_string()),
        other => Err(format!("{other:?}")),
    }
}

/// Three children and their parent pass a token through a pipe that all of them read and write.
pub(crate) fn four_on_a_pipe(guest: &mut Guest) {
    let at = guest.stack_pointer() - BELOW_STACK;
    guest.store(at, &[0; 16]);
    assert_eq!(guest.syscall(PIPE, [at, 0, 0, 0, 0, 0]), 0);
    let mut fds = [0; 8];
    guest.load(at, &mut fds);
    let [reader, writer] = [0, 4].map(|half| usize::from(fds[half]));
    let child = guest.engine().register(move |guest, _| {
        let at = guest.stack_pointer() - BELOW_STACK;
        take_and_give(guest, at, reader, writer);
        guest.syscall(EXIT_GROUP, [0; 6]);
    });
    for _ in 0..3 {
        assert!(guest.syscall_with_child(FORK, [0; 6], child) > 0);
    }
    assert_eq!(guest.syscall(WRITE, [writer, at, 1, 0, 0, 0]), 1);
    take_and_give(guest, at, reader, writer);
    for _ in 0..3 {
        assert!(guest.syscall(WAIT4, [usize::MAX, 0, 0, 0, 0, 0]) > 0);
    }
    guest.syscall(EXIT_GROUP, [0; 6]);
}

fn take_and_give(guest: &mut Guest, at: usize, reader: usize, writer: usize) {
    for _ in 0..2 {
        assert_eq!(guest.syscall(READ, [reader, at, 1, 0, 0, 0]), 1);
        guest.syscall(SCHED_YIELD, [0; 6]);
        assert_eq!(guest.syscall(WRITE, [writer, at, 1, 0, 0, 0]), 1);
    }
    guest.syscall(CLOSE, [reader, 0, 0, 0, 0, 0]);
}

/// A program that makes calls while a timer runs out again and again.
pub(crate) fn one_and_a_timer(guest: &mut Guest) {
    let at = guest.stack_pointer() - BELOW_STACK;
    let period: [u64; 4] = [0, 60_000, 0, 60_000];
    period.iter().enumerate().for_each(|(index, word)| guest.store(at + 8 * index, &word.to_ne_bytes()));
    let timer = guest.syscall(TIMERFD_CREATE, [1, 0, 0, 0, 0, 0]).cast_unsigned();
    assert_eq!(guest.syscall(TIMERFD_SETTIME, [timer, 0, at, 0, 0, 0]), 0);
    for _ in 0..5000 {
        guest.syscall(GETPID, [0; 6]);
    }
    guest.syscall(EXIT_GROUP, [0; 6]);
}
