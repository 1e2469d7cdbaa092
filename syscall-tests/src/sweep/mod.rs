//! The sweep: each place that can fail is made to fail, in the cases that come there, and the kernel must survive it.
//!
//! A case runs once while its machine counts: which places ask for memory, copy user memory, sleep. Then it runs again for
//! each of them, and the place's first, second, … event fails. The case may fail then, or be killed, or wait for ever for
//! somebody who was; but the kernel must not panic, and at its end nothing is left behind, which includes tasks that do
//! not end. And a sleep that is woken for nothing must not be noticed at all: there the case has to pass.

pub mod sites;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use kernel::kernel::{Ending, Root};
use ostd::faults::{FaultKind, FaultPlan, Place, Reached, Strike};
use ostd::{Machine, RunEnd};

use crate::cases::Case;
use crate::rows::Answers;
use crate::{machine, scripted};

/// How long one case may take with all of its faults.
const CASE_MAX: Duration = Duration::from_secs(120);
/// Calls that a program may make, all its processes together: one that makes more spins.
pub(crate) const CALLS_MAX: usize = 200_000;
/// What is made to fail.
const KINDS: [FaultKind; 4] = [FaultKind::Memory, FaultKind::Copy, FaultKind::Signal, FaultKind::Wake];

/// How much is swept.
#[derive(Clone, Copy, Debug)]
pub enum Extent {
    /// Each place fails once, in one of the cases that come there.
    Places,
    /// In each case, each place's first so many events fail, one after the other.
    Cases(u64),
}

/// What a sweep found.
#[derive(Debug, Default)]
pub struct Report {
    /// Runs with a fault.
    pub runs: usize,
    /// Of these, those whose program ended well all the same.
    pub unharmed: usize,
    /// And those whose program waited for ever.
    pub stuck: usize,
    /// Places that were reached, by any case, and how often.
    pub reached: BTreeMap<(FaultKind, Place), u64>,
    /// Places at which something failed.
    pub struck: BTreeSet<(FaultKind, Place)>,
    /// What the kernel did wrong, with the line that does it again.
    pub defects: Vec<String>,
}

/// What one run came to.
pub(crate) enum Verdict {
    /// The program did not notice.
    Unharmed,
    /// It failed, or was killed.
    Harmed,
    /// It waits for ever.
    Stuck,
    /// What the kernel did wrong.
    Defect(String),
}

