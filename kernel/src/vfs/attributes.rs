//! What a file is, and who may do what with it.

use alloc::vec::Vec;

use kernel_abi::flags as abi;
use kernel_abi::structs::{Stat, Statfs, Statx, StatxTimestamp, Timespec, device_parts};

use crate::error::{Errno, Result};

/// What kind of file, as `S_IFMT` numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Bytes.
    Regular,
    /// Names.
    Directory,
    /// Another path.
    Symlink,
    /// A character device.
    Char,
    /// A block device.
    Block,
    /// A named pipe, or a pipe.
    Fifo,
    /// A socket.
    Socket,
    /// None of these: what has no name anywhere, such as an eventfd.
    Nameless,
}

impl FileKind {
    /// The kind among a mode's type bits; zero is a regular file, as mknod(2) has it.
    pub fn of_mode(mode: u32) -> Option<Self> {
        Some(match (mode as u16) & abi::S_IFMT {
            0 | abi::S_IFREG => Self::Regular,
            abi::S_IFDIR => Self::Directory,
            abi::S_IFLNK => Self::Symlink,
            abi::S_IFCHR => Self::Char,
            abi::S_IFBLK => Self::Block,
            abi::S_IFIFO => Self::Fifo,
            abi::S_IFSOCK => Self::Socket,
            _ => return None,
        })
    }

    /// Its `S_IFMT` bits.
    pub fn mode(self) -> u32 {
        u32::from(match self {
            Self::Regular => abi::S_IFREG,
            Self::Directory => abi::S_IFDIR,
            Self::Symlink => abi::S_IFLNK,
            Self::Char => abi::S_IFCHR,
            Self::Block => abi::S_IFBLK,
            Self::Fifo => abi::S_IFIFO,
            Self::Socket => abi::S_IFSOCK,
            Self::Nameless => 0,
        })
    }

    /// Its `DT_*` number, as getdents64(2) shows it.
    pub fn entry_type(self) -> u8 {
        (self.mode() >> 12) as u8
    }
}

/// What stat(2) and statx(2) say of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Device that holds the file.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// What kind of file.
    pub kind: FileKind,
    /// Permission bits, without the type.
    pub mode: u32,
    /// Hard links.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device that the file is.
    pub rdev: u64,
    /// Bytes.
    pub size: u64,
    /// 512-byte blocks in use.
    pub blocks: u64,
    /// Last access.
    pub atime: Timespec,
    /// Last change of contents.
    pub mtime: Timespec,
    /// Last change of the inode.
    pub ctime: Timespec,
    /// When the file was made.
    pub btime: Timespec,
}

impl Attributes {
    /// Of a file that has no name anywhere: root's, one link, all times zero.
    pub fn anonymous(kind: FileKind, mode: u32, ino: u64) -> Self {
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        Self {
            dev: 0,
            ino,
            kind,
            mode,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            size: 0,
            blocks: 0,
            atime: never,
            mtime: never,
            ctime: never,
            btime: never,
        }
    }

    /// Of what is an open file and nothing else (an eventfd, an epoll): one inode is all of theirs.
    pub fn nameless() -> Self {
        Self::anonymous(FileKind::Nameless, 0o600, 1)
    }

    /// As stat(2) shows them.
    pub fn to_stat(&self) -> Stat {
        Stat {
            dev: self.dev,
            ino: self.ino,
            mode: self.kind.mode() | self.mode,
            nlink: self.nlink,
            uid: self.uid,
            gid: self.gid,
            rdev: self.rdev,
            size: self.size.cast_signed(),
            blksize: 4096,
            blocks: self.blocks.cast_signed(),
            atime: self.atime,
            mtime: self.mtime,
            ctime: self.ctime,
        }
    }

