//! Ten thousand seeds: each decides everything, in any process; and they lead to many different schedules.
//!
//! Each subject runs all its seeds in this process and, at the same time, in another one, which is this test executed
//! anew, with other addresses for everything. What is compared is a digest of every event with its time, place and
//! arguments.
#![expect(
    clippy::disallowed_types,
    reason = "shows that the random seed of default hashers, which differs, has no say"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::process::{Command, Stdio};
use std::sync::Arc;

use ostd::hosted::trace::{Trace, What};
use ostd::hosted::{Hosted, HostedConfig, Policy, replay};
use ostd::sched::Fifo;
use ostd::sync::atomic::AtomicU32;
use ostd::sync::{Mutex, Sleep, SpinLock, WaitQueue};
use ostd::task::Task;
use ostd::{Machine, MachineConfig};

use super::kernels::{boot, config, four_on_a_pipe, one_and_a_timer, run};

/// Seeds of bare machines: the kernel's four tasks cost ten times as much.
const MACHINE_SEEDS: u64 = 10_000;
/// Seeds of whole kernels, which `ORRERY_SEEDS` changes.
const KERNEL_SEEDS: u64 = 1_500;
/// Fewer different schedules than this say that seeds do not reach far.
const SCHEDULES_MIN: usize = 1_000;
/// Set in the other process.
const IS_OTHER: &str = "ORRERY_TEST_IS_OTHER";

/// What a seed came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    digest: u64,
    schedule: u64,
}

/// What a process found.
struct Lives {
    lives: BTreeMap<u64, Life>,
    /// Differs from process to process: where something of the program is, and where something of its heap is.
    addresses: [usize; 2],
    /// What the standard library's hash maps begin with.
    hash: u64,
}

fn trace_of(live: impl FnOnce(HostedConfig) -> Result<(), String>, seed: u64) -> Life {
    let trace = Trace::digest_only();
    let result = live(config(seed, Policy::Random, Some(Arc::clone(&trace))));
    assert_eq!(result, Ok(()), "with seed {seed}");
    assert_eq!(trace.doubt(), None, "with seed {seed}");
    Life { digest: trace.digest(), schedule: trace.schedule_digest() }
}

/// A bounded queue of bytes, as a pipe is one.
#[derive(Default)]
struct Pipe {
    bytes: Mutex<VecDeque<u8>>,
    readers: WaitQueue,
    writers: WaitQueue,
}

impl Pipe {
    fn write(&self, byte: u8) {
        let put = || {
            let mut bytes = self.bytes.lock();
            (bytes.len() < 2).then(|| bytes.push_back(byte))
        };
        self.writers.wait_until(Sleep::uninterruptible(), put).expect("nothing else ends it");
        self.readers.wake_one();
    }

    fn read(&self) -> u8 {
        let take = || self.bytes.lock().pop_front();
        let byte = self.readers.wait_until(Sleep::uninterruptible(), take).expect("nothing else ends it");
        self.writers.wake_one();
        byte
    }
}

/// Two writers, two readers, a small pipe, a spin lock, and random numbers.
fn machine_of_four(config: HostedConfig) -> Result<(), String> {
    let machine = Machine::new(Hosted::new(&config).expect("the host has memory"), MachineConfig::default());
    machine.set_scheduler(Arc::new(Fifo::default()));
    let (pipe, sum, left) = (Arc::new(Pipe::default()), Arc::new(SpinLock::new(0_u32)), Arc::new(AtomicU32::new(4)));
    for number in 0..4_u8 {
        let (pipe, sum, left, handle) = (Arc::clone(&pipe), Arc::clone(&sum), Arc::clone(&left), machine.clone());
        let work = move || {
            let mut random = [0];
            for _ in 0..3 {
                if number % 2 == 0 {
                    handle.entropy(&mut random);
                    pipe.write(random[0] | 1);
                } else {
                    *sum.lock() += u32::from(pipe.read() > 0);
                }
                Task::yield_now();
            }
            if left.fetch_sub(1) == 1 {
                handle.stop();
            }
        };
        Task::spawn(&machine, format!("task {number}"), Box::new(()), work).expect("a stack");
    }
    let end = machine.run();
    machine.end_tasks();
    machine.detach();
    let sum = *sum.lock();
    match end {
        Ok(()) if sum == 6 => Ok(()),
        other => Err(format!("{other:?}, {sum} bytes arrived")),
    }
}

fn kernel_of_four(config: HostedConfig) -> Result<(), String> {
    run(boot(&config, four_on_a_pipe))
}

