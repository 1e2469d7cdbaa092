//! Signals: handlers, masks and what waits.

use kernel_abi::flags::{SIG_IGN, SaFlags, SigHow, StackFlags};
use kernel_abi::structs::{Sigaction, StackT};
use kernel_abi::sys::HandlerFn;
use kernel_abi::{Calls, Errno, Result, SigSet, Signal, Sys};

use super::Outcome;

cases! { "signal":
    a_handler_runs, a_blocked_signal_waits, an_ignored_signal_is_nothing, what_has_no_handler,
    a_wild_action_is_efault, an_alternate_stack_is_remembered,
}

/// Where the handlers count.
const COUNT: usize = 0x6000;

/// A handler that counts.
pub(super) fn counts(sys: &dyn Sys, signal: usize, _: usize, _: usize) {
    let at = sys.page() + COUNT;
    let count: u64 = sys.load(at);
    sys.store(at, &(count + 1));
    sys.store(at + 8, &(signal as u64));
}

/// Makes `run` the handler of a signal.
pub(super) fn handle(sys: &dyn Sys, signal: Signal, run: HandlerFn) -> Result {
    act(sys, signal, action(sys, run, SaFlags::empty(), SigSet::EMPTY))
}

/// An action that runs `run`.
pub(super) fn action(sys: &dyn Sys, run: HandlerFn, flags: SaFlags, mask: SigSet) -> Sigaction {
    let handler = sys.handler(run);
    let flags = if handler.restorer == 0 { flags } else { flags | SaFlags::SA_RESTORER };
    Sigaction { handler: handler.entry, flags, restorer: handler.restorer, mask }
}

/// Says what a signal does.
pub(super) fn act(sys: &dyn Sys, signal: Signal, action: Sigaction) -> Result {
    sys.poke(sys.page(), &action.encode(sys.arch()));
    sys.rt_sigaction(signal, sys.page(), 0, 8)
}

/// How often the handler ran, and for which signal last.
pub(super) fn counted(sys: &dyn Sys) -> [u64; 2] {
    [sys.load(sys.page() + COUNT), sys.load(sys.page() + COUNT + 8)]
}

/// Changes the mask and gives the one before.
pub(super) fn mask(sys: &dyn Sys, how: SigHow, signals: &[Signal]) -> Result<SigSet> {
    let set = sys.store(sys.page() + 0x7f00, &SigSet::of(signals));
    sys.rt_sigprocmask(how, set, set + 8, 8)?;
    Ok(sys.load(set + 8))
}

/// Sends this process a signal.
pub(super) fn raise(sys: &dyn Sys, signal: Signal) -> Result {
    sys.kill(sys.getpid()?, signal)
}

fn a_handler_runs(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR1, counts)?;
    let me = sys.getpid()?;
    sys.kill(me, Signal::SIGUSR1)?;
    assert_eq!(counted(sys), [1, 10]);
    sys.tgkill(me, sys.gettid()?, Signal::SIGUSR1)?;
    assert_eq!(counted(sys), [2, 10]);
    Ok(())
}

fn a_blocked_signal_waits(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR1, counts)?;
    let (set, old) = (sys.page() + 64, sys.page() + 72);
    sys.store(set, &SigSet::of(&[Signal::SIGUSR1]));
    sys.rt_sigprocmask(SigHow::SIG_BLOCK, set, 0, 8)?;
    sys.kill(sys.getpid()?, Signal::SIGUSR1)?;
    sys.kill(sys.getpid()?, Signal::SIGUSR1)?;
    assert_eq!(counted(sys), [0, 0]);
    sys.rt_sigpending(old, 8)?;
    assert_eq!(sys.load::<SigSet>(old), SigSet::of(&[Signal::SIGUSR1]));
    sys.rt_sigprocmask(SigHow::SIG_UNBLOCK, set, old, 8)?;
    assert_eq!(sys.load::<SigSet>(old), SigSet::of(&[Signal::SIGUSR1]));
    assert_eq!(counted(sys), [1, 10]);
    assert_eq!(sys.rt_sigprocmask(SigHow(9), set, 0, 8), Err(Errno::EINVAL));
    assert_eq!(sys.rt_sigprocmask(SigHow::SIG_BLOCK, set, 0, 4), Err(Errno::EINVAL));
    Ok(())
}

fn an_ignored_signal_is_nothing(sys: &dyn Sys) -> Outcome {
    act(sys, Signal::SIGTERM, Sigaction { handler: SIG_IGN, ..Sigaction::default() })?;
    sys.kill(sys.getpid()?, Signal::SIGTERM)?;
    Ok(())
}

fn what_has_no_handler(sys: &dyn Sys) -> Outcome {
    for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
        let ignore = Sigaction { handler: SIG_IGN, ..Sigaction::default() };
        assert_eq!(act(sys, signal, ignore), Err(Errno::EINVAL));
    }
    assert_eq!(sys.rt_sigaction(0, 0, 0, 8), Err(Errno::EINVAL));
    assert_eq!(sys.rt_sigaction(65, 0, 0, 8), Err(Errno::EINVAL));
    assert_eq!(sys.rt_sigaction(10, 0, 0, 4), Err(Errno::EINVAL));
    Ok(())
}

fn a_wild_action_is_efault(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.rt_sigaction(Signal::SIGUSR1, 8, 0, 8), Err(Errno::EFAULT));
    assert_eq!(sys.rt_sigprocmask(SigHow::SIG_BLOCK, 8, 0, 8), Err(Errno::EFAULT));
    Ok(())
}

fn an_alternate_stack_is_remembered(sys: &dyn Sys) -> Outcome {
    let (new, old) = (sys.page(), sys.page() + 64);
    sys.store(new, &StackT { ss_sp: sys.page() + 0x4000, ss_size: 8192, ..StackT::default() });
    sys.sigaltstack(new, 0)?;
    sys.sigaltstack(0, old)?;
    assert_eq!(sys.load::<StackT>(old).ss_size, 8192);
    sys.store(new, &StackT { ss_size: 100, ..StackT::default() });
    assert_eq!(sys.sigaltstack(new, 0), Err(Errno::ENOMEM));
    sys.store(new, &StackT { ss_flags: StackFlags::SS_DISABLE.bits(), ..StackT::default() });
    sys.sigaltstack(new, 0)?;
    Ok(())
}
