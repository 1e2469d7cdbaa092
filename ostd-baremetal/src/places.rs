//! Where virtio devices lie that are reached by memory: words of a command line.

use alloc::vec::Vec;

/// A device's registers and its interrupt line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Physical address of the registers.
    pub at: usize,
    /// Their length in bytes.
    pub len: usize,
    /// The line of the interrupt controller.
    pub line: u32,
}

const WORD: &[u8] = b"virtio_mmio.device=";

/// Every place that a command line names, as Linux writes them: `virtio_mmio.device=512@0xfeb00e00:12`, perhaps with an
/// identifier behind another colon. Words that cannot be read are left out.
pub fn of_command_line(line: &[u8]) -> Vec<Place> {
    line.split(|byte| *byte == b' ').filter_map(|word| of_word(word.strip_prefix(WORD)?)).collect()
}

fn of_word(word: &[u8]) -> Option<Place> {
    let word = core::str::from_utf8(word).ok()?;
    let (len, rest) = word.split_once('@')?;
    let mut rest = rest.split(':');
    let (at, line) = (number(rest.next()?)?, number(rest.next()?)?);
    let place = Place { at, len: length(len)?, line: u32::try_from(line).ok()? };
    place.at.checked_add(place.len)?;
    place.at.is_multiple_of(4).then_some(place)
}

/// Decimal, or hexadecimal behind `0x`.
fn number(digits: &str) -> Option<usize> {
    match digits.strip_prefix("0x") {
        Some(digits) => usize::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    }
}

/// A number with an optional K.
fn length(text: &str) -> Option<usize> {
    match text.strip_suffix(['K', 'k']) {
        Some(digits) => number(digits)?.checked_mul(1024),
        None => number(text),
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, of_command_line};

    #[test]
    fn every_device_of_a_line_is_found_in_its_order() {
        let line = b"arg=ls virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=4K@4096:5:0 quiet";
        let places = of_command_line(line);
        assert_eq!(places, [Place { at: 0xfeb0_0e00, len: 512, line: 12 }, Place { at: 4096, len: 4096, line: 5 }]);
    }

    #[test]
    fn what_cannot_be_read_is_no_place() {
        for broken in ["", "512", "512@", "512@0x1000", "512@0x1000:x", "512@0x1001:1", "x@0x1000:1", "1@-1:1"] {
            assert_eq!(of_command_line(["virtio_mmio.device=", broken].concat().as_bytes()), [], "{broken}");
        }
        assert_eq!(of_command_line(b"virtio_mmio.device=512@0xffffffffffffff00:1"), [], "behind the last address");
    }
}
