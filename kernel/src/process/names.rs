//! The names of host and domain, uname(2).

use alloc::vec::Vec;

use ostd::sync::SpinLock;

/// The longest name.
pub const HOST_NAME_MAX: usize = 64;

/// What all processes call the machine they are on.
#[derive(Debug)]
pub struct Names {
    host: SpinLock<Vec<u8>>,
    domain: SpinLock<Vec<u8>>,
}

impl Default for Names {
    fn default() -> Self {
        Self { host: SpinLock::new(b"orrery".to_vec()), domain: SpinLock::new(b"(none)".to_vec()) }
    }
}

impl Names {
    /// The host's.
    pub fn host(&self) -> Vec<u8> {
        self.host.lock().clone()
    }

    /// The NIS domain's.
    pub fn domain(&self) -> Vec<u8> {
        self.domain.lock().clone()
    }

    /// sethostname(2).
    pub fn set_host(&self, name: Vec<u8>) {
        *self.host.lock() = name;
    }

    /// setdomainname(2).
    pub fn set_domain(&self, name: Vec<u8>) {
        *self.domain.lock() = name;
    }
}
