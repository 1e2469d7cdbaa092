//! Looks for differences: program after program on both subjects, and what differs made small.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use kernel_abi::Calls as _;
use programs::shrink::shrink;
use programs::{Family, Program, Step};

use super::judge::{Difference, Line, Verdict, judge};
use super::run::Processes;
use super::wire::Answer;
use super::workers::Workers;
use super::{fence, orrery};
use crate::known::Accepted;
use crate::native::Native;

/// Programs that a worker and a kernel run before the next ones do.
const BATCH: u64 = 256;
/// How long a program may take by its own clock, first; and when a difference is looked at again: then the longest wait
/// that ends, of almost two seconds, is over.
const PATIENCE: Duration = Duration::from_millis(200);
const PATIENCE_AGAIN: Duration = Duration::from_millis(2500);
/// How long a program is made smaller: one that waits takes as long as patience lasts, at every try.
const SHRINKING_MAX: Duration = Duration::from_secs(15);

/// Rows that name a user or a group: one that a sandbox does not know is EINVAL there.
const USERS: &[&str] = &[
    "chown",
    "lchown",
    "fchown",
    "fchownat",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setgroups",
];

/// Rows that show an owner: root is nobody there.
const OWNERS: &[&str] = &["stat", "lstat", "fstat", "newfstatat", "statx"];

/// Whether a difference may come from a sandbox's having one user only, who cannot make devices: they are mounts there.
fn is_about_users(program: &Program, difference: &Difference) -> bool {
    if difference.call(program).is_some_and(|call| call.contains("/dev/")) {
        return true;
    }
    let is_refused = difference.lines()[0].ends_with("= -1 EINVAL");
    (is_refused && USERS.contains(&difference.about())) || OWNERS.contains(&difference.about())
}

/// Ends and deliveries by a timer: SIGALRM, SIGVTALRM, SIGPROF.
const RINGS: [&str; 6] =
    ["+++ status 0xe", "+++ status 0x1a", "+++ status 0x1b", "--- signal 14 ", "--- signal 26 ", "--- signal 27 "];
/// Ends by signals that leave a core: from SIGQUIT to SIGSYS.
const CORES: [&str; 10] = [
    "status 0x3",
    "status 0x4",
    "status 0x5",
    "status 0x6",
    "status 0x7",
    "status 0x8",
    "status 0xb",
    "status 0x18",
    "status 0x19",
    "status 0x1f",
];

/// Rows that send a signal.
const SENDERS: &[&str] = &["kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"];
/// Calls that a sender makes at most before its own process's signal reaches it by way of another thread.
const LATE_MAX: usize = 4;

/// Whether a thread sent a signal, on either, at most some lines before the difference or behind it.
fn sends(difference: &Difference) -> bool {
    let sent = |line: &Line| SENDERS.contains(&line.about.as_str()) && line.text.ends_with(") = 0");
    let from = difference.at.saturating_sub(LATE_MAX);
    [&difference.host, &difference.orrery].iter().any(|record| record.lines().iter().skip(from).any(sent))
}

/// Why nobody can tell whether a difference is one: what comes first is left to clocks and schedulers.
///
/// A signal to a process with several threads is one thread's to take, and what it does to the others (stop, end, begin a
/// handler) it does when they come by. So in programs with threads, how far somebody came and when a handler ran are not
/// judged just behind a signal that was sent, or raised by a fault that leaves a core. What this can hide is a mistake in
/// what such a signal does as long as it shows in nothing else: not in what calls answer or fill, in what is left, or in a
/// program without threads. So it is where a timer rang that the program had armed.
fn race(program: &Program, difference: &Difference) -> Option<&'static str> {
    let is_about = |what: &str| difference.lines().iter().any(|line| line.contains(what));
    let is_how_far = is_about("| +++ ") || is_about("| --- ") || is_about("(never began)");
    // On the host clocks go on while a program runs.
    let rings = |line: &Line| RINGS.iter().any(|ring| line.text.contains(ring));
    if is_how_far
        && program.arms_timers()
        && [&difference.host, &difference.orrery].iter().any(|record| record.lines().iter().any(rings))
    {
        return Some("a timer rings when a clock says so");
    }
    // A child asks whether its parent is there, or has ended it together with itself.
    let is_gone = difference.lines().iter().filter(|line| line.contains(") = -1 ESRCH")).count() == 1;
    let is_parted = is_gone || difference.about() == "getppid" || is_about("did not come to its end");
    if is_parted && sends(difference) && program.steps.iter().any(|step| matches!(step, Step::Spawn { .. })) {
        return Some("whoever is sent a signal ends when it has come by");
    }
    if is_how_far && program.has_threads() {
        if sends(difference) {
            return Some("a signal that is sent reaches threads one by one");
        }
        let left_core = |line: &Line| line.about == "status" && CORES.iter().any(|end| line.text.ends_with(end));
        if is_about("did not come to its end") && difference.host.lines().iter().any(left_core) {
            return Some("a signal that leaves a core reaches threads one by one");
        }
    }
    None
}

