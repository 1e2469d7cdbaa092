//! Readiness: poll, epoll, and the descriptors made to be polled.

flags! {
    /// What poll(2) waits for and reports.
    PollEvents: u16 from general {
        POLLIN = 1;
        POLLPRI = 2;
        POLLOUT = 4;
        POLLERR = 8;
        POLLHUP = 0x10;
        POLLNVAL = 0x20;
        POLLRDNORM = 0x40;
        POLLRDBAND = 0x80;
        POLLWRNORM = 0x100;
        POLLWRBAND = 0x200;
        POLLMSG = 0x400;
        POLLREMOVE = 0x1000;
        POLLRDHUP = 0x2000;
    }

    /// What epoll_ctl(2) waits for.
    EpollEvents: u32 from general {
        EPOLLIN = 1;
        EPOLLPRI = 2;
        EPOLLOUT = 4;
        EPOLLERR = 8;
        EPOLLHUP = 0x10;
        EPOLLNVAL = 0x20;
        EPOLLRDNORM = 0x40;
        EPOLLRDBAND = 0x80;
        EPOLLWRNORM = 0x100;
        EPOLLWRBAND = 0x200;
        EPOLLMSG = 0x400;
        EPOLLRDHUP = 0x2000;
        EPOLLEXCLUSIVE = 0x1000_0000;
        EPOLLWAKEUP = 0x2000_0000;
        EPOLLONESHOT = 0x4000_0000;
        EPOLLET = 0x8000_0000;
    }

    /// epoll_create1(2).
    EpollFlags: u32 from general {
        EPOLL_CLOEXEC = 0x8_0000;
    }

    /// eventfd2(2).
    EventfdFlags: u32 from general {
        EFD_SEMAPHORE = 1;
        EFD_CLOEXEC = 0x8_0000;
        EFD_NONBLOCK = 0x800;
    }

    /// signalfd4(2).
    SignalfdFlags: u32 from general {
    } + {
        SFD_CLOEXEC = 0x80000;
        SFD_NONBLOCK = 0x800;
    }

    /// timerfd_create(2).
    TimerfdFlags: u32 from general {
        TFD_CLOEXEC = 0x8_0000;
        TFD_NONBLOCK = 0x800;
    }

    /// timerfd_settime(2).
    TimerfdSettimeFlags: u32 from general {
        TFD_TIMER_ABSTIME = 1;
        TFD_TIMER_CANCEL_ON_SET = 2;
    }

    /// splice(2) and its relatives.
    SpliceFlags: u32 from general {
    } + {
        SPLICE_F_MOVE = 1;
        SPLICE_F_NONBLOCK = 2;
        SPLICE_F_MORE = 4;
        SPLICE_F_GIFT = 8;
    }

    /// inotify_init1(2).
    InotifyFlags: u32 from general {
    } + {
        IN_CLOEXEC = 0x80000;
        IN_NONBLOCK = 0x800;
    }
}

values! {
    /// epoll_ctl(2).
    EpollOp: i32 from general {
        EPOLL_CTL_ADD = 1;
        EPOLL_CTL_DEL = 2;
        EPOLL_CTL_MOD = 3;
    }
}
