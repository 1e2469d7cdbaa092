//! What fuzzers feed: bytes that become programs, executables, archives and paths, each in a fresh kernel. Any bytes have
//! to end well, on a machine that fails too; a text is a finding.

use std::io::Write as _;
use std::sync::Arc;

use kernel::fs::initramfs::Archive;
use kernel::kernel::{Boot, Kernel, Root};
use kernel::process::First;
use kernel_abi::flags::{AtFlags, OpenFlags, RenameFlags};
use kernel_abi::{Calls as _, Fd, Mode, Pid, Sys};
use ostd::MachineConfig;
use ostd::device::Devices;
use ostd::faults::{FaultKind, FaultPlan, Strike};
use ostd::hosted::{Engine, HostedConfig};
use programs::Program;

use crate::rows::Answers;
use crate::scripted::Work;
use crate::{generated, machine, scripted};

/// One kind of input.
pub struct Target {
    /// Its name: that of the fuzz target and of the folder with its seeds.
    pub name: &'static str,
    /// Feeds an input.
    pub feed: fn(&[u8]) -> Result<(), String>,
}

/// All of them.
pub const TARGETS: [Target; 5] = [
    Target { name: "syscalls", feed: syscalls },
    Target { name: "faults", feed: faults },
    Target { name: "elf", feed: elf },
    Target { name: "cpio", feed: cpio },
    Target { name: "paths", feed: paths },
];

/// Bytes that an input's archive may expand to.
const ARCHIVE_MAX: usize = 16 << 20;
/// Bytes of an executable that are looked at.
const ELF_MAX: usize = 32 << 10;
/// Paths of an input that are used, and bytes of each.
const PATHS_MAX: usize = 24;
const PATH_MAX: usize = 5000;

/// Bytes as a program of [`programs`].
pub fn syscalls(bytes: &[u8]) -> Result<(), String> {
    let program = Program::decode(bytes);
    if program.is_empty() {
        return Ok(());
    }
    generated::alone_on(&program, &machine::config(0), MachineConfig::default())
        .map(drop)
        .map_err(|problem| format!("{problem}\n{program}"))
}

/// Bytes as a plan of what fails, a seed, and a program.
pub fn faults(bytes: &[u8]) -> Result<(), String> {
    let Some((plan, bytes)) = bytes.split_first_chunk() else { return Ok(()) };
    let (program, seed) = (Program::decode(bytes), u64::from(plan[0] >> 4));
    if program.is_empty() {
        return Ok(());
    }
    generated::under_on(&program, &plan_of(*plan), seed)
}

/// Any bytes are a plan: which kinds fail, how far a copy comes, and for each kind when.
///
/// Sleeps are woken for nothing in plans of their own: nobody may notice, which nothing else is to excuse.
pub fn plan_of([first, copied, seed, strikes @ ..]: [u8; 6]) -> FaultPlan {
    let mut plan = FaultPlan::default();
    plan.copied = usize::from(copied);
    plan.seed = u64::from(seed);
    if first & 0b1000 != 0 {
        return plan.with(FaultKind::Wake, when(strikes[0]));
    }
    for ((bit, kind), strike) in [FaultKind::Memory, FaultKind::Copy, FaultKind::Signal].iter().enumerate().zip(strikes)
    {
        if first & (1 << bit) != 0 {
            plan = plan.with(*kind, when(strike));
        }
    }
    plan
}

fn when(byte: u8) -> Strike {
    match byte {
        // Past what it takes to boot.
        0..0xc0 => Strike::Nth(u64::from(byte) * 4),
        0xc0..0xf0 => Strike::OneIn(u64::from(byte - 0xc0) * 8 + 2),
        _ => Strike::Each,
    }
}

/// Bytes as a file that is executed.
pub fn elf(bytes: &[u8]) -> Result<(), String> {
    let bytes: Arc<[u8]> = bytes[..bytes.len().min(ELF_MAX)].into();
    in_a_kernel(Arc::new(move |sys| {
        let page = sys.page();
        let file = sys.openat(Fd::CWD, sys.path(page, "x"), OpenFlags::O_CREAT | OpenFlags::O_WRONLY, 0o755)?;
        let at = page + 4096;
        for piece in bytes.chunks(ELF_MAX) {
            sys.poke(at, piece);
            sys.write(Fd(file as i32), at, piece.len())?;
        }
        sys.close(Fd(file as i32))?;
        // A short name and a long one, so that the stack's end is at odd places.
        sys.store(page + 64, &[page, page, 0]);
        let child = sys.fork_with(
            |sys, _| {
                let page = sys.page();
                // What is executed may go on for ever.
                let _ = sys.alarm(1);
                let _ = sys.execve(page, page + 64, page + 64);
                1
            },
            0,
        )?;
        sys.wait4(Pid(child as i32), 0, 0, 0)?;
        Ok(())
    }))
}

