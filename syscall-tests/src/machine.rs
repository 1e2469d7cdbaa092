//! What both kinds of machine need to run a case: a time limit, panics told where they belong, and standard streams.

use std::cell::RefCell;
use std::ops::Range;
use std::panic;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Once, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use kernel::abi::SigSet;
use kernel::kernel::{Booted, Ending, Leaks, Program, Report};
use ostd::device::ByteChannel;
use ostd::faults::FaultPlan;
use ostd::hosted::replay;
use ostd::hosted::stdio::Captured;
use ostd::hosted::trace::Trace;
use ostd::hosted::watch::Watch;
use ostd::hosted::{Hosted, HostedConfig, Log, Mode};
use ostd::{Machine, MachineConfig, RunEnd};

/// How long a case may take by the host's clock; on a virtual clock it hardly takes any.
pub const TIME_MAX: Duration = Duration::from_secs(60);
/// How long a machine that was told to stop may take to do so.
const STOP_MAX: Duration = Duration::from_secs(5);
/// Bytes of a machine's memory.
const MEMORY: usize = 64 << 20;
/// So that a case's processes interleave.
const CPUS: usize = 2;

/// Seeds that a case runs with when nobody says more.
const SEEDS: u64 = 4;

thread_local! {
    /// What panicked on this thread while a case runs on it; `None` on other threads.
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Where the thread of a case puts its machine, so that it can be stopped from outside, and what it logged.
pub struct Seat {
    machine: Mutex<Option<Machine>>,
    log: Arc<Mutex<Vec<u8>>>,
    sink: Log,
    checks: bool,
    trace: Option<Traced>,
}

/// A trace that is wanted, and the file for it.
struct Traced {
    file: PathBuf,
    trace: Mutex<Option<Arc<Trace>>>,
}

impl Traced {
    /// What `ORRERY_TRACE` wants.
    fn wanted() -> Option<Self> {
        let file = PathBuf::from(std::env::var_os("ORRERY_TRACE")?);
        Some(Self { file, trace: Mutex::default() })
    }

    /// A trace for a machine; the file is about the last.
    fn begin(&self) -> Arc<Trace> {
        let trace = Trace::recording();
        *self.trace.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&trace));
        trace
    }

    fn write(&self) -> Result<(), String> {
        let Some(trace) = self.trace.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        let words: Vec<String> = std::env::args().collect();
        crate::trace::write(&self.file, &trace, &serde_json::json!({ "test": words, "seed": replay::seed() }))
            .map_err(|problem| format!("ORRERY_TRACE={}: {problem}", self.file.display()))
    }
}

impl Seat {
    fn new(checks: bool) -> Self {
        let (sink, log) = Log::captured();
        Self { machine: Mutex::new(None), log, sink, checks, trace: Traced::wanted() }
    }

    /// A machine as `config` says.
    pub fn take(&self, config: &HostedConfig) -> Result<Machine, String> {
        self.take_with(config, faults()?)
    }

    /// The same, with a plan of faults of its own.
    pub fn take_with(&self, config: &HostedConfig, faults: FaultPlan) -> Result<Machine, String> {
        let trace = self.trace.as_ref().map(Traced::begin).or_else(|| config.trace.clone());
        let config = HostedConfig { log: self.sink.clone(), trace, ..config.clone() };
        let backend = Hosted::new(&config).map_err(|problem| format!("there is no machine: {problem}"))?;
        let machine = Machine::new(backend, MachineConfig { checks: self.checks, faults });
        *self.machine.lock().unwrap_or_else(PoisonError::into_inner) = Some(machine.clone());
        Ok(machine)
    }

    fn leave(&self) {
        let machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(machine);
    }

