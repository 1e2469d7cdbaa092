//! Device commands of ioctl(2).

values! {
    /// What ioctl(2) is to do.
    IoctlCommand: u32 from ioctl {
        TCGETS = 0x5401;
        TCSETS = 0x5402;
        TCSETSW = 0x5403;
        TCSETSF = 0x5404;
        TCGETA = 0x5405;
        TCSETA = 0x5406;
        TCSETAW = 0x5407;
        TCSETAF = 0x5408;
        TCSBRK = 0x5409;
        TCXONC = 0x540a;
        TCFLSH = 0x540b;
        TIOCEXCL = 0x540c;
        TIOCNXCL = 0x540d;
        TIOCSCTTY = 0x540e;
        TIOCGPGRP = 0x540f;
        TIOCSPGRP = 0x5410;
        TIOCOUTQ = 0x5411;
        TIOCSTI = 0x5412;
        TIOCGWINSZ = 0x5413;
        TIOCSWINSZ = 0x5414;
        TIOCMGET = 0x5415;
        TIOCCONS = 0x541d;
        FIONREAD = 0x541b;
        TIOCPKT = 0x5420;
        FIONBIO = 0x5421;
        TIOCNOTTY = 0x5422;
        TIOCSETD = 0x5423;
        TIOCGETD = 0x5424;
        TCSBRKP = 0x5425;
        TIOCGSID = 0x5429;
        TCGETS2 = 0x802c_542a;
        TCSETS2 = 0x402c_542b;
        TCSETSW2 = 0x402c_542c;
        TCSETSF2 = 0x402c_542d;
        TIOCGPTN = 0x8004_5430;
        TIOCSPTLCK = 0x4004_5431;
        TIOCGPTPEER = 0x5441;
        TIOCVHANGUP = 0x5437;
        FIONCLEX = 0x5450;
        FIOCLEX = 0x5451;
        FIOASYNC = 0x5452;
        FIOQSIZE = 0x5460;
        FIGETBSZ = 2;
        FIBMAP = 1;
        FICLONE = 0x4004_9409;
        FICLONERANGE = 0x4020_940d;
        FS_IOC_GETFLAGS = 0x8008_6601;
        FS_IOC_SETFLAGS = 0x4008_6602;
        FS_IOC_FIEMAP = 0xc020_660b;
        BLKROGET = 0x125e;
        BLKGETSIZE = 0x1260;
        BLKFLSBUF = 0x1261;
        BLKSSZGET = 0x1268;
        BLKBSZGET = 0x8008_1270;
        BLKGETSIZE64 = 0x8008_1272;
        BLKPBSZGET = 0x127b;
        RNDGETENTCNT = 0x8004_5200;
        SIOCGIFCONF = 0x8912;
        SIOCGIFFLAGS = 0x8913;
        SIOCGIFADDR = 0x8915;
        SIOCGIFINDEX = 0x8933;
        SIOCATMARK = 0x8905;
        KDGKBTYPE = 0x4b33;
        KDGETMODE = 0x4b3b;
        VT_GETSTATE = 0x5603;
    }
}
