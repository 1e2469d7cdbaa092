//! The host's kernel as a subject for programs: the sandbox of [`super::sandbox`], started by exec and spoken to.

use std::io::{self, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::run::Processes;
use super::wire::{Answer, Batch};

/// How often it is looked at whether a sandbox has ended, and how many times before it is killed.
const GLANCE: Duration = Duration::from_millis(1);
const GLANCES_MAX: usize = 200;

/// A sandbox.
pub struct Workers {
    process: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Workers {
    /// Starts one by `program`, which becomes one when its only argument is `--sandbox`.
    pub fn start(program: &Path) -> io::Result<Self> {
        let mut process = Command::new(program)
            .arg("--sandbox")
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(to), Some(from)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(io::Error::other("a child without its streams"));
        };
        Ok(Self { process, to: Some(to), from: BufReader::with_capacity(1 << 16, from) })
    }

    /// Runs programs one after the other; one that takes longer than `patience` is ended. One answer for each.
    pub fn run(&mut self, programs: Vec<Vec<u8>>, processes: Processes, patience: Duration) -> io::Result<Vec<Answer>> {
        let (count, patience_ms) = (programs.len(), patience.as_millis() as u32);
        let bytes = Batch { patience_ms, processes, programs }.to_bytes();
        let to = self.to.as_mut().ok_or_else(|| io::Error::other("ended"))?;
        to.write_all(&bytes)?;
        let mut answers = Vec::with_capacity(count);
        while answers.len() < count {
            match Answer::read(&mut self.from) {
                Ok(Answer::Broken(why)) => return Err(io::Error::other(why)),
                Ok(answer) => answers.push(answer),
                Err(problem) => return Err(self.lost(problem)),
            }
        }
        Ok(answers)
    }

    fn lost(&mut self, problem: io::Error) -> io::Error {
        self.to = None;
        match self.process.wait() {
            Ok(status) => io::Error::other(format!("the sandbox ended: {status}; {problem}")),
            Err(_) => problem,
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // It ends when nobody sends programs any more; and whatever it does, it is ours to end.
        self.to = None;
        for _ in 0..GLANCES_MAX {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(GLANCE);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
