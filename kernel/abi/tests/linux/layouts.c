/*
 * What Linux's own headers say about each structure of kernel-abi, in the manner of the kernel's asm-offsets.c: compiled
 * to assembly only, so that one machine measures every architecture. `measure` runs it; the answers stand beside it.
 *
 * Left: a type of kernel-abi and its field. Right: Linux's. Padding and reserve are no fields.
 */
#include <stddef.h>

#include <linux/types.h>
#include <asm/signal.h>
#include <asm/siginfo.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>
#include <asm/stat.h>
#include <asm/statfs.h>
#include <asm/termbits.h>
#include <asm/termios.h>
#include <asm/ptrace.h>
#include <linux/capability.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <linux/poll.h>
#include <linux/posix_types.h>
#include <linux/resource.h>
#include <linux/rseq.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <linux/signalfd.h>
#include <linux/stat.h>
#include <linux/sysinfo.h>
#include <linux/time.h>
#include <linux/time_types.h>
#include <linux/times.h>
#include <linux/uio.h>
#include <linux/un.h>
#include <linux/utime.h>
#include <linux/utsname.h>

/* What Linux keeps out of the headers it exports, copied. */

/* include/linux/sched.h; left to the C library since Linux 6.7 */
struct sched_param {
	int sched_priority;
};

/* fs/select.c */
struct sigset_argpack {
	sigset_t *p;
	size_t size;
};

/* include/linux/dirent.h */
struct linux_dirent64 {
	__u64 d_ino;
	__s64 d_off;
	unsigned short d_reclen;
	unsigned char d_type;
	char d_name[];
};

/* include/linux/socket.h */
struct user_msghdr {
	void *msg_name;
	int msg_namelen;
	struct iovec *msg_iov;
	__kernel_size_t msg_iovlen;
	void *msg_control;
	__kernel_size_t msg_controllen;
	unsigned int msg_flags;
};

/* arch/x86/include/asm/sigframe.h, arch/riscv/kernel/signal.c */
#ifdef __x86_64__
struct rt_sigframe {
	char *pretcode;
	struct ucontext uc;
	siginfo_t info;
};
#else
struct rt_sigframe {
	siginfo_t info;
	struct ucontext uc;
};
#endif

