//! A thread that becomes another program.

use alloc::sync::Arc;

use ostd::sync::SpinLock;
use ostd::user::UserContext;

use super::{Executable, Failure, Words};
use crate::abi::Signal;
use crate::abi::structs::status_signaled;
use crate::error::{Errno, Result};
use crate::process::Thread;
use crate::signal::frame::AltStack;

impl Thread {
    /// execve(2): up to the moment nothing can fail any more, nothing has changed. What fails later kills.
    pub fn execute(self: &Arc<Self>, user: &mut UserContext, executable: Executable, words: Words) -> Result {
        let process = self.process();
        let processes = process.processes().ok_or(Errno::ENOMEM)?;
        let credentials = self.credentials();
        let limits = process.memory_limits();
        let image = match super::load(&processes, &self.fs(), &credentials, executable, words, limits) {
            Ok(image) => image,
            Err(Failure::Refused(errno)) => return Err(errno),
            Err(Failure::Fatal(errno)) => {
                tracing::debug!(tid = self.tid(), ?errno, "a program that cannot be mapped");
                self.become_only_thread(&processes)?;
                process.begin_exit(status_signaled(Signal::SIGSEGV.number(), true));
                return Ok(0);
            }
        };
        self.become_only_thread(&processes)?;
        let regs = image.regs();
        // From here on the old program is gone.
        self.release_memory(&processes);
        let old = core::mem::replace(&mut *self.space.lock(), image.space);
        self.has_new_space.store(true);
        user.reset(regs);
        drop(old);
        // Who learns of this by a descriptor that is closed finds it done.
        process.has_executed.store(true);
        let files = self.files();
        // Only a child of vfork(2) still shares; who does not keeps its table, and the locks on files that go with it.
        if Arc::strong_count(&files) > 2 {
            match files.fork() {
                Ok(own) => self.set_files(own),
                // There is no way back.
                Err(_) => process.begin_exit(status_signaled(Signal::SIGKILL.number(), false)),
            }
        }
        drop(files);
        self.files().take_close_on_exec();
        let actions = process.actions().lock().for_exec();
        *process.actions.lock() = Arc::new(SpinLock::new(actions));
        self.signals.lock().stack = AltStack::default();
        drop(self.take_restart());
        process.forget_timers();
        self.set_child_tid.store(0);
        // Before a user or a group is lent, which says otherwise.
        process.set_dumpable(credentials.acts_for_itself());
        self.set_credentials(image.credentials);
        self.set_name(&image.name);
        let old = core::mem::replace(&mut *process.info.lock(), Arc::new(image.info));
        drop(old);
        Ok(0)
    }
}
