//! Byte channels of the machine as files: what a program's standard streams are when they are no terminal.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::any::Any;

use ostd::Machine;
use ostd::device::{ByteChannel, ChannelKind, Readiness};
use ostd::sync::{Mutex, Sleep, WaitQueue};

use crate::abi::flags::{OpenFlags, Whence};
use crate::driver::{Stream, errno_of};
use crate::error::{Errno, Result};
use crate::vfs::{Attributes, Block, File, FileKind, OpenFile, PollEvents, Share, Sink, Source};

/// Bytes that are copied at a time.
const CHUNK: usize = 64 << 10;

/// A byte channel as a file.
pub struct StreamFile {
    stream: Stream,
    kind: ChannelKind,
    /// Where this file left the channel's offset, which others may share and move: two descriptors of one log must not
    /// overwrite each other, so the offset is set only for who wants to be elsewhere.
    left_at: Mutex<Option<u64>>,
}

impl StreamFile {
    /// The file; there must be one per channel, since the machine knows one handler per interrupt line.
    pub fn of(machine: &Machine, channel: Arc<dyn ByteChannel>) -> Arc<dyn File> {
        let kind = channel.kind();
        Arc::new(Self { stream: Stream::new(machine, channel), kind, left_at: Mutex::new(None) })
    }

    /// The file opened, continuing where the channel is.
    pub fn open(share: Share, machine: &Machine, channel: Arc<dyn ByteChannel>, flags: OpenFlags) -> Arc<OpenFile> {
        let at = channel.seek(0, Whence::SEEK_CUR.0);
        let kind = channel.kind();
        let file = Self { stream: Stream::new(machine, channel), kind, left_at: Mutex::new(at.ok()) };
        let open = OpenFile::new(share, Arc::new(file), flags);
        if let Ok(at) = at {
            // Files can be sought; for the others it does not matter.
            let _ = open.seek(at.cast_signed(), Whence::SEEK_SET);
        }
        open
    }

    /// Brings the channel to `at`, unless that is where this file left it.
    fn go_to(&self, at: Option<u64>, left_at: &mut Option<u64>) -> Result<()> {
        let Some(at) = at else { return Ok(()) };
        if *left_at != Some(at) {
            self.stream.channel().seek(at.cast_signed(), Whence::SEEK_SET.0).map_err(errno_of)?;
            *left_at = Some(at);
        }
        Ok(())
    }
}

fn sleep(how: Block) -> Option<Sleep> {
    (how == Block::Wait).then_some(Sleep::interruptible())
}

impl File for StreamFile {
    fn read(&self, into: &mut dyn Sink, at: Option<u64>, how: Block) -> Result<usize> {
        let mut buffer = vec![0; into.remaining().min(CHUNK)];
        if self.kind != ChannelKind::File {
            let len = self.stream.read(&mut buffer, sleep(how))?;
            return into.put(&buffer[..len]);
        }
        let mut left_at = self.left_at.lock();
        self.go_to(at, &mut left_at)?;
        let mut read = 0;
        while into.remaining() > 0 {
            let part = into.remaining().min(CHUNK);
            let len = match self.stream.read(&mut buffer[..part], sleep(how)) {
                Ok(0) => break,
                Ok(len) => len,
                Err(_) if read > 0 => break,
                Err(errno) => return Err(errno),
            };
            *left_at = left_at.map(|at| at + len as u64);
            read += into.put(&buffer[..len])?;
        }
        Ok(read)
    }

    fn write(&self, from: &mut dyn Source, at: Option<u64>, how: Block) -> Result<usize> {
        let mut left_at = (self.kind == ChannelKind::File).then(|| self.left_at.lock());
        if let Some(left_at) = &mut left_at {
            self.go_to(at, left_at)?;
        }
        let mut buffer = vec![0; from.remaining().min(CHUNK)];
        let mut written = 0;
        while from.remaining() > 0 {
            let part = from.remaining().min(CHUNK);
            let len = match from.take(&mut buffer[..part]) {
                Ok(len) if len > 0 => len,
                Ok(_) | Err(_) if written > 0 => break,
                failed => return failed,
            };
            let mut gone = 0;
            while gone < len {
                let more = match self.stream.write(&buffer[gone..len], sleep(how)) {
                    Ok(more) => more,
                    Err(_) if written + gone > 0 => return Ok(written + gone),
                    Err(errno) => return Err(errno),
                };
                gone += more;
                if let Some(left_at) = &mut left_at {
                    **left_at = left_at.map(|at| at + more as u64);
                }
            }
            written += gone;
        }
        Ok(written)
    }

    fn append(&self, from: &mut dyn Source, how: Block) -> Result<(usize, u64)> {
        let end = self.stream.channel().size();
        let count = self.write(from, Some(end), how)?;
        Ok((count, end + count as u64))
    }

    fn poll(&self) -> PollEvents {
        let ready = self.stream.ready();
        let mut events = PollEvents::empty();
        events.set(PollEvents::POLLIN | PollEvents::POLLRDNORM, ready.contains(Readiness::READ));
        events.set(PollEvents::POLLOUT | PollEvents::POLLWRNORM, ready.contains(Readiness::WRITE));
        events.set(PollEvents::POLLHUP, ready.contains(Readiness::HANGUP));
        events
    }

    fn queues(&self) -> Vec<&WaitQueue> {
        vec![self.stream.queue()]
    }

    fn tells_owner(&self) -> bool {
        true
    }

    fn attributes(&self) -> Result<Attributes> {
        let kind = match self.kind {
            ChannelKind::Pipe => FileKind::Fifo,
            ChannelKind::File => FileKind::Regular,
            ChannelKind::Terminal | ChannelKind::Other | ChannelKind::Closed => FileKind::Char,
        };
        let line = u64::from(self.stream.channel().line());
        let mut attributes = Attributes::anonymous(kind, 0o600, line + 1);
        if kind == FileKind::Char {
            // What a host shows as some device is most often its null device.
            (attributes.mode, attributes.rdev) = (0o666, crate::abi::structs::device_number(1, 3));
        }
        attributes.size = self.stream.channel().size();
        attributes.blocks = attributes.size.div_ceil(512);
        Ok(attributes)
    }

    fn is_seekable(&self) -> bool {
        self.kind == ChannelKind::File
    }

    fn sought(&self, to: u64) {
        // Whoever has the file after the machine goes on from there. The next read or write tells of a failure.
        let _ = self.go_to(Some(to), &mut self.left_at.lock());
    }

    fn len(&self) -> Result<u64> {
        if self.is_seekable() { Ok(self.stream.channel().size()) } else { Err(Errno::ESPIPE) }
    }

    fn truncate(&self, len: u64) -> Result<()> {
        if !self.is_seekable() {
            return Err(Errno::EINVAL);
        }
        self.stream.channel().truncate(len).map_err(errno_of)
    }

    fn sync(&self) -> Result<()> {
        if self.is_seekable() { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
