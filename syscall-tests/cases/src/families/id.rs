//! Who a process is: users, groups, capabilities, and what they allow.
//!
//! As root, a case becomes somebody else first; as anybody else it tries what is refused.

use kernel_abi::flags::{
    _LINUX_CAPABILITY_VERSION_1, _LINUX_CAPABILITY_VERSION_3, CAP_CHOWN, CAP_SETUID, OpenFlags, PrctlOption,
};
use kernel_abi::structs::{CapData, CapHeader};
use kernel_abi::{Calls, Errno, Fd, Gid, Mode, Pid, Result, Signal, Sys, Uid};

use super::Outcome;
use super::file::{create, open};
use super::process::{ended, in_child};

cases! { "id":
    everybody_is_somebody, three_users_are_told, somebody_moves_among_its_three_users, what_nobody_may_become,
    setuid_of_root_is_for_good, a_real_user_is_swapped_with_the_effective, groups_move_like_users,
    the_user_for_files_follows, supplementary_groups_are_sorted, what_groups_refuse, capabilities_are_told,
    the_first_version_has_half_of_them,
    capabilities_are_only_dropped, what_capget_refuses, capabilities_end_with_root, capabilities_may_be_kept,
    nobody_signals_somebody_else, another_users_file_is_closed, a_group_opens_a_file, no_new_privileges_is_for_good,
}

pub(super) const NOBODY: u32 = 65534;
const KEEP: Uid = Uid::UNCHANGED;

fn root(sys: &dyn Sys) -> Result<bool> {
    Ok(sys.geteuid()? == 0)
}

fn users(sys: &dyn Sys) -> Result<[u32; 3]> {
    let at = sys.page();
    sys.getresuid(at, at + 4, at + 8)?;
    Ok(sys.load(at))
}

fn groups(sys: &dyn Sys) -> Result<[u32; 3]> {
    let at = sys.page();
    sys.getresgid(at, at + 4, at + 8)?;
    Ok(sys.load(at))
}

fn everybody_is_somebody(sys: &dyn Sys) -> Outcome {
    let [real, effective, _] = users(sys)?;
    assert_eq!([sys.getuid()?, sys.geteuid()?], [real as usize, effective as usize]);
    let [real, effective, _] = groups(sys)?;
    assert_eq!([sys.getgid()?, sys.getegid()?], [real as usize, effective as usize]);
    let me = sys.getpid()?;
    assert_eq!((sys.gettid()?, sys.getpid()?), (me, me));
    Ok(())
}

fn three_users_are_told(sys: &dyn Sys) -> Outcome {
    let at = sys.page();
    assert_eq!(sys.getresuid(8, at, at), Err(Errno::EFAULT));
    assert_eq!(sys.getresuid(at, at, 8), Err(Errno::EFAULT));
    assert_eq!(sys.getresgid(at, 8, at), Err(Errno::EFAULT));
    if root(sys)? {
        sys.setresuid(Uid(1), Uid(0), Uid(3))?;
        assert_eq!(users(sys)?, [1, 0, 3]);
    }
    Ok(())
}

fn somebody_moves_among_its_three_users(sys: &dyn Sys) -> Outcome {
    if !root(sys)? {
        let me = Uid(sys.getuid()? as u32);
        sys.setresuid(me, KEEP, me)?;
        sys.setreuid(me, me)?;
        sys.setuid(me)?;
        return Ok(());
    }
    sys.setresuid(Uid(1001), Uid(1002), Uid(1003))?;
    assert_eq!(users(sys)?, [1001, 1002, 1003]);
    // The effective one becomes any of the three, and the rest stays.
    sys.setresuid(KEEP, Uid(1003), KEEP)?;
    assert_eq!(users(sys)?, [1001, 1003, 1003]);
    sys.setuid(Uid(1001))?;
    assert_eq!(users(sys)?, [1001, 1001, 1003]);
    sys.setresuid(Uid(1003), Uid(1001), Uid(1001))?;
    assert_eq!(users(sys)?, [1003, 1001, 1001]);
    assert_eq!(sys.setresuid(KEEP, Uid(1002), KEEP), Err(Errno::EPERM));
    assert_eq!(users(sys)?, [1003, 1001, 1001]);
    Ok(())
}