/// What to look for, and how long.
#[derive(Clone, Debug)]
pub struct Search {
    /// Which rows programs draw from.
    pub family: Family,
    /// Calls of a program.
    pub calls: usize,
    /// The first program's seed; the next one's is one more.
    pub seed: u64,
    /// How many programs at most.
    pub programs: u64,
    /// How long at most; what is being made small by then may take some seconds more.
    pub time: Duration,
    /// Kinds of differences after which it stops.
    pub kinds: usize,
    /// Whether a program that differs runs again, by itself, and is made small.
    pub looks_again: bool,
}

/// A kind of difference that is not accepted.
#[derive(Clone, Debug)]
pub struct Found {
    /// The smallest program that shows it.
    pub program: Program,
    /// How.
    pub difference: Difference,
    /// The seed of the first program that did.
    pub seed: u64,
    /// Programs that did.
    pub count: u64,
}

/// A kind of difference that does not show when the program runs alone.
#[derive(Clone, Debug, Default)]
pub struct Fleeting {
    /// The seed of a program that showed it.
    pub seed: u64,
    /// Programs that did.
    pub count: u64,
    /// That program, how it differed once more after those before it, the seed of the first, and how many they all are.
    pub after: Option<Found>,
}

/// What a search came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Programs that ran on both.
    pub programs: u64,
    /// Programs that differed, and were not looked at again: nobody wanted it, or the time was over.
    pub differed: u64,
    /// Programs that could not be judged, by reason.
    pub unjudged: BTreeMap<String, u64>,
    /// Differences that did not show again when the program ran alone, by kind.
    pub fleeting: BTreeMap<String, Fleeting>,
    /// Accepted differences met, by their place in the list.
    pub accepted: BTreeMap<usize, u64>,
    /// The others, by kind.
    pub found: BTreeMap<String, Found>,
    /// How long it took, shrinking left out.
    pub time: Duration,
}

/// So many programs, from a seed on.
fn batch(search: &Search, first: u64, count: u64) -> Vec<Program> {
    let program = |seed| Program::random(search.family, search.calls, seed).sequential();
    let inside = |program: Program| Program { steps: fence::allowed(program.steps), ..program };
    (first..first.saturating_add(count)).map(program).map(inside).collect()
}

/// Both subjects.
pub struct Oracle {
    program: PathBuf,
    workers: Option<Workers>,
    accepted: Vec<Accepted>,
    /// Whether the sandbox knows one user only, because an ordinary user made it.
    lacks_users: bool,
}

impl Oracle {
    /// With the host's workers started by `program`, which becomes a sandbox when told to; a difference that `accepted`
    /// names is none.
    pub fn new(program: &Path, accepted: Vec<Accepted>) -> io::Result<Self> {
        let workers = Some(Workers::start(program)?);
        let lacks_users = Native::subject().geteuid() != Ok(0);
        Ok(Self { program: program.to_path_buf(), workers, accepted, lacks_users })
    }

    /// The accepted differences.
    pub fn accepted(&self) -> &[Accepted] {
        &self.accepted
    }

