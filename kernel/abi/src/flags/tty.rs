//! Terminals: the four words of `struct termios` and its control characters.

flags! {
    /// `c_iflag`.
    InputFlags: u32 from general {
        IGNBRK = 1;
        BRKINT = 2;
        IGNPAR = 4;
        PARMRK = 8;
        INPCK = 0x10;
        ISTRIP = 0x20;
        INLCR = 0x40;
        IGNCR = 0x80;
        ICRNL = 0x100;
        IUCLC = 0x200;
        IXON = 0x400;
        IXANY = 0x800;
        IXOFF = 0x1000;
        IMAXBEL = 0x2000;
        IUTF8 = 0x4000;
    }

    /// `c_oflag`.
    OutputFlags: u32 from general {
        OPOST = 1;
        OLCUC = 2;
        ONLCR = 4;
        OCRNL = 8;
        ONOCR = 0x10;
        ONLRET = 0x20;
        OFILL = 0x40;
        OFDEL = 0x80;
        NLDLY = 0x100;
        CRDLY = 0x600;
        TABDLY = 0x1800;
        BSDLY = 0x2000;
        VTDLY = 0x4000;
        FFDLY = 0x8000;
    }

    /// `c_cflag`.
    ControlFlags: u32 from general {
        CBAUD = 0x100f;
        CSIZE = 0x30;
        CS8 = 0x30;
        CS7 = 0x20;
        CS6 = 0x10;
        CSTOPB = 0x40;
        CREAD = 0x80;
        PARENB = 0x100;
        PARODD = 0x200;
        HUPCL = 0x400;
        CLOCAL = 0x800;
        CRTSCTS = 0x8000_0000;
    }

    /// `c_lflag`.
    LocalFlags: u32 from general {
        ISIG = 1;
        ICANON = 2;
        XCASE = 4;
        ECHO = 8;
        ECHOE = 0x10;
        ECHOK = 0x20;
        ECHONL = 0x40;
        NOFLSH = 0x80;
        TOSTOP = 0x100;
        ECHOCTL = 0x200;
        ECHOPRT = 0x400;
        ECHOKE = 0x800;
        FLUSHO = 0x1000;
        PENDIN = 0x4000;
        IEXTEN = 0x8000;
        EXTPROC = 0x1_0000;
    }
}

consts! {
    usize from general {
        VINTR = 0;
        VQUIT = 1;
        VERASE = 2;
        VKILL = 3;
        VEOF = 4;
        VTIME = 5;
        VMIN = 6;
        VSWTC = 7;
        VSTART = 8;
        VSTOP = 9;
        VSUSP = 10;
        VEOL = 11;
        VREPRINT = 12;
        VDISCARD = 13;
        VWERASE = 14;
        VLNEXT = 15;
        VEOL2 = 16;
    }

    u32 from general {
        B9600 = 13;
        B38400 = 15;
        B115200 = 4098;
        BOTHER = 4096;
        XTABS = 6144;
        TCSANOW = 0;
        TCSADRAIN = 1;
        TCSAFLUSH = 2;
        TCIFLUSH = 0;
        TCOFLUSH = 1;
        TCIOFLUSH = 2;
        TCOOFF = 0;
        TCOON = 1;
        TCIOFF = 2;
        TCION = 3;
    }

    u8 from general {
    } + {
        POSIX_VDISABLE = 0;
    }
}
