//! Runs a program on a subject: in a process of its own, in a directory of its own, for as long as somebody has patience.

use alloc::vec::Vec;

use kernel_abi::flags::{AtFlags, SigHow, WaitId, WaitOptions};
use kernel_abi::structs::Timespec;
use kernel_abi::sys::{Calls, Sys};
use kernel_abi::{Errno, Fd, Mode, Pid, Result, SigSet, Signal};

use crate::body::Body;
use crate::memory;
use crate::model::{BODIES_MAX, Program};
use crate::transcript::{BodyRecord, Transcript};
use crate::tree;

/// How long a program may sleep, in nanoseconds, when nobody says otherwise: on a virtual clock it is no time at all.
pub const PATIENCE_NS: u64 = 1_000_000_000;
/// How long a program may be silent before whoever runs it looks whether it can ever go on.
const GLANCE_NS: u64 = 200_000;
/// How many times longer is waited for whom one can see at work.
const AWAKE: u64 = 20;
/// Children that ended, left where they are.
const NEWS: WaitOptions = WaitOptions::WEXITED.union(WaitOptions::WNOHANG).union(WaitOptions::WNOWAIT);
/// Where a program's directory is within the one that is made for it: what it does to `..` is gone with that.
const INNER: &[u8] = b"d";

/// What whoever runs programs has made for them, once in a process: their memory, and where they leave what they did.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    shared: usize,
}

/// Tells something of processes.
pub type Look<'a> = &'a dyn Fn(&[i32]) -> bool;

/// How a program is run.
#[derive(Clone, Copy)]
pub struct Conditions<'a> {
    /// What its directory is called; it is not there yet, and is gone afterwards.
    pub directory: &'a [u8],
    /// How long nothing may be heard of it, by the subject's clock.
    pub patience_ns: u64,
    /// Whether all tasks of these processes certainly sleep. A program in which nothing happens by time alone is not
    /// waited for any longer then.
    pub is_asleep: Option<Look<'a>>,
}

impl Default for Conditions<'_> {
    fn default() -> Self {
        Self { directory: b"p", patience_ns: PATIENCE_NS, is_asleep: None }
    }
}

/// Runs one program, in a directory `p` below the working directory.
pub fn run(program: &Program, sys: &dyn Sys) -> Result<Transcript> {
    Stage::new(sys)?.run(sys, program, Conditions::default())
}

impl Stage {
    /// Makes one. This process keeps SIGCHLD blocked from now on, and takes over children whose parents end.
    pub fn new(sys: &dyn Sys) -> Result<Self> {
        let shared = sys.mmap(0, shared::LEN, 3, 0x21, Fd(-1), 0)?;
        let arena = memory::map(sys)?;
        sys.store(sys.page(), &[shared, arena, 0]);
        sys.store(shared + shared::OWN, &SigSet(1 << (Signal::SIGCHLD.number() - 1)));
        sys.rt_sigprocmask(SigHow::SIG_BLOCK, shared + shared::OWN, 0, 8)?;
        // PR_SET_CHILD_SUBREAPER. Process 1 is that anyhow.
        let _ = sys.prctl(36, 1, 0, 0, 0);
        sys.umask(Mode(0o022))?;
        Ok(Self { shared })
    }

    /// Runs a program to its end, or to that of patience, and ends whoever is left of it.
    pub fn run(&self, sys: &dyn Sys, program: &Program, conditions: Conditions<'_>) -> Result<Transcript> {
        let Self { shared } = *self;
        let bytes = program.encode();
        sys.poke(shared, &[0; shared::HEADERS]);
        sys.store(shared + shared::PROGRAM, &bytes.len());
        sys.poke(shared + shared::PROGRAM + 8, &bytes);
        self.directory(sys, conditions.directory)?;
        let pid = sys.fork_with(first, 0)?;
        sys.store(shared::header(shared, 0), &(pid as i32));
        let is_asleep = conditions.is_asleep.filter(|_| !program.waits_for_time());
        let (status, in_time) = self.wait(sys, pid as i32, conditions.patience_ns, is_asleep);
        let mut bodies: Vec<BodyRecord> =
            (0..program.bodies()).map(|index| shared::record(sys, shared, index)).collect();
        if let Some(first) = bodies.first_mut() {
            first.pid = pid as i32;
            first.status = status;
        }
        let tree = tree::take(sys, shared + shared::OWN, conditions.directory)?;
        let [_, arena, _]: [usize; 3] = sys.load(sys.page());
        Ok(Transcript { arch: sys.arch(), bodies, in_time, arena: arena as u64, tree })
    }

