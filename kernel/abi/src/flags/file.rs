//! Files: how they are opened, named, described and locked.

flags! {
    /// How a file is opened, and the flags `F_GETFL` shows: open(2), fcntl(2).
    OpenFlags: u32 from general {
        O_ACCMODE = 3;
        O_WRONLY = 1;
        O_RDWR = 2;
        O_RDONLY = 0;
        O_CREAT = 0x40;
        O_EXCL = 0x80;
        O_NOCTTY = 0x100;
        O_TRUNC = 0x200;
        O_APPEND = 0x400;
        O_NONBLOCK = 0x800;
        O_SYNC = 0x10_1000;
        O_DSYNC = 0x1000;
        FASYNC = 0x2000;
        O_DIRECT = 0x4000;
        O_LARGEFILE = 0x8000;
        O_TMPFILE = 0x41_0000;
        O_DIRECTORY = 0x1_0000;
        O_NOFOLLOW = 0x2_0000;
        O_NOATIME = 0x4_0000;
        O_CLOEXEC = 0x8_0000;
        O_PATH = 0x20_0000;
    }

    /// pipe2(2).
    PipeFlags: u32 from general {
        O_NONBLOCK = 0x800;
        O_DIRECT = 0x4000;
        O_CLOEXEC = 0x8_0000;
    }

    /// dup3(2).
    DupFlags: u32 from general {
        O_CLOEXEC = 0x8_0000;
    }

    /// How openat2(2) is to walk.
    ResolveFlags: u64 from general {
        RESOLVE_NO_XDEV = 1;
        RESOLVE_NO_MAGICLINKS = 2;
        RESOLVE_NO_SYMLINKS = 4;
        RESOLVE_BENEATH = 8;
        RESOLVE_IN_ROOT = 0x10;
        RESOLVE_CACHED = 0x20;
    }

    /// How a path is looked up by the `*at` calls.
    AtFlags: u32 from general {
        AT_SYMLINK_NOFOLLOW = 0x100;
        AT_REMOVEDIR = 0x200;
        AT_SYMLINK_FOLLOW = 0x400;
        AT_NO_AUTOMOUNT = 0x800;
        AT_EMPTY_PATH = 0x1000;
        AT_STATX_FORCE_SYNC = 0x2000;
        AT_STATX_DONT_SYNC = 0x4000;
        AT_RECURSIVE = 0x8000;
    }

    /// The flags of faccessat2(2), one of which shares its bit with [`AtFlags::AT_REMOVEDIR`].
    AccessAtFlags: u32 from general {
        AT_EACCESS = 0x200;
        AT_SYMLINK_NOFOLLOW = 0x100;
        AT_EMPTY_PATH = 0x1000;
    }

    /// What access(2) asks for.
    AccessMode: u32 from general {
    } + {
        R_OK = 4;
        W_OK = 2;
        X_OK = 1;
        F_OK = 0;
    }

    /// renameat2(2).
    RenameFlags: u32 from general {
        RENAME_NOREPLACE = 1;
        RENAME_EXCHANGE = 2;
        RENAME_WHITEOUT = 4;
    }

    /// Which fields statx(2) wants and gives.
    StatxMask: u32 from general {
        STATX_ALL = 0xfff;
        STATX_BASIC_STATS = 0x7ff;
        STATX_TYPE = 1;
        STATX_MODE = 2;
        STATX_NLINK = 4;
        STATX_UID = 8;
        STATX_GID = 0x10;
        STATX_ATIME = 0x20;
        STATX_MTIME = 0x40;
        STATX_CTIME = 0x80;
        STATX_INO = 0x100;
        STATX_SIZE = 0x200;
        STATX_BLOCKS = 0x400;
        STATX_BTIME = 0x800;
        STATX_MNT_ID = 0x1000;
        STATX_DIOALIGN = 0x2000;
        STATX__RESERVED = 0x8000_0000;
    }

    /// `F_SETFD`'s argument.
    FdFlags: u32 from general {
        FD_CLOEXEC = 1;
    }

    /// flock(2).
    FlockOperation: u32 from general {
        LOCK_SH = 1;
        LOCK_EX = 2;
        LOCK_NB = 4;
        LOCK_UN = 8;
    }

    /// fallocate(2).
    FallocateMode: u32 from general {
        FALLOC_FL_KEEP_SIZE = 1;
        FALLOC_FL_PUNCH_HOLE = 2;
        FALLOC_FL_NO_HIDE_STALE = 4;
        FALLOC_FL_COLLAPSE_RANGE = 8;
        FALLOC_FL_ZERO_RANGE = 0x10;
        FALLOC_FL_INSERT_RANGE = 0x20;
        FALLOC_FL_UNSHARE_RANGE = 0x40;
    }

    /// sync_file_range(2).
    SyncRangeFlags: u32 from general {
        SYNC_FILE_RANGE_WAIT_BEFORE = 1;
        SYNC_FILE_RANGE_WRITE = 2;
        SYNC_FILE_RANGE_WAIT_AFTER = 4;
    }

    /// preadv2(2) and pwritev2(2).
    RwFlags: u32 from general {
        RWF_HIPRI = 1;
        RWF_DSYNC = 2;
        RWF_SYNC = 4;
        RWF_NOWAIT = 8;
        RWF_APPEND = 0x10;
    } + {
        RWF_NOAPPEND = 0x20;
        RWF_ATOMIC = 0x40;
        RWF_DONTCACHE = 0x80;
        RWF_NOSIGNAL = 0x100;
    }

    /// setxattr(2).
    XattrFlags: u32 from general {
        XATTR_CREATE = 1;
        XATTR_REPLACE = 2;
    }

    /// close_range(2).
    CloseRangeFlags: u32 from general {
    } + {
        CLOSE_RANGE_UNSHARE = 2;
        CLOSE_RANGE_CLOEXEC = 4;
    }

    /// mount(2).
    MountFlags: u64 from general {
        MS_RDONLY = 1;
        MS_NOSUID = 2;
        MS_NODEV = 4;
        MS_NOEXEC = 8;
        MS_SYNCHRONOUS = 0x10;
        MS_REMOUNT = 0x20;
        MS_MANDLOCK = 0x40;
        MS_DIRSYNC = 0x80;
        MS_NOSYMFOLLOW = 0x100;
        MS_NOATIME = 0x400;
        MS_NODIRATIME = 0x800;
        MS_BIND = 0x1000;
        MS_MOVE = 0x2000;
        MS_REC = 0x4000;
        MS_SILENT = 0x8000;
        MS_POSIXACL = 0x1_0000;
        MS_UNBINDABLE = 0x2_0000;
        MS_PRIVATE = 0x4_0000;
        MS_SLAVE = 0x8_0000;
        MS_SHARED = 0x10_0000;
        MS_RELATIME = 0x20_0000;
        MS_STRICTATIME = 0x100_0000;
        MS_LAZYTIME = 0x200_0000;
    }

    /// umount2(2).
    UmountFlags: u32 from general {
        MNT_FORCE = 1;
        MNT_DETACH = 2;
        MNT_EXPIRE = 4;
        UMOUNT_NOFOLLOW = 8;
    }
}

