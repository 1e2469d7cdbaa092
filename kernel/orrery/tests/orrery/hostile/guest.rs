//! The probe's side: raw calls of this process, on whichever kernel is under it.

use kernel_abi::flags::{Resource, WaitOptions};
use kernel_abi::structs::{CloneArgs, Rlimit};
use kernel_abi::sys::{ChildFn, Handler, HandlerFn, PAGE_LEN};
use kernel_abi::{Arch, Calls, Errno, Pid, Result, Signal, Sys, errno};
use ostd::hosted::native;

/// This process, with memory to pass to calls.
#[derive(Clone, Copy)]
pub(crate) struct Guest {
    page: usize,
}

impl Guest {
    /// Maps its pages, with a hole behind them.
    pub(crate) fn new() -> Self {
        let page = native::syscall(9, [0, PAGE_LEN + 4096, 3, 0x22, usize::MAX, 0]);
        native::syscall(11, [page + PAGE_LEN, 4096, 0, 0, 0, 0]);
        Self { page }
    }

    /// The first address behind its pages, where nothing is.
    pub(crate) fn hole(&self) -> usize {
        self.page + PAGE_LEN
    }

    /// Runs `child` in a child process that borrows this one's memory, until it executes a program or ends.
    pub(crate) fn vfork(&self, child: impl FnOnce() -> i32 + 'static) -> Result<i32> {
        const CLONE_VM_VFORK: u64 = 0x100 | 0x4000;
        let mut words = [0; 11];
        (words[0], words[4]) = (CLONE_VM_VFORK, Signal::SIGCHLD.number() as u64);
        Ok(process(errno::from_return(native::clone3(words, child))?))
    }

    /// Runs `child` in a child process of its own.
    pub(crate) fn fork(&self, child: impl FnOnce() -> i32 + 'static) -> Result<i32> {
        let mut words = [0; 11];
        words[4] = Signal::SIGCHLD.number() as u64;
        Ok(process(errno::from_return(native::clone3(words, child))?))
    }

    /// Waits for a child and says how it ended.
    pub(crate) fn wait(&self, pid: i32) -> Ending {
        let at = self.page + PAGE_LEN - 8;
        loop {
            match self.wait4(Pid(pid), at, WaitOptions::empty(), 0) {
                Ok(_) => return Ending(self.load(at)),
                Err(Errno::EINTR) => {}
                Err(_) => return Ending(-1),
            }
        }
    }

    /// Runs `child` in a child process of its own and says how that ended.
    pub(crate) fn outcome(&self, child: impl FnOnce() -> i32 + 'static) -> Ending {
        self.fork(child).map_or(Ending(-1), |pid| self.wait(pid))
    }

    /// Sets both limits on a resource.
    pub(crate) fn limit(&self, resource: Resource, limit: u64) -> Result {
        let at = self.store(self.page + PAGE_LEN - 16, &Rlimit { rlim_cur: limit, rlim_max: limit });
        self.setrlimit(resource, at)
    }

    /// What keeps a broken program from harming the host: no core file, some seconds of CPU time.
    pub(crate) fn confine(&self) {
        // Orrery needs neither, and may refuse them.
        let _ = self.limit(Resource::RLIMIT_CORE, 0);
        let _ = self.limit(Resource::RLIMIT_CPU, 20);
        let _ = self.limit(Resource::RLIMIT_NOFILE, 1024);
    }
}

/// The process that a call named.
fn process(answer: usize) -> i32 {
    i32::try_from(answer).unwrap_or(-1)
}

/// A status word of wait(2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending(pub(crate) i32);

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 & 0x7f {
            0 => write!(f, "exit {}", self.0 >> 8 & 0xff),
            signal => write!(f, "signal {signal}"),
        }
    }
}

impl Sys for Guest {
    fn arch(&self) -> Arch {
        Arch::X86_64
    }

    fn call(&self, number: usize, args: [usize; 6]) -> usize {
        native::syscall(number, args)
    }

    fn poke(&self, addr: usize, bytes: &[u8]) {
        native::store(addr, bytes);
    }

    fn peek(&self, addr: usize, into: &mut [u8]) {
        native::load(addr, into);
    }

    fn page(&self) -> usize {
        self.page
    }

    fn handler(&self, _run: HandlerFn) -> Handler {
        unimplemented!("probes name their handlers to `native`")
    }

    fn clone_with(&self, _args: &CloneArgs, _run: ChildFn, _arg: usize) -> Result {
        Err(Errno::ENOSYS)
    }
}
