//! The table as a page of Markdown, for people who want to know which calls there are.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use crate::arg::{Direction, Kind};
use crate::row::{ROWS, Row};

/// The text of SYSCALLS.md.
pub fn markdown() -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = page(&mut out);
    out
}

fn page(out: &mut String) -> core::fmt::Result {
    let there: Vec<&Row> = ROWS.iter().filter(|row| row.implemented).collect();
    let later: Vec<&str> = ROWS.iter().filter(|row| !row.implemented).map(|row| row.name).collect();
    writeln!(out, "# System calls\n")?;
    writeln!(out, "Made from the table in `kernel/abi/src/table/`; do not edit.\n")?;
    writeln!(out, "{} calls are there:\n", there.len())?;
    writeln!(out, "| call | x86-64 | riscv64 | what it does | what is missing |")?;
    writeln!(out, "|---|---:|---:|---|---|")?;
    for row in there {
        write!(out, "| `{}(", row.name)?;
        for (at, (name, kind)) in row.args.iter().enumerate() {
            write!(out, "{}{name}: {}", if at > 0 { ", " } else { "" }, Type(*kind))?;
        }
        let [x86, riscv] = row.number.map(|number| number.map(|number| alloc::format!("{number}")).unwrap_or_default());
        writeln!(out, ")` | {x86} | {riscv} | {} | {} |", row.doc, row.without.unwrap_or_default())?;
    }
    if !later.is_empty() {
        writeln!(out, "\n{} calls are decoded and answered with ENOSYS so far:", later.len())?;
        writeln!(out, "{}.", later.join(", "))?;
    }
    Ok(())
}

/// An argument's type, as C would say it.
struct Type(Kind);

impl core::fmt::Display for Type {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Kind::Int { bits, signed, .. } => write!(f, "{}{bits}", if signed { "i" } else { "u" }),
            Kind::Fd => f.write_str("fd"),
            Kind::Path => f.write_str("path"),
            Kind::Name => f.write_str("string"),
            Kind::In => f.write_str("in buffer"),
            Kind::Out => f.write_str("out buffer"),
            Kind::Iovecs(direction) => write!(f, "{} buffers", Type::way(direction)),
            Kind::Flags(_) => f.write_str("flags"),
            Kind::Enum(_) => f.write_str("one of"),
            Kind::Struct(name, direction) => write!(f, "{} {name}", Type::way(direction)),
            Kind::Pointer => f.write_str("address"),
            Kind::Signal => f.write_str("signal"),
            Kind::Pid => f.write_str("pid"),
            Kind::Id => f.write_str("id"),
            Kind::Mode => f.write_str("mode"),
            Kind::Strings => f.write_str("strings"),
        }
    }
}

impl Type {
    fn way(direction: Direction) -> &'static str {
        match direction {
            Direction::In => "in",
            Direction::Out => "out",
            Direction::InOut => "in out",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::markdown;
    use crate::row::ROWS;

    #[test]
    fn the_page_in_the_tree_is_this_one() {
        assert!(include_str!("../SYSCALLS.md") == markdown(), "SYSCALLS.md is old: run cargo xtask syscalls");
    }

    #[test]
    fn every_row_is_on_the_page() {
        let page = markdown();
        for row in ROWS {
            assert!(page.contains(row.name), "{}", row.name);
        }
        let lines = page.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(lines, ROWS.iter().filter(|row| row.implemented).count());
        // A bar inside a cell would be read as the end of it.
        assert!(page.lines().filter(|line| line.starts_with("| `")).all(|line| line.matches('|').count() == 6));
    }
}
