//! A thread that becomes another program.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd::sync::SpinLock;
use ostd::user::UserContext;

use crate::abi::flags::Resource;
use crate::error::{Errno, Result};
use crate::process::Thread;
use crate::signal::frame::AltStack;
use crate::vfs::Path;

impl Thread {
    /// execve(2): up to the moment nothing can fail any more, nothing has changed.
    pub fn execute(
        self: &Arc<Self>,
        user: &mut UserContext,
        at: Option<&Path>,
        path: &[u8],
        argv: Vec<Vec<u8>>,
        envp: Vec<Vec<u8>>,
    ) -> Result {
        let process = self.process();
        let processes = process.processes().ok_or(Errno::ENOMEM)?;
        let credentials = self.credentials();
        let limit = usize::try_from(process.limit(Resource::RLIMIT_STACK)).unwrap_or(usize::MAX).min(1 << 30);
        let image = super::load(processes.machine(), &self.fs(), &credentials, at, path, argv, envp, limit)?;
        self.become_only_thread(&processes)?;
        // From here on the old program is gone.
        let regs = image.regs();
        self.release_memory(&processes);
        let old = core::mem::replace(&mut *self.space.lock(), image.space);
        user.reset(regs);
        drop(old);
        let files = self.files();
        // Only a child of vfork(2) still shares; who does not keeps its table, and the locks on files that go with it.
        if Arc::strong_count(&files) > 2 {
            self.set_files(files.fork());
        }
        drop(files);
        self.files().take_close_on_exec();
        let actions = process.actions().lock().for_exec();
        *process.actions.lock() = Arc::new(SpinLock::new(actions));
        self.signals.lock().stack = AltStack::default();
        drop(self.take_restart());
        self.set_child_tid.store(0);
        self.set_credentials(credentials.for_exec());
        self.set_name(&image.name);
        let old = core::mem::replace(&mut *process.info.lock(), image.info);
        drop(old);
        process.has_executed.store(true);
        Ok(0)
    }
}