    fn directory(&self, sys: &dyn Sys, name: &[u8]) -> Result {
        let own = self.shared + shared::OWN;
        let mut path: Vec<u8> = name.to_vec();
        path.push(0);
        sys.poke(own, &path);
        sys.mkdirat(Fd::CWD, own, Mode(0o755))?;
        path.pop();
        path.push(b'/');
        path.extend_from_slice(INNER);
        path.push(0);
        sys.poke(own, &path);
        sys.mkdirat(Fd::CWD, own, Mode(0o755))
    }

    /// Waits until no child is left. The answer is the status of `first`, and whether it was in time.
    fn wait(&self, sys: &dyn Sys, first: i32, patience_ns: u64, is_asleep: Option<Look<'_>>) -> (Option<i32>, bool) {
        // Behind the directory's name, which the child may be about to read.
        let own = self.shared + shared::OWN + 2048;
        let set = sys.store(own, &SigSet(1 << (Signal::SIGCHLD.number() - 1)));
        // Who does not sleep only has to be given a processor.
        let (glance_ns, patience_ns) = match is_asleep {
            Some(_) => (GLANCE_NS.min(patience_ns), patience_ns.saturating_mul(AWAKE)),
            None => (patience_ns, patience_ns),
        };
        let (mut status, mut in_time) = (None, true);
        let mut silent_ns = 0;
        loop {
            // WNOHANG, until nobody can be heard of any more: then to the end.
            match sys.wait4(Pid(-1), own + 32, if in_time { 1 } else { 0 }, 0) {
                Ok(0) => {
                    let span = Timespec {
                        tv_sec: (glance_ns / 1_000_000_000) as i64,
                        tv_nsec: (glance_ns % 1_000_000_000) as i64,
                    };
                    if sys.rt_sigtimedwait(set, 0, sys.store(own + 8, &span), 8) != Err(Errno::EAGAIN) {
                        silent_ns = 0;
                        continue;
                    }
                    silent_ns += glance_ns;
                    // Somebody may have been started before all that were known began to sleep.
                    let known = self.processes(sys);
                    let is_over = is_asleep.is_some_and(|look| look(&known)) && self.processes(sys) == known;
                    // Who has ended meanwhile sleeps, too.
                    let has_news = || {
                        sys.waitid(WaitId::P_ALL, Pid(0), own + 64, NEWS, 0).is_ok() && sys.load::<i32>(own + 64) != 0
                    };
                    in_time = silent_ns < patience_ns && (!is_over || has_news());
                    if !in_time {
                        self.kill(sys);
                    }
                }
                Ok(pid) if pid as i32 == first => status = Some(sys.load(own + 32)),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return (status, in_time),
            }
        }
    }

    /// The processes of the program that were ever started.
    fn processes(&self, sys: &dyn Sys) -> Vec<i32> {
        let pids = (0..BODIES_MAX).map(|index| sys.load::<i32>(shared::header(self.shared, index)));
        let mut pids: Vec<i32> = pids.filter(|pid| *pid > 0).collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Ends every process of the program; a second time for those that were being started.
    fn kill(&self, sys: &dyn Sys) {
        for _ in 0..2 {
            for pid in self.processes(sys) {
                let _ = sys.kill(Pid(pid), Signal::SIGKILL);
            }
        }
    }
}

/// The first process of a program.
fn first(sys: &dyn Sys, _: usize) -> i32 {
    let shared = shared::of(sys);
    let program = Program::decode(&shared::program(sys, shared));
    // What is refused here is seen in what the program's calls answer. A session of its own is dear where sessions get
    // their shares of a processor.
    let _ = if program.asks_for_sessions() { sys.setsid() } else { sys.setpgid(Pid(0), Pid(0)) };
    let _ = sys.chdir(shared + shared::OWN);
    sys.store(shared + shared::NO_SIGNALS, &SigSet::EMPTY);
    let _ = sys.rt_sigprocmask(SigHow::SIG_SETMASK, shared + shared::NO_SIGNALS, 0, 8);
    Body::begin(sys, 0).run(&program.steps)
}

/// Removes a directory's entry, whatever it is.
pub(crate) fn unlink(sys: &dyn Sys, directory: Fd, name: usize) -> Result {
    match sys.unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::EISDIR | Errno::EPERM) => sys.unlinkat(directory, name, AtFlags::AT_REMOVEDIR),
        other => other,
    }
}

