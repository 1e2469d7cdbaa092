//! Extended attributes. A file system that keeps none may say so.

use alloc::format;
use alloc::vec::Vec;

use kernel_abi::flags::{AtFlags, OpenFlags, XattrFlags};
use kernel_abi::{Calls, Errno, Fd, Result, Sys};

use super::Outcome;
use super::file::{create, open, write};

cases! { "xattr":
    an_attribute_is_kept_and_removed, attributes_are_listed, a_buffer_that_is_too_small,
    made_or_replaced_as_asked, what_a_name_must_be, links_have_none_of_users, attributes_follow_a_file,
}

const VALUE: usize = 0x2000;
const INTO: usize = 0x3000;

fn name(sys: &dyn Sys, name: &str) -> usize {
    sys.path(sys.page() + 0x1000, name)
}

fn set(sys: &dyn Sys, file: Fd, attribute: &str, value: &[u8], flags: XattrFlags) -> Result {
    sys.poke(sys.page() + VALUE, value);
    sys.fsetxattr(file, name(sys, attribute), sys.page() + VALUE, value.len(), flags)
}

fn get(sys: &dyn Sys, file: Fd, attribute: &str) -> Result<Vec<u8>> {
    let len = sys.fgetxattr(file, name(sys, attribute), sys.page() + INTO, 4096)?;
    Ok(sys.bytes(sys.page() + INTO, len))
}

/// A file with an attribute; none where the file system keeps none.
fn file(sys: &dyn Sys) -> Result<Option<Fd>> {
    let file = create(sys, "file")?;
    match set(sys, file, "user.one", b"first", XattrFlags::empty()) {
        Err(Errno::EOPNOTSUPP) => Ok(None),
        answer => answer.map(|_| Some(file)),
    }
}

fn an_attribute_is_kept_and_removed(sys: &dyn Sys) -> Outcome {
    let Some(file) = file(sys)? else { return Ok(()) };
    assert_eq!(get(sys, file, "user.one")?, b"first");
    assert_eq!(get(sys, file, "user.two"), Err(Errno::ENODATA));
    set(sys, file, "user.one", b"", XattrFlags::empty())?;
    assert_eq!(get(sys, file, "user.one")?, b"");
    sys.fremovexattr(file, name(sys, "user.one"))?;
    assert_eq!(get(sys, file, "user.one"), Err(Errno::ENODATA));
    assert_eq!(sys.fremovexattr(file, name(sys, "user.one")), Err(Errno::ENODATA));
    Ok(())
}

fn attributes_are_listed(sys: &dyn Sys) -> Outcome {
    let Some(file) = file(sys)? else { return Ok(()) };
    set(sys, file, "user.two", b"x", XattrFlags::empty())?;
    let path = sys.path(sys.page(), "file");
    let len = sys.listxattr(path, sys.page() + INTO, 4096)?;
    let listed = sys.bytes(sys.page() + INTO, len);
    let mut names: Vec<_> = listed.split(|byte| *byte == 0).filter(|name| name.starts_with(b"user.")).collect();
    names.sort();
    assert_eq!(names, [b"user.one", b"user.two"]);
    assert_eq!(sys.flistxattr(file, 0, 0)?, len);
    assert_eq!(sys.flistxattr(file, sys.page(), len - 1), Err(Errno::ERANGE));
    assert_eq!(sys.flistxattr(file, 8, len), Err(Errno::EFAULT));
    Ok(())
}

fn a_buffer_that_is_too_small(sys: &dyn Sys) -> Outcome {
    let Some(file) = file(sys)? else { return Ok(()) };
    assert_eq!(sys.fgetxattr(file, name(sys, "user.one"), 0, 0)?, 5);
    assert_eq!(sys.fgetxattr(file, name(sys, "user.one"), sys.page() + INTO, 4), Err(Errno::ERANGE));
    assert_eq!(sys.fgetxattr(file, name(sys, "user.one"), 8, 5), Err(Errno::EFAULT));
    assert_eq!(sys.fgetxattr(Fd(99), name(sys, "user.one"), 0, 0), Err(Errno::EBADF));
    Ok(())
}

fn made_or_replaced_as_asked(sys: &dyn Sys) -> Outcome {
    let Some(file) = file(sys)? else { return Ok(()) };
    assert_eq!(set(sys, file, "user.one", b"x", XattrFlags::XATTR_CREATE), Err(Errno::EEXIST));
    assert_eq!(set(sys, file, "user.two", b"x", XattrFlags::XATTR_REPLACE), Err(Errno::ENODATA));
    set(sys, file, "user.two", b"x", XattrFlags::XATTR_CREATE)?;
    set(sys, file, "user.two", b"y", XattrFlags::XATTR_REPLACE)?;
    assert_eq!(get(sys, file, "user.two")?, b"y");
    assert_eq!(set(sys, file, "user.one", b"x", XattrFlags::from_bits_retain(4)), Err(Errno::EINVAL));
    assert_eq!(sys.fsetxattr(file, name(sys, "user.one"), sys.page(), 65537, 0), Err(Errno::E2BIG));
    assert_eq!(sys.fsetxattr(file, name(sys, "user.one"), 8, 4, 0), Err(Errno::EFAULT));
    Ok(())
}

fn what_a_name_must_be(sys: &dyn Sys) -> Outcome {
    let Some(file) = file(sys)? else { return Ok(()) };
    for (attribute, errno) in [
        ("", Errno::ERANGE),
        ("one", Errno::EOPNOTSUPP),
        ("other.one", Errno::EOPNOTSUPP),
        ("user.", Errno::EINVAL),
        (&format!("user.{}", "x".repeat(251)), Errno::ERANGE),
    ] {
        assert_eq!(set(sys, file, attribute, b"x", XattrFlags::empty()), Err(errno), "{attribute}");
    }
    assert_eq!(sys.fsetxattr(file, 8, sys.page(), 1, 0), Err(Errno::EFAULT));
    assert_eq!(sys.fremovexattr(file, 8), Err(Errno::EFAULT));
    let path = sys.path(sys.page(), "missing");
    assert_eq!(sys.getxattr(path, name(sys, "user.one"), 0, 0), Err(Errno::ENOENT));
    Ok(())
}

fn links_have_none_of_users(sys: &dyn Sys) -> Outcome {
    if file(sys)?.is_none() {
        return Ok(());
    }
    let (target, link) = (sys.path(sys.page(), "file"), sys.path(sys.page() + 0x100, "link"));
    sys.symlinkat(target, Fd::CWD, link)?;
    assert_eq!(sys.getxattr(link, name(sys, "user.one"), 0, 0)?, 5);
    assert_eq!(sys.lgetxattr(link, name(sys, "user.one"), 0, 0), Err(Errno::ENODATA));
    assert_eq!(sys.lsetxattr(link, name(sys, "user.one"), sys.page(), 1, 0), Err(Errno::EPERM));
    Ok(())
}

fn attributes_follow_a_file(sys: &dyn Sys) -> Outcome {
    let Some(file) = file(sys)? else { return Ok(()) };
    write(sys, file, b"contents")?;
    let (old, new) = (sys.path(sys.page(), "file"), sys.path(sys.page() + 0x100, "new"));
    sys.linkat(Fd::CWD, old, Fd::CWD, new, AtFlags::empty())?;
    sys.unlinkat(Fd::CWD, old, AtFlags::empty())?;
    assert_eq!(get(sys, open(sys, "new", OpenFlags::O_RDONLY)?, "user.one")?, b"first");
    Ok(())
}
