//! Sockets, as far as names go.

values! {
    /// An address family.
    AddressFamily: u32 from net {
        AF_UNSPEC = 0;
        AF_UNIX = 1;
        AF_INET = 2;
        AF_INET6 = 10;
        AF_NETLINK = 16;
        AF_PACKET = 17;
    }
}

flags! {
    /// A socket's type with its option bits.
    SocketType: u32 from net {
        SOCK_SEQPACKET = 5;
        SOCK_RAW = 3;
        SOCK_STREAM = 1;
        SOCK_DGRAM = 2;
    } + {
        SOCK_CLOEXEC = 0x8_0000;
        SOCK_NONBLOCK = 0x800;
    }
}
