//! Who runs next on a deterministic machine, and where in kernel code a CPU is left for another.
//!
//! - [`Policy`]: how that is decided, as a configuration says it and as a line of text.
//! - `Schedule`: what decides it, asked by the machine's loop at every turn and every safe point.
//! - `pct`: priorities with a few change points. [`explore`]: every schedule of a few system calls, one after another.
//!
//! A CPU that had nothing to run is asked again only when something may have changed that: an interrupt is pending for
//! it, or some task has become runnable.

pub mod explore;
mod pct;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ostd_hal::{CpuId, SafePoint, TaskEvent};

use crate::random::Dice;
use explore::{Choice, Exploration};
use pct::Pct;

/// One safe point in so many gives other CPUs a turn, where chance decides.
const INTERLEAVE_ODDS: u64 = 8;
/// Safe points and turns after which a CPU that had all of them gives way, whatever the policy: somebody may be polling
/// for what another CPU has yet to do.
const PATIENCE: u32 = 20_000;
/// And the time, where programs poll that come by few safe points: two slices.
const PATIENCE_NS: u64 = 20_000_000;

/// How CPUs of a deterministic machine interleave. The seed fills in what a policy leaves open.
#[derive(Clone, Debug, Default)]
pub enum Policy {
    /// At every turn any CPU, and at one safe point in eight another turn.
    #[default]
    Random,
    /// Probabilistic concurrency testing: CPUs have priorities, the highest that can run does, and at `depth - 1` safe
    /// points among the first `steps` the running CPU's falls below all others. A bug that needs `depth` orderings is
    /// found with a probability of at least 1 / (CPUs · steps^(depth - 1)), and no more than `depth - 1` of its
    /// preemptions are the policy's own.
    Pct {
        /// Orderings that a bug may need, at least one.
        depth: u32,
        /// About how many safe points the interesting part of the run has.
        steps: u64,
    },
    /// One of all schedules of a window: see [`explore`]. Outside the window it is random.
    Explore(Arc<Exploration>),
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random => f.write_str("random"),
            Self::Pct { depth, steps } => write!(f, "pct:{depth}:{steps}"),
            Self::Explore(exploration) => write!(f, "explore:{exploration}"),
        }
    }
}

/// What is wrong with a policy's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPolicy;

impl fmt::Display for BadPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a schedule is `random`, `pct:DEPTH:STEPS`, or what a failed exploration printed")
    }
}

impl std::error::Error for BadPolicy {}

impl FromStr for Policy {
    type Err = BadPolicy;

    fn from_str(text: &str) -> Result<Self, BadPolicy> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        match name {
            "random" if rest.is_empty() => Ok(Self::Random),
            "pct" => {
                let (depth, steps) = rest.split_once(':').ok_or(BadPolicy)?;
                let (depth, steps) = (depth.parse().map_err(|_| BadPolicy)?, steps.parse().map_err(|_| BadPolicy)?);
                if depth == 0 || steps == 0 { Err(BadPolicy) } else { Ok(Self::Pct { depth, steps }) }
            }
            "explore" => Ok(Self::Explore(Arc::new(rest.parse().map_err(|_| BadPolicy)?))),
            _ => Err(BadPolicy),
        }
    }
}

/// How a CPU's turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnEnd {
    /// It had nothing to run.
    Idle,
    /// Its task was left at a safe point, as this schedule said.
    Left,
    /// Its task waits for another CPU, or has had a whole quantum.
    GaveWay,
    /// Its task went off it.
    Switched,
}

enum Kind {
    Random,
    Pct(Pct),
    Explore(Arc<Exploration>),
}

/// The state of a policy on one machine.
pub(crate) struct Schedule {
    kind: Kind,
    dice: Dice,
    /// CPUs that had nothing to run, and of whom nothing has changed that since.
    idle: Box<[bool]>,
    /// Who a safe point was left for.
    forced: Option<usize>,
    /// The running CPU's safe points and turns on end.
    on_end: u32,
    /// Since when it has had them.
    since_ns: u64,
    last: usize,
}

impl Schedule {
    pub(crate) fn new(policy: &Policy, seed: u64, cpus: usize) -> Self {
        let mut dice = Dice::new(seed);
        let kind = match policy {
            Policy::Random => Kind::Random,
            Policy::Pct { depth, steps } => Kind::Pct(Pct::new(*depth, *steps, cpus, &mut dice)),
            Policy::Explore(exploration) => {
                exploration.begin(cpus);
                Kind::Explore(Arc::clone(exploration))
            }
        };
        Self { kind, dice, idle: vec![false; cpus].into(), forced: None, on_end: 0, since_ns: 0, last: 0 }
    }

    /// Whether the running CPU, `cpu`, is left for another here. `pending` says which CPUs have an interrupt to take.
    pub(crate) fn leaves(&mut self, cpu: usize, kind: SafePoint, now_ns: u64, pending: &dyn Fn(usize) -> bool) -> bool {
        self.on_end = self.on_end.saturating_add(1);
        let is_impatient = self.is_impatient(now_ns);
        let ready = |idle: &[bool], other: usize| !idle[other] || pending(other);
        let next = match &mut self.kind {
            Kind::Random => return self.dice.roll(INTERLEAVE_ODDS) == 0,
            Kind::Pct(pct) => {
                pct.step(cpu);
                if is_impatient {
                    pct.demote(cpu);
                }
                let candidates = (0..self.idle.len()).filter(|&other| other == cpu || ready(&self.idle, other));
                pct.highest(candidates).unwrap_or(cpu)
            }
            Kind::Explore(exploration) if kind == SafePoint::LockRelease && exploration.is_open() => cpu,
            Kind::Explore(exploration) => {
                let others = (0..self.idle.len()).filter(|&other| other != cpu && ready(&self.idle, other));
                match exploration.at_safe_point(cpu, others, is_impatient) {
                    Choice::Open => return self.dice.roll(INTERLEAVE_ODDS) == 0,
                    Choice::Of(next) => next,
                }
            }
        };
        if next != cpu {
            self.forced = Some(next);
        }
        next != cpu
    }

