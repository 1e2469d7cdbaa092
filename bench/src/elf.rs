//! Kernels whose programs are ELF files in stub processes, beside the same programs on the host's kernel.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::abi::SigSet;
use kernel::kernel::{Boot, Ending, Kernel, Program, Root};
use kernel::process::First;
use ostd::device::{ByteChannel, Devices};
use ostd::hosted::folder::{HostFolder, Writable};
use ostd::hosted::stdio::Captured;
use ostd::hosted::watch::Watch;
use ostd::hosted::{Engine, Hosted, HostedConfig, Mode};
use ostd::{Machine, MachineConfig};

use crate::{Figure, guest};

/// What is done on both kernels: in the guest, how it is called in the table here and on the host, and how often for a
/// sample.
const SUBJECTS: [(&str, &str, &str, u64); 5] = [
    (guest::NULL_CALL, "ptrace: null call (getpid)", "host: null call (getpid)", 20_000),
    (guest::OPEN_READ_CLOSE, "ptrace: open, read, close", "host: open, read, close", 3_000),
    (guest::PAGE_FAULT, "ptrace: page fault", "host: page fault", 4_000),
    (guest::PIPE, "ptrace: 64 KiB through a pipe", "host: 64 KiB through a pipe", 500),
    (guest::FORK_EXEC_WAIT, "ptrace: fork, exec, wait", "host: fork, exec, wait", 20),
];

pub(crate) fn figures(program: &Path) -> Vec<Figure> {
    let mut figures = Vec::new();
    for checks in [false, true] {
        figures.push(Figure {
            name: "ptrace: boot to first instruction, and end",
            checks: Some(checks),
            count: 5,
            measure: Box::new(move |count| boots(checks, count)),
        });
    }
    for (what, here, host, count) in SUBJECTS {
        for checks in [false, true] {
            let program = program.to_path_buf();
            let measure = move |count| on_orrery(&program, what, checks, count);
            figures.push(Figure { name: here, checks: Some(checks), count, measure: Box::new(measure) });
        }
        let program = program.to_path_buf();
        let measure = move |count| on_the_host(&program, what, count);
        figures.push(Figure { name: host, checks: None, count, measure: Box::new(measure) });
    }
    figures
}

/// What the guest says it took.
fn told(output: &[u8]) -> Duration {
    let text = String::from_utf8_lossy(output);
    Duration::from_nanos(text.trim().parse().unwrap_or_else(|_| panic!("the program says: {text}")))
}

fn on_the_host(program: &Path, what: &str, count: u64) -> Duration {
    let output = Command::new(program)
        .args(["guest", what, &count.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("the program runs");
    told(&output.stdout)
}

fn on_orrery(program: &Path, what: &str, checks: bool, count: u64) -> Duration {
    let path = program.as_os_str().as_bytes().to_vec();
    let arguments = vec![path, b"guest".to_vec(), what.as_bytes().to_vec(), count.to_string().into_bytes()];
    told(&run(Path::new("/"), checks, arguments))
}

/// Runs a program to its end, which is to be code 0, and gives what it wrote.
fn run(root: &Path, checks: bool, arguments: Vec<Vec<u8>>) -> Vec<u8> {
    let watch = Watch::new();
    let config = HostedConfig {
        memory: 256 << 20,
        mode: Mode::Parallel,
        engine: Engine::Ptrace,
        watch: Some(Arc::clone(&watch)),
        ..HostedConfig::default()
    };
    let machine = Machine::new(
        Hosted::new(&config).expect("the host lets it trace"),
        MachineConfig { checks, ..MachineConfig::default() },
    );
    let streams = Captured::new(b"");
    let stdio: [Arc<dyn ByteChannel>; 3] = [1, 2, 3].map(|line| streams.channel(&watch, line));
    let folder = HostFolder::open(root, Writable::No).expect("the folder is there");
    let root = Root::Folder(Arc::new(folder));
    let kernel =
        Kernel::boot(machine, Boot { root, stdio, first: First::Program, devices: Devices::default(), strace: None })
            .expect("it boots");
    let program = Program { arguments, environment: Vec::new(), directory: b"/".to_vec(), ignored: SigSet::EMPTY };
    let ending = kernel.run(&program).expect("no deadlock");
    assert_eq!(ending, Ending::Exited(0), "{}", streams.output_text());
    kernel.shutdown().expect("nothing is left");
    streams.output()
}

/// Kernels on whose stubs a static program runs whose first instructions end it.
fn boots(checks: bool, count: u64) -> Duration {
    let folder = Scratch::new();
    let program = folder.0.join("static");
    fs::write(&program, static_program()).expect("a file");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let start = Instant::now();
    for _ in 0..count {
        run(&folder.0, checks, vec![b"/static".to_vec()]);
    }
    start.elapsed()
}

/// A directory that goes away.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("orrery-bench-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left in a temporary directory is litter, no failure.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A static ELF executable of three instructions: `exit_group(0)`.
fn static_program() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    // xor edi, edi; mov eax, 231; syscall
    let code = [0x31, 0xff, 0xb8, 0xe7, 0, 0, 0, 0x0f, 0x05];
    let len = HEADERS + code.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // Type EXEC, machine x86-64, version 1; entry, program headers, no sections.
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    [BASE + HEADERS, 64, 0].iter().for_each(|word: &u64| file.extend(word.to_le_bytes()));
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    // LOAD, readable and executable.
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    [0, BASE, BASE, len, len, 0x1000].iter().for_each(|word: &u64| file.extend(word.to_le_bytes()));
    file.extend(code);
    file
}
