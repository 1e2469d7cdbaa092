//! Resource limits, getrlimit(2).

use crate::abi::flags::{RLIM_INFINITY, Resource};
use crate::abi::structs::Rlimit;
use crate::error::{Errno, Result};

/// The most processes and threads there can be; then fork(2) says EAGAIN.
pub const PROCESSES_MAX: usize = 32768;
/// The highest limit on descriptors, `fs.nr_open`.
const FILES_MAX: u64 = 1 << 20;
const COUNT: usize = 16;

/// One limit per resource.
#[derive(Clone, Debug)]
pub struct Limits([Rlimit; COUNT]);

impl Default for Limits {
    fn default() -> Self {
        let both = |rlim_cur, rlim_max| Rlimit { rlim_cur, rlim_max };
        let mut limits = [both(RLIM_INFINITY, RLIM_INFINITY); COUNT];
        limits[Resource::RLIMIT_STACK.0 as usize] = both(8 << 20, RLIM_INFINITY);
        limits[Resource::RLIMIT_CORE.0 as usize] = both(0, RLIM_INFINITY);
        limits[Resource::RLIMIT_NPROC.0 as usize] = both(PROCESSES_MAX as u64 / 2, PROCESSES_MAX as u64 / 2);
        limits[Resource::RLIMIT_NOFILE.0 as usize] = both(1024, 4096);
        limits[Resource::RLIMIT_MEMLOCK.0 as usize] = both(8 << 20, 8 << 20);
        limits[Resource::RLIMIT_SIGPENDING.0 as usize] = both(1024, 1024);
        limits[Resource::RLIMIT_MSGQUEUE.0 as usize] = both(819_200, 819_200);
        limits[Resource::RLIMIT_NICE.0 as usize] = both(0, 0);
        limits[Resource::RLIMIT_RTPRIO.0 as usize] = both(0, 0);
        Self(limits)
    }
}

impl Limits {
    /// Both limits on `resource`; EINVAL when there is no such thing.
    pub fn of(&self, resource: Resource) -> Result<Rlimit> {
        self.0.get(resource.0 as usize).copied().ok_or(Errno::EINVAL)
    }

    /// The limit in force.
    pub fn soft(&self, resource: Resource) -> u64 {
        self.0.get(resource.0 as usize).map_or(RLIM_INFINITY, |limit| limit.rlim_cur)
    }

    /// Changes one; raising the hard limit takes privilege.
    pub fn set(&mut self, resource: Resource, new: Rlimit, privileged: bool) -> Result<()> {
        let old = self.0.get_mut(resource.0 as usize).ok_or(Errno::EINVAL)?;
        if new.rlim_cur > new.rlim_max {
            return Err(Errno::EINVAL);
        }
        if resource == Resource::RLIMIT_NOFILE && new.rlim_max > FILES_MAX {
            return Err(Errno::EPERM);
        }
        if new.rlim_max > old.rlim_max && !privileged {
            return Err(Errno::EPERM);
        }
        *old = new;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Limits;
    use crate::abi::flags::Resource;
    use crate::abi::structs::Rlimit;
    use crate::error::Errno;

    #[test]
    fn only_the_privileged_raise_a_hard_limit() {
        let mut limits = Limits::default();
        let wish = |rlim_cur, rlim_max| Rlimit { rlim_cur, rlim_max };
        let files = Resource::RLIMIT_NOFILE;
        assert_eq!(limits.set(files, wish(5, 4), true), Err(Errno::EINVAL));
        assert_eq!(limits.set(files, wish(5, 5000), false), Err(Errno::EPERM));
        assert_eq!(limits.set(files, wish(5, 5000), true), Ok(()));
        assert_eq!(limits.soft(files), 5);
        assert_eq!(limits.of(Resource(16)), Err(Errno::EINVAL));
    }
}
