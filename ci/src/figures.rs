//! Figures about the source: lines, unsafe lines, the trusted base, and the rows of the system-call table.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::boot::Arch;
use crate::check::{CRATES, conditions};
use crate::source::{Source, past_closing, words};
use crate::tree::Tree;

pub(crate) mod edit;
mod metal;

/// Lines of code: neither blank nor comment.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
struct Lines {
    files: usize,
    shipped: usize,
    tests: usize,
    unsafe_: usize,
    unsafe_blocks: usize,
}

impl Lines {
    fn of(file: &Source) -> Self {
        let count = |code: &str| code.lines().filter(|line| !line.trim().is_empty()).count();
        let shipped = count(&file.shipped);
        let (unsafe_, unsafe_blocks) = unsafe_lines(&file.shipped);
        Self { files: 1, shipped, tests: count(&file.code) - shipped, unsafe_, unsafe_blocks }
    }

    fn sum(of: impl Iterator<Item = Self>) -> Self {
        of.fold(Self::default(), |sum, one| Self {
            files: sum.files + one.files,
            shipped: sum.shipped + one.shipped,
            tests: sum.tests + one.tests,
            unsafe_: sum.unsafe_ + one.unsafe_,
            unsafe_blocks: sum.unsafe_blocks + one.unsafe_blocks,
        })
    }
}

/// Lines that an unsafe block covers or on which an unsafe item is declared, and the number of blocks.
fn unsafe_lines(code: &str) -> (usize, usize) {
    let words = words(code);
    let line_of = |at: usize| code[..at].matches('\n').count();
    let (mut lines, mut blocks) = (BTreeSet::new(), 0);
    for pair in words.windows(2).filter(|pair| pair[0].text == "unsafe") {
        let mut last = line_of(pair[0].at);
        if pair[1].text == "{" {
            blocks += 1;
            last = line_of(past_closing(code, pair[1].at) - 1);
        }
        lines.extend(line_of(pair[0].at)..=last);
    }
    (lines.len(), blocks)
}

/// Prints the tables.
pub(crate) fn print(tree: &Tree, ranking: Option<&Path>) -> Result<()> {
    println!("{:<16}{:>7}{:>9}{:>9}{:>9}{:>9}", "crate", "files", "lines", "tests", "unsafe", "blocks");
    let row = |name: &str, lines: Lines| {
        let Lines { files, shipped, tests, unsafe_, unsafe_blocks } = lines;
        println!("{name:<16}{files:>7}{shipped:>9}{tests:>9}{unsafe_:>9}{unsafe_blocks:>9}");
    };
    let of = |wanted: &[&str]| {
        Lines::sum(tree.rust.iter().filter(|file| wanted.contains(&crate_of(&file.path))).map(Lines::of))
    };
    for (_, name, _) in CRATES {
        row(name, of(&[*name]));
    }
    row("all", Lines::sum(tree.rust.iter().map(Lines::of)));
    println!("\nTrusted base, hosted:     {} lines", of(&["ostd", "ostd-hal", "ostd-hosted"]).shipped);
    println!("Trusted base, bare metal: {} lines", of(&["ostd", "ostd-hal", "ostd-baremetal"]).shipped);
    println!("(Lines of code without blanks and comments; `tests` are those compiled for tests only.)");

    let rows = table_rows(tree);
    println!("\nRows in the system-call table: {}", rows.len());
    if let Some(path) = ranking {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        print_ranking(&text, &rows);
    }
    Ok(())
}

/// Prints the tables about images, for one processor or both; `boots` of each kernel, none without QEMU.
pub(crate) fn print_metal(tree: &Tree, arch: Option<Arch>, boots: usize) -> Result<()> {
    let backends = ["ostd-hosted", "ostd-baremetal"];
    let above = tree.rust.iter().filter(|file| !backends.iter().any(|folder| file.path.starts_with(folder)));
    let asking: Vec<_> = above
        .map(|file| (&file.path, conditions(file).iter().filter(|(_, what)| what.contains("target_")).count()))
        .filter(|(_, count)| *count > 0)
        .collect();
    println!("cfg(target_…) outside the backends: {}", asking.iter().map(|(_, count)| count).sum::<usize>());
    asking.iter().for_each(|(path, count)| println!("  {count:>2} {path}"));
    for arch in [Arch::X86_64, Arch::Riscv64].into_iter().filter(|known| arch.is_none_or(|only| only == *known)) {
        metal::print(tree, arch, boots)?;
    }
    Ok(())
}

