//! Delivering signals: what a thread does before it goes back to its program.

use alloc::vec;

use ostd::PAGE_SIZE;
use ostd::sync::{Sleep, WaitQueue};
use ostd::task::Task;
use ostd::user::{ARCH, Arch, Registers as _, RegistersMut, UserContext};

use super::Thread;
use crate::abi::flags::{SI_KERNEL, SIG_DFL, SIG_IGN, SaFlags};
use crate::abi::structs::{RtSigframeRiscv, Sigaction, Siginfo, StackT, UcontextX86, status_signaled};
use crate::abi::{SigSet, Signal};
use crate::error::{Errno, Result};
use crate::signal::frame::{AltStack, riscv64, x86_64};
use crate::signal::{Disposition, UNBLOCKABLE};

/// A call that was interrupted: why, its number and its first argument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interrupted {
    pub(super) errno: Errno,
    pub(super) number: usize,
    pub(super) first: usize,
}

/// What a thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    Leave,
}

/// Where execve(2) maps what handlers return to, on an architecture whose C libraries do not bring it: the page above the
/// stack.
pub(super) fn trampoline(user_end: usize) -> usize {
    user_end - PAGE_SIZE
}

/// The number of restart_syscall(2).
const RESTART: usize = match ARCH {
    Arch::X86_64 => 219,
    Arch::Riscv64 => 128,
};

impl Thread {
    /// Stops, ends, calls handlers: until nothing is left to be looked at.
    pub(super) fn deliver(&self, task: &Task, user: &mut UserContext, mut interrupted: Option<Interrupted>) -> Next {
        loop {
            task.clear_interrupt();
            if self.is_ending() {
                return Next::Leave;
            }
            self.rest_while_stopped();
            let Some((signal, info)) = self.take_signal() else {
                if self.is_ending() {
                    return Next::Leave;
                }
                break;
            };
            let actions = self.process.actions();
            let action = actions.lock().of(signal);
            match action.handler {
                SIG_IGN => {}
                SIG_DFL => self.act_by_default(signal),
                _ => {
                    if action.flags.contains(SaFlags::SA_RESETHAND) {
                        actions.lock().set(signal, Sigaction { handler: SIG_DFL, ..action });
                    }
                    if let Some(call) = interrupted.take() {
                        answer_before_handler(user, call, action.flags);
                    }
                    if self.call_handler(user, signal, info, action).is_err() {
                        self.force_segv(signal);
                    }
                }
            }
        }
        if let Some(call) = interrupted {
            let number = if call.errno == Errno::ERESTART_RESTARTBLOCK { RESTART } else { call.number };
            user.regs_mut().rewind_syscall(number, call.first);
        }
        self.restore_mask();
        Next::GoOn
    }

    fn rest_while_stopped(&self) {
        let process = &self.process;
        let awake = || (process.stopped.load() == 0 || self.is_ending()).then_some(());
        let _ = process.resumed.wait_until(Sleep::uninterruptible(), awake);
    }

    fn take_signal(&self) -> Option<(Signal, Siginfo)> {
        let mut signals = self.signals.lock();
        let mask = signals.mask;
        let own = signals.pending.take(mask);
        drop(signals);
        self.taken(own.or_else(|| self.process.pending.lock().take(mask)))
    }

    /// What a signal that is taken says is told by others too.
    fn taken(&self, taken: Option<(Signal, Siginfo)>) -> Option<(Signal, Siginfo)> {
        if let Some((_, info)) = &taken {
            self.process.note_taken(info);
        }
        taken
    }

    fn act_by_default(&self, signal: Signal) {
        // It was blocked when it was sent.
        if self.process.is_unkillable.load() {
            return;
        }
        match Disposition::of(signal) {
            Disposition::Ignore | Disposition::Continue => {}
            Disposition::Terminate => self.process.begin_exit(status_signaled(signal.number(), false)),
            Disposition::Core => {
                self.process.begin_exit(status_signaled(signal.number(), self.process.may_leave_core()))
            }
            Disposition::Stop => {
                let orphaned = || {
                    let processes = self.process.processes()?;
                    let (_, group, _, _) = processes.place(self.process.pid())?;
                    Some(processes.is_orphaned(group))
                };
                if signal == Signal::SIGSTOP || orphaned() == Some(false) {
                    self.process.stop(signal);
                }
            }
        }
    }

    /// The handler's frame could not be written.
    fn force_segv(&self, signal: Signal) {
        if signal == Signal::SIGSEGV {
            self.process.begin_exit(status_signaled(signal.number(), true));
        } else {
            self.force(Signal::SIGSEGV, Siginfo::kernel(Signal::SIGSEGV));
        }
    }

    fn call_handler(&self, user: &mut UserContext, signal: Signal, info: Siginfo, action: Sigaction) -> Result<()> {
        let mut signals = self.signals.lock();
        let mask = signals.saved.take().unwrap_or(signals.mask);
        let (stack, fault) = (signals.stack, signals.fault);
        drop(signals);
        let delivery = x86_64::Delivery { signal, info, action, mask, stack, fault };
        let fp = user.fp().to_vec();
        let space = self.space();
        match user.regs_mut().view_mut() {
            RegistersMut::X86_64(regs) => {
                let frame = x86_64::build(&delivery, regs, &fp)?;
                space.write(frame.at, &frame.bytes)?;
                *regs = frame.regs;
                user.set_fp(vec![]);
            }
            RegistersMut::Riscv64(regs) => {
                let frame = riscv64::build(&delivery, regs, &fp, trampoline(space.end()))?;
                space.write(frame.at, &frame.bytes)?;
                *regs = frame.regs;
            }
        }
        // On top of what is blocked now: sigsuspend(2)'s mask, not the one that comes back after the handler.
        let mut blocked = action.mask;
        if !action.flags.contains(SaFlags::SA_NODEFER) {
            blocked.insert(signal);
        }
        let mut signals = self.signals.lock();
        signals.mask = signals.mask.union(blocked).difference(UNBLOCKABLE);
        if action.flags.contains(SaFlags::SA_ONSTACK) {
            signals.stack = stack.in_handler();
        }
        Ok(())
    }

