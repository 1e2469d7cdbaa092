//! Credentials: who a thread acts for. Values; a change makes a new one.

use alloc::sync::Arc;

use crate::abi::flags::{CAP_LAST_CAP, CAP_SETPCAP};
use crate::error::{Errno, Result};

/// The most supplementary groups, `NGROUPS_MAX`.
pub const GROUPS_MAX: usize = 65536;
/// Every capability.
pub const ALL_CAPS: u64 = (1 << (CAP_LAST_CAP + 1)) - 1;
/// `CAP_KILL`, `CAP_SETGID`, `CAP_SETUID`, `CAP_SYS_NICE`, `CAP_SYS_RESOURCE` by number.
pub const CAP_KILL: u32 = 5;
/// `CAP_SETGID`.
pub const CAP_SETGID: u32 = 6;
/// `CAP_SETUID`.
pub const CAP_SETUID: u32 = 7;
/// `CAP_SYS_NICE`.
pub const CAP_SYS_NICE: u32 = 23;
/// `CAP_SYS_RESOURCE`.
pub const CAP_SYS_RESOURCE: u32 = 24;

/// One kind of id in its four roles, see credentials(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Ids {
    /// Whose process it is.
    pub real: u32,
    /// Whose rights it uses.
    pub effective: u32,
    /// What it may come back to.
    pub saved: u32,
    /// Whose rights it uses on files.
    pub fs: u32,
}

impl Ids {
    /// All four the same.
    pub const fn all(id: u32) -> Self {
        Self { real: id, effective: id, saved: id, fs: id }
    }

    fn has(&self, id: u32) -> bool {
        id == self.real || id == self.effective || id == self.saved
    }

    /// `setuid`, `setgid`.
    fn set(self, id: u32, privileged: bool) -> Result<Self> {
        if id == u32::MAX {
            return Err(Errno::EINVAL);
        }
        if privileged {
            Ok(Self::all(id))
        } else if id == self.real || id == self.saved {
            Ok(Self { effective: id, fs: id, ..self })
        } else {
            Err(Errno::EPERM)
        }
    }

    /// `setreuid`, `setregid`; `u32::MAX` leaves one alone.
    fn set_two(self, real: u32, effective: u32, privileged: bool) -> Result<Self> {
        let mut new = self;
        if real != u32::MAX {
            if !(privileged || real == self.real || real == self.effective) {
                return Err(Errno::EPERM);
            }
            new.real = real;
        }
        if effective != u32::MAX {
            if !(privileged || self.has(effective)) {
                return Err(Errno::EPERM);
            }
            new.effective = effective;
        }
        if real != u32::MAX || (effective != u32::MAX && effective != self.real) {
            new.saved = new.effective;
        }
        new.fs = new.effective;
        Ok(new)
    }

    /// `setresuid`, `setresgid`; `u32::MAX` leaves one alone.
    fn set_three(self, wish: [u32; 3], privileged: bool) -> Result<Self> {
        if !privileged && wish.iter().any(|&id| id != u32::MAX && !self.has(id)) {
            return Err(Errno::EPERM);
        }
        let pick = |id: u32, old: u32| if id == u32::MAX { old } else { id };
        let effective = pick(wish[1], self.effective);
        Ok(Self { real: pick(wish[0], self.real), effective, saved: pick(wish[2], self.saved), fs: effective })
    }
}

/// Capability sets, bit `n` for capability `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "named by capabilities(7)")]
pub struct Caps {
    pub permitted: u64,
    pub effective: u64,
    pub inheritable: u64,
    pub bounding: u64,
    pub ambient: u64,
}

bitflags::bitflags! {
    /// What of root's special treatment a thread does without, see capabilities(7). A bit's lock is the next one.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct SecureBits: u32 {
        /// A program is given nothing for being root's.
        const NOROOT = 1 << 0;
        /// Capabilities stay as they are when users change.
        const NO_SETUID_FIXUP = 1 << 2;
        /// They are kept when root becomes somebody else, until the next program.
        const KEEP_CAPS = 1 << 4;
        /// None is made ambient.
        const NO_CAP_AMBIENT_RAISE = 1 << 6;
        /// The locks of all four.
        const LOCKS = 0b1010_1010;
    }
}

/// Everything that decides what a thread may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Users.
    pub user: Ids,
    /// Groups.
    pub group: Ids,
    /// Supplementary groups.
    pub groups: Arc<[u32]>,
    /// Capabilities.
    pub caps: Caps,
    /// `PR_SET_SECUREBITS`, and `PR_SET_KEEPCAPS` among them.
    pub secure: SecureBits,
    /// `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privs: bool,
}

