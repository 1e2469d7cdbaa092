//! What a process says of itself by prctl(2), once for all: what root is, what may be executed, which calls it makes.

use kernel_abi::flags::{
    ArchPrctlCode, CAP_CHOWN, CAP_KILL, CAP_SETPCAP, MapFlags, PR_CAP_AMBIENT_CLEAR_ALL, PR_CAP_AMBIENT_IS_SET,
    PR_CAP_AMBIENT_LOWER, PR_CAP_AMBIENT_RAISE, PR_MDWE_NO_INHERIT, PR_MDWE_REFUSE_EXEC_GAIN, PR_SPEC_ENABLE,
    PR_SPEC_INDIRECT_BRANCH, PR_SPEC_L1D_FLUSH, PR_SPEC_STORE_BYPASS, PR_TSC_ENABLE, PrctlOption, ProtFlags,
    SECCOMP_MODE_STRICT,
};
use kernel_abi::structs::{status_exited, status_signaled};
use kernel_abi::{Arch, Calls, Errno, Fd, Result, Sys, Uid};

use super::Outcome;
use super::id::{NOBODY, capabilities, set_capabilities};
use super::limit::becomes_nobody;
use super::memory::{PAGE, PRIVATE, RW, map};
use super::process::{ended, in_child, wait};

cases! { "option":
    root_may_do_without_its_bits, a_locked_bit_stays, nobody_changes_the_bits, without_a_fixup_capabilities_stay,
    kept_capabilities_may_be_locked, a_capability_is_made_ambient, what_is_ambient_reaches_a_program,
    what_is_ambient_ends_with_what_it_was_made_of, what_an_ambient_capability_refuses, nobody_drops_a_bound,
    large_pages_may_be_declined, memory_gains_no_execution, execution_is_refused_for_good,
    a_refusal_of_execution_is_inherited_or_not, a_process_of_few_calls, who_is_restricted_is_asked,
    the_time_stamp_counter_is_there, how_far_ahead_it_looks, the_processor_tells_what_it_is needs arch_prctl,
    a_thread_pointer_is_told needs arch_prctl,
}

const NOROOT: usize = 1;
const NOROOT_LOCKED: usize = 2;
const NO_SETUID_FIXUP: usize = 4;
const KEEP_CAPS: usize = 16;
const KEEP_CAPS_LOCKED: usize = 32;
const NO_CAP_AMBIENT_RAISE: usize = 64;

fn prctl(sys: &dyn Sys, option: PrctlOption, a: usize) -> Result {
    sys.prctl(option, a, 0, 0, 0)
}

fn bits(sys: &dyn Sys) -> Result {
    prctl(sys, PrctlOption::PR_GET_SECUREBITS, 0)
}

fn set_bits(sys: &dyn Sys, bits: usize) -> Result {
    prctl(sys, PrctlOption::PR_SET_SECUREBITS, bits)
}

fn ambient(sys: &dyn Sys, what: u32, cap: u32) -> Result {
    sys.prctl(PrctlOption::PR_CAP_AMBIENT, what, cap, 0, 0)
}

fn has(sys: &dyn Sys, cap: u32) -> Result<bool> {
    Ok(capabilities(sys)?[0].effective >> cap & 1 != 0)
}

/// What becomes of a program that ends with 1 if it has a capability.
fn asks_a_program(sys: &dyn Sys, cap: u32) -> Result<i32> {
    let word = if cap == CAP_KILL { "5" } else { "0" };
    super::exec::arguments(sys, &["program", "--is", "capable", word, "0"]);
    let pid = sys.fork_with(|sys, _| super::kept::goes(sys), 0)?;
    wait(sys, pid)
}

fn root_may_do_without_its_bits(sys: &dyn Sys) -> Outcome {
    assert_eq!(bits(sys)?, 0);
    if !has(sys, CAP_SETPCAP)? {
        return Ok(());
    }
    set_bits(sys, NOROOT)?;
    assert_eq!((bits(sys)?, has(sys, CAP_CHOWN)?), (NOROOT, true));
    // Only the next program is given nothing; children have the bits.
    in_child(sys, |sys, _| i32::from(bits(sys) != Ok(NOROOT)), 0)?;
    assert_eq!(asks_a_program(sys, CAP_CHOWN)?, status_exited(0));
    set_bits(sys, 0)?;
    assert_eq!(asks_a_program(sys, CAP_CHOWN)?, status_exited(1));
    Ok(())
}

