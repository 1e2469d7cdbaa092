//! One line that makes a failure happen again.
//!
//! Variables of the environment decide what a test's machines are told: `ORRERY_SEED` (a number) and `ORRERY_SCHEDULE`
//! (a [`Policy`] as text). They go into [`HostedConfig::default`](crate::HostedConfig::default), so every test that
//! leaves those fields alone obeys them.

use std::cell::Cell;

use crate::config::Mode;
use crate::schedule::Policy;

/// Names the seed.
pub const SEED: &str = "ORRERY_SEED";
/// Names the schedule's policy.
pub const SCHEDULE: &str = "ORRERY_SCHEDULE";
/// Names the plan of faults, which whoever plans faults reads; here it is only passed on.
pub const FAULTS: &str = "ORRERY_FAULTS";

/// The seed of the environment.
///
/// Panics when it is no number: a typing error must not pass for the default.
pub fn seed() -> Option<u64> {
    let text = std::env::var(SEED).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{SEED}={text} is no number")))
}

/// The policy of the environment.
///
/// Panics when it is none.
pub fn policy() -> Option<Policy> {
    let text = std::env::var(SCHEDULE).ok()?;
    Some(text.parse().unwrap_or_else(|problem| panic!("{SCHEDULE}={text}: {problem}")))
}

/// What stands before a command so that its machines do the same again: the seed, and whatever else is not as usual.
pub fn variables(seed: u64, policy: &Policy) -> String {
    let mut text = format!("{SEED}={seed} ");
    if !matches!(policy, Policy::Random) {
        text.push_str(&format!("{SCHEDULE}={policy} "));
    }
    if let Ok(faults) = std::env::var(FAULTS) {
        text.push_str(&format!("{FAULTS}='{faults}' "));
    }
    text
}

/// The line that runs the test on this thread again.
pub(crate) fn line(seed: u64, policy: &Policy) -> String {
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_else(|_| String::from("PACKAGE"));
    let thread = std::thread::current();
    // libtest names its threads as their tests; with one thread there is no telling.
    let test = thread.name().filter(|name| *name != "main").unwrap_or_default();
    let target = std::env::current_exe().ok().and_then(|path| {
        let name = path.file_stem()?.to_str()?.rsplit_once('-')?.0.to_owned();
        Some(if name == package.replace('-', "_") { String::from("--lib") } else { format!("--test {name}") })
    });
    let target = target.unwrap_or_default();
    format!("again: {}cargo test -p {package} {target} -- --exact {test}", variables(seed, policy))
        .trim_end()
        .to_owned()
}

thread_local! {
    /// The line was printed for the panic that this thread is in.
    static SAID: Cell<bool> = const { Cell::new(false) };
}

/// Prints the line for a deterministic machine that is dropped by the panic of one of libtest's tests, which run on
/// threads of their name: once for a thread. Other harnesses know better what to say.
pub(crate) fn say_at_panic(mode: Mode, policy: &Policy) {
    if let Mode::Deterministic { seed } = mode
        && std::thread::panicking()
        && std::env::var_os("CARGO_PKG_NAME").is_some()
        && std::thread::current().name().is_some()
        && !SAID.replace(true)
    {
        eprintln!("{}", line(seed, policy));
    }
}

#[cfg(test)]
mod tests {
    use super::line;
    use crate::schedule::Policy;

    #[test]
    fn a_line_names_seed_schedule_package_and_test() {
        let line = line(7, &Policy::Pct { depth: 3, steps: 100 });
        assert!(line.starts_with("again: ORRERY_SEED=7 ORRERY_SCHEDULE=pct:3:100 "), "{line}");
        assert!(line.contains("cargo test -p "), "{line}");
    }
}
