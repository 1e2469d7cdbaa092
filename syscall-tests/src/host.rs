//! The host's kernel as the subject of a whole case: a process and a directory of its own, and nobody left behind.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kernel_abi::{Calls as _, Pid, Signal};

use crate::machine::TIME_MAX;
use crate::native::Native;
use cases::Case;

/// How often a running case is looked at.
const GLANCE: Duration = Duration::from_millis(2);

/// Runs a case by `program`, which is the binary `case`. The text says what went wrong.
pub fn run(case: &Case, program: &Path) -> Result<(), String> {
    let place = Place::new().map_err(|problem| format!("no directory: {problem}"))?;
    let result = run_in(case, program, &place).unwrap_or_else(|problem| Err(problem.to_string()));
    place.sweep();
    result
}

fn run_in(case: &Case, program: &Path, place: &Place) -> std::io::Result<Result<(), String>> {
    let output = place.path.join("output");
    let mut child = Command::new(program)
        .arg(case.name)
        .current_dir(place.directory())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&output)?)
        .spawn()?;
    let said = || fs::read(&output).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            let said = said()?;
            return Ok(if status.success() { Ok(()) } else { Err(format!("{said}\n{status}")) });
        }
        if started.elapsed() > TIME_MAX {
            child.kill()?;
            child.wait()?;
            return Ok(Err(format!("took more than {TIME_MAX:?}; {}", said()?)));
        }
        std::thread::sleep(GLANCE);
    }
}

/// A directory of a case's own, which goes away with everything in it.
pub struct Place {
    path: PathBuf,
}

impl Place {
    /// A new one.
    pub fn new() -> std::io::Result<Self> {
        // Tests run side by side, perhaps in processes of their own: a name belongs to whoever makes the directory.
        for number in 0.. {
            let path = std::env::temp_dir().join(format!("orrery-case-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => {
                    let place = Self { path };
                    fs::create_dir(place.directory())?;
                    return Ok(place);
                }
                Err(problem) if problem.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(problem) => return Err(problem),
            }
        }
        unreachable!("numbers do not end")
    }

    /// Where a case runs: empty.
    pub fn directory(&self) -> PathBuf {
        self.path.join("directory")
    }

    /// Kills who still works below the directory: what a case started and did not end, wherever init has put it.
    fn sweep(&self) {
        // Somebody may be forking as we look.
        for _ in 0..100 {
            let mut found = false;
            for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
                let pid = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
                let works_here = fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&self.path));
                if let Some(pid) = pid.filter(|_| works_here) {
                    found = true;
                    // It may be gone by now.
                    let _ = Native::subject().kill(Pid(pid), Signal::SIGKILL);
                }
            }
            if !found {
                return;
            }
            std::thread::sleep(GLANCE);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed is litter in a temporary directory, not a failure of the case.
        let _ = fs::remove_dir_all(&self.path);
    }
}
