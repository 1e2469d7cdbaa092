//! System calls: the table of [`kernel_abi`] expanded into dispatch, and the handlers, a file per family.
//!
//! A handler is named as the table says (`file::read` is `read` in `file.rs`) and takes the row's arguments decoded. The
//! order of its lines is the order of Linux's errors. No lock is held here between calls.

mod attr;
mod copy;
mod dir;
mod epoll;
mod event;
mod file;
mod futex;
mod id;
mod info;
mod ioctl;
mod itimer;
mod limit;
mod lock;
mod memory;
mod mount;
mod owner;
mod path;
mod pidfd;
mod pipe;
mod poll;
mod prctl;
mod priority;
mod process;
mod sched;
mod signal;
mod time;
mod timer;
mod xattr;

use alloc::string::String;
use alloc::sync::Arc;

use kernel_abi::row::Call;
use kernel_abi::{Arch, strace};
use ostd::user::{Regs as MachineRegs, UserContext};

use crate::credentials::Credentials;
use crate::error::{Errno, Result};
use crate::kernel::Kernel;
use crate::mm::AddressSpace;
use crate::process::{Process, Thread};
use crate::vfs::{FdTable, FsContext};

/// What a handler works with: the kernel, the calling thread, its memory, and its registers.
pub(crate) struct Context<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) thread: &'a Arc<Thread>,
    space: &'a AddressSpace,
    pub(crate) user: &'a mut UserContext,
}

#[allow(dead_code, reason = "handlers of all families use them, in their own time")]
impl<'a> Context<'a> {
    /// The memory that the call was made in: only execve(2) gives the thread another, and does not come back to this one.
    pub(crate) fn space(&self) -> &'a AddressSpace {
        self.space
    }

    pub(crate) fn files(&self) -> Arc<FdTable> {
        self.thread.files()
    }

    pub(crate) fn fs(&self) -> Arc<FsContext> {
        self.thread.fs()
    }

    pub(crate) fn credentials(&self) -> Arc<Credentials> {
        self.thread.credentials()
    }

    pub(crate) fn process(&self) -> &Arc<Process> {
        self.thread.process()
    }
}

/// Which column of the table this machine's programs use.
const ARCH: Arch = match <MachineRegs as ostd::user::Registers>::ARCH {
    ostd::user::Arch::X86_64 => Arch::X86_64,
    ostd::user::Arch::Riscv64 => Arch::Riscv64,
};

/// One handler's call: `later` rows have none yet.
macro_rules! handle {
    ($cx:ident $regs:ident $name:ident (later $room:ident) $handler:ident ($($ty:ty),*)) => {
        $cx.kernel.note_missing(stringify!($name))
    };
    ($cx:ident $regs:ident $name:ident ($room:ident) $handler:ident ($($ty:ty),*)) => {
        $room::$handler($cx, $(<$ty as kernel_abi::Arg>::decode($regs)),*)
    };
}

macro_rules! dispatch {
    ($($(#[doc = $doc:literal])* $name:ident [$x86:tt $riscv:tt] = $($room:ident)+ :: $handler:ident
        ($($arg:ident: $ty:ty),*) $(without $without:literal)?;)*) => {
        fn dispatch(call: Call, cx: &mut Context<'_>, regs: &mut kernel_abi::Regs) -> Result {
            match call {
                $(Call::$name => handle!(cx regs $name ($($room)+) $handler ($($ty),*)),)*
            }
        }
    };
}

mod table {
    #[allow(clippy::wildcard_imports, reason = "the table's rows name most of it")]
    use kernel_abi::types::*;

    #[allow(clippy::wildcard_imports, reason = "the table's rows name every file of handlers")]
    use super::*;

    kernel_abi::for_each_syscall! { dispatch }

    pub(super) fn call(call: Call, cx: &mut Context<'_>, args: [usize; 6]) -> Result {
        dispatch(call, cx, &mut kernel_abi::Regs::new(args))
    }
}

/// Answers the system call that `thread` has just made: the result is in its registers afterwards.
pub(crate) fn answer(
    kernel: &Kernel,
    thread: &Arc<Thread>,
    space: &Arc<AddressSpace>,
    user: &mut UserContext,
) -> Result {
    let frame = *user.frame();
    let Some(call) = Call::lookup(ARCH, frame.number) else {
        let name = kernel_abi::names::name_of(ARCH, frame.number);
        if kernel.traces(name) {
            let mut line = String::new();
            strace::format_unknown(name, frame.number, frame.args, &mut line);
            kernel.trace(thread.tid(), &line, " = -1 ENOSYS");
        }
        return kernel.note_missing(name.unwrap_or("a call without a name"));
    };
    if thread.is_strict() && !matches!(call, Call::read | Call::write | Call::exit | Call::rt_sigreturn) {
        thread.exit_killed();
        return Ok(0);
    }
    if !kernel.traces(Some(call.row().name)) {
        return table::call(call, &mut Context { kernel, thread, space, user }, frame.args);
    }
    // What the call will overwrite is printed before; its own view of memory may be gone afterwards (execve).
    let mut line = String::new();
    let mut read = |at: usize, into: &mut [u8]| space.read_some(at, into).unwrap_or(0);
    strace::format_call(call.row(), frame.args, &mut read, &mut line);
    let result = table::call(call, &mut Context { kernel, thread, space, user }, frame.args);
    let ret = kernel_abi::errno::to_return(result);
    let mut ending = String::new();
    if thread.is_ending() {
        ending.push_str(" = ?");
    } else if Arc::ptr_eq(space, &thread.space()) {
        line.clear();
        strace::format_ended(call.row(), frame.args, ret, &mut read, &mut line);
    } else {
        strace::format_return(call.row(), ret, &mut ending);
    }
    kernel.trace(thread.tid(), &line, &ending);
    result
}

pub(crate) use info::RELEASE;

/// What a call that does not exist answers.
pub(crate) const MISSING: Errno = Errno::ENOSYS;

/// What a thread leaves behind in user memory when it ends: robust futexes to mark, locks to hand on, and a word to clear
/// last, at `clears`, whose waiter is woken.
pub(crate) fn thread_ends(kernel: &Kernel, thread: &Thread, clears: Option<usize>) {
    let space = thread.space();
    if thread.robust_list() != 0 {
        let tid = thread.tid().cast_unsigned();
        crate::futex::exit_robust_list(kernel.futexes(), &space, thread.robust_list(), tid);
    }
    kernel.futexes().hand_on_all(thread.tid(), || thread.set_owns_no_more());
    if let Some(at) = clears
        && space.write_value(at, &0u32).is_ok()
    {
        // A bad address was the program's own.
        let _ = kernel.futexes().wake(&space, at, crate::futex::Scope::Shared, 1, u32::MAX);
    }
}
