//! What a file is: `struct stat` in both layouts, `struct statx`, `struct statfs`.

use zerocopy::FromBytes;

use super::{Encoded, Timespec};
use crate::arch::Arch;
use crate::arg::UserStruct;

plain! {
    /// `struct stat` of x86-64.
    StatX86 as "stat", 144 {
        0 st_dev: u64,
        8 st_ino: u64,
        16 st_nlink: u64,
        24 st_mode: u32,
        28 st_uid: u32,
        32 st_gid: u32,
        36 pad0: u32,
        40 st_rdev: u64,
        48 st_size: i64,
        56 st_blksize: i64,
        64 st_blocks: i64,
        72 st_atime: Timespec,
        88 st_mtime: Timespec,
        104 st_ctime: Timespec,
        120 unused: [i64; 3],
    }

    /// `struct stat` of RISC-V, and of every younger architecture.
    StatRiscv as "stat", 128 {
        0 st_dev: u64,
        8 st_ino: u64,
        16 st_mode: u32,
        20 st_nlink: u32,
        24 st_uid: u32,
        28 st_gid: u32,
        32 st_rdev: u64,
        40 pad1: u64,
        48 st_size: i64,
        56 st_blksize: i32,
        60 pad2: i32,
        64 st_blocks: i64,
        72 st_atime: Timespec,
        88 st_mtime: Timespec,
        104 st_ctime: Timespec,
        120 unused: [u32; 2],
    }

    /// A time in `struct statx`.
    StatxTimestamp as "statx_timestamp", 16 {
        0 tv_sec: i64,
        8 tv_nsec: u32,
        12 reserved: i32,
    }

    /// `struct statx`.
    Statx as "statx", 256 {
        0 stx_mask: u32,
        4 stx_blksize: u32,
        8 stx_attributes: u64,
        16 stx_nlink: u32,
        20 stx_uid: u32,
        24 stx_gid: u32,
        28 stx_mode: u16,
        30 spare0: u16,
        32 stx_ino: u64,
        40 stx_size: u64,
        48 stx_blocks: u64,
        56 stx_attributes_mask: u64,
        64 stx_atime: StatxTimestamp,
        80 stx_btime: StatxTimestamp,
        96 stx_ctime: StatxTimestamp,
        112 stx_mtime: StatxTimestamp,
        128 stx_rdev_major: u32,
        132 stx_rdev_minor: u32,
        136 stx_dev_major: u32,
        140 stx_dev_minor: u32,
        144 stx_mnt_id: u64,
        152 stx_dio_mem_align: u32,
        156 stx_dio_offset_align: u32,
        160 spare3: [u64; 12],
    }

    /// `struct statfs`.
    Statfs as "statfs", 120 {
        0 f_type: i64,
        8 f_bsize: i64,
        16 f_blocks: u64,
        24 f_bfree: u64,
        32 f_bavail: u64,
        40 f_files: u64,
        48 f_ffree: u64,
        56 f_fsid: [i32; 2],
        64 f_namelen: i64,
        72 f_frsize: i64,
        80 f_flags: i64,
        88 f_spare: [i64; 4],
    }
}

/// What stat(2) says of a file, whatever the architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stat {
    /// Device that holds the file, see [`device_number`].
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Type and permission bits.
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
    pub size: i64,
    /// Best size of a transfer.
    pub blksize: i32,
    /// 512-byte blocks in use.
    pub blocks: i64,
    /// Last access.
    pub atime: Timespec,
    /// Last change of contents.
    pub mtime: Timespec,
    /// Last change of the inode.
    pub ctime: Timespec,
}

impl UserStruct for Stat {
    const NAME: &'static str = "stat";
}

impl Stat {
    /// Its bytes, as a program of `arch` expects them.
    pub fn encode(&self, arch: Arch) -> Encoded<144> {
        match arch {
            Arch::X86_64 => Encoded::of(&StatX86 {
                st_dev: self.dev,
                st_ino: self.ino,
                st_nlink: u64::from(self.nlink),
                st_mode: self.mode,
                st_uid: self.uid,
                st_gid: self.gid,
                st_rdev: self.rdev,
                st_size: self.size,
                st_blksize: i64::from(self.blksize),
                st_blocks: self.blocks,
                st_atime: self.atime,
                st_mtime: self.mtime,
                st_ctime: self.ctime,
                ..StatX86::default()
            }),
            Arch::Riscv64 => Encoded::of(&StatRiscv {
                st_dev: self.dev,
                st_ino: self.ino,
                st_mode: self.mode,
                st_nlink: self.nlink,
                st_uid: self.uid,
                st_gid: self.gid,
                st_rdev: self.rdev,
                st_size: self.size,
                st_blksize: self.blksize,
                st_blocks: self.blocks,
                st_atime: self.atime,
                st_mtime: self.mtime,
                st_ctime: self.ctime,
                ..StatRiscv::default()
            }),
        }
    }

