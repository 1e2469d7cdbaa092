//! `Watch`: the host descriptors that can raise a machine's interrupt lines, polled together.
//!
//! The machine's driver polls: without waiting while CPUs are busy, and until the next timer while all are idle.
//! Nothing here keeps a thread; a watch with nothing armed costs a lock to poll and no descriptor.
//!
//! Lock order: a channel's own lock, then the watch's. A [`Source`] is called with neither held.

use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use ostd_hal::device::Readiness;
use parking_lot::Mutex;

/// A descriptor whose bytes are taken as they arrive, whether or not anybody in the machine asked: the terminal, whose
/// escape must work in a stuck machine, and the host's signals.
pub trait Source: Send + Sync {
    /// What to poll for input this time; `None` to be left out.
    fn descriptor(&self) -> Option<Arc<OwnedFd>>;
    /// Called by [`Watch::poll`] when the descriptor has input, on its thread and under no lock.
    fn readable(&self);
}

/// What can raise interrupt lines. See the module.
#[derive(Default)]
pub struct Watch {
    state: Mutex<State>,
    /// Made when somebody blocks for the first time; `None` inside if the host had no descriptor to spare.
    bell: OnceLock<Option<EventFd>>,
}

#[derive(Default)]
struct State {
    armed: Vec<Armed>,
    raised: Vec<u32>,
    sources: Vec<Weak<dyn Source>>,
    /// Somebody called `wake` since the last poll.
    woken: bool,
    /// Threads that may be blocking in poll.
    blocked: usize,
}

struct Armed {
    fd: Arc<OwnedFd>,
    what: Readiness,
    line: u32,
}

/// The longest single wait; a poll may end early with nothing, so callers with more time come again.
const WAIT_MAX: Duration = Duration::from_secs(3600);
/// The longest wait when there is no bell to end it.
const WAIT_WITHOUT_BELL: Duration = Duration::from_millis(10);

impl Watch {
    /// A watch that watches nothing yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Raises `line` once, as soon as `fd` is ready for any of `what`. Arming again before that adds to `what`.
    ///
    /// A descriptor that broke is ready for everything: the caller's next read or write says how.
    pub fn arm(&self, fd: &Arc<OwnedFd>, what: Readiness, line: u32) {
        let mut state = self.state.lock();
        match state.armed.iter_mut().find(|armed| armed.line == line && Arc::ptr_eq(&armed.fd, fd)) {
            Some(armed) if armed.what.contains(what) => return,
            Some(armed) => armed.what |= what,
            None => state.armed.push(Armed { fd: fd.clone(), what, line }),
        }
        self.ring(&state);
    }

    /// Raises `line` now.
    pub fn raise(&self, line: u32) {
        let mut state = self.state.lock();
        if !state.raised.contains(&line) {
            state.raised.push(line);
        }
        self.ring(&state);
    }

    /// Takes back every arming of `line` and what it raised.
    pub fn disarm(&self, line: u32) {
        let mut state = self.state.lock();
        state.armed.retain(|armed| armed.line != line);
        state.raised.retain(|&raised| raised != line);
    }

    /// Serves `source` in every poll for as long as somebody else keeps it alive.
    pub fn add_source(&self, source: Weak<dyn Source>) {
        let mut state = self.state.lock();
        state.sources.push(source);
        self.ring(&state);
    }

    /// Ends the poll that is blocking now, or else the next one, at once. Callable from any thread.
    pub fn wake(&self) {
        let mut state = self.state.lock();
        state.woken = true;
        self.ring(&state);
    }

    /// Whether anything outside can still raise an interrupt. If not, and nothing else is going on, waiting is vain.
    pub fn has_sources(&self) -> bool {
        let mut state = self.state.lock();
        state.sources.retain(|source| source.strong_count() > 0);
        !(state.armed.is_empty() && state.raised.is_empty() && state.sources.is_empty())
    }

