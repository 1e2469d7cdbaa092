//! What happens to a machine from outside: the host's signals, the terminal's size, the demand to stop.
//!
//! A machine has an [`Outside`]; it stays empty unless somebody feeds it. `orrery` feeds it with [`HostSignals`], of
//! which a process can have one; a machine that asks for none installs nothing, so a thousand of them in a test do
//! not touch the process.
//!
//! Host signals are taken by handlers and not by signalfd(2): no signal is blocked anywhere, so host processes that
//! any thread starts have an empty mask, and exec(2) puts the handlers back to the default by itself.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use nix::sys::eventfd::{EfdFlags, EventFd};
use ostd_hal::device::OutsideEvent;
use parking_lot::Mutex;

use crate::watch::{Source, Watch};

pub(crate) mod handlers;

/// The events waiting for a machine, and the interrupt line that announces them.
pub struct Outside {
    watch: Arc<Watch>,
    line: u32,
    events: Mutex<VecDeque<OutsideEvent>>,
    stop: AtomicBool,
}

impl Outside {
    /// No events yet; each one raises `line` on `watch`.
    pub fn new(watch: &Arc<Watch>, line: u32) -> Arc<Self> {
        Arc::new(Self { watch: watch.clone(), line, events: Mutex::new(VecDeque::new()), stop: AtomicBool::new(false) })
    }

    /// Adds an event and raises the line. An event that is already waiting is not added again, as with Linux's
    /// signals, so the queue never holds more than one of each.
    pub fn push(&self, event: OutsideEvent) {
        if event == OutsideEvent::Stop {
            self.stop.store(true, Ordering::Relaxed);
        }
        let mut events = self.events.lock();
        if !events.contains(&event) {
            events.push_back(event);
        }
        drop(events);
        self.watch.raise(self.line);
    }

    /// Takes the event that has waited longest.
    pub fn next(&self) -> Option<OutsideEvent> {
        self.events.lock().pop_front()
    }

    /// Whether a stop was ever asked for: for a driver whose kernel no longer takes events.
    pub fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The line that announces events.
    pub fn line(&self) -> u32 {
        self.line
    }
}

/// Signals that are handed to the machine's program.
const FORWARDED: [i32; 6] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGUSR2];

/// While this lives, the host's SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1 and SIGUSR2 to this process become events of
/// one machine, and so does a change of the window. A signal that the process was started to ignore (nohup(1)) stays
/// ignored. Dropping it puts the former handlers back.
pub struct HostSignals {
    _handlers: handlers::Handlers,
    _source: Arc<SignalSource>,
}

// A signal handler is called with a number and nothing else, so what it writes to must be static. These four are all
// of it: which signals came, which of them by a key, the descriptor that tells a poll so, and whether a machine of this process listens.
static CAME: AtomicU64 = AtomicU64::new(0);
static TYPED: AtomicU64 = AtomicU64::new(0);
static BELL: OnceLock<EventFd> = OnceLock::new();
static CLAIMED: AtomicBool = AtomicBool::new(false);

impl HostSignals {
    /// Directs the process's signals to `outside`. Fails with EBUSY if another machine has them.
    pub fn install(outside: &Arc<Outside>) -> io::Result<Self> {
        let bell = match BELL.get() {
            Some(bell) => bell,
            None => {
                let made = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
                BELL.get_or_init(|| made)
            }
        };
        let polled = Arc::new(bell.as_fd().try_clone_to_owned()?);
        if CLAIMED.swap(true, Ordering::AcqRel) {
            return Err(io::Error::from_raw_os_error(libc::EBUSY));
        }
        CAME.store(0, Ordering::Relaxed);
        TYPED.store(0, Ordering::Relaxed);
        let source = Arc::new(SignalSource { outside: outside.clone(), polled });
        outside.watch.add_source(Arc::downgrade(&(source.clone() as Arc<dyn Source>)));
        let mut handlers = handlers::Handlers::new(on_signal);
        for signal in FORWARDED {
            handlers.install(signal, handlers::Unless::Ignored);
        }
        handlers.install(libc::SIGWINCH, handlers::Unless::Never);
        Ok(Self { _handlers: handlers, _source: source })
    }
}

impl Drop for HostSignals {
    fn drop(&mut self) {
        CLAIMED.store(false, Ordering::Release);
    }
}

/// Signals that a key of the host's terminal stands for; while the host's line discipline is at work, the whole group in
/// the foreground is meant.
const KEYS: [i32; 2] = [libc::SIGINT, libc::SIGQUIT];

extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    handlers::keeping_errno(|| {
        if KEYS.contains(&signal) && !handlers::was_sent(info) {
            TYPED.fetch_or(1 << signal, Ordering::Relaxed);
        }
        note(signal);
    });
}

