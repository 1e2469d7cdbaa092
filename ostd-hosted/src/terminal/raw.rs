//! `RawMode`: the host terminal without its line discipline, put back on every end that the process can see.
//!
//! Put back when dropped, before a panic's message, at exit(3), and by handlers of the signals that end a process.
//! SIGTSTP puts it back for the time of the stop; SIGCONT makes it raw again, also after SIGSTOP. In the background the
//! terminal is somebody else's and left alone. Only SIGKILL goes unseen.
#![expect(unsafe_code, reason = "terminal calls, and state shared with signal handlers")]

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::panic;
use std::process;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::thread;

use crate::outside::handlers::{self, Handlers, Unless, keeping_errno, without_signals};
use crate::outside::note;

// A signal handler finds its work through a static or not at all. A process has one controlling terminal, and so one
// raw terminal at a time. What it points to is written before it is published and never freed: a handler on another
// thread may still be reading it. That is 300 bytes for each terminal made raw in the life of a process, which is one.
static RAW: AtomicPtr<Saved> = AtomicPtr::new(ptr::null_mut());

struct Saved {
    fd: RawFd,
    /// A forked child that has not reached its exec has our handlers, but not our terminal.
    owner: u32,
    cooked: libc::termios,
    raw: libc::termios,
    /// What the signals that end the process did before.
    former: Vec<(i32, libc::sigaction)>,
    /// Threads that are making it raw at this moment.
    makers: AtomicUsize,
}

/// A terminal that is raw while this lives. See the module.
pub struct RawMode {
    fd: OwnedFd,
    saved: &'static Saved,
    _ends: Handlers,
    _stops: Handlers,
    _continues: Handlers,
}

/// Faults: taken over even from Rust's own handler (which tells of stack overflows), and passed on to it.
const FAULTS: [i32; 2] = [libc::SIGSEGV, libc::SIGBUS];

impl RawMode {
    /// Makes `fd` raw, unless the process is in the background; then it becomes raw when it is brought forward.
    ///
    /// Fails with ENOTTY if it is no terminal, and with EBUSY if the process holds a raw terminal already.
    pub fn enter(fd: impl AsFd) -> io::Result<Self> {
        let fd = fd.as_fd().try_clone_to_owned()?;
        let cooked = attributes(fd.as_raw_fd())?;
        let mut raw = cooked;
        // SAFETY: `raw` is a valid struct to change.
        unsafe { libc::cfmakeraw(&mut raw) };
        if !RAW.load(Ordering::Acquire).is_null() {
            return Err(io::Error::from_raw_os_error(libc::EBUSY));
        }

        let mut ends = Handlers::new(on_end);
        FAULTS.into_iter().for_each(|signal| ends.install(signal, Unless::Ignored));
        (1..=libc::SIGRTMAX()).filter(|&signal| ends_by_default(signal)).for_each(|signal| {
            ends.install(signal, Unless::Handled);
        });
        let mut stops = Handlers::new(on_stop);
        stops.install(libc::SIGTSTP, Unless::Handled);
        let mut continues = Handlers::new(on_continue);
        continues.install(libc::SIGCONT, Unless::Handled);

        let owner = process::id();
        let former = ends.former.clone();
        let makers = AtomicUsize::new(0);
        let saved = Box::leak(Box::new(Saved { fd: fd.as_raw_fd(), owner, cooked, raw, former, makers }));
        if RAW.compare_exchange(ptr::null_mut(), saved, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return Err(io::Error::from_raw_os_error(libc::EBUSY));
        }
        restore_at_exit_and_panic();
        make_raw();
        Ok(Self { fd, saved, _ends: ends, _stops: stops, _continues: continues })
    }

    /// Whether the terminal is ours to read and to change. One that is nobody's controlling terminal is.
    pub(crate) fn is_foreground(&self) -> bool {
        is_foreground(self.fd.as_raw_fd())
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        self.saved.give_back();
    }
}

impl Saved {
    /// Async-signal-safe. Nothing can be done about a failure: the terminal is gone.
    fn set(&self, to: &libc::termios) {
        if process::id() == self.owner && is_foreground(self.fd) {
            // SAFETY: `to` is a valid struct; of a descriptor that is no terminal (any more) the host refuses it.
            unsafe { libc::tcsetattr(self.fd, libc::TCSANOW, to) };
        }
    }

    /// Puts it back for good. Async-signal-safe: the signals of a process may be handled on several of its threads at once,
    /// and one that is about to be raw again for a signal that continues is waited for, so that the last word is this.
    fn give_back(&self) {
        let own = ptr::from_ref(self).cast_mut();
        // Another terminal may be the raw one by now.
        let _ = RAW.compare_exchange(own, ptr::null_mut(), Ordering::SeqCst, Ordering::SeqCst);
        while self.makers.load(Ordering::SeqCst) > 0 {
            thread::yield_now();
        }
        self.set(&self.cooked);
    }
}

