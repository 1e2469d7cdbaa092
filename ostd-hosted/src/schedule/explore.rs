//! Every schedule of a few system calls on as many CPUs, up to a number of preemptions.
//!
//! A window opens when every participant has [arrived](Exploration::arrive): each says so just before the call to be
//! explored and is then held behind its trap, on a CPU of its own. Inside the window nothing is left to chance: at each
//! safe point before something that CPUs share is used (behind a lock's release there is nothing new to try, for what
//! follows up to the next such point is the CPU's own), the running CPU goes on or is left for another one that has
//! something to run, at the cost of one preemption; where a CPU has nothing more to run, or only waits for another, the next one costs nothing. A participant
//! that [left](Exploration::leave), just behind its call, is held at its next trap; the window closes when all have left,
//! or those that have not sleep.
//!
//! [`explore`] runs the same function once for each schedule there is: each run replays a prefix of choices and takes the
//! first option from there on, and the last choice that has another option is where the next prefix differs.

use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ostd_hal::TaskEvent;

use super::{BadPolicy, Policy, TurnEnd};

/// A window is closed when it has had so many choices: whoever explores polls, and there is no end to that.
const CHOICES_MAX: usize = 100_000;

/// Where there was more than one way to go on: how many, and which was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    options: u8,
    option: u8,
}

/// What a schedule is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Nothing is explored here: chance decides.
    Open,
    /// This CPU is next.
    Of(usize),
}

/// One schedule of a window, as far as a prefix of choices fixes it. One machine uses it, once.
#[derive(Debug)]
pub struct Exploration {
    preemptions_max: u32,
    prefix: Vec<(usize, u8)>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    participants: usize,
    /// Tasks by what they said.
    arrived: Vec<u64>,
    left: Vec<u64>,
    /// Of each CPU, the task on it.
    tasks: Vec<Option<u64>>,
    /// Whose turn it is.
    running: usize,
    preemptions: u32,
    /// The last participant has just arrived, and nobody has been chosen to begin.
    is_opening: bool,
    is_closed: bool,
    taken: Vec<Taken>,
}

impl State {
    fn is_open(&self) -> bool {
        !self.is_closed && self.arrived.len() == self.participants
    }

    fn is_held(&self, cpu: usize) -> bool {
        let Some(task) = self.tasks.get(cpu).copied().flatten() else { return false };
        !self.is_closed
            && (self.left.contains(&task) || (self.arrived.len() < self.participants && self.arrived.contains(&task)))
    }

    /// Takes one of several ways.
    fn choose(&mut self, prefix: &[(usize, u8)], options: &[usize]) -> usize {
        if options.len() < 2 {
            return options[0];
        }
        let at = self.taken.len();
        let wanted = prefix.binary_search_by_key(&at, |(place, _)| *place).map_or(0, |found| prefix[found].1);
        let option = usize::from(wanted).min(options.len() - 1);
        let byte = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
        self.taken.push(Taken { options: byte(options.len()), option: byte(option) });
        if self.taken.len() >= CHOICES_MAX {
            self.is_closed = true;
        }
        options[option]
    }
}

impl Exploration {
    /// The schedule that takes the first option everywhere, with two participants.
    pub fn new(preemptions_max: u32) -> Self {
        Self::with_prefix(preemptions_max, Vec::new())
    }

