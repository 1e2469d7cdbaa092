//! The devices of mem(4)'s major number that are no memory: null, zero, full, random, urandom.

use core::any::Any;

use ostd::Machine;

use crate::abi::flags::IoctlCommand;
use crate::abi::structs::device_number;
use crate::error::{Errno, Result};
use crate::vfs::{Attributes, Block, File, FileKind, IoctlContext, Sink, Source};

/// Random bytes that are drawn at a time.
const CHUNK: usize = 256;

/// Which device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Null,
    Zero,
    Full,
    Random,
}

impl What {
    pub(super) fn of(number: (u32, u32)) -> Option<Self> {
        Some(match number {
            (1, 3) => Self::Null,
            (1, 5) => Self::Zero,
            (1, 7) => Self::Full,
            (1, 8 | 9) => Self::Random,
            _ => return None,
        })
    }

    const fn minor(self) -> u32 {
        match self {
            Self::Null => 3,
            Self::Zero => 5,
            Self::Full => 7,
            Self::Random => 9,
        }
    }
}

pub(super) struct MemoryDevice {
    machine: Machine,
    what: What,
}

impl MemoryDevice {
    pub(super) fn new(machine: &Machine, what: What) -> Self {
        Self { machine: machine.clone(), what }
    }
}

impl File for MemoryDevice {
    fn read(&self, into: &mut dyn Sink, _at: Option<u64>, _how: Block) -> Result<usize> {
        let mut read = 0;
        while into.remaining() > 0 {
            let wanted = into.remaining();
            let moved = match self.what {
                What::Null => return Ok(0),
                What::Zero | What::Full => into.put_zeros(wanted),
                What::Random => {
                    let mut bytes = [0; CHUNK];
                    let part = wanted.min(CHUNK);
                    self.machine.entropy(&mut bytes[..part]);
                    into.put(&bytes[..part])
                }
            };
            match moved {
                Ok(0) => break,
                Ok(len) => read += len,
                Err(_) if read > 0 => break,
                Err(errno) => return Err(errno),
            }
        }
        Ok(read)
    }

    fn write(&self, from: &mut dyn Source, _at: Option<u64>, _how: Block) -> Result<usize> {
        match self.what {
            What::Full if from.remaining() > 0 => Err(Errno::ENOSPC),
            // Nobody looks at the bytes, not even whether they are there.
            _ => Ok(from.remaining()),
        }
    }

    fn append(&self, from: &mut dyn Source, how: Block) -> Result<(usize, u64)> {
        Ok((self.write(from, None, how)?, 0))
    }

    fn ioctl(&self, cx: &IoctlContext<'_>, command: u32, argument: usize) -> Result<usize> {
        if self.what == What::Random && IoctlCommand(command) == IoctlCommand::RNDGETENTCNT {
            cx.write_value(argument, &256_i32)?;
            return Ok(0);
        }
        Err(Errno::ENOTTY)
    }

    fn sends(&self) -> bool {
        self.what != What::Null
    }

    fn is_sent_to(&self) -> bool {
        self.what != What::Full
    }

    fn maps_zeros(&self) -> bool {
        self.what == What::Zero
    }

    fn tells_owner(&self) -> bool {
        self.what == What::Random
    }

    fn attributes(&self) -> Result<Attributes> {
        let mut attributes = Attributes::anonymous(FileKind::Char, 0o666, u64::from(self.what.minor()));
        attributes.rdev = device_number(1, self.what.minor());
        Ok(attributes)
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn has_offset(&self) -> bool {
        false
    }

    fn len(&self) -> Result<u64> {
        Ok(0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
