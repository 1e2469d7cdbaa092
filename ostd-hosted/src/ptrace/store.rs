//! Which instructions certainly store to an address that faulted.
//!
//! The host says where a fault was, not what the access wanted. This table answers for instructions with one memory
//! operand that they always write, and for those that write to the stack. Whatever it does not know counts as a read,
//! which costs a second fault (Intel SDM volume 2, appendix A).

use libc::user_regs_struct;

/// Whether the instruction in `bytes`, with `regs` before it, certainly stores at `addr`. `false` means "perhaps not".
pub(super) fn writes(bytes: &[u8], regs: &user_regs_struct, addr: usize) -> bool {
    Decoder::start(bytes).and_then(|(decoder, opcode)| decoder.target(opcode)).is_some_and(|target| match target {
        Target::Operand => true,
        Target::Pushed => is_within(addr, regs.rsp.wrapping_sub(8)),
        Target::OperandNotStack => !is_within(addr, regs.rsp),
        Target::String => is_within(addr, regs.rdi) && !is_within(addr, regs.rsi),
    })
}

/// Whether `addr` is one of the eight bytes at `start`.
fn is_within(addr: usize, start: u64) -> bool {
    (addr as u64).wrapping_sub(start) < 8
}

/// What a storing instruction writes.
enum Target {
    /// Its only memory operand.
    Operand,
    /// The stack; it may read memory elsewhere.
    Pushed,
    /// Its memory operand, while it reads the stack.
    OperandNotStack,
    /// Where `rdi` points, while it reads where `rsi` points.
    String,
}

/// The mandatory prefix that selects among instructions of one opcode.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prefix {
    None,
    OperandSize,
    Rep,
    Repne,
}

/// How the opcode is encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Legacy,
    Vex,
    Evex,
}

