//! What an executed program is asked about itself: see [`super::exec::executed`].

use kernel_abi::flags::{ItimerKind, MapFlags, PrctlOption, PriorityWhich, ProtFlags, SigHow, StackFlags};
use kernel_abi::structs::{Itimerval, Sigaction, StackT};
use kernel_abi::{Calls, Fd, Mode, Result, SigSet, Signal, Sys};

/// The answer to a question about this process, or what the call that gives it refused.
pub(super) fn answer(sys: &dyn Sys, question: &str, argument: usize) -> Result {
    // The program that was executed has nothing of the old one's memory.
    let (rw, private) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS);
    let at = sys.mmap(0, 4096, rw, private, Fd(-1), 0)?;
    let is_in = |sys: &dyn Sys| {
        let set: SigSet = sys.load(at);
        usize::from(Signal::from_number(argument as i32).is_some_and(|signal| set.contains(signal)))
    };
    match question {
        "pid" => sys.getpid(),
        "first" => Ok(usize::from(sys.getpid() == sys.gettid())),
        "blocked" => {
            sys.rt_sigprocmask(SigHow::SIG_BLOCK, 0, at, 8)?;
            Ok(is_in(sys))
        }
        "pending" => {
            sys.rt_sigpending(at, 8)?;
            Ok(is_in(sys))
        }
        "action" => {
            sys.rt_sigaction(argument, 0, at, 8)?;
            let action = Sigaction::decode(sys.arch(), &sys.bytes(at, 32)).unwrap_or_default();
            Ok(action.handler.min(2))
        }
        "stack" => {
            sys.sigaltstack(0, at)?;
            let stack: StackT = sys.load(at);
            // A runtime may have one of its own.
            Ok(usize::from(stack.ss_flags & StackFlags::SS_DISABLE.bits() == 0 && stack.ss_sp == argument))
        }
        "timer" => Ok(usize::from(sys.timer_delete(argument).is_ok())),
        "alarm" => {
            sys.getitimer(ItimerKind::ITIMER_REAL, at)?;
            Ok(usize::from(sys.load::<Itimerval>(at) != Itimerval::default()))
        }
        "mapped" => Ok(usize::from(sys.mincore(argument, 1, at).is_ok())),
        "locks" => {
            sys.get_robust_list(0, at, at + 8)?;
            Ok(usize::from(sys.load::<usize>(at) == argument))
        }
        "umask" => sys.umask(Mode(0)),
        "nice" => sys.getpriority(PriorityWhich::PRIO_PROCESS, 0),
        "directory" => {
            let len = sys.getcwd(at, 4096)?;
            Ok(usize::from(sys.bytes(at, len).ends_with(b"/folder\0")))
        }
        "user" => sys.geteuid(),
        "group" => sys.getegid(),
        "saved" => {
            sys.getresuid(at, at + 4, at + 8)?;
            Ok(sys.load::<u32>(at + 8) as usize)
        }
        "mapping" => Ok(usize::from(sys.mmap(0, argument, rw, private, Fd(-1), 0).is_ok())),
        "death" => {
            sys.prctl(PrctlOption::PR_GET_PDEATHSIG, at, 0, 0, 0)?;
            Ok(sys.load::<i32>(at) as usize)
        }
        "reaper" => {
            sys.prctl(PrctlOption::PR_GET_CHILD_SUBREAPER, at, 0, 0, 0)?;
            Ok(sys.load::<i32>(at) as usize)
        }
        "dumpable" => sys.prctl(PrctlOption::PR_GET_DUMPABLE, 0, 0, 0, 0),
        "keeps" => sys.prctl(PrctlOption::PR_GET_KEEPCAPS, 0, 0, 0, 0),
        "privileges" => sys.prctl(PrctlOption::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
        "personality" => sys.personality(u32::MAX),
        "group-leader" => sys.getpgid(0),
        "name" => {
            sys.prctl(PrctlOption::PR_GET_NAME, at, 0, 0, 0)?;
            Ok(sys.bytes(at, 16).iter().position(|byte| *byte == 0).unwrap_or(16))
        }
        "capable" => {
            sys.store(at, &[kernel_abi::flags::_LINUX_CAPABILITY_VERSION_3, 0]);
            sys.capget(at, at + 16)?;
            Ok((sys.load::<u32>(at + 16) as usize) >> argument & 1)
        }
        _ => Err(kernel_abi::Errno::ENOSYS),
    }
}
