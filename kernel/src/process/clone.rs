//! New threads and processes: fork(2), vfork(2), clone(2).

use alloc::sync::Arc;

use ostd::sync::atomic::AtomicUsize;
use ostd::sync::{Sleep, SpinLock};
use ostd::user::{Registers as _, UserContext};

use super::{Process, Thread};
use crate::abi::Signal;
use crate::abi::flags::{CloneFlags, Resource};
use crate::abi::structs::status_signaled;
use crate::credentials::Credentials;
use crate::error::{Errno, Result};

/// What clone(2) is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneRequest {
    /// What is shared, without the exit signal.
    pub flags: CloneFlags,
    /// What the parent hears at the end; 0 is nothing.
    pub exit_signal: i32,
    /// The stack pointer; 0 leaves it.
    pub stack: usize,
    /// Where the parent finds the new number.
    pub parent_tid: usize,
    /// Where the child finds it, or zero at its end.
    pub child_tid: usize,
    /// The thread pointer.
    pub tls: usize,
}

const UNSUPPORTED: CloneFlags = CloneFlags::CLONE_NEWTIME
    .union(CloneFlags::CLONE_NEWNS)
    .union(CloneFlags::CLONE_NEWCGROUP)
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWUSER)
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWNET)
    .union(CloneFlags::CLONE_INTO_CGROUP);

/// What has no descriptor: single threads.
const NO_PIDFD: CloneFlags = CloneFlags::CLONE_THREAD.union(CloneFlags::CLONE_DETACHED);

/// Gives a new process a descriptor in the caller's table and says where it is told: `CLONE_PIDFD`. The left rooms know
/// no such files.
pub type Announce<'a> = &'a dyn Fn(&Arc<Process>) -> Result<i32>;

impl CloneRequest {
    /// fork(2).
    pub fn fork() -> Self {
        Self { exit_signal: Signal::SIGCHLD.number(), ..Self::default() }
    }

    /// vfork(2).
    pub fn vfork() -> Self {
        Self { flags: CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK, ..Self::fork() }
    }

    fn check(&self) -> Result<()> {
        let has = |flags| self.flags.contains(flags);
        let refused = (has(CloneFlags::CLONE_THREAD) && !has(CloneFlags::CLONE_SIGHAND))
            || (has(CloneFlags::CLONE_SIGHAND) && !has(CloneFlags::CLONE_VM))
            || has(CloneFlags::CLONE_SIGHAND | CloneFlags::CLONE_CLEAR_SIGHAND)
            || (has(CloneFlags::CLONE_PIDFD) && self.flags.intersects(NO_PIDFD))
            || self.flags.intersects(UNSUPPORTED);
        if refused { Err(Errno::EINVAL) } else { Ok(()) }
    }
}