impl OpenFlags {
    /// Whether a file may be made, so that the mode counts.
    pub const fn creates(self) -> bool {
        self.contains(Self::O_CREAT) || self.contains(Self::O_TMPFILE)
    }
}

values! {
    /// What fcntl(2) is to do.
    FcntlCommand: u32 from general {
        F_DUPFD = 0;
        F_GETFD = 1;
        F_SETFD = 2;
        F_GETFL = 3;
        F_SETFL = 4;
        F_GETLK = 5;
        F_SETLK = 6;
        F_SETLKW = 7;
        F_SETOWN = 8;
        F_GETOWN = 9;
        F_SETSIG = 10;
        F_GETSIG = 11;
        F_SETOWN_EX = 15;
        F_GETOWN_EX = 16;
        F_OFD_GETLK = 36;
        F_OFD_SETLK = 37;
        F_OFD_SETLKW = 38;
        F_SETLEASE = 1024;
        F_GETLEASE = 1025;
        F_NOTIFY = 1026;
        F_DUPFD_CLOEXEC = 1030;
        F_SETPIPE_SZ = 1031;
        F_GETPIPE_SZ = 1032;
        F_ADD_SEALS = 1033;
        F_GET_SEALS = 1034;
        F_GET_RW_HINT = 1035;
        F_SET_RW_HINT = 1036;
        F_GET_FILE_RW_HINT = 1037;
        F_SET_FILE_RW_HINT = 1038;
    }

    /// Where lseek(2) counts from.
    Whence: u32 from general {
        SEEK_SET = 0;
        SEEK_CUR = 1;
        SEEK_END = 2;
        SEEK_DATA = 3;
        SEEK_HOLE = 4;
    }

    /// posix_fadvise(2).
    Fadvice: i32 from general {
        POSIX_FADV_NORMAL = 0;
        POSIX_FADV_RANDOM = 1;
        POSIX_FADV_SEQUENTIAL = 2;
        POSIX_FADV_WILLNEED = 3;
        POSIX_FADV_DONTNEED = 4;
        POSIX_FADV_NOREUSE = 5;
    }
}