fn a_locked_bit_stays(sys: &dyn Sys) -> Outcome {
    if !has(sys, CAP_SETPCAP)? {
        return Ok(());
    }
    set_bits(sys, NOROOT | NOROOT_LOCKED)?;
    for wish in [0, NOROOT, NOROOT_LOCKED, NOROOT_LOCKED | KEEP_CAPS] {
        assert_eq!(set_bits(sys, wish), Err(Errno::EPERM), "{wish}");
    }
    set_bits(sys, NOROOT | NOROOT_LOCKED | NO_SETUID_FIXUP)?;
    assert_eq!(set_bits(sys, 1 << 20), Err(Errno::EPERM));
    Ok(())
}

fn nobody_changes_the_bits(sys: &dyn Sys) -> Outcome {
    becomes_nobody(sys)?;
    assert_eq!(set_bits(sys, NOROOT), Err(Errno::EPERM));
    assert_eq!(bits(sys)? & NOROOT, 0);
    Ok(())
}

fn without_a_fixup_capabilities_stay(sys: &dyn Sys) -> Outcome {
    if !has(sys, CAP_SETPCAP)? {
        return Ok(());
    }
    set_bits(sys, NO_SETUID_FIXUP)?;
    becomes_nobody(sys)?;
    assert!(has(sys, CAP_CHOWN)?);
    Ok(())
}

fn kept_capabilities_may_be_locked(sys: &dyn Sys) -> Outcome {
    if !has(sys, CAP_SETPCAP)? {
        return Ok(());
    }
    prctl(sys, PrctlOption::PR_SET_KEEPCAPS, 1)?;
    assert_eq!(bits(sys)?, KEEP_CAPS);
    set_bits(sys, KEEP_CAPS_LOCKED)?;
    assert_eq!(prctl(sys, PrctlOption::PR_GET_KEEPCAPS, 0)?, 0);
    assert_eq!(prctl(sys, PrctlOption::PR_SET_KEEPCAPS, 1), Err(Errno::EPERM));
    assert_eq!(prctl(sys, PrctlOption::PR_SET_KEEPCAPS, 2), Err(Errno::EINVAL));
    Ok(())
}

/// Permits and lends `cap`, if this process has it.
fn inheritable(sys: &dyn Sys, cap: u32) -> Result<bool> {
    if !has(sys, cap)? {
        return Ok(false);
    }
    let [mut low, high] = capabilities(sys)?;
    low.inheritable |= 1 << cap;
    set_capabilities(sys, [low, high])?;
    Ok(true)
}

fn a_capability_is_made_ambient(sys: &dyn Sys) -> Outcome {
    ambient(sys, PR_CAP_AMBIENT_CLEAR_ALL, 0)?;
    assert_eq!(ambient(sys, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN)?, 0);
    ambient(sys, PR_CAP_AMBIENT_LOWER, CAP_CHOWN)?;
    // Not before it is inheritable.
    assert_eq!(ambient(sys, PR_CAP_AMBIENT_RAISE, CAP_CHOWN), Err(Errno::EPERM));
    if !inheritable(sys, CAP_CHOWN)? {
        return Ok(());
    }
    ambient(sys, PR_CAP_AMBIENT_RAISE, CAP_CHOWN)?;
    assert_eq!(ambient(sys, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN)?, 1);
    in_child(sys, |sys, _| i32::from(ambient(sys, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN) != Ok(1)), 0)?;
    ambient(sys, PR_CAP_AMBIENT_LOWER, CAP_CHOWN)?;
    assert_eq!(ambient(sys, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN)?, 0);
    ambient(sys, PR_CAP_AMBIENT_RAISE, CAP_CHOWN)?;
    ambient(sys, PR_CAP_AMBIENT_CLEAR_ALL, 0)?;
    assert_eq!(ambient(sys, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN)?, 0);
    if has(sys, CAP_SETPCAP)? {
        set_bits(sys, NO_CAP_AMBIENT_RAISE)?;
        assert_eq!(ambient(sys, PR_CAP_AMBIENT_RAISE, CAP_CHOWN), Err(Errno::EPERM));
    }
    Ok(())
}

