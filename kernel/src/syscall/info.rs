//! What system and machine are: uname(2), sysinfo(2), getrandom(2).

use alloc::vec;
use alloc::vec::Vec;

use crate::abi::arg::{UserInInt, UserMut, UserOut};
use crate::abi::flags::{CAP_SYS_ADMIN, GetrandomFlags};
use crate::abi::structs::{Sysinfo, Utsname};
use crate::error::{Errno, Result};
use crate::process::HOST_NAME_MAX;
use crate::syscall::Context;
use ostd::PAGE_SIZE;

/// The release that programs are told: one that the C library takes for new enough.
pub(crate) const RELEASE: &str = "6.12.0-orrery";
/// Random bytes that are fetched at a time.
const CHUNK: usize = 256;

pub(super) fn uname(cx: &mut Context<'_>, into: UserMut<Utsname>) -> Result {
    let machine = match super::ARCH {
        crate::abi::Arch::X86_64 => "x86_64",
        crate::abi::Arch::Riscv64 => "riscv64",
    };
    let names = Utsname {
        sysname: Utsname::field(b"Linux"),
        nodename: Utsname::field(&cx.kernel.processes().names().host()),
        release: Utsname::field(RELEASE.as_bytes()),
        version: Utsname::field(b"#1 SMP"),
        machine: Utsname::field(machine.as_bytes()),
        domainname: Utsname::field(&cx.kernel.processes().names().domain()),
    };
    cx.space().write_value(into.addr, &names)?;
    Ok(0)
}

/// A new name, from who may give one.
fn new_name(cx: &Context<'_>, name: UserInInt) -> Result<Vec<u8>> {
    if !cx.credentials().can(CAP_SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    let len = usize::try_from(name.len).ok().filter(|len| *len <= HOST_NAME_MAX).ok_or(Errno::EINVAL)?;
    let mut bytes = vec![0; len];
    cx.space().read(name.addr, &mut bytes)?;
    Ok(bytes)
}

pub(super) fn sethostname(cx: &mut Context<'_>, name: UserInInt) -> Result {
    cx.kernel.processes().names().set_host(new_name(cx, name)?);
    Ok(0)
}

pub(super) fn setdomainname(cx: &mut Context<'_>, name: UserInInt) -> Result {
    cx.kernel.processes().names().set_domain(new_name(cx, name)?);
    Ok(0)
}

pub(super) fn sysinfo(cx: &mut Context<'_>, into: UserMut<Sysinfo>) -> Result {
    let frames = cx.kernel.machine().frames();
    let bytes = |count: usize| (count * PAGE_SIZE) as u64;
    let info = Sysinfo {
        uptime: (cx.kernel.clock().monotonic_ns() / 1_000_000_000).cast_signed(),
        loads: [0; 3],
        totalram: bytes(frames.total()),
        freeram: bytes(frames.free()),
        sharedram: 0,
        bufferram: 0,
        totalswap: 0,
        freeswap: 0,
        procs: u16::try_from(cx.kernel.processes().thread_count()).unwrap_or(u16::MAX),
        pad0: 0,
        pad1: 0,
        totalhigh: 0,
        freehigh: 0,
        mem_unit: 1,
        pad2: 0,
    };
    cx.space().write_value(into.addr, &info)?;
    Ok(0)
}

pub(super) fn getrandom(cx: &mut Context<'_>, into: UserOut, flags: GetrandomFlags) -> Result {
    let both = GetrandomFlags::GRND_RANDOM | GetrandomFlags::GRND_INSECURE;
    if flags.unknown() != 0 || flags.contains(both) {
        return Err(Errno::EINVAL);
    }
    let space = cx.space();
    let mut done = 0;
    let mut chunk = [0; CHUNK];
    while done < into.len {
        let piece = (into.len - done).min(CHUNK);
        cx.kernel.machine().entropy(&mut chunk[..piece]);
        let to = into.addr.checked_add(done).ok_or(Errno::EFAULT);
        match to.and_then(|to| space.write_some(to, &chunk[..piece])) {
            Ok(written) => {
                done += written;
                if written < piece {
                    break;
                }
            }
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(done)
}