/// Runs the seeds here and in another process, and compares.
fn same_in_two_processes(test: &str, seeds: u64, live: fn(HostedConfig) -> Result<(), String>) {
    let seeds = replay::seed().map_or(0..seeds, |seed| seed..seed + 1);
    let find = || {
        let heap = Box::new(0_u8);
        let addresses = [find_lives as fn() as usize, &raw const *heap as usize];
        let lives = seeds.clone().map(|seed| (seed, trace_of(live, seed))).collect();
        Lives { lives, addresses, hash: RandomState::new().hash_one(0) }
    };
    if std::env::var_os(IS_OTHER).is_some() {
        let Lives { lives, addresses, hash } = find();
        println!("\nis {} {} {hash}", addresses[0], addresses[1]);
        lives.iter().for_each(|(seed, life)| println!("life {seed} {} {}", life.digest, life.schedule));
        return;
    }
    let other = Command::new(std::env::current_exe().expect("this program has a file"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(IS_OTHER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("another process");
    let here = find();
    let output = other.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the other process failed");
    let there = read(&String::from_utf8_lossy(&output.stdout));

    assert_eq!(here.lives.len(), there.lives.len());
    for (seed, life) in &here.lives {
        let again = format!(
            "again: {}cargo test -p kernel --test kernels -- --exact {test}",
            replay::variables(*seed, &Policy::Random)
        );
        assert_eq!(there.lives.get(seed), Some(life), "seed {seed} came to something else in another process\n{again}");
    }
    assert_ne!(here.addresses, there.addresses, "addresses are not random here, so this has shown less than it says");
    assert_ne!(here.hash, there.hash);
    let schedules: BTreeSet<u64> = here.lives.values().map(|life| life.schedule).collect();
    println!("{test}: {} seeds in each of two processes, {} distinct schedules", here.lives.len(), schedules.len());
    assert!(here.lives.len() == 1 || schedules.len() >= SCHEDULES_MIN, "only {} distinct schedules", schedules.len());
}

fn find_lives() {}

fn read(text: &str) -> Lives {
    let mut lives = Lives { lives: BTreeMap::new(), addresses: [0; 2], hash: 0 };
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |index: usize| words[index].parse::<u64>().expect("a number");
        match words[0] {
            "is" => {
                lives.addresses = [number(1), number(2)].map(|address| address as usize);
                lives.hash = number(3);
            }
            "life" => drop(lives.lives.insert(number(1), Life { digest: number(2), schedule: number(3) })),
            _ => {}
        }
    }
    lives
}

#[test]
fn ten_thousand_machines_of_four_tasks_come_to_the_same_in_two_processes() {
    let test = "schedules::seeds::ten_thousand_machines_of_four_tasks_come_to_the_same_in_two_processes";
    same_in_two_processes(test, MACHINE_SEEDS, machine_of_four);
}

#[test]
fn kernels_of_four_processes_come_to_the_same_in_two_processes() {
    let seeds = std::env::var("ORRERY_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(KERNEL_SEEDS);
    let test = "schedules::seeds::kernels_of_four_processes_come_to_the_same_in_two_processes";
    same_in_two_processes(test, seeds.max(KERNEL_SEEDS), kernel_of_four);
}

#[test]
fn a_seed_decides_the_order_of_a_kernels_calls_and_its_random_numbers() {
    let digests: BTreeSet<u64> = (0..50).map(|seed| trace_of(kernel_of_four, seed).digest).collect();
    assert_eq!(digests.len(), 50);
}

/// On one CPU, so that the order of turns has no part in it.
#[test]
fn a_seed_decides_when_interrupts_arrive() {
    let times = |seed| {
        let trace = Trace::recording();
        let config = HostedConfig { cpus: 1, ..config(seed, Policy::Random, Some(Arc::clone(&trace))) };
        assert_eq!(run(boot(&config, one_and_a_timer)), Ok(()), "with seed {seed}");
        let events = trace.events();
        let interrupts = events.iter().filter(|event| matches!(event.what, What::Interrupt(_)));
        let times: Vec<(usize, u64)> = interrupts
            .map(|event| {
                let before = events[..event.step as usize].iter();
                (before.filter(|event| matches!(event.what, What::Call { .. })).count(), event.time_ns)
            })
            .collect();
        assert!(times.len() > 10, "with seed {seed}: {times:?}");
        (times, trace.digest())
    };
    let seen: BTreeSet<_> = (0..30)
        .map(|seed| {
            let once = times(seed);
            assert_eq!(once, times(seed), "seed {seed} came to something else the second time");
            once.0
        })
        .collect();
    assert!(seen.len() >= 25, "only {} of 30 seeds differ in when interrupts come", seen.len());
}
