//! Calls with arguments that mean nothing, and programs with headers that do: whatever comes of them, the kernel neither
//! panics nor hangs, and leaves nothing behind. A failure names its seed.

use std::path::Path;
use std::sync::Arc;

use kernel::kernel::{Boot, Kernel, Program, Root};
use kernel::process::First;
use kernel_abi::flags::WaitOptions;
use kernel_abi::row::Call;
use kernel_abi::{Arch, Calls as _, Gid, Pid, Sys as _, Uid};
use libtest_mimic::{Failed, Trial};
use ostd::device::Devices;
use ostd::hosted::folder::{HostFolder, Writable};
use ostd::hosted::stdio::Captured;
use ostd::hosted::watch::Watch;
use ostd::hosted::{Engine, Hosted, HostedConfig, Mode};
use ostd::{Machine, MachineConfig};

use crate::scratch::Scratch;

use super::elf::mutate;
use super::guest::Guest;
use super::{Probe, native, run, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("garbage_in_every_register_leaves_the_kernel_whole", garbage_in_registers),
        trial("garbage_in_every_header_leaves_the_kernel_whole", garbage_in_headers),
        trial("a_deadlock_is_reported_with_who_waits", a_deadlock_is_reported),
    ]
}

pub(crate) const PROBES: &[Probe] =
    &[("garbage", garbage), ("headers", headers), ("deadlock", deadlock), ("in-process", in_process)];

/// Seeds, and how much is done with each.
const SEEDS: u64 = 3;
const ROUNDS: usize = 60;
const CALLS: usize = 40;

/// Runs a probe under a kernel that is shut down afterwards, in a process of its own that may hang or be killed.
fn under_a_kernel(probe: &str, seed: u64) -> Result<String, Failed> {
    let scratch = Scratch::new()?;
    std::fs::set_permissions(&scratch.0, std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    let ran = run(&mut native("in-process", &[probe, &seed.to_string(), scratch.path()])?)?;
    if ran.status == 0 { Ok(ran.out) } else { Err(format!("seed {seed}: {ran:#?}").into()) }
}

fn garbage_in_registers() -> Result<(), Failed> {
    (0..SEEDS).try_for_each(|seed| ended_well(&under_a_kernel("garbage", seed)?, seed))
}

fn garbage_in_headers() -> Result<(), Failed> {
    (0..SEEDS).try_for_each(|seed| ended_well(&under_a_kernel("headers", seed)?, seed))
}

fn ended_well(said: &str, seed: u64) -> Result<(), Failed> {
    let well = said.contains("Ok(Exited(0))") && said.contains("nothing is left");
    if well { Ok(()) } else { Err(format!("seed {seed}: {said}").into()) }
}

fn a_deadlock_is_reported() -> Result<(), Failed> {
    let said = under_a_kernel("deadlock", 1)?;
    assert!(said.contains("deadlock"), "{said}");
    // Who waits, and where: the reader of a pipe that nobody else can write to.
    assert!(said.contains("program 2") && said.contains("pipe.rs"), "{said}");
    Ok(())
}

/// Not a guest: boots a kernel in this process, runs a probe in it, and says how it ended and what it left behind.
fn in_process(arguments: &[String]) {
    let [probe, seed, place] = arguments else { panic!("probe in-process PROBE SEED PLACE") };
    let seed_number = seed.parse().expect("a number");
    let backend = Hosted::new(&HostedConfig {
        memory: 64 << 20,
        cpus: 2,
        mode: Mode::Deterministic { seed: seed_number },
        engine: Engine::Ptrace,
        ..HostedConfig::default()
    });
    let machine = Machine::new(
        backend.expect("a host that allows ptrace"),
        MachineConfig { checks: true, ..MachineConfig::default() },
    );
    let folder = HostFolder::open(Path::new("/"), Writable::No).expect("the host's root");
    let (watch, far) = (Watch::new(), Captured::new(b""));
    let stdio = [1, 2, 3].map(|line| far.channel(&watch, line));
    let boot = Boot {
        root: Root::Folder(Arc::new(folder)),
        stdio,
        first: First::Program,
        devices: Devices::default(),
        strace: std::env::var("ORRERY_STRACE").ok(),
    };
    let kernel = Kernel::boot(machine, boot).expect("it boots");
    let me = std::env::current_exe().expect("a name");
    let words = [me.to_str().expect("a plain name"), "probe", probe, seed, place];
    let program = Program {
        arguments: words.iter().map(|word| word.as_bytes().to_vec()).collect(),
        environment: Vec::new(),
        directory: b"/".to_vec(),
        ignored: Default::default(),
    };
    let ending = kernel.run(&program);
    println!("{ending:?}\n{}", far.output_text());
    if ending.is_ok() {
        match kernel.shutdown() {
            Ok(_) => println!("nothing is left"),
            Err(leaks) => println!("{leaks}"),
        }
    } else {
        // Nobody can end what waits for itself.
        std::process::exit(0);
    }
}

/// Marsaglia's xorshift: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// An argument: a small number, an address, a bit, or nothing in particular.
    fn argument(&mut self, guest: &Guest) -> usize {
        match self.below(12) {
            0 | 1 => self.below(8),
            2 => self.below(0x100),
            3 => usize::MAX - self.below(200),
            4 => 1 << self.below(64),
            5..=7 => guest.page() + self.below(0x8000) / 8 * 8,
            8 => guest.hole() - self.below(16),
            9 => 0xffff_8000_0000_0000 | self.below(1 << 40),
            10 => self.below(1 << 32),
            _ => self.next() as usize,
        }
    }
}

