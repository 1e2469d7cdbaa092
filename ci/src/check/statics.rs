//! Statics: constants only. State belongs to the machine or the kernel, so that a thousand of them fit one process.

use super::Violation;
use crate::source::{Word, words};
use crate::tree::Tree;

const WATCHED: &[&str] = &["kernel/", "ostd/"];

/// Parts of type names that let a static change.
const MUTABLE: &[&str] = &["Atomic", "Cell", "Mutex", "RwLock", "SpinLock", "Once", "Lazy", "WaitQueue"];

/// Statics that may change, as (path, name), each with its reason in ARCHITECTURE.md. None so far.
const ALLOWED: &[(&str, &str)] = &[];

/// No `static mut`, no static with interior mutability, no thread-local, in ostd, its waist and the kernel.
pub(crate) fn hold_no_state(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust.iter().filter(|file| WATCHED.iter().any(|folder| file.path.starts_with(folder))) {
        let words = words(&file.shipped);
        for (index, word) in words.iter().enumerate() {
            let is_lifetime = index > 0 && words[index - 1].text == "'";
            let stateful = match word.text {
                "thread_local" => true,
                "static" if !is_lifetime => is_stateful(&words[index + 1..]),
                _ => false,
            };
            let name = words[index + 1..].iter().find(|word| word.text != "mut").map_or("", |word| word.text);
            if stateful && !ALLOWED.contains(&(file.path.as_str(), name)) {
                found.push(Violation::at(file, word.at, "state in a static: it belongs to the machine or the kernel"));
            }
        }
    }
    found
}

/// Whether a static whose declaration goes on with `rest` can change.
fn is_stateful(rest: &[Word<'_>]) -> bool {
    let declared = rest.iter().take_while(|word| word.text != "=" && word.text != ";");
    let mut has_type = false;
    for word in declared {
        has_type |= word.text == ":";
        if word.text == "mut" || has_type && MUTABLE.iter().any(|part| word.text.contains(part)) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::hold_no_state as rule;
    use crate::check::tests::broken;

    #[test]
    fn a_static_that_can_change_is_found() {
        assert_eq!(broken(rule, "kernel/src/pid.rs", "static NEXT: AtomicU32 = AtomicU32::new(1);"), [1]);
        assert_eq!(broken(rule, "ostd/src/frame.rs", "\npub(crate) static mut POOL: [u8; 4] = [0; 4];"), [2]);
        assert_eq!(broken(rule, "ostd/hal/src/hal.rs", "static A: &SpinLock<u8> = &B;"), [1]);
        assert_eq!(broken(rule, "ostd/src/cpu.rs", "std::thread_local! { static ID: u8 = 1; }"), [1]);
    }

    #[test]
    fn constants_and_lifetimes_pass() {
        let text = "static NAMES: [&'static str; 1] = [\"a\"];\nfn f(x: &'static Mutex<u8>) -> u8 { 1 }";
        assert_eq!(broken(rule, "kernel/src/abi.rs", text), []);
        assert_eq!(broken(rule, "ostd-hosted/src/cpu.rs", "thread_local! { static A: Cell<u8> = Cell::new(1); }"), []);
    }
}