#define SAY(name, at, size) asm volatile("\n@" name " %c0 %c1" : : "i"(at), "i"(size))
#define SIZE(type, field) sizeof(((type *)0)->field)
#define TYPE(ours, type) SAY(#ours, 0, sizeof(type))
#define FIELD(ours, type, our_field, field) SAY(#ours "." #our_field, offsetof(type, field), SIZE(type, field))
/* One field of ours for several neighbours. */
#define RANGE(ours, type, our_field, first, last) \
	SAY(#ours "." #our_field, offsetof(type, first), offsetof(type, last) + SIZE(type, last) - offsetof(type, first))

void both(void)
{
	TYPE(Iovec, struct iovec);
	FIELD(Iovec, struct iovec, iov_base, iov_base);
	FIELD(Iovec, struct iovec, iov_len, iov_len);
	TYPE(Flock, struct flock);
	FIELD(Flock, struct flock, l_type, l_type);
	FIELD(Flock, struct flock, l_whence, l_whence);
	FIELD(Flock, struct flock, l_start, l_start);
	FIELD(Flock, struct flock, l_len, l_len);
	FIELD(Flock, struct flock, l_pid, l_pid);
	TYPE(FileOwner, struct f_owner_ex);
	FIELD(FileOwner, struct f_owner_ex, kind, type);
	FIELD(FileOwner, struct f_owner_ex, pid, pid);
	TYPE(OpenHow, struct open_how);
	FIELD(OpenHow, struct open_how, flags, flags);
	FIELD(OpenHow, struct open_how, mode, mode);
	FIELD(OpenHow, struct open_how, resolve, resolve);
	TYPE(Utsname, struct new_utsname);
	FIELD(Utsname, struct new_utsname, sysname, sysname);
	FIELD(Utsname, struct new_utsname, nodename, nodename);
	FIELD(Utsname, struct new_utsname, release, release);
	FIELD(Utsname, struct new_utsname, version, version);
	FIELD(Utsname, struct new_utsname, machine, machine);
	FIELD(Utsname, struct new_utsname, domainname, domainname);
	TYPE(Sysinfo, struct sysinfo);
	FIELD(Sysinfo, struct sysinfo, uptime, uptime);
	FIELD(Sysinfo, struct sysinfo, loads, loads);
	FIELD(Sysinfo, struct sysinfo, totalram, totalram);
	FIELD(Sysinfo, struct sysinfo, freeram, freeram);
	FIELD(Sysinfo, struct sysinfo, sharedram, sharedram);
	FIELD(Sysinfo, struct sysinfo, bufferram, bufferram);
	FIELD(Sysinfo, struct sysinfo, totalswap, totalswap);
	FIELD(Sysinfo, struct sysinfo, freeswap, freeswap);
	FIELD(Sysinfo, struct sysinfo, procs, procs);
	FIELD(Sysinfo, struct sysinfo, totalhigh, totalhigh);
	FIELD(Sysinfo, struct sysinfo, freehigh, freehigh);
	FIELD(Sysinfo, struct sysinfo, mem_unit, mem_unit);
	TYPE(PollFd, struct pollfd);
	FIELD(PollFd, struct pollfd, fd, fd);
	FIELD(PollFd, struct pollfd, events, events);
	FIELD(PollFd, struct pollfd, revents, revents);
	TYPE(FdSet, __kernel_fd_set);
	FIELD(FdSet, __kernel_fd_set, bits, fds_bits);
	TYPE(SigSetArgument, struct sigset_argpack);
	FIELD(SigSetArgument, struct sigset_argpack, addr, p);
	FIELD(SigSetArgument, struct sigset_argpack, size, size);
	TYPE(CloneArgs, struct clone_args);
	FIELD(CloneArgs, struct clone_args, flags, flags);
	FIELD(CloneArgs, struct clone_args, pidfd, pidfd);
	FIELD(CloneArgs, struct clone_args, child_tid, child_tid);
	FIELD(CloneArgs, struct clone_args, parent_tid, parent_tid);
	FIELD(CloneArgs, struct clone_args, exit_signal, exit_signal);
	FIELD(CloneArgs, struct clone_args, stack, stack);
	FIELD(CloneArgs, struct clone_args, stack_size, stack_size);
	FIELD(CloneArgs, struct clone_args, tls, tls);
	FIELD(CloneArgs, struct clone_args, set_tid, set_tid);
	FIELD(CloneArgs, struct clone_args, set_tid_size, set_tid_size);
	FIELD(CloneArgs, struct clone_args, cgroup, cgroup);
	TYPE(RobustListHead, struct robust_list_head);
	FIELD(RobustListHead, struct robust_list_head, list, list);
	FIELD(RobustListHead, struct robust_list_head, futex_offset, futex_offset);
	FIELD(RobustListHead, struct robust_list_head, list_op_pending, list_op_pending);
	TYPE(Rlimit, struct rlimit);
	FIELD(Rlimit, struct rlimit, rlim_cur, rlim_cur);
	FIELD(Rlimit, struct rlimit, rlim_max, rlim_max);
	TYPE(Rusage, struct rusage);
	FIELD(Rusage, struct rusage, ru_utime, ru_utime);
	FIELD(Rusage, struct rusage, ru_stime, ru_stime);
	FIELD(Rusage, struct rusage, ru_maxrss, ru_maxrss);
	FIELD(Rusage, struct rusage, ru_ixrss, ru_ixrss);
	FIELD(Rusage, struct rusage, ru_idrss, ru_idrss);
	FIELD(Rusage, struct rusage, ru_isrss, ru_isrss);
	FIELD(Rusage, struct rusage, ru_minflt, ru_minflt);
	FIELD(Rusage, struct rusage, ru_majflt, ru_majflt);
	FIELD(Rusage, struct rusage, ru_nswap, ru_nswap);
	FIELD(Rusage, struct rusage, ru_inblock, ru_inblock);
	FIELD(Rusage, struct rusage, ru_oublock, ru_oublock);
	FIELD(Rusage, struct rusage, ru_msgsnd, ru_msgsnd);
	FIELD(Rusage, struct rusage, ru_msgrcv, ru_msgrcv);
	FIELD(Rusage, struct rusage, ru_nsignals, ru_nsignals);
	FIELD(Rusage, struct rusage, ru_nvcsw, ru_nvcsw);
	FIELD(Rusage, struct rusage, ru_nivcsw, ru_nivcsw);
	TYPE(SchedParam, struct sched_param);
	FIELD(SchedParam, struct sched_param, sched_priority, sched_priority);
	TYPE(Rseq, struct rseq);
	FIELD(Rseq, struct rseq, cpu_id_start, cpu_id_start);
	FIELD(Rseq, struct rseq, cpu_id, cpu_id);
	FIELD(Rseq, struct rseq, rseq_cs, rseq_cs);
	FIELD(Rseq, struct rseq, flags, flags);
	FIELD(Rseq, struct rseq, node_id, node_id);
	FIELD(Rseq, struct rseq, mm_cid, mm_cid);
	TYPE(CapHeader, struct __user_cap_header_struct);
	FIELD(CapHeader, struct __user_cap_header_struct, version, version);
	FIELD(CapHeader, struct __user_cap_header_struct, pid, pid);
	TYPE(CapData, struct __user_cap_data_struct);
	FIELD(CapData, struct __user_cap_data_struct, effective, effective);
	FIELD(CapData, struct __user_cap_data_struct, permitted, permitted);
	FIELD(CapData, struct __user_cap_data_struct, inheritable, inheritable);
	TYPE(StackT, stack_t);
	FIELD(StackT, stack_t, ss_sp, ss_sp);
	FIELD(StackT, stack_t, ss_flags, ss_flags);
	FIELD(StackT, stack_t, ss_size, ss_size);
	TYPE(Siginfo, siginfo_t);
	FIELD(Siginfo, siginfo_t, si_signo, si_signo);
	FIELD(Siginfo, siginfo_t, si_errno, si_errno);
	FIELD(Siginfo, siginfo_t, si_code, si_code);
	SAY("Siginfo.fields", offsetof(siginfo_t, _sifields), sizeof(siginfo_t) - offsetof(siginfo_t, _sifields));
	TYPE(SignalfdSiginfo, struct signalfd_siginfo);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_signo, ssi_signo);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_errno, ssi_errno);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_code, ssi_code);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_pid, ssi_pid);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_uid, ssi_uid);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_fd, ssi_fd);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_tid, ssi_tid);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_band, ssi_band);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_overrun, ssi_overrun);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_trapno, ssi_trapno);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_status, ssi_status);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_int, ssi_int);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_ptr, ssi_ptr);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_utime, ssi_utime);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_stime, ssi_stime);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_addr, ssi_addr);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_addr_lsb, ssi_addr_lsb);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_syscall, ssi_syscall);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_call_addr, ssi_call_addr);
	FIELD(SignalfdSiginfo, struct signalfd_siginfo, ssi_arch, ssi_arch);
	TYPE(Sigevent, struct sigevent);
	FIELD(Sigevent, struct sigevent, sigev_value, sigev_value);
	FIELD(Sigevent, struct sigevent, sigev_signo, sigev_signo);
	FIELD(Sigevent, struct sigevent, sigev_notify, sigev_notify);
	FIELD(Sigevent, struct sigevent, sigev_tid, _sigev_un._tid);
	TYPE(SockaddrUn, struct sockaddr_un);
	FIELD(SockaddrUn, struct sockaddr_un, sun_family, sun_family);
	FIELD(SockaddrUn, struct sockaddr_un, sun_path, sun_path);
	TYPE(Msghdr, struct user_msghdr);
	FIELD(Msghdr, struct user_msghdr, msg_name, msg_name);
	FIELD(Msghdr, struct user_msghdr, msg_namelen, msg_namelen);
	FIELD(Msghdr, struct user_msghdr, msg_iov, msg_iov);
	FIELD(Msghdr, struct user_msghdr, msg_iovlen, msg_iovlen);
	FIELD(Msghdr, struct user_msghdr, msg_control, msg_control);
	FIELD(Msghdr, struct user_msghdr, msg_controllen, msg_controllen);
	FIELD(Msghdr, struct user_msghdr, msg_flags, msg_flags);
	TYPE(StatxTimestamp, struct statx_timestamp);
	FIELD(StatxTimestamp, struct statx_timestamp, tv_sec, tv_sec);
	FIELD(StatxTimestamp, struct statx_timestamp, tv_nsec, tv_nsec);
	TYPE(Statx, struct statx);
	FIELD(Statx, struct statx, stx_mask, stx_mask);
	FIELD(Statx, struct statx, stx_blksize, stx_blksize);
	FIELD(Statx, struct statx, stx_attributes, stx_attributes);
	FIELD(Statx, struct statx, stx_nlink, stx_nlink);
	FIELD(Statx, struct statx, stx_uid, stx_uid);
	FIELD(Statx, struct statx, stx_gid, stx_gid);
	FIELD(Statx, struct statx, stx_mode, stx_mode);
	FIELD(Statx, struct statx, stx_ino, stx_ino);
	FIELD(Statx, struct statx, stx_size, stx_size);
	FIELD(Statx, struct statx, stx_blocks, stx_blocks);
	FIELD(Statx, struct statx, stx_attributes_mask, stx_attributes_mask);
	FIELD(Statx, struct statx, stx_atime, stx_atime);
	FIELD(Statx, struct statx, stx_btime, stx_btime);
	FIELD(Statx, struct statx, stx_ctime, stx_ctime);
	FIELD(Statx, struct statx, stx_mtime, stx_mtime);
	FIELD(Statx, struct statx, stx_rdev_major, stx_rdev_major);
	FIELD(Statx, struct statx, stx_rdev_minor, stx_rdev_minor);
	FIELD(Statx, struct statx, stx_dev_major, stx_dev_major);
	FIELD(Statx, struct statx, stx_dev_minor, stx_dev_minor);
	FIELD(Statx, struct statx, stx_mnt_id, stx_mnt_id);
	FIELD(Statx, struct statx, stx_dio_mem_align, stx_dio_mem_align);
	FIELD(Statx, struct statx, stx_dio_offset_align, stx_dio_offset_align);
	TYPE(Statfs, struct statfs);
	FIELD(Statfs, struct statfs, f_type, f_type);
	FIELD(Statfs, struct statfs, f_bsize, f_bsize);
	FIELD(Statfs, struct statfs, f_blocks, f_blocks);
	FIELD(Statfs, struct statfs, f_bfree, f_bfree);
	FIELD(Statfs, struct statfs, f_bavail, f_bavail);
	FIELD(Statfs, struct statfs, f_files, f_files);
	FIELD(Statfs, struct statfs, f_ffree, f_ffree);
	FIELD(Statfs, struct statfs, f_fsid, f_fsid);
	FIELD(Statfs, struct statfs, f_namelen, f_namelen);
	FIELD(Statfs, struct statfs, f_frsize, f_frsize);
	FIELD(Statfs, struct statfs, f_flags, f_flags);
	TYPE(Timespec, struct __kernel_timespec);
	FIELD(Timespec, struct __kernel_timespec, tv_sec, tv_sec);
	FIELD(Timespec, struct __kernel_timespec, tv_nsec, tv_nsec);
	TYPE(Timeval, struct __kernel_old_timeval);
	FIELD(Timeval, struct __kernel_old_timeval, tv_sec, tv_sec);
	FIELD(Timeval, struct __kernel_old_timeval, tv_usec, tv_usec);
	TYPE(Timezone, struct timezone);
	FIELD(Timezone, struct timezone, tz_minuteswest, tz_minuteswest);
	FIELD(Timezone, struct timezone, tz_dsttime, tz_dsttime);
	TYPE(Itimerval, struct __kernel_old_itimerval);
	FIELD(Itimerval, struct __kernel_old_itimerval, it_interval, it_interval);
	FIELD(Itimerval, struct __kernel_old_itimerval, it_value, it_value);
	TYPE(Itimerspec, struct __kernel_itimerspec);
	FIELD(Itimerspec, struct __kernel_itimerspec, it_interval, it_interval);
	FIELD(Itimerspec, struct __kernel_itimerspec, it_value, it_value);
	TYPE(Tms, struct tms);
	FIELD(Tms, struct tms, tms_utime, tms_utime);
	FIELD(Tms, struct tms, tms_stime, tms_stime);
	FIELD(Tms, struct tms, tms_cutime, tms_cutime);
	FIELD(Tms, struct tms, tms_cstime, tms_cstime);
	TYPE(Utimbuf, struct utimbuf);
	FIELD(Utimbuf, struct utimbuf, actime, actime);
	FIELD(Utimbuf, struct utimbuf, modtime, modtime);
	TYPE(Termios, struct termios);
	FIELD(Termios, struct termios, c_iflag, c_iflag);
	FIELD(Termios, struct termios, c_oflag, c_oflag);
	FIELD(Termios, struct termios, c_cflag, c_cflag);
	FIELD(Termios, struct termios, c_lflag, c_lflag);
	FIELD(Termios, struct termios, c_line, c_line);
	FIELD(Termios, struct termios, c_cc, c_cc);
	TYPE(Termios2, struct termios2);
	FIELD(Termios2, struct termios2, c_iflag, c_iflag);
	FIELD(Termios2, struct termios2, c_oflag, c_oflag);
	FIELD(Termios2, struct termios2, c_cflag, c_cflag);
	FIELD(Termios2, struct termios2, c_lflag, c_lflag);
	FIELD(Termios2, struct termios2, c_line, c_line);
	FIELD(Termios2, struct termios2, c_cc, c_cc);
	FIELD(Termios2, struct termios2, c_ispeed, c_ispeed);
	FIELD(Termios2, struct termios2, c_ospeed, c_ospeed);
	TYPE(Winsize, struct winsize);
	FIELD(Winsize, struct winsize, ws_row, ws_row);
	FIELD(Winsize, struct winsize, ws_col, ws_col);
	FIELD(Winsize, struct winsize, ws_xpixel, ws_xpixel);
	FIELD(Winsize, struct winsize, ws_ypixel, ws_ypixel);
	SAY("Dirent64", 0, offsetof(struct linux_dirent64, d_name));
	FIELD(Dirent64, struct linux_dirent64, d_ino, d_ino);
	FIELD(Dirent64, struct linux_dirent64, d_off, d_off);
	FIELD(Dirent64, struct linux_dirent64, d_reclen, d_reclen);
	FIELD(Dirent64, struct linux_dirent64, d_type, d_type);

	/* The union in a siginfo_t, as Siginfo's constructors fill it. */
	FIELD(Siginfo, siginfo_t, si_pid, si_pid);
	FIELD(Siginfo, siginfo_t, si_uid, si_uid);
	FIELD(Siginfo, siginfo_t, si_status, si_status);
	FIELD(Siginfo, siginfo_t, si_utime, si_utime);
	FIELD(Siginfo, siginfo_t, si_stime, si_stime);
	FIELD(Siginfo, siginfo_t, si_addr, si_addr);
	FIELD(Siginfo, siginfo_t, si_band, si_band);
	FIELD(Siginfo, siginfo_t, si_fd, si_fd);
	FIELD(Siginfo, siginfo_t, si_tid, si_tid);
	FIELD(Siginfo, siginfo_t, si_overrun, si_overrun);
	FIELD(Siginfo, siginfo_t, si_value, si_value);
}

