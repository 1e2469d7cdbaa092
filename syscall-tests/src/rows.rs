//! What the calls of a program came to: which rows of the table it used, and how each answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kernel_abi::{Arch, Call, Errno, errno};

/// How one row answered: how often it did something, and what it refused with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Calls that succeeded.
    pub successes: usize,
    /// Each errno that was given, and how often.
    pub refusals: BTreeMap<i32, usize>,
}

impl Answer {
    /// Counts another's answers too.
    pub fn add(&mut self, other: &Self) {
        self.successes += other.successes;
        for (errno, count) in &other.refusals {
            *self.refusals.entry(*errno).or_default() += count;
        }
    }
}

/// How the rows that were called answered. Clones are handles to the same.
#[derive(Clone, Default)]
pub struct Answers(Arc<Mutex<BTreeMap<Call, Answer>>>);

impl Answers {
    /// Notes the answer of a call, as the register had it. A call that has no row is nobody's.
    pub fn note(&self, number: usize, register: usize) {
        let Some(call) = Call::lookup(Arch::X86_64, number) else { return };
        self.note_row(call, register);
    }

    /// Notes that a call worked that does not return: the end of a program, of a handler.
    pub fn note_last(&self, call: Call) {
        self.note_row(call, 0);
    }

    fn note_row(&self, call: Call, register: usize) {
        let is_interrupted = register == Errno::EINTR.to_return();
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = rows.entry(call).or_default();
        match errno::from_return(register) {
            Ok(_) => answer.successes += 1,
            // All that these two ever say.
            Err(_) if is_interrupted && matches!(call, Call::pause | Call::rt_sigsuspend) => answer.successes += 1,
            Err(errno) => *answer.refusals.entry(Errno::number(errno)).or_default() += 1,
        }
    }

    /// The rows that were called, and how they answered.
    pub fn rows(&self) -> BTreeMap<Call, Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