/// What a raw terminal was, if there is one.
fn saved() -> Option<&'static Saved> {
    // SAFETY: `RAW` is null or was leaked from a box, fully written before it was published, and is never changed.
    unsafe { RAW.load(Ordering::Acquire).as_ref() }
}

fn restore() {
    if let Some(saved) = saved() {
        saved.set(&saved.cooked);
    }
}

/// Puts the terminal back for good, if this process holds a raw one: for last words, which lines of a machine that is
/// still there would mix with.
pub fn give_back() {
    if let Some(saved) = saved() {
        saved.give_back();
    }
}

/// Writes lines to standard error; where that is the raw terminal, with what brings the cursor back to the left.
pub fn say(lines: &[u8]) {
    use std::io::{IsTerminal as _, Write as _};
    let mut stderr = io::stderr().lock();
    // Nobody is left to tell when standard error is gone.
    let _ = if saved().is_some() && stderr.is_terminal() {
        let mut shown = Vec::with_capacity(lines.len() + 2);
        for &byte in lines {
            if byte == b'\n' {
                shown.push(b'\r');
            }
            shown.push(byte);
        }
        stderr.write_all(&shown)
    } else {
        stderr.write_all(lines)
    };
}

fn make_raw() {
    // A handler on top of this could be the one that waits for it.
    without_signals(|| {
        let Some(saved) = saved() else { return };
        saved.makers.fetch_add(1, Ordering::SeqCst);
        // Unless it was given back on another thread meanwhile.
        if ptr::eq(RAW.load(Ordering::SeqCst), saved) {
            saved.set(&saved.raw);
        }
        saved.makers.fetch_sub(1, Ordering::SeqCst);
    });
}

/// The process is ending: puts the terminal back and lets the signal do what it did before.
extern "C" fn on_end(signal: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    keeping_errno(|| {
        let saved = saved();
        give_back();
        if handlers::was_sent(info) {
            // Blocked here, so it comes when this returns.
            handlers::set_action(signal, &handlers::default_action());
            handlers::send_to_self(signal);
        } else {
            // A fault comes again by itself, now to Rust's handler, which knows a stack overflow.
            let former = saved.and_then(|saved| saved.former.iter().find(|(number, _)| *number == signal));
            handlers::set_action(signal, &former.map_or_else(handlers::default_action, |(_, former)| *former));
        }
    });
}

/// Stops the process with the terminal as it was.
extern "C" fn on_stop(signal: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    keeping_errno(|| {
        restore();
        handlers::set_action(signal, &handlers::default_action());
        handlers::send_to_self(signal);
        // Stops here, unless nobody could continue us (an orphaned process group), when Linux ignores the signal.
        handlers::unblock(signal);
        handlers::set_action(signal, &handlers::handled_by(on_stop));
        make_raw();
    });
}

extern "C" fn on_continue(signal: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    keeping_errno(|| {
        make_raw();
        note(signal);
    });
}

extern "C" fn on_exit() {
    restore();
}

fn restore_at_exit_and_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler is a function that lives as long as the process and touches only statics.
        unsafe { libc::atexit(on_exit) };
        let former = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // The message is for a terminal that starts lines at the left.
            restore();
            former(info);
        }));
    });
}

/// Whether `signal` ends a process that does nothing about it, and can be handled.
fn ends_by_default(signal: i32) -> bool {
    // 32 and 33 are the C library's own.
    let real_time = signal >= 32;
    if real_time {
        return signal >= libc::SIGRTMIN();
    }
    !matches!(
        signal,
        libc::SIGKILL
            | libc::SIGSTOP
            | libc::SIGTSTP
            | libc::SIGTTIN
            | libc::SIGTTOU
            | libc::SIGCONT
            | libc::SIGCHLD
            | libc::SIGURG
            | libc::SIGWINCH
            | libc::SIGSEGV
            | libc::SIGBUS
    )
}

/// Async-signal-safe.
fn is_foreground(fd: RawFd) -> bool {
    // SAFETY: a call without pointers.
    let front = unsafe { libc::tcgetpgrp(fd) };
    // SAFETY: a call without arguments that cannot fail.
    let own = unsafe { libc::getpgrp() };
    front == own || front <= 0
}

/// The terminal's settings.
fn attributes(fd: RawFd) -> io::Result<libc::termios> {
    // SAFETY: the struct is integers, which may be zero.
    let mut attributes: libc::termios = unsafe { mem::zeroed() };
    // SAFETY: `attributes` is valid to write.
    match unsafe { libc::tcgetattr(fd, &mut attributes) } {
        0 => Ok(attributes),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Rows and columns of a terminal.
pub(crate) fn window(fd: &impl AsRawFd) -> Option<(u16, u16)> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one such struct.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, &mut size) };
    (done == 0).then_some((size.ws_row, size.ws_col))
}

/// Whether this is the master's side of a pseudo terminal.
pub(crate) fn is_master(fd: &impl AsRawFd) -> bool {
    let mut number: libc::c_uint = 0;
    // SAFETY: TIOCGPTN writes one integer.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGPTN, &mut number) };
    done == 0
}
