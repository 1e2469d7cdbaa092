//! Memory that all processes of a program share with whoever runs it.

use alloc::vec::Vec;

use kernel_abi::structs::CloneArgs;
use kernel_abi::sys::{Calls, Sys};

use crate::memory::{Answers, Sharing};
use crate::model::{BODIES_MAX, Program};
use crate::transcript::{BodyRecord, Delivery, read_log};

/// In a process's page: where the shared memory is and where the program's own, then these.
pub(crate) const PAGE_BODY: usize = 16;
pub(crate) const PAGE_SERIES: usize = 24;

/// Bytes of a body's header: pid and tid, then these.
const HEADER: usize = 64;
pub(crate) const STEP: usize = 8;
pub(crate) const ENDED: usize = 16;
pub(crate) const STATUS: usize = 20;
pub(crate) const TID_WORD: usize = 24;
const SIGNALS_COUNT: usize = 28;
/// Bytes of all headers.
pub(crate) const HEADERS: usize = BODIES_MAX * HEADER;
/// Which of the programs that are lent it is, counted from one; zero if its bytes say it.
const LENT: usize = HEADERS;
/// Eight zeros.
pub(crate) const NO_SIGNALS: usize = 512;
/// Whose memory its children's processes have.
const SHARING: usize = 520;
/// Behind it: which program of a series is not waited for any longer, counted from one.
pub(crate) const CUT: usize = SHARING + 4;
/// What the first descriptors are.
pub(crate) const STREAMS: usize = 528;
/// The directory of a program that is to be made a process.
pub(crate) const DIRECTORY: usize = 784;
/// The program: its length, then its bytes; what its first body notes follows. With a small one, all of it and all that
/// is above are on one page, which its process has to be given once.
pub(crate) const PROGRAM: usize = 1040;
const PROGRAM_LEN: usize = 3 * 4096;
const FIRST_LOG_END: usize = (PROGRAM + 8 + PROGRAM_LEN + BODY).next_multiple_of(4096);
/// Bytes of a path that whoever runs programs was given.
const PATH_MAX: usize = 256;
/// Where whoever runs programs has its own arguments.
pub(crate) const OWN: usize = FIRST_LOG_END;
/// What children are told of answers.
const ANSWERS: usize = OWN + 2 * 4096;
const ANSWERS_LEN: usize = 512;
/// What other bodies note.
const LOGS: usize = ANSWERS + 4096;
/// Bytes that a body may note.
pub(crate) const LOG: usize = 15 * 1024;
const SIGNALS_MAX: u32 = 64;
const BODY: usize = 16 * 1024;
/// Stacks of bodies that have no memory of their own, for subjects whose functions have no frames there.
const STACKS: usize = LOGS + BODIES_MAX * BODY;
const STACK: usize = 2048;
/// All of it.
pub(crate) const LEN: usize = STACKS + BODIES_MAX * STACK;

pub(crate) fn of(sys: &dyn Sys) -> usize {
    sys.load(sys.page())
}

pub(crate) const fn header(shared: usize, body: usize) -> usize {
    shared + body * HEADER
}

/// These arguments, with a body's stack.
pub(crate) fn on_stack(shared: usize, body: usize, args: CloneArgs) -> CloneArgs {
    CloneArgs { stack: (shared + STACKS + body * STACK) as u64, stack_size: STACK as u64, ..args }
}

/// Where a body's notes are.
pub(crate) fn log(sys: &dyn Sys, shared: usize, body: usize) -> usize {
    if body > 0 {
        return shared + LOGS + body * BODY;
    }
    let len: usize = sys.load(shared + PROGRAM);
    shared + (PROGRAM + 8 + len.min(PROGRAM_LEN)).next_multiple_of(8)
}

/// Calls `run` with the program as its processes find it.
pub(crate) fn with_program<R>(sys: &dyn Sys, shared: usize, run: impl FnOnce(&Program) -> R) -> R {
    let [number, len]: [usize; 2] = [sys.load(shared + LENT), sys.load(shared + PROGRAM)];
    let lent = if number > 0 { sys.lent() } else { None };
    match lent.as_ref().and_then(|lent| lent.downcast_ref::<Vec<Program>>()?.get(number - 1)) {
        Some(program) => run(program),
        None => run(&Program::decode(&sys.bytes(shared + PROGRAM + 8, len.min(PROGRAM_LEN)))),
    }
}

/// How many steps of a program have been made.
pub(crate) fn steps(sys: &dyn Sys, shared: usize) -> u64 {
    (0..BODIES_MAX).map(|body| u64::from(sys.load::<u32>(header(shared, body) + STEP))).sum()
}