    /// The lines raised since the last poll, each once. If there are none, waits up to `timeout` (`None` is for ever)
    /// for one. It may return early with nothing; several threads may poll, and each line goes to one of them.
    pub fn poll(&self, timeout: Option<Duration>) -> Vec<u32> {
        let mut timeout = timeout.unwrap_or(WAIT_MAX).min(WAIT_MAX);
        let bell = if timeout.is_zero() { None } else { self.bell() };
        if bell.is_none() {
            timeout = timeout.min(WAIT_WITHOUT_BELL);
        }

        let mut state = self.state.lock();
        if mem::take(&mut state.woken) || !state.raised.is_empty() {
            timeout = Duration::ZERO;
        }
        if timeout.is_zero() && state.armed.is_empty() && state.sources.is_empty() {
            return mem::take(&mut state.raised);
        }
        let armed: Vec<_> = state.armed.iter().map(|armed| (armed.fd.clone(), armed.what, armed.line)).collect();
        state.sources.retain(|source| source.strong_count() > 0);
        let sources: Vec<_> = state.sources.iter().filter_map(Weak::upgrade).collect();
        // From here on, whoever changes the state rings the bell.
        state.blocked += 1;
        drop(state);

        let sources: Vec<_> =
            sources.into_iter().filter_map(|source| source.descriptor().map(|fd| (source, fd))).collect();
        let mut fds = Vec::with_capacity(armed.len() + sources.len() + 1);
        fds.extend(armed.iter().map(|(fd, what, _)| PollFd::new(fd.as_fd(), poll_flags(*what))));
        fds.extend(sources.iter().map(|(_, fd)| PollFd::new(fd.as_fd(), PollFlags::POLLIN)));
        fds.extend(bell.map(|bell| PollFd::new(bell.as_fd(), PollFlags::POLLIN)));
        // An error is EINTR or want of memory; either way nothing is known to be ready.
        let any = ppoll(&mut fds, Some(TimeSpec::from(timeout)), None).is_ok_and(|ready| ready > 0);
        let ready: Vec<bool> = fds.iter().map(|fd| any && fd.any().unwrap_or(true)).collect();
        drop(fds);

        for ((source, _), _) in sources.iter().zip(&ready[armed.len()..]).filter(|(_, ready)| **ready) {
            source.readable();
        }
        let mut state = self.state.lock();
        state.blocked -= 1;
        if let Some(bell) = bell
            && ready[armed.len() + sources.len()]
        {
            // The bell does not block; it may have been taken by another poll.
            let _ = bell.read();
        }
        for (fd, what, line) in armed.iter().zip(&ready).filter(|(_, ready)| **ready).map(|(armed, _)| armed) {
            // Another poll may have fired it, and it may have been armed for more since.
            let fired = state.armed.iter().position(|now| now.line == *line && Arc::ptr_eq(&now.fd, fd));
            if let Some(index) = fired.filter(|&index| state.armed[index].what.contains(*what)) {
                state.armed.swap_remove(index);
                if !state.raised.contains(line) {
                    state.raised.push(*line);
                }
            }
        }
        state.woken = false;
        mem::take(&mut state.raised)
    }

    fn bell(&self) -> Option<&EventFd> {
        let make = || EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).ok();
        self.bell.get_or_init(make).as_ref()
    }

    /// Ends a poll that may be blocking; the lock is held, so none can begin to block unnoticed.
    fn ring(&self, state: &State) {
        if state.blocked > 0
            && let Some(Some(bell)) = self.bell.get()
        {
            // It fails only when the counter is full, and then it rings anyway.
            let _ = bell.write(1);
        }
    }
}