impl Credentials {
    /// The superuser, who may do everything.
    pub fn root() -> Self {
        Self::user(0, 0)
    }

    /// A user without supplementary groups, with all capabilities if it is root.
    pub fn user(uid: u32, gid: u32) -> Self {
        let held = if uid == 0 { ALL_CAPS } else { 0 };
        let caps = Caps { permitted: held, effective: held, inheritable: 0, bounding: ALL_CAPS, ambient: 0 };
        let groups = Arc::from([]);
        Self {
            user: Ids::all(uid),
            group: Ids::all(gid),
            groups,
            caps,
            secure: SecureBits::empty(),
            no_new_privs: false,
        }
    }

    /// Whether capability `cap` is in force.
    pub fn can(&self, cap: u32) -> bool {
        self.caps.effective & (1 << cap) != 0
    }

    /// `PR_SET_SECUREBITS`: EPERM for what is locked, what does not exist, and who may not.
    pub fn set_secure(&self, wish: u32) -> Result<Self> {
        let wish = SecureBits::from_bits(wish).ok_or(Errno::EPERM)?;
        let locks = self.secure & SecureBits::LOCKS;
        let changed = self.secure.symmetric_difference(wish).bits();
        if locks.bits() >> 1 & changed != 0 || !wish.contains(locks) || !self.can(CAP_SETPCAP) {
            return Err(Errno::EPERM);
        }
        Ok(Self { secure: wish, ..self.clone() })
    }

    /// `PR_SET_KEEPCAPS`: EPERM if that is locked.
    pub fn set_keep_caps(&self, keep: bool) -> Result<Self> {
        if self.secure.bits() & SecureBits::KEEP_CAPS.bits() << 1 != 0 {
            return Err(Errno::EPERM);
        }
        let mut new = self.clone();
        new.secure.set(SecureBits::KEEP_CAPS, keep);
        Ok(new)
    }

    /// `PR_CAP_AMBIENT_RAISE`: EPERM for a capability that is not permitted and inheritable.
    pub fn raise_ambient(&self, cap: u32) -> Result<Self> {
        let has_both = self.caps.permitted & self.caps.inheritable & 1 << cap != 0;
        if !has_both || self.secure.contains(SecureBits::NO_CAP_AMBIENT_RAISE) {
            return Err(Errno::EPERM);
        }
        let mut new = self.clone();
        new.caps.ambient |= 1 << cap;
        Ok(new)
    }