    /// Bytes that a program of `arch` has room for.
    pub const fn size(arch: Arch) -> usize {
        match arch {
            Arch::X86_64 => size_of::<StatX86>(),
            Arch::Riscv64 => size_of::<StatRiscv>(),
        }
    }

    /// Reads what [`encode`](Self::encode) wrote; `None` when there are too few bytes.
    pub fn decode(arch: Arch, bytes: &[u8]) -> Option<Self> {
        match arch {
            Arch::X86_64 => {
                let (stat, _) = StatX86::read_from_prefix(bytes).ok()?;
                Some(Self {
                    dev: stat.st_dev,
                    ino: stat.st_ino,
                    mode: stat.st_mode,
                    nlink: stat.st_nlink as u32,
                    uid: stat.st_uid,
                    gid: stat.st_gid,
                    rdev: stat.st_rdev,
                    size: stat.st_size,
                    blksize: stat.st_blksize as i32,
                    blocks: stat.st_blocks,
                    atime: stat.st_atime,
                    mtime: stat.st_mtime,
                    ctime: stat.st_ctime,
                })
            }
            Arch::Riscv64 => {
                let (stat, _) = StatRiscv::read_from_prefix(bytes).ok()?;
                Some(Self {
                    dev: stat.st_dev,
                    ino: stat.st_ino,
                    mode: stat.st_mode,
                    nlink: stat.st_nlink,
                    uid: stat.st_uid,
                    gid: stat.st_gid,
                    rdev: stat.st_rdev,
                    size: stat.st_size,
                    blksize: stat.st_blksize,
                    blocks: stat.st_blocks,
                    atime: stat.st_atime,
                    mtime: stat.st_mtime,
                    ctime: stat.st_ctime,
                })
            }
        }
    }
}

/// A device's number as stat(2) shows it (`makedev`).
pub const fn device_number(major: u32, minor: u32) -> u64 {
    let (major, minor) = (major as u64, minor as u64);
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & !0xff) << 12) | ((major & !0xfff) << 32)
}

/// Major and minor number of a device, from the form that stat(2) shows and mknod(2) takes.
pub const fn device_parts(device: u64) -> (u32, u32) {
    let major = ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff);
    let minor = (device & 0xff) | ((device >> 12) & !0xff);
    (major as u32, minor as u32)
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::{Stat, StatX86, Statfs, Statx, device_number, device_parts};
    use crate::arch::Arch;
    use crate::structs::Timespec;

    #[test]
    fn layouts_are_the_c_librarys() {
        assert_eq!(size_of::<StatX86>(), size_of::<libc::stat>());
        assert_eq!(offset_of!(StatX86, st_mtime), offset_of!(libc::stat, st_mtime));
        assert_eq!(offset_of!(StatX86, st_blocks), offset_of!(libc::stat, st_blocks));
        assert_eq!(size_of::<Statx>(), size_of::<libc::statx>());
        assert_eq!(offset_of!(Statx, stx_mtime), offset_of!(libc::statx, stx_mtime));
        assert_eq!(offset_of!(Statx, stx_dev_minor), offset_of!(libc::statx, stx_dev_minor));
        assert_eq!(size_of::<Statfs>(), size_of::<libc::statfs64>());
        assert_eq!(offset_of!(Statfs, f_frsize), offset_of!(libc::statfs64, f_frsize));
    }

    #[test]
    fn a_stat_survives_both_layouts() {
        let time = |sec| Timespec { tv_sec: sec, tv_nsec: 7 };
        let stat = Stat {
            dev: 1,
            ino: 2,
            mode: 0o100_644,
            nlink: 3,
            uid: 4,
            gid: 5,
            rdev: 6,
            size: 7,
            blksize: 4096,
            blocks: 8,
            atime: time(9),
            mtime: time(10),
            ctime: time(11),
        };
        for arch in Arch::ALL {
            let bytes = stat.encode(arch);
            assert_eq!(bytes.len(), Stat::size(arch));
            assert_eq!(Stat::decode(arch, &bytes), Some(stat));
            assert_eq!(Stat::decode(arch, &bytes[1..]), None);
        }
    }

    #[test]
    fn device_numbers_are_the_c_librarys() {
        for (major, minor) in [(1, 3), (5, 0), (136, 300), (0xabcde, 0x12345)] {
            assert_eq!(device_number(major, minor), libc::makedev(major, minor));
            assert_eq!(device_parts(device_number(major, minor)), (major, minor));
        }
    }
}
