//! The life of a kernel: booted, run, ended, a thousand times over; and what it says when something is left behind.

use std::any::Any;
use std::env;
use std::fs;
use std::process::Command;
use std::sync::Arc;

use kernel::abi::SigSet;
use kernel::kernel::{Boot, Booted, Ending, Kernel, Program, Root};
use kernel::process::First;
use ostd::device::{ByteChannel, Devices};
use ostd::hosted::scripted::{Guest, image};
use ostd::hosted::stdio::Captured;
use ostd::hosted::watch::Watch;
use ostd::hosted::{Hosted, HostedConfig, Mode};
use ostd::sync::{Sleep, WaitQueue};
use ostd::task::Task;
use ostd::{Machine, MachineConfig, RunEnd};

const GETPID: usize = 39;
const FORK: usize = 57;
const WAIT4: usize = 61;
const PAUSE: usize = 34;
const EXIT_GROUP: usize = 231;
const SCHED_YIELD: usize = 24;
const KILL: usize = 62;
const GETPPID: usize = 110;

/// A kernel of a megabyte or `config`'s size, with `/dev` and `/proc` and nothing on its standard streams.
fn boot_on(config: &HostedConfig) -> Booted {
    boot_as(First::Program, config)
}

fn boot_as(first: First, config: &HostedConfig) -> Booted {
    let watch = Watch::new();
    let config = HostedConfig { watch: Some(Arc::clone(&watch)), ..config.clone() };
    let machine = Machine::new(Hosted::new(&config).expect("the host has memory"), MachineConfig::default());
    let streams = Captured::new(b"");
    let stdio: [Arc<dyn ByteChannel>; 3] = [1, 2, 3].map(|line| streams.channel(&watch, line));
    let boot = Boot { root: Root::Empty, stdio, first, devices: Devices::default(), strace: None };
    Kernel::boot(machine, boot).expect("it boots")
}

fn boot() -> Booted {
    boot_on(&HostedConfig { memory: 4 << 20, ..HostedConfig::default() })
}

/// Makes `main` the program `/program`.
fn install(kernel: &Booted, main: impl Fn(&mut Guest) + Send + Sync + 'static) {
    let entry = kernel.machine().backend().scripted().register(move |guest, _| main(guest));
    kernel.install(b"/program", 0o755, &image(entry)).expect("there is room");
}

fn run(kernel: &Booted) -> Result<Ending, RunEnd> {
    let arguments = vec![b"/program".to_vec()];
    kernel.run(&Program { arguments, environment: Vec::new(), directory: b"/".to_vec(), ignored: SigSet::EMPTY })
}

/// A program with a child, which both end well.
fn parent_and_child(guest: &mut Guest) {
    let child = guest.engine().register(|guest, _| {
        guest.syscall(EXIT_GROUP, [3, 0, 0, 0, 0, 0]);
    });
    let pid = guest.syscall_with_child(FORK, [0; 6], child);
    assert!(pid > 2, "{pid}");
    assert_eq!(guest.syscall(WAIT4, [usize::MAX, 0, 0, 0, 0, 0]), pid);
    assert_eq!(guest.syscall(GETPID, [0; 6]), 2);
    guest.syscall(EXIT_GROUP, [7, 0, 0, 0, 0, 0]);
}

/// Init: its child dies before the grandchild, and it is killed in vain.
fn init(guest: &mut Guest) {
    let orphan = guest.engine().register(|guest, _| {
        while guest.syscall(GETPPID, [0; 6]) != 1 {
            guest.syscall(SCHED_YIELD, [0; 6]);
        }
        // SIGKILL, SIGTERM and SIGSTOP, of which init handles none.
        for signal in [9, 15, 19] {
            assert_eq!(guest.syscall(KILL, [1, signal, 0, 0, 0, 0]), 0);
        }
        guest.syscall(EXIT_GROUP, [5, 0, 0, 0, 0, 0]);
    });
    let child = guest.engine().register(move |guest, _| {
        guest.syscall_with_child(FORK, [0; 6], orphan);
        guest.syscall(EXIT_GROUP, [3, 0, 0, 0, 0, 0]);
    });
    assert_eq!((guest.syscall(GETPID, [0; 6]), guest.syscall(GETPPID, [0; 6])), (1, 0));
    let pid = guest.syscall_with_child(FORK, [0; 6], child);
    let mut ended = [(); 2].map(|()| guest.syscall(WAIT4, [usize::MAX, 0, 0, 0, 0, 0]));
    ended.sort_unstable();
    assert_eq!(ended, [pid, pid + 1]);
    assert_eq!(guest.syscall(WAIT4, [usize::MAX, 0, 0, 0, 0, 0]), -10, "ECHILD");
    guest.syscall(EXIT_GROUP, [7, 0, 0, 0, 0, 0]);
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("this process has descriptors").count()
}