pub(super) fn becomes_nobody(sys: &dyn Sys) -> Result<()> {
    if root(sys)? {
        sys.setgroups(0, 0)?;
        sys.setresgid(Gid(NOBODY), Gid(NOBODY), Gid(NOBODY))?;
        sys.setresuid(Uid(NOBODY), Uid(NOBODY), Uid(NOBODY))?;
    }
    Ok(())
}

fn what_nobody_may_become(sys: &dyn Sys) -> Outcome {
    becomes_nobody(sys)?;
    assert_eq!(sys.setuid(Uid(0)), Err(Errno::EPERM));
    assert_eq!(sys.setreuid(Uid(0), KEEP), Err(Errno::EPERM));
    assert_eq!(sys.setreuid(KEEP, Uid(0)), Err(Errno::EPERM));
    assert_eq!(sys.setresuid(KEEP, KEEP, Uid(0)), Err(Errno::EPERM));
    assert_eq!(sys.setgid(Gid(0)), Err(Errno::EPERM));
    assert_eq!(sys.setregid(Gid(0), Gid::UNCHANGED), Err(Errno::EPERM));
    assert_eq!(sys.setresgid(Gid(0), Gid::UNCHANGED, Gid::UNCHANGED), Err(Errno::EPERM));
    // There is no user -1 to become.
    assert_eq!(sys.setuid(KEEP), Err(Errno::EINVAL));
    assert_eq!(sys.setgid(Gid::UNCHANGED), Err(Errno::EINVAL));
    sys.setresuid(KEEP, KEEP, KEEP)?;
    Ok(())
}

fn setuid_of_root_is_for_good(sys: &dyn Sys) -> Outcome {
    if root(sys)? {
        sys.setuid(Uid(1000))?;
        assert_eq!(users(sys)?, [1000; 3]);
        assert_eq!(sys.setuid(Uid(0)), Err(Errno::EPERM));
    }
    Ok(())
}

fn a_real_user_is_swapped_with_the_effective(sys: &dyn Sys) -> Outcome {
    if root(sys)? {
        sys.setresuid(Uid(1001), Uid(1002), Uid(1002))?;
        sys.setreuid(Uid(1002), Uid(1001))?;
        // The saved one follows the effective one when the real one is set.
        assert_eq!(users(sys)?, [1002, 1001, 1001]);
        sys.setreuid(KEEP, Uid(1002))?;
        assert_eq!(users(sys)?, [1002, 1002, 1001]);
        // The real one does not become the saved one.
        assert_eq!(sys.setreuid(Uid(1001), KEEP), Err(Errno::EPERM));
    }
    Ok(())
}

fn groups_move_like_users(sys: &dyn Sys) -> Outcome {
    if root(sys)? {
        sys.setresgid(Gid(11), Gid(12), Gid(13))?;
        assert_eq!(groups(sys)?, [11, 12, 13]);
        sys.setregid(Gid(21), Gid::UNCHANGED)?;
        assert_eq!(groups(sys)?, [21, 12, 12]);
        sys.setresgid(Gid(11), Gid(12), Gid(13))?;
        sys.setresuid(Uid(1000), Uid(1000), Uid(1000))?;
        sys.setgid(Gid(13))?;
        assert_eq!(groups(sys)?, [11, 13, 13]);
        sys.setregid(Gid(13), Gid(11))?;
        assert_eq!(groups(sys)?, [13, 11, 11]);
        assert_eq!(sys.setgid(Gid(12)), Err(Errno::EPERM));
    }
    Ok(())
}

fn the_user_for_files_follows(sys: &dyn Sys) -> Outcome {
    let me = sys.geteuid()?;
    assert_eq!(sys.setfsuid(Uid(u32::MAX))?, me);
    if root(sys)? {
        assert_eq!(sys.setfsuid(Uid(1000))?, 0);
        assert_eq!(sys.setfsgid(Gid(1000))?, sys.getegid()?);
        assert_eq!((sys.setfsuid(Uid(u32::MAX))?, sys.setfsgid(Gid(u32::MAX))?), (1000, 1000));
        sys.setresuid(KEEP, Uid(1002), KEEP)?;
        assert_eq!(sys.setfsuid(Uid(u32::MAX))?, 1002);
        sys.setresuid(KEEP, Uid(0), KEEP)?;
    }
    // What is refused is not told.
    becomes_nobody(sys)?;
    let me = sys.geteuid()?;
    assert_eq!(sys.setfsuid(Uid(1234))?, me);
    assert_eq!(sys.setfsuid(Uid(1234))?, me);
    Ok(())
}