/// What poll(2) is asked for; hang-up and error it tells unasked.
pub(crate) fn poll_flags(what: Readiness) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::POLLIN, what.contains(Readiness::READ));
    flags.set(PollFlags::POLLOUT, what.contains(Readiness::WRITE));
    flags
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;

    const NOW: Option<Duration> = Some(Duration::ZERO);

    fn pair() -> (UnixStream, Arc<OwnedFd>) {
        let (near, far) = UnixStream::pair().expect("a socket pair");
        (near, Arc::new(far.into()))
    }

    #[test]
    fn an_armed_line_fires_once_when_bytes_arrive() {
        let (watch, (mut near, far)) = (Watch::new(), pair());
        watch.arm(&far, Readiness::READ, 7);
        assert!(watch.has_sources());
        assert_eq!(watch.poll(NOW), []);
        near.write_all(b"x").expect("a byte");
        assert_eq!(watch.poll(None), [7]);
        assert_eq!(watch.poll(NOW), []);
        assert!(!watch.has_sources());
    }

    #[test]
    fn arming_for_more_keeps_what_was_armed() {
        let (watch, (_near, far)) = (Watch::new(), pair());
        watch.arm(&far, Readiness::READ, 7);
        watch.arm(&far, Readiness::WRITE, 7);
        assert_eq!(watch.poll(NOW), [7]);
        assert!(!watch.has_sources());
    }

    #[test]
    fn a_hang_up_fires_whatever_was_armed() {
        let (watch, (near, far)) = (Watch::new(), pair());
        watch.arm(&far, Readiness::READ, 7);
        drop(near);
        assert_eq!(watch.poll(None), [7]);
    }

    #[test]
    fn a_disarmed_line_stays_silent() {
        let (watch, (_near, far)) = (Watch::new(), pair());
        watch.arm(&far, Readiness::WRITE, 7);
        watch.raise(7);
        watch.disarm(7);
        assert_eq!(watch.poll(NOW), []);
    }

    #[test]
    fn another_thread_ends_a_blocking_poll_by_waking_arming_or_raising() {
        let (watch, (_near, far)) = (Watch::new(), pair());
        thread::scope(|scope| {
            let polls = scope.spawn(|| (watch.poll(None), watch.poll(None), watch.poll(None)));
            let blocked = || {
                while watch.state.lock().blocked == 0 {
                    thread::yield_now();
                }
            };
            watch.wake();
            blocked();
            watch.raise(3);
            // The line was taken by the second poll once somebody blocks with nothing raised.
            while watch.state.lock().blocked == 0 || !watch.state.lock().raised.is_empty() {
                thread::yield_now();
            }
            watch.arm(&far, Readiness::WRITE, 4);
            let mut lines = Vec::new();
            let (first, second, third) = polls.join().expect("no panic");
            lines.extend(first.into_iter().chain(second).chain(third));
            // A poll may end early, so what was raised late may still be there.
            while lines.len() < 2 {
                lines.extend(watch.poll(None));
            }
            assert_eq!(lines, [3, 4]);
        });
    }

    #[test]
    fn a_wake_before_the_poll_is_not_lost() {
        let watch = Watch::new();
        watch.wake();
        assert_eq!(watch.poll(None), []);
    }

    struct Drain(Mutex<UnixStream>, Arc<OwnedFd>, Arc<Watch>);

    impl Source for Drain {
        fn descriptor(&self) -> Option<Arc<OwnedFd>> {
            Some(self.1.clone())
        }
        fn readable(&self) {
            let _ = self.0.lock().read(&mut [0; 16]).expect("bytes");
            self.2.raise(9);
        }
    }

    #[test]
    fn a_source_is_drained_unasked_until_it_is_dropped() {
        let watch = Watch::new();
        let (mut near, far) = UnixStream::pair().expect("a socket pair");
        let polled = Arc::new(OwnedFd::from(far.try_clone().expect("a descriptor")));
        let drain: Arc<dyn Source> = Arc::new(Drain(Mutex::new(far), polled, watch.clone()));
        watch.add_source(Arc::downgrade(&drain));
        assert!(watch.has_sources());
        near.write_all(b"x").expect("a byte");
        assert_eq!(watch.poll(None), [9]);
        assert_eq!(watch.poll(NOW), []);
        drop(drain);
        assert!(!watch.has_sources());
    }
}
