//! One sequence of a program's steps: makes its calls, remembers their answers, notes what they came to.

use alloc::vec::Vec;

use kernel_abi::sys::{Calls, Sys};
use kernel_abi::{Call, Errno, Pid, errno};

use crate::memory::{Answers, Laying, Made};
use crate::model::{How, Join, Program, Step, children};
use crate::stage::shared;
use crate::transcript::{Entry, Filled, SPAWN};

/// Answers of a kind that are kept.
const ANSWERS_MAX: usize = 8;
/// Interruptions of waiting for a child that are borne.
const INTERRUPTIONS_MAX: usize = 100;

/// A running body.
pub(crate) struct Body<'a> {
    sys: &'a dyn Sys,
    index: usize,
    shared: usize,
    arena: usize,
    answers: Answers,
    step: u32,
    log_len: usize,
}

/// What a child does: the argument is its body's number, and all else is in memory.
pub(crate) fn child(sys: &dyn Sys, index: usize) -> i32 {
    let shared = shared::of(sys);
    let program = Program::decode(&shared::program(sys, shared));
    let Some(steps) = program.body(index) else { return 2 };
    // Its handlers are to know whose they are.
    sys.store(sys.page() + shared::PAGE_BODY, &(index as u64));
    Body::begin(sys, index).run(steps)
}

impl<'a> Body<'a> {
    /// The body as it begins, with what whoever started it knew.
    pub(crate) fn begin(sys: &'a dyn Sys, index: usize) -> Self {
        let shared = shared::of(sys);
        let mut answers = if index == 0 { Answers::default() } else { shared::take_answers(sys, shared, index) };
        let pid = sys.getpid().unwrap_or(0) as i32;
        let tid = if index == 0 { pid } else { sys.gettid().unwrap_or(0) as i32 };
        // Its own comes last: the first that a tame argument means.
        answers.pids.push(pid);
        sys.store(shared::header(shared, index), &[pid, tid]);
        let arena = sys.load(sys.page() + shared::PAGE_ARENA);
        Self { sys, index, shared, arena, answers, step: 0, log_len: 0 }
    }

    /// Makes all steps; the answer is an exit status.
    pub(crate) fn run(mut self, steps: &[Step]) -> i32 {
        let mut next_child = self.index + 1;
        for step in steps {
            match step {
                Step::Call { call, args } => {
                    let handler = || {
                        let handler = self.sys.handler(shared::on_signal);
                        (handler.entry, handler.restorer)
                    };
                    let laying = Laying {
                        sys: self.sys,
                        arena: self.arena,
                        body: self.index,
                        answers: &self.answers,
                        handler: &handler,
                    };
                    let made = laying.lay(*call, args);
                    let answer = errno::to_return(self.sys.make(*call, &made.regs));
                    self.learn(*call, &made, answer);
                    self.note(call.number(kernel_abi::Arch::X86_64).unwrap_or(0) as u16, &made, answer);
                }
                Step::Spawn { how, join, steps } => {
                    let answer = self.spawn(*how, *join, next_child);
                    next_child += 1 + children(steps);
                    self.note(SPAWN, &Made::default(), answer);
                }
            }
        }
        self.sys.store(shared::header(self.shared, self.index) + shared::ENDED, &1_u32);
        0
    }

    /// Remembers what a call answered.
    fn learn(&mut self, call: Call, made: &Made, answer: usize) {
        fn push<T>(list: &mut Vec<T>, value: T) {
            if list.len() == ANSWERS_MAX {
                list.remove(0);
            }
            list.push(value);
        }
        let Ok(value) = errno::from_return(answer) else { return };
        match answer_kind(call, &made.regs) {
            AnswerKind::Fd => push(&mut self.answers.fds, value as i32),
            // Whoever started the program is not to be named by it.
            AnswerKind::Pid if call == Call::getppid || value as i32 <= 0 => {}
            AnswerKind::Pid => push(&mut self.answers.pids, value as i32),
            AnswerKind::Address => {
                let len = if call == Call::mremap { made.regs[2] } else { made.regs[1] };
                self.answers.maps.retain(|map| map.0 != value);
                push(&mut self.answers.maps, (value, len.next_multiple_of(4096)));
            }
            AnswerKind::Number => push(&mut self.answers.numbers, value as u64),
            AnswerKind::Break | AnswerKind::Time | AnswerKind::Machine => {}
        }
        if matches!(call, Call::pipe | Call::pipe2)
            && let Some(look) = made.looks.first()
        {
            for fd in self.sys.load::<[i32; 2]>(look.addr) {
                push(&mut self.answers.fds, fd);
            }
        }
        if call == Call::timer_create
            && let Some(look) = made.looks.first()
        {
            push(&mut self.answers.numbers, u64::from(self.sys.load::<u32>(look.addr)));
        }
    }