#ifdef __x86_64__
void x86_64(void)
{
	TYPE(EpollEventX86, struct epoll_event);
	FIELD(EpollEventX86, struct epoll_event, events, events);
	FIELD(EpollEventX86, struct epoll_event, data, data);
	TYPE(SigcontextX86, struct sigcontext_64);
	FIELD(SigcontextX86, struct sigcontext_64, r8, r8);
	FIELD(SigcontextX86, struct sigcontext_64, r9, r9);
	FIELD(SigcontextX86, struct sigcontext_64, r10, r10);
	FIELD(SigcontextX86, struct sigcontext_64, r11, r11);
	FIELD(SigcontextX86, struct sigcontext_64, r12, r12);
	FIELD(SigcontextX86, struct sigcontext_64, r13, r13);
	FIELD(SigcontextX86, struct sigcontext_64, r14, r14);
	FIELD(SigcontextX86, struct sigcontext_64, r15, r15);
	FIELD(SigcontextX86, struct sigcontext_64, rdi, di);
	FIELD(SigcontextX86, struct sigcontext_64, rsi, si);
	FIELD(SigcontextX86, struct sigcontext_64, rbp, bp);
	FIELD(SigcontextX86, struct sigcontext_64, rbx, bx);
	FIELD(SigcontextX86, struct sigcontext_64, rdx, dx);
	FIELD(SigcontextX86, struct sigcontext_64, rax, ax);
	FIELD(SigcontextX86, struct sigcontext_64, rcx, cx);
	FIELD(SigcontextX86, struct sigcontext_64, rsp, sp);
	FIELD(SigcontextX86, struct sigcontext_64, rip, ip);
	FIELD(SigcontextX86, struct sigcontext_64, eflags, flags);
	FIELD(SigcontextX86, struct sigcontext_64, cs, cs);
	FIELD(SigcontextX86, struct sigcontext_64, gs, gs);
	FIELD(SigcontextX86, struct sigcontext_64, fs, fs);
	FIELD(SigcontextX86, struct sigcontext_64, ss, ss);
	FIELD(SigcontextX86, struct sigcontext_64, err, err);
	FIELD(SigcontextX86, struct sigcontext_64, trapno, trapno);
	FIELD(SigcontextX86, struct sigcontext_64, oldmask, oldmask);
	FIELD(SigcontextX86, struct sigcontext_64, cr2, cr2);
	FIELD(SigcontextX86, struct sigcontext_64, fpstate, fpstate);
	TYPE(UcontextX86, struct ucontext);
	FIELD(UcontextX86, struct ucontext, uc_flags, uc_flags);
	FIELD(UcontextX86, struct ucontext, uc_link, uc_link);
	FIELD(UcontextX86, struct ucontext, uc_stack, uc_stack);
	FIELD(UcontextX86, struct ucontext, uc_mcontext, uc_mcontext);
	FIELD(UcontextX86, struct ucontext, uc_sigmask, uc_sigmask);
	TYPE(RtSigframeX86, struct rt_sigframe);
	FIELD(RtSigframeX86, struct rt_sigframe, pretcode, pretcode);
	FIELD(RtSigframeX86, struct rt_sigframe, uc, uc);
	FIELD(RtSigframeX86, struct rt_sigframe, info, info);
	TYPE(FpxSwBytes, struct _fpx_sw_bytes);
	FIELD(FpxSwBytes, struct _fpx_sw_bytes, magic1, magic1);
	FIELD(FpxSwBytes, struct _fpx_sw_bytes, extended_size, extended_size);
	FIELD(FpxSwBytes, struct _fpx_sw_bytes, xfeatures, xfeatures);
	FIELD(FpxSwBytes, struct _fpx_sw_bytes, xstate_size, xstate_size);
	TYPE(SigactionX86, struct sigaction);
	FIELD(SigactionX86, struct sigaction, handler, sa_handler);
	FIELD(SigactionX86, struct sigaction, flags, sa_flags);
	FIELD(SigactionX86, struct sigaction, restorer, sa_restorer);
	FIELD(SigactionX86, struct sigaction, mask, sa_mask);
	TYPE(StatX86, struct stat);
	FIELD(StatX86, struct stat, st_dev, st_dev);
	FIELD(StatX86, struct stat, st_ino, st_ino);
	FIELD(StatX86, struct stat, st_nlink, st_nlink);
	FIELD(StatX86, struct stat, st_mode, st_mode);
	FIELD(StatX86, struct stat, st_uid, st_uid);
	FIELD(StatX86, struct stat, st_gid, st_gid);
	FIELD(StatX86, struct stat, st_rdev, st_rdev);
	FIELD(StatX86, struct stat, st_size, st_size);
	FIELD(StatX86, struct stat, st_blksize, st_blksize);
	FIELD(StatX86, struct stat, st_blocks, st_blocks);
	RANGE(StatX86, struct stat, st_atime, st_atime, st_atime_nsec);
	RANGE(StatX86, struct stat, st_mtime, st_mtime, st_mtime_nsec);
	RANGE(StatX86, struct stat, st_ctime, st_ctime, st_ctime_nsec);
}
#else
void riscv64(void)
{
	TYPE(EpollEventRiscv, struct epoll_event);
	FIELD(EpollEventRiscv, struct epoll_event, events, events);
	FIELD(EpollEventRiscv, struct epoll_event, data, data);
	TYPE(UserRegsRiscv, struct user_regs_struct);
	FIELD(UserRegsRiscv, struct user_regs_struct, pc, pc);
	FIELD(UserRegsRiscv, struct user_regs_struct, ra, ra);
	FIELD(UserRegsRiscv, struct user_regs_struct, sp, sp);
	FIELD(UserRegsRiscv, struct user_regs_struct, gp, gp);
	FIELD(UserRegsRiscv, struct user_regs_struct, tp, tp);
	RANGE(UserRegsRiscv, struct user_regs_struct, t0_t2, t0, t2);
	RANGE(UserRegsRiscv, struct user_regs_struct, s0_s1, s0, s1);
	RANGE(UserRegsRiscv, struct user_regs_struct, a0_a7, a0, a7);
	RANGE(UserRegsRiscv, struct user_regs_struct, s2_s11, s2, s11);
	RANGE(UserRegsRiscv, struct user_regs_struct, t3_t6, t3, t6);
	TYPE(SigcontextRiscv, struct sigcontext);
	FIELD(SigcontextRiscv, struct sigcontext, sc_regs, sc_regs);
	FIELD(SigcontextRiscv, struct sigcontext, f, sc_fpregs.d.f);
	FIELD(SigcontextRiscv, struct sigcontext, fcsr, sc_fpregs.d.fcsr);
	TYPE(UcontextRiscv, struct ucontext);
	FIELD(UcontextRiscv, struct ucontext, uc_flags, uc_flags);
	FIELD(UcontextRiscv, struct ucontext, uc_link, uc_link);
	FIELD(UcontextRiscv, struct ucontext, uc_stack, uc_stack);
	FIELD(UcontextRiscv, struct ucontext, uc_sigmask, uc_sigmask);
	FIELD(UcontextRiscv, struct ucontext, uc_mcontext, uc_mcontext);
	TYPE(RtSigframeRiscv, struct rt_sigframe);
	FIELD(RtSigframeRiscv, struct rt_sigframe, info, info);
	FIELD(RtSigframeRiscv, struct rt_sigframe, uc, uc);
	TYPE(SigactionRiscv, struct sigaction);
	FIELD(SigactionRiscv, struct sigaction, handler, sa_handler);
	FIELD(SigactionRiscv, struct sigaction, flags, sa_flags);
	FIELD(SigactionRiscv, struct sigaction, mask, sa_mask);
	TYPE(StatRiscv, struct stat);
	FIELD(StatRiscv, struct stat, st_dev, st_dev);
	FIELD(StatRiscv, struct stat, st_ino, st_ino);
	FIELD(StatRiscv, struct stat, st_mode, st_mode);
	FIELD(StatRiscv, struct stat, st_nlink, st_nlink);
	FIELD(StatRiscv, struct stat, st_uid, st_uid);
	FIELD(StatRiscv, struct stat, st_gid, st_gid);
	FIELD(StatRiscv, struct stat, st_rdev, st_rdev);
	FIELD(StatRiscv, struct stat, st_size, st_size);
	FIELD(StatRiscv, struct stat, st_blksize, st_blksize);
	FIELD(StatRiscv, struct stat, st_blocks, st_blocks);
	RANGE(StatRiscv, struct stat, st_atime, st_atime, st_atime_nsec);
	RANGE(StatRiscv, struct stat, st_mtime, st_mtime, st_mtime_nsec);
	RANGE(StatRiscv, struct stat, st_ctime, st_ctime, st_ctime_nsec);
}
#endif
