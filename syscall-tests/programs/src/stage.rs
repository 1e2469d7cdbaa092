//! Runs a program on a subject: in a process of its own, in a directory of its own, for as long as somebody has patience.

use alloc::vec::Vec;

use kernel_abi::flags::{SigHow, WaitId, WaitOptions};
use kernel_abi::structs::Timespec;
use kernel_abi::sys::{Calls, ChildFn, Sys};
use kernel_abi::{Call, Errno, Fd, Mode, Pid, Result, SigSet, Signal};

use crate::body::{Body, SHARING_PROCESS};
use crate::memory;
use crate::memory::Sharing;
use crate::model::{BODIES_MAX, Program};
use crate::series;
use crate::shared::{self, Told};
use crate::transcript::{BodyRecord, Transcript};
use crate::tree::{self, Node};

/// How long a program may sleep, in nanoseconds, when nobody says otherwise: on a virtual clock it is no time at all.
pub const PATIENCE_NS: u64 = 1_000_000_000;
/// How long a program may be silent before whoever runs it looks whether it can ever go on: looking takes as long as some
/// programs do.
const GLANCE_NS: u64 = 500_000;
/// How many times longer is waited for whom one can see at work.
const AWAKE: u64 = 20;
/// Children that ended, left where they are.
const NEWS: WaitOptions = WaitOptions::WEXITED.union(WaitOptions::WNOHANG).union(WaitOptions::WNOWAIT);
/// The mask of permissions that a program begins with.
pub(crate) const UMASK: Mode = Mode(0o022);

/// What whoever runs programs has made for them, once in a process: their memory, and where they leave what they did.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    pub(crate) shared: usize,
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
    /// waited for any longer then; with another one, it is sleeping that takes patience.
    pub is_asleep: Option<Look<'a>>,
    /// The file that a program's first three descriptors are, opened anew; if it has no name, those of whoever runs it.
    pub streams: &'a [u8],
    /// Which of the programs it is that [`Sys::lend`] has lent as a `Vec<Program>`. On a subject that does that, functions
    /// have no stack in their program's memory either, and it may be [`Sharing::Lent`], too.
    pub lent: Option<usize>,
}

impl Default for Conditions<'_> {
    fn default() -> Self {
        Self { directory: b"p", patience_ns: PATIENCE_NS, is_asleep: None, streams: b"", lent: None }
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
        sys.umask(UMASK)?;
        Ok(Self { shared })
    }

    /// Runs a program to its end, or to that of patience, and ends whoever is left of it.
    pub fn run(&self, sys: &dyn Sys, program: &Program, conditions: Conditions<'_>) -> Result<Transcript> {
        let Self { shared } = *self;
        let lent = conditions.lent.filter(|_| sys.lent().is_some());
        let sharing = if lent.is_some() && program.can_be_lent() { Sharing::Lent } else { Sharing::Copy };
        match lent {
            Some(index) => shared::begin(sys, shared, program, Told::Lent(index), sharing),
            None => shared::begin(sys, shared, program, Told::Bytes(&program.encode()), sharing),
        }
        shared::text(sys, shared + shared::STREAMS, conditions.streams);
        let ground = tree::Ground::of(program, conditions.directory);
        shared::text(sys, shared + shared::DIRECTORY, &ground.make(sys, shared + shared::OWN)?);
        let pid = match sharing {
            Sharing::Lent => sys.clone_with(&shared::on_stack(shared, 0, SHARING_PROCESS), first, 0)?,
            _ => fork(sys, first, 0)?,
        } as i32;
        sys.store(shared::header(shared, 0), &pid);
        let watched = Watched {
            first: pid,
            wakes_by_time: conditions.is_asleep.is_some() && program.waits_for_time(),
            only: program.bodies() == 1,
            progress: &mut || 0,
            processes: &|| self.processes(sys),
            interrupt: &|| false,
        };
        let (status, in_time) = self.wait(sys, conditions, watched);
        let mut bodies = shared::records(sys, shared, program, shared::log(sys, shared, 0));
        if let Some(first) = bodies.first_mut() {
            first.pid = pid;
            first.status = status;
        }
        if sharing == Sharing::Lent {
            let [_, arena]: [usize; 2] = sys.load(sys.page());
            memory::refill(sys, arena, program.bodies(), program.uses_ground());
            sys.store(sys.page() + shared::PAGE_BODY, &0_u64);
        }
        let tree = ground.take(sys, shared + shared::OWN)?;
        Ok(self.transcript(sys, bodies, in_time, tree))
    }

    pub(crate) fn transcript(
        &self,
        sys: &dyn Sys,
        mut bodies: Vec<BodyRecord>,
        in_time: bool,
        tree: Vec<Node>,
    ) -> Transcript {
        // Whether somebody that a signal ended was told before how a child had ended is nobody's doing, be it that the child
        // sent it or that nobody waits for either any longer. How far the child came is known all the same.
        if let Some((first, children)) = bodies.split_first_mut()
            && first.status.is_some_and(|status| status & 0x7f != 0)
        {
            children.iter_mut().for_each(|child| child.status = Some(0));
        }
        let [_, arena, _]: [usize; 3] = sys.load(sys.page());
        Transcript { arch: sys.arch(), bodies, in_time, arena: arena as u64, tree }
    }

    /// Waits until no child is left. The answer is the status of the first, and whether it was in time: whether never for
    /// as long as patience lasts a child ended or the number of progress changed. Who is not is interrupted or killed.
    pub(crate) fn wait(&self, sys: &dyn Sys, conditions: Conditions<'_>, watched: Watched<'_>) -> (Option<i32>, bool) {
        let Conditions { patience_ns, is_asleep, .. } = conditions;
        let Watched { first, wakes_by_time, only, progress, processes, interrupt } = watched;
        let own = self.shared + shared::OWN + 2048;
        let set = sys.store(own, &SigSet(1 << (Signal::SIGCHLD.number() - 1)));
        // Who does not sleep only has to be given a processor.
        let (glance_ns, patience_ns) = match is_asleep {
            Some(_) if wakes_by_time => (patience_ns / AWAKE, patience_ns.saturating_mul(AWAKE)),
            Some(_) => (GLANCE_NS.min(patience_ns), patience_ns.saturating_mul(AWAKE)),
            None => (patience_ns, patience_ns),
        };
        let span = Timespec { tv_sec: (glance_ns / 1_000_000_000) as i64, tv_nsec: (glance_ns % 1_000_000_000) as i64 };
        sys.store(own + 8, &span);
        let (mut status, mut in_time) = (None, true);
        let (mut silent_ns, mut seen) = (0, 0);
        let mut interrupted = None;
        loop {
            // Until nobody can be heard of any more: then to the end.
            let is_news = in_time && sys.rt_sigtimedwait(set, 0, own + 8, 8) != Err(Errno::EAGAIN);
            loop {
                // WNOHANG.
                match sys.wait4(Pid(-1), own + 32, if in_time { 1 } else { 0 }, 0) {
                    Ok(0) => break,
                    Ok(pid) if pid as i32 == first => {
                        status = Some(sys.load(own + 32));
                        if only {
                            return (status, in_time);
                        }
                    }
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(_) => return (status, in_time),
                }
            }
            let now = progress();
            if is_news || now != seen {
                (silent_ns, seen) = (0, now);
                continue;
            }
            silent_ns += glance_ns;
            // Somebody may have been started before all that were known began to sleep.
            let known = processes();
            let all_sleep = is_asleep.is_some_and(|look| look(&known)) && processes() == known;
            if all_sleep && wakes_by_time {
                silent_ns += glance_ns * (AWAKE - 1);
            }
            let is_over = all_sleep && !wakes_by_time;
            // Who has ended meanwhile sleeps, too; and who got on before.
            let has_news =
                || sys.waitid(WaitId::P_ALL, Pid(0), own + 64, NEWS, 0).is_ok() && sys.load::<i32>(own + 64) != 0;
            in_time = silent_ns < patience_ns && (!is_over || has_news() || progress() != seen);
            if !in_time && interrupted != Some(now) && interrupt() {
                (in_time, silent_ns, interrupted) = (true, 0, Some(now));
            } else if !in_time {
                kill(sys, processes);
                if is_asleep.is_some() {
                    // A thread that has been looked at takes its traces out of /proc as its process can be waited for
                    // already; who did so at once would turn in circles until that thread has a processor again.
                    let _ = sys.nanosleep(own + 8, 0);
                }
            }
        }
    }

    /// The processes of the program that were ever started.
    pub(crate) fn processes(&self, sys: &dyn Sys) -> Vec<i32> {
        let pids = (0..BODIES_MAX).map(|index| sys.load::<i32>(shared::header(self.shared, index)));
        let mut pids: Vec<i32> = pids.filter(|pid| *pid > 0).collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }
}

