//! Signal handlers that are put back when they are no longer wanted.
#![expect(unsafe_code, reason = "installs signal handlers")]

use std::mem;
use std::ptr;

/// What the host calls, with SA_SIGINFO. It must be async-signal-safe, and keep errno (see [`keeping_errno`]).
pub(crate) type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

/// When a handler is not installed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unless {
    /// The process ignores the signal.
    Ignored,
    /// The signal does not have its default effect.
    Handled,
    /// It is installed whatever was there.
    Never,
}

/// Signals that have one handler. Dropping it puts back what was there, where the handler is still in force.
pub(crate) struct Handlers {
    handler: Handler,
    /// What the signals did before.
    pub(crate) former: Vec<(i32, libc::sigaction)>,
}

impl Handlers {
    /// No signals yet.
    pub(crate) fn new(handler: Handler) -> Self {
        Self { handler, former: Vec::new() }
    }

    /// Handles `signal` from now on. System calls of the process go on after it (SA_RESTART).
    pub(crate) fn install(&mut self, signal: i32, unless: Unless) {
        let Some(former) = action(signal) else { return };
        let skip = match unless {
            Unless::Ignored => former.sa_sigaction == libc::SIG_IGN,
            Unless::Handled => former.sa_sigaction != libc::SIG_DFL,
            Unless::Never => false,
        };
        if !skip {
            set_action(signal, &handled_by(self.handler));
            self.former.push((signal, former));
        }
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        for (signal, former) in &self.former {
            if action(*signal).is_some_and(|now| now.sa_sigaction == self.handler as usize) {
                set_action(*signal, former);
            }
        }
    }
}

/// The action that calls `handler`, on the thread's signal stack if it has one: the fault may be a stack overflow.
pub(crate) fn handled_by(handler: Handler) -> libc::sigaction {
    let mut action = default_action();
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    action
}

/// The action that does what Linux does by default.
pub(crate) fn default_action() -> libc::sigaction {
    // SAFETY: the struct is integers and an optional pointer, all of which may be zero; zero is SIG_DFL.
    unsafe { mem::zeroed() }
}

/// What `signal` does now; `None` if there is no such signal.
pub(crate) fn action(signal: i32) -> Option<libc::sigaction> {
    let mut action = default_action();
    // SAFETY: `action` is a struct to be written, and no new action is given.
    let done = unsafe { libc::sigaction(signal, ptr::null(), &mut action) };
    (done == 0).then_some(action)
}

/// Sets what `signal` does. Async-signal-safe.
pub(crate) fn set_action(signal: i32, action: &libc::sigaction) {
    // SAFETY: `action` is valid, and its handler, if any, is a function of the type its flags promise: it was made by
    // `handled_by` or read back by `action`.
    unsafe { libc::sigaction(signal, action, ptr::null_mut()) };
}

/// Whether a signal's sender was a program, by its `siginfo_t`, rather than the host kernel telling of a fault.
pub(crate) fn was_sent(info: *const libc::siginfo_t) -> bool {
    // SAFETY: a handler's caller (the host) passes a valid pointer or, without SA_SIGINFO, none at all.
    unsafe { info.as_ref() }.is_none_or(|info| info.si_code <= 0)
}

/// Sends `signal` to the calling thread. Async-signal-safe.
pub(crate) fn send_to_self(signal: i32) {
    // SAFETY: a call without pointers; the signal's effect is the caller's wish.
    unsafe { libc::raise(signal) };
}

/// Lets `signal` through to the calling thread. Async-signal-safe.
pub(crate) fn unblock(signal: i32) {
    // SAFETY: an all-zero set is a valid set.
    let mut set: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: `set` is valid to write.
    unsafe { libc::sigaddset(&mut set, signal) };
    // SAFETY: `set` is valid to read, and the old mask is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, ptr::null_mut()) };
}

/// Runs `work` with all signals kept away from the calling thread. Async-signal-safe.
pub(crate) fn without_signals(work: impl FnOnce()) {
    // SAFETY: an all-zero set is a valid set.
    let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { (mem::zeroed(), mem::zeroed()) };
    // SAFETY: `all` is valid to write.
    unsafe { libc::sigfillset(&mut all) };
    // SAFETY: `all` is valid to read and `before` to write.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before) };
    work();
    // SAFETY: `before` is valid to read, and the old mask is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut()) };
}

/// Runs a handler's work without changing what the interrupted code sees of errno.
pub(crate) fn keeping_errno(work: impl FnOnce()) {
    // SAFETY: the C library's errno of this thread is always valid.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let kept = unsafe { *errno };
    work();
    // SAFETY: as above.
    unsafe { *errno = kept };
}
