//! One sequence of a program's steps: makes its calls, remembers their answers, notes what they came to.

use alloc::vec::Vec;

use kernel_abi::arg::Direction;
use kernel_abi::flags::{CloneFlags, FcntlCommand};
use kernel_abi::structs::CloneArgs;
use kernel_abi::sys::{Calls, Sys, thread_args};
use kernel_abi::{Call, Errno, Kind, Pid, Signal, errno};

use crate::layout::layout;
use crate::memory::{Answers, LOOK_MAX, Laying, Made, Sharing};
use crate::model::{How, Join, Step, children};
use crate::shared;
use crate::stage::fork;
use crate::transcript::{Entry, SPAWN};

/// Answers of a kind that are kept.
const ANSWERS_MAX: usize = 8;
/// Interruptions of waiting for a child that are borne.
const INTERRUPTIONS_MAX: usize = 100;
/// Bytes that most notes take.
const NOTE_LEN: usize = 512;

/// A process of its own with its caller's memory.
pub(crate) const SHARING_PROCESS: CloneArgs = CloneArgs {
    flags: CloneFlags::CLONE_VM.bits(),
    exit_signal: Signal::SIGCHLD.number() as u64,
    pidfd: 0,
    child_tid: 0,
    parent_tid: 0,
    stack: 0,
    stack_size: 0,
    tls: 0,
    set_tid: 0,
    set_tid_size: 0,
    cgroup: 0,
};
/// Rows without buffers that have filled every structure that they were given when they worked, with what differs from
/// machine to machine.
const TELLING: &[Call] = {
    use Call::{
        clock_gettime, fstat, fstatfs, getrusage, gettimeofday, lstat, newfstatat, stat, statfs, statx, sysinfo, times,
        uname,
    };
    &[
        clock_gettime,
        fstat,
        fstatfs,
        getrusage,
        gettimeofday,
        lstat,
        newfstatat,
        stat,
        statfs,
        statx,
        sysinfo,
        times,
        uname,
    ]
};
/// Bytes of the longest structure that they fill.
const STRUCTURE_MAX: usize = 512;
/// Where the process is in a `struct flock`.
const HOLDER_AT: usize = 24;

/// A running body.
pub(crate) struct Body<'a> {
    sys: &'a dyn Sys,
    index: usize,
    shared: usize,
    arena: usize,
    answers: Answers,
    step: u32,
    log: usize,
    log_len: usize,
    /// What a note is made of.
    noted: Vec<u8>,
    /// What the word at [`shared::CUT`] says when nobody waits for it any longer.
    number: u32,
}

/// What a child does: the argument is its body's number, and all else is in memory.
pub(crate) fn child(sys: &dyn Sys, index: usize) -> i32 {
    let shared = shared::of(sys);
    shared::with_program(sys, shared, |program| {
        let Some(steps) = program.body(index) else { return 2 };
        // Its handlers are to know whose they are.
        sys.store(sys.page() + shared::PAGE_BODY, &(index as u64));
        Body::begin(sys, index).run(steps)
    })
}

impl<'a> Body<'a> {
    /// The body as it begins, with what whoever started it knew.
    pub(crate) fn begin(sys: &'a dyn Sys, index: usize) -> Self {
        let shared = shared::of(sys);
        let mut answers = if index == 0 { Answers::default() } else { shared::take_answers(sys, shared, index) };
        // Whoever started it may have said so already.
        let known: i32 = sys.load(shared::header(shared, index));
        let pid = if known == 0 { sys.getpid().unwrap_or(0) as i32 } else { known };
        let tid = if index == 0 { pid } else { sys.gettid().unwrap_or(0) as i32 };
        // Its own comes last: the first that a tame argument means.
        answers.pids.push(pid);
        sys.store(shared::header(shared, index), &[pid, tid]);
        Self::new(sys, index, answers, shared::log(sys, shared, index))
    }

    /// The first body of a program, of this number, in a process that has run others; its notes are kept at `log`.
    pub(crate) fn first(sys: &'a dyn Sys, pid: i32, log: usize, number: u32) -> Self {
        let answers = Answers { pids: alloc::vec![pid], ..Answers::default() };
        Self { number, ..Self::new(sys, 0, answers, log) }
    }

    fn new(sys: &'a dyn Sys, index: usize, answers: Answers, log: usize) -> Self {
        let [shared, arena]: [usize; 2] = sys.load(sys.page());
        let noted = Vec::with_capacity(NOTE_LEN);
        Self { sys, index, shared, arena, answers, step: 0, log, log_len: 0, noted, number: 0 }
    }

    /// Makes all steps, or those before the one that it is interrupted in; the answer is an exit status.
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
                    if self.number != 0 && self.number == self.sys.load::<u32>(self.shared + shared::CUT) {
                        return 1;
                    }
                    self.learn(*call, &made, answer);
                    self.note(call.number(kernel_abi::Arch::X86_64).unwrap_or(0) as u16, &made, answer);
                    self.forget(*call, &made, answer);
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
        let Self { sys, ref mut noted, .. } = *self;
        noted.clear();
        Entry::begin(noted, call, &made.regs, answer, made.looks.len());
        for look in &made.looks {
            let mut bytes = [0; LOOK_MAX];
            let bytes = &mut bytes[..look.len.min(LOOK_MAX)];
            sys.peek(look.addr, bytes);
            Entry::add(noted, look.arg, bytes, look.kept);
        }
        self.step += 1;
        if self.log_len + noted.len() <= shared::LOG {
            sys.poke(self.log + self.log_len, noted);
            self.log_len += noted.len();
        }
        sys.store(shared::header(self.shared, self.index) + shared::STEP, &[self.step, self.log_len as u32]);
    }

    /// Clears what a call told of the machine and of numbers that are its own: what is masked in what was noted would be
    /// seen where it is written to a file, or as the next call's argument.
    fn forget(&self, call: Call, made: &Made, answer: usize) {
        // What a lock names is whoever holds it.
        let holder = call == Call::fcntl && FcntlCommand(made.regs[1] as u32) == FcntlCommand::F_GETLK;
        if errno::from_return(answer).is_err() || !(TELLING.contains(&call) || holder) {
            return;
        }
        if holder {
            self.sys.store(made.regs[2] + HOLDER_AT, &0_i32);
            return;
        }
        let structures = call.row().args.iter().zip(made.regs).filter_map(|(&(_, kind), addr)| match kind {
            Kind::Struct(name, Direction::Out) if addr != 0 => Some((addr, layout(name, self.sys.arch()).size)),
            _ => None,
        });
        structures.for_each(|(addr, len)| self.sys.poke(addr, &[0; STRUCTURE_MAX][..len]));
    }

    fn spawn(&mut self, how: How, join: Join, child_index: usize) -> usize {
        let sys = self.sys;
        shared::leave_answers(sys, self.shared, child_index, &self.answers);
        let header = shared::header(self.shared, child_index);
        let tid_addr = header + shared::TID_WORD;
        let answer = match (how, shared::sharing(sys, self.shared)) {
            (How::Process, Sharing::Same) => sys.clone_with(&SHARING_PROCESS, child, child_index),
            (How::Process, Sharing::Lent) => {
                sys.clone_with(&shared::on_stack(self.shared, child_index, SHARING_PROCESS), child, child_index)
            }
            (How::Process, Sharing::Copy) => fork(sys, child, child_index),
            (How::Thread, Sharing::Lent) => {
                sys.clone_with(&shared::on_stack(self.shared, child_index, thread_args(tid_addr)), child, child_index)
            }
            (How::Thread, _) => sys.thread_with(tid_addr, child, child_index),
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
