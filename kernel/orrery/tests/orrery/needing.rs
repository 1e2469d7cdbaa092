//! A program that this machine lacks makes its test show as ignored, with what to install; `ORRERY_REQUIRE_ALL=1` makes
//! that a failure.

use std::path::Path;

use libtest_mimic::{Failed, Trial};

/// A test that is ignored, or fails, where a program is missing.
pub(crate) fn needing(
    program: &'static str,
    package: &'static str,
    name: &str,
    test: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    if Path::new(program).exists() {
        return Trial::test(name, test);
    }
    let missing = format!("{program} is missing: apt-get install {package}");
    if std::env::var_os("ORRERY_REQUIRE_ALL").is_some() {
        return Trial::test(name, move || Err(missing.into()));
    }
    Trial::test(format!("{name} ({missing})"), test).with_ignored_flag(true)
}