/// Bytes as the archive that a kernel boots from.
pub fn cpio(bytes: &[u8]) -> Result<(), String> {
    let Ok(archive) = Archive::read(bytes.to_vec(), ARCHIVE_MAX) else { return Ok(()) };
    machine::here(&MachineConfig::default(), |seat| {
        let machine = seat.take(&HostedConfig { engine: Engine::Scripted, ..machine::config(0) })?;
        let (stdio, _) = machine::stdio();
        let root = Root::Archive(archive);
        let boot = Boot { root, stdio, first: First::Program, devices: Devices::default(), strace: None };
        match Kernel::boot(machine, boot) {
            Ok(kernel) => kernel.shutdown().map(drop).map_err(|leaks| leaks.to_string()),
            // Archives may say what cannot be.
            Err(_) => Ok(()),
        }
    })
}

/// Lines as paths, and the byte in front of each as what is done with it.
pub fn paths(bytes: &[u8]) -> Result<(), String> {
    let lines: Vec<Vec<u8>> = bytes
        .split(|byte| *byte == b'\n')
        .take(PATHS_MAX)
        .map(|line| line[..line.len().min(PATH_MAX)].to_vec())
        .collect();
    in_a_kernel(Arc::new(move |sys| {
        let mut before: &[u8] = b"a";
        for line in &lines {
            let Some((what, path)) = line.split_first() else { continue };
            let (old, new) = (place(sys, 0, before), place(sys, 8192, path));
            // Refusing is what most of this is about.
            let _ = visit(sys, *what, old, new);
            before = path;
        }
        Ok(())
    }))
}

fn place(sys: &dyn Sys, offset: usize, path: &[u8]) -> usize {
    let at = sys.page() + offset;
    sys.poke(at, path);
    sys.poke(at + path.len(), &[0]);
    at
}

fn visit(sys: &dyn Sys, what: u8, old: usize, new: usize) -> kernel_abi::Result {
    let answer = sys.page() + 0x4000;
    match what % 16 {
        0 => sys.mkdirat(Fd::CWD, new, Mode(0o755)),
        1 => {
            let file = sys.openat(Fd::CWD, new, OpenFlags::O_CREAT | OpenFlags::O_RDWR, 0o644)?;
            sys.write(Fd(file as i32), new, 16)
        }
        2 => sys.symlinkat(old, Fd::CWD, new),
        3 => sys.linkat(Fd::CWD, old, Fd::CWD, new, AtFlags::empty()),
        4 => sys.renameat2(Fd::CWD, old, Fd::CWD, new, RenameFlags::empty()),
        5 => sys.renameat2(Fd::CWD, old, Fd::CWD, new, RenameFlags::RENAME_EXCHANGE),
        6 => sys.unlinkat(Fd::CWD, new, AtFlags::empty()),
        7 => sys.unlinkat(Fd::CWD, new, AtFlags::AT_REMOVEDIR),
        8 => sys.newfstatat(Fd::CWD, new, answer, AtFlags::AT_SYMLINK_NOFOLLOW),
        9 => sys.newfstatat(Fd::CWD, new, answer, AtFlags::empty()),
        10 => sys.readlinkat(Fd::CWD, new, answer, 4096),
        11 => sys.chdir(new).and_then(|_| sys.getcwd(answer, 4096)),
        12 => {
            let directory = sys.openat(Fd::CWD, new, OpenFlags::O_PATH, 0)?;
            sys.mkdirat(Fd(directory as i32), old, Mode(0o700))
        }
        13 => {
            let file = sys.openat(Fd::CWD, new, OpenFlags::O_RDONLY | OpenFlags::O_NONBLOCK, 0)?;
            sys.getdents64(Fd(file as i32), answer, 4096).or_else(|_| sys.read(Fd(file as i32), answer, 4096))
        }
        14 => sys.mount(old, new, sys.path(answer, "tmpfs"), 0, 0),
        _ => sys.umount2(new, 0),
    }
}

fn in_a_kernel(work: Work) -> Result<(), String> {
    machine::here(&MachineConfig::default(), |seat| {
        scripted::run_on(&machine::config(0), &work, seat, &Answers::default())
    })
}

/// Feeds an input of a fuzz target, and ends the process with a panic at a finding.
pub fn feed(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target's name");
    if let Err(problem) = (target.feed)(bytes) {
        // A fuzzer shows the input, but not what went wrong.
        let _ = writeln!(std::io::stderr(), "{problem}");
        panic!("a finding of {name}");
    }
}
