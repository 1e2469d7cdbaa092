//! Tame programs one after the other in one process: what each leaves there is put back before the next one begins.
//!
//! A process takes its kernel longer to make and to bury than most programs run. So one process, the *runner*, makes
//! program after program's calls, and whoever started it only looks whether it gets on. A program may end the runner or
//! wait for ever: then the runner's end is that program's, and another runner goes on behind it. One that waits for ever
//! by itself is interrupted instead, and told as if it had been killed.

use alloc::vec::Vec;

use kernel_abi::flags::{CloseRangeFlags, OpenFlags, SigHow};
use kernel_abi::sys::{Calls, Sys};
use kernel_abi::types::{SaFlags, Sigaction};
use kernel_abi::{Errno, Fd, Pid, Result, SigSet, Signal};

use crate::body::Body;
use crate::memory::{self, Sharing};
use crate::model::{BODIES_MAX, Program};
use crate::shared::{self, Told};
use crate::stage::{Conditions, Stage, UMASK, Watched, fork};
use crate::transcript::{self, BodyRecord, Transcript};
use crate::tree::{Ground, Node};

/// Memory that a series' processes share: how many programs are through, how many have begun, how many there are, where
/// the next record goes.
const THROUGH: usize = 0;
const BEGUN: usize = 8;
const RECORD_AT: usize = 24;
/// How many bodies the program has that has begun.
const BODIES: usize = 32;
/// Where whoever runs programs works, the program's directory, what its first descriptors are: strings.
const HOME: usize = 1024;
const HOME_LEN: usize = 1024;
/// What ends a runner's wait: a signal that no program has anything to do with.
const INTERRUPT: Signal = Signal::SIGSYS;
/// Runners in a row that may end before they have begun with a program.
const FAILURES_MAX: usize = 4;
const DIRECTORY: usize = 2048;
const STREAMS: usize = 3072;
/// Where a runner has its own arguments.
const OWN: usize = 4096;
/// The programs: each one's length, then its bytes.
const PROGRAMS: usize = 3 * 4096;
const PROGRAMS_LEN: usize = 128 << 10;
/// What they came to: each record's length, then its bytes.
const RECORDS: usize = PROGRAMS + PROGRAMS_LEN;
const RECORDS_LEN: usize = 512 << 10;
/// Bytes that may tell of the files that a program left.
const TREE_LEN: usize = 64 << 10;
/// Bytes that a record takes at most.
const RECORD_LEN: usize = 8 + BODIES_MAX * (transcript::HEAD + shared::LOG + 1024) + TREE_LEN;
/// All of it.
const LEN: usize = RECORDS + RECORDS_LEN;

impl Stage {
    /// Runs tame programs, given as bytes, one after the other, in as few processes as that takes. Each one's transcript
    /// is told as its bytes, in their order.
    pub fn series(
        &self,
        sys: &dyn Sys,
        programs: &[&[u8]],
        conditions: Conditions<'_>,
        tell: &mut dyn FnMut(Vec<u8>),
    ) -> Result<()> {
        let mut left = programs;
        while !left.is_empty() {
            let mut series = Series::new(sys, conditions, left)?;
            self.run_through(sys, &mut series, conditions, tell)?;
            left = &left[series.programs.len()..];
        }
        Ok(())
    }

    /// Runs a series' programs.
    fn run_through(
        &self,
        sys: &dyn Sys,
        series: &mut Series<'_>,
        conditions: Conditions<'_>,
        tell: &mut dyn FnMut(Vec<u8>),
    ) -> Result<()> {
        let memory = series.memory;
        let mut failures = 0;
        while series.told < series.programs.len() {
            let before = series.told;
            series.rewind(sys);
            let runner = fork(sys, runner, series.memory)? as i32;
            let mut progress = || {
                series.tell(sys, tell);
                (series.told as u64) << 32 | shared::steps(sys, self.shared)
            };
            let processes = || {
                let mut all = self.processes(sys);
                all.retain(|pid| *pid != runner);
                all.insert(0, runner);
                all
            };
            let interrupt = || {
                // A child or another thread would be left.
                if sys.load::<u32>(memory + BODIES) != 1 {
                    return false;
                }
                sys.store(self.shared + shared::CUT, &sys.load::<u32>(memory + BEGUN));
                sys.kill(Pid(runner), INTERRUPT).is_ok()
            };
            let watched = Watched {
                first: runner,
                wakes_by_time: false,
                only: false,
                progress: &mut progress,
                processes: &processes,
                interrupt: &interrupt,
            };
            let (status, in_time) = self.wait(sys, conditions, watched);
            series.tell(sys, tell);
            let begun: usize = sys.load(series.memory + BEGUN);
            if begun > series.told {
                let program = Program::decode(series.programs.get(series.told).copied().unwrap_or_default());
                tell(self.last_words(sys, series, &program, conditions, status, in_time)?);
                series.told += 1;
                sys.store(series.memory + THROUGH, &series.told);
            } else if series.told == before {
                failures += 1;
                if failures == FAILURES_MAX {
                    return Err(Errno::EIO);
                }
                continue;
            }
            failures = 0;
        }
        Ok(())
    }