/// fork(2), which looks at no memory of its caller's, by that name or as a younger call.
pub(crate) fn fork(sys: &dyn Sys, run: ChildFn, arg: usize) -> Result {
    match sys.child_of(Call::fork, &[], run, arg) {
        Err(Errno::ENOSYS) => sys.fork_with(run, arg),
        answer => answer,
    }
}

/// Whom is waited for.
pub(crate) struct Watched<'a> {
    /// Whose end counts.
    pub(crate) first: i32,
    /// Whether something may happen to them by time alone, which matters where somebody looks whether they sleep.
    pub(crate) wakes_by_time: bool,
    /// Whether it has no children.
    pub(crate) only: bool,
    /// Changes as they get on.
    pub(crate) progress: &'a mut dyn FnMut() -> u64,
    /// All that were ever started.
    pub(crate) processes: &'a dyn Fn() -> Vec<i32>,
    /// Has them go on without what they wait for; whether there is a way to. Who does not is killed then.
    pub(crate) interrupt: &'a dyn Fn() -> bool,
}

/// Ends every process of the program; a second time for those that were being started.
fn kill(sys: &dyn Sys, processes: &dyn Fn() -> Vec<i32>) {
    for _ in 0..2 {
        for pid in processes() {
            let _ = sys.kill(Pid(pid), Signal::SIGKILL);
        }
    }
}

/// The first process of a program.
fn first(sys: &dyn Sys, _: usize) -> i32 {
    let shared = shared::of(sys);
    shared::with_program(sys, shared, |program| {
        let _ = sys.chdir(shared + shared::DIRECTORY);
        let _ = series::descriptors(sys, shared + shared::STREAMS);
        // What these change, a tame program does not see.
        if !program.is_tame() {
            // What is refused here is seen in what the program's calls answer. A session of its own is dear where sessions
            // get their shares of a processor.
            let _ = if program.asks_for_sessions() { sys.setsid() } else { sys.setpgid(Pid(0), Pid(0)) };
            sys.store(shared + shared::NO_SIGNALS, &SigSet::EMPTY);
            let _ = sys.rt_sigprocmask(SigHow::SIG_SETMASK, shared + shared::NO_SIGNALS, 0, 8);
        }
        Body::begin(sys, 0).run(&program.steps)
    })
}
