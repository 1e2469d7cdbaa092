//! Terminals. The C library's `struct termios` is longer; this is the kernel's.

plain! {
    /// `struct termios` of TCGETS.
    Termios as "termios", 36 {
        0 c_iflag: u32,
        4 c_oflag: u32,
        8 c_cflag: u32,
        12 c_lflag: u32,
        16 c_line: u8,
        17 c_cc: [u8; 19],
    }

    /// `struct termios2` of TCGETS2.
    Termios2 as "termios2", 44 {
        0 c_iflag: u32,
        4 c_oflag: u32,
        8 c_cflag: u32,
        12 c_lflag: u32,
        16 c_line: u8,
        17 c_cc: [u8; 19],
        36 c_ispeed: u32,
        40 c_ospeed: u32,
    }

    /// `struct winsize`.
    Winsize as "winsize", 8 {
        0 ws_row: u16,
        2 ws_col: u16,
        4 ws_xpixel: u16,
        6 ws_ypixel: u16,
    }
}

#[cfg(test)]
mod tests {
    use super::{Termios, Termios2, Winsize};

    #[test]
    fn sizes_are_the_kernels() {
        assert_eq!(size_of::<Termios>(), size_of::<linux_raw_sys::general::termios>());
        assert_eq!(size_of::<Termios2>(), size_of::<linux_raw_sys::general::termios2>());
        assert_eq!(size_of::<Winsize>(), size_of::<linux_raw_sys::general::winsize>());
    }
}
