//! What the calls of a program came to: which rows of the table it used, and how each answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kernel_abi::arg::{Kind, Names};
use kernel_abi::{Arch, Call, Errno, errno};

/// How one row answered: how often it did something, and what it refused with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Calls that succeeded.
    pub successes: usize,
    /// Each errno that was given, and how often.
    pub refusals: BTreeMap<i32, usize>,
    /// The flags and values with names that were given, and whether a call with them succeeded.
    pub named: BTreeMap<&'static str, bool>,
}

impl Answer {
    /// Counts another's answers too.
    pub fn add(&mut self, other: &Self) {
        self.successes += other.successes;
        for (errno, count) in &other.refusals {
            *self.refusals.entry(*errno).or_default() += count;
        }
        for (name, worked) in &other.named {
            *self.named.entry(name).or_default() |= worked;
        }
    }
}

/// How the rows that were called answered. Clones are handles to the same.
#[derive(Clone, Default)]
pub struct Answers(Option<Arc<Mutex<BTreeMap<Call, Answer>>>>);

impl Answers {
    /// None yet, and those to come are noted. The default notes nothing, which costs nothing.
    pub fn noted() -> Self {
        Self(Some(Arc::default()))
    }

    /// Notes the answer of a call, as the register had it. A call that has no row is nobody's.
    pub fn note(&self, number: usize, args: [usize; 6], register: usize) {
        let Some(call) = self.0.as_ref().and_then(|_| Call::lookup(Arch::X86_64, number)) else { return };
        self.note_row(call, args, register);
    }

    /// Notes that a call worked that does not return: the end of a program, of a handler.
    pub fn note_last(&self, call: Call, args: [usize; 6]) {
        self.note_row(call, args, 0);
    }

    fn note_row(&self, call: Call, args: [usize; 6], register: usize) {
        let Some(rows) = &self.0 else { return };
        let is_interrupted = register == Errno::EINTR.to_return();
        let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = rows.entry(call).or_default();
        let before = answer.successes;
        match errno::from_return(register) {
            Ok(_) => answer.successes += 1,
            Err(errno) => {
                *answer.refusals.entry(Errno::number(errno)).or_default() += 1;
                // All that these two ever say.
                answer.successes += usize::from(is_interrupted && matches!(call, Call::pause | Call::rt_sigsuspend));
            }
        }
        for name in named(call, args) {
            *answer.named.entry(name).or_default() |= answer.successes > before;
        }
    }

    /// The rows that were called, and how they answered.
    pub fn rows(&self) -> BTreeMap<Call, Answer> {
        self.0.as_ref().map(|rows| rows.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default()
    }
}

/// The flags and values of a call's arguments that have names.
fn named(call: Call, args: [usize; 6]) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut at = 0;
    for (_, kind) in call.row().args {
        let value = args.get(at).copied().unwrap_or_default() as u64;
        match kind {
            Kind::Flags(names) => found.extend(flags_in(names, value)),
            Kind::Enum(names) => found.extend(value_in(names, value)),
            _ => {}
        }
        at += kind_regs(kind);
    }
    found
}

/// How many registers an argument takes.
fn kind_regs(kind: &Kind) -> usize {
    if matches!(kind, Kind::In | Kind::Out | Kind::Iovecs(_)) { 2 } else { 1 }
}

/// The names in a set: those of several bits before those of their parts, and one of no bits for none before it.
fn flags_in(names: Names, value: u64) -> Vec<&'static str> {
    let (mut left, mut found) = (value, Vec::new());
    for (name, bits) in names {
        let is_absence = *bits == 0 && found.is_empty();
        if is_absence || (*bits != 0 && left & bits == *bits) {
            found.push(*name);
            left &= !bits;
        }
    }
    found
}

/// The name of a value; how many of its bits count is the type's to say.
fn value_in(names: Names, value: u64) -> Option<&'static str> {
    let exact = names.iter().find(|(_, known)| *known == value);
    let narrow = || names.iter().find(|(_, known)| *known as u32 == value as u32);
    exact.or_else(narrow).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use kernel_abi::flags::OpenFlags;
    use kernel_abi::{Call, Errno};

    use super::{Answers, flags_in};

    #[test]
    fn a_flag_counts_as_working_once_a_call_with_it_succeeds() {
        let answers = Answers::noted();
        let flags = (OpenFlags::O_CREAT | OpenFlags::O_EXCL).bits() as usize;
        answers.note_row(Call::openat, [0, 0, flags, 0, 0, 0], Errno::EEXIST.to_return());
        answers.note_row(Call::openat, [0, 0, OpenFlags::O_CREAT.bits() as usize, 0, 0, 0], 3);
        let answer = answers.rows().remove(&Call::openat).expect("was called");
        assert_eq!((answer.named["O_CREAT"], answer.named["O_EXCL"], answer.named["O_RDONLY"]), (true, false, true));
        assert_eq!((answer.successes, answer.refusals[&Errno::EEXIST.number()]), (1, 1));
    }

    #[test]
    fn a_name_of_no_bits_stands_for_none_of_those_before_it() {
        let names = [("RW", 3), ("W", 1), ("NONE", 0), ("X", 4)];
        let names: &'static [_] = Box::leak(Box::new(names));
        assert_eq!(flags_in(names, 7), ["RW", "X"]);
        assert_eq!(flags_in(names, 1), ["W"]);
        assert_eq!(flags_in(names, 4), ["NONE", "X"]);
    }
}