struct Decoder<'a> {
    form: Form,
    prefix: Prefix,
    /// 0 for one-byte opcodes, 1 behind `0f`, 2 behind `0f 38`, 3 behind `0f 3a`.
    map: u8,
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Reads everything up to and including the opcode.
    fn start(mut bytes: &'a [u8]) -> Option<(Self, u8)> {
        let mut prefix = Prefix::None;
        loop {
            let (&byte, rest) = bytes.split_first()?;
            match byte {
                0x66 if prefix == Prefix::None => prefix = Prefix::OperandSize,
                0xf3 => prefix = Prefix::Rep,
                0xf2 => prefix = Prefix::Repne,
                0x66 | 0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 | 0xf0 => {}
                _ => break,
            }
            bytes = rest;
        }
        if let [0x40..=0x4f, rest @ ..] = bytes {
            bytes = rest;
        }
        let packed = |bits: u8| match bits & 3 {
            0 => Prefix::None,
            1 => Prefix::OperandSize,
            2 => Prefix::Rep,
            _ => Prefix::Repne,
        };
        let (form, prefix, map, opcode, rest) = match *bytes {
            [0x0f, 0x38, opcode, ref rest @ ..] => (Form::Legacy, prefix, 2, opcode, rest),
            [0x0f, 0x3a, opcode, ref rest @ ..] => (Form::Legacy, prefix, 3, opcode, rest),
            [0x0f, opcode, ref rest @ ..] => (Form::Legacy, prefix, 1, opcode, rest),
            [0xc5, bits, opcode, ref rest @ ..] => (Form::Vex, packed(bits), 1, opcode, rest),
            [0xc4, map, bits, opcode, ref rest @ ..] => (Form::Vex, packed(bits), map & 0x1f, opcode, rest),
            [0x62, map, bits, _, opcode, ref rest @ ..] => (Form::Evex, packed(bits), map & 7, opcode, rest),
            [opcode, ref rest @ ..] => (Form::Legacy, prefix, 0, opcode, rest),
            [] => return None,
        };
        Some((Self { form, prefix, map, rest }, opcode))
    }

    /// What the instruction stores to, if it certainly does.
    fn target(&self, opcode: u8) -> Option<Target> {
        match (self.form, self.map) {
            (Form::Legacy, 0) => self.one_byte(opcode),
            (Form::Legacy, 1) if matches!(opcode, 0xa0 | 0xa8) => Some(Target::Pushed),
            (_, 1) if self.vector_store(opcode) => self.operand(),
            (Form::Legacy, 1) if self.two_byte(opcode)? => self.operand(),
            (Form::Vex, 1) if opcode == 0xae && self.extension()? == 3 => self.operand(),
            (Form::Legacy, 2) if opcode == 0xf1 && self.prefix != Prefix::Repne => self.operand(),
            (Form::Vex, 2) if matches!(opcode, 0x2e | 0x2f | 0x8e) => self.operand(),
            (Form::Evex, 2) if self.narrowing_store(opcode) => self.operand(),
            (_, 3) if matches!(opcode, 0x14..=0x17) => self.operand(),
            (Form::Vex, 3) if matches!(opcode, 0x19 | 0x1d | 0x39) => self.operand(),
            (Form::Evex, 3) if matches!(opcode, 0x19 | 0x1b | 0x1d | 0x39 | 0x3b) => self.operand(),
            _ => None,
        }
    }

    fn one_byte(&self, opcode: u8) -> Option<Target> {
        let stores = match opcode {
            // push, call, pushf
            0x50..=0x57 | 0x68 | 0x6a | 0xe8 | 0x9c => return Some(Target::Pushed),
            // movs
            0xa4 | 0xa5 => return Some(Target::String),
            // mov to an absolute address, stos
            0xa2 | 0xa3 | 0xaa | 0xab => return Some(Target::Operand),
            // pop to memory
            0x8f => return self.operand().map(|_| Target::OperandNotStack),
            // call and push from memory
            0xff if matches!(self.extension()?, 2 | 6) => return Some(Target::Pushed),
            // add, or, adc, sbb, and, sub, xor; not cmp
            0x00..=0x37 => matches!(opcode & 7, 0 | 1),
            0x80 | 0x81 | 0x83 => self.extension()? != 7,
            // xchg, mov
            0x86..=0x89 | 0x8c => true,
            // shifts and rotations
            0xc0 | 0xc1 | 0xd0..=0xd3 => true,
            0xc6 | 0xc7 => self.extension()? == 0,
            // x87 stores
            0xd9 => matches!(self.extension()?, 2 | 3 | 6 | 7),
            0xdb => matches!(self.extension()?, 1 | 2 | 3 | 7),
            0xdd | 0xdf => matches!(self.extension()?, 1 | 2 | 3 | 6 | 7),
            // not, neg
            0xf6 | 0xf7 => matches!(self.extension()?, 2 | 3),
            // inc, dec
            0xfe | 0xff => matches!(self.extension()?, 0 | 1),
            _ => false,
        };
        if stores { self.operand() } else { None }
    }

    /// Whether an opcode of the `0f` map stores to its operand, if that is memory; vectors apart.
    fn two_byte(&self, opcode: u8) -> Option<bool> {
        Some(match opcode {
            // setcc, bts, shld, btr, shrd, btc, cmpxchg, xadd, movnti
            0x90..=0x9f | 0xa4 | 0xa5 | 0xab | 0xac | 0xad | 0xb0 | 0xb1 | 0xb3 | 0xbb | 0xc0 | 0xc1 | 0xc3 => true,
            // fxsave, stmxcsr, xsave, xsaveopt
            0xae => self.prefix == Prefix::None && matches!(self.extension()?, 0 | 3 | 4 | 6),
            // bts, btr, btc with a constant
            0xba => self.extension()? >= 5,
            // cmpxchg8b and cmpxchg16b, xsavec
            0xc7 => matches!(self.extension()?, 1 | 4),
            _ => false,
        })
    }

    /// Whether an opcode of the `0f` map is a vector move to its operand, in any form.
    fn vector_store(&self, opcode: u8) -> bool {
        match opcode {
            0x11 | 0x29 | 0x2b | 0x7f | 0xe7 => true,
            0x13 | 0x17 => matches!(self.prefix, Prefix::None | Prefix::OperandSize),
            0x7e => matches!(self.prefix, Prefix::None | Prefix::OperandSize),
            0xd6 => self.prefix == Prefix::OperandSize,
            _ => false,
        }
    }

    /// Whether an EVEX opcode of the `0f 38` map stores fewer bytes than its register has: compress, vpmov.
    fn narrowing_store(&self, opcode: u8) -> bool {
        match opcode {
            0x63 | 0x8a | 0x8b => self.prefix == Prefix::OperandSize,
            0x10..=0x15 | 0x20..=0x25 | 0x30..=0x35 => self.prefix == Prefix::Rep,
            _ => false,
        }
    }

    /// The middle field of the ModRM byte, which extends some opcodes.
    fn extension(&self) -> Option<u8> {
        self.rest.first().map(|modrm| modrm >> 3 & 7)
    }

    /// The operand, if it is memory.
    fn operand(&self) -> Option<Target> {
        self.rest.first().filter(|modrm| **modrm < 0xc0).map(|_| Target::Operand)
    }
}

#[cfg(test)]
mod tests {
    use libc::user_regs_struct;

    use super::super::stub::host_registers;
    use super::writes;

    const ADDR: usize = 0x1000;

    /// Registers of which none points near [`ADDR`].
    fn elsewhere() -> user_regs_struct {
        user_regs_struct { rsp: 0x9000, rdi: 0x7000, rsi: 0x5000, ..host_registers() }
    }