fn supplementary_groups_are_sorted(sys: &dyn Sys) -> Outcome {
    if root(sys)? {
        let at = sys.store(sys.page(), &[30_u32, 10, 20, 10]);
        sys.setgroups(4, at)?;
        assert_eq!(sys.getgroups(0, 8)?, 4);
        assert_eq!(sys.getgroups(3, at), Err(Errno::EINVAL));
        assert_eq!(sys.getgroups(10, at + 64)?, 4);
        assert_eq!(sys.load::<[u32; 4]>(at + 64), [10, 10, 20, 30]);
        assert_eq!(sys.getgroups(4, 8), Err(Errno::EFAULT));
        sys.setgroups(0, 0)?;
        assert_eq!(sys.getgroups(10, 8)?, 0);
    }
    Ok(())
}

fn what_groups_refuse(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.getgroups(-1, sys.page()), Err(Errno::EINVAL));
    if root(sys)? {
        assert_eq!(sys.setgroups(-1, 0), Err(Errno::EINVAL));
        assert_eq!(sys.setgroups(65537, 0), Err(Errno::EINVAL));
        assert_eq!(sys.setgroups(2, 8), Err(Errno::EFAULT));
    }
    becomes_nobody(sys)?;
    assert_eq!(sys.setgroups(0, 0), Err(Errno::EPERM));
    assert_eq!(sys.setgroups(65537, 8), Err(Errno::EPERM));
    Ok(())
}

const HEAD: usize = 512;
const CAPS: usize = 528;

fn head(sys: &dyn Sys, version: u32, pid: i32) -> usize {
    sys.store(sys.page() + HEAD, &CapHeader { version, pid })
}

/// This thread's capabilities.
pub(super) fn capabilities(sys: &dyn Sys) -> Result<[CapData; 2]> {
    sys.capget(head(sys, _LINUX_CAPABILITY_VERSION_3, 0), sys.page() + CAPS)?;
    Ok([sys.load(sys.page() + CAPS), sys.load(sys.page() + CAPS + 12)])
}

pub(super) fn set_capabilities(sys: &dyn Sys, caps: [CapData; 2]) -> Result {
    sys.store(sys.page() + CAPS, &caps[0]);
    sys.store(sys.page() + CAPS + 12, &caps[1]);
    sys.capset(head(sys, _LINUX_CAPABILITY_VERSION_3, 0), sys.page() + CAPS)
}

fn capabilities_are_told(sys: &dyn Sys) -> Outcome {
    let [low, high] = capabilities(sys)?;
    assert_eq!(low.effective & !low.permitted, 0);
    assert_eq!(low.effective & 1 << CAP_SETUID != 0, root(sys)?);
    assert_eq!(high.permitted >> 16, 0);
    // A process tells of another.
    fn child(sys: &dyn Sys, parent: usize) -> Outcome {
        let own = capabilities(sys)?;
        sys.capget(head(sys, _LINUX_CAPABILITY_VERSION_3, parent as i32), sys.page() + CAPS)?;
        assert_eq!(sys.load::<CapData>(sys.page() + CAPS), own[0]);
        Ok(())
    }
    in_child(sys, |sys, parent| ended(child(sys, parent)), sys.getpid()?)?;
    Ok(())
}

fn the_first_version_has_half_of_them(sys: &dyn Sys) -> Outcome {
    let [low, high] = capabilities(sys)?;
    let version = _LINUX_CAPABILITY_VERSION_1;
    sys.poke(sys.page() + CAPS, &[7; 24]);
    sys.capget(head(sys, version, 0), sys.page() + CAPS)?;
    assert_eq!(sys.load::<CapData>(sys.page() + CAPS), low);
    assert_eq!(sys.bytes(sys.page() + CAPS + 12, 12), [7; 12]);
    // Nothing is said of the others, which are dropped.
    sys.capset(head(sys, version, 0), sys.page() + CAPS)?;
    let none = CapData::default();
    assert_eq!(capabilities(sys)?, [low, CapData { inheritable: high.inheritable & none.inheritable, ..none }]);
    Ok(())
}