/// The crate a file belongs to: the deepest folder of a crate above it.
fn crate_of(path: &str) -> &'static str {
    let homes = CRATES.iter().filter(|(home, ..)| path.strip_prefix(home).is_some_and(|rest| rest.starts_with('/')));
    homes.max_by_key(|(home, ..)| home.len()).map_or("", |(_, name, _)| name)
}

/// Names of the rows: `name [ number number ] = …` in kernel-abi, but for those whose handler comes `later`.
fn table_rows(tree: &Tree) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in tree.rust.iter().filter(|file| crate_of(&file.path) == "kernel-abi") {
        let words = words(&file.shipped);
        for row in words.windows(7) {
            let is_number = |text: &str| text == "-" || text.bytes().all(|byte| byte.is_ascii_digit());
            let shape = [row[1].text, row[4].text, row[5].text] == ["[", "]", "="];
            if shape && row[6].text != "later" && is_number(row[2].text) && is_number(row[3].text) {
                names.insert(row[0].text.to_string());
            }
        }
    }
    names
}

/// How far down a ranking the issue looks.
const RANKS: usize = 130;

fn print_ranking(text: &str, rows: &BTreeSet<String>) {
    let ranked: Vec<&str> = text.lines().filter_map(ranked_name).take(RANKS).collect();
    let (have, lack): (Vec<&str>, Vec<&str>) = ranked.iter().partition(|name| rows.contains(**name));
    println!("Of the first {} of the ranking, {} have rows: {}", ranked.len(), have.len(), have.join(" "));
    println!("Without a row: {}", lack.join(" "));
}

/// The name on a line of a ranking; none on its heading.
fn ranked_name(line: &str) -> Option<&str> {
    let mut columns = line.split('\t');
    let rank = columns.next()?;
    rank.trim().parse::<usize>().ok().and_then(|_| columns.next())
}

#[cfg(test)]
mod tests {
    use super::{Lines, crate_of, table_rows};
    use crate::source::Source;
    use crate::tree::Tree;

    #[test]
    fn unsafe_lines_are_those_a_block_covers() {
        let text = "//! Doc.\n\nfn f() {\n    // why\n    unsafe {\n        g();\n    }\n    h();\n}\nunsafe impl Send for X {}\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\n";
        let lines = Lines::of(&Source::new("ostd/src/frame.rs".into(), text.into()));
        assert_eq!(lines, Lines { files: 1, shipped: 7, tests: 4, unsafe_: 4, unsafe_blocks: 1 });
    }

    #[test]
    fn modules_for_tests_ship_nothing_whatever_their_names() {
        let tree = Tree::of(&[
            ("ostd/src/sync/mod.rs", "mod a;\n#[cfg(test)]\nmod model;\n"),
            ("ostd/src/sync/a.rs", "fn a() {}\n"),
            ("ostd/src/sync/model/mod.rs", "fn b() {}\n"),
            ("ostd/src/sync/model/c.rs", "fn c() {}\n"),
        ]);
        let lines = Lines::sum(tree.rust.iter().map(Lines::of));
        assert_eq!((lines.shipped, lines.tests), (2, 4));
    }

    #[test]
    fn a_file_belongs_to_the_deepest_crate() {
        assert_eq!(crate_of("ostd/hal/src/hal.rs"), "ostd-hal");
        assert_eq!(crate_of("ostd-hosted/src/lib.rs"), "ostd-hosted");
        assert_eq!(crate_of("README.md"), "");
    }

    #[test]
    fn rows_are_read_off_the_table() {
        let table = "syscalls! {\n /// Read.\n read [ 0 63 ] = file::read(file: Fd);\n open [ 2 - ] = path::open(a: B) without \"x\";\n bpf [ 321 280 ] = later file::bpf();\n}";
        let rows = table_rows(&Tree::of(&[("kernel/abi/src/table.rs", table)]));
        assert_eq!(rows.into_iter().collect::<Vec<_>>(), ["open", "read"]);
    }
}
