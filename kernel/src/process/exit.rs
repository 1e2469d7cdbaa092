//! The end of threads and processes.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd::sync::Sleep;

use super::tree::State;
use super::{Process, Processes, Scheduling, Thread, ticks};
use crate::abi::Signal;
use crate::abi::flags::SI_USER;
use crate::abi::structs::{ChildChange, Siginfo, status_exited, status_signaled};
use crate::error::{Errno, Result};
use crate::vfs::FdTable;

impl Thread {
    /// exit(2): this thread ends before it goes back to its program.
    pub fn exit(&self, code: i32) {
        *self.status.lock() = status_exited(code);
        self.leaving.store(true);
        self.interrupt();
    }

    /// exit_group(2): the whole process does.
    pub fn exit_group(&self, code: i32) {
        self.process.begin_exit(status_exited(code));
    }

    /// It made a call that it may not (`SECCOMP_MODE_STRICT`): the process ends, by a signal that nobody sent.
    pub fn exit_killed(&self) {
        self.process.begin_exit(status_signaled(Signal::SIGKILL.number(), false));
    }

    /// Lets go of memory: tells who waits for it. At the end, and when another program is executed.
    pub(super) fn release_memory(&self, processes: &Processes) {
        let at = self.clear_child_tid.swap(0);
        // Where nobody is left to see it, nothing is written: set_tid_address(2) of Linux.
        let is_seen = at != 0 && processes.share_memory_with(self);
        processes.calls.thread_ends(self, is_seen.then_some(at));
        self.robust_list.store(0);
        self.released.store(true);
        self.release.wake_all();
    }

    /// The last thing a thread does.
    pub(super) fn finish(&self, processes: &Processes) {
        self.release_memory(processes);
        let space = core::mem::replace(&mut *self.space.lock(), Arc::clone(&processes.nothing));
        let files = core::mem::replace(&mut *self.files.lock(), FdTable::new());
        // Closing files may sleep, and wakes whoever waits for their end.
        drop(files);
        drop(space);
        let process = &self.process;
        // One status for the group; without exit_group(2), the first thread's.
        let own = *self.status.lock();
        let spent = self.spent();
        if self.tid() == process.pid() {
            // The dead use no disks.
            *process.scheduling.lock() = Scheduling { io_priority: 0, ..self.scheduling() };
        }
        let last = processes.strike(self);
        *process.timers.spent_by_dead.lock() += spent;
        if self.tid() == process.pid() || last {
            process.leader_status(own);
        }
        process.threads_changed.wake_all();
        if last {
            process.end(processes);
        }
    }

    /// Ends all other threads of the process and takes the first one's number: the beginning of execve(2).
    pub(super) fn become_only_thread(&self, processes: &Processes) -> Result<()> {
        let process = &self.process;
        {
            let mut survivor = process.survivor.lock();
            if survivor.is_some() || process.ending().is_some() {
                return Err(Errno::ERESTARTNOINTR);
            }
            *survivor = Some(self.tid());
        }
        let others = || -> Vec<_> { process.threads().into_iter().filter(|other| other.tid() != self.tid()).collect() };
        for other in others() {
            other.leaving.store(true);
            other.interrupt();
        }
        let alone = || (process.threads.lock().len() <= 1 || process.ending().is_some()).then_some(());
        let _ = process.threads_changed.wait_until(Sleep::uninterruptible(), alone);
        *process.survivor.lock() = None;
        if process.ending().is_some() {
            return Err(Errno::EINTR);
        }
        if self.tid() != process.pid() {
            let pid = process.pid();
            let weak = { processes.threads.lock().remove(&self.tid()) };
            process.threads.lock().clear();
            self.tid.store(pid.unsigned_abs());
            if let Some(weak) = weak {
                process.threads.lock().insert(pid, weak.clone());
                processes.threads.lock().insert(pid, weak);
            }
        }
        Ok(())
    }
}

impl Process {
    fn leader_status(&self, status: i32) {
        let mut info = self.first_status.lock();
        info.get_or_insert(status);
    }

