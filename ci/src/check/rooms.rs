//! Rooms of the kernel and the arrows between them, drawn from `crate::` and `super::` paths.

use super::Violation;
use crate::source::{Source, Word, words};
use crate::tree::Tree;

/// Rooms from left to right. A room uses rooms of columns to its left; rooms of one column do not see each other.
pub(crate) const COLUMNS: &[&[&str]] = &[
    &["error", "abi"],
    &["time", "sched", "driver"],
    &["mm"],
    &["futex", "credentials"],
    &["vfs", "signal"],
    &["process"],
    &["fs", "net", "tty", "ipc"],
    &["syscall"],
    &["kernel"],
];

fn column(room: &str) -> Option<usize> {
    COLUMNS.iter().position(|rooms| rooms.contains(&room))
}

/// Every arrow in `kernel/src` points to the left, and every room has its column.
pub(crate) fn use_only_what_is_left_of_them(tree: &Tree) -> Vec<Violation> {
    let roots = tree.rust.iter().find(|file| file.path == "kernel/src/lib.rs").map(reexports).unwrap_or_default();
    let mut found = Vec::new();
    for file in &tree.rust {
        let Some((room, depth)) = room_of(&file.path) else { continue };
        let Some(own) = column(room) else {
            let what = format!("the room `{room}` has no column: ARCHITECTURE.md first, then the list in ci");
            found.push(Violation::on(&file.path, 1, what));
            continue;
        };
        for (at, name) in root_names(&file.shipped, depth) {
            let target = roots.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, room)| room.as_str());
            match column(target) {
                _ if target == room => {}
                // Handlers work on the whole kernel: the one name that points right.
                _ if room == "syscall" && target == "kernel" => {}
                Some(other) if other < own => {}
                Some(_) => found.push(Violation::at(file, at, format!("`{room}` may not use `{target}`"))),
                None => found.push(Violation::at(file, at, format!("`crate::{name}` is in no room"))),
            }
        }
    }
    found
}

/// The room of a file of the kernel and how many modules deep the file lies; none for the crate's roots.
fn room_of(path: &str) -> Option<(&str, usize)> {
    let inside = path.strip_prefix("kernel/src/")?.strip_suffix(".rs")?;
    if inside == "lib" || inside.starts_with("bin/") {
        return None;
    }
    let inside = inside.strip_suffix("/mod").unwrap_or(inside);
    Some((inside.split('/').next()?, inside.split('/').count()))
}

/// Names that `lib.rs` gives to things of rooms: `pub use mm::Vma` makes (`Vma`, `mm`).
fn reexports(lib: &Source) -> Vec<(String, String)> {
    let words = words(&lib.shipped);
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if word.text != "use" {
            continue;
        }
        let path: Vec<_> = words[index + 1..].iter().take_while(|word| word.text != ";").collect();
        let Some(room) = path.iter().map(|word| word.text).find(|text| column(text).is_some()) else { continue };
        for (position, name) in path.iter().enumerate().filter(|(_, word)| is_name(word)) {
            let goes_on = path.get(position + 1).is_some_and(|next| next.text == "::" || next.text == "as");
            if !goes_on {
                found.push((name.text.to_string(), room.to_string()));
            }
        }
    }
    found
}

