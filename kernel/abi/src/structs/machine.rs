//! What system and machine are called and have.

plain! {
    /// `struct new_utsname`: six strings that end in NUL.
    Utsname as "utsname", 390 {
        0 sysname: [u8; 65],
        65 nodename: [u8; 65],
        130 release: [u8; 65],
        195 version: [u8; 65],
        260 machine: [u8; 65],
        325 domainname: [u8; 65],
    }

    /// `struct sysinfo`.
    Sysinfo as "sysinfo", 112 {
        0 uptime: i64,
        8 loads: [u64; 3],
        32 totalram: u64,
        40 freeram: u64,
        48 sharedram: u64,
        56 bufferram: u64,
        64 totalswap: u64,
        72 freeswap: u64,
        80 procs: u16,
        82 pad0: u16,
        84 pad1: u32,
        88 totalhigh: u64,
        96 freehigh: u64,
        104 mem_unit: u32,
        108 pad2: u32,
    }
}

impl Utsname {
    /// A field that holds `text`, cut at 64 bytes.
    pub fn field(text: &[u8]) -> [u8; 65] {
        let mut field = [0; 65];
        let len = text.len().min(64);
        field[..len].copy_from_slice(&text[..len]);
        field
    }
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::{Sysinfo, Utsname};

    #[test]
    fn layouts_are_the_c_librarys() {
        assert_eq!(size_of::<Utsname>(), size_of::<libc::utsname>());
        assert_eq!(size_of::<Sysinfo>(), size_of::<libc::sysinfo>());
        assert_eq!(offset_of!(Sysinfo, mem_unit), offset_of!(libc::sysinfo, mem_unit));
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(Utsname::field(&[b'x'; 100])[63..], *b"x\0");
    }
}
