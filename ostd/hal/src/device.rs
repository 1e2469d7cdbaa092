//! Devices a machine may carry, as its kernel sees them: byte channels, shared folders, and events from outside.
//!
//! No function here blocks. What would block answers [`Busy`](ChannelError::Busy); the kernel then arms the channel
//! and sleeps until the device's interrupt line is raised.

use alloc::vec::Vec;

bitflags::bitflags! {
    /// What a byte channel is ready for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Readiness: u8 {
        /// A read gives bytes or the end.
        const READ = 1;
        /// A write takes at least one byte, or fails.
        const WRITE = 1 << 1;
        /// The other end is gone.
        const HANGUP = 1 << 2;
    }
}

/// What a byte channel is outside the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// Somebody sits at the other end.
    Terminal,
    /// A pipe, socket or FIFO: bytes pass once.
    Pipe,
    /// A regular file: it has a size and an offset.
    File,
    /// A character device that is no terminal, such as the null device.
    Other,
    /// Nothing: a descriptor that was closed when the process began.
    Closed,
}

/// Why a channel did not move bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelError {
    /// Not now; arm it and wait.
    Busy,
    /// The other end is gone (EPIPE).
    Closed,
    /// The channel does not go this way, or cannot seek (EBADF, ESPIPE).
    Unsupported,
    /// The outside said no, with this errno.
    Errno(i32),
}

/// A stream of bytes to outside the machine: a serial line, or a descriptor of the process.
pub trait ByteChannel: Send + Sync {
    /// What it is outside.
    fn kind(&self) -> ChannelKind;
    /// Takes bytes that have arrived; `Ok(0)` is the end.
    fn read(&self, into: &mut [u8]) -> Result<usize, ChannelError>;
    /// Hands bytes out; returns how many were taken, at least one.
    fn write(&self, from: &[u8]) -> Result<usize, ChannelError>;
    /// What would work now.
    fn ready(&self) -> Readiness;
    /// Asks for one interrupt on the channel's line when any of `what` becomes true (at once if it already is).
    fn arm(&self, what: Readiness);
    /// The interrupt line of [`Interrupt::Device`](crate::Interrupt::Device) that `arm` raises.
    fn line(&self) -> u32;
    /// Whether others outside may be reading from it at the same time, so that its input is left to them until a
    /// program asks for some.
    fn is_shared(&self) -> bool {
        false
    }
    /// Rows and columns of a terminal.
    fn window(&self) -> Option<(u16, u16)> {
        None
    }
    /// Moves a file's offset (`whence` as lseek(2) numbers it) and returns the new one.
    fn seek(&self, _offset: i64, _whence: u32) -> Result<u64, ChannelError> {
        Err(ChannelError::Unsupported)
    }
    /// What fstat(2) would say of a file's size in bytes.
    fn size(&self) -> u64 {
        0
    }
    /// Sets a file's size in bytes.
    fn truncate(&self, _size: u64) -> Result<(), ChannelError> {
        Err(ChannelError::Unsupported)
    }
}

/// Something that happened to the machine from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutsideEvent {
    /// The terminal's size changed.
    WindowChanged,
    /// Somebody asks the machine's program to act on a signal, by Linux's number.
    Signal(i32),
    /// A key of the terminal outside, whose line discipline is at work, stands for this signal: SIGINT or SIGQUIT.
    Key(i32),
    /// Somebody asks for the machine to be stopped now.
    Stop,
}

/// Names a file of a shared folder until it is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FolderNode(pub u64);

/// What kind of file a node is; numbers are `S_IFMT` bits, as in stat(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderAttributes {
    /// Inode number on the other side.
    pub ino: u64,
    /// Device number on the other side; a change of it below the root is a mount point.
    pub dev: u64,
    /// Type and permission bits.
    pub mode: u32,
    /// Hard links.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number of a device node.
    pub rdev: u64,
    /// Bytes.
    pub size: u64,
    /// 512-byte blocks.
    pub blocks: u64,
    /// Last access: seconds and nanoseconds since 1970.
    pub atime: (i64, u32),
    /// Last change of contents.
    pub mtime: (i64, u32),
    /// Last change of the inode.
    pub ctime: (i64, u32),
}

