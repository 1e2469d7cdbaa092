//! Devices a machine may carry, as its kernel sees them: byte channels, disks, networks, shared folders, and events from
//! outside. A source of random numbers is a byte channel that never ends.
//!
//! No function here blocks. What would block answers [`Busy`](ChannelError::Busy); the kernel then arms the channel
//! and sleeps until the device's interrupt line is raised.

use alloc::boxed::Box;
use alloc::sync::Arc;
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

/// Bytes of a sector, by which disks are addressed, whatever they are made of.
pub const SECTOR_LEN: usize = 512;

/// What a disk is asked to do. The buffer is the device's until the answer, which gives it back: nobody else can reach it
/// while the device does.
#[derive(Debug)]
pub enum BlockRequest {
    /// Fill the buffer, whole sectors and at least one, from `sector` on.
    Read {
        /// The first sector.
        sector: u64,
        /// Where the bytes go.
        into: Box<[u8]>,
    },
    /// Write the buffer, whole sectors and at least one, from `sector` on.
    Write {
        /// The first sector.
        sector: u64,
        /// The bytes.
        from: Box<[u8]>,
    },
    /// Bring every finished write to where it outlasts the machine.
    Flush,
}

/// Names a request until its answer is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockTicket(pub u64);

/// Why a disk did not do as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockError {
    /// It tried and could not, or there are no such sectors (EIO).
    Failed,
    /// It cannot do such things (EOPNOTSUPP).
    Unsupported,
}

/// What became of a request.
#[derive(Debug)]
pub struct BlockAnswer {
    /// The request's buffer; empty for a flush. What a read that failed left in it means nothing.
    pub buffer: Box<[u8]>,
    /// Whether it was done.
    pub result: Result<(), BlockError>,
}

/// A disk: requests are submitted, and each is answered once, in any order.
pub trait BlockDevice: Send + Sync {
    /// How many sectors it has.
    fn sectors(&self) -> u64;
    /// Whether every write fails.
    fn is_read_only(&self) -> bool {
        false
    }
    /// Hands a request over. It comes back if the device has as many as it can take; one more fits after the line was
    /// raised.
    ///
    /// Panics if the buffer is not one or more whole sectors.
    fn submit(&self, request: BlockRequest) -> Result<BlockTicket, BlockRequest>;
    /// Takes the answer, if there is one yet. Whoever submitted must take it: buffers are kept until then.
    fn answer(&self, ticket: BlockTicket) -> Option<BlockAnswer>;
    /// The interrupt line of [`Interrupt::Device`](crate::Interrupt::Device), raised after answers have come.
    fn line(&self) -> u32;
}

/// A network of Ethernet frames, without their check sums.
pub trait NetworkDevice: Send + Sync {
    /// The device's own address.
    fn address(&self) -> [u8; 6];
    /// The longest frame either way, header included.
    fn frame_len_max(&self) -> usize;
    /// Sends a frame; `Busy` while too many are on their way. One that the device cannot send is lost, as on any network.
    ///
    /// Panics if the frame is empty or too long.
    fn send(&self, frame: &[u8]) -> Result<(), ChannelError>;
    /// Takes the next frame that has arrived and returns its length; what `into` is too short for is lost. `Busy` if none
    /// has.
    fn receive(&self, into: &mut [u8]) -> Result<usize, ChannelError>;
    /// The interrupt line of [`Interrupt::Device`](crate::Interrupt::Device), raised after frames have arrived or been
    /// sent.
    fn line(&self) -> u32;
}

/// What a machine carries besides its standard streams, each kind in the order in which it was found.
#[derive(Clone, Default)]
pub struct Devices {
    /// Disks.
    pub disks: Vec<Arc<dyn BlockDevice>>,
    /// Terminals.
    pub consoles: Vec<Arc<dyn ByteChannel>>,
    /// Networks.
    pub networks: Vec<Arc<dyn NetworkDevice>>,
    /// Sources of random numbers.
    pub generators: Vec<Arc<dyn ByteChannel>>,
}

impl core::fmt::Debug for Devices {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Devices")
            .field("disks", &self.disks.len())
            .field("consoles", &self.consoles.len())
            .field("networks", &self.networks.len())
            .field("generators", &self.generators.len())
            .finish()
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
    /// Makes a range of a regular file zeros and gives its room back; the size stays.
    fn punch(&self, _node: FolderNode, _offset: u64, _len: u64) -> Result<(), FolderError> {
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