    fn with_prefix(preemptions_max: u32, prefix: Vec<(usize, u8)>) -> Self {
        let state = State {
            participants: 2,
            arrived: Vec::new(),
            left: Vec::new(),
            tasks: Vec::new(),
            running: 0,
            preemptions: 0,
            is_opening: false,
            is_closed: false,
            taken: Vec::new(),
        };
        Self { preemptions_max, prefix, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Said by a participant, a program, just before the system call to be explored.
    pub fn arrive(&self) {
        let mut state = self.state();
        if let Some(task) = state.tasks.get(state.running).copied().flatten() {
            state.arrived.push(task);
            state.is_opening = state.is_open();
        }
    }

    /// Said by a participant just behind that call.
    pub fn leave(&self) {
        let mut state = self.state();
        if let Some(task) = state.tasks.get(state.running).copied().flatten() {
            state.left.push(task);
        }
        if state.left.len() == state.participants {
            state.is_closed = true;
        }
    }

    /// Whether every participant arrived, so that there was something to explore.
    pub fn was_open(&self) -> bool {
        let state = self.state();
        state.arrived.len() == state.participants
    }

    /// How many choices there were.
    pub fn choices(&self) -> usize {
        self.state().taken.len()
    }

    pub(super) fn begin(&self, cpus: usize) {
        let mut state = self.state();
        assert!(state.tasks.is_empty(), "an exploration is of one machine");
        state.tasks = vec![None; cpus];
    }

    pub(super) fn note(&self, cpu: usize, task: u64, event: TaskEvent<'_>) {
        let mut state = self.state();
        match event {
            TaskEvent::Resumed => state.tasks[cpu] = Some(task),
            TaskEvent::Yielded | TaskEvent::Parked | TaskEvent::Ended => state.tasks[cpu] = None,
            TaskEvent::Spawned(_) | TaskEvent::Woken => {}
        }
    }

    pub(super) fn holds(&self, cpu: usize) -> bool {
        let state = self.state();
        state.is_opening || state.is_held(cpu)
    }

    pub(super) fn is_open(&self) -> bool {
        self.state().is_open()
    }

    pub(super) fn at_safe_point(&self, cpu: usize, others: impl Iterator<Item = usize>, is_impatient: bool) -> Choice {
        let mut state = self.state();
        if !state.is_open() {
            return Choice::Open;
        }
        let options: Vec<usize> = std::iter::once(cpu).chain(others.filter(|&other| !state.is_held(other))).collect();
        if is_impatient {
            return Choice::Of(options.get(1).copied().unwrap_or(cpu));
        }
        if state.preemptions >= self.preemptions_max {
            return Choice::Of(cpu);
        }
        let next = state.choose(&self.prefix, &options);
        if next != cpu {
            state.preemptions += 1;
        }
        Choice::Of(next)
    }

    /// `None`: nobody has anything to run.
    pub(super) fn at_turn(&self, last: usize, end: TurnEnd, gives_way: bool, candidates: &[usize]) -> Option<Choice> {
        let mut state = self.state();
        if candidates.is_empty() {
            // Whoever has not left sleeps; somebody outside may wake it.
            state.is_closed |= state.is_open();
            return None;
        }
        let mut free: Vec<usize> = candidates.iter().copied().filter(|&cpu| !state.is_held(cpu)).collect();
        if free.is_empty() {
            state.is_closed |= state.is_open();
            return Some(Choice::Open);
        }
        if !state.is_open() {
            // Before, those that were held would only be asked in vain.
            return Some(if free.len() == candidates.len() { Choice::Open } else { Choice::Of(free[0]) });
        }
        if std::mem::take(&mut state.is_opening) {
            return Some(Choice::Of(state.choose(&self.prefix, &free)));
        }
        if gives_way {
            // To somebody else, if there is anybody; and round and round among more than two.
            free.sort_by_key(|&cpu| (cpu == last, cpu < last, cpu));
            return Some(Choice::Of(free[0]));
        }
        if end == TurnEnd::Switched && free.contains(&last) {
            // Whether it has another task shows when it looks.
            return Some(Choice::Of(last));
        }
        Some(Choice::Of(state.choose(&self.prefix, &free)))
    }

    pub(crate) fn turn_of(&self, cpu: usize) {
        self.state().running = cpu;
    }

    /// The prefix of the schedule behind this one, if there is one.
    fn following(&self) -> Option<Self> {
        let taken = &self.state().taken;
        let last = taken.iter().rposition(|taken| taken.option + 1 < taken.options)?;
        let kept = taken[..last].iter().enumerate().filter(|(_, taken)| taken.option > 0);
        let mut prefix: Vec<(usize, u8)> = kept.map(|(place, taken)| (place, taken.option)).collect();
        prefix.push((last, taken[last].option + 1));
        Some(Self::with_prefix(self.preemptions_max, prefix))
    }

    /// The same schedule for another machine.
    fn again(&self) -> Self {
        Self::with_prefix(self.preemptions_max, self.prefix.clone())
    }
}

/// The bound, and the choices that were not the first option: all that another run needs.
impl fmt::Display for Exploration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.preemptions_max)?;
        for (number, (place, option)) in self.prefix.iter().enumerate() {
            write!(f, "{}{place}={option}", if number == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for Exploration {
    type Err = BadPolicy;

    fn from_str(text: &str) -> Result<Self, BadPolicy> {
        let (bound, choices) = text.split_once(':').ok_or(BadPolicy)?;
        let choice = |text: &str| {
            let (place, option) = text.split_once('=')?;
            Some((place.parse().ok()?, option.parse().ok()?))
        };
        let choices = choices.split(',').filter(|text| !text.is_empty()).map(|text| choice(text).ok_or(BadPolicy));
        let prefix = choices.collect::<Result<Vec<(usize, u8)>, _>>()?;
        if prefix.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            return Err(BadPolicy);
        }
        Ok(Self::with_prefix(bound.parse().map_err(|_| BadPolicy)?, prefix))
    }
}

/// What an exploration came to.
#[derive(Debug)]
pub struct Explored {
    /// Schedules that were run.
    pub schedules: usize,
    /// The most choices that one of them had.
    pub choices_max: usize,
    /// The first that failed: its policy as text, and how.
    pub failure: Option<(String, String)>,
}

/// Runs `run` under every schedule with at most `preemptions_max` preemptions, until one fails. `run` makes a machine
/// with two CPUs and the policy that it is given, and always the same seed.
///
/// A schedule from the environment (see [`crate::replay`]) is run alone.
///
/// Panics when a run has no window: it would explore nothing.
pub fn explore(preemptions_max: u32, mut run: impl FnMut(Policy) -> Result<(), String>) -> Explored {
    let given = match crate::replay::policy() {
        Some(Policy::Explore(given)) => Some(given),
        _ => None,
    };
    let is_alone = given.is_some();
    let mut next = Some(given.map_or_else(|| Exploration::new(preemptions_max), |given| given.again()));
    let mut explored = Explored { schedules: 0, choices_max: 0, failure: None };
    while let Some(exploration) = next.take().map(Arc::new) {
        explored.schedules += 1;
        let result = run(Policy::Explore(Arc::clone(&exploration)));
        explored.choices_max = explored.choices_max.max(exploration.choices());
        if let Err(problem) = result {
            let mut text = String::new();
            // Writing to a string does not fail.
            let _ = write!(text, "{}", Policy::Explore(exploration));
            explored.failure = Some((text, problem));
            break;
        }
        assert!(exploration.was_open(), "the participants of an exploration never met");
        if !is_alone {
            next = exploration.following();
        }
    }
    explored
}

#[cfg(test)]
mod tests {
    use super::{Choice, Exploration};
    use crate::schedule::TurnEnd;
    use ostd_hal::TaskEvent;

    /// Two CPUs with so many safe points each, and the order in which they came to them.
    fn run(exploration: &Exploration, steps: usize) -> Vec<usize> {
        exploration.begin(2);
        (0..2).for_each(|cpu| exploration.note(cpu, cpu as u64 + 1, TaskEvent::Resumed));
        for cpu in 0..2 {
            exploration.turn_of(cpu);
            exploration.arrive();
        }
        let (mut left, mut order) = ([steps; 2], Vec::new());
        let ready = |left: [usize; 2]| (0..2).filter(|&cpu| left[cpu] > 0).collect::<Vec<_>>();
        let Some(Choice::Of(mut cpu)) = exploration.at_turn(0, TurnEnd::GaveWay, false, &[0, 1]) else {
            panic!("the window is open")
        };
        loop {
            exploration.turn_of(cpu);
            left[cpu] -= 1;
            order.push(cpu);
            if left == [0, 0] {
                return order;
            }
            let choice = if left[cpu] == 0 {
                exploration.at_turn(cpu, TurnEnd::Idle, false, &ready(left)).expect("somebody is left")
            } else {
                exploration.at_safe_point(cpu, ready(left).into_iter().filter(|&other| other != cpu), false)
            };
            let Choice::Of(next) = choice else { panic!("the window is open") };
            cpu = next;
        }
    }

    fn orders(preemptions_max: u32, steps: usize) -> Vec<Vec<usize>> {
        let mut next = Some(Exploration::new(preemptions_max));
        let mut orders = Vec::new();
        while let Some(exploration) = next {
            orders.push(run(&exploration, steps));
            next = exploration.following();
        }
        orders
    }

    #[test]
    fn every_order_within_the_bound_comes_up_once() {
        // Two runs of three steps have 20 orders; 2 without preemption, 2 · 2 more with one (after the first or the
        // second step), and those with two.
        for (bound, expected) in [(0, 2), (1, 6), (6, 20)] {
            let mut orders = orders(bound, 3);
            assert_eq!(orders.len(), expected, "with {bound} preemptions");
            orders.sort();
            orders.dedup();
            assert_eq!(orders.len(), expected, "no order twice, with {bound} preemptions");
        }
    }

    #[test]
    fn a_schedule_is_found_again_by_its_text() {
        let first = Exploration::new(2);
        run(&first, 4);
        let mut schedule = first.following().expect("more than one");
        for _ in 0..5 {
            let order = run(&schedule, 4);
            let again: Exploration = schedule.to_string().parse().expect("valid");
            assert_eq!(run(&again, 4), order);
            schedule = schedule.following().expect("more than six");
        }
    }
}