/// Calls that a superuser's child would end the probe itself with, and those that end or double the child.
const NOT_THESE: &[&str] = &[
    "vfork",
    "kill",
    "tkill",
    "tgkill",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "reboot",
    "prlimit64",
    "exit",
    "exit_group",
];

/// The guest's side: children that make calls at random until they have had enough, or die of it.
fn garbage(arguments: &[String]) {
    let [seed, place] = arguments else { panic!("probe garbage SEED PLACE") };
    let guest = Guest::new();
    std::env::set_current_dir(place).expect("the scratch directory");
    let calls: Vec<Call> = Call::ALL.iter().copied().filter(|call| !NOT_THESE.contains(&call.row().name)).collect();
    let mut dice = Dice::new(seed.parse().expect("a number"));
    let me = guest.getpid();
    for round in 0..ROUNDS {
        let mut dice = Dice::new(dice.next());
        let calls = calls.clone();
        let child = move || {
            // Whatever it waits for, it does not wait for long: time here is virtual.
            let _ = guest.alarm(2_u32);
            if round % 2 == 0 {
                let _ = guest.setresgid(Gid(65534), Gid(65534), Gid(65534));
                let _ = guest.setresuid(Uid(65534), Uid(65534), Uid(65534));
            }
            for word in 0..0x1000 {
                guest.poke(guest.page() + word * 8, &dice.argument(&guest).to_le_bytes());
            }
            guest.path(guest.page() + 0x100, "file");
            for _ in 0..CALLS {
                let call = calls[dice.below(calls.len())];
                let words: [usize; 6] = std::array::from_fn(|_| dice.argument(&guest));
                let number = call.number(Arch::X86_64).unwrap_or_else(|| dice.below(600));
                guest.call(number, words);
            }
            0
        };
        let pid = guest.fork(child).map_or(Pid(-1), Pid);
        // For some seconds, which are virtual: it may have blocked its alarm and gone to sleep for ever.
        let nap = guest.store(guest.page(), &[0_i64, 50_000_000]);
        for _ in 0..60 {
            if guest.wait4(pid, 0, WaitOptions::WNOHANG, 0) != Ok(0) {
                break;
            }
            let _ = guest.nanosleep(nap, 0);
        }
        if guest.getpid() != me {
            // A child that shares our stack came back here in our place.
            std::process::exit(0);
        }
        // Its own children, wherever they are.
        let _ = guest.kill(Pid(-1), 9_i32);
        let _ = guest.wait4(pid, 0, WaitOptions::empty(), 0);
    }
}

/// The guest's side: programs whose headers are partly noise.
fn headers(arguments: &[String]) {
    let [seed, place] = arguments else { panic!("probe headers SEED PLACE") };
    let guest = Guest::new();
    let mut dice = Dice::new(seed.parse().expect("a number"));
    let subject = format!("{place}/subject");
    for _ in 0..ROUNDS * 3 {
        let edits: Vec<(usize, u8)> = (0..1 + dice.below(4)).map(|_| (dice.below(360), dice.next() as u8)).collect();
        mutate(&guest, &subject, &edits);
        let _ = guest.kill(Pid(-1), 9_i32);
    }
}

/// The guest's side: reads from a pipe whose only writer it is itself.
fn deadlock(_: &[String]) {
    let guest = Guest::new();
    guest.pipe(guest.page()).expect("a pipe");
    let [reader, _]: [i32; 2] = guest.load(guest.page());
    let _ = guest.read(kernel_abi::Fd(reader), guest.page(), 1);
}
