//! `Descriptor`: reads and writes of a shared host descriptor that never block.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::unistd::{Whence, ftruncate, isatty, lseek, read, write};
use ostd_hal::device::{ChannelError, ChannelKind, Readiness};

use crate::terminal::raw;
use crate::watch::{Watch, poll_flags};

/// A duplicate of a descriptor, and where possible a second opening of the same pipe or terminal.
///
/// The duplicate shares its open file, and so its offset and flags, with whoever else has it; it is polled. The second
/// opening is ours alone, so it may be O_NONBLOCK. It is not polled: a pipe opened for reading after its last writer
/// left does not tell poll(2) of the end.
pub(crate) struct Descriptor {
    shared: Arc<OwnedFd>,
    own: Option<OwnedFd>,
    kind: ChannelKind,
    may_read: bool,
    may_write: bool,
    /// The most that one write may hand over without blocking, when all we know is POLLOUT.
    write_max: usize,
}

/// POLLOUT promises this much of a pipe (pipe(7)), and of a socket in practice.
const PIPE_WRITE_MAX: usize = libc::PIPE_BUF;
/// POLLOUT promises little of a terminal; this is what Linux calls nearly empty.
const TERMINAL_WRITE_MAX: usize = 256;

impl Descriptor {
    /// Looks at what `fd` is. Changes nothing about it.
    pub(crate) fn new(fd: impl AsFd) -> io::Result<Self> {
        let shared = fd.as_fd().try_clone_to_owned()?;
        let format = SFlag::from_bits_truncate(fstat(&shared)?.st_mode) & SFlag::S_IFMT;
        let kind = match format {
            SFlag::S_IFREG => ChannelKind::File,
            SFlag::S_IFIFO | SFlag::S_IFSOCK => ChannelKind::Pipe,
            _ if isatty(&shared)? => ChannelKind::Terminal,
            _ => ChannelKind::Other,
        };
        let mode = OFlag::from_bits_truncate(fcntl(&shared, FcntlArg::F_GETFL)?) & OFlag::O_ACCMODE;
        // Opening other devices again may do something to them; opening the master of a pseudo terminal makes another.
        let reopen = match kind {
            ChannelKind::Pipe => format == SFlag::S_IFIFO,
            ChannelKind::Terminal => !raw::is_master(&shared),
            _ => false,
        };
        let flags = mode | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let path = format!("/proc/self/fd/{}", shared.as_raw_fd());
        // It fails without /proc, for somebody else's terminal, and for a pipe that has lost its readers.
        let own = if reopen { open(path.as_str(), flags, Mode::empty()).ok() } else { None };
        let write_max = match kind {
            ChannelKind::File => usize::MAX,
            ChannelKind::Terminal => TERMINAL_WRITE_MAX,
            ChannelKind::Pipe | ChannelKind::Other | ChannelKind::Closed => PIPE_WRITE_MAX,
        };
        Ok(Self {
            shared: Arc::new(shared),
            own,
            kind,
            may_read: mode != OFlag::O_WRONLY,
            may_write: mode != OFlag::O_RDONLY,
            write_max,
        })
    }

    pub(crate) fn kind(&self) -> ChannelKind {
        self.kind
    }

    pub(crate) fn may_read(&self) -> bool {
        self.may_read
    }

    pub(crate) fn may_write(&self) -> bool {
        self.may_write
    }

    /// What to poll.
    pub(crate) fn polled(&self) -> &Arc<OwnedFd> {
        &self.shared
    }