    /// Runs programs one after the other on both, at the same time; `meanwhile` this thread does something else.
    fn run<T>(
        &mut self,
        programs: &[Program],
        processes: Processes,
        patience: Duration,
        meanwhile: impl FnOnce() -> T,
    ) -> io::Result<(Vec<[Answer; 2]>, T)> {
        let bytes: Vec<Vec<u8>> = programs.iter().map(Program::encode).collect();
        let (host, orrery, done) = thread::scope(|scope| {
            let orrery = scope.spawn(|| orrery::run(&bytes, processes, patience, 0));
            let host = scope.spawn(|| self.host(bytes.clone(), processes, patience));
            let done = meanwhile();
            (host.join(), orrery.join(), done)
        });
        let panicked = |_| io::Error::other("the runner panicked");
        let answers = host.map_err(panicked)??.into_iter().zip(orrery.map_err(panicked)?);
        Ok((answers.map(|(host, orrery)| [host, orrery]).collect(), done))
    }

    /// Runs programs on both and says how they compare.
    pub fn compare(
        &mut self,
        programs: &[Program],
        processes: Processes,
        patience: Duration,
    ) -> io::Result<Vec<Verdict>> {
        let (answers, ()) = self.run(programs, processes, patience, || ())?;
        Ok(answers.into_iter().map(|[host, orrery]| judge(host, orrery)).collect())
    }

    /// Programs that come to something else, on either subject, when tame ones share a process: then something of a
    /// process is left for the next program. What depends on a process's number is left out. Where a difference says host,
    /// it is a process for each.
    pub fn leaks(&mut self, search: &Search) -> io::Result<Vec<(Program, Difference)>> {
        let mut found = Vec::new();
        let end = search.seed.saturating_add(search.programs);
        let nothing = Program { family: search.family, steps: Vec::new() };
        for first in (search.seed..end).step_by(BATCH as usize) {
            let programs = batch(search, first, BATCH.min(end - first));
            // Processes have other numbers behind it.
            let later: Vec<Program> = [&nothing].into_iter().chain(&programs).cloned().collect();
            let shared = self.run(&programs, Processes::Shared, PATIENCE, || ())?.0;
            let once = self.run(&programs, Processes::OneEach, PATIENCE, || ())?.0;
            let again = self.run(&later, Processes::OneEach, PATIENCE, || ())?.0.into_iter().skip(1);
            for (((program, once), shared), again) in programs.into_iter().zip(once).zip(shared).zip(again) {
                for ((once, shared), again) in once.into_iter().zip(shared).zip(again) {
                    if let (Verdict::Differs(difference), Verdict::Same) =
                        (judge(once.clone(), shared), judge(once, again))
                    {
                        found.push((program.clone(), difference));
                    }
                }
            }
        }
        Ok(found)
    }

    fn host(&mut self, bytes: Vec<Vec<u8>>, processes: Processes, patience: Duration) -> io::Result<Vec<Answer>> {
        let workers = match self.workers.take() {
            Some(workers) => workers,
            None => Workers::start(&self.program)?,
        };
        // A sandbox that fails is not used again.
        self.workers.insert(workers).run(bytes, processes, patience).inspect_err(|_| self.workers = None)
    }

    /// One program, by itself, in a process that has run no other.
    pub fn alone(&mut self, program: &Program) -> io::Result<Verdict> {
        let mut verdicts = self.compare(std::slice::from_ref(program), Processes::OneEach, PATIENCE_AGAIN)?;
        Ok(verdicts.pop().unwrap_or(Verdict::Unjudged("no verdict".into())))
    }

    /// The accepted difference that this is.
    pub fn acceptance(&self, program: &Program, difference: &Difference) -> Option<usize> {
        self.accepted.iter().position(|accepted| accepted.is(program, difference))
    }