/// Remembers that a signal came and tells a blocking poll. Async-signal-safe: atomics and write(2).
pub(crate) fn note(signal: i32) {
    CAME.fetch_or(1 << (signal & 63), Ordering::Release);
    if let Some(bell) = BELL.get() {
        // Full means it rings already.
        let _ = bell.write(1);
    }
}

struct SignalSource {
    outside: Arc<Outside>,
    polled: Arc<OwnedFd>,
}

impl Source for SignalSource {
    fn descriptor(&self) -> Option<Arc<OwnedFd>> {
        Some(self.polled.clone())
    }

    fn readable(&self) {
        if let Some(bell) = BELL.get() {
            let _ = bell.read();
        }
        let came = CAME.swap(0, Ordering::Acquire);
        let typed = TYPED.swap(0, Ordering::Relaxed);
        for signal in FORWARDED {
            if typed & (1 << signal) != 0 {
                self.outside.push(OutsideEvent::Key(signal));
            } else if came & (1 << signal) != 0 {
                self.outside.push(OutsideEvent::Signal(signal));
            }
        }
        // Who was stopped or in the background was not told of a new size.
        if came & (1 << libc::SIGWINCH | 1 << libc::SIGCONT) != 0 {
            self.outside.push(OutsideEvent::WindowChanged);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use parking_lot::MutexGuard;

    use super::*;

    static PROCESS: Mutex<()> = Mutex::new(());

    /// A test's turn with what the process has one of: its signals and its terminal. Until it ends, the signals that a
    /// machine is told of have their default effect, and this thread takes them, whatever the tests were started to
    /// ignore or to block (nohup(1), a shell's `&`).
    pub(crate) struct Turn {
        former: Vec<(i32, libc::sigaction)>,
        _process: MutexGuard<'static, ()>,
    }

    /// Waits for a turn.
    pub(crate) fn turn() -> Turn {
        let process = PROCESS.lock();
        let former = FORWARDED.map(|signal| (signal, handlers::action(signal).expect("a signal"))).into();
        for signal in FORWARDED {
            handlers::set_action(signal, &handlers::default_action());
            handlers::unblock(signal);
        }
        Turn { former, _process: process }
    }

    impl Drop for Turn {
        fn drop(&mut self) {
            for (signal, former) in &self.former {
                handlers::set_action(*signal, former);
            }
        }
    }

    const LINE: u32 = 5;

    #[test]
    fn an_event_raises_the_line_and_waits_once() {
        let watch = Watch::new();
        let outside = Outside::new(&watch, LINE);
        outside.push(OutsideEvent::WindowChanged);
        outside.push(OutsideEvent::Signal(2));
        outside.push(OutsideEvent::WindowChanged);
        assert_eq!(watch.poll(None), [LINE]);
        assert_eq!(outside.next(), Some(OutsideEvent::WindowChanged));
        assert_eq!(outside.next(), Some(OutsideEvent::Signal(2)));
        assert_eq!(outside.next(), None);
        assert!(!outside.stop_requested() && !watch.has_sources());
    }

    #[test]
    fn a_stop_is_remembered_after_it_was_taken() {
        let outside = Outside::new(&Watch::new(), LINE);
        outside.push(OutsideEvent::Stop);
        assert_eq!(outside.next(), Some(OutsideEvent::Stop));
        assert!(outside.stop_requested());
    }

    #[test]
    fn a_signal_to_the_process_becomes_an_event_and_ends_a_blocking_poll() {
        let _turn = turn();
        let watch = Watch::new();
        let outside = Outside::new(&watch, LINE);
        let signals = HostSignals::install(&outside).expect("the signals are free");
        assert!(HostSignals::install(&outside).is_err());
        assert!(watch.has_sources());
        for (signal, event) in [
            (libc::SIGTERM, OutsideEvent::Signal(15)),
            (libc::SIGHUP, OutsideEvent::Signal(1)),
            (libc::SIGUSR1, OutsideEvent::Signal(10)),
            (libc::SIGWINCH, OutsideEvent::WindowChanged),
        ] {
            handlers::send_to_self(signal);
            while !watch.poll(Some(Duration::from_secs(1))).contains(&LINE) {}
            assert_eq!(outside.next(), Some(event));
        }
        drop(signals);
        assert!(!watch.has_sources());
        HostSignals::install(&outside).expect("free again");
    }

    #[test]
    fn a_signal_that_the_process_was_started_to_ignore_stays_ignored() {
        let _turn = turn();
        let mut ignore = handlers::default_action();
        ignore.sa_sigaction = libc::SIG_IGN;
        handlers::set_action(libc::SIGHUP, &ignore);
        let watch = Watch::new();
        let outside = Outside::new(&watch, LINE);
        let _signals = HostSignals::install(&outside).expect("the signals are free");
        handlers::send_to_self(libc::SIGHUP);
        handlers::send_to_self(libc::SIGINT);
        while !watch.poll(None).contains(&LINE) {}
        assert_eq!((outside.next(), outside.next()), (Some(OutsideEvent::Signal(libc::SIGINT)), None));
    }
}