    fn stop(&self) {
        if let Some(machine) = &*self.machine.lock().unwrap_or_else(PoisonError::into_inner) {
            machine.stop();
        }
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

/// Two CPUs, interleaved as the seed says.
pub fn config(seed: u64) -> HostedConfig {
    HostedConfig { memory: MEMORY, cpus: CPUS, mode: Mode::Deterministic { seed }, ..HostedConfig::default() }
}

/// The calls to print with a failure, from `ORRERY_STRACE`: all if it is empty, else those it names.
pub fn strace() -> Option<String> {
    std::env::var("ORRERY_STRACE").ok()
}

/// The plan of `ORRERY_FAULTS`; without one nothing fails.
pub fn faults() -> Result<FaultPlan, String> {
    let text = std::env::var("ORRERY_FAULTS").unwrap_or_default();
    text.parse().map_err(|malformed| format!("ORRERY_FAULTS: {malformed}"))
}

/// The number in a variable of the environment.
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// The seed of `ORRERY_SEED`, or the first.
pub fn seed() -> u64 {
    number("ORRERY_SEED").unwrap_or(0)
}

/// The seed of `ORRERY_SEED`, or the first `ORRERY_SEEDS`.
pub fn seeds() -> Range<u64> {
    match number("ORRERY_SEED") {
        Some(seed) => seed..seed.saturating_add(1),
        None => 0..number("ORRERY_SEEDS").unwrap_or(SEEDS),
    }
}

/// No input, and one place where output is kept.
pub fn stdio() -> ([Arc<dyn ByteChannel>; 3], Captured) {
    let (watch, far) = (Watch::new(), Captured::new(b""));
    let channels = [1, 2, 3].map(|line| far.channel(&watch, line));
    (channels, far)
}

/// Runs the kernel's program to its end, which is to be exit code 0, and ends the kernel, which is to leave nothing.
pub fn run(kernel: Booted, arguments: &[&str], directory: &str) -> Result<(), String> {
    judge(run_through(kernel, arguments, directory))
}

/// How a kernel's program ended, and what the kernel left behind.
pub type Outcome = (Result<Ending, RunEnd>, Result<Report, Leaks>);

/// Runs the kernel's program to its end, and ends the kernel.
pub fn run_through(kernel: Booted, arguments: &[&str], directory: &str) -> Outcome {
    let program = Program {
        arguments: arguments.iter().map(|word| word.as_bytes().to_vec()).collect(),
        environment: Vec::new(),
        directory: directory.as_bytes().to_vec(),
        ignored: SigSet::EMPTY,
    };
    let ending = kernel.run(&program);
    (ending, kernel.shutdown())
}

/// A program that ran well ended with 0, and its kernel left nothing.
pub fn judge((ending, rest): Outcome) -> Result<(), String> {
    match ending {
        Ok(Ending::Exited(0)) => rest.map(|_| ()).map_err(|leaks| leaks.to_string()),
        Ok(Ending::Stopped) => Err("stopped, having taken too long".into()),
        Ok(ending) => Err(format!("the program ended: {ending:?}")),
        Err(end) => Err(format!("{end:?}")),
    }
}

/// Runs `work` on a thread of its own, and stops its machine if that takes longer than `limit`. What panicked meanwhile
/// and what the machine logged are part of the text of a failure.
pub fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce(&Seat) -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    collect_panics();
    let seat = Arc::new(Seat::new(true));
    let (tell, told) = mpsc::channel();
    let theirs = Arc::clone(&seat);
    let run = move || {
        // Whoever waited has given up, then.
        let _ = tell.send(guarded(&theirs, work));
    };
    let worker = thread::Builder::new().spawn(run).map_err(|problem| problem.to_string())?;
    let late = || {
        seat.stop();
        told.recv_timeout(STOP_MAX)
            .unwrap_or_else(|_| Err(format!("took more than {limit:?} and does not stop; {}", seat.log())))
    };
    match told.recv_timeout(limit) {
        Ok(result) => {
            // It has nothing left to do but end.
            let _ = worker.join();
            result
        }
        Err(mpsc::RecvTimeoutError::Timeout) => late(),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err("the runner's thread died".into()),
    }
}

/// Runs `work` on this thread, for as long as it takes. What panicked meanwhile and what the machine logged are part of
/// the text of a failure.
pub fn here<T>(rules: &MachineConfig, work: impl FnOnce(&Seat) -> Result<T, String>) -> Result<T, String> {
    collect_panics();
    guarded(&Seat::new(rules.checks), work)
}

fn guarded<T>(seat: &Seat, work: impl FnOnce(&Seat) -> Result<T, String>) -> Result<T, String> {
    PANICS.set(Some(Vec::new()));
    let result = panic::catch_unwind(panic::AssertUnwindSafe(|| work(seat)));
    // Here, for some machines may be dropped on their own thread only.
    seat.leave();
    let panics = PANICS.take().unwrap_or_default().join("\n");
    let result = result.unwrap_or_else(|_| Err("the runner panicked".into()));
    let written = seat.trace.as_ref().map_or(Ok(()), Traced::write);
    let result = result.and_then(|value| written.map(|()| value));
    result.map_err(|problem| format!("{panics}\n{problem}\n{}", seat.log()))
}

/// What has panicked on the calling thread, of a case, since the last time.
pub fn panics() -> Vec<String> {
    PANICS.with_borrow_mut(|panics| panics.as_mut().map(std::mem::take).unwrap_or_default())
}

/// Has panics on threads of cases kept for the case's failure; those of a program's children are often meant.
fn collect_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let mut is_ours = false;
            // A thread that is ending has no case.
            let _ = PANICS.try_with(|panics| {
                if let Ok(mut panics) = panics.try_borrow_mut()
                    && let Some(list) = &mut *panics
                {
                    list.push(info.to_string());
                    is_ours = true;
                }
            });
            if !is_ours {
                before(info);
            }
        }));
    });
}
