//! `Sitting`: somebody at a pseudo terminal of the host, on which a command runs in a session of its own.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::Pid;

/// After this long without the words that are waited for, a conversation has failed. Nothing is said about speed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command and who talks with it.
pub(crate) struct Sitting {
    far: std::fs::File,
    /// Ours too, so that the terminal and its modes outlive the command.
    near: OwnedFd,
    child: Child,
    before: Termios,
    seen: Vec<u8>,
    /// How much of it has been answered.
    at: usize,
}

/// What starts a command in a session of its own. Whoever tests in the background of a shell has Ctrl-C and Ctrl-\\
/// ignored, whoever does by nohup(1) a hang-up, and what is ignored stays so across exec(2).
fn in_a_session() -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP,INT,QUIT", "setsid", "-c"]);
    command
}

/// How a sitting ended.
pub(crate) struct End {
    /// As a shell shows it.
    pub(crate) status: i32,
    /// All that was to be seen.
    pub(crate) seen: String,
}

impl Sitting {
    /// Starts `orrery` with these words on a terminal of 24 rows and 80 columns.
    pub(crate) fn with(words: &[&str]) -> Result<Self, Failed> {
        Self::streams(words, [true; 3])
    }

    /// The same with some of the standard streams on the terminal, the others on the null device.
    pub(crate) fn streams(words: &[&str], on: [bool; 3]) -> Result<Self, Failed> {
        let mut command = in_a_session();
        command.arg(env!("CARGO_BIN_EXE_orrery")).args(words);
        Self::start(command, on)
    }

    /// Runs a script of the host's shell, in which `$orrery` is the program.
    pub(crate) fn shell(script: &str) -> Result<Self, Failed> {
        let mut command = in_a_session();
        command.args(["bash", "-c", script]).env("orrery", env!("CARGO_BIN_EXE_orrery"));
        Self::start(command, [true; 3])
    }

    fn start(mut command: Command, on: [bool; 3]) -> Result<Self, Failed> {
        // Closed in whatever another test starts meanwhile, or that would keep the far end open.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let far = posix_openpt(flags)?;
        grantpt(&far)?;
        unlockpt(&far)?;
        let near = open(ptsname_r(&far)?.as_str(), flags, Mode::empty())?;
        size(&near, 24, 80)?;
        let before = tcgetattr(&near)?;
        let stream =
            |on: bool| -> Result<Stdio, Failed> { Ok(if on { Stdio::from(near.try_clone()?) } else { Stdio::null() }) };
        // `setsid -c` takes descriptor 0 for the session's terminal.
        let child = command
            .stdin(stream(on[0])?)
            .stdout(stream(on[1])?)
            .stderr(stream(on[2])?)
            .env("PS1", "$ ")
            .env("TERM", "xterm")
            .env("LC_ALL", "C")
            .env("HISTFILE", "/dev/null")
            .spawn()?;
        Ok(Self { far: OwnedFd::from(far).into(), near, child, before, seen: Vec::new(), at: 0 })
    }

    /// Waits until `words` are to be seen behind all that was waited for before.
    pub(crate) fn sees(&mut self, words: &str) -> Result<&mut Self, Failed> {
        let begun = Instant::now();
        loop {
            let found = self.seen[self.at..].windows(words.len()).position(|part| part == words.as_bytes());
            if let Some(found) = found {
                self.at += found + words.len();
                return Ok(self);
            }
            if begun.elapsed() > PATIENCE {
                return Err(self.complaint(&format!("{words:?} does not come")));
            }
            if !self.look(100)? && self.child.try_wait()?.is_some() && !self.look(0)? {
                return Err(self.complaint(&format!("the program ended before {words:?}")));
            }
        }
    }

    /// Types.
    pub(crate) fn types(&mut self, keys: &str) -> Result<&mut Self, Failed> {
        self.far.write_all(keys.as_bytes())?;
        Ok(self)
    }

    /// Waits for a prompt, then types a line.
    pub(crate) fn enters(&mut self, line: &str) -> Result<&mut Self, Failed> {
        self.sees("$ ")?.types(line)?.types("\r")
    }

    /// Sends the host process a signal.
    pub(crate) fn signals(&mut self, signal: Signal) -> Result<&mut Self, Failed> {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal)?;
        Ok(self)
    }

    /// Gives the terminal another size.
    pub(crate) fn resizes(&mut self, rows: u16, columns: u16) -> Result<&mut Self, Failed> {
        size(&self.near, rows, columns)?;
        Ok(self)
    }

    /// Waits for the end; the terminal must be as it was before.
    pub(crate) fn ends(&mut self) -> Result<End, Failed> {
        let begun = Instant::now();
        let status = loop {
            let quiet = !self.look(20)?;
            if quiet && let Some(status) = self.child.try_wait()? {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                return Err(self.complaint("the program does not end"));
            }
        };
        while self.look(0)? {}
        if tcgetattr(&self.near)? != self.before {
            return Err(self.complaint("the terminal is not as it was"));
        }
        Ok(End { status: shown(status), seen: String::from_utf8_lossy(&self.seen).into_owned() })
    }

    /// Hangs up and waits for the end; gives the status.
    pub(crate) fn leaves(&mut self) -> Result<i32, Failed> {
        let nothing = std::fs::File::open("/dev/null")?;
        drop(std::mem::replace(&mut self.far, nothing));
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(shown(status));
            }
            if begun.elapsed() > PATIENCE {
                return Err(self.complaint("the program survives its terminal"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Takes what has come, waiting for it a while.
    fn look(&mut self, wait_ms: u16) -> Result<bool, Failed> {
        let mut fds = [PollFd::new(self.far.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::from(wait_ms))? == 0 {
            return Ok(false);
        }
        let mut bytes = [0; 4096];
        let len = self.far.read(&mut bytes)?;
        self.seen.extend_from_slice(&bytes[..len]);
        Ok(len > 0)
    }

    fn complaint(&self, what: &str) -> Failed {
        let mut text = format!("{what}; on the screen:\n");
        let _ = write!(text, "{}", self.seen.escape_ascii());
        text.into()
    }
}

/// Gives a terminal a size.
fn size(terminal: &OwnedFd, rows: u16, columns: u16) -> Result<(), Failed> {
    let (rows, columns) = (rows.to_string(), columns.to_string());
    let words = ["rows", &rows, "cols", &columns];
    let status = Command::new("stty").args(words).stdin(Stdio::from(terminal.try_clone()?)).status()?;
    if status.success() { Ok(()) } else { Err("stty failed".into()) }
}

/// A status as a shell shows it.
fn shown(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

impl Drop for Sitting {
    fn drop(&mut self) {
        // It has most often ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
