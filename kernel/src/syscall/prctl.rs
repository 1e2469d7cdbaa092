//! What a process asks or changes of itself: prctl(2), arch_prctl(2).

use ostd::user::{Registers as _, RegistersMut};

use super::Context;
use crate::abi::arg::Hex;
use crate::abi::flags::{
    ArchPrctlCode, CAP_LAST_CAP, CAP_SETPCAP, PR_CAP_AMBIENT_CLEAR_ALL, PR_CAP_AMBIENT_IS_SET, PR_CAP_AMBIENT_LOWER,
    PR_CAP_AMBIENT_RAISE, PR_MDWE_NO_INHERIT, PR_MDWE_REFUSE_EXEC_GAIN, PR_SPEC_DISABLE, PR_SPEC_ENABLE,
    PR_SPEC_FORCE_DISABLE, PR_SPEC_INDIRECT_BRANCH, PR_SPEC_L1D_FLUSH, PR_SPEC_STORE_BYPASS, PR_TSC_ENABLE,
    PrctlOption, SECCOMP_MODE_STRICT,
};
use crate::abi::{Arch, Signal};
use crate::credentials::{Credentials, SecureBits};
use crate::error::{Errno, Result};

pub(super) fn prctl(cx: &mut Context<'_>, option: PrctlOption, a: Hex, b: Hex, c: Hex, d: Hex) -> Result {
    let space = cx.space();
    let credentials = cx.credentials();
    let process = cx.process();
    match option {
        PrctlOption::PR_SET_NAME => {
            let mut name = [0; 16];
            let count = space.read_some(a.0, &mut name[..15])?;
            cx.thread.set_name(&name[..count]);
            Ok(0)
        }
        PrctlOption::PR_GET_NAME => {
            let mut name = cx.thread.name();
            name.resize(16, 0);
            space.write(a.0, &name)?;
            Ok(0)
        }
        PrctlOption::PR_SET_PDEATHSIG => {
            let signal = (a.0 != 0).then(|| i32::try_from(a.0).ok().and_then(Signal::from_number).ok_or(Errno::EINVAL));
            process.set_death_signal(signal.transpose()?);
            Ok(0)
        }
        PrctlOption::PR_GET_PDEATHSIG => {
            let number = process.death_signal().map_or(0, Signal::number);
            space.write_value(a.0, &number).map(|()| 0)
        }
        PrctlOption::PR_SET_CHILD_SUBREAPER => {
            process.set_reaper(a.0 != 0);
            Ok(0)
        }
        PrctlOption::PR_GET_CHILD_SUBREAPER => space.write_value(a.0, &i32::from(process.is_reaper())).map(|()| 0),
        PrctlOption::PR_GET_DUMPABLE => Ok(usize::from(process.is_dumpable())),
        PrctlOption::PR_SET_DUMPABLE if a.0 <= 1 => {
            process.set_dumpable(a.0 == 1);
            Ok(0)
        }
        PrctlOption::PR_GET_KEEPCAPS => Ok(usize::from(credentials.secure.contains(SecureBits::KEEP_CAPS))),
        PrctlOption::PR_SET_KEEPCAPS if a.0 <= 1 => {
            cx.thread.set_credentials(credentials.set_keep_caps(a.0 == 1)?);
            Ok(0)
        }
        PrctlOption::PR_GET_NO_NEW_PRIVS if [a.0, b.0, c.0, d.0] == [0; 4] => Ok(usize::from(credentials.no_new_privs)),
        PrctlOption::PR_SET_NO_NEW_PRIVS if [a.0, b.0, c.0, d.0] == [1, 0, 0, 0] => {
            let mut new = Credentials::clone(&credentials);
            new.no_new_privs = true;
            cx.thread.set_credentials(new);
            Ok(0)
        }
        PrctlOption::PR_CAPBSET_READ if a.0 <= CAP_LAST_CAP as usize => {
            Ok(usize::from(credentials.caps.bounding >> a.0 & 1 != 0))
        }
        PrctlOption::PR_CAPBSET_DROP => {
            if !credentials.can(CAP_SETPCAP) {
                return Err(Errno::EPERM);
            }
            if a.0 > CAP_LAST_CAP as usize {
                return Err(Errno::EINVAL);
            }
            let mut new = Credentials::clone(&credentials);
            new.caps.bounding &= !(1 << a.0);
            cx.thread.set_credentials(new);
            Ok(0)
        }
        PrctlOption::PR_GET_TIMERSLACK => Ok(cx.thread.slack_ns() as usize),
        PrctlOption::PR_SET_TIMERSLACK => {
            cx.thread.set_slack_ns(a.0 as u64);
            Ok(0)
        }
        PrctlOption::PR_GET_SECUREBITS => Ok(credentials.secure.bits() as usize),
        PrctlOption::PR_SET_SECUREBITS => {
            let wish = u32::try_from(a.0).map_err(|_| Errno::EPERM)?;
            cx.thread.set_credentials(credentials.set_secure(wish)?);
            Ok(0)
        }
        PrctlOption::PR_CAP_AMBIENT => ambient(cx, a.0 as u32, [b.0, c.0, d.0]),
        PrctlOption::PR_GET_SECCOMP => Ok(0),
        PrctlOption::PR_SET_SECCOMP if a.0 == SECCOMP_MODE_STRICT as usize => {
            cx.thread.set_strict();
            Ok(0)
        }
        PrctlOption::PR_GET_THP_DISABLE if [a.0, b.0, c.0, d.0] == [0; 4] => Ok(usize::from(process.has_small_pages())),
        PrctlOption::PR_SET_THP_DISABLE if [b.0, c.0, d.0] == [0; 3] => {
            process.set_small_pages(a.0 != 0);
            Ok(0)
        }
        PrctlOption::PR_GET_MDWE if [a.0, b.0, c.0, d.0] == [0; 4] => Ok(process.no_exec_gain() as usize),
        PrctlOption::PR_SET_MDWE if [b.0, c.0, d.0] == [0; 3] => no_exec_gain(cx, a.0),
        PrctlOption::PR_GET_TSC if super::ARCH == Arch::X86_64 => space.write_value(a.0, &PR_TSC_ENABLE).map(|()| 0),
        PrctlOption::PR_SET_TSC if super::ARCH == Arch::X86_64 && a.0 == PR_TSC_ENABLE as usize => Ok(0),
        PrctlOption::PR_GET_SPECULATION_CTRL if super::ARCH == Arch::X86_64 && [b.0, c.0, d.0] == [0; 3] => {
            // Nothing holds a processor back here, and no cache is emptied when another runs.
            match u32::try_from(a.0) {
                Ok(PR_SPEC_STORE_BYPASS | PR_SPEC_INDIRECT_BRANCH) => Ok(PR_SPEC_ENABLE as usize),
                Ok(PR_SPEC_L1D_FLUSH) => Ok(PR_SPEC_FORCE_DISABLE as usize),
                _ => Err(Errno::ENODEV),
            }
        }
        PrctlOption::PR_SET_SPECULATION_CTRL if super::ARCH == Arch::X86_64 && [c.0, d.0] == [0; 2] => {
            speculate([a.0, b.0])
        }
        PrctlOption::PR_GET_TID_ADDRESS => {
            space.write_value(a.0, &cx.thread.clear_child_tid())?;
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// `PR_SET_SPECULATION_CTRL`: it may be told what is so.
fn speculate([what, wish]: [usize; 2]) -> Result {
    let wish = u32::try_from(wish).ok();
    match u32::try_from(what) {
        Ok(PR_SPEC_STORE_BYPASS) => Err(Errno::ENXIO),
        Ok(PR_SPEC_INDIRECT_BRANCH) => match wish {
            Some(PR_SPEC_ENABLE) => Ok(0),
            Some(PR_SPEC_DISABLE | PR_SPEC_FORCE_DISABLE) => Err(Errno::EPERM),
            _ => Err(Errno::ERANGE),
        },
        Ok(PR_SPEC_L1D_FLUSH) => Err(Errno::EPERM),
        _ => Err(Errno::ENODEV),
    }
}

/// `PR_CAP_AMBIENT`: capabilities that a program has without being anybody.
fn ambient(cx: &Context<'_>, what: u32, [cap, rest @ ..]: [usize; 3]) -> Result {
    let credentials = cx.credentials();
    let mut new = Credentials::clone(&credentials);
    if what == PR_CAP_AMBIENT_CLEAR_ALL && cap == 0 && rest == [0; 2] {
        new.caps.ambient = 0;
        cx.thread.set_credentials(new);
        return Ok(0);
    }
    let cap = u32::try_from(cap).ok().filter(|cap| *cap <= CAP_LAST_CAP).ok_or(Errno::EINVAL)?;
    if rest != [0; 2] {
        return Err(Errno::EINVAL);
    }
    match what {
        PR_CAP_AMBIENT_IS_SET => return Ok((credentials.caps.ambient >> cap & 1) as usize),
        PR_CAP_AMBIENT_RAISE => new = credentials.raise_ambient(cap)?,
        PR_CAP_AMBIENT_LOWER => new.caps.ambient &= !(1 << cap),
        _ => return Err(Errno::EINVAL),
    }
    cx.thread.set_credentials(new);
    Ok(0)
}

/// `PR_SET_MDWE`: what is said once stays.
fn no_exec_gain(cx: &Context<'_>, wish: usize) -> Result {
    let wish = u32::try_from(wish).map_err(|_| Errno::EINVAL)?;
    let known = PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT;
    if wish & !known != 0 || wish == PR_MDWE_NO_INHERIT {
        return Err(Errno::EINVAL);
    }
    let process = cx.process();
    if process.no_exec_gain() != 0 && process.no_exec_gain() != wish {
        return Err(Errno::EPERM);
    }
    process.set_no_exec_gain(wish);
    cx.space().set_limits(process.memory_limits());
    Ok(0)
}

pub(super) fn arch_prctl(cx: &mut Context<'_>, code: ArchPrctlCode, argument: Hex) -> Result {
    let space = cx.space();
    let base = argument.0;
    let RegistersMut::X86_64(regs) = cx.user.regs_mut().view_mut() else { return Err(Errno::ENOSYS) };
    match code {
        ArchPrctlCode::ARCH_SET_FS | ArchPrctlCode::ARCH_SET_GS if base >= space.end() => return Err(Errno::EPERM),
        ArchPrctlCode::ARCH_SET_FS => regs.fs_base = base as u64,
        ArchPrctlCode::ARCH_SET_GS => regs.gs_base = base as u64,
        ArchPrctlCode::ARCH_GET_FS => space.write_value(base, &regs.fs_base)?,
        ArchPrctlCode::ARCH_GET_GS => space.write_value(base, &regs.gs_base)?,
        // It does, always: nothing makes it fault.
        ArchPrctlCode::ARCH_GET_CPUID => return Ok(1),
        ArchPrctlCode::ARCH_SET_CPUID => return Err(Errno::ENODEV),
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}