    /// Whether it may send signals to a process of `other`, kill(2).
    pub fn may_signal(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.user, other.user);
        self.can(CAP_KILL) || [ours.effective, ours.real].iter().any(|&id| id == theirs.real || id == theirs.saved)
    }

    /// Whether it uses the rights of nobody but whose process it is.
    pub fn acts_for_itself(&self) -> bool {
        self.user.effective == self.user.real && self.group.effective == self.group.real
    }

    /// Whether its rights on files and processes are others than `old` had, or more.
    pub fn acts_for_others_than(&self, old: &Self) -> bool {
        let of = |ids: &Ids| (ids.effective, ids.fs);
        (of(&self.user), of(&self.group)) != (of(&old.user), of(&old.group))
            || self.caps.permitted & !old.caps.permitted != 0
    }

    /// `setuid`.
    pub fn set_user(&self, id: u32) -> Result<Self> {
        Ok(self.with_user(self.user.set(id, self.can(CAP_SETUID))?))
    }

    /// `setreuid`.
    pub fn set_users(&self, real: u32, effective: u32) -> Result<Self> {
        Ok(self.with_user(self.user.set_two(real, effective, self.can(CAP_SETUID))?))
    }

    /// `setresuid`.
    pub fn set_all_users(&self, wish: [u32; 3]) -> Result<Self> {
        Ok(self.with_user(self.user.set_three(wish, self.can(CAP_SETUID))?))
    }

    /// `setfsuid`, which refuses by changing nothing.
    pub fn set_fs_user(&self, id: u32) -> Self {
        let mut new = self.clone();
        if id != u32::MAX && (self.can(CAP_SETUID) || self.user.has(id) || id == self.user.fs) {
            new.user.fs = id;
        }
        new
    }

    /// `setgid`.
    pub fn set_group(&self, id: u32) -> Result<Self> {
        Ok(Self { group: self.group.set(id, self.can(CAP_SETGID))?, ..self.clone() })
    }

    /// `setregid`.
    pub fn set_two_groups(&self, real: u32, effective: u32) -> Result<Self> {
        Ok(Self { group: self.group.set_two(real, effective, self.can(CAP_SETGID))?, ..self.clone() })
    }

    /// `setresgid`.
    pub fn set_all_groups(&self, wish: [u32; 3]) -> Result<Self> {
        Ok(Self { group: self.group.set_three(wish, self.can(CAP_SETGID))?, ..self.clone() })
    }

    /// `setfsgid`, which refuses by changing nothing.
    pub fn set_fs_group(&self, id: u32) -> Self {
        let mut new = self.clone();
        if id != u32::MAX && (self.can(CAP_SETGID) || self.group.has(id) || id == self.group.fs) {
            new.group.fs = id;
        }
        new
    }

    /// `setgroups`.
    pub fn set_groups(&self, groups: &[u32]) -> Result<Self> {
        if !self.can(CAP_SETGID) {
            return Err(Errno::EPERM);
        }
        if groups.len() > GROUPS_MAX {
            return Err(Errno::EINVAL);
        }
        Ok(Self { groups: Arc::from(groups), ..self.clone() })
    }

    /// What capabilities(7) says happens to them when user ids change.
    fn with_user(&self, user: Ids) -> Self {
        let mut new = Self { user, ..self.clone() };
        if self.secure.contains(SecureBits::NO_SETUID_FIXUP) {
            return new;
        }
        let is_root = |ids: &Ids| ids.real == 0 || ids.effective == 0 || ids.saved == 0;
        if is_root(&self.user) && !is_root(&user) {
            if !self.secure.contains(SecureBits::KEEP_CAPS) {
                new.caps.permitted = 0;
                new.caps.effective = 0;
            }
            new.caps.ambient = 0;
        }
        if self.user.effective == 0 && user.effective != 0 {
            new.caps.effective = 0;
        }
        if self.user.effective != 0 && user.effective == 0 {
            new.caps.effective = new.caps.permitted;
        }
        new
    }

    /// What a program starts with after execve(2) of a file without file capabilities; `lent` are the user and the group
    /// that its set-id bits lend.
    pub fn for_exec(&self, lent: [Option<u32>; 2]) -> Self {
        let mut new = self.clone();
        new.secure.remove(SecureBits::KEEP_CAPS);
        if !self.no_new_privs {
            for (ids, id) in [&mut new.user, &mut new.group].into_iter().zip(lent) {
                ids.effective = id.unwrap_or(ids.effective);
                ids.fs = id.unwrap_or(ids.fs);
            }
        }
        new.user.saved = new.user.effective;
        new.group.saved = new.group.effective;
        let user = new.user;
        let caps = &mut new.caps;
        if new.group.effective != self.group.effective || user.effective != self.user.effective {
            caps.ambient = 0;
        }
        let is_root = user.effective == 0 || user.real == 0;
        if is_root && !self.secure.contains(SecureBits::NOROOT) {
            caps.permitted = caps.inheritable | caps.bounding;
            caps.effective = if user.effective == 0 { caps.permitted } else { caps.ambient };
            caps.ambient = 0;
        } else {
            caps.permitted = caps.ambient;
            caps.effective = caps.ambient;
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::{Credentials, Ids};
    use crate::error::Errno;

    #[test]
    fn a_daemon_that_drops_root_for_good_cannot_come_back() {
        let user = Credentials::root().set_user(1000).expect("root may");
        assert_eq!(user.user, Ids::all(1000));
        assert_eq!(user.caps.permitted, 0);
        assert_eq!(user.set_user(0), Err(Errno::EPERM));
    }

    #[test]
    fn an_effective_user_can_be_put_aside_and_taken_back() {
        let aside = Credentials::root().set_users(u32::MAX, 1000).expect("root may");
        assert!(aside.user.effective == 1000 && aside.caps.effective == 0 && aside.caps.permitted != 0);
        let saved = aside.set_all_users([u32::MAX, 0, u32::MAX]).expect("0 is the real id");
        assert!(saved.user.effective == 0 && saved.caps.effective != 0);
    }

    #[test]
    fn signals_go_to_ones_own_processes_only() {
        let (a, b) = (Credentials::user(1, 1), Credentials::user(2, 2));
        assert!(a.may_signal(&a) && !a.may_signal(&b) && Credentials::root().may_signal(&b));
    }
}