    /// rt_sigreturn(2): goes on where a handler interrupted the program. What is wrong with the frame ends it.
    pub fn sigreturn(&self, user: &mut UserContext) -> Result {
        let restored = match ARCH {
            Arch::X86_64 => self.restore_frame(user),
            Arch::Riscv64 => self.restore_frame_riscv(user),
        };
        if restored.is_err() {
            self.force(Signal::SIGSEGV, Siginfo::kernel(Signal::SIGSEGV));
        }
        Ok(user.regs().syscall_return())
    }

    fn restore_frame(&self, user: &mut UserContext) -> Result<()> {
        let space = self.space();
        let own = user.fp().to_vec();
        // The handler's `ret` has taken the return address.
        let at = user.regs().sp().wrapping_sub(8);
        let uc: UcontextX86 = space.read_value(at.wrapping_add(8))?;
        let end = space.end();
        let RegistersMut::X86_64(regs) = user.regs_mut().view_mut() else { return Err(Errno::EFAULT) };
        *regs = x86_64::restore(&uc, regs, end)?;
        let fpstate = uc.uc_mcontext.fpstate;
        if fpstate == 0 || own.is_empty() {
            user.set_fp(vec![]);
        } else {
            if own.len() > 512 && !fpstate.is_multiple_of(x86_64::XSAVE_ALIGN) {
                return Err(Errno::EFAULT);
            }
            let mut first = [0; 512];
            space.read(fpstate, &mut first)?;
            let len = x86_64::fp_len(&first, own.len());
            let mut saved = vec![0; if len > first.len() { len + 4 } else { len }];
            space.read(fpstate, &mut saved)?;
            user.set_fp(x86_64::restore_fp(saved, &own)?);
        }
        self.resume_signals(user, uc.uc_sigmask, &uc.uc_stack);
        Ok(())
    }

    fn restore_frame_riscv(&self, user: &mut UserContext) -> Result<()> {
        let space = self.space();
        let frame: RtSigframeRiscv = space.read_value(user.regs().sp())?;
        let RegistersMut::Riscv64(regs) = user.regs_mut().view_mut() else { return Err(Errno::EFAULT) };
        let (restored, fp) = riscv64::restore(&frame.uc, regs, space.end())?;
        *regs = restored;
        user.set_fp(fp);
        self.resume_signals(user, frame.uc.uc_sigmask, &frame.uc.uc_stack);
        Ok(())
    }

    /// Mask and stack as a frame has them.
    fn resume_signals(&self, user: &mut UserContext, mask: SigSet, wish: &StackT) {
        let sp = user.regs().sp();
        self.set_mask(mask);
        let mut signals = self.signals.lock();
        // A frame's stack may be nonsense; then the old one stays.
        if let Ok(stack) = AltStack::default().changed(wish, sp) {
            signals.stack = stack;
        }
    }

    /// Takes one of `set` that waits, blocked or not.
    pub fn take_signal_of(&self, set: SigSet) -> Option<(Signal, Siginfo)> {
        let own = self.signals.lock().pending.take(set.complement());
        self.taken(own.or_else(|| self.process.pending.lock().take(set.complement())))
    }

    /// rt_sigtimedwait(2): takes one of `set`, waiting for it until `deadline_ns`.
    pub fn wait_for_signal(&self, set: SigSet, deadline_ns: Option<u64>) -> Result<(Signal, Siginfo)> {
        let set = set.difference(UNBLOCKABLE);
        self.signals.lock().awaited = set;
        let queue = WaitQueue::new();
        let taken = queue.wait_until(Sleep::interruptible().until(deadline_ns), || self.take_signal_of(set));
        self.signals.lock().awaited = SigSet::EMPTY;
        taken.map_err(|why| match why {
            ostd::sync::WaitError::Interrupted => Errno::EINTR,
            ostd::sync::WaitError::TimedOut => Errno::EAGAIN,
        })
    }

    /// Notes a processor exception for the frame of its signal, and raises it.
    pub(super) fn fault_signal(&self, signal: Signal, code: i32, at: usize, fault: [u64; 3]) {
        self.signals.lock().fault = fault;
        let info = if code == SI_KERNEL { Siginfo::kernel(signal) } else { Siginfo::fault(signal, code, at) };
        self.force(signal, info);
    }
}

/// A handler will run: says whether the call is repeated after it.
fn answer_before_handler(user: &mut UserContext, call: Interrupted, flags: SaFlags) {
    let repeat = match call.errno {
        Errno::ERESTARTNOINTR => true,
        Errno::ERESTARTSYS => flags.contains(SaFlags::SA_RESTART),
        _ => false,
    };
    if repeat {
        user.regs_mut().rewind_syscall(call.number, call.first);
    } else {
        user.set_syscall_return(Errno::EINTR.to_return());
    }
}

const _: () = assert!(core::mem::offset_of!(crate::abi::structs::RtSigframeX86, uc) == 8);
