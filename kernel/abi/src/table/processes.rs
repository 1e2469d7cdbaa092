//! Rows: memory, processes, futexes, signals.

/// These rows behind those before, to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! rows_of_processes {
    ([$($callback:tt)+] [$($before:tt)*]) => {
        $crate::rows_of_machine! { [$($callback)+] [
            $($before)*
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
            mlock                  [ 149  228] = memory::mlock(addr: UserAddr, len: usize);
            /// Keep a range in memory, with flags.
            mlock2                 [ 325  284] = memory::mlock2(addr: UserAddr, len: usize, flags: MlockFlags);
            /// Keep a range in memory no longer.
            munlock                [ 150  229] = memory::munlock(addr: UserAddr, len: usize);
            /// Keep everything in memory.
            mlockall               [ 151  230] = memory::mlockall(flags: MlockallFlags);
            /// Keep nothing in memory.
            munlockall             [ 152  231] = memory::munlockall();
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
            /// Make a descriptor that stands for a process.
            pidfd_open             [ 434  434] = pidfd::pidfd_open(who: Pid, flags: PidfdFlags);
            /// Send a signal to the process behind a descriptor.
            pidfd_send_signal      [ 424  424] = pidfd::pidfd_send_signal(file: Fd, signal: SignalNumber, info: UserPtr<Siginfo>, flags: u32);
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
            prctl                  [ 157  167] = prctl::prctl(option: PrctlOption, a: Hex, b: Hex, c: Hex, d: Hex) without "PR_SET_MM";
            /// Ask or change something that only x86-64 has.
            arch_prctl             [ 158    -] = prctl::arch_prctl(code: ArchPrctlCode, argument: Hex) without "parts of the processor's state that are asked for";
            /// Ask or change which system's habits to follow.
            personality            [ 135   92] = process::personality(persona: Personality);
            /// Register a restartable sequence's area.
            rseq                   [ 334  293] = later process::rseq(area: UserAddr, len: u32, flags: RseqFlags, signature: u32);
            /// Hang up the terminal.
            vhangup                [ 153   58] = process::vhangup();

            // ---- Futexes.
            /// Wait at an address, or wake who waits there.
            futex                  [ 202   98] = futex::futex(addr: UserMut<u32>, op: FutexOp, value: u32, timeout: UserPtr<Timespec>, addr2: UserMut<u32>, value3: u32) without "priority inheritance";
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
        ] }
    };
}