fn is_name(word: &Word<'_>) -> bool {
    word.text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

/// Every name that `code` takes from the crate's root, `depth` modules up, with its place.
fn root_names(code: &str, depth: usize) -> Vec<(usize, &str)> {
    let words = words(code);
    let mut found = Vec::new();
    let mut blocks = Vec::new();
    let mut index = 0;
    while index < words.len() {
        match words[index].text {
            "{" => blocks.push(index >= 2 && words[index - 2].text == "mod"),
            "}" => drop(blocks.pop()),
            "crate" if is_followed_by_path(&words, index) => {
                names_after(&words, index + 2, &mut found);
            }
            "super" => {
                let mut ups = 1;
                while words.get(index + 2).is_some_and(|word| word.text == "super") {
                    ups += 1;
                    index += 2;
                }
                let here = depth + blocks.iter().filter(|is_module| **is_module).count();
                if ups >= here && is_followed_by_path(&words, index) {
                    names_after(&words, index + 2, &mut found);
                }
            }
            _ => {}
        }
        index += 1;
    }
    found
}

fn is_followed_by_path(words: &[Word<'_>], index: usize) -> bool {
    words.get(index + 1).is_some_and(|word| word.text == "::")
}

/// The first name of the path at `index`, or the first names of the paths in the braces there. Macros are no rooms.
fn names_after<'a>(words: &[Word<'a>], index: usize, found: &mut Vec<(usize, &'a str)>) {
    let Some(first) = words.get(index) else { return };
    if is_name(first) {
        if words.get(index + 1).is_none_or(|next| next.text != "!") {
            found.push((first.at, first.text));
        }
        return;
    }
    if first.text != "{" {
        return;
    }
    let mut depth = 0;
    for (offset, word) in words[index..].iter().enumerate() {
        match word.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ if depth == 1 && is_name(word) && matches!(words[index + offset - 1].text, "{" | ",") => {
                found.push((word.at, word.text));
            }
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::use_only_what_is_left_of_them as rule;
    use crate::check::tests::broken;
    use crate::tree::Tree;

    #[test]
    fn an_arrow_to_the_right_is_found() {
        assert_eq!(broken(rule, "kernel/src/mm/fault.rs", "use crate::error::Errno;\nuse crate::vfs::Inode;"), [2]);
        assert_eq!(broken(rule, "kernel/src/vfs/mod.rs", "use crate::{mm::Vma, process::{Process, group}};"), [1]);
        assert_eq!(broken(rule, "kernel/src/vfs.rs", "fn f() -> crate::syscall::Table { x }"), [1]);
    }

    #[test]
    fn rooms_of_one_column_do_not_see_each_other() {
        assert_eq!(broken(rule, "kernel/src/signal.rs", "use crate::vfs::Inode;"), [1]);
        assert_eq!(broken(rule, "kernel/src/tty/line.rs", "\nuse crate::ipc::Pipe;"), [2]);
    }

    #[test]
    fn arrows_to_the_left_and_inside_a_room_pass() {
        let text =
            "use crate::mm::Vma;\nuse crate::process::Process;\nuse crate::fs::tmpfs::Node;\nuse super::proc::Entry;";
        assert_eq!(broken(rule, "kernel/src/fs/proc/mod.rs", text), []);
        let tests = "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::kernel::Kernel;\n    use super::f;\n}";
        assert_eq!(broken(rule, "kernel/src/mm.rs", tests), []);
    }

    #[test]
    fn super_reaches_the_crate_root_too() {
        assert_eq!(broken(rule, "kernel/src/mm.rs", "use super::vfs::Inode;"), [1]);
        assert_eq!(broken(rule, "kernel/src/mm/fault.rs", "use super::super::vfs::Inode;\nuse super::vfs;"), [1]);
        assert_eq!(broken(rule, "kernel/src/mm.rs", "mod inner {\n use super::vfs;\n use super::super::vfs;\n}"), [3]);
    }

    #[test]
    fn a_name_reexported_at_the_root_keeps_its_room() {
        let lib = ("kernel/src/lib.rs", "pub use kernel::{Kernel, Report as R};\npub use error::Errno;");
        let lines = |text| {
            let tree = Tree::of(&[lib, ("kernel/src/mm.rs", text)]);
            rule(&tree).iter().map(|violation| violation.line).collect::<Vec<_>>()
        };
        assert_eq!(lines("use crate::Errno;\nuse crate::Kernel;"), [2]);
        assert_eq!(lines("use crate::Elsewhere;"), [1]);
        assert_eq!(lines("fn f() { crate::ensure!(true) }"), []);
    }

    #[test]
    fn a_room_without_a_column_is_found() {
        assert_eq!(broken(rule, "kernel/src/util/mod.rs", "fn f() {}"), [1]);
    }
}
