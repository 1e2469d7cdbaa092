//! Rows: names, directories, attributes, mounts.

/// These rows behind those before, to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! rows_of_paths {
    ([$($callback:tt)+] [$($before:tt)*]) => {
        $crate::rows_of_processes! { [$($callback)+] [
            $($before)*
            // ---- Paths.
            /// Open a path.
            open                   [   2    -] = path::open(path: UserPath, flags: OpenFlags, mode: Mode);
            /// Open a path relative to a directory.
            openat                 [ 257   56] = path::openat(dir: Fd, path: UserPath, flags: OpenFlags, mode: Mode);
            /// Open a path under rules for how it is walked.
            openat2                [ 437  437] = path::openat2(dir: Fd, path: UserPath, how: UserPtr<OpenHow>, size: usize);
            /// Create or empty a file, open for writing.
            creat                  [  85    -] = path::creat(path: UserPath, mode: Mode);
            /// Ask what the real user may do with a path.
            access                 [  21    -] = path::access(path: UserPath, mode: AccessMode);
            /// Ask what the real user may do with a path relative to a directory.
            faccessat              [ 269   48] = path::faccessat(dir: Fd, path: UserPath, mode: AccessMode);
            /// `faccessat` with the flags that it should have had.
            faccessat2             [ 439  439] = path::faccessat2(dir: Fd, path: UserPath, mode: AccessMode, flags: AccessAtFlags);
            /// Read where a symbolic link points.
            readlink               [  89    -] = path::readlink(path: UserPath, into: UserOutInt);
            /// Read where a symbolic link points, relative to a directory.
            readlinkat             [ 267   78] = path::readlinkat(dir: Fd, path: UserPath, into: UserOutInt);
            /// Give a file another name.
            link                   [  86    -] = path::link(old: UserPath, new: UserPath);
            /// Give a file another name, relative to directories.
            linkat                 [ 265   37] = path::linkat(old_dir: Fd, old: UserPath, new_dir: Fd, new: UserPath, flags: AtFlags);
            /// Make a symbolic link.
            symlink                [  88    -] = path::symlink(target: UserPath, path: UserPath);
            /// Make a symbolic link relative to a directory.
            symlinkat              [ 266   36] = path::symlinkat(target: UserPath, dir: Fd, path: UserPath);
            /// Remove a name of a file.
            unlink                 [  87    -] = path::unlink(path: UserPath);
            /// Remove a name of a file or an empty directory.
            unlinkat               [ 263   35] = path::unlinkat(dir: Fd, path: UserPath, flags: AtFlags);
            /// Move a name.
            rename                 [  82    -] = path::rename(old: UserPath, new: UserPath);
            /// Move a name, relative to directories.
            renameat               [ 264    -] = path::renameat(old_dir: Fd, old: UserPath, new_dir: Fd, new: UserPath);
            /// Move or exchange names, relative to directories.
            renameat2              [ 316  276] = path::renameat2(old_dir: Fd, old: UserPath, new_dir: Fd, new: UserPath, flags: RenameFlags);
            /// Make a file, FIFO or device node.
            mknod                  [ 133    -] = path::mknod(path: UserPath, mode: Mode, device: u32);
            /// Make a file, FIFO or device node relative to a directory.
            mknodat                [ 259   33] = path::mknodat(dir: Fd, path: UserPath, mode: Mode, device: u32);
            /// Set the size of a path's file.
            truncate               [  76   45] = path::truncate(path: UserPath, len: i64);

            // ---- Directories.
            /// Make a directory.
            mkdir                  [  83    -] = dir::mkdir(path: UserPath, mode: Mode);
            /// Make a directory relative to another.
            mkdirat                [ 258   34] = dir::mkdirat(dir: Fd, path: UserPath, mode: Mode);
            /// Remove an empty directory.
            rmdir                  [  84    -] = dir::rmdir(path: UserPath);
            /// Change the working directory.
            chdir                  [  80   49] = dir::chdir(path: UserPath);
            /// Change the working directory to an open one.
            fchdir                 [  81   50] = dir::fchdir(dir: Fd);
            /// The path of the working directory.
            getcwd                 [  79   17] = dir::getcwd(into: UserOut);
            /// The next entries of a directory, in their old form.
            getdents               [  78    -] = dir::getdents(dir: Fd, into: UserOutInt);
            /// The next entries of a directory.
            getdents64             [ 217   61] = dir::getdents64(dir: Fd, into: UserOutInt);
            /// Change the directory that paths start at.
            chroot                 [ 161   51] = dir::chroot(path: UserPath);

            // ---- What files are.
            /// Describe a path's file.
            stat                   [   4    -] = attr::stat(path: UserPath, into: UserMut<Stat>);
            /// Describe a path's file, or the link itself.
            lstat                  [   6    -] = attr::lstat(path: UserPath, into: UserMut<Stat>);
            /// Describe an open file.
            fstat                  [   5   80] = attr::fstat(file: Fd, into: UserMut<Stat>);
            /// Describe a file relative to a directory.
            newfstatat             [ 262   79] = attr::newfstatat(dir: Fd, path: UserPath, into: UserMut<Stat>, flags: AtFlags);
            /// Describe a file, only what is asked for.
            statx                  [ 332  291] = attr::statx(dir: Fd, path: UserPath, flags: AtFlags, mask: StatxMask, into: UserMut<Statx>);
            /// Describe a path's file system.
            statfs                 [ 137   43] = attr::statfs(path: UserPath, into: UserMut<Statfs>);
            /// Describe an open file's file system.
            fstatfs                [ 138   44] = attr::fstatfs(file: Fd, into: UserMut<Statfs>);
            /// Change a file's permission bits.
            chmod                  [  90    -] = attr::chmod(path: UserPath, mode: Mode);
            /// Change an open file's permission bits.
            fchmod                 [  91   52] = attr::fchmod(file: Fd, mode: Mode);
            /// Change a file's permission bits relative to a directory.
            fchmodat               [ 268   53] = attr::fchmodat(dir: Fd, path: UserPath, mode: Mode);
            /// `fchmodat` with the flags that it should have had.
            fchmodat2              [ 452  452] = attr::fchmodat2(dir: Fd, path: UserPath, mode: Mode, flags: AtFlags);
            /// Change a file's owner.
            chown                  [  92    -] = attr::chown(path: UserPath, user: Uid, group: Gid);
            /// Change a file's owner, or the link's own.
            lchown                 [  94    -] = attr::lchown(path: UserPath, user: Uid, group: Gid);
            /// Change an open file's owner.
            fchown                 [  93   55] = attr::fchown(file: Fd, user: Uid, group: Gid);
            /// Change a file's owner relative to a directory.
            fchownat               [ 260   54] = attr::fchownat(dir: Fd, path: UserPath, user: Uid, group: Gid, flags: AtFlags);
            /// Set a file's times in seconds.
            utime                  [ 132    -] = attr::utime(path: UserPath, times: UserPtr<Utimbuf>);
            /// Set a file's times in microseconds.
            utimes                 [ 235    -] = attr::utimes(path: UserPath, times: UserPtr<Timeval>);
            /// Set a file's times in microseconds relative to a directory.
            futimesat              [ 261    -] = attr::futimesat(dir: Fd, path: UserPath, times: UserPtr<Timeval>);
            /// Set a file's times in nanoseconds relative to a directory.
            utimensat              [ 280   88] = attr::utimensat(dir: Fd, path: UserPath, times: UserPtr<Timespec>, flags: AtFlags);
            /// Set the permission bits that new files do not get.
            umask                  [  95  166] = attr::umask(mask: Mode);
            /// Set an extended attribute.
            setxattr               [ 188    5] = xattr::setxattr(path: UserPath, name: UserName, value: UserIn, flags: XattrFlags) without "those of files outside";
            /// Set an extended attribute, or the link's own.
            lsetxattr              [ 189    6] = xattr::lsetxattr(path: UserPath, name: UserName, value: UserIn, flags: XattrFlags) without "those of files outside";
            /// Set an open file's extended attribute.
            fsetxattr              [ 190    7] = xattr::fsetxattr(file: Fd, name: UserName, value: UserIn, flags: XattrFlags) without "those of files outside";
            /// Read an extended attribute.
            getxattr               [ 191    8] = xattr::getxattr(path: UserPath, name: UserName, into: UserOut) without "those of files outside";
            /// Read an extended attribute, or the link's own.
            lgetxattr              [ 192    9] = xattr::lgetxattr(path: UserPath, name: UserName, into: UserOut) without "those of files outside";
            /// Read an open file's extended attribute.
            fgetxattr              [ 193   10] = xattr::fgetxattr(file: Fd, name: UserName, into: UserOut) without "those of files outside";
            /// The names of a file's extended attributes.
            listxattr              [ 194   11] = xattr::listxattr(path: UserPath, into: UserOut) without "those of files outside";
            /// The names of a file's extended attributes, or the link's own.
            llistxattr             [ 195   12] = xattr::llistxattr(path: UserPath, into: UserOut) without "those of files outside";
            /// The names of an open file's extended attributes.
            flistxattr             [ 196   13] = xattr::flistxattr(file: Fd, into: UserOut) without "those of files outside";
            /// Remove an extended attribute.
            removexattr            [ 197   14] = xattr::removexattr(path: UserPath, name: UserName) without "those of files outside";
            /// Remove an extended attribute, or the link's own.
            lremovexattr           [ 198   15] = xattr::lremovexattr(path: UserPath, name: UserName) without "those of files outside";
            /// Remove an open file's extended attribute.
            fremovexattr           [ 199   16] = xattr::fremovexattr(file: Fd, name: UserName) without "those of files outside";

            // ---- Mounts.
            /// Mount a file system, or change a mount.
            mount                  [ 165   40] = mount::mount(source: UserName, target: UserPath, kind: UserName, flags: MountFlags, data: UserAddr) without "disks, devices of one's own, moving, shared mounts";
            /// Unmount a file system.
            umount2                [ 166   39] = mount::umount2(target: UserPath, flags: UmountFlags);
            /// Change the root mount.
            pivot_root             [ 155   41] = later mount::pivot_root(new_root: UserPath, put_old: UserPath);
        ] }
    };
}
