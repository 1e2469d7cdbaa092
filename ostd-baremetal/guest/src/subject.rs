//! The program as the subject of cases: it makes the calls itself.

use core::sync::atomic::{AtomicUsize, Ordering};

use kernel_abi::flags::{MapFlags, ProtFlags};
use kernel_abi::structs::CloneArgs;
use kernel_abi::sys::{ChildFn, Handler, HandlerFn, PAGE_LEN};
use kernel_abi::{Arch, Call, Calls as _, Errno, Fd, Result, Sys};

use crate::{arch, child, handler, memory, older};

/// This program and the kernel under it.
#[derive(Clone, Copy, Debug)]
pub struct Guest;

/// Where the case's page is; zero before there is one.
static PAGE: AtomicUsize = AtomicUsize::new(0);

impl Sys for Guest {
    fn arch(&self) -> Arch {
        arch::ARCH
    }

    fn call(&self, number: usize, args: [usize; 6]) -> usize {
        arch::syscall(number, args)
    }

    fn without(&self, call: Call, args: &[usize]) -> Result {
        older::make(call, args)
    }

    fn poke(&self, addr: usize, bytes: &[u8]) {
        memory::store(addr, bytes);
    }

    fn peek(&self, addr: usize, into: &mut [u8]) {
        memory::load(addr, into);
    }

    /// Maps it the first time.
    fn page(&self) -> usize {
        let page = PAGE.load(Ordering::Relaxed);
        if page != 0 {
            return page;
        }
        let (rw, private) =
            (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS);
        let page = self.mmap(0, PAGE_LEN, rw, private, Fd(-1), 0).expect("a program that begins has memory left");
        PAGE.store(page, Ordering::Relaxed);
        page
    }

    fn handler(&self, run: HandlerFn) -> Handler {
        Handler { entry: handler::entry(run), restorer: arch::restorer() }
    }

    fn clone_with(&self, args: &CloneArgs, run: ChildFn, arg: usize) -> Result {
        if args.stack != 0 || args.stack_size != 0 {
            return Err(Errno::EINVAL);
        }
        child::clone3(*args, run, arg)
    }

    fn child_of(&self, call: Call, args: &[usize], run: ChildFn, arg: usize) -> Result {
        if call.number(arch::ARCH).is_some() {
            return child::fork(call, args, run, arg);
        }
        let (call, args) = older::child(call).ok_or(Errno::ENOSYS)?;
        child::fork(call, &args, run, arg)
    }
}
