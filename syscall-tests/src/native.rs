//! The host's kernel as a subject: this process makes the calls itself.

use std::sync::OnceLock;

use kernel_abi::structs::CloneArgs;
use kernel_abi::sys::{ChildFn, Handler, HandlerFn, PAGE_LEN};
use kernel_abi::{Arch, Call, Calls as _, Errno, Result, Sys, errno};
use ostd::hosted::native;

/// This process and the kernel under it.
#[derive(Clone, Copy)]
pub struct Native {
    page: usize,
}

static SUBJECT: OnceLock<Native> = OnceLock::new();
static HANDLERS: [OnceLock<HandlerFn>; native::HANDLERS_MAX] = [const { OnceLock::new() }; native::HANDLERS_MAX];

impl Native {
    /// The subject; there is one in a process. Maps its page the first time.
    pub fn subject() -> Self {
        *SUBJECT.get_or_init(|| {
            // mmap(2): readable and writable, private and anonymous, with a hole behind it.
            let page = native::syscall(9, [0, PAGE_LEN, 3, 0x22, usize::MAX, 0]);
            Self { page }
        })
    }
}

fn dispatch(slot: usize, [signal, info, context]: [usize; 3]) {
    if let Some(run) = HANDLERS[slot].get() {
        run(&Native::subject(), signal, info, context);
    }
}

impl Sys for Native {
    fn arch(&self) -> Arch {
        Arch::X86_64
    }

    fn call(&self, number: usize, args: [usize; 6]) -> usize {
        native::syscall(number, args)
    }

    fn poke(&self, addr: usize, bytes: &[u8]) {
        native::store(addr, bytes);
    }

    fn peek(&self, addr: usize, into: &mut [u8]) {
        native::load(addr, into);
    }

    fn page(&self) -> usize {
        self.page
    }

    fn handler(&self, run: HandlerFn) -> Handler {
        // A function that has one keeps it.
        let has_it = |slot: &OnceLock<HandlerFn>| *slot.get_or_init(|| run) as usize == run as usize;
        let slot = HANDLERS.iter().position(has_it).expect("a case has at most eight handlers");
        Handler { entry: native::handler(slot, dispatch), restorer: native::restorer() }
    }

    fn clone_with(&self, args: &CloneArgs, run: ChildFn, arg: usize) -> Result {
        if args.stack != 0 || args.stack_size != 0 {
            return Err(Errno::EINVAL);
        }
        let &CloneArgs { flags, pidfd, child_tid, parent_tid, exit_signal, tls, set_tid, set_tid_size, cgroup, .. } =
            args;
        let words = [flags, pidfd, child_tid, parent_tid, exit_signal, 0, 0, tls, set_tid, set_tid_size, cgroup];
        errno::from_return(native::clone3(words, move || run(&Self::subject(), arg)))
    }

    fn child_of(&self, call: Call, args: &[usize], run: ChildFn, arg: usize) -> Result {
        let number = call.number(self.arch()).ok_or(Errno::ENOSYS)?;
        let mut regs = [0; 6];
        regs[..args.len()].copy_from_slice(args);
        let child = move || {
            let status = run(&Self::subject(), arg);
            // By itself the child's function ends its thread alone, and there may be others.
            let _ = Self::subject().exit_group(status);
            status
        };
        errno::from_return(native::fork(number, regs, child))
    }
}
