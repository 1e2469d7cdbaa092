//! What a program is: steps, and what stands in an argument.

use alloc::vec::Vec;

use kernel_abi::Call;

use crate::family::Family;

/// Steps of a program, those of its children included.
pub const STEPS_MAX: usize = 64;
/// Sequences of steps in a program: its first process, and each child.
pub const BODIES_MAX: usize = 6;
/// Children within children.
pub const DEPTH_MAX: usize = 3;

/// Rows by which something may happen at a time.
const TIMED: &[Call] = {
    use Call::{
        alarm, clock_nanosleep, epoll_pwait, epoll_pwait2, epoll_wait, futex, nanosleep, poll, ppoll, pselect6,
        rt_sigtimedwait, select, setitimer, timer_settime, timerfd_settime,
    };
    &[
        alarm,
        clock_nanosleep,
        epoll_pwait,
        epoll_pwait2,
        epoll_wait,
        futex,
        nanosleep,
        poll,
        ppoll,
        pselect6,
        rt_sigtimedwait,
        select,
        setitimer,
        timer_settime,
        timerfd_settime,
    ]
};

/// A program: what its first process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Which rows it draws from.
    pub family: Family,
    /// One after the other.
    pub steps: Vec<Step>,
}

/// A step of a process or a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A call of the table.
    Call {
        /// Its row.
        call: Call,
        /// One for each argument of the row; a buffer is one.
        args: Vec<Value>,
    },
    /// A child, which knows the answers so far.
    Spawn {
        /// What it shares.
        how: How,
        /// When it is waited for.
        join: Join,
        /// What it does.
        steps: Vec<Step>,
    },
}

/// What a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// A process: fork(2).
    Process,
    /// A thread of the same process.
    Thread,
}

/// When a child is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// Before the next step: nothing runs at the same time.
    AtOnce,
    /// Not by the program: it goes on.
    Never,
}

/// What stands in an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number as it is.
    Plain(u64),
    /// The latest answer of the argument's kind but so many; a descriptor, a process, a number.
    Earlier(u8),
    /// A name of the small space of names: of [`crate::choice::PATHS`] or [`crate::choice::NAMES`].
    Text(u8),
    /// An address.
    Memory {
        /// Where it leads.
        place: Place,
        /// Bytes, for kinds that have a length: see [`crate::choice::length`].
        len: u16,
        /// What is there when the call begins: zero is the tamest.
        seed: u32,
    },
}

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Memory of this argument's own.
    Fresh,
    /// Memory that ends where nothing is mapped.
    AtHole,
    /// Nowhere, by a null pointer.
    Null,
    /// Where nothing is mapped.
    Hole,
    /// Where nothing can be mapped.
    Wild,
    /// A page of the memory that calls on memory work on.
    Page(u8),
    /// The latest mapping but so many.
    Mapping(u8),
}

impl Program {
    /// Sequences of steps in it, the first included.
    pub fn bodies(&self) -> usize {
        1 + children(&self.steps)
    }

    /// Steps in it, those of children included.
    pub fn len(&self) -> usize {
        steps(&self.steps)
    }

    /// Whether it does nothing.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The steps of its `index`-th body; a child's body comes behind that of whoever starts it, in the order of starts.
    pub fn body(&self, index: usize) -> Option<&[Step]> {
        let mut left = index;
        body(&self.steps, &mut left)
    }

    /// Whether it makes a call that a clock may end, or that has a clock do something later.
    pub fn waits_for_time(&self) -> bool {
        makes(&self.steps, TIMED)
    }

    /// Whether it has a clock do something while it does something else.
    pub fn arms_timers(&self) -> bool {
        makes(&self.steps, &[Call::alarm, Call::setitimer, Call::timer_settime])
    }

    /// Whether it makes a call that tells a session's first process from another one.
    pub fn asks_for_sessions(&self) -> bool {
        makes(&self.steps, &[Call::setsid, Call::getsid, Call::setpgid])
    }

    /// Whether a process of it has several threads.
    pub fn has_threads(&self) -> bool {
        fn threads(steps: &[Step]) -> bool {
            steps.iter().any(|step| match step {
                Step::Call { .. } => false,
                Step::Spawn { how, steps, .. } => *how == How::Thread || threads(steps),
            })
        }
        threads(&self.steps)
    }

    /// Whether nothing in it runs at the same time.
    pub fn is_sequential(&self) -> bool {
        fn sequential(steps: &[Step]) -> bool {
            steps.iter().all(|step| match step {
                Step::Call { .. } => true,
                Step::Spawn { join, steps, .. } => *join == Join::AtOnce && sequential(steps),
            })
        }
        sequential(&self.steps)
    }

    /// The same, with every child waited for at once.
    pub fn sequential(mut self) -> Self {
        fn change(steps: &mut [Step]) {
            for step in steps {
                if let Step::Spawn { join, steps, .. } = step {
                    *join = Join::AtOnce;
                    change(steps);
                }
            }
        }
        change(&mut self.steps);
        self
    }
}

/// Whether one of these rows is among the steps.
pub(crate) fn makes(all: &[Step], rows: &[Call]) -> bool {
    all.iter().any(|step| match step {
        Step::Call { call, .. } => rows.contains(call),
        Step::Spawn { steps, .. } => makes(steps, rows),
    })
}

/// The bodies below these steps.
pub(crate) fn children(all: &[Step]) -> usize {
    all.iter().map(|step| if let Step::Spawn { steps, .. } = step { 1 + children(steps) } else { 0 }).sum()
}

fn steps(all: &[Step]) -> usize {
    all.iter().map(|step| 1 + if let Step::Spawn { steps: inner, .. } = step { steps(inner) } else { 0 }).sum()
}

fn body<'a>(all: &'a [Step], left: &mut usize) -> Option<&'a [Step]> {
    if *left == 0 {
        return Some(all);
    }
    for step in all {
        if let Step::Spawn { steps, .. } = step {
            *left -= 1;
            if let Some(found) = body(steps, left) {
                return Some(found);
            }
        }
    }
    None
}