consts! {
    u16 from general {
        S_IFMT = 0o170000;
        S_IFSOCK = 0o140000;
        S_IFLNK = 0o120000;
        S_IFREG = 0o100000;
        S_IFBLK = 0o60000;
        S_IFDIR = 0o40000;
        S_IFCHR = 0o20000;
        S_IFIFO = 0o10000;
        S_ISUID = 0o4000;
        S_ISGID = 0o2000;
        S_ISVTX = 0o1000;
        S_IRWXU = 0o700;
        S_IRUSR = 0o400;
        S_IWUSR = 0o200;
        S_IXUSR = 0o100;
        S_IRWXG = 0o70;
        S_IRGRP = 0o40;
        S_IWGRP = 0o20;
        S_IXGRP = 0o10;
        S_IRWXO = 0o7;
        S_IROTH = 0o4;
        S_IWOTH = 0o2;
        S_IXOTH = 0o1;
    }

    i16 from general {
        F_RDLCK = 0;
        F_WRLCK = 1;
        F_UNLCK = 2;
    }

    u32 from general {
        F_SEAL_SEAL = 1;
        F_SEAL_SHRINK = 2;
        F_SEAL_GROW = 4;
        F_SEAL_WRITE = 8;
        F_SEAL_FUTURE_WRITE = 16;
        F_SEAL_EXEC = 32;
        UTIME_NOW = 0x3fff_ffff;
        UTIME_OMIT = 0x3fff_fffe;
        NAME_MAX = 255;
        PATH_MAX = 4096;
        STATX_ATTR_MOUNT_ROOT = 8192;
        STATX_ATTR_IMMUTABLE = 16;
        STATX_ATTR_APPEND = 32;
    } + {
        IOV_MAX = 1024;
        PIPE_BUF = 4096;
        XATTR_NAME_MAX = 255;
        XATTR_SIZE_MAX = 65536;
        XATTR_LIST_MAX = 65536;
        TMPFS_MAGIC = 0x0102_1994;
        PROC_SUPER_MAGIC = 0x9fa0;
        SYSFS_MAGIC = 0x6265_6572;
        PIPEFS_MAGIC = 0x5049_5045;
        DEVPTS_SUPER_MAGIC = 0x1cd1;
        OVERLAYFS_SUPER_MAGIC = 0x794c_7630;
        EXT4_SUPER_MAGIC = 0xef53;
        ANON_INODE_FS_MAGIC = 0x0904_1934;
        SOCKFS_MAGIC = 0x534f_434b;
        RAMFS_MAGIC = 0x8584_58f6;
        V9FS_MAGIC = 0x0102_1997;
        ST_RDONLY = 1;
        ST_NOSUID = 2;
        ST_NODEV = 4;
        ST_NOEXEC = 8;
        ST_VALID = 0x20;
        ST_SYNCHRONOUS = 0x10;
        ST_NOATIME = 0x400;
        ST_NODIRATIME = 0x800;
        ST_RELATIME = 0x1000;
        ST_NOSYMFOLLOW = 0x2000;
    }

    u8 from general {
        DT_UNKNOWN = 0;
        DT_FIFO = 1;
        DT_CHR = 2;
        DT_DIR = 4;
        DT_BLK = 6;
        DT_REG = 8;
        DT_LNK = 10;
        DT_SOCK = 12;
    } + {
        DT_WHT = 14;
    }
}