    /// As statx(2) shows them.
    pub fn to_statx(&self, mount_id: u64) -> Statx {
        let time = |at: Timespec| StatxTimestamp { tv_sec: at.tv_sec, tv_nsec: at.tv_nsec as u32, reserved: 0 };
        let (dev, rdev) = (device_parts(self.dev), device_parts(self.rdev));
        let given = abi::StatxMask::STATX_ALL | abi::StatxMask::STATX_MNT_ID;
        Statx {
            stx_mask: given.bits(),
            stx_blksize: 4096,
            stx_attributes_mask: u64::from(abi::STATX_ATTR_MOUNT_ROOT),
            stx_nlink: self.nlink,
            stx_uid: self.uid,
            stx_gid: self.gid,
            stx_mode: (self.kind.mode() | self.mode) as u16,
            stx_ino: self.ino,
            stx_size: self.size,
            stx_blocks: self.blocks,
            stx_atime: time(self.atime),
            stx_btime: time(self.btime),
            stx_ctime: time(self.ctime),
            stx_mtime: time(self.mtime),
            stx_rdev_major: rdev.0,
            stx_rdev_minor: rdev.1,
            stx_dev_major: dev.0,
            stx_dev_minor: dev.1,
            stx_mnt_id: mount_id,
            ..Statx::default()
        }
    }

    /// What of them says who may do what.
    pub fn permissions(&self) -> Permissions {
        Permissions { kind: self.kind, mode: self.mode, uid: self.uid, gid: self.gid }
    }

    /// EACCES unless `who` may do all of `access`.
    pub fn permit(&self, who: &Identity, access: Access) -> Result<()> {
        self.permissions().permit(who, access)
    }
}

/// Who may do what with a file: what every step of a look-up asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// What kind of file.
    pub kind: FileKind,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Permissions {
    /// EACCES unless `who` may do all of `access`.
    pub fn permit(&self, who: &Identity, access: Access) -> Result<()> {
        if who.may_override {
            // Even root executes only what somebody may execute.
            let refused = access.contains(Access::EXECUTE) && self.kind == FileKind::Regular && self.mode & 0o111 == 0;
            return if refused { Err(Errno::EACCES) } else { Ok(()) };
        }
        let shift = if who.uid == self.uid {
            6
        } else if who.is_member(self.gid) {
            3
        } else {
            0
        };
        let granted = Access::from_bits_truncate((self.mode >> shift) as u8 & 7);
        if granted.contains(access) { Ok(()) } else { Err(Errno::EACCES) }
    }
}

bitflags::bitflags! {
    /// What somebody wants to do with a file, with the numbers of access(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Access: u8 {
        /// Run it, or walk through it.
        const EXECUTE = 1;
        /// Write it.
        const WRITE = 2;
        /// Read it.
        const READ = 4;
    }
}

/// On whose behalf a file is used: the file-system ids of a thread's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Whether permission bits do not count (CAP_DAC_OVERRIDE and its kin).
    pub may_override: bool,
    /// Whether a file that they change keeps its set-user and set-group bits (CAP_FSETID).
    pub keeps_set_ids: bool,
}

impl Identity {
    /// The superuser.
    pub fn root() -> Self {
        Self { uid: 0, gid: 0, groups: Vec::new(), may_override: true, keeps_set_ids: true }
    }

    /// Whether they belong to the group.
    pub fn is_member(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }

    /// Whether a file that is `owner`'s is theirs, or they may act as if it were.
    pub fn owns(&self, owner: u32) -> bool {
        self.may_override || self.uid == owner
    }
}

/// What statfs(2) says of a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SystemAttributes {
    /// Its magic number.
    pub magic: u32,
    /// Blocks of 4 KiB.
    pub blocks: u64,
    /// Blocks that are free.
    pub free: u64,
    /// Inodes it can hold.
    pub files: u64,
    /// Inodes that are free.
    pub files_free: u64,
}

impl SystemAttributes {
    /// As statfs(2) shows them.
    pub fn to_statfs(&self, mount_flags: u32) -> Statfs {
        Statfs {
            f_type: i64::from(self.magic),
            f_bsize: 4096,
            f_blocks: self.blocks,
            f_bfree: self.free,
            f_bavail: self.free,
            f_files: self.files,
            f_ffree: self.files_free,
            f_namelen: i64::from(abi::NAME_MAX),
            f_frsize: 4096,
            f_flags: i64::from(mount_flags | abi::ST_VALID),
            ..Statfs::default()
        }
    }
}