    /// Looks for differences.
    pub fn search(&mut self, search: &Search) -> io::Result<Outcome> {
        let batch = |first: u64, count: u64| batch(search, first, count);
        let mut outcome = Outcome::default();
        let mut shrinking = Duration::ZERO;
        let begun = Instant::now();
        let mut seed = search.seed;
        let mut programs = batch(seed, search.programs.min(BATCH));
        // What has run is judged while the next ones do.
        let mut ran: Vec<(Program, u64, [Answer; 2])> = Vec::new();
        while !(programs.is_empty() && ran.is_empty()) {
            let is_last = begun.elapsed() >= search.time || outcome.found.len() >= search.kinds;
            if is_last {
                programs.clear();
            }
            let (next, left) = (seed + programs.len() as u64, search.programs - outcome.programs);
            let left = left - (ran.len() + programs.len()) as u64;
            let (answers, (verdicts, following)) = self.run(&programs, Processes::Shared, PATIENCE, || {
                let verdicts =
                    ran.into_iter().map(|(program, seed, [host, orrery])| (program, seed, judge(host, orrery)));
                (verdicts.collect::<Vec<_>>(), batch(next, if is_last { 0 } else { left.min(BATCH) }))
            })?;
            ran = programs
                .into_iter()
                .zip(seed..)
                .zip(answers)
                .map(|((program, seed), both)| (program, seed, both))
                .collect();
            (seed, programs) = (next, following);
            let paused = Instant::now();
            for (program, seed, verdict) in verdicts {
                outcome.programs += 1;
                match verdict {
                    Verdict::Same => {}
                    Verdict::Unjudged(why) => *outcome.unjudged.entry(why).or_default() += 1,
                    Verdict::Differs(_) if !search.looks_again => outcome.differed += 1,
                    Verdict::Differs(difference) => {
                        let is_over = begun.elapsed() >= search.time;
                        self.look_again(search, is_over, (program, seed), &difference, &mut outcome)?;
                    }
                }
            }
            shrinking += paused.elapsed();
        }
        outcome.time = begun.elapsed() - shrinking;
        Ok(outcome)
    }

    fn look_again(
        &mut self,
        search: &Search,
        is_over: bool,
        (program, seed): (Program, u64),
        difference: &Difference,
        outcome: &mut Outcome,
    ) -> io::Result<()> {
        if self.lacks_users && is_about_users(&program, difference) {
            *outcome.unjudged.entry("an ordinary user's sandbox has one user".into()).or_default() += 1;
            return Ok(());
        }
        if let Some(why) = race(&program, difference) {
            *outcome.unjudged.entry(why.into()).or_default() += 1;
            return Ok(());
        }
        if let Some(index) = self.acceptance(&program, difference) {
            *outcome.accepted.entry(index).or_default() += 1;
            return Ok(());
        }
        if let Some(found) = outcome.found.get_mut(&difference.kind()) {
            found.count += 1;
            return Ok(());
        }
        if is_over {
            outcome.differed += 1;
            return Ok(());
        }
        let difference = match self.alone(&program)? {
            Verdict::Differs(difference) => difference,
            _ => {
                let fleeting = outcome.fleeting.entry(difference.kind()).or_default();
                fleeting.count += 1;
                if fleeting.after.is_none() {
                    fleeting.seed = seed;
                    fleeting.after = self.after_others(search, seed, difference)?;
                }
                return Ok(());
            }
        };
        let (program, difference) = self.shrink(program, difference);
        if let Some(why) = race(&program, &difference) {
            *outcome.unjudged.entry(why.into()).or_default() += 1;
            return Ok(());
        }
        match self.acceptance(&program, &difference) {
            Some(index) => *outcome.accepted.entry(index).or_default() += 1,
            None => {
                let kind = difference.kind();
                outcome.found.entry(kind).or_insert(Found { program, difference, seed, count: 0 }).count += 1;
            }
        }
        Ok(())
    }

    /// A difference that shows once more when the programs of its batch run before.
    fn after_others(&mut self, search: &Search, seed: u64, difference: &Difference) -> io::Result<Option<Found>> {
        let first = seed - (seed - search.seed) % BATCH;
        let count = seed + 1 - first;
        let mut programs = batch(search, first, count);
        let last = self.compare(&programs, Processes::Shared, PATIENCE)?.pop();
        Ok(match (last, programs.pop()) {
            (Some(Verdict::Differs(again)), Some(program)) if again.kind() == difference.kind() => {
                Some(Found { program, difference: again, seed: first, count })
            }
            _ => None,
        })
    }

    /// The smallest program found that differs in the same row.
    pub fn shrink(&mut self, program: Program, difference: Difference) -> (Program, Difference) {
        let about = difference.about().to_string();
        let mut last = difference;
        let begun = Instant::now();
        let smallest = shrink(program, |program| {
            if begun.elapsed() >= SHRINKING_MAX {
                return false;
            }
            match self.alone(program) {
                Ok(Verdict::Differs(difference)) if difference.about() == about => {
                    last = difference;
                    true
                }
                _ => false,
            }
        });
        (smallest, last)
    }
}