impl Thread {
    /// Makes a thread or process that goes on from here; returns its number.
    pub fn clone_as(
        self: &Arc<Self>,
        request: &CloneRequest,
        user: &mut UserContext,
        announce: Announce<'_>,
    ) -> Result {
        request.check()?;
        let flags = request.flags;
        let processes = self.process.processes().ok_or(Errno::EAGAIN)?;
        if self.is_ending() {
            return Err(Errno::ERESTARTNOINTR);
        }
        let credentials = self.credentials();
        let tid = processes.next_pid(&credentials, self.process.limit(Resource::RLIMIT_NPROC))?;
        let shares = |flag| flags.contains(flag);
        let space = if shares(CloneFlags::CLONE_VM) { self.space() } else { self.space().fork()? };
        let files = if shares(CloneFlags::CLONE_FILES) { self.files() } else { self.files().fork()? };
        let fs = if shares(CloneFlags::CLONE_FS) { self.fs() } else { self.fs().fork() };
        let is_process = !shares(CloneFlags::CLONE_THREAD);
        let process =
            if is_process { self.child(tid, flags, Arc::clone(&credentials)) } else { Arc::clone(&self.process) };
        if is_process && !shares(CloneFlags::CLONE_VM) {
            space.set_limits(process.memory_limits());
        }
        let mut child = Arc::new(Thread::new(tid, Arc::clone(&process), space, files, fs, credentials));
        {
            let own = Arc::get_mut(&mut child).expect("nobody else has it yet");
            let from = self.signals.lock();
            let (mask, stack) = (from.saved.unwrap_or(from.mask), from.stack);
            drop(from);
            let signals = own.signals.get_mut();
            signals.mask = mask;
            // Threads do not share an alternate stack; a vfork child borrows its parent's memory, and that too.
            if !shares(CloneFlags::CLONE_VM) || shares(CloneFlags::CLONE_VFORK) {
                signals.stack = stack;
            }
            *own.name.get_mut() = self.name();
            *own.scheduling.get_mut() = self.scheduling().of_child();
            let slack = self.slack_ns();
            *own.slack_ns.get_mut() = (slack, slack);
            if shares(CloneFlags::CLONE_CHILD_SETTID) {
                own.set_child_tid = AtomicUsize::new(request.child_tid);
            }
            if shares(CloneFlags::CLONE_CHILD_CLEARTID) {
                own.clear_child_tid = AtomicUsize::new(request.child_tid);
            }
        }
        let mut registers = user.fork();
        {
            let regs = registers.regs_mut();
            regs.set_syscall_return(0);
            if request.stack != 0 {
                regs.set_sp(request.stack);
            }
            if shares(CloneFlags::CLONE_SETTLS) {
                regs.set_tls(request.tls);
            }
        }
        if shares(CloneFlags::CLONE_PARENT_SETTID) {
            let _ = self.space().write_value(request.parent_tid, &tid);
        }
        let pidfd = if shares(CloneFlags::CLONE_PIDFD) { Some(announce(&process)?) } else { None };
        if is_process {
            let mut parent = self.process.pid();
            let mut exit_signal = request.exit_signal;
            let mut tree = processes.tree.lock();
            if shares(CloneFlags::CLONE_PARENT) {
                parent = tree.place(parent).map_or(parent, |place| place.0);
                exit_signal = Signal::SIGCHLD.number();
            }
            tree.add(tid, parent, exit_signal, Arc::clone(&process));
            // `setpgid` and `setsid` of the forker are the child's too.
            drop(tree);
        }
        processes.enlist(&child);
        if self.is_ending() && is_process {
            // Whoever kills this process's group has seen only this process in it.
            process.begin_exit(status_signaled(Signal::SIGKILL.number(), false));
        }
        if process.ending().is_some() && !is_process {
            // The group is ending; whoever walked its threads did not see this one.
            child.leaving.store(true);
        }
        if let Err(errno) = super::run::start(Arc::clone(&child), registers) {
            processes.strike(&child);
            if is_process {
                let gone = processes.tree.lock().reap(tid);
                drop(gone);
                drop(pidfd.map(|fd| self.files().close(fd)));
            }
            return Err(errno);
        }
        if shares(CloneFlags::CLONE_VFORK) {
            self.wait_for_release(&child);
        }
        Ok(tid as usize)
    }

    fn child(&self, pid: i32, flags: CloneFlags, credentials: Arc<Credentials>) -> Arc<Process> {
        let parent = &self.process;
        let actions = parent.actions();
        let actions = if flags.contains(CloneFlags::CLONE_SIGHAND) {
            actions
        } else if flags.contains(CloneFlags::CLONE_CLEAR_SIGHAND) {
            let cleared = actions.lock().cleared();
            Arc::new(SpinLock::new(cleared))
        } else {
            let copy = actions.lock().clone();
            Arc::new(SpinLock::new(copy))
        };
        let now = self.space().machine().monotonic_ns();
        Process::child_of(parent, pid, actions, credentials, now)
    }

    /// vfork(2): only the end of this process ends the wait, no other signal.
    fn wait_for_release(&self, child: &Thread) {
        loop {
            let over = || (child.released.load() || self.is_ending()).then_some(());
            if child.release.wait_until(Sleep::interruptible(), over).is_ok() {
                break;
            }
            if let Some(task) = self.task() {
                task.clear_interrupt();
            }
        }
        // What came meanwhile is looked at on the way back.
        self.interrupt();
    }
}
