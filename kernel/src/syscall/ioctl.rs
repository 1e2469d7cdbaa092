//! Commands of ioctl(2): those that files of every kind know. The rest is the file's own.

use super::Context;
use crate::abi::arg::{Fd, Hex};
use crate::abi::flags::{CAP_SYS_RAWIO, IoctlCommand, OpenFlags, Whence};
use crate::error::{Errno, Result};
use crate::vfs::{CloseOnExec, FileKind, IoctlContext};

/// Bytes of a block as stat(2) counts them.
const SECTOR_LEN: u64 = 512;
/// Bytes of a block of every file system here.
const BLOCK_LEN: i32 = 4096;

pub(super) fn ioctl(cx: &mut Context<'_>, fd: Fd, command: IoctlCommand, argument: Hex) -> Result {
    let files = cx.files();
    let file = files.get(fd.0)?;
    let space = cx.space();
    let kind = file.attributes()?.kind;
    match command {
        IoctlCommand::FIOCLEX => files.set_close_on_exec(fd.0, CloseOnExec::Yes).map(|()| 0),
        IoctlCommand::FIONCLEX => files.set_close_on_exec(fd.0, CloseOnExec::No).map(|()| 0),
        IoctlCommand::FIONBIO | IoctlCommand::FIOASYNC => {
            let on: i32 = space.read_value(argument.0)?;
            let flag = if command == IoctlCommand::FIONBIO { OpenFlags::O_NONBLOCK } else { OpenFlags::FASYNC };
            let mut flags = file.flags();
            if flag == OpenFlags::FASYNC && !file.file().tells_owner() && on != 0 {
                return Err(Errno::ENOTTY);
            }
            flags.set(flag, on != 0);
            file.set_flags(flags).map(|()| 0)
        }
        IoctlCommand::FIOQSIZE => match kind {
            FileKind::Regular | FileKind::Directory | FileKind::Symlink => {
                space.write_value(argument.0, &(file.attributes()?.blocks * SECTOR_LEN)).map(|()| 0)
            }
            _ => Err(Errno::ENOTTY),
        },
        IoctlCommand::FIGETBSZ => space.write_value(argument.0, &BLOCK_LEN).map(|()| 0),
        IoctlCommand::FIBMAP if kind == FileKind::Regular => {
            if !cx.credentials().can(CAP_SYS_RAWIO) {
                return Err(Errno::EPERM);
            }
            let block: i32 = space.read_value(argument.0)?;
            if block >= 0 {
                space.write_value(argument.0, &0_i32)?;
            }
            // What is in memory is in no block of a disk.
            Err(Errno::EINVAL)
        }
        IoctlCommand::FIONREAD if kind == FileKind::Regular => {
            let left = file.file().len()?.saturating_sub(file.seek(0, Whence::SEEK_CUR)?);
            space.write_value(argument.0, &i32::try_from(left).unwrap_or(i32::MAX)).map(|()| 0)
        }
        _ => file.file().ioctl(&IoctlContext { space, caller: cx.thread }, command.0, argument.0),
    }
}
