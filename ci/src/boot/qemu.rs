//! QEMU: which one, how it is called, what it says, and how it ends.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::Arch;

/// How an image's last line begins that says how it ended.
const STATUS: &str = "orrery: status ";
/// The exit code when the image, not its program, failed.
const FAILED: u8 = 125;
/// What is shown of a machine that had to be stopped.
const LAST_LINES: usize = 5;

/// A QEMU and a machine of it.
pub(super) struct Qemu {
    arch: Arch,
    program: &'static str,
    machine: String,
}

/// What to run.
pub(super) struct Run<'a> {
    pub(super) image: &'a Path,
    pub(super) archive: &'a Path,
    /// The image's command line.
    pub(super) words: &'a str,
    pub(super) memory: &'a str,
    /// Wait for a debugger.
    pub(super) gdb: bool,
    /// How long it may take; without it, the terminal is the machine's.
    pub(super) timeout: Option<Duration>,
}

impl Qemu {
    /// The QEMU for `arch`; or, in one line, what to install.
    pub(super) fn find(arch: Arch, machine: Option<&str>) -> Result<Self> {
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

    /// Runs it to its end; the exit code is the guest program's.
    pub(super) fn run(&self, run: &Run<'_>) -> Result<ExitCode> {
        let mut command = Command::new(self.program);
        let machine = match self.machine.as_str() {
            "microvm" => "microvm,acpi=off,isa-serial=on,pic=off,pit=off,rtc=on",
            other => other,
        };
        command.args(["-machine", machine, "-m", run.memory, "-nodefaults", "-no-user-config", "-no-reboot"]);
        command.args(["-display", "none", "-serial", "stdio"]);
        if self.arch == Arch::X86_64 {
            command.args(["-cpu", "max", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
        }
        if self.machine == "microvm" {
            command.args(["-bios", "qboot.rom"]);
        }
        command.arg("-kernel").arg(run.image).arg("-initrd").arg(run.archive).args(["-append", run.words]);
        if run.gdb {
            command.args(["-S", "-gdb", "tcp::1234"]);
            eprintln!("gdb {} -ex 'target remote :1234'", run.image.display());
        }
        if let Some(timeout) = run.timeout {
            command.stdin(Stdio::null()).stdout(Stdio::piped());
            self.watch(command.spawn().context("starting QEMU")?, timeout)
        } else {
            let status = command.status().context("starting QEMU")?;
            // The terminal has seen the image's last line.
            Ok(if self.succeeded(status.code()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }

    /// What QEMU's own status says. Zero is a triple fault on x86-64.
    fn succeeded(&self, code: Option<i32>) -> bool {
        code == Some(if self.arch == Arch::X86_64 { 33 } else { 0 })
    }

    /// Passes the serial line on until the machine ends or its time is up.
    fn watch(&self, mut child: Child, timeout: Duration) -> Result<ExitCode> {
        let mut line = child.stdout.take().context("QEMU has a serial line")?;
        let (sender, receiver) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(len @ 1..) = line.read(&mut buffer) {
                if sender.send(buffer[..len].to_vec()).is_err() {
                    break;
                }
            }
        });
        let deadline = Instant::now() + timeout;
        let mut seen = Seen::new(self.arch);
        let late = loop {
            match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => seen.more(&bytes)?,
                Err(RecvTimeoutError::Disconnected) => break false,
                Err(RecvTimeoutError::Timeout) => break true,
            }
        };
        if late {
            // It may have ended this very moment.
            let _ = child.kill();
        }
        let status = child.wait()?;
        let _ = reader.join();
        if late {
            bail!("stopped after {} s; what it said last:\n{}", timeout.as_secs(), seen.last_lines());
        }
        match seen.finish()? {
            Some(status) => Ok(ExitCode::from(status)),
            None => {
                eprintln!("xtask: the image ended without a status (QEMU: {status})");
                Ok(ExitCode::from(FAILED))
            }
        }
    }
}

/// What has come down the serial line.
struct Seen {
    text: Vec<u8>,
    /// How much of it has been passed on; the firmware's lines in front are not.
    passed: usize,
    /// Behind the firmware's last line.
    started: bool,
}

/// OpenSBI's last line begins with this.
const FIRMWARE_ENDS: &[u8] = b"Boot HART MEDELEG";

impl Seen {
    fn new(arch: Arch) -> Self {
        Self { text: Vec::new(), passed: 0, started: arch == Arch::X86_64 }
    }

    fn more(&mut self, bytes: &[u8]) -> Result<()> {
        self.text.extend(bytes);
        if !self.started {
            let Some(at) = find(&self.text, FIRMWARE_ENDS) else { return Ok(()) };
            let Some(end) = find(&self.text[at..], b"\n") else { return Ok(()) };
            self.started = true;
            self.passed = at + end + 1;
        }
        // What may become the status line is kept back, with the line break in front of it.
        let ended = self.text.trim_ascii_end().len();
        let at = self.text[..ended].iter().rposition(|byte| *byte == b'\n');
        let line = &self.text[at.map_or(0, |at| at + 1)..ended];
        let suspect = line.starts_with(STATUS.as_bytes()) || STATUS.as_bytes().starts_with(line);
        let keep = if suspect { at.unwrap_or(0) } else { self.text.len() };
        self.pass(keep)
    }

    fn pass(&mut self, until: usize) -> Result<()> {
        if until > self.passed {
            let mut out = io::stdout().lock();
            out.write_all(&self.text[self.passed..until])?;
            out.flush()?;
            self.passed = until;
        }
        Ok(())
    }

    /// The status in the last line, which is not passed on.
    fn finish(&mut self) -> Result<Option<u8>> {
        let text = self.text.strip_suffix(b"\n").unwrap_or(&self.text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let at = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let last = String::from_utf8_lossy(&text[at..]).into_owned();
        let status = last.strip_prefix(STATUS).and_then(|number| number.parse().ok());
        // The image begins a line of its own for it.
        let end = if status.is_some() { at.saturating_sub(1) } else { self.text.len() };
        self.pass(end)?;
        Ok(status)
    }

    fn last_lines(&self) -> String {
        let text = String::from_utf8_lossy(&self.text);
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let from = lines.len().saturating_sub(LAST_LINES);
        if lines.is_empty() { String::from("  (nothing)") } else { format!("  {}", lines[from..].join("\n  ")) }
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::{Arch, Seen};

    #[test]
    fn the_last_line_is_the_status_and_not_output() {
        let mut seen = Seen::new(Arch::X86_64);
        for piece in ["orrery: status 9\nx", "y\n\norrery: sta", "tus 7\n"] {
            seen.more(piece.as_bytes()).expect("written");
        }
        assert_eq!(seen.finish().expect("written"), Some(7));
        let passed = &seen.text[..seen.passed];
        assert_eq!(passed, b"orrery: status 9\nxy\n");
    }

    #[test]
    fn without_a_status_the_last_lines_are_told() {
        let mut seen = Seen::new(Arch::X86_64);
        seen.more(b"one\n\ntwo\r\n").expect("written");
        assert_eq!(seen.finish().expect("written"), None);
        assert_eq!(seen.last_lines(), "  one\n  two");
    }
}
