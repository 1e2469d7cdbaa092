//! QEMU: which one, how it is called, and how it ends.

use std::io::{Read as _, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Arch;
use super::line::{Line, last_lines};
use super::terminal::Terminal;

/// Where debuggers look first.
const GDB_PORT: u16 = 1234;

/// A QEMU and a machine of it.
pub(crate) struct Qemu {
    arch: Arch,
    program: &'static str,
    machine: String,
}

/// What to run, and on how much.
pub(crate) struct Run {
    pub(crate) image: PathBuf,
    pub(crate) archive: Option<PathBuf>,
    /// The image's command line.
    pub(crate) words: String,
    pub(crate) memory: String,
    pub(crate) cpus: u32,
    /// Further words for QEMU.
    pub(crate) devices: Vec<String>,
    /// Wait for a debugger.
    pub(crate) gdb: bool,
    /// How long it may take.
    pub(crate) timeout: Option<Duration>,
}

/// How a machine ended.
pub(crate) struct End {
    /// The status that the image told.
    pub(crate) status: Option<u8>,
    /// What came down the serial line before.
    pub(crate) output: String,
    /// It had to be stopped: the reason.
    pub(crate) stopped: Option<String>,
    /// What became of QEMU.
    qemu: ExitStatus,
}

impl End {
    /// Why there is no status, with what was seen last.
    pub(crate) fn complaint(&self) -> String {
        let what = match &self.stopped {
            Some(why) => why.clone(),
            None => format!("the image ended without a status (QEMU: {})", self.qemu),
        };
        format!("{what}; what it said last:\n{}", last_lines(&self.output))
    }
}

impl Qemu {
    /// QEMU's name for the machine.
    pub(crate) fn machine(&self) -> &str {
        &self.machine
    }

    /// The QEMU for `arch`; or, in one line, what to install.
    pub(crate) fn find(arch: Arch, machine: Option<&str>) -> Result<Self> {
        let (program, package, machines): (_, _, &[&str]) = match arch {
            Arch::X86_64 => ("qemu-system-x86_64", "qemu-system-x86", &["microvm", "q35", "pc"]),
            Arch::Riscv64 => ("qemu-system-riscv64", "qemu-system-misc (or qemu-system-riscv, opensbi)", &["virt"]),
        };
        let machine = machine.unwrap_or(machines[0]);
        ensure!(machines.contains(&machine), "--machine {machine}: one of {}", machines.join(", "));
        let there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        ensure!(there.is_ok_and(|status| status.success()), "no {program} here; install the package {package}");
        Ok(Self { arch, program, machine: machine.to_string() })
    }

    /// Runs a machine to its end. What it says goes to `out`; with a terminal, what is typed there goes to it.
    pub(crate) fn run(&self, run: &Run, out: impl Write, terminal: Option<Terminal>) -> Result<End> {
        let mut command = self.command(run)?;
        command.stdout(Stdio::piped()).stdin(if terminal.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn().context("starting QEMU")?;
        let stop = match terminal {
            Some(terminal) => {
                Some(terminal.connect(child.id(), child.stdin.take().context("QEMU has a serial line")?)?)
            }
            None => None,
        };
        let mut line = Line::new(self.arch, out);
        let deadline = run.timeout.map(|timeout| Instant::now() + timeout);
        let late = watch(&mut child, &mut line, deadline)?;
        let qemu = child.wait()?;
        let status = line.finish()?;
        let left = stop.is_some_and(|connected| connected.was_left());
        let stopped = match run.timeout {
            _ if left => Some(String::from("stopped by Ctrl-]")),
            Some(timeout) if late => Some(format!("stopped after {} s", timeout.as_secs())),
            _ => None,
        };
        Ok(End { status, output: line.output(), stopped, qemu })
    }

    fn command(&self, run: &Run) -> Result<Command> {
        let mut command = ending_with_us(self.program);
        let machine = match self.machine.as_str() {
            "microvm" => "microvm,acpi=off,isa-serial=on,pic=off,pit=off,rtc=on",
            other => other,
        };
        command.args(["-machine", machine, "-m", &run.memory, "-smp", &run.cpus.to_string()]);
        command.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]);
        command.args(["-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line"]);
        if self.arch == Arch::X86_64 {
            command.args(["-cpu", "max", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
        }
        if self.machine == "microvm" {
            command.args(["-bios", "qboot.rom"]);
        }
        command.args(&run.devices).arg("-kernel").arg(&run.image).args(["-append", &run.words]);
        if let Some(archive) = &run.archive {
            command.arg("-initrd").arg(archive);
        }
        if run.gdb {
            let port = free_port()?;
            command.args(["-S", "-gdb", &format!("tcp:127.0.0.1:{port}")]);
            eprintln!("{}", self.gdb_line(&run.image, port));
        }
        Ok(command)
    }

    /// What to type in another terminal.
    fn gdb_line(&self, image: &Path, port: u16) -> String {
        let native = std::env::consts::ARCH == "x86_64" && self.arch == Arch::X86_64;
        let gdb = if native { "gdb" } else { "gdb-multiarch" };
        format!("{gdb} {} -ex 'target remote localhost:{port}'", image.display())
    }
}

/// A command whose process is killed when this one ends, however that is: by util-linux' setpriv, where there is one.
fn ending_with_us(program: &str) -> Command {
    const SETPRIV: &[&str] = &["--pdeathsig", "KILL", "--"];
    let there = Command::new("setpriv").args(SETPRIV).arg("true").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(SETPRIV).arg(program);
    command
}

/// Takes what comes down the line until the machine ends, or stops it when its time is up.
fn watch(child: &mut Child, line: &mut Line<impl Write>, deadline: Option<Instant>) -> Result<bool> {
    let mut from = child.stdout.take().context("QEMU has a serial line")?;
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = from.read(&mut buffer) {
            if sender.send(buffer[..len].to_vec()).is_err() {
                break;
            }
        }
    });
    let mut late = false;
    let failed = loop {
        let next = match deadline {
            Some(deadline) if !late => receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            _ => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(bytes) => {
                if let Err(error) = line.more(&bytes) {
                    break Some(error);
                }
            }
            Err(RecvTimeoutError::Disconnected) => break None,
            Err(RecvTimeoutError::Timeout) => {
                late = true;
                // It may have ended this very moment.
                let _ = child.kill();
            }
        }
    };
    if let Some(error) = failed {
        // Nobody reads any more.
        let _ = child.kill();
        child.wait()?;
        return Err(error).context("passing the serial line on");
    }
    let _ = reader.join();
    Ok(late)
}

/// The usual port if nobody has it, else any.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, GDB_PORT))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("no port for a debugger")?;
    Ok(listener.local_addr()?.port())
}
