//! Children that run a function: in memory of their own, on a stack of their own, or while their parent waits.
#![expect(unsafe_code, reason = "returns twice from a system call")]

use kernel_abi::flags::{CloneFlags, MapFlags, ProtFlags};
use kernel_abi::structs::CloneArgs;
use kernel_abi::sys::ChildFn;
use kernel_abi::{Call, Calls as _, Errno, Fd, Result, errno};

use crate::arch;
use crate::subject::Guest;

/// Bytes of a thread's stack. A thread that has ended leaves it mapped.
const STACK_BYTES: usize = 256 << 10;

/// clone3(2); with `CLONE_VM` the child gets a stack.
pub(crate) fn clone3(mut args: CloneArgs, run: ChildFn, arg: usize) -> Result {
    let flags = CloneFlags::from_bits_retain(args.flags);
    if flags.contains(CloneFlags::CLONE_VM) {
        let (rw, private) =
            (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS);
        args.stack = Guest.mmap(0, STACK_BYTES, rw, private, Fd(-1), 0)? as u64;
        args.stack_size = STACK_BYTES as u64;
    }
    let at = (&raw mut args).expose_provenance();
    let start = if flags.contains(CloneFlags::CLONE_THREAD) { thread } else { process };
    made(Call::clone3, [at, size_of::<CloneArgs>(), 0, 0, 0, 0], start, run, arg)
}

/// An older call: the child has memory of its own, or its parent waits for it (`CLONE_VFORK`), for it runs on its stack.
pub(crate) fn fork(call: Call, args: &[usize], run: ChildFn, arg: usize) -> Result {
    let mut regs = [0; 6];
    regs[..args.len()].copy_from_slice(args);
    made(call, regs, process, run, arg)
}

fn made(call: Call, args: [usize; 6], start: Start, run: ChildFn, arg: usize) -> Result {
    let number = call.number(arch::ARCH).ok_or(Errno::ENOSYS)?;
    let run = (run as *const ()).expose_provenance();
    // SAFETY: neither start returns; a child that shares memory has the stack above, or its parent waits.
    errno::from_return(unsafe { arch::syscall_with_child(number, args, start, run, arg) })
}

type Start = extern "C" fn(usize, usize) -> !;

extern "C" fn thread(run: usize, arg: usize) -> ! {
    end(Call::exit, run, arg)
}

extern "C" fn process(run: usize, arg: usize) -> ! {
    end(Call::exit_group, run, arg)
}

fn end(call: Call, run: usize, arg: usize) -> ! {
    // SAFETY: `made` passed a `ChildFn` as this number.
    let run = unsafe { core::mem::transmute::<*const (), ChildFn>(core::ptr::with_exposed_provenance(run)) };
    let status = run(&Guest, arg);
    loop {
        let _ = Guest.make(call, &[status as usize]);
    }
}

#[cfg(test)]
mod tests {
    use kernel_abi::flags::WaitOptions;
    use kernel_abi::structs::status_exited;
    use kernel_abi::{Call, Calls as _, Errno, Sys as _};

    use crate::Guest;

    /// Waits for a child of a test's own and gives its status.
    fn ended(pid: usize) -> i32 {
        let mut status = [0_u8; 4];
        let at = status.as_mut_ptr().expose_provenance();
        while Guest.wait4(pid, at, WaitOptions::__WALL, 0) == Err(Errno::EINTR) {}
        i32::from_ne_bytes(status)
    }

    #[test]
    fn what_a_child_answers_is_its_status() {
        assert_eq!(ended(Guest.fork_with(|_, arg| arg as i32, 42).expect("forks")), status_exited(42));
        assert_eq!(ended(Guest.child_of(Call::vfork, &[], |_, arg| arg as i32, 7).expect("forks")), status_exited(7));
    }

    #[test]
    fn a_thread_ends_alone_and_tells_so() {
        let tid = Guest.page() + 64;
        let adds = |sys: &dyn kernel_abi::Sys, at| {
            let before: u32 = sys.load(at);
            sys.store(at, &(before + 5));
            0
        };
        Guest.store(Guest.page() + 128, &2_u32);
        Guest.thread_with(tid, adds, Guest.page() + 128).expect("starts");
        while Guest.load::<u32>(tid) != 0 {
            let _ = Guest.sched_yield();
        }
        assert_eq!(Guest.load::<u32>(Guest.page() + 128), 7);
    }
}
