//! Which calls a program may make, on either subject: none that could reach the host outside of a worker's name spaces,
//! and none that works on what the worker's own runtime relies on. A program with another call is not run at all.

use std::collections::BTreeMap;

use kernel_abi::flags::MemfdFlags;
use kernel_abi::{Arch, Call};
use programs::{Step, Value};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// Rows that no program has: they speak to the whole machine, or work on the worker's runtime.
const REFUSED: &[Call] = &[
    Call::sync,
    Call::syncfs,
    Call::settimeofday,
    Call::clock_settime,
    Call::sethostname,
    Call::setdomainname,
    Call::syslog,
    Call::reboot,
    Call::vhangup,
    Call::mount,
    Call::umount2,
    Call::pivot_root,
    Call::personality,
    Call::arch_prctl,
    Call::brk,
    Call::set_robust_list,
    Call::rseq,
    Call::rt_sigreturn,
];

/// Rows of these that the worker's runtime makes by itself.
const RUNTIME: &[Call] = &[Call::brk, Call::rt_sigreturn];

/// Whether a program may make this call.
pub fn allows(call: Call) -> bool {
    !REFUSED.contains(&call)
}

/// The first call of a program that it may not make.
pub fn refused(steps: &[Step]) -> Option<Call> {
    steps.iter().find_map(|step| match step {
        Step::Call { call, .. } => Some(*call).filter(|call| !allows(*call)),
        Step::Spawn { steps, .. } => refused(steps),
    })
}

/// Whether a call makes a file of huge pages: there are none on Orrery, and all descriptors behind one are others then.
fn wants_huge_pages(call: Call, args: &[Value]) -> bool {
    let huge = u64::from(MemfdFlags::MFD_HUGETLB.bits());
    call == Call::memfd_create && matches!(args.get(1), Some(Value::Plain(flags)) if flags & huge != 0)
}

/// The steps without calls that no program may make, or that make the rest of it another one.
pub fn allowed(steps: Vec<Step>) -> Vec<Step> {
    let inside = |step| match step {
        Step::Call { call, ref args } if !allows(call) || wants_huge_pages(call, args) => None,
        Step::Spawn { how, join, steps } => Some(Step::Spawn { how, join, steps: allowed(steps) }),
        step => Some(step),
    };
    steps.into_iter().filter_map(inside).collect()
}

/// The second fence: what the host's kernel lets a worker do, whatever the first one thought. The rest is ENOSYS.
pub fn filter() -> Result<BpfProgram, String> {
    let allowed = Call::ALL.iter().filter(|call| allows(**call) || RUNTIME.contains(call));
    let rules: BTreeMap<i64, _> =
        allowed.filter_map(|call| call.number(Arch::X86_64)).map(|number| (number as i64, Vec::new())).collect();
    const ENOSYS: u32 = 38;
    SeccompFilter::new(rules, SeccompAction::Errno(ENOSYS), SeccompAction::Allow, TargetArch::x86_64)
        .and_then(BpfProgram::try_from)
        .map_err(|problem| format!("no filter for system calls: {problem}"))
}
