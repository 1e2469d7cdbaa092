//! Sockets: names and messages.

plain! {
    /// `struct sockaddr_un`.
    SockaddrUn as "sockaddr_un", 110 {
        0 sun_family: u16,
        2 sun_path: [u8; 108],
    }

    /// `struct msghdr`.
    Msghdr as "msghdr", 56 {
        0 msg_name: usize,
        8 msg_namelen: u32,
        12 pad0: u32,
        16 msg_iov: usize,
        24 msg_iovlen: usize,
        32 msg_control: usize,
        40 msg_controllen: usize,
        48 msg_flags: u32,
        52 pad1: u32,
    }
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::{Msghdr, SockaddrUn};

    #[test]
    fn layouts_are_the_c_librarys() {
        assert_eq!(size_of::<SockaddrUn>(), size_of::<libc::sockaddr_un>());
        assert_eq!(size_of::<Msghdr>(), size_of::<libc::msghdr>());
        assert_eq!(offset_of!(Msghdr, msg_flags), offset_of!(libc::msghdr, msg_flags));
    }
}
