//! The table of system calls, and the list of names, against the numbers in Linux's headers (`linux/measure`).

use std::collections::BTreeMap;

use kernel_abi::names::name_of;
use kernel_abi::row::NUMBER_MAX;
use kernel_abi::{Arch, Call, ROWS};

const HEADERS: [(Arch, &str); 2] =
    [(Arch::X86_64, include_str!("linux/x86_64.calls")), (Arch::Riscv64, include_str!("linux/riscv64.calls"))];

/// Calls younger than the headers. From here on every architecture has the same numbers.
const YOUNGER: usize = 463;

fn numbers(text: &str) -> BTreeMap<&str, usize> {
    let line = |line| str::split_once(line, ' ').and_then(|(name, number)| Some((name, number.parse().ok()?)));
    text.lines().map(|text| line(text).unwrap_or_else(|| panic!("`{text}` is no call"))).collect()
}

#[test]
fn every_row_has_linuxs_number_where_linux_has_the_call_and_none_elsewhere() {
    for (arch, text) in HEADERS {
        let linux = numbers(text);
        let mut wrong = Vec::new();
        for (call, row) in Call::ALL.iter().zip(ROWS) {
            // clone(2) is two rows, since RISC-V has two arguments the other way round.
            let other_clone = match arch {
                Arch::X86_64 => Call::clone_backwards,
                Arch::Riscv64 => Call::clone,
            };
            let theirs = linux.get(row.name).copied().filter(|_| *call != other_clone);
            let ours = call.number(arch);
            if ours != theirs && ours.is_none_or(|number| number < YOUNGER) {
                wrong.push(format!("{call:?}: {ours:?}, Linux's is {theirs:?}"));
            }
        }
        assert!(wrong.is_empty(), "{arch:?}:\n{}", wrong.join("\n"));
    }
}

#[test]
fn every_number_of_linux_has_its_name_and_no_other_number_has_one() {
    for (arch, text) in HEADERS {
        let linux: BTreeMap<usize, &str> = numbers(text).into_iter().map(|(name, number)| (number, name)).collect();
        for number in 0..YOUNGER.min(NUMBER_MAX) {
            assert_eq!(name_of(arch, number), linux.get(&number).copied(), "{arch:?} {number}");
        }
        for number in YOUNGER..NUMBER_MAX {
            assert_eq!(name_of(arch, number), name_of(Arch::X86_64, number), "{arch:?} {number}");
        }
    }
}

/// `CONFIG_CLONE_BACKWARDS` of RISC-V; no other row's arguments depend on a 64-bit architecture.
#[test]
fn risc_v_has_clones_last_arguments_the_other_way_round() {
    let names = |call: Call| call.row().args.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    assert_eq!(names(Call::clone), ["flags", "stack", "parent_tid", "child_tid", "tls"]);
    assert_eq!(names(Call::clone_backwards), ["flags", "stack", "parent_tid", "tls", "child_tid"]);
}