/// Notes a signal where the interrupted body's process notes them. All signals are blocked meanwhile.
pub(crate) fn on_signal(sys: &dyn Sys, signal: usize, info: usize, _context: usize) {
    let shared = of(sys);
    let body: usize = sys.load(sys.page() + PAGE_BODY);
    let at = header(shared, body);
    let count: u32 = sys.load(at + SIGNALS_COUNT);
    if count < SIGNALS_MAX {
        let step: u32 = sys.load(at + STEP);
        let code: u32 = if info == 0 { 0 } else { sys.load(info + 8) };
        sys.store(log(sys, shared, body) + LOG + count as usize * 12, &[signal as u32, code, step]);
    }
    sys.store(at + SIGNALS_COUNT, &(count + 1));
}

/// How a program's processes are told what to do.
pub(crate) enum Told<'a> {
    /// As bytes, which are in their memory.
    Bytes(&'a [u8]),
    /// As one of those that are lent.
    Lent(usize),
}

/// Leaves a program where its processes find it; nothing is noted of it yet.
pub(crate) fn begin(sys: &dyn Sys, shared: usize, program: &Program, told: Told<'_>, sharing: Sharing) {
    let (number, bytes) = match told {
        Told::Bytes(bytes) => (0, bytes),
        Told::Lent(index) => (index + 1, &[][..]),
    };
    sys.store(shared + SHARING, &[sharing.code(), 0]);
    sys.poke(shared, &[0; HEADERS][..program.bodies() * HEADER]);
    sys.store(shared + LENT, &number);
    sys.store(shared + PROGRAM, &bytes.len());
    sys.poke(shared + PROGRAM + 8, bytes);
}

/// Stores a string and its NUL and gives its address back.
pub(crate) fn text(sys: &dyn Sys, addr: usize, text: &[u8]) -> usize {
    let mut bytes = [0; PATH_MAX];
    let len = text.len().min(PATH_MAX - 1);
    bytes[..len].copy_from_slice(&text[..len]);
    sys.poke(addr, &bytes[..=len]);
    addr
}

/// Loads a string.
pub(crate) fn string(sys: &dyn Sys, addr: usize) -> Vec<u8> {
    let mut bytes = sys.bytes(addr, PATH_MAX);
    bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or_default());
    bytes
}

pub(crate) fn sharing(sys: &dyn Sys, shared: usize) -> Sharing {
    Sharing::decode(sys.load(shared + SHARING))
}

/// What was noted of a program, of its first body at `first_log`.
pub(crate) fn records(sys: &dyn Sys, shared: usize, program: &Program, first_log: usize) -> Vec<BodyRecord> {
    let log = |body| if body == 0 { first_log } else { log(sys, shared, body) };
    (0..program.bodies()).map(|body| record(sys, header(shared, body), log(body))).collect()
}

fn record(sys: &dyn Sys, header: usize, log: usize) -> BodyRecord {
    let [pid, tid, steps, log_len, ended, status, _, signals]: [u32; 8] = sys.load(header);
    let noted = sys.bytes(log, log_len as usize);
    let deliveries = (0..signals.min(SIGNALS_MAX) as usize).map(|index| {
        let [signal, code, step]: [u32; 3] = sys.load(log + LOG + index * 12);
        Delivery { signal, code: code as i32, step }
    });
    BodyRecord {
        pid: pid as i32,
        tid: tid as i32,
        steps,
        has_ended: ended != 0,
        status: Some(status as i32),
        entries: read_log(&noted, steps),
        signals: deliveries.collect(),
    }
}

const FDS: usize = 8;

pub(crate) fn leave_answers(sys: &dyn Sys, shared: usize, body: usize, answers: &Answers) {
    let mut words = [0_u64; 2 + 5 * FDS];
    let Answers { fds, pids, maps, numbers } = answers;
    words[0] = (fds.len() | pids.len() << 8 | maps.len() << 16 | numbers.len() << 24) as u64;
    let all = (fds.iter().map(|fd| *fd as u64))
        .chain(pids.iter().map(|pid| *pid as u64))
        .chain(maps.iter().flat_map(|map| [map.0 as u64, map.1 as u64]))
        .chain(numbers.iter().copied());
    for (word, value) in words[1..].iter_mut().zip(all) {
        *word = value;
    }
    sys.store(shared + ANSWERS + body * ANSWERS_LEN, &words);
}

pub(crate) fn take_answers(sys: &dyn Sys, shared: usize, body: usize) -> Answers {
    let words: [u64; 2 + 5 * FDS] = sys.load(shared + ANSWERS + body * ANSWERS_LEN);
    let [fds, pids, maps, numbers] = [0, 8, 16, 24].map(|shift| (words[0] >> shift & 0xff) as usize);
    let mut rest = words[1..].iter().copied();
    Answers {
        fds: rest.by_ref().take(fds).map(|fd| fd as i32).collect(),
        pids: rest.by_ref().take(pids).map(|pid| pid as i32).collect(),
        maps: {
            let words: Vec<u64> = rest.by_ref().take(2 * maps).collect();
            words.chunks_exact(2).map(|map| (map[0] as usize, map[1] as usize)).collect()
        },
        numbers: rest.by_ref().take(numbers).collect(),
    }
}