    /// The transcript of the program that the runner did not outlive.
    fn last_words(
        &self,
        sys: &dyn Sys,
        series: &Series<'_>,
        program: &Program,
        conditions: Conditions<'_>,
        status: Option<i32>,
        in_time: bool,
    ) -> Result<Vec<u8>> {
        let record_at: usize = sys.load(series.memory + RECORD_AT);
        let mut bodies = shared::records(sys, self.shared, program, record_at + 8 + transcript::HEAD);
        // What comes after its end is not the program's: a process of its own would have been gone.
        let has_ended = bodies[0].has_ended;
        bodies[0].status = if has_ended { Some(0) } else { status };
        let tree = Ground::of(program, conditions.directory).take(sys, self.shared + shared::OWN)?;
        Ok(self.transcript(sys, bodies, in_time || has_ended, tree).to_bytes())
    }
}

/// Programs, their memory, and how many have been told.
struct Series<'a> {
    programs: &'a [&'a [u8]],
    memory: usize,
    told: usize,
    /// Where the next record to be told is.
    tell_at: usize,
}

impl<'a> Series<'a> {
    /// As many of the programs as there is room for.
    fn new(sys: &dyn Sys, conditions: Conditions<'_>, programs: &'a [&'a [u8]]) -> Result<Self> {
        let mut memory: usize = sys.load(sys.page() + shared::PAGE_SERIES);
        if memory == 0 {
            memory = sys.mmap(0, LEN, 3, 0x21, Fd(-1), 0)?;
            sys.store(sys.page() + shared::PAGE_SERIES, &memory);
            sys.getcwd(memory + HOME, HOME_LEN)?;
        }
        for (at, text) in [(DIRECTORY, conditions.directory), (STREAMS, conditions.streams)] {
            shared::text(sys, memory + at, text);
        }
        let (mut at, mut count) = (memory + PROGRAMS, 0);
        for program in programs {
            if at + 8 + program.len() > memory + RECORDS {
                break;
            }
            sys.store(at, &program.len());
            sys.poke(at + 8, program);
            at += 8 + program.len();
            count += 1;
        }
        sys.store(memory, &[0, 0, count]);
        if count == 0 {
            Err(Errno::E2BIG)
        } else {
            Ok(Self { programs: &programs[..count], memory, told: 0, tell_at: 0 })
        }
    }

    /// All records have been told.
    fn rewind(&mut self, sys: &dyn Sys) {
        self.tell_at = self.memory + RECORDS;
        sys.store(self.memory + RECORD_AT, &self.tell_at);
    }

    /// Tells what has not been told.
    fn tell(&mut self, sys: &dyn Sys, tell: &mut dyn FnMut(Vec<u8>)) {
        let through: usize = sys.load(self.memory + THROUGH);
        while self.told < through {
            let len: usize = sys.load(self.tell_at);
            tell(sys.bytes(self.tell_at + 8, len));
            self.tell_at += 8 + len;
            self.told += 1;
        }
    }
}

/// A process that runs programs, from the first that is not through.
fn runner(sys: &dyn Sys, memory: usize) -> i32 {
    let shared = shared::of(sys);
    let _ = sys.setpgid(Pid(0), Pid(0));
    sys.store(shared + shared::NO_SIGNALS, &SigSet::EMPTY);
    let _ = sys.rt_sigprocmask(SigHow::SIG_SETMASK, shared + shared::NO_SIGNALS, 0, 8);
    let handler = sys.handler(on_interrupt);
    let action = Sigaction {
        handler: handler.entry,
        flags: SaFlags::SA_RESTORER,
        restorer: handler.restorer,
        ..Sigaction::default()
    };
    sys.poke(memory + OWN, &action.encode(sys.arch()));
    let _ = sys.rt_sigaction(INTERRUPT, memory + OWN, 0, 8);
    let Ok(pid) = sys.getpid() else { return 1 };
    let directory = shared::string(sys, memory + DIRECTORY);
    let runner = Runner { sys, memory, shared, pid: pid as i32, directory };
    runner.run().map_or(1, |()| 0)
}

/// A call that waits ends by it.
fn on_interrupt(_: &dyn Sys, _: usize, _: usize, _: usize) {}

struct Runner<'a> {
    sys: &'a dyn Sys,
    memory: usize,
    shared: usize,
    pid: i32,
    directory: Vec<u8>,
}

