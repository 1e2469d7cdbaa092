//! The calls to the host that a folder makes, each on a descriptor it already has.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, fstatat, mkdirat, mknodat, utimensat};
use nix::sys::statfs::fstatfs;
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat};
use ostd_hal::device::{FolderAttributes, FolderEntry, FolderError};

/// The host's errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure(pub(super) i32);

pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self(errno as i32)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

impl From<Failure> for FolderError {
    fn from(failure: Failure) -> Self {
        Self(failure.0)
    }
}

/// Refuses what would not name an entry of the directory: nothing, the two dots, a path.
pub(super) fn check_name(name: &[u8]) -> Result<()> {
    match name {
        b"" => Err(Failure(libc::ENOENT)),
        b"." | b".." => Err(Failure(libc::EINVAL)),
        name if name.iter().any(|byte| matches!(byte, 0 | b'/')) => Err(Failure(libc::EINVAL)),
        _ => Ok(()),
    }
}

/// Opens an entry's path alone, following nothing: this has no effect on the file whatever it is.
pub(super) fn open_path(dir: &File, name: &[u8], extra: OFlag) -> Result<File> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | extra;
    Ok(openat(dir, name, flags, Mode::empty())?.into())
}

/// The name by which calls that take only names reach a descriptor's file, symbolic links included.
pub(super) fn proc_path(fd: &File) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Opens the contents of a regular file or directory whose path is open. O_NONBLOCK is for the few regular files of
/// procfs that wait.
pub(super) fn reopen(path: &File, flags: OFlag) -> Result<File> {
    let flags = flags | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    Ok(open(proc_path(path).as_str(), flags, Mode::empty())?.into())
}

/// The same for reading, without marking the file as read where the host lets us (its owner and root).
pub(super) fn reopen_quietly(path: &File) -> Result<File> {
    match reopen(path, OFlag::O_RDONLY | OFlag::O_NOATIME) {
        Err(Failure(libc::EPERM)) => reopen(path, OFlag::O_RDONLY),
        opened => opened,
    }
}

/// Makes a file that was not there.
pub(super) fn create_file(dir: &File, name: &[u8]) -> Result<File> {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(openat(dir, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?.into())
}

/// Makes a directory that was not there, and opens its path.
pub(super) fn create_directory(dir: &File, name: &[u8]) -> Result<File> {
    mkdirat(dir, name, Mode::S_IRWXU)?;
    open_path(dir, name, OFlag::O_DIRECTORY)
}

/// Makes a FIFO or a socket's name, by the type bits of `mode`, and opens its path. The umask is not asked for.
pub(super) fn create_name(dir: &File, name: &[u8], mode: u32) -> Result<File> {
    mknodat(dir, name, SFlag::from_bits_truncate(mode & libc::S_IFMT), Mode::S_IRUSR | Mode::S_IWUSR, 0)?;
    open_path(dir, name, OFlag::empty())
}

/// Magic numbers (statfs(2)) of file systems in which a kernel shows itself: proc, sysfs, devpts, both cgroups,
/// debugfs, tracefs, securityfs, efivarfs, bpf, pstore, configfs, mqueue, binfmt_misc, fusectl, nsfs.
const KERNELS: [i64; 16] = [
    0x9fa0,
    0x6265_6572,
    0x1cd1,
    0x27_e0eb,
    0x6367_7270,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xde5e_81e4,
    0xcafe_4a11,
    0x6165_676c,
    0x6265_6570,
    0x1980_0202,
    0x4249_4e4d,
    0x6573_5543,
    0x6e73_6673,
];

/// Whether a directory is in a file system in which the host's kernel shows itself.
pub(super) fn is_kernels(dir: &File) -> Result<bool> {
    Ok(KERNELS.contains(&fstatfs(dir)?.filesystem_type().0))
}

/// What the host says of an entry, following nothing.
pub(super) fn stat_at(dir: &File, name: &[u8]) -> Result<libc::stat> {
    Ok(fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW)?)
}