fn what_is_ambient_reaches_a_program(sys: &dyn Sys) -> Outcome {
    if !inheritable(sys, CAP_KILL)? || sys.geteuid()? != 0 {
        return Ok(());
    }
    prctl(sys, PrctlOption::PR_SET_KEEPCAPS, 1)?;
    sys.setresuid(Uid(NOBODY), Uid(NOBODY), Uid(NOBODY))?;
    assert_eq!(asks_a_program(sys, CAP_KILL)?, status_exited(0));
    ambient(sys, PR_CAP_AMBIENT_RAISE, CAP_KILL)?;
    assert_eq!(asks_a_program(sys, CAP_KILL)?, status_exited(1));
    assert_eq!(asks_a_program(sys, CAP_CHOWN)?, status_exited(0));
    Ok(())
}

fn what_is_ambient_ends_with_what_it_was_made_of(sys: &dyn Sys) -> Outcome {
    if !inheritable(sys, CAP_CHOWN)? {
        return Ok(());
    }
    ambient(sys, PR_CAP_AMBIENT_RAISE, CAP_CHOWN)?;
    let [mut low, high] = capabilities(sys)?;
    low.inheritable &= !(1 << CAP_CHOWN);
    set_capabilities(sys, [low, high])?;
    assert_eq!(ambient(sys, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN)?, 0);
    // And when root becomes somebody else, though what is permitted is kept.
    inheritable(sys, CAP_CHOWN)?;
    ambient(sys, PR_CAP_AMBIENT_RAISE, CAP_CHOWN)?;
    if sys.geteuid()? == 0 {
        prctl(sys, PrctlOption::PR_SET_KEEPCAPS, 1)?;
        sys.setresuid(Uid(NOBODY), Uid(NOBODY), Uid(NOBODY))?;
        assert_eq!(capabilities(sys)?[0].permitted >> CAP_CHOWN & 1, 1);
        assert_eq!(ambient(sys, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN)?, 0);
    }
    Ok(())
}

fn what_an_ambient_capability_refuses(sys: &dyn Sys) -> Outcome {
    for (what, cap) in [
        (PR_CAP_AMBIENT_IS_SET, 64),
        (PR_CAP_AMBIENT_RAISE, 64),
        (PR_CAP_AMBIENT_CLEAR_ALL, 1),
        (0, CAP_CHOWN),
        (5, CAP_CHOWN),
    ] {
        assert_eq!(ambient(sys, what, cap), Err(Errno::EINVAL), "{what} {cap}");
    }
    assert_eq!(sys.prctl(PrctlOption::PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 1, 0), Err(Errno::EINVAL));
    assert_eq!(sys.prctl(PrctlOption::PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 1), Err(Errno::EINVAL));
    Ok(())
}

fn nobody_drops_a_bound(sys: &dyn Sys) -> Outcome {
    becomes_nobody(sys)?;
    assert_eq!(prctl(sys, PrctlOption::PR_CAPBSET_DROP, CAP_CHOWN as usize), Err(Errno::EPERM));
    Ok(())
}

fn large_pages_may_be_declined(sys: &dyn Sys) -> Outcome {
    let (get, set) = (PrctlOption::PR_GET_THP_DISABLE, PrctlOption::PR_SET_THP_DISABLE);
    let before = prctl(sys, get, 0)?;
    prctl(sys, set, 1)?;
    assert_eq!(prctl(sys, get, 0)?, 1);
    in_child(sys, |sys, _| i32::from(prctl(sys, PrctlOption::PR_GET_THP_DISABLE, 0) != Ok(1)), 0)?;
    prctl(sys, set, 0)?;
    assert_eq!(prctl(sys, get, 0)?, 0);
    prctl(sys, set, before)?;
    assert_eq!(prctl(sys, get, 1), Err(Errno::EINVAL));
    assert_eq!(sys.prctl(set, 1, 0, 1, 0), Err(Errno::EINVAL));
    Ok(())
}

/// Refuses execution to what is written; whether there is such a refusal.
fn refuse_execution(sys: &dyn Sys, bits: u32) -> Result<bool> {
    match prctl(sys, PrctlOption::PR_SET_MDWE, bits as usize) {
        // A younger call than the others.
        Err(Errno::EINVAL) if prctl(sys, PrctlOption::PR_GET_MDWE, 0).is_err() => Ok(false),
        answer => answer.map(|_| true),
    }
}

const RX: ProtFlags = ProtFlags::PROT_READ.union(ProtFlags::PROT_EXEC);
const RWX: ProtFlags = RX.union(ProtFlags::PROT_WRITE);

