//! What is typed: reads, and the task that takes it from outside.

use ostd::device::Readiness;
use ostd::sync::{Sleep, WaitError};

use super::Console;
use crate::error::{Errno, Result};
use crate::tty::discipline::{Effects, Patience};

/// On whose behalf a terminal is read.
pub struct Reader<'a> {
    /// How often the terminal had hung up when the reader's file was opened.
    pub hang_ups: u32,
    /// Asked before each look: whether the caller may read. It may leave the foreground while it sleeps.
    pub permit: &'a dyn Fn() -> Result<()>,
}

impl Console {
    /// Reads as the modes say; `Ok(0)` is an end of file, a hang-up, or patience that ended.
    pub fn read(&self, into: &mut [u8], sleep: Option<Sleep>, reader: &Reader<'_>) -> Result {
        (reader.permit)()?;
        self.want();
        if into.is_empty() {
            return Ok(0);
        }
        let patience = self.line.lock().patience();
        if let Some(Patience { min: 0, time_ns: 0 }) = patience {
            return Ok(self.take(into));
        }
        let Some(sleep) = sleep else {
            let readable = self.line.lock().is_readable() || self.ended.load();
            return if readable { Ok(self.take(into)) } else { Err(Errno::EAGAIN) };
        };
        let waited = match patience {
            None => self.wait_for(1, sleep, reader),
            Some(Patience { min, time_ns: 0 }) => self.wait_for(min.min(into.len()), sleep, reader),
            Some(Patience { min: 0, time_ns }) => self.wait_for(1, self.within(sleep, time_ns), reader),
            Some(Patience { min, time_ns }) => self.wait_between(min.min(into.len()), time_ns, sleep, reader),
        };
        if self.hang_ups.load() != reader.hang_ups {
            return Ok(0);
        }
        match waited {
            Ok(()) | Err(WaitError::TimedOut) => {
                (reader.permit)()?;
                Ok(self.take(into))
            }
            Err(WaitError::Interrupted) => Err(Errno::ERESTARTSYS),
        }
    }

    /// A program wants what is typed: it is taken from outside from now on.
    pub(super) fn want(&self) {
        if !self.wanted.swap(true) {
            // The channel hears of it before more is written.
            self.stream.channel().arm(Readiness::READ);
            self.changed.wake_all();
        }
    }

    fn take(&self, into: &mut [u8]) -> usize {
        let len = self.line.lock().read(into);
        // There is room for more typing.
        self.changed.wake_all();
        len
    }

    fn within(&self, sleep: Sleep, time_ns: u64) -> Sleep {
        sleep.until(Some(self.machine.monotonic_ns().saturating_add(time_ns)))
    }

    fn is_over(&self, reader: &Reader<'_>) -> bool {
        self.ended.load() || self.hang_ups.load() != reader.hang_ups
    }

    fn wait_for(&self, count: usize, sleep: Sleep, reader: &Reader<'_>) -> core::result::Result<(), WaitError> {
        self.changed.wait_until(sleep, || {
            let line = self.line.lock();
            let enough = if line.patience().is_none() { line.is_readable() } else { line.pending() >= count };
            (enough || self.is_over(reader)).then_some(())
        })
    }

    /// Waits for `count` bytes, but after the first only `time_ns` for each next one.
    fn wait_between(
        &self,
        count: usize,
        time_ns: u64,
        sleep: Sleep,
        reader: &Reader<'_>,
    ) -> core::result::Result<(), WaitError> {
        self.wait_for(1, sleep, reader)?;
        loop {
            let have = self.pending();
            if have >= count || self.is_over(reader) {
                return Ok(());
            }
            self.wait_for(have + 1, self.within(sleep, time_ns), reader)?;
        }
    }

    /// The task: types for who sits outside.
    pub(super) fn take_typing(&self) {
        let mut bytes = [0; 256];
        loop {
            let room = || {
                if self.closed.load() {
                    return Some(0);
                }
                Some(self.line.lock().room()).filter(|&room| room > 0 && self.wanted.load())
            };
            let Ok(room) = self.changed.wait_until(Sleep::uninterruptible(), room) else { continue };
            let part = room.min(bytes.len());
            let typed = self.stream.queue().wait_until(Sleep::uninterruptible(), || {
                if self.closed.load() {
                    return Some(Ok(0));
                }
                match self.stream.read(&mut bytes[..part], None) {
                    Err(Errno::EAGAIN) => {
                        self.stream.channel().arm(Readiness::READ);
                        None
                    }
                    settled => Some(settled),
                }
            });
            match typed {
                Ok(Ok(len)) if len > 0 => self.typed(&bytes[..len]),
                _ => break,
            }
        }
        self.line.lock().end();
        self.ended.store(true);
        self.changed.wake_all();
        self.nobody_is_left();
    }

    /// Who sat outside has gone: the session hears of it.
    fn nobody_is_left(&self) {
        let (job, foreground) = (self.job(), self.foreground.lock().clone());
        if let Some(foreground) = foreground
            && job.session > 0
        {
            foreground.hang_up(job.session);
        }
    }

    fn typed(&self, bytes: &[u8]) {
        let mut effects = Effects::default();
        {
            let mut line = self.line.lock();
            for &byte in bytes {
                line.input(byte, &mut effects);
            }
        }
        for &signal in &effects.signals {
            self.signal(signal);
        }
        self.echo.lock().extend_from_slice(&effects.echo);
        self.flush_echo();
        self.changed.wake_all();
    }
}