fn capabilities_are_only_dropped(sys: &dyn Sys) -> Outcome {
    let [mut low, high] = capabilities(sys)?;
    let chown = 1 << CAP_CHOWN;
    low.effective &= !chown;
    set_capabilities(sys, [low, high])?;
    assert_eq!(capabilities(sys)?[0], low);
    if root(sys)? {
        // What is permitted may be effective again.
        low.effective |= chown;
        set_capabilities(sys, [low, high])?;
    }
    low.effective &= !chown;
    low.permitted &= !chown;
    set_capabilities(sys, [low, high])?;
    let more = CapData { permitted: low.permitted | chown, ..low };
    assert_eq!(set_capabilities(sys, [more, high]), Err(Errno::EPERM));
    let more = CapData { effective: low.effective | chown, ..low };
    assert_eq!(set_capabilities(sys, [more, high]), Err(Errno::EPERM));
    if root(sys)? {
        let file = create(sys, "file")?;
        assert_eq!(sys.fchown(file, Uid(1), Gid(1)), Err(Errno::EPERM));
    }
    Ok(())
}

fn what_capget_refuses(sys: &dyn Sys) -> Outcome {
    let data = sys.page() + CAPS;
    assert_eq!(sys.capget(8, data), Err(Errno::EFAULT));
    // A version that is not known is answered with one that is.
    assert_eq!(sys.capget(head(sys, 77, 0), data), Err(Errno::EINVAL));
    assert_eq!(sys.load::<u32>(sys.page() + HEAD), _LINUX_CAPABILITY_VERSION_3);
    assert_eq!(sys.capget(head(sys, 77, 0), 0)?, 0);
    assert_eq!(sys.capset(head(sys, 77, 0), data), Err(Errno::EINVAL));
    let known = _LINUX_CAPABILITY_VERSION_3;
    assert_eq!(sys.capget(head(sys, known, -1), data), Err(Errno::EINVAL));
    assert_eq!(sys.capget(head(sys, known, 0x3fff_ffff), data), Err(Errno::ESRCH));
    assert_eq!(sys.capget(head(sys, known, 0), 8), Err(Errno::EFAULT));
    assert_eq!(sys.capset(head(sys, known, 1), data), Err(Errno::EPERM));
    assert_eq!(sys.capset(head(sys, known, 0), 8), Err(Errno::EFAULT));
    Ok(())
}

fn capabilities_end_with_root(sys: &dyn Sys) -> Outcome {
    if root(sys)? {
        // The effective set follows the effective user, the permitted one goes with the last root.
        sys.setresuid(KEEP, Uid(1000), KEEP)?;
        let [low, _] = capabilities(sys)?;
        assert!(low.effective == 0 && low.permitted != 0);
        sys.setresuid(KEEP, Uid(0), KEEP)?;
        assert_ne!(capabilities(sys)?[0].effective, 0);
        sys.setresuid(Uid(1000), Uid(1000), Uid(1000))?;
        let [low, high] = capabilities(sys)?;
        assert_eq!((low.effective, low.permitted, high.permitted), (0, 0, 0));
    }
    Ok(())
}

fn capabilities_may_be_kept(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.prctl(PrctlOption::PR_GET_KEEPCAPS, 0, 0, 0, 0)?, 0);
    assert_eq!(sys.prctl(PrctlOption::PR_SET_KEEPCAPS, 2, 0, 0, 0), Err(Errno::EINVAL));
    sys.prctl(PrctlOption::PR_SET_KEEPCAPS, 1, 0, 0, 0)?;
    assert_eq!(sys.prctl(PrctlOption::PR_GET_KEEPCAPS, 0, 0, 0, 0)?, 1);
    if root(sys)? {
        sys.setresuid(Uid(1000), Uid(1000), Uid(1000))?;
        let [low, _] = capabilities(sys)?;
        assert!(low.effective == 0 && low.permitted & 1 << CAP_SETUID != 0);
    }
    Ok(())
}

fn nobody_signals_somebody_else(sys: &dyn Sys) -> Outcome {
    let was_root = root(sys)?;
    let me = sys.getpid()?;
    fn child(sys: &dyn Sys, parent: usize) -> Outcome {
        let was_root = root(sys)?;
        becomes_nobody(sys)?;
        assert_eq!(sys.kill(Pid(1), 0), Err(Errno::EPERM));
        if was_root {
            assert_eq!(sys.kill(parent, 0), Err(Errno::EPERM));
            assert_eq!(sys.kill(parent, Signal::SIGKILL), Err(Errno::EPERM));
            assert_eq!(sys.tkill(parent, Signal::SIGKILL), Err(Errno::EPERM));
            assert_eq!(sys.kill(parent, 65), Err(Errno::EINVAL));
            // But for the one that lets the rest of a session go on.
            sys.kill(parent, Signal::SIGCONT)?;
        } else {
            sys.kill(parent, 0)?;
        }
        Ok(())
    }
    in_child(sys, |sys, parent| ended(child(sys, parent)), me)?;
    if was_root {
        // Real or effective user of the sender against real or saved user of the other.
        sys.setresuid(Uid(NOBODY), Uid(0), Uid(0))?;
        in_child(sys, |sys, parent| ended(by_real_user(sys, parent)), me)?;
    }
    Ok(())
}