    /// Whether both name the same file of the host.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        let name = |stat: FileStat| (stat.st_dev, stat.st_ino, stat.st_rdev);
        matches!((fstat(&self.shared), fstat(&other.shared)), (Ok(a), Ok(b)) if name(a) == name(b))
    }

    pub(crate) fn read(&self, into: &mut [u8]) -> Result<usize, ChannelError> {
        if !self.may_read {
            return Err(ChannelError::Unsupported);
        }
        let fd = match &self.own {
            Some(own) => own,
            None if self.kind == ChannelKind::File || self.polls(PollFlags::POLLIN) => &*self.shared,
            None => return Err(ChannelError::Busy),
        };
        uninterrupted(|| read(fd, into))
    }

    pub(crate) fn write(&self, from: &[u8]) -> Result<usize, ChannelError> {
        if !self.may_write {
            return Err(ChannelError::Unsupported);
        }
        let (fd, len) = match &self.own {
            Some(own) => (own, from.len()),
            None if self.kind == ChannelKind::File || self.polls(PollFlags::POLLOUT) => {
                (&*self.shared, from.len().min(self.write_max))
            }
            None => return Err(ChannelError::Busy),
        };
        match uninterrupted(|| write(fd, &from[..len]))? {
            0 if len > 0 => Err(ChannelError::Busy),
            taken => Ok(taken),
        }
    }

    pub(crate) fn ready(&self) -> Readiness {
        let able = self.able();
        if self.kind == ChannelKind::File {
            return able;
        }
        let seen = self.poll(poll_flags(able));
        let mut ready = Readiness::empty();
        let broken = seen.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL);
        ready.set(Readiness::READ, broken || seen.contains(PollFlags::POLLIN));
        ready.set(Readiness::WRITE, broken || seen.contains(PollFlags::POLLOUT));
        ready &= able;
        ready.set(Readiness::HANGUP, broken);
        ready
    }

    pub(crate) fn arm(&self, what: Readiness, watch: &Watch, line: u32) {
        let possible = what & self.able();
        if self.kind == ChannelKind::File || !(what - Readiness::HANGUP).is_empty() && possible.is_empty() {
            // A file never waits, and what cannot be done is refused at once.
            watch.raise(line);
        } else {
            watch.arm(&self.shared, what, line);
        }
    }

    pub(crate) fn window(&self) -> Option<(u16, u16)> {
        (self.kind == ChannelKind::Terminal).then(|| raw::window(&self.shared)).flatten()
    }

    pub(crate) fn seek(&self, offset: i64, whence: u32) -> Result<u64, ChannelError> {
        let whence = match whence {
            0 => Whence::SeekSet,
            1 => Whence::SeekCur,
            2 => Whence::SeekEnd,
            3 => Whence::SeekData,
            4 => Whence::SeekHole,
            _ => return Err(ChannelError::Errno(libc::EINVAL)),
        };
        match lseek(&self.shared, offset, whence) {
            Ok(at) => Ok(at.cast_unsigned()),
            Err(Errno::ESPIPE) => Err(ChannelError::Unsupported),
            Err(errno) => Err(ChannelError::Errno(errno as i32)),
        }
    }

    pub(crate) fn size(&self) -> u64 {
        fstat(&self.shared).map_or(0, |stat| stat.st_size.cast_unsigned())
    }

    pub(crate) fn truncate(&self, size: u64) -> Result<(), ChannelError> {
        let size = i64::try_from(size).map_err(|_| ChannelError::Errno(libc::EFBIG))?;
        uninterrupted(|| ftruncate(&self.shared, size))
    }

    fn able(&self) -> Readiness {
        let mut able = Readiness::empty();
        able.set(Readiness::READ, self.may_read);
        able.set(Readiness::WRITE, self.may_write);
        able
    }

    /// Whether a call in direction `what` would not wait.
    fn polls(&self, what: PollFlags) -> bool {
        !self.poll(what).is_empty()
    }

    fn poll(&self, what: PollFlags) -> PollFlags {
        let mut fd = [PollFd::new(self.shared.as_fd(), what)];
        match uninterrupted(|| poll(&mut fd, PollTimeout::ZERO)) {
            Ok(_) => fd[0].revents().unwrap_or(PollFlags::POLLERR),
            Err(_) => PollFlags::empty(),
        }
    }
}

/// Repeats a call that a signal interrupted, and says what its failure means to a channel.
fn uninterrupted<T>(mut call: impl FnMut() -> nix::Result<T>) -> Result<T, ChannelError> {
    loop {
        return match call() {
            Ok(value) => Ok(value),
            Err(Errno::EINTR) => continue,
            Err(Errno::EAGAIN) => Err(ChannelError::Busy),
            Err(Errno::EPIPE) => Err(ChannelError::Closed),
            Err(Errno::EBADF) => Err(ChannelError::Unsupported),
            Err(errno) => Err(ChannelError::Errno(errno as i32)),
        };
    }
}