fn memory_gains_no_execution(sys: &dyn Sys) -> Outcome {
    let before = map(sys, PAGE, PRIVATE)?;
    let anonymous = MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS;
    let code = sys.mmap(0, PAGE, RX, anonymous, Fd(-1), 0)?;
    if !refuse_execution(sys, PR_MDWE_REFUSE_EXEC_GAIN)? {
        return Ok(());
    }
    assert_eq!(sys.mmap(0, PAGE, RWX, anonymous, Fd(-1), 0), Err(Errno::EACCES));
    sys.mmap(0, PAGE, RX, anonymous, Fd(-1), 0)?;
    assert_eq!(sys.mprotect(before, PAGE, RX), Err(Errno::EACCES));
    assert_eq!(sys.mprotect(code, PAGE, RWX), Err(Errno::EACCES));
    sys.mprotect(code, PAGE, RX)?;
    // What was given up is not had again.
    sys.mprotect(code, PAGE, RW)?;
    assert_eq!(sys.mprotect(code, PAGE, RX), Err(Errno::EACCES));
    Ok(())
}

fn execution_is_refused_for_good(sys: &dyn Sys) -> Outcome {
    let set = |bits: u32| prctl(sys, PrctlOption::PR_SET_MDWE, bits as usize);
    if prctl(sys, PrctlOption::PR_GET_MDWE, 0).is_err() {
        return Ok(());
    }
    assert_eq!(prctl(sys, PrctlOption::PR_GET_MDWE, 0)?, 0);
    assert_eq!(set(4), Err(Errno::EINVAL));
    assert_eq!(set(PR_MDWE_NO_INHERIT), Err(Errno::EINVAL));
    set(0)?;
    set(PR_MDWE_REFUSE_EXEC_GAIN)?;
    set(PR_MDWE_REFUSE_EXEC_GAIN)?;
    assert_eq!(prctl(sys, PrctlOption::PR_GET_MDWE, 0)?, 1);
    assert_eq!(set(0), Err(Errno::EPERM));
    assert_eq!(set(PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT), Err(Errno::EPERM));
    assert_eq!(prctl(sys, PrctlOption::PR_GET_MDWE, 1), Err(Errno::EINVAL));
    assert_eq!(sys.prctl(PrctlOption::PR_SET_MDWE, 1, 1, 0, 0), Err(Errno::EINVAL));
    Ok(())
}

fn a_refusal_of_execution_is_inherited_or_not(sys: &dyn Sys) -> Outcome {
    fn child(sys: &dyn Sys, bits: usize) -> Outcome {
        if !refuse_execution(sys, bits as u32)? {
            return Ok(());
        }
        let grandchild = |sys: &dyn Sys, inherits: usize| {
            let at = sys.mmap(0, PAGE, RWX, PRIVATE, Fd(-1), 0);
            let told = prctl(sys, PrctlOption::PR_GET_MDWE, 0);
            let expected = if inherits == 1 { (at == Err(Errno::EACCES), 1) } else { (at.is_ok(), 0) };
            i32::from((true, told) != (expected.0, Ok(expected.1)))
        };
        in_child(sys, grandchild, bits)?;
        Ok(())
    }
    for bits in [PR_MDWE_REFUSE_EXEC_GAIN, PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT] {
        in_child(sys, |sys, bits| ended(child(sys, bits)), bits as usize)?;
    }
    Ok(())
}

fn a_process_of_few_calls(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = super::pipe::pipe(sys, kernel_abi::flags::PipeFlags::empty())?;
    sys.store(sys.page() + 64, &[reader.0, writer.0]);
    let few = |sys: &dyn Sys, more: usize| {
        let [reader, writer]: [i32; 2] = sys.load(sys.page() + 64);
        if prctl(sys, PrctlOption::PR_SET_SECCOMP, SECCOMP_MODE_STRICT as usize).is_err() {
            return 1;
        }
        let wrote = sys.write(Fd(writer), sys.page(), 3) == Ok(3) && sys.read(Fd(reader), sys.page(), 8) == Ok(3);
        if more == 1 {
            let _ = sys.getppid();
        }
        let _ = sys.exit(if wrote { 7 } else { 2 });
        3
    };
    let pid = sys.fork_with(few, 0)?;
    assert_eq!(wait(sys, pid)?, status_exited(7));
    let pid = sys.fork_with(few, 1)?;
    assert_eq!(wait(sys, pid)?, status_signaled(9, false));
    Ok(())
}