/// Sweeps over `cases`.
pub fn sweep(cases: &[&'static Case], seed: u64, extent: Extent) -> Report {
    let report = Mutex::new(Report::default());
    let never = KINDS.iter().fold(FaultPlan::default(), |plan, &kind| plan.with(kind, Strike::Never));
    let counted = Mutex::new(Vec::new());
    let quiet: Vec<_> = cases.iter().map(|&case| (case, vec![(never.clone(), None)])).collect();
    each(&quiet, seed, &report, |case, reached| lock(&counted).push((case, reached)));
    let mut counted = counted.into_inner().unwrap_or_else(PoisonError::into_inner);
    counted.sort_by_key(|(case, _)| case.name);
    {
        let mut report = lock(&report);
        report.runs = 0;
        report.unharmed = 0;
        for one in counted.iter().flat_map(|(_, reached)| reached) {
            *report.reached.entry((one.kind, one.place.clone())).or_default() += one.hits;
        }
    }
    let jobs = match extent {
        Extent::Places => first_of_each(&counted),
        Extent::Cases(hits) => {
            let plans = |reached: &Vec<Reached>| reached.iter().flat_map(|one| plans(one, hits)).collect();
            counted.iter().map(|(case, reached)| (*case, plans(reached))).collect()
        }
    };
    each(&jobs, seed, &report, |_, _| {});
    report.into_inner().unwrap_or_else(PoisonError::into_inner)
}

type Planned = (FaultPlan, Option<(FaultKind, Place)>);
type Job = (&'static Case, Vec<Planned>);

/// The plans that make the first `hits` events of a place fail.
fn plans(one: &Reached, hits: u64) -> Vec<Planned> {
    let mut plans = Vec::new();
    for nth in 0..one.hits.min(hits) {
        let plan = FaultPlan::default().with(one.kind, Strike::At(one.place.clone(), nth));
        let site = Some((one.kind, one.place.clone()));
        if one.kind == FaultKind::Copy {
            let mut partial = plan.clone();
            partial.copied = 1;
            plans.push((partial, site.clone()));
        }
        plans.push((plan, site));
    }
    plans
}

/// Each place's first event, in the case that comes to the fewest places of those that come there: it says most.
fn first_of_each(counted: &[(&'static Case, Vec<Reached>)]) -> Vec<Job> {
    let mut chosen = BTreeMap::new();
    for (case, reached) in counted {
        for one in reached {
            let best = chosen.entry((one.kind, one.place.clone())).or_insert((reached.len(), *case, one));
            if reached.len() < best.0 {
                *best = (reached.len(), *case, one);
            }
        }
    }
    chosen.into_values().map(|(_, case, one)| (case, plans(one, 1))).collect()
}

/// Runs all plans of all cases, on as many threads as there are processors; `tell` hears what each run reached.
fn each(jobs: &[Job], seed: u64, report: &Mutex<Report>, tell: impl Fn(&'static Case, Vec<Reached>) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((case, plans)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (verdicts, problem) = run_all(case, plans, seed);
            let mut report = lock(report);
            for ((plan, site), (verdict, reached, struck)) in plans.iter().zip(verdicts) {
                report.runs += 1;
                match verdict {
                    Verdict::Unharmed => report.unharmed += 1,
                    Verdict::Harmed => {}
                    Verdict::Stuck => report.stuck += 1,
                    Verdict::Defect(story) => {
                        report.defects.push(format!("{story}\nagain: {}", again(case, plan, seed)))
                    }
                }
                if struck > 0 {
                    report.struck.extend(site.clone());
                }
                tell(case, reached);
            }
            report.defects.extend(problem);
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
}

type Ended = (Verdict, Vec<Reached>, u64);

/// Runs a case with one plan after the other; a time-out is told as a problem of the plan that was under way.
fn run_all(case: &'static Case, plans: &[Planned], seed: u64) -> (Vec<Ended>, Option<String>) {
    let done = Arc::new(Mutex::new(Vec::new()));
    let work: scripted::Work = Arc::new(case.run);
    let (plans_there, done_there) = (plans.to_vec(), Arc::clone(&done));
    let whole = machine::within(CASE_MAX, move |seat| {
        for (plan, _) in plans_there {
            let machine = seat.take_with(&scripted::config(seed), plan.clone())?;
            let ran = scripted::run_through(&work, machine.clone(), Root::Empty, CALLS_MAX, &Answers::default());
            let verdict = judge(&plan, &ran, &machine, &machine::panics().join("\n"));
            let is_over = matches!(ran.outcome.0, Ok(Ending::Stopped));
            lock(&done_there).push((verdict, machine.faults().reached(), machine.faults().struck()));
            if is_over {
                break;
            }
        }
        Ok(())
    });
    let done = std::mem::take(&mut *lock(&done));
    let problem = whole.err().map(|problem| {
        let plan = plans.get(done.len()).or(plans.last()).map(|(plan, _)| plan.clone()).unwrap_or_default();
        format!("{problem}\nagain: {}", again(case, &plan, seed))
    });
    (done, problem)
}

/// What a run under a plan came to.
pub(crate) fn judge(plan: &FaultPlan, ran: &scripted::Ran, machine: &Machine, panics: &str) -> Verdict {
    let is_quiet = plan.strike(FaultKind::Wake).is_some_and(|strike| *strike != Strike::Never);
    let (ending, rest) = &ran.outcome;
    if let Err(end @ RunEnd::Panicked(_)) = ending {
        return Verdict::Defect(format!("{end:?}\n{panics}"));
    }
    if let Err(leaks) = rest {
        return Verdict::Defect(leaks.to_string());
    }
    let frames = machine.frames().used();
    if frames > 0 {
        return Verdict::Defect(format!("{frames} frames are left: {:?}", machine.frames().users(8)));
    }
    let failed = match (ending, &ran.failure) {
        (Ok(Ending::Exited(0)), None) => return Verdict::Unharmed,
        (Ok(Ending::Stopped), _) => return Verdict::Defect("took too long".into()),
        (Err(RunEnd::Deadlock(_)), _) if !is_quiet => return Verdict::Stuck,
        (_, Some(failure)) => failure.to_string(),
        (ending, None) => format!("{ending:?}"),
    };
    if is_quiet {
        Verdict::Defect(format!("a spurious wake-up was noticed: {failed}\n{panics}"))
    } else {
        Verdict::Harmed
    }
}

/// The line that does it again.
fn again(case: &Case, plan: &FaultPlan, seed: u64) -> String {
    let name = case.name;
    format!(
        "ORRERY_FAULTS='{plan}' ORRERY_SEED={seed} cargo test -p syscall-tests --test cases -- --exact scripted::{name}"
    )
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Report {
    /// Places that were reached but are not among `sites`: reading the source missed them.
    pub fn unknown<'a>(&'a self, sites: &BTreeSet<(FaultKind, Place)>) -> Vec<&'a Place> {
        let mine = self.reached.keys().filter(|(kind, at)| is_swept(*kind) && at.file.starts_with("kernel/"));
        mine.filter(|site| !sites.contains(site)).map(|(_, place)| place).collect()
    }

    /// Sites that exist and that no case came to.
    pub fn missed<'a>(&self, sites: &'a BTreeSet<(FaultKind, Place)>) -> Vec<&'a (FaultKind, Place)> {
        sites.iter().filter(|site| !self.reached.contains_key(site)).collect()
    }

    /// In a few lines: what was reached of `sites`, and how the runs ended.
    pub fn summary(&self, sites: &BTreeSet<(FaultKind, Place)>) -> String {
        use fmt::Write as _;
        let mut text = String::new();
        for kind in KINDS {
            let count = |all: &mut dyn Iterator<Item = FaultKind>| all.filter(|one| *one == kind).count();
            let (reached, struck) =
                (count(&mut self.reached.keys().map(|key| key.0)), count(&mut self.struck.iter().map(|key| key.0)));
            let existing = count(&mut sites.iter().map(|key| key.0));
            let _ = match is_swept(kind) {
                true => {
                    writeln!(text, "{:8} sites: {reached} reached / {existing} existing, {struck} failed", kind.name())
                }
                false => writeln!(text, "{:8} sites: {reached} reached, {struck} failed", kind.name()),
            };
        }
        let _ = writeln!(
            text,
            "{} runs with a fault: {} programs unharmed, {} waited for ever; {} defects of the kernel",
            self.runs,
            self.unharmed,
            self.stuck,
            self.defects.len()
        );
        text
    }
}

/// Whether the places of a kind are found in the source.
fn is_swept(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Memory | FaultKind::Copy)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Answers, CALLS_MAX, FaultKind, FaultPlan, Strike, Verdict, judge};
    use crate::machine::Outcome;
    use crate::scripted;
    use kernel::kernel::{Ending, Report, Root};
    use kernel_abi::flags::OpenFlags;
    use kernel_abi::{Calls as _, Fd};
    use ostd::faults::UnreliableFolder;
    use ostd::hosted::Hosted;
    use ostd::hosted::folder::{HostFolder, Writable};
    use ostd::{Machine, MachineConfig, RunEnd};

    fn verdict(outcome: Outcome, keep: bool) -> Verdict {
        let backend = Hosted::new(&scripted::config(0)).expect("the host has memory");
        let machine = Machine::new(backend, MachineConfig::default());
        let _kept = keep.then(|| machine.frame().expect("memory"));
        let ran = scripted::Ran { outcome, failure: None, output: String::new() };
        judge(&FaultPlan::default(), &ran, &machine, "")
    }

    #[test]
    fn a_frame_that_is_left_and_a_panic_are_defects() {
        let clean = || Ok(Report { poisoned: false, lived_ns: 0 });
        assert!(matches!(verdict((Ok(Ending::Exited(0)), clean()), false), Verdict::Unharmed));
        assert!(matches!(verdict((Ok(Ending::Exited(1)), clean()), false), Verdict::Harmed));
        let Verdict::Defect(story) = verdict((Ok(Ending::Exited(0)), clean()), true) else { panic!("not found") };
        assert!(story.contains("sweep/mod.rs"), "{story}");
        let panicked = Err(RunEnd::Panicked(Box::new("planted")));
        assert!(matches!(verdict((panicked, clean()), false), Verdict::Defect(story) if story.contains("planted")));
    }

    /// Reads this very file, and the names beside it, from the host's.
    fn reads(sys: &dyn kernel_abi::sys::Sys) -> crate::cases::Outcome {
        let (page, here) = (sys.page(), concat!(env!("CARGO_MANIFEST_DIR"), "/src/sweep"));
        let file = sys.openat(Fd::CWD, sys.path(page, &format!("{here}/mod.rs")), OpenFlags::O_RDONLY, 0)?;
        while sys.read(Fd(file as i32), page + 1024, 2048)? > 0 {}
        let folder = sys.openat(Fd::CWD, sys.path(page, here), OpenFlags::O_RDONLY, 0)?;
        while sys.getdents64(Fd(folder as i32), page + 1024, 2048)? > 0 {}
        Ok(())
    }

    /// Each request fails once, with EIO and by coming short.
    #[test]
    fn a_kernel_survives_what_becomes_of_its_shared_folder() {
        let run = |plan: FaultPlan| {
            let backend = Hosted::new(&scripted::config(0)).expect("the host has memory");
            let machine = Machine::new(backend, MachineConfig { faults: plan.clone(), ..MachineConfig::default() });
            let host = HostFolder::open(std::path::Path::new("/"), Writable::No).expect("the host's root");
            let root = Root::Folder(Arc::new(UnreliableFolder::new(&machine, Arc::new(host))));
            let work: scripted::Work = Arc::new(reads);
            let ran = scripted::run_through(&work, machine.clone(), root, CALLS_MAX, &Answers::default());
            (judge(&plan, &ran, &machine, ""), machine.faults().struck(), machine.faults().reached())
        };
        let never = FaultPlan::default().with(FaultKind::Folder, Strike::Never);
        let (quiet, _, reached) = run(never);
        assert!(matches!(quiet, Verdict::Unharmed));
        let requests: u64 = reached.iter().filter(|one| one.kind == FaultKind::Folder).map(|one| one.hits).sum();
        assert!(requests > 8, "{requests}");
        let mut harmed = 0;
        for nth in 0..requests {
            for copied in [0, 100] {
                let mut plan = FaultPlan::default().with(FaultKind::Folder, Strike::Nth(nth));
                plan.copied = copied;
                let (verdict, struck, _) = run(plan.clone());
                assert_eq!(struck, 1, "{plan}");
                match verdict {
                    Verdict::Defect(story) => panic!("{plan}: {story}"),
                    Verdict::Harmed => harmed += 1,
                    _ => {}
                }
            }
        }
        assert!(harmed > 8, "{harmed}");
    }
}
