//! Byte channels of a hosted machine: the process's standard descriptors, or captured bytes in a test.
//!
//! - [`standard`]: descriptors 0, 1 and 2 as what they are, terminal included.
//! - [`HostChannel`]: one descriptor.
//! - [`Captured`]: a channel whose other end is the test.
//!
//! Nothing blocks, and no flag of a descriptor that other processes share is ever changed: O_NONBLOCK would be seen by
//! everybody who holds the same open file, the caller's shell first of all.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use ostd_hal::device::{ByteChannel, ChannelError, ChannelKind, Readiness};

use crate::outside::Outside;
use crate::terminal::HostTerminal;
use crate::watch::Watch;

mod captured;
pub(crate) mod descriptor;

pub use captured::Captured;

use descriptor::Descriptor;

/// The process's descriptors 0, 1 and 2, each announced on its line of `lines`. If descriptor 0 is a terminal it is
/// made raw until its channel is dropped, and those of 1 and 2 that are the same terminal share its channel.
///
/// Fails if a descriptor is closed, or if another machine of this process has the terminal.
pub fn standard(watch: &Arc<Watch>, outside: &Arc<Outside>, lines: [u32; 3]) -> io::Result<[Arc<dyn ByteChannel>; 3]> {
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let input = Descriptor::new(&stdin)?;
    if input.kind() != ChannelKind::Terminal {
        return Ok([
            Arc::new(HostChannel { descriptor: input, watch: watch.clone(), line: lines[0] }),
            Arc::new(HostChannel::new(&stdout, watch, lines[1])?),
            Arc::new(HostChannel::new(&stderr, watch, lines[2])?),
        ]);
    }
    let terminal = Arc::new(HostTerminal::new(&stdin, watch, outside, lines[0])?);
    watch.add_source(Arc::downgrade(&(terminal.clone() as Arc<dyn crate::watch::Source>)));
    let output = |descriptor: Descriptor, line| -> Arc<dyn ByteChannel> {
        if input.may_write() && input.is_same_file(&descriptor) {
            terminal.clone()
        } else {
            Arc::new(HostChannel { descriptor, watch: watch.clone(), line })
        }
    };
    let outputs = [output(Descriptor::new(&stdout)?, lines[1]), output(Descriptor::new(&stderr)?, lines[2])];
    let [stdout, stderr] = outputs;
    Ok([terminal, stdout, stderr])
}

/// Makes a write to a pipe without readers fail with EPIPE instead of ending the process. Rust's runtime does so
/// before `main`; this is for whoever undid it. It is not undone, and exec(2) passes it on.
pub fn ignore_broken_pipes() {
    let mut action = crate::outside::handlers::default_action();
    action.sa_sigaction = libc::SIG_IGN;
    crate::outside::handlers::set_action(libc::SIGPIPE, &action);
}

/// A descriptor of the process as a byte channel.
pub struct HostChannel {
    descriptor: Descriptor,
    watch: Arc<Watch>,
    line: u32,
}

impl HostChannel {
    /// A channel over (a duplicate of) `fd`, which the other holders of its open file keep using as before.
    pub fn new(fd: impl AsFd, watch: &Arc<Watch>, line: u32) -> io::Result<Self> {
        Ok(Self { descriptor: Descriptor::new(fd)?, watch: watch.clone(), line })
    }
}

impl Drop for HostChannel {
    fn drop(&mut self) {
        self.watch.disarm(self.line);
    }
}

impl ByteChannel for HostChannel {
    fn kind(&self) -> ChannelKind {
        self.descriptor.kind()
    }
    fn read(&self, into: &mut [u8]) -> Result<usize, ChannelError> {
        self.descriptor.read(into)
    }
    fn write(&self, from: &[u8]) -> Result<usize, ChannelError> {
        self.descriptor.write(from)
    }
    fn ready(&self) -> Readiness {
        self.descriptor.ready()
    }
    fn arm(&self, what: Readiness) {
        self.descriptor.arm(what, &self.watch, self.line);
    }
    fn line(&self) -> u32 {
        self.line
    }
    fn window(&self) -> Option<(u16, u16)> {
        self.descriptor.window()
    }
    fn seek(&self, offset: i64, whence: u32) -> Result<u64, ChannelError> {
        self.descriptor.seek(offset, whence)
    }
    fn size(&self) -> u64 {
        self.descriptor.size()
    }
    fn truncate(&self, size: u64) -> Result<(), ChannelError> {
        self.descriptor.truncate(size)
    }
}

#[cfg(test)]
mod tests;
