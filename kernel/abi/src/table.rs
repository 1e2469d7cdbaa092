//! The table of system calls: one row each, and the only place that says which there are.
//!
//! A row is a doc comment, a name, the number on x86-64 and on RISC-V (`-` where there is none), the handler as tokens,
//! the arguments as types of [`crate::arg`] and [`crate::flags`], and perhaps what is missing:
//!
//! ```text
//! /// Give an open file a chosen descriptor.
//! dup3 [292 24] = file::dup3(old: Fd, new: Fd, flags: DupFlags) without "…";
//! ```
//!
//! `later` in front of the handler marks a call that the kernel does not have yet: it decodes, but answers ENOSYS.
//! Delete the word when the handler exists.

/// Gives all rows to a macro: `for_each_syscall! { dispatch }` becomes `dispatch! { rows }`, and the macro matches
///
/// ```text
/// $($(#[doc = $doc:literal])* $name:ident [$x86:tt $riscv:tt] = $($room:ident)+ :: $handler:ident
///     ($($arg:ident: $ty:ty),*) $(without $without:literal)?;)*
/// ```
///
/// where `$($room)+` is the handler's room, perhaps after the word `later`.
#[macro_export]
macro_rules! for_each_syscall {
    ($($callback:tt)+) => {
        $($callback)+! {
            // ---- Files: bytes in and out of descriptors.
            /// Read from a file at its offset.
            read                   [   0   63] = file::read(file: Fd, into: UserOut);
            /// Write to a file at its offset.
            write                  [   1   64] = file::write(file: Fd, from: UserIn);
            /// Read into several buffers.
            readv                  [  19   65] = file::readv(file: Fd, into: UserIovecsOut);
            /// Write from several buffers.
            writev                 [  20   66] = file::writev(file: Fd, from: UserIovecsIn);
            /// Read at a place of one's own, leaving the offset alone.
            pread64                [  17   67] = file::pread64(file: Fd, into: UserOut, offset: i64);
            /// Write at a place of one's own, leaving the offset alone.
            pwrite64               [  18   68] = file::pwrite64(file: Fd, from: UserIn, offset: i64);
            /// Read into several buffers at a place of one's own.
            preadv                 [ 295   69] = file::preadv(file: Fd, into: UserIovecsOut, offset: i64, offset_high: usize);
            /// Write from several buffers at a place of one's own.
            pwritev                [ 296   70] = file::pwritev(file: Fd, from: UserIovecsIn, offset: i64, offset_high: usize);
            /// `preadv` with flags; offset -1 is the file's own.
            preadv2                [ 327  286] = file::preadv2(file: Fd, into: UserIovecsOut, offset: i64, offset_high: usize, flags: RwFlags);
            /// `pwritev` with flags; offset -1 is the file's own.
            pwritev2               [ 328  287] = file::pwritev2(file: Fd, from: UserIovecsIn, offset: i64, offset_high: usize, flags: RwFlags);
            /// Copy from a file to a descriptor inside the kernel.
            sendfile               [  40   71] = copy::sendfile(to: Fd, from: Fd, offset: UserInOut<i64>, len: usize);
            /// Copy a range between files.
            copy_file_range        [ 326  285] = copy::copy_file_range(from: Fd, from_offset: UserInOut<i64>, to: Fd, to_offset: UserInOut<i64>, len: usize, flags: u32);
            /// Move a file's offset.
            lseek                  [   8   62] = file::lseek(file: Fd, offset: i64, whence: Whence);
            /// Set an open file's size.
            ftruncate              [  77   46] = file::ftruncate(file: Fd, len: i64);
            /// Reserve or free a range of a file.
            fallocate              [ 285   47] = file::fallocate(file: Fd, mode: FallocateMode, offset: i64, len: i64);
            /// Say how a range of a file will be used.
            fadvise64              [ 221  223] = file::fadvise64(file: Fd, offset: i64, len: i64, advice: Fadvice);
            /// Bring a file's contents and inode to its device.
            fsync                  [  74   82] = file::fsync(file: Fd);
            /// Bring a file's contents to its device.
            fdatasync              [  75   83] = file::fdatasync(file: Fd);
            /// Bring a range of a file to its device.
            sync_file_range        [ 277   84] = file::sync_file_range(file: Fd, offset: i64, len: i64, flags: SyncRangeFlags);
            /// Bring a file system to its device.
            syncfs                 [ 306  267] = file::syncfs(file: Fd);
            /// Bring all file systems to their devices.
            sync                   [ 162   81] = file::sync();
            /// A device's own command.
            ioctl                  [  16   29] = file::ioctl(file: Fd, command: IoctlCommand, argument: Hex);

            // ---- Descriptors.
            /// Give a descriptor back.
            close                  [   3   57] = file::close(file: Fd);
            /// Give a range of descriptors back.
            close_range            [ 436  436] = file::close_range(first: u32, last: u32, flags: CloseRangeFlags);
            /// Give an open file another descriptor, the lowest free.
            dup                    [  32   23] = file::dup(old: Fd);
            /// Give an open file a chosen descriptor.
            dup2                   [  33    -] = file::dup2(old: Fd, new: Fd);
            /// Give an open file a chosen descriptor, perhaps closed on exec.
            dup3                   [ 292   24] = file::dup3(old: Fd, new: Fd, flags: DupFlags);
            /// Ask or change what a descriptor or its open file is.
            fcntl                  [  72   25] = file::fcntl(file: Fd, command: FcntlCommand, argument: Hex) without "owners, leases; F_SEAL_WRITE does not look for mappings";
            /// Lock a whole file for an open file description.
            flock                  [  73   32] = lock::flock(file: Fd, operation: FlockOperation);

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
            setxattr               [ 188    5] = xattr::setxattr(path: UserPath, name: UserName, value: UserIn, flags: XattrFlags) without "keeping any";
            /// Set an extended attribute, or the link's own.
            lsetxattr              [ 189    6] = xattr::lsetxattr(path: UserPath, name: UserName, value: UserIn, flags: XattrFlags) without "keeping any";
            /// Set an open file's extended attribute.
            fsetxattr              [ 190    7] = xattr::fsetxattr(file: Fd, name: UserName, value: UserIn, flags: XattrFlags) without "keeping any";
            /// Read an extended attribute.
            getxattr               [ 191    8] = xattr::getxattr(path: UserPath, name: UserName, into: UserOut) without "keeping any";
            /// Read an extended attribute, or the link's own.
            lgetxattr              [ 192    9] = xattr::lgetxattr(path: UserPath, name: UserName, into: UserOut) without "keeping any";
            /// Read an open file's extended attribute.
            fgetxattr              [ 193   10] = xattr::fgetxattr(file: Fd, name: UserName, into: UserOut) without "keeping any";
            /// The names of a file's extended attributes.
            listxattr              [ 194   11] = xattr::listxattr(path: UserPath, into: UserOut) without "keeping any";
            /// The names of a file's extended attributes, or the link's own.
            llistxattr             [ 195   12] = xattr::llistxattr(path: UserPath, into: UserOut) without "keeping any";
            /// The names of an open file's extended attributes.
            flistxattr             [ 196   13] = xattr::flistxattr(file: Fd, into: UserOut) without "keeping any";
            /// Remove an extended attribute.
            removexattr            [ 197   14] = xattr::removexattr(path: UserPath, name: UserName) without "keeping any";
            /// Remove an extended attribute, or the link's own.
            lremovexattr           [ 198   15] = xattr::lremovexattr(path: UserPath, name: UserName) without "keeping any";
            /// Remove an open file's extended attribute.
            fremovexattr           [ 199   16] = xattr::fremovexattr(file: Fd, name: UserName) without "keeping any";

            // ---- Mounts.
            /// Mount a file system, or change a mount.
            mount                  [ 165   40] = later mount::mount(source: UserName, target: UserPath, kind: UserName, flags: MountFlags, data: UserAddr);
            /// Unmount a file system.
            umount2                [ 166   39] = later mount::umount2(target: UserPath, flags: UmountFlags);
            /// Change the root mount.
            pivot_root             [ 155   41] = later mount::pivot_root(new_root: UserPath, put_old: UserPath);

            // ---- Pipes and descriptors that are events.
            /// Make a pipe.
            pipe                   [  22    -] = pipe::pipe(ends: UserMut<Fd>);
            /// Make a pipe with flags.
            pipe2                  [ 293   59] = pipe::pipe2(ends: UserMut<Fd>, flags: PipeFlags) without "O_DIRECT";
            /// Make a counter that can be polled.
            eventfd                [ 284    -] = event::eventfd(count: u32);
            /// Make a counter that can be polled, with flags.
            eventfd2               [ 290   19] = event::eventfd2(count: u32, flags: EventfdFlags);
            /// Read signals from a descriptor.
            signalfd               [ 282    -] = event::signalfd(file: Fd, mask: UserPtr<SigSet>, size: usize);
            /// Read signals from a descriptor, with flags.
            signalfd4              [ 289   74] = event::signalfd4(file: Fd, mask: UserPtr<SigSet>, size: usize, flags: SignalfdFlags);
            /// Make a timer that can be polled.
            timerfd_create         [ 283   85] = event::timerfd_create(clock: ClockId, flags: TimerfdFlags);
            /// Arm a timer that can be polled.
            timerfd_settime        [ 286   86] = event::timerfd_settime(file: Fd, flags: TimerfdSettimeFlags, new: UserPtr<Itimerspec>, old: UserMut<Itimerspec>) without "TFD_TIMER_CANCEL_ON_SET";
            /// When a timer that can be polled is due.
            timerfd_gettime        [ 287   87] = event::timerfd_gettime(file: Fd, into: UserMut<Itimerspec>);
            /// Make a file that has no path.
            memfd_create           [ 319  279] = event::memfd_create(name: UserName, flags: MemfdFlags) without "huge pages";

            // ---- Waiting for descriptors.
            /// Wait until a descriptor is ready.
            poll                   [   7    -] = poll::poll(files: UserInOut<PollFd>, count: u32, timeout_ms: i32);
            /// Wait until a descriptor is ready, under another signal mask.
            ppoll                  [ 271   73] = poll::ppoll(files: UserInOut<PollFd>, count: u32, timeout: UserInOut<Timespec>, mask: UserPtr<SigSet>, mask_size: usize);
            /// Wait until a descriptor of three sets is ready.
            select                 [  23    -] = poll::select(count: i32, read: UserInOut<FdSet>, write: UserInOut<FdSet>, except: UserInOut<FdSet>, timeout: UserInOut<Timeval>);
            /// Wait until a descriptor of three sets is ready, under another signal mask.
            pselect6               [ 270   72] = poll::pselect6(count: i32, read: UserInOut<FdSet>, write: UserInOut<FdSet>, except: UserInOut<FdSet>, timeout: UserInOut<Timespec>, mask: UserPtr<SigSetArgument>);

            /// Make a set of files to wait for.
            epoll_create           [ 213    -] = epoll::epoll_create(size: i32);
            /// Make a set of files to wait for, with flags.
            epoll_create1          [ 291   20] = epoll::epoll_create1(flags: EpollFlags);
            /// Add a file to a set, change what it waits for, or remove it.
            epoll_ctl              [ 233   21] = epoll::epoll_ctl(set: Fd, op: EpollOp, file: Fd, event: UserPtr<EpollEvent>) without "EPOLLEXCLUSIVE waking one only";
            /// Wait until a file of a set is ready.
            epoll_wait             [ 232    -] = epoll::epoll_wait(set: Fd, into: UserMut<EpollEvent>, count_max: i32, timeout_ms: i32);
            /// Wait until a file of a set is ready, under another signal mask.
            epoll_pwait            [ 281   22] = epoll::epoll_pwait(set: Fd, into: UserMut<EpollEvent>, count_max: i32, timeout_ms: i32, mask: UserPtr<SigSet>, mask_size: usize);
            /// `epoll_pwait` with a finer timeout.
            epoll_pwait2           [ 441  441] = epoll::epoll_pwait2(set: Fd, into: UserMut<EpollEvent>, count_max: i32, timeout: UserPtr<Timespec>, mask: UserPtr<SigSet>, mask_size: usize);

            // ---- Memory.
            /// Move the end of the heap.
            brk                    [  12  214] = memory::brk(end: UserAddr);
            /// Map memory or a file.
            mmap                   [   9  222] = memory::mmap(addr: UserAddr, len: usize, prot: ProtFlags, flags: MapFlags, file: Fd, offset: Hex);
            /// Unmap a range.
            munmap                 [  11  215] = memory::munmap(addr: UserAddr, len: usize);
            /// Change what a range allows.
            mprotect               [  10  226] = memory::mprotect(addr: UserAddr, len: usize, prot: ProtFlags);
            /// Resize or move a mapping.
            mremap                 [  25  216] = memory::mremap(old: UserAddr, old_len: usize, new_len: usize, flags: MremapFlags, new: UserAddr);
            /// Say how a range will be used.
            madvise                [  28  233] = memory::madvise(addr: UserAddr, len: usize, advice: Madvice);
            /// Bring a mapped file's pages to the file.
            msync                  [  26  227] = memory::msync(addr: UserAddr, len: usize, flags: MsyncFlags);
            /// Which pages are in memory.
            mincore                [  27  232] = memory::mincore(addr: UserAddr, len: usize, into: UserMut<u8>);
            /// Keep a range in memory.
            mlock                  [ 149  228] = later memory::mlock(addr: UserAddr, len: usize);
            /// Keep a range in memory, with flags.
            mlock2                 [ 325  284] = later memory::mlock2(addr: UserAddr, len: usize, flags: MlockFlags);
            /// Keep a range in memory no longer.
            munlock                [ 150  229] = later memory::munlock(addr: UserAddr, len: usize);
            /// Keep everything in memory.
            mlockall               [ 151  230] = later memory::mlockall(flags: MlockallFlags);
            /// Keep nothing in memory.
            munlockall             [ 152  231] = later memory::munlockall();
            /// The policy for placing memory on nodes.
            get_mempolicy          [ 239  236] = later memory::get_mempolicy(mode: UserMut<i32>, nodes: UserMut<u64>, max_node: usize, addr: UserAddr, flags: MempolicyFlags);
            /// Set the policy for placing memory on nodes.
            set_mempolicy          [ 238  237] = later memory::set_mempolicy(mode: MempolicyMode, nodes: UserPtr<u64>, max_node: usize);
            /// Make all threads' memory accesses ordered.
            membarrier             [ 324  283] = later memory::membarrier(command: MembarrierCommand, flags: u32, cpu: i32);

            // ---- Processes and threads.
            /// Make a process or thread.
            clone                  [  56    -] = process::clone(flags: CloneFlags, stack: UserAddr, parent_tid: UserMut<Pid>, child_tid: UserMut<Pid>, tls: UserAddr);
            /// Make a process or thread, in RISC-V's order of arguments.
            clone_backwards        [   -  220] = process::clone_backwards(flags: CloneFlags, stack: UserAddr, parent_tid: UserMut<Pid>, tls: UserAddr, child_tid: UserMut<Pid>);
            /// Make a process or thread.
            clone3                 [ 435  435] = process::clone3(args: UserPtr<CloneArgs>, size: usize);
            /// Make a process.
            fork                   [  57    -] = process::fork();
            /// Make a process in this one's memory and wait until it leaves.
            vfork                  [  58    -] = process::vfork();
            /// Run another program in this process.
            execve                 [  59  221] = process::execve(path: UserPath, argv: UserStrings, envp: UserStrings);
            /// Run another program in this process, relative to a directory.
            execveat               [ 322  281] = process::execveat(dir: Fd, path: UserPath, argv: UserStrings, envp: UserStrings, flags: AtFlags);
            /// End this thread.
            exit                   [  60   93] = process::exit(status: i32);
            /// End this process.
            exit_group             [ 231   94] = process::exit_group(status: i32);
            /// Wait for a child to change.
            wait4                  [  61  260] = process::wait4(who: Pid, status: UserMut<i32>, options: WaitOptions, usage: UserMut<Rusage>);
            /// Wait for a child to change, as a siginfo.
            waitid                 [ 247   95] = process::waitid(kind: WaitId, who: Pid, info: UserMut<Siginfo>, options: WaitOptions, usage: UserMut<Rusage>);
            /// Where to store zero when this thread ends.
            set_tid_address        [ 218   96] = process::set_tid_address(addr: UserMut<Pid>);
            /// The number of this process.
            getpid                 [  39  172] = process::getpid();
            /// The number of this thread.
            gettid                 [ 186  178] = process::gettid();
            /// The number of the parent process.
            getppid                [ 110  173] = process::getppid();
            /// The process group of this process.
            getpgrp                [ 111    -] = process::getpgrp();
            /// The process group of a process.
            getpgid                [ 121  155] = process::getpgid(who: Pid);
            /// Move a process to a process group.
            setpgid                [ 109  154] = process::setpgid(who: Pid, group: Pid);
            /// The session of a process.
            getsid                 [ 124  156] = process::getsid(who: Pid);
            /// Start a session.
            setsid                 [ 112  157] = process::setsid();
            /// Ask or change something of this process.
            prctl                  [ 157  167] = process::prctl(option: PrctlOption, a: Hex, b: Hex, c: Hex, d: Hex);
            /// Ask or change something that only x86-64 has.
            arch_prctl             [ 158    -] = process::arch_prctl(code: ArchPrctlCode, argument: Hex);
            /// Ask or change which system's habits to follow.
            personality            [ 135   92] = process::personality(persona: Personality);
            /// Register a restartable sequence's area.
            rseq                   [ 334  293] = later process::rseq(area: UserAddr, len: u32, flags: RseqFlags, signature: u32);
            /// Hang up the terminal.
            vhangup                [ 153   58] = process::vhangup();

            // ---- Futexes.
            /// Wait at an address, or wake who waits there.
            futex                  [ 202   98] = futex::futex(addr: UserMut<u32>, op: FutexOp, value: u32, timeout: UserPtr<Timespec>, addr2: UserMut<u32>, value3: u32);
            /// Register the futexes to release at this thread's end.
            set_robust_list        [ 273   99] = futex::set_robust_list(head: UserPtr<RobustListHead>, len: usize);
            /// The futexes a thread registered.
            get_robust_list        [ 274  100] = futex::get_robust_list(who: Pid, head: UserMut<usize>, len: UserMut<usize>);

            // ---- Signals.
            /// Ask or change what a signal does.
            rt_sigaction           [  13  134] = signal::rt_sigaction(signal: SignalNumber, new: UserPtr<Sigaction>, old: UserMut<Sigaction>, size: usize);
            /// Ask or change which signals are blocked.
            rt_sigprocmask         [  14  135] = signal::rt_sigprocmask(how: SigHow, new: UserPtr<SigSet>, old: UserMut<SigSet>, size: usize);
            /// Which blocked signals are waiting.
            rt_sigpending          [ 127  136] = signal::rt_sigpending(into: UserMut<SigSet>, size: usize);
            /// Wait for a signal under another mask.
            rt_sigsuspend          [ 130  133] = signal::rt_sigsuspend(mask: UserPtr<SigSet>, size: usize);
            /// Take a waiting signal, or wait for one.
            rt_sigtimedwait        [ 128  137] = signal::rt_sigtimedwait(set: UserPtr<SigSet>, info: UserMut<Siginfo>, timeout: UserPtr<Timespec>, size: usize);
            /// Send a signal with its own siginfo.
            rt_sigqueueinfo        [ 129  138] = signal::rt_sigqueueinfo(who: Pid, signal: SignalNumber, info: UserPtr<Siginfo>);
            /// Send a thread a signal with its own siginfo.
            rt_tgsigqueueinfo      [ 297  240] = signal::rt_tgsigqueueinfo(group: Pid, thread: Pid, signal: SignalNumber, info: UserPtr<Siginfo>);
            /// Leave a signal handler.
            rt_sigreturn           [  15  139] = signal::rt_sigreturn();
            /// Ask or change the stack for signal handlers.
            sigaltstack            [ 131  132] = signal::sigaltstack(new: UserPtr<StackT>, old: UserMut<StackT>);
            /// Send a signal to processes.
            kill                   [  62  129] = signal::kill(who: Pid, signal: SignalNumber);
            /// Send a signal to a thread.
            tkill                  [ 200  130] = signal::tkill(thread: Pid, signal: SignalNumber);
            /// Send a signal to a thread of a process.
            tgkill                 [ 234  131] = signal::tgkill(group: Pid, thread: Pid, signal: SignalNumber);
            /// Wait for a signal.
            pause                  [  34    -] = signal::pause();
            /// Continue a sleep that a stop interrupted.
            restart_syscall        [ 219  128] = signal::restart_syscall();

            // ---- Time.
            /// Seconds since 1970.
            time                   [ 201    -] = time::time(into: UserMut<i64>);
            /// Microseconds since 1970.
            gettimeofday           [  96  169] = time::gettimeofday(into: UserMut<Timeval>, zone: UserMut<Timezone>);
            /// Set the clock.
            settimeofday           [ 164  170] = time::settimeofday(from: UserPtr<Timeval>, zone: UserPtr<Timezone>);
            /// What a clock shows.
            clock_gettime          [ 228  113] = time::clock_gettime(clock: ClockId, into: UserMut<Timespec>);
            /// Set a clock.
            clock_settime          [ 227  112] = time::clock_settime(clock: ClockId, from: UserPtr<Timespec>);
            /// How fine a clock is.
            clock_getres           [ 229  114] = time::clock_getres(clock: ClockId, into: UserMut<Timespec>);
            /// Sleep by a clock.
            clock_nanosleep        [ 230  115] = time::clock_nanosleep(clock: ClockId, flags: TimerFlags, request: UserPtr<Timespec>, remain: UserMut<Timespec>);
            /// Sleep.
            nanosleep              [  35  101] = time::nanosleep(request: UserPtr<Timespec>, remain: UserMut<Timespec>);
            /// Ask for SIGALRM later.
            alarm                  [  37    -] = time::alarm(seconds: u32);
            /// When an interval timer is due.
            getitimer              [  36  102] = time::getitimer(which: ItimerKind, into: UserMut<Itimerval>);
            /// Arm an interval timer.
            setitimer              [  38  103] = time::setitimer(which: ItimerKind, new: UserPtr<Itimerval>, old: UserMut<Itimerval>);
            /// Make a timer.
            timer_create           [ 222  107] = timer::timer_create(clock: ClockId, event: UserPtr<Sigevent>, id: UserMut<i32>) without "CPU clocks";
            /// Arm a timer.
            timer_settime          [ 223  110] = timer::timer_settime(timer: i32, flags: TimerFlags, new: UserPtr<Itimerspec>, old: UserMut<Itimerspec>);
            /// When a timer is due.
            timer_gettime          [ 224  108] = timer::timer_gettime(timer: i32, into: UserMut<Itimerspec>);
            /// How often a timer was due while its signal waited.
            timer_getoverrun       [ 225  109] = timer::timer_getoverrun(timer: i32);
            /// Delete a timer.
            timer_delete           [ 226  111] = timer::timer_delete(timer: i32);
            /// The CPU time of this process and its children, in clock ticks.
            times                  [ 100  153] = time::times(into: UserMut<Tms>);

            // ---- Users and groups.
            /// The real user.
            getuid                 [ 102  174] = id::getuid();
            /// The effective user.
            geteuid                [ 107  175] = id::geteuid();
            /// The real group.
            getgid                 [ 104  176] = id::getgid();
            /// The effective group.
            getegid                [ 108  177] = id::getegid();
            /// Become a user.
            setuid                 [ 105  146] = id::setuid(user: Uid);
            /// Become a group.
            setgid                 [ 106  144] = id::setgid(group: Gid);
            /// Set real and effective user.
            setreuid               [ 113  145] = id::setreuid(real: Uid, effective: Uid);
            /// Set real and effective group.
            setregid               [ 114  143] = id::setregid(real: Gid, effective: Gid);
            /// All three users.
            getresuid              [ 118  148] = id::getresuid(real: UserMut<Uid>, effective: UserMut<Uid>, saved: UserMut<Uid>);
            /// Set all three users.
            setresuid              [ 117  147] = id::setresuid(real: Uid, effective: Uid, saved: Uid);
            /// All three groups.
            getresgid              [ 120  150] = id::getresgid(real: UserMut<Gid>, effective: UserMut<Gid>, saved: UserMut<Gid>);
            /// Set all three groups.
            setresgid              [ 119  149] = id::setresgid(real: Gid, effective: Gid, saved: Gid);
            /// Set the user for file access.
            setfsuid               [ 122  151] = id::setfsuid(user: Uid);
            /// Set the group for file access.
            setfsgid               [ 123  152] = id::setfsgid(group: Gid);
            /// The supplementary groups.
            getgroups              [ 115  158] = id::getgroups(count: i32, into: UserMut<Gid>);
            /// Set the supplementary groups.
            setgroups              [ 116  159] = id::setgroups(count: i32, from: UserPtr<Gid>);
            /// The capabilities of a process.
            capget                 [ 125   90] = id::capget(header: UserInOut<CapHeader>, data: UserMut<CapData>);
            /// Set this thread's capabilities.
            capset                 [ 126   91] = id::capset(header: UserInOut<CapHeader>, data: UserPtr<CapData>);

            // ---- Limits and scheduling.
            /// What a resource is limited to.
            getrlimit              [  97  163] = limit::getrlimit(resource: Resource, into: UserMut<Rlimit>);
            /// Limit a resource.
            setrlimit              [ 160  164] = limit::setrlimit(resource: Resource, from: UserPtr<Rlimit>);
            /// Ask or change a process's limit.
            prlimit64              [ 302  261] = limit::prlimit64(who: Pid, resource: Resource, new: UserPtr<Rlimit>, old: UserMut<Rlimit>);
            /// What was used so far.
            getrusage              [  98  165] = limit::getrusage(who: RusageWho, into: UserMut<Rusage>) without "switches, blocks, major faults; ru_maxrss is what is in memory now";
            /// How nice a process is.
            getpriority            [ 140  141] = priority::getpriority(which: PriorityWhich, who: Pid);
            /// Set how nice a process is.
            setpriority            [ 141  140] = priority::setpriority(which: PriorityWhich, who: Pid, nice: i32) without "effect on who runs; niceness of single threads";
            /// Let others run.
            sched_yield            [  24  124] = sched::sched_yield();
            /// Which CPUs a thread may run on.
            sched_getaffinity      [ 204  123] = sched::sched_getaffinity(who: Pid, len: u32, into: UserMut<u64>);
            /// Set which CPUs a thread may run on.
            sched_setaffinity      [ 203  122] = sched::sched_setaffinity(who: Pid, len: u32, from: UserPtr<u64>) without "effect on where a thread runs";
            /// How a thread is scheduled.
            sched_getscheduler     [ 145  120] = sched::sched_getscheduler(who: Pid);
            /// Set how a thread is scheduled.
            sched_setscheduler     [ 144  119] = sched::sched_setscheduler(who: Pid, policy: SchedPolicy, param: UserPtr<SchedParam>) without "effect on who runs";
            /// A thread's static priority.
            sched_getparam         [ 143  121] = sched::sched_getparam(who: Pid, into: UserMut<SchedParam>);
            /// Set a thread's static priority.
            sched_setparam         [ 142  118] = sched::sched_setparam(who: Pid, from: UserPtr<SchedParam>) without "effect on who runs";
            /// The highest static priority of a policy.
            sched_get_priority_max [ 146  125] = sched::sched_get_priority_max(policy: SchedPolicy);
            /// The lowest static priority of a policy.
            sched_get_priority_min [ 147  126] = sched::sched_get_priority_min(policy: SchedPolicy);
            /// The time slice of a thread.
            sched_rr_get_interval  [ 148  127] = sched::sched_rr_get_interval(who: Pid, into: UserMut<Timespec>);
            /// A thread's priority for disk access.
            ioprio_get             [ 252   31] = priority::ioprio_get(which: i32, who: Pid);
            /// Set a thread's priority for disk access.
            ioprio_set             [ 251   30] = priority::ioprio_set(which: i32, who: Pid, priority: i32) without "effect: there is no disk";
            /// Where this thread runs.
            getcpu                 [ 309  168] = sched::getcpu(cpu: UserMut<u32>, node: UserMut<u32>, unused: UserAddr);

            // ---- About the machine.
            /// The names of system and host.
            uname                  [  63  160] = info::uname(into: UserMut<Utsname>);
            /// Memory, load and uptime.
            sysinfo                [  99  179] = info::sysinfo(into: UserMut<Sysinfo>);
            /// Random bytes.
            getrandom              [ 318  278] = info::getrandom(into: UserOut, flags: GetrandomFlags);
            /// Set the host's name.
            sethostname            [ 170  161] = info::sethostname(name: UserInInt);
            /// Set the NIS domain's name.
            setdomainname          [ 171  162] = info::setdomainname(name: UserInInt);
            /// Read or clear the kernel's log.
            syslog                 [ 103  116] = later info::syslog(action: SyslogAction, into: UserOutInt);
            /// Stop or restart the machine.
            reboot                 [ 169  142] = later info::reboot(magic: Hex, magic2: Hex, command: RebootCommand, argument: UserAddr);
            /// Make written code visible to instruction fetch.
            riscv_flush_icache     [   -  259] = later info::riscv_flush_icache(start: UserAddr, end: UserAddr, flags: usize);
        }
    };
}