/// Where a symbolic link points, its path being open.
pub(super) fn link_target(path: &File) -> Result<Vec<u8>> {
    match readlinkat(path, b"".as_slice()) {
        Ok(target) => Ok(target.into_vec()),
        // What Linux says of an empty name when the descriptor is no link.
        Err(Errno::ENOENT) => Err(Failure(libc::EINVAL)),
        Err(errno) => Err(errno.into()),
    }
}

/// fchmod(2) refuses a descriptor whose path alone is open, so by name.
pub(super) fn set_mode(fd: &File, mode: Mode) -> Result<()> {
    Ok(fs::set_permissions(proc_path(fd), Permissions::from_mode(mode.bits()))?)
}

/// Sets owner and group of what the path leads to, a symbolic link included.
pub(super) fn set_owner(fd: &File, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
    let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
    Ok(fchownat(fd, b"".as_slice(), uid, gid, AtFlags::AT_EMPTY_PATH)?)
}

/// Sets times to the nanosecond; `UTIME_NOW` and `UTIME_OMIT` pass through.
pub(super) fn set_times(fd: &File, atime: (i64, u32), mtime: (i64, u32)) -> Result<()> {
    let [atime, mtime] = [atime, mtime].map(|(seconds, nanoseconds)| TimeSpec::new(seconds, nanoseconds.into()));
    let path = proc_path(fd);
    Ok(utimensat(AT_FDCWD, path.as_str(), &atime, &mtime, UtimensatFlags::FollowSymlink)?)
}

/// The lines of an open directory.
pub(super) fn entries(dir: File) -> Result<Vec<FolderEntry>> {
    let mut dir = Dir::from_fd(dir.as_fd().try_clone_to_owned()?)?;
    let mut entries = Vec::new();
    for entry in dir.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            entries.push(FolderEntry { name: name.to_vec(), ino: entry.ino(), kind: kind(entry.file_type()) });
        }
    }
    Ok(entries)
}

fn kind(of: Option<Type>) -> u8 {
    match of {
        Some(Type::Fifo) => libc::DT_FIFO,
        Some(Type::CharacterDevice) => libc::DT_CHR,
        Some(Type::Directory) => libc::DT_DIR,
        Some(Type::BlockDevice) => libc::DT_BLK,
        Some(Type::File) => libc::DT_REG,
        Some(Type::Symlink) => libc::DT_LNK,
        Some(Type::Socket) => libc::DT_SOCK,
        None => libc::DT_UNKNOWN,
    }
}

/// The host's stat as the machine sees it.
pub(super) fn attributes(stat: &libc::stat) -> FolderAttributes {
    let nanoseconds = |nsec: i64| u32::try_from(nsec).unwrap_or(0);
    FolderAttributes {
        ino: stat.st_ino,
        dev: stat.st_dev,
        mode: stat.st_mode,
        nlink: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
        uid: stat.st_uid,
        gid: stat.st_gid,
        rdev: stat.st_rdev,
        size: stat.st_size.cast_unsigned(),
        blocks: stat.st_blocks.cast_unsigned(),
        atime: (stat.st_atime, nanoseconds(stat.st_atime_nsec)),
        mtime: (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
        ctime: (stat.st_ctime, nanoseconds(stat.st_ctime_nsec)),
    }
}

/// Repeats `part`, which is told how many bytes are done, until `len` bytes are, or it does none, or it fails. A
/// failure after some bytes is told by their number, as read(2) and write(2) do.
pub(super) fn all_of(len: usize, mut part: impl FnMut(usize) -> io::Result<usize>) -> Result<usize, FolderError> {
    let mut done = 0;
    while done < len {
        match part(done) {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) if done > 0 => break,
            Err(error) => return Err(Failure::from(error).into()),
        }
    }
    Ok(done)
}
