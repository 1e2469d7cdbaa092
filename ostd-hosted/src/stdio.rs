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
use crate::terminal::{HostTerminal, Use};
use crate::watch::Watch;

mod begin;
mod captured;
pub(crate) mod descriptor;

pub use begin::ignored_signals;
pub use captured::Captured;

use descriptor::Descriptor;

/// The process's descriptors 0, 1 and 2, each announced on its line of `lines`; those that are one terminal share its
/// channel. A descriptor that was closed when the process began is shown as such.
///
/// If 0 and 1 are that terminal, it is the machine's alone, and raw until its channel is dropped. Otherwise somebody else
/// may be using it, and it is taken over by the first read.
///
/// Fails if another machine of this process has the terminal.
pub fn standard(watch: &Arc<Watch>, outside: &Arc<Outside>, lines: [u32; 3]) -> io::Result<[Arc<dyn ByteChannel>; 3]> {
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let fds = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    let mut descriptors = Vec::new();
    for (number, fd) in fds.iter().enumerate() {
        descriptors.push(if begin::was_closed(number) { None } else { Some(Descriptor::new(fd)?) });
    }
    let is_terminal = |descriptor: &Descriptor| {
        descriptor.kind() == ChannelKind::Terminal && descriptor.may_read() && descriptor.may_write()
    };
    let first = descriptors.iter().position(|descriptor| descriptor.as_ref().is_some_and(is_terminal));
    let same = |number: usize| match (first.and_then(|first| descriptors[first].as_ref()), &descriptors[number]) {
        (Some(terminal), Some(other)) => terminal.is_same_file(other),
        _ => false,
    };
    let how = if same(0) && same(1) { Use::Alone } else { Use::Shared };
    let shared = [same(0), same(1), same(2)];
    let terminal = match first {
        Some(first) => Some(Arc::new(HostTerminal::new(fds[first], watch, outside, lines[first], how)?)),
        None => None,
    };
    if let Some(terminal) = &terminal {
        watch.add_source(Arc::downgrade(&(Arc::clone(terminal) as Arc<dyn crate::watch::Source>)));
    }
    let mut descriptors = descriptors.into_iter().enumerate();
    Ok(lines.map(|line| -> Arc<dyn ByteChannel> {
        match (descriptors.next(), &terminal) {
            (Some((number, _)), Some(terminal)) if shared[number] => terminal.clone(),
            (Some((_, Some(descriptor))), _) => Arc::new(HostChannel { descriptor, watch: watch.clone(), line }),
            _ => Arc::new(Closed(line)),
        }
    }))
}

/// Makes a write to a pipe without readers fail with EPIPE instead of ending the process. Rust's runtime does so
/// before `main`; this is for whoever undid it. It is not undone, and exec(2) passes it on.
pub fn ignore_broken_pipes() {
    let mut action = crate::outside::handlers::default_action();
    action.sa_sigaction = libc::SIG_IGN;
    crate::outside::handlers::set_action(libc::SIGPIPE, &action);
}

/// A descriptor that is closed; the number is its line, which is never raised.
struct Closed(u32);

impl ByteChannel for Closed {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Closed
    }
    fn read(&self, _into: &mut [u8]) -> Result<usize, ChannelError> {
        Err(ChannelError::Unsupported)
    }
    fn write(&self, _from: &[u8]) -> Result<usize, ChannelError> {
        Err(ChannelError::Unsupported)
    }
    fn ready(&self) -> Readiness {
        Readiness::empty()
    }
    fn arm(&self, _what: Readiness) {}
    fn line(&self) -> u32 {
        self.0
    }
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
