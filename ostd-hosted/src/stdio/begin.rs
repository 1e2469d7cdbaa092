//! What the process began with. Rust's runtime opens the null device in the place of closed standard descriptors, and
//! ignores SIGPIPE, before `main`; only code that runs earlier can tell.
#![expect(unsafe_code, reason = "runs before main")]

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::outside::handlers::action;

// What runs before `main` can leave a word only in a static. One bit per descriptor.
static CLOSED: AtomicU8 = AtomicU8::new(0);
static IGNORED: AtomicU64 = AtomicU64::new(0);

// SAFETY: the section holds pointers to functions without arguments (the C library's three are not looked at), and this
// one calls nothing that needs the runtime.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    for fd in 0..3 {
        // SAFETY: a call without pointers.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
            CLOSED.fetch_or(1 << fd, Ordering::Relaxed);
        }
    }
    for signal in (1..=64).filter(|&signal| signal != libc::SIGKILL && signal != libc::SIGSTOP) {
        if action(signal).is_some_and(|action| action.sa_sigaction == libc::SIG_IGN) {
            IGNORED.fetch_or(1 << (signal - 1), Ordering::Relaxed);
        }
    }
}

/// The signals that the process was started to ignore (nohup(1)), the first at bit 0, as Linux keeps them.
pub fn ignored_signals() -> u64 {
    IGNORED.load(Ordering::Relaxed)
}

/// Whether descriptor `fd` (0 to 2) was closed.
pub(crate) fn was_closed(fd: usize) -> bool {
    CLOSED.load(Ordering::Relaxed) & (1 << fd) != 0
}
