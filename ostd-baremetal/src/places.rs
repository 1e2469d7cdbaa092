//! Where virtio devices lie that are reached by memory: words of a command line, nodes of a device tree.

use alloc::vec::Vec;

use fdt::Fdt;

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

/// Every place that a device tree has, in its order.
pub fn of_tree(tree: &Fdt<'_>) -> Vec<Place> {
    let places = tree.all_nodes().filter_map(|node| {
        node.compatible()?.all().find(|name| *name == "virtio,mmio")?;
        let registers = node.reg()?.next()?;
        let line = u32::try_from(node.interrupts()?.next()?).ok()?;
        Some(Place { at: registers.starting_address as usize, len: registers.size?, line })
    });
    places.collect()
}

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
    use alloc::vec::Vec;

    use fdt::Fdt;

    use super::{Place, of_command_line, of_tree};

    /// A device tree as it is written: nodes opened and closed, and properties with their names.
    #[derive(Default)]
    struct Tree {
        nodes: Vec<u8>,
        names: Vec<u8>,
    }

    impl Tree {
        fn words(&mut self, words: &[u32]) {
            words.iter().for_each(|word| self.nodes.extend(word.to_be_bytes()));
        }

        fn bytes(&mut self, bytes: &[u8]) {
            self.nodes.extend(bytes);
            self.nodes.resize(self.nodes.len().next_multiple_of(4), 0);
        }

        fn open(&mut self, name: &str) {
            self.words(&[1]);
            self.bytes([name, "\0"].concat().as_bytes());
        }

        fn close(&mut self) {
            self.words(&[2]);
        }

        fn property(&mut self, name: &str, value: &[u8]) {
            let (len, at) = (value.len() as u32, self.names.len() as u32);
            self.words(&[3, len, at]);
            self.bytes(value);
            self.names.extend([name, "\0"].concat().as_bytes());
        }

        fn numbers(&mut self, name: &str, numbers: &[u32]) {
            let value: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
            self.property(name, &value);
        }

        /// Header, an empty list of reservations, nodes, names.
        fn finish(mut self) -> Vec<u8> {
            self.words(&[9]);
            let (nodes, names) = (self.nodes.len() as u32, self.names.len() as u32);
            let header = [0xd00d_feed, 56 + nodes + names, 56, 56 + nodes, 40, 17, 16, 0, names, nodes, 0, 0, 0, 0];
            let mut all: Vec<u8> = header.iter().flat_map(|word: &u32| word.to_be_bytes()).collect();
            all.extend(self.nodes);
            all.extend(self.names);
            all
        }
    }

    /// Two devices of QEMU's `virt` beside something else, and one without a line.
    fn tree() -> Vec<u8> {
        let mut tree = Tree::default();
        tree.open("");
        tree.numbers("#address-cells", &[2]);
        tree.numbers("#size-cells", &[2]);
        tree.open("soc");
        tree.numbers("#address-cells", &[2]);
        tree.numbers("#size-cells", &[2]);
        for (at, line, kind) in [
            (0x1000_1000, Some(1), "virtio,mmio\0"),
            (0x1000_8000, Some(8), "virtio,mmio\0"),
            (0x1000_0000, Some(10), "ns16550a\0"),
            (0x1000_9000, None, "virtio,mmio\0"),
        ] {
            tree.open("device");
            tree.property("compatible", kind.as_bytes());
            tree.numbers("reg", &[0, at, 0, 0x1000]);
            if let Some(line) = line {
                tree.numbers("interrupt-parent", &[3]);
                tree.numbers("interrupts", &[line]);
            }
            tree.close();
        }
        tree.open("plic");
        tree.numbers("phandle", &[3]);
        tree.numbers("#interrupt-cells", &[1]);
        tree.close();
        tree.close();
        tree.close();
        tree.finish()
    }

    #[test]
    fn every_device_of_a_tree_that_interrupts_is_found_in_its_order() {
        let bytes = tree();
        let tree = Fdt::new(&bytes).expect("a tree");
        let place = |at, line| Place { at, len: 0x1000, line };
        assert_eq!(of_tree(&tree), [place(0x1000_1000, 1), place(0x1000_8000, 8)]);
    }

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
