//! Files as programs see them: descriptors, open files, paths, mounts, and the traits a file system implements.
//!
//! Lock order: a file's offset, then a descriptor table (which `/proc` lists), then the turn to rename, then whatever a
//! file system locks. No lock of this room or of a file system is held while a program's memory is touched, but a file's offset.

mod attributes;
mod busy;
mod context;
mod fd_table;
mod file;
mod inode;
mod locks;
mod mount;
mod open_file;
mod path;
mod quota;
mod transfer;
mod user_io;
mod walk;
mod xattr;

pub use attributes::{Access, Attributes, FileKind, Identity, Permissions, SystemAttributes};
pub use busy::{Busy, Occupied};
pub use context::{FsContext, OpenRequest};
pub use fd_table::{CloseOnExec, DESCRIPTORS_MAX, FdTable};
pub use file::{Block, Entry, File, IoctlContext, UserMemory};
pub use inode::{Change, Devices, FileSystem, Inode, Location, Make, Names, New};
pub use kernel_abi::flags::PollEvents;
pub use locks::{Hold, LockTable, Owner, Record};
pub use mount::{Extent, Mount, MountTable};
pub use open_file::{FileOwner, OpenFile, OwnerKind};
pub use path::{Path, Reach};
pub use quota::{Quota, Share};
pub(crate) use transfer::TRANSFER_MAX;
pub use transfer::{Beginning, Sink, SliceSink, SliceSource, Source, UserSink, UserSource};
pub use walk::{Follow, Last};
pub use xattr::permit_nowhere;

use ostd::sync::Rank;

/// An open file's offset.
const OFFSET: Rank = Rank::new("file offset", 10);
/// Renames, one at a time: a name of `/proc/self/fd` is looked up meanwhile.
const RENAMES: Rank = Rank::new("renames", 15);
/// A table of descriptors.
const DESCRIPTORS: Rank = Rank::new("descriptors", 20);
/// The list of mounts, whose places are compared under it.
const MOUNTS: Rank = Rank::new("mounts", 80);
/// Locks under which nothing is locked.
const LAST: Rank = Rank::new("a field of a file or context", 90);