/// Memory that all processes of a program share with whoever runs it.
pub(crate) mod shared {
    use alloc::vec::Vec;

    use kernel_abi::sys::{Calls, Sys};

    use crate::memory::Answers;
    use crate::model::BODIES_MAX;
    use crate::transcript::{BodyRecord, Delivery, read_log};

    /// In a process's page: where the shared memory is, then these.
    pub(crate) const PAGE_ARENA: usize = 8;
    pub(crate) const PAGE_BODY: usize = 16;

    /// Bytes of a body's header: pid and tid, then these.
    const HEADER: usize = 64;
    pub(crate) const STEP: usize = 8;
    pub(crate) const ENDED: usize = 16;
    pub(crate) const STATUS: usize = 20;
    pub(crate) const TID_WORD: usize = 24;
    const SIGNALS_COUNT: usize = 28;
    /// Bytes of all headers.
    pub(crate) const HEADERS: usize = BODIES_MAX * HEADER;
    /// Eight zeros.
    pub(crate) const NO_SIGNALS: usize = 1024;
    /// Where whoever runs programs has its own arguments.
    pub(crate) const OWN: usize = 4096;
    /// The program: its length, then its bytes.
    pub(crate) const PROGRAM: usize = 3 * 4096;
    /// What children are told of answers.
    const ANSWERS: usize = PROGRAM + 3 * 4096;
    const ANSWERS_LEN: usize = 512;
    /// What bodies note.
    const LOGS: usize = ANSWERS + 4096;
    /// Bytes that a body may note.
    pub(crate) const LOG: usize = 15 * 1024;
    const SIGNALS_MAX: u32 = 64;
    const BODY: usize = 16 * 1024;
    /// All of it.
    pub(crate) const LEN: usize = LOGS + BODIES_MAX * BODY;

    pub(crate) fn of(sys: &dyn Sys) -> usize {
        sys.load(sys.page())
    }

    pub(crate) const fn header(shared: usize, body: usize) -> usize {
        shared + body * HEADER
    }

    pub(crate) const fn log(shared: usize, body: usize) -> usize {
        shared + LOGS + body * BODY
    }

    pub(crate) fn program(sys: &dyn Sys, shared: usize) -> Vec<u8> {
        let len: usize = sys.load(shared + PROGRAM);
        sys.bytes(shared + PROGRAM + 8, len.min(ANSWERS - PROGRAM - 8))
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
            sys.store(log(shared, body) + LOG + count as usize * 12, &[signal as u32, code, step]);
        }
        sys.store(at + SIGNALS_COUNT, &(count + 1));
    }

    pub(crate) fn record(sys: &dyn Sys, shared: usize, body: usize) -> BodyRecord {
        let [pid, tid, steps, log_len, ended, status, _, signals]: [u32; 8] = sys.load(header(shared, body));
        let noted = sys.bytes(log(shared, body), log_len as usize);
        let deliveries = (0..signals.min(SIGNALS_MAX) as usize).map(|index| {
            let [signal, code, step]: [u32; 3] = sys.load(log(shared, body) + LOG + index * 12);
            Delivery { signal, code: code as i32, step }
        });
        BodyRecord {
            pid: pid as i32,
            tid: tid as i32,
            steps,
            has_ended: ended != 0,
            status: Some(status as i32),
            entries: read_log(&noted),
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
}
