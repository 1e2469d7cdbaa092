//! A place to work in.

use std::path::PathBuf;

use libtest_mimic::Failed;

/// An empty directory of the test's own, removed at the end.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Result<Self, Failed> {
        // Tests run side by side: the first free number is taken by whoever makes the directory.
        for number in 0.. {
            let path = std::env::temp_dir().join(format!("orrery-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(problem) if problem.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(problem) => return Err(problem.into()),
            }
        }
        unreachable!("numbers do not end")
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("a temporary directory has a plain name")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A test that failed may have left it half-removed.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
