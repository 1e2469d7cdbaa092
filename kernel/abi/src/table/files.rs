//! Rows: bytes, descriptors, pipes, and waiting for them.

/// These rows behind those before, to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! rows_of_files {
    ([$($callback:tt)+] [$($before:tt)*]) => {
        $crate::rows_of_paths! { [$($callback)+] [
            $($before)*
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
            ioctl                  [  16   29] = ioctl::ioctl(file: Fd, command: IoctlCommand, argument: Hex);

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
            fcntl                  [  72   25] = file::fcntl(file: Fd, command: FcntlCommand, argument: Hex) without "signals to owners, leases, notes, hints; F_SEAL_WRITE does not look for mappings";
            /// Lock a whole file for an open file description.
            flock                  [  73   32] = lock::flock(file: Fd, operation: FlockOperation);

            // ---- Pipes and descriptors that are events.
            /// Make a pipe.
            pipe                   [  22    -] = pipe::pipe(ends: UserMut<Fd>);
            /// Make a pipe with flags.
            pipe2                  [ 293   59] = pipe::pipe2(ends: UserMut<Fd>, flags: PipeFlags);
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
        ] }
    };
}