    fn note(&mut self, call: u16, made: &Made, answer: usize) {
        let filled = made.looks.iter().map(|look| {
            let bytes = self.sys.bytes(look.addr, look.len);
            Filled::of(look.arg, &bytes, look.kept)
        });
        let entry =
            Entry { call, args: made.regs.map(|reg| reg as u64), answer: answer as u64, filled: filled.collect() };
        let mut bytes = Vec::with_capacity(128);
        entry.write(&mut bytes);
        self.step += 1;
        if self.log_len + bytes.len() <= shared::LOG {
            self.sys.poke(shared::log(self.shared, self.index) + self.log_len, &bytes);
            self.log_len += bytes.len();
        }
        self.sys.store(shared::header(self.shared, self.index) + shared::STEP, &[self.step, self.log_len as u32]);
    }

    fn spawn(&mut self, how: How, join: Join, child_index: usize) -> usize {
        let sys = self.sys;
        shared::leave_answers(sys, self.shared, child_index, &self.answers);
        let header = shared::header(self.shared, child_index);
        let answer = match how {
            How::Process => sys.fork_with(child, child_index),
            How::Thread => sys.thread_with(header + shared::TID_WORD, child, child_index),
        };
        let Ok(id) = answer else { return errno::to_return(answer) };
        if how == How::Process {
            // Stopped before its first step it could not say so itself.
            sys.store(header, &(id as i32));
            self.answers.pids.insert(0, id as i32);
        }
        for _ in 0..if join == Join::AtOnce { INTERRUPTIONS_MAX } else { 0 } {
            let waited = match how {
                How::Process => sys.wait4(Pid(id as i32), header + shared::STATUS, 0, 0),
                How::Thread => match sys.load::<u32>(header + shared::TID_WORD) {
                    0 => break,
                    tid => sys.futex(header + shared::TID_WORD, 0, tid, 0, 0, 0),
                },
            };
            match (how, waited) {
                (_, Err(Errno::EINTR)) | (How::Thread, Ok(_) | Err(Errno::EAGAIN)) => {}
                _ => break,
            }
        }
        id
    }
}

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// A descriptor.
    Fd,
    /// A process.
    Pid,
    /// Where memory is.
    Address,
    /// Where the heap ends: not the program's alone.
    Break,
    /// Time, in whatever unit.
    Time,
    /// What the machine is like.
    Machine,
    /// A number that counts, and that later arguments may be.
    Number,
}

/// What a call answers.
pub fn answer_kind(call: Call, regs: &[usize; 6]) -> AnswerKind {
    use Call::{
        brk, clock_nanosleep, creat, dup, dup2, dup3, epoll_create, epoll_create1, eventfd, eventfd2, fcntl, getpgid,
        getpgrp, getpid, getppid, getsid, gettid, memfd_create, mmap, mremap, open, openat, openat2, pidfd_open,
        sched_getaffinity, set_tid_address, setsid, signalfd, signalfd4, time, timerfd_create, times, wait4,
    };
    match call {
        open | openat | openat2 | creat | dup | dup2 | dup3 | eventfd | eventfd2 | signalfd | signalfd4
        | timerfd_create | memfd_create | epoll_create | epoll_create1 | pidfd_open => AnswerKind::Fd,
        // F_DUPFD and F_DUPFD_CLOEXEC.
        fcntl if matches!(regs[1] as u32, 0 | 1030) => AnswerKind::Fd,
        // F_GETOWN.
        fcntl if regs[1] as u32 == 9 => AnswerKind::Pid,
        getpid | gettid | getppid | getpgrp | getpgid | getsid | setsid | wait4 | set_tid_address => AnswerKind::Pid,
        mmap | mremap => AnswerKind::Address,
        brk => AnswerKind::Break,
        // Bytes of a set of its processors.
        sched_getaffinity => AnswerKind::Machine,
        time | times | clock_nanosleep => AnswerKind::Time,
        _ => AnswerKind::Number,
    }
}