/// Kilobytes that this process has in memory.
fn resident_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("this process has a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("memory is told");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Tells this program that it runs one test and no other.
const IS_ALONE: &str = "ORRERY_TEST_IS_ALONE";

/// Runs a test that looks at the whole process: in one of its own, where no other test opens files or takes memory.
fn alone(test: &str, life: fn()) {
    if env::var_os(IS_ALONE).is_some() {
        return life();
    }
    let output = Command::new(env::current_exe().expect("this program has a file"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(IS_ALONE, "1")
        .output()
        .expect("another process");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn messages(leaks: &kernel::kernel::Leaks) -> String {
    leaks.lines().join("\n")
}

#[test]
fn a_thousand_kernels_one_after_another_leave_nothing_behind() {
    alone("life::a_thousand_kernels_one_after_another_leave_nothing_behind", a_thousand_kernels);
}

fn a_thousand_kernels() {
    let life = || {
        let kernel = boot();
        install(&kernel, parent_and_child);
        assert_eq!(run(&kernel).expect("no deadlock"), Ending::Exited(7));
        let machine = kernel.machine().clone();
        kernel.shutdown().expect("nothing is left");
        assert_eq!((machine.task_count(), machine.frames().used()), (0, 0));
    };
    // Pools fill, allocators settle.
    (0..200).for_each(|_| life());
    let (files, memory) = (descriptors(), resident_kib());
    (0..1000).for_each(|_| life());
    assert_eq!(descriptors(), files);
    let grown = resident_kib().saturating_sub(memory);
    assert!(grown < 1000, "a kilobyte or more per kernel: {grown} KiB");
}

#[test]
fn init_takes_orphans_and_does_not_hear_what_it_does_not_handle() {
    for seed in 0..20 {
        let mode = Mode::Deterministic { seed };
        let kernel = boot_as(First::Init, &HostedConfig { memory: 4 << 20, cpus: 2, mode, ..HostedConfig::default() });
        install(&kernel, init);
        assert_eq!(run(&kernel).expect("no deadlock"), Ending::Exited(7));
        kernel.shutdown().expect("nothing is left");
    }
}

#[test]
fn three_hundred_kernels_live_at_once() {
    alone("life::three_hundred_kernels_live_at_once", three_hundred_kernels);
}

fn three_hundred_kernels() {
    let files = descriptors();
    let kernels: Vec<_> = (0..300).map(|_| boot()).collect();
    for kernel in &kernels {
        install(kernel, parent_and_child);
    }
    for kernel in &kernels {
        assert_eq!(run(kernel).expect("no deadlock"), Ending::Exited(7));
    }
    for kernel in kernels {
        kernel.shutdown().expect("nothing is left");
    }
    assert_eq!(descriptors(), files);
}

#[test]
fn programs_that_do_not_end_are_killed_on_one_cpu_and_on_four() {
    for (cpus, seed) in [(1, 0), (4, 1), (4, 2), (4, 3)] {
        let config = HostedConfig { cpus, mode: Mode::Deterministic { seed }, ..HostedConfig::default() };
        let kernel = boot_on(&config);
        install(&kernel, |guest| {
            let child = guest.engine().register(|guest, _| {
                loop {
                    guest.syscall(GETPID, [0; 6]);
                }
            });
            guest.syscall_with_child(FORK, [0; 6], child);
            let bystander = guest.engine().register(|guest, _| {
                guest.syscall(PAUSE, [0; 6]);
            });
            guest.syscall_with_child(FORK, [0; 6], bystander);
            guest.syscall(PAUSE, [0; 6]);
        });
        let machine = kernel.machine().clone();
        let stop = machine.clone();
        Task::spawn(&machine, "stopper", Box::new(()), move || {
            let nap = Sleep::uninterruptible().until(Some(2_000_000));
            let _ = WaitQueue::new().wait_until(nap, || None::<()>);
            stop.stop();
        })
        .expect("a stack");
        assert_eq!(run(&kernel).expect("it is stopped"), Ending::Stopped);
        assert!(kernel.processes().all().len() >= 3);
        kernel.shutdown().expect("nothing is left");
        assert_eq!((machine.task_count(), machine.frames().used()), (0, 0), "{cpus} CPUs, seed {seed}");
    }
}

#[test]
fn a_program_that_returns_makes_the_call_that_it_wanted_last() {
    let kernel = boot();
    install(&kernel, |guest| {
        let child = guest.engine().register(|guest, _| guest.end_with(EXIT_GROUP, [3, 0, 0, 0, 0, 0]));
        let pid = guest.syscall_with_child(FORK, [0; 6], child);
        let status = guest.stack_pointer() - 64;
        assert_eq!(guest.syscall(WAIT4, [usize::MAX, status, 0, 0, 0, 0]), pid);
        let mut word = [0; 4];
        guest.load(status, &mut word);
        assert_eq!(i32::from_ne_bytes(word), 3 << 8);
        guest.end_with(EXIT_GROUP, [7, 0, 0, 0, 0, 0]);
    });
    assert_eq!(run(&kernel).expect("it ends"), Ending::Exited(7));
    kernel.shutdown().expect("nothing is left");
}

#[test]
fn a_program_whose_last_call_comes_back_has_nowhere_to_go() {
    let kernel = boot();
    install(&kernel, |guest| guest.end_with(GETPID, [0; 6]));
    assert_eq!(run(&kernel).expect("it ends"), Ending::Killed(4));
    kernel.shutdown().expect("nothing is left");
}

#[test]
fn a_kept_frame_is_named_by_who_asked_for_it() {
    let kernel = boot();
    let line = line!() + 1;
    let kept: Box<dyn Any> = Box::new(kernel.machine().frame().expect("memory"));
    let leaks = kernel.shutdown().expect_err("the frame is kept");
    let place = format!("kernels/life.rs:{line}");
    assert!(messages(&leaks).contains("1 frames") && messages(&leaks).contains(&place), "{leaks}");
    drop(kept);
}

#[test]
fn a_kept_inode_is_named() {
    let kernel = boot();
    let kept = kernel.mounts().root().inode;
    let leaks = kernel.shutdown().expect_err("the inode is kept");
    assert!(messages(&leaks).contains("inode 1"), "{leaks}");
    drop(kept);
}

#[test]
fn a_task_that_never_ends_is_named_and_ended_all_the_same() {
    let kernel = boot();
    let machine = kernel.machine().clone();
    let (held, memory) = (Arc::new(()), machine.clone());
    let on_stack = Arc::clone(&held);
    let line = line!() + 3;
    Task::spawn(&machine, "forever", Box::new(()), move || {
        let _here = (on_stack, memory.frame());
        let _ = WaitQueue::new().wait_until(Sleep::uninterruptible(), || None::<()>);
    })
    .expect("a stack");
    let leaks = kernel.shutdown().expect_err("the task does not end");
    let said = messages(&leaks);
    assert!(said.contains("`forever` waits at") && said.contains(&format!("life.rs:{line}")), "{leaks}");
    assert_eq!(leaks.lines().len(), 1, "{leaks}");
    assert_eq!((Arc::strong_count(&held), machine.frames().used(), machine.task_count()), (1, 0, 0));
}

#[test]
fn a_kernel_that_somebody_keeps_is_a_leak() {
    let kernel = boot();
    let kept = Arc::clone(kernel.share());
    let leaks = kernel.shutdown().expect_err("the kernel is kept");
    assert!(messages(&leaks).contains("the kernel itself"), "{leaks}");
    drop(kept);
}

#[test]
#[should_panic(expected = "a kernel left behind:\n  1 frames")]
fn a_dropped_kernel_panics_if_something_is_left() {
    let kernel = boot();
    let _kept = kernel.machine().frame().expect("memory");
    drop(kernel);
}

#[test]
#[should_panic(expected = "the test's own")]
fn a_kernel_dropped_by_a_panic_keeps_quiet() {
    let kernel = boot();
    let _kept = kernel.machine().frame().expect("memory");
    // Dropped before the frame: a second panic would end the process.
    let _kernel = kernel;
    panic!("the test's own");
}

#[test]
fn a_kernel_panic_is_told_once_and_poisons_its_own_machine_only() {
    for cpus in [1, 4] {
        let bystander = boot();
        let kernel = boot_on(&HostedConfig { cpus, ..HostedConfig::default() });
        install(&kernel, |guest| {
            let child = guest.engine().register(|guest, _| {
                guest.syscall(PAUSE, [0; 6]);
            });
            guest.syscall_with_child(FORK, [0; 6], child);
            loop {
                guest.syscall(GETPID, [0; 6]);
            }
        });
        let machine = kernel.machine().clone();
        let (held, memory) = (Arc::new(()), machine.clone());
        let on_stack = Arc::clone(&held);
        Task::spawn(&machine, "buggy", Box::new(()), move || {
            let nap = Sleep::uninterruptible().until(Some(1_000_000));
            let _here = (on_stack, memory.frame());
            let _ = WaitQueue::new().wait_until(nap, || None::<()>);
            panic!("on purpose");
        })
        .expect("a stack");
        let Err(end) = run(&kernel) else { panic!("the panic was lost") };
        assert!(format!("{end:?}").contains("on purpose"));
        assert!(machine.is_poisoned());
        assert!(kernel.shutdown().expect("a poisoned machine has told its panic").poisoned);
        // Unwound all the same.
        assert_eq!((Arc::strong_count(&held), machine.task_count()), (1, 0));
        // A stack that was left at the safe point in a destructor loses what its function was about to return
        // (rust-lang/rust#47949); on one CPU none is.
        let left = machine.frames().users(9);
        assert!(cpus > 1 || left.is_empty(), "{left:#?}");

        install(&bystander, parent_and_child);
        assert_eq!(run(&bystander).expect("it has no part in it"), Ending::Exited(7));
        assert!(!bystander.shutdown().expect("nothing is left").poisoned);
    }
}