impl Runner<'_> {
    fn run(&self) -> Result<()> {
        let Self { sys, memory, .. } = *self;
        let [through, _, count, mut record_at]: [usize; 4] = sys.load(memory);
        let mut at = memory + PROGRAMS;
        descriptors(sys, memory + STREAMS)?;
        for index in 0..count {
            let len: usize = sys.load(at);
            if index >= through {
                if record_at + RECORD_LEN > memory + LEN {
                    break;
                }
                let bytes = sys.bytes(at + 8, len);
                let program = Program::decode(&bytes);
                record_at = self.one(&program, &bytes, index, record_at)?;
                sys.store(memory + RECORD_AT, &record_at);
                sys.store(memory + THROUGH, &(index + 1));
            }
            at += 8 + len;
        }
        Ok(())
    }

    /// Runs one, and puts back what it changed. Says where its record ends.
    fn one(&self, program: &Program, bytes: &[u8], index: usize, record_at: usize) -> Result<usize> {
        let Self { sys, memory, shared, ref directory, .. } = *self;
        let own = memory + OWN;
        let ground = Ground::of(program, directory);
        sys.chdir(shared::text(sys, own, &ground.make(sys, own)?))?;
        // Not known to have begun before all that is noted is its own.
        shared::begin(sys, shared, program, Told::Bytes(bytes), Sharing::of(program));
        sys.store(shared::header(shared, 0), &[self.pid; 2]);
        sys.store(memory + BODIES, &(program.bodies() as u32));
        sys.store(memory + BEGUN, &(index + 1));
        let log_at = record_at + 8 + transcript::HEAD;
        let is_through = Body::first(sys, self.pid, log_at, index as u32 + 1).run(&program.steps) == 0;
        sys.chdir(memory + HOME)?;
        sys.umask(UMASK)?;
        descriptors(sys, memory + STREAMS)?;
        let [_, arena, _]: [usize; 3] = sys.load(sys.page());
        memory::refill(sys, arena, program.bodies(), program.uses_ground());
        let tree = ground.take(sys, own)?;
        let len = if program.bodies() == 1 {
            self.finish(record_at, is_through, arena as u64, &tree)
        } else {
            let mut bodies = shared::records(sys, shared, program, log_at);
            bodies[0].status = Some(0);
            let transcript =
                Transcript { arch: sys.arch(), bodies, in_time: true, arena: arena as u64, tree }.to_bytes();
            sys.poke(record_at + 8, &transcript);
            transcript.len()
        };
        sys.store(record_at, &len);
        Ok(record_at + 8 + len)
    }

    /// Makes a transcript of the notes that are there, and says how long it is.
    fn finish(&self, record_at: usize, is_through: bool, arena: u64, tree: &[Node]) -> usize {
        let Self { sys, shared, pid, .. } = *self;
        let [steps, log_len]: [u32; 2] = sys.load(shared::header(shared, 0) + shared::STEP);
        // As if it had been killed, which takes longer.
        let status = Some(if is_through { 0 } else { Signal::SIGKILL.number() });
        let body = BodyRecord { pid, tid: pid, steps, has_ended: is_through, status, ..BodyRecord::default() };
        let head = transcript::head(sys.arch(), is_through, arena, &body, log_len as usize);
        let tail = transcript::tail(tree, TREE_LEN);
        let log_len = log_len as usize;
        sys.poke(record_at + 8, &head);
        sys.poke(record_at + 8 + head.len() + log_len, &tail);
        head.len() + log_len + tail.len()
    }
}

/// Leaves a process no descriptors but the first three, which are all the file of this name; or what they are, if it has
/// none.
pub(crate) fn descriptors(sys: &dyn Sys, name: usize) -> Result<()> {
    if sys.load::<u8>(name) == 0 {
        return Ok(());
    }
    sys.close_range(0, u32::MAX, CloseRangeFlags::empty())?;
    let first = Fd(sys.openat(Fd::CWD, name, OpenFlags::O_RDWR, 0)? as i32);
    for _ in 1..3 {
        sys.dup(first)?;
    }
    Ok(())
}
