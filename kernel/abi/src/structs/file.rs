//! Buffers, directory entries, locks and how a path is opened.

plain! {
    /// `struct iovec`.
    Iovec as "iovec", 16 {
        0 iov_base: usize,
        8 iov_len: usize,
    }

    /// `struct flock`.
    Flock as "flock", 32 {
        0 l_type: i16,
        2 l_whence: i16,
        4 pad0: u32,
        8 l_start: i64,
        16 l_len: i64,
        24 l_pid: i32,
        28 pad1: u32,
    }

    /// `struct f_owner_ex`.
    FileOwner as "f_owner_ex", 8 {
        0 kind: i32,
        4 pid: i32,
    }

    /// `struct open_how`.
    OpenHow as "open_how", 24 {
        0 flags: u64,
        8 mode: u64,
        16 resolve: u64,
    }
}

/// The head of a `struct linux_dirent64`; the name and its NUL follow at once.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Default,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(C, packed)]
pub struct Dirent64 {
    /// Inode number.
    pub d_ino: u64,
    /// Where the directory continues behind this entry.
    pub d_off: i64,
    /// Bytes of this entry, name and padding included.
    pub d_reclen: u16,
    /// `DT_*`.
    pub d_type: u8,
}

const _: () = assert!(size_of::<Dirent64>() == 19);

impl Dirent64 {
    /// Bytes of an entry whose name has `name_len` bytes: head, name, NUL, padded to eight.
    pub const fn record_len(name_len: usize) -> usize {
        (size_of::<Self>() + name_len + 1).next_multiple_of(8)
    }
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::{Dirent64, Flock, Iovec};

    #[test]
    fn layouts_are_the_c_librarys() {
        assert_eq!(size_of::<Flock>(), size_of::<libc::flock>());
        assert_eq!(offset_of!(Flock, l_pid), offset_of!(libc::flock, l_pid));
        assert_eq!(size_of::<Iovec>(), size_of::<libc::iovec>());
        assert_eq!(offset_of!(libc::dirent64, d_name), size_of::<Dirent64>());
        assert_eq!(Dirent64::record_len(1), 24);
        assert_eq!(Dirent64::record_len(5), 32);
    }
}