fn by_real_user(sys: &dyn Sys, parent: usize) -> Outcome {
    becomes_nobody(sys)?;
    sys.kill(parent, 0)?;
    Ok(())
}

fn another_users_file_is_closed(sys: &dyn Sys) -> Outcome {
    let was_root = root(sys)?;
    let file = create(sys, "file")?;
    sys.fchmod(file, Mode(0o600))?;
    let path = sys.path(sys.page() + 1024, ".");
    sys.chmod(path, Mode(0o755)).or_else(|_| sys.fchmodat(Fd::CWD, path, Mode(0o755)))?;
    becomes_nobody(sys)?;
    if was_root {
        assert_eq!(open(sys, "file", OpenFlags::O_RDONLY), Err(Errno::EACCES));
        assert_eq!(create(sys, "other"), Err(Errno::EACCES));
        assert_eq!(sys.fchmod(file, Mode(0o666)), Err(Errno::EPERM));
        assert_eq!(sys.fchown(file, Uid(NOBODY), Gid(NOBODY)), Err(Errno::EPERM));
        assert_eq!(sys.unlinkat(Fd::CWD, sys.path(path, "file"), 0), Err(Errno::EACCES));
        // What is open stays open.
        super::file::write(sys, file, b"x")?;
    } else {
        open(sys, "file", OpenFlags::O_RDWR)?;
        sys.fchmod(file, Mode(0o400))?;
        assert_eq!(open(sys, "file", OpenFlags::O_RDWR), Err(Errno::EACCES));
        assert_eq!(sys.fchown(file, Uid(0), Gid::UNCHANGED), Err(Errno::EPERM));
    }
    Ok(())
}

fn a_group_opens_a_file(sys: &dyn Sys) -> Outcome {
    if root(sys)? {
        let file = create(sys, "file")?;
        sys.fchown(file, Uid(0), Gid(77))?;
        sys.fchmod(file, Mode(0o640))?;
        let path = sys.path(sys.page() + 1024, ".");
        sys.fchmodat(Fd::CWD, path, Mode(0o755))?;
        sys.setgroups(1, sys.store(sys.page(), &77_u32))?;
        sys.setresgid(Gid(1000), Gid(1000), Gid(1000))?;
        sys.setresuid(Uid(1000), Uid(1000), Uid(1000))?;
        open(sys, "file", OpenFlags::O_RDONLY)?;
        assert_eq!(open(sys, "file", OpenFlags::O_RDWR), Err(Errno::EACCES));
    }
    Ok(())
}

fn no_new_privileges_is_for_good(sys: &dyn Sys) -> Outcome {
    let (get, set) = (PrctlOption::PR_GET_NO_NEW_PRIVS, PrctlOption::PR_SET_NO_NEW_PRIVS);
    // Whoever started the case may have given privileges up already.
    let before = sys.prctl(get, 0, 0, 0, 0)?;
    assert!(before <= 1);
    assert_eq!(sys.prctl(set, 0, 0, 0, 0), Err(Errno::EINVAL));
    for rest in [[1, 0, 0], [0, 1, 0], [0, 0, 1]] {
        assert_eq!(sys.prctl(set, 1, rest[0], rest[1], rest[2]), Err(Errno::EINVAL));
    }
    assert_eq!(sys.prctl(get, 1, 0, 0, 0), Err(Errno::EINVAL));
    assert_eq!(sys.prctl(get, 0, 0, 0, 0)?, before);
    sys.prctl(set, 1, 0, 0, 0)?;
    assert_eq!(sys.prctl(get, 0, 0, 0, 0)?, 1);
    let child = |sys: &dyn Sys, _| i32::from(sys.prctl(PrctlOption::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != Ok(1));
    in_child(sys, child, 0)?;
    Ok(())
}