    /// The CPU whose turn is next, after `last` had one that ended so; `None` when no CPU has anything to run.
    pub(crate) fn next(
        &mut self,
        last: usize,
        end: TurnEnd,
        now_ns: u64,
        pending: &dyn Fn(usize) -> bool,
    ) -> Option<usize> {
        if let Some(next) = self.forced.take() {
            if let Kind::Explore(exploration) = &self.kind {
                exploration.turn_of(next);
            }
            return Some(self.take(next, now_ns));
        }
        match end {
            TurnEnd::Idle => self.idle[last] = true,
            TurnEnd::Left | TurnEnd::GaveWay | TurnEnd::Switched => self.idle[last] = false,
        }
        if matches!(self.kind, Kind::Random) {
            let next = self.anybody(pending)?;
            return Some(self.take(next, now_ns));
        }
        let candidates: Vec<usize> = (0..self.idle.len()).filter(|&cpu| !self.idle[cpu] || pending(cpu)).collect();
        let gives_way = end == TurnEnd::GaveWay || self.is_impatient(now_ns);
        let next = match &mut self.kind {
            Kind::Random => None,
            Kind::Pct(pct) => {
                if gives_way {
                    pct.demote(last);
                }
                pct.highest(candidates.into_iter())
            }
            Kind::Explore(exploration) => match exploration.at_turn(last, end, gives_way, &candidates)? {
                Choice::Of(next) => Some(next),
                Choice::Open => self.anybody(pending),
            },
        }?;
        if let Kind::Explore(exploration) = &self.kind {
            exploration.turn_of(next);
        }
        Some(self.take(next, now_ns))
    }

    /// Any CPU that has something to run.
    fn anybody(&mut self, pending: &dyn Fn(usize) -> bool) -> Option<usize> {
        let ready = |cpu: &usize| !self.idle[*cpu] || pending(*cpu);
        let among = (0..self.idle.len()).filter(ready).count();
        let chosen = if among > 1 { self.dice.roll(u64::try_from(among).unwrap_or(1)) as usize } else { 0 };
        (0..self.idle.len()).filter(ready).nth(chosen)
    }

    /// Safe points and turns of the running CPU, on end.
    pub(crate) fn safe_points(&self) -> u32 {
        self.on_end
    }

    fn take(&mut self, next: usize, now_ns: u64) -> usize {
        if next == self.last && !self.is_impatient(now_ns) {
            self.on_end = self.on_end.saturating_add(1);
        } else {
            (self.on_end, self.since_ns) = (0, now_ns);
        }
        self.last = next;
        next
    }

    /// The running CPU has had its turns for so long that somebody may be waiting in vain.
    fn is_impatient(&self, now_ns: u64) -> bool {
        self.on_end >= PATIENCE || now_ns.saturating_sub(self.since_ns) >= PATIENCE_NS
    }

    /// Every CPU may have something to run.
    pub(crate) fn look_again(&mut self) {
        self.idle.fill(false);
    }

    pub(crate) fn note(&mut self, cpu: Option<CpuId>, task: u64, event: TaskEvent<'_>) {
        match event {
            TaskEvent::Spawned(_) | TaskEvent::Woken => self.look_again(),
            TaskEvent::Yielded => {
                if let (Kind::Pct(pct), Some(cpu)) = (&mut self.kind, cpu) {
                    pct.demote(cpu.0);
                }
                self.look_again();
            }
            TaskEvent::Resumed | TaskEvent::Parked | TaskEvent::Ended => {}
        }
        if let (Kind::Explore(exploration), Some(cpu)) = (&self.kind, cpu) {
            exploration.note(cpu.0, task, event);
        }
    }

    /// Whether the program that just trapped on `cpu` has to wait there for those that it is explored with.
    pub(crate) fn holds(&self, cpu: usize) -> bool {
        matches!(&self.kind, Kind::Explore(exploration) if exploration.holds(cpu))
    }
}

#[cfg(test)]
mod tests {
    use super::{Policy, Schedule, TurnEnd};

    #[test]
    fn a_policy_is_its_text() {
        for text in ["random", "pct:3:500", "explore:2:17=1,40=1", "explore:0:"] {
            assert_eq!(text.parse::<Policy>().expect("valid").to_string(), text);
        }
        for text in
            ["", "pct", "pct:0:5", "pct:3:0", "random:1", "explore:2", "explore:x:", "explore:2:5", "explore:2:9=1,3=1"]
        {
            assert!(text.parse::<Policy>().is_err(), "{text}");
        }
    }

    #[test]
    fn idle_cpus_are_not_asked_until_something_is_there_for_them() {
        for policy in [Policy::Random, Policy::Pct { depth: 2, steps: 100 }] {
            let mut schedule = Schedule::new(&policy, 7, 2);
            let nobody = |_| false;
            assert_eq!(schedule.next(0, TurnEnd::Idle, 0, &nobody), Some(1));
            assert_eq!(schedule.next(1, TurnEnd::Idle, 0, &nobody), None);
            assert_eq!(schedule.next(1, TurnEnd::Idle, 0, &|cpu| cpu == 0), Some(0));
        }
    }
}
