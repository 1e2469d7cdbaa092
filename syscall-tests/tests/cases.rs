//! Every case as a test per subject: `host::NAME` is the kernel that this machine runs.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use syscall_tests::cases::{self, Case};
use syscall_tests::{machine, scripted};

/// How long a case may take; none sleeps for more than a moment.
const TIME_MAX: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = cases::all().flat_map(|case| {
        [
            Trial::test(format!("host::{}", case.name), move || host(case.name)),
            Trial::test(format!("scripted::{}", case.name), move || scripted(case)),
        ]
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Runs a case as a scripted program.
fn scripted(case: &'static Case) -> Result<(), Failed> {
    let seed = machine::seed();
    let replay =
        format!("ORRERY_SEED={seed} cargo test -p syscall-tests --test cases -- --exact scripted::{}", case.name);
    scripted::run(case, seed).map(drop).map_err(|problem| format!("{problem}\nagain: {replay}").into())
}

/// Runs a case in a process and a directory of its own.
fn host(name: &str) -> Result<(), Failed> {
    let place = Place::new()?;
    let directory = place.0.join("directory");
    fs::create_dir(&directory)?;
    let output = place.0.join("output");
    let mut child = Command::new(env!("CARGO_BIN_EXE_case"))
        .arg(name)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&output)?)
        .spawn()?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > TIME_MAX {
            child.kill()?;
            child.wait()?;
            return Err(format!("took more than {TIME_MAX:?}; {}", fs::read_to_string(&output)?).into());
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&fs::read(&output)?).into_owned();
    Err(format!("{said}\n{status}; again: cargo test -p syscall-tests --test cases -- --exact host::{name}").into())
}

/// A directory that goes away.
struct Place(PathBuf);

impl Place {
    fn new() -> std::io::Result<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("orrery-case-{}-{number}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed is litter in a temporary directory, not a failure of the case.
        let _ = fs::remove_dir_all(&self.0);
    }
}