    #[test]
    fn stores_to_an_operand_are_recognised() {
        let stores: &[&[u8]] = &[
            &[0x88, 0x07],                               // mov [rdi], al
            &[0x48, 0x89, 0x47, 0x08],                   // mov [rdi + 8], rax
            &[0xc7, 0x07, 1, 0, 0, 0],                   // mov dword [rdi], 1
            &[0x64, 0x48, 0x89, 0x04, 0x25, 0, 0, 0, 0], // mov fs:[0], rax
            &[0xf0, 0x48, 0x0f, 0xb1, 0x0f],             // lock cmpxchg [rdi], rcx
            &[0xf0, 0x0f, 0xc1, 0x07],                   // lock xadd [rdi], eax
            &[0x87, 0x07],                               // xchg [rdi], eax
            &[0x83, 0x07, 1],                            // add dword [rdi], 1
            &[0x01, 0x07],                               // add [rdi], eax
            &[0xff, 0x07],                               // inc dword [rdi]
            &[0xf7, 0x1f],                               // neg dword [rdi]
            &[0xd1, 0x27],                               // shl dword [rdi], 1
            &[0x0f, 0x94, 0x07],                         // sete [rdi]
            &[0xf3, 0x48, 0xab],                         // rep stosq
            &[0x0f, 0x29, 0x07],                         // movaps [rdi], xmm0
            &[0x66, 0x0f, 0xd6, 0x07],                   // movq [rdi], xmm0
            &[0xf3, 0x0f, 0x7f, 0x07],                   // movdqu [rdi], xmm0
            &[0x66, 0x0f, 0x7e, 0x07],                   // movd [rdi], xmm0
            &[0x48, 0x0f, 0xc3, 0x07],                   // movnti [rdi], rax
            &[0xc5, 0xfe, 0x7f, 0x07],                   // vmovdqu [rdi], ymm0
            &[0xc4, 0xe3, 0x7d, 0x39, 0x07, 1],          // vextracti128 [rdi], ymm0, 1
            &[0x62, 0xf1, 0xfe, 0x28, 0x7f, 0x07],       // vmovdqu64 [rdi], ymm0
            &[0x0f, 0xae, 0x27],                         // xsave [rdi]
            &[0xd9, 0x3f],                               // fnstcw [rdi]
            &[0x8f, 0x07],                               // pop [rdi]
        ];
        for bytes in stores {
            assert!(writes(bytes, &elsewhere(), ADDR), "{bytes:x?}");
        }
    }

    #[test]
    fn loads_and_registers_are_not_stores() {
        let others: &[&[u8]] = &[
            &[0x8b, 0x07],                         // mov eax, [rdi]
            &[0x89, 0xc7],                         // mov edi, eax
            &[0x39, 0x07],                         // cmp [rdi], eax
            &[0x83, 0x3f, 1],                      // cmp dword [rdi], 1
            &[0x85, 0x07],                         // test [rdi], eax
            &[0xf7, 0x37],                         // div dword [rdi]
            &[0xff, 0x27],                         // jmp [rdi]
            &[0x0f, 0x10, 0x07],                   // movups xmm0, [rdi]
            &[0xf3, 0x0f, 0x7e, 0x07],             // movq xmm0, [rdi]
            &[0xc5, 0xfe, 0x6f, 0x07],             // vmovdqu ymm0, [rdi]
            &[0x62, 0xf1, 0xfe, 0x28, 0x6f, 0x07], // vmovdqu64 ymm0, [rdi]
            &[0xf2, 0x0f, 0x38, 0xf1, 0x07],       // crc32 eax, dword [rdi]
            &[0xd9, 0x07],                         // fld dword [rdi]
            &[0x0f, 0xba, 0x27, 1],                // bt dword [rdi], 1
            &[0xf3, 0xa6],                         // repe cmpsb
            &[0x66, 0x0f, 0xae, 0x37],             // clwb [rdi]
            &[0x48],                               // a prefix alone
            &[],
        ];
        for bytes in others {
            assert!(!writes(bytes, &elsewhere(), ADDR), "{bytes:x?}");
        }
    }

    #[test]
    fn a_push_stores_below_the_stack_pointer_only() {
        for bytes in [&[0x50][..], &[0xe8, 0, 0, 0, 0], &[0xff, 0x37], &[0xff, 0x17], &[0x41, 0x57]] {
            let near = user_regs_struct { rsp: ADDR as u64 + 8, ..elsewhere() };
            assert!(writes(bytes, &near, ADDR));
            assert!(!writes(bytes, &elsewhere(), ADDR));
        }
    }

    #[test]
    fn a_string_move_stores_at_its_destination_only() {
        let bytes = [0xf3, 0xa4];
        assert!(writes(&bytes, &user_regs_struct { rdi: ADDR as u64, ..elsewhere() }, ADDR));
        assert!(!writes(&bytes, &user_regs_struct { rsi: ADDR as u64, ..elsewhere() }, ADDR));
    }
}