/// One line of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderEntry {
    /// The name, without NUL or slash.
    pub name: Vec<u8>,
    /// Inode number on the other side.
    pub ino: u64,
    /// `DT_*` of getdents64(2).
    pub kind: u8,
}

/// The errno with which the other side refused, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderError(pub i32);

/// A tree of files outside the machine, read through a window: the host's root, or 9P.
///
/// Only regular files and directories can be read; every other kind is shown by its attributes alone.
pub trait SharedFolder: Send + Sync {
    /// The top of the tree; never forgotten.
    fn root(&self) -> FolderNode;
    /// The file called `name` in `dir`, not following a symbolic link. `name` is neither `.` nor `..`.
    fn lookup(&self, dir: FolderNode, name: &[u8]) -> Result<(FolderNode, FolderAttributes), FolderError>;
    /// What stat(2) says now.
    fn attributes(&self, node: FolderNode) -> Result<FolderAttributes, FolderError>;
    /// Reads a regular file; fewer bytes than asked only at its end.
    fn read(&self, node: FolderNode, offset: u64, into: &mut [u8]) -> Result<usize, FolderError>;
    /// All lines of a directory, without `.` and `..`, in the other side's order.
    fn entries(&self, dir: FolderNode) -> Result<Vec<FolderEntry>, FolderError>;
    /// Where a symbolic link points.
    fn link_target(&self, node: FolderNode) -> Result<Vec<u8>, FolderError>;
    /// Undoes one lookup or making of the node, which will not be named again after the last.
    fn forget(&self, node: FolderNode);

    /// Nodes besides the root that were looked up or made more often than forgotten.
    fn held(&self) -> usize {
        0
    }

    /// Whether the calls below can succeed at all.
    fn is_writable(&self) -> bool {
        false
    }
    /// Writes to a regular file.
    fn write(&self, _node: FolderNode, _offset: u64, _from: &[u8]) -> Result<usize, FolderError> {
        Err(READ_ONLY)
    }
    /// Sets a regular file's size.
    fn truncate(&self, _node: FolderNode, _size: u64) -> Result<(), FolderError> {
        Err(READ_ONLY)
    }
    /// Makes a regular file, a directory, a FIFO or a socket's name, by the type bits of `mode`.
    fn create(
        &self,
        _dir: FolderNode,
        _name: &[u8],
        _mode: u32,
    ) -> Result<(FolderNode, FolderAttributes), FolderError> {
        Err(READ_ONLY)
    }
    /// Makes a symbolic link.
    fn symlink(
        &self,
        _dir: FolderNode,
        _name: &[u8],
        _target: &[u8],
    ) -> Result<(FolderNode, FolderAttributes), FolderError> {
        Err(READ_ONLY)
    }
    /// Makes another name for a file.
    fn link(&self, _node: FolderNode, _dir: FolderNode, _name: &[u8]) -> Result<(), FolderError> {
        Err(READ_ONLY)
    }
    /// Removes a name; `directory` says which of unlink(2) and rmdir(2) is meant.
    fn remove(&self, _dir: FolderNode, _name: &[u8], _directory: bool) -> Result<(), FolderError> {
        Err(READ_ONLY)
    }
    /// Renames, replacing as rename(2) does.
    fn rename(&self, _from: FolderNode, _name: &[u8], _to: FolderNode, _new: &[u8]) -> Result<(), FolderError> {
        Err(READ_ONLY)
    }
    /// Sets permission bits.
    fn set_mode(&self, _node: FolderNode, _mode: u32) -> Result<(), FolderError> {
        Err(READ_ONLY)
    }
    /// Sets owner and group, where given; of a symbolic link its own.
    fn set_owner(&self, _node: FolderNode, _uid: Option<u32>, _gid: Option<u32>) -> Result<(), FolderError> {
        Err(READ_ONLY)
    }
    /// Sets access and modification time, seconds and nanoseconds since 1970.
    fn set_times(&self, _node: FolderNode, _atime: (i64, u32), _mtime: (i64, u32)) -> Result<(), FolderError> {
        Err(READ_ONLY)
    }
}

/// EROFS.
const READ_ONLY: FolderError = FolderError(30);