fn who_is_restricted_is_asked(sys: &dyn Sys) -> Outcome {
    // Whoever asks is not restricted to a few calls; a filter may be there.
    assert!(matches!(prctl(sys, PrctlOption::PR_GET_SECCOMP, 0)?, 0 | 2));
    assert_eq!(prctl(sys, PrctlOption::PR_SET_SECCOMP, 9), Err(Errno::EINVAL));
    Ok(())
}

fn the_time_stamp_counter_is_there(sys: &dyn Sys) -> Outcome {
    let asked = prctl(sys, PrctlOption::PR_GET_TSC, sys.page());
    if sys.arch() != Arch::X86_64 {
        assert_eq!(asked, Err(Errno::EINVAL));
        return Ok(());
    }
    assert_eq!((asked?, sys.load::<u32>(sys.page())), (0, PR_TSC_ENABLE));
    prctl(sys, PrctlOption::PR_SET_TSC, PR_TSC_ENABLE as usize)?;
    assert_eq!(prctl(sys, PrctlOption::PR_SET_TSC, 3), Err(Errno::EINVAL));
    assert_eq!(prctl(sys, PrctlOption::PR_GET_TSC, 8), Err(Errno::EFAULT));
    Ok(())
}

fn how_far_ahead_it_looks(sys: &dyn Sys) -> Outcome {
    let asked = |what: u32| prctl(sys, PrctlOption::PR_GET_SPECULATION_CTRL, what as usize);
    let told =
        |what: u32, wish: u32| sys.prctl(PrctlOption::PR_SET_SPECULATION_CTRL, what as usize, wish as usize, 0, 0);
    if sys.arch() != Arch::X86_64 {
        assert_eq!([asked(PR_SPEC_STORE_BYPASS), told(PR_SPEC_STORE_BYPASS, 0)], [Err(Errno::EINVAL); 2]);
        return Ok(());
    }
    // Each processor has troubles of its own.
    for what in [PR_SPEC_STORE_BYPASS, PR_SPEC_INDIRECT_BRANCH, PR_SPEC_L1D_FLUSH] {
        assert!(asked(what)? < 32, "{what}");
    }
    assert!(matches!(told(PR_SPEC_INDIRECT_BRANCH, PR_SPEC_ENABLE), Ok(0) | Err(Errno::EPERM)));
    assert!(matches!(told(PR_SPEC_STORE_BYPASS, PR_SPEC_ENABLE), Ok(0) | Err(Errno::ENXIO | Errno::EPERM)));
    assert_eq!(told(PR_SPEC_INDIRECT_BRANCH, 3), Err(Errno::ERANGE));
    assert_eq!([asked(99), told(99, PR_SPEC_ENABLE)], [Err(Errno::ENODEV); 2]);
    let more = sys.prctl(PrctlOption::PR_GET_SPECULATION_CTRL, 0, 1, 0, 0);
    assert_eq!(more, Err(Errno::EINVAL));
    Ok(())
}

fn the_processor_tells_what_it_is(sys: &dyn Sys) -> Outcome {
    if sys.arch() != Arch::X86_64 {
        return Ok(());
    }
    assert_eq!(sys.arch_prctl(ArchPrctlCode::ARCH_GET_CPUID, 0)?, 1);
    // Some processors can be told not to.
    assert!(matches!(sys.arch_prctl(ArchPrctlCode::ARCH_SET_CPUID, 1), Ok(0) | Err(Errno::ENODEV)));
    Ok(())
}

fn a_thread_pointer_is_told(sys: &dyn Sys) -> Outcome {
    if sys.arch() != Arch::X86_64 {
        return Ok(());
    }
    sys.arch_prctl(ArchPrctlCode::ARCH_GET_FS, sys.page())?;
    let pointer: usize = sys.load(sys.page());
    // Another would be somebody's library's.
    sys.arch_prctl(ArchPrctlCode::ARCH_SET_FS, pointer)?;
    sys.arch_prctl(ArchPrctlCode::ARCH_GET_FS, sys.page())?;
    assert_eq!(sys.load::<usize>(sys.page()), pointer);
    assert_eq!(sys.arch_prctl(ArchPrctlCode::ARCH_GET_FS, 8), Err(Errno::EFAULT));
    Ok(())
}
