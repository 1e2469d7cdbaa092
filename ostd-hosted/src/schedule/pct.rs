//! Probabilistic concurrency testing over CPUs (Burckhardt et al., ASPLOS 2010).

use crate::random::Dice;

pub(super) struct Pct {
    /// Higher runs first; no two are equal.
    priorities: Vec<i64>,
    /// Steps at which the running CPU falls below all others, in order.
    changes: Vec<u64>,
    steps: u64,
    lowest: i64,
}

impl Pct {
    pub(super) fn new(depth: u32, steps: u64, cpus: usize, dice: &mut Dice) -> Self {
        let mut priorities: Vec<i64> = (0..).take(cpus).collect();
        for last in (1..cpus).rev() {
            let other = dice.roll(last as u64 + 1) as usize;
            priorities.swap(last, other);
        }
        let mut changes: Vec<u64> = (1..depth).map(|_| dice.roll(steps) + 1).collect();
        changes.sort_unstable();
        Self { priorities, changes, steps: 0, lowest: 0 }
    }

    /// A safe point of the running CPU.
    pub(super) fn step(&mut self, cpu: usize) {
        self.steps += 1;
        if self.changes.first().is_some_and(|&change| change <= self.steps) {
            self.changes.remove(0);
            self.demote(cpu);
        }
    }

    /// Puts a CPU below all others.
    pub(super) fn demote(&mut self, cpu: usize) {
        self.lowest -= 1;
        self.priorities[cpu] = self.lowest;
    }

    pub(super) fn highest(&self, candidates: impl Iterator<Item = usize>) -> Option<usize> {
        candidates.max_by_key(|&cpu| self.priorities[cpu])
    }
}

#[cfg(test)]
mod tests {
    use super::Pct;
    use crate::random::Dice;

    #[test]
    fn the_highest_runs_until_one_of_depth_less_one_change_points() {
        for seed in 0..50 {
            let mut pct = Pct::new(3, 100, 2, &mut Dice::new(seed));
            let (mut running, mut switches) = (pct.highest(0..2), 0);
            for _ in 0..200 {
                pct.step(running.expect("there are two"));
                let next = pct.highest(0..2);
                switches += usize::from(next != running);
                running = next;
            }
            // Two changes; both at one step count once more than they show.
            assert!(switches <= 2 && switches > 0, "{switches}");
        }
    }

    #[test]
    fn seeds_differ_in_who_begins() {
        let begins = |seed| Pct::new(1, 1, 2, &mut Dice::new(seed)).highest(0..2);
        assert!((0..20).any(|seed| begins(seed) == Some(0)) && (0..20).any(|seed| begins(seed) == Some(1)));
    }
}