    /// The last thread is gone: becomes a zombie, or nothing at all.
    fn end(&self, processes: &Processes) {
        let pid = self.pid();
        let own = self.first_status.lock().unwrap_or(0);
        let status = self.ending().unwrap_or(own);
        self.silence();
        if self.session().id() == pid {
            processes.hang_up(pid);
        }
        let children = processes.children(pid);
        let groups: Vec<i32> =
            children.iter().chain([&pid]).filter_map(|&pid| processes.place(pid)).map(|place| place.1).collect();
        let orphaned_before: Vec<bool> = groups.iter().map(|&group| processes.is_orphaned(group)).collect();
        let leaves_none =
            |parent: &Process, signal| signal == Signal::SIGCHLD.number() && parent.actions().lock().reaps_by_itself();
        // Who wants no zombies hears of the end no later than wait4(2) finds nobody.
        let above = processes.tree.lock().parent(pid);
        let told =
            above.filter(|(parent, signal)| parent.pid() != processes.kernel_pid() && leaves_none(parent, *signal));
        if let Some((parent, signal)) = &told {
            self.tell_end(parent, *signal, status);
        }
        let mut gone = Vec::new();
        let mut left = Vec::new();
        let (parent, exit_signal, heir) = {
            let mut tree = processes.tree.lock();
            let heir = tree.heir(pid, |ancestor| ancestor.is_reaper()).and_then(|heir| tree.get(heir));
            let heir_pid = heir.as_ref().map_or(processes.kernel_pid(), |heir| heir.pid());
            let Some((parent, exit_signal, zombies)) = tree.end(pid, status, heir_pid) else { return };
            for zombie in zombies {
                if heir.as_ref().is_none_or(|heir| heir.actions().lock().reaps_by_itself()) {
                    gone.extend(tree.reap(zombie));
                } else if let Some((_, _, _, State::Zombie(status))) = tree.place(zombie) {
                    left.extend(tree.get(zombie).map(|zombie| (zombie, status)));
                }
            }
            // In the same breath, so that nobody finds a zombie that nobody waits for.
            let unheard = told.is_some() || parent.pid() == processes.kernel_pid() || leaves_none(&parent, exit_signal);
            gone.extend(if unheard { tree.reap(pid) } else { None });
            (parent, exit_signal, heir)
        };
        drop(gone);
        self.is_gone.store(true);
        self.gone.wake_all();
        for child in children.iter().filter_map(|&child| processes.find(child)) {
            if let Some(signal) = child.death_signal() {
                let _ = child.send(signal, Siginfo::kill(signal, SI_USER, pid, self.credentials().user.real));
            }
        }
        if let Some(heir) = heir {
            for (zombie, status) in left {
                zombie.tell_end(&heir, Signal::SIGCHLD.number(), status);
            }
            heir.children_changed.wake_all();
        }
        for (&group, was) in groups.iter().zip(orphaned_before) {
            if !was {
                hang_up_if_orphaned(processes, group);
            }
        }
        if told.is_some() {
            parent.children_changed.wake_all();
        } else if parent.pid() != processes.kernel_pid() {
            self.tell_end(&parent, exit_signal, status);
        }
        let is_first = pid == processes.program_pid();
        if is_first {
            *processes.program_status.lock() = Some(status);
        }
        // It is the first program's end or everybody's that is waited for there.
        if is_first || processes.is_alone() {
            processes.ended.wake_all();
        }
    }

    fn tell_end(&self, parent: &Process, exit_signal: i32, status: i32) {
        let change = match Signal::from_number(status & 0x7f) {
            None => ChildChange::Exited(status >> 8),
            Some(signal) if status & 0x80 != 0 => ChildChange::Dumped(signal),
            Some(signal) => ChildChange::Killed(signal),
        };
        if let Some(signal) = Signal::from_number(exit_signal) {
            let spent = self.spent();
            let (user, system) = (ticks(spent.user_ns), ticks(spent.system_ns));
            let info = Siginfo::child(self.pid(), self.credentials().user.real, change, user, system);
            let _ = parent.send(signal, Siginfo { si_signo: signal.number(), ..info });
        }
        parent.children_changed.wake_all();
    }
}

/// Nobody is left who could continue the stopped members of a group: POSIX has them hear of it.
fn hang_up_if_orphaned(processes: &Processes, group: i32) {
    if !processes.is_orphaned(group) {
        return;
    }
    let members = processes.group(group);
    if members.iter().any(|member| member.stopped_by().is_some()) {
        for signal in [Signal::SIGHUP, Signal::SIGCONT] {
            let _ = processes.signal_group(group, signal, Siginfo::kernel(signal));
        }
    }
}
