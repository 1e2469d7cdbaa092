//! What programs write, and typing as it is shown.

use ostd::device::Readiness;
use ostd::sync::Sleep;

use super::Console;
use crate::abi::flags::OutputFlags;
use crate::error::{Errno, Result};

/// Bytes that are processed at a time on their way out.
const CHUNK: usize = 512;

impl Console {
    /// Writes all of `from`, or what went out before a signal came.
    pub fn write(&self, from: &[u8], sleep: Option<Sleep>) -> Result {
        if self.closed.load() {
            return Err(Errno::EIO);
        }
        if sleep.is_none() && !from.is_empty() && !self.ready().contains(Readiness::WRITE) {
            return Err(Errno::EAGAIN);
        }
        let sleep = sleep.unwrap_or(Sleep::interruptible());
        let mut written = 0;
        for chunk in from.chunks(CHUNK) {
            match self.write_chunk(chunk, sleep) {
                Ok(()) => written += chunk.len(),
                Err(_) if written > 0 => break,
                Err(errno) => return Err(errno),
            }
        }
        self.flush_echo();
        Ok(written)
    }

    fn write_chunk(&self, chunk: &[u8], sleep: Sleep) -> Result<()> {
        let free = || (!self.line.lock().is_stopped() || self.closed.load()).then_some(());
        self.changed.wait_until(sleep, free).map_err(|_| Errno::ERESTARTSYS)?;
        let _writing = self.writing.lock();
        let mut out = core::mem::take(&mut *self.echo.lock());
        let begun = out.len();
        {
            let mut line = self.line.lock();
            let processed = OutputFlags::from_bits_retain(line.termios().c_oflag).contains(OutputFlags::OPOST);
            // Where nobody has wanted input, the line discipline of those outside is at work.
            if processed && self.wanted.load() {
                line.output(chunk, &mut out);
            } else {
                out.extend_from_slice(chunk);
            }
        }
        let mut at = 0;
        while at < out.len() {
            match self.stream.write(&out[at..], Some(sleep)) {
                Ok(len) => at += len,
                // What is on its way cannot be called back: the rest is dropped, as by a flush.
                Err(Errno::ERESTARTSYS) if at > begun => break,
                Err(Errno::EPIPE) => return Err(Errno::EIO),
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Shows what was typed, as far as the channel takes it now.
    pub(super) fn flush_echo(&self) {
        // Who has the lock shows it.
        while let Some(writing) = self.writing.try_lock() {
            let bytes = core::mem::take(&mut *self.echo.lock());
            let mut at = 0;
            while at < bytes.len()
                && let Ok(len) = self.stream.write(&bytes[at..], None)
            {
                at += len;
            }
            let mut echo = self.echo.lock();
            echo.splice(0..0, bytes[at..].iter().copied());
            let rest = echo.len();
            drop(echo);
            drop(writing);
            if at < bytes.len() || rest == 0 {
                return;
            }
        }
    }
}
