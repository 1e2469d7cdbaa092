//! Smaller programs: without steps first, then with tamer arguments. What is left is a program, whatever was taken.

use alloc::vec::Vec;

use kernel_abi::Kind;

use crate::model::{Join, Place, Program, Step, Value};

/// What can be tried on a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Without so many steps, from this one on, counted as they are written.
    Without(usize, usize),
    /// With a child's steps in its place.
    Inline(usize),
    /// A step's argument made tamer, in the so-manieth way.
    Tame(usize, usize, usize),
}

/// Ways to make an argument tamer.
const TAMER: usize = 4;

/// Goes on making a program smaller, as long as somebody says what is good.
#[derive(Clone, Debug)]
pub struct Shrinking {
    /// The smallest that was good.
    good: Program,
    /// What is tried.
    tried: Option<Program>,
    ways: Vec<Way>,
    at: usize,
    has_improved: bool,
}

impl Shrinking {
    /// Begins with a program that is good.
    pub fn new(program: Program) -> Self {
        let ways = ways(&program);
        Self { good: program, tried: None, ways, at: 0, has_improved: false }
    }

    /// What is to be tried, or the best there is.
    pub fn current(&self) -> &Program {
        self.tried.as_ref().unwrap_or(&self.good)
    }

    /// What is tried is good; or it is the beginning: goes on to what is smaller. Whether there is such a thing.
    pub fn accept(&mut self) -> bool {
        if let Some(tried) = self.tried.take() {
            let is_shorter = tried.len() < self.good.len();
            self.good = tried;
            self.has_improved = true;
            if is_shorter {
                // Places have moved.
                self.ways = ways(&self.good);
                self.at = 0;
                self.has_improved = false;
            }
        }
        self.next()
    }

    /// What is tried is not good: goes on to something else. Whether there is something.
    pub fn reject(&mut self) -> bool {
        self.tried = None;
        self.next()
    }

    fn next(&mut self) -> bool {
        loop {
            let Some(way) = self.ways.get(self.at).copied() else {
                if !self.has_improved {
                    return false;
                }
                (self.ways, self.at, self.has_improved) = (ways(&self.good), 0, false);
                continue;
            };
            self.at += 1;
            let mut program = self.good.clone();
            let mut index = 0;
            program.steps = apply(program.steps, &mut index, way);
            if program != self.good {
                self.tried = Some(program);
                return true;
            }
        }
    }
}

/// The smallest program that still is as `is_good` says; the one given is.
pub fn shrink(program: Program, mut is_good: impl FnMut(&Program) -> bool) -> Program {
    let mut shrinking = Shrinking::new(program);
    let mut goes_on = shrinking.accept();
    while goes_on {
        goes_on = if is_good(shrinking.current()) { shrinking.accept() } else { shrinking.reject() };
    }
    shrinking.good
}

fn ways(program: &Program) -> Vec<Way> {
    let len = program.len();
    let mut ways = Vec::new();
    let mut chunk = len.div_ceil(2);
    while chunk > 0 {
        ways.extend((0..len).step_by(chunk).rev().map(|from| Way::Without(from, chunk)));
        chunk /= 2;
    }
    ways.extend((0..len).map(Way::Inline));
    for step in 0..len {
        ways.extend((0..6).flat_map(|arg| (0..TAMER).map(move |how| Way::Tame(step, arg, how))));
    }
    ways
}

fn apply(steps: Vec<Step>, index: &mut usize, way: Way) -> Vec<Step> {
    let mut out = Vec::new();
    for step in steps {
        let here = *index;
        *index += 1;
        let is_gone = matches!(way, Way::Without(from, len) if (from..from + len).contains(&here));
        match step {
            Step::Call { .. } if is_gone => {}
            Step::Call { call, mut args } => {
                if let Way::Tame(at, arg, how) = way
                    && at == here
                    && let (Some(value), Some(&(_, kind))) = (args.get_mut(arg), call.row().args.get(arg))
                {
                    *value = tamer(kind, *value, how);
                }
                out.push(Step::Call { call, args });
            }
            Step::Spawn { how, join, steps } => {
                let inner = apply(steps, index, way);
                let joins = matches!(way, Way::Tame(at, 0, _) if at == here);
                match way {
                    _ if is_gone => {}
                    Way::Inline(at) if at == here => out.extend(inner),
                    _ => out.push(Step::Spawn { how, join: if joins { Join::AtOnce } else { join }, steps: inner }),
                }
            }
        }
    }
    out
}

fn tamer(kind: Kind, value: Value, how: usize) -> Value {
    match (kind, value) {
        (Kind::Flags(_), Value::Plain(bits)) => Value::Plain(match how {
            0 => 0,
            // The highest bit alone, or without it; without the lowest.
            1 => 1_u64.checked_shl(63 - bits.leading_zeros().min(63)).unwrap_or(0) & bits,
            2 => bits & !(1_u64 << (63 - bits.leading_zeros().min(63))),
            _ => bits & bits.wrapping_sub(1),
        }),
        // One value of several is as tame as another.
        (Kind::Enum(_), _) => value,
        (Kind::Fd | Kind::Pid, Value::Plain(_)) if how == 0 => Value::Earlier(0),
        (Kind::Fd | Kind::Pid, _) if how == 1 => value,
        (Kind::Id, Value::Plain(_)) if how == 0 => Value::Plain(0),
        (Kind::Mode, Value::Plain(_)) if how == 0 => Value::Plain(0o644),
        (Kind::Signal, Value::Plain(_)) if how == 0 => Value::Plain(10),
        (Kind::Int { .. }, Value::Plain(number)) => match how {
            0 => Value::Plain(0),
            1 if number > 1 => Value::Plain(1),
            2 if number > 4096 => Value::Plain(4096),
            _ => value,
        },
        (Kind::Int { .. }, _) if how == 0 => Value::Plain(0),
        (_, Value::Earlier(_)) if how == 0 => Value::Earlier(0),
        (_, Value::Text(_)) if how == 0 => Value::Text(0),
        (_, Value::Text(index)) if how == 1 => Value::Text(index.min(1)),
        (Kind::Path | Kind::Name, Value::Memory { .. }) if how == 0 => Value::Text(0),
        (Kind::Pointer, Value::Memory { len, seed, .. }) if how == 0 => {
            Value::Memory { place: Place::Page(0), len, seed }
        }
        (Kind::Pointer, _) => value,
        (_, Value::Memory { place, len, seed }) => match how {
            0 => Value::Memory { place: Place::Fresh, len, seed },
            1 => Value::Memory { place, len, seed: 0 },
            2 => Value::Memory { place, len: len.min(1), seed },
            // Each part of a structure has three bits of it.
            _ => Value::Memory { place, len, seed: seed & seed.wrapping_sub(1) },
        },
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use kernel_abi::Call;

    use super::shrink;
    use crate::family::Family;
    use crate::model::{Program, Step};

    fn calls(steps: &[Step], wanted: Call) -> usize {
        steps
            .iter()
            .map(|step| match step {
                Step::Call { call, .. } => usize::from(*call == wanted),
                Step::Spawn { steps, .. } => calls(steps, wanted),
            })
            .sum()
    }

    #[test]
    fn what_matters_is_left_and_nothing_else() {
        for seed in 0..50 {
            let program = Program::random(Family::File, 40, seed);
            let wanted = calls(&program.steps, Call::dup3).min(2);
            let small = shrink(program, |program| calls(&program.steps, Call::dup3) >= wanted);
            assert_eq!(small.len(), wanted, "{small:?}");
            assert_eq!(Program::decode(&small.encode()), small);
        }
    }
}
