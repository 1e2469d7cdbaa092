//! Tokens: what stands for code in a scripted program's memory.

use ostd_hal::Vaddr;

/// Where [`image`] is loaded.
pub const IMAGE_BASE: usize = 0x40_0000;
/// Tokens in an image, and so functions of a machine.
pub const TOKENS_MAX: usize = 1024;

/// Bytes of one token: a mark and the function's number.
pub(crate) const TOKEN_LEN: usize = 16;
const MARK: [u8; 8] = *b"\x0f\x0bOrrery";
/// Offset of the first token in the file and in memory: behind the ELF headers.
const TOKENS_AT: usize = 0x1000;

/// A function of the machine that a program can be told to go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub(crate) u32);

impl Token {
    /// Where the token is in the memory of a program loaded from an [`image`].
    pub fn address(self) -> Vaddr {
        Vaddr::new(IMAGE_BASE + TOKENS_AT + self.0 as usize * TOKEN_LEN)
    }

    pub(crate) fn decode(bytes: &[u8; TOKEN_LEN]) -> Option<Self> {
        let number = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        (bytes[..8] == MARK && (number as usize) < TOKENS_MAX).then_some(Self(number))
    }

    const fn encode(self) -> [u8; TOKEN_LEN] {
        let mut bytes = [0; TOKEN_LEN];
        let (mark, rest) = bytes.split_at_mut(MARK.len());
        mark.copy_from_slice(&MARK);
        rest.split_at_mut(4).0.copy_from_slice(&self.0.to_le_bytes());
        bytes
    }
}

/// Every token, in order.
static TOKENS: [[u8; TOKEN_LEN]; TOKENS_MAX] = {
    let mut all = [[0; TOKEN_LEN]; TOKENS_MAX];
    let mut number = 0;
    while (number as usize) < TOKENS_MAX {
        all[number as usize] = Token(number).encode();
        number += 1;
    }
    all
};

/// A static x86-64 ELF executable that starts at `entry` and in which every function of the machine has its token.
pub fn image(entry: Token) -> Vec<u8> {
    let end = TOKENS_AT + TOKENS_MAX * TOKEN_LEN;
    let mut file = Vec::with_capacity(end);
    file.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    // Type EXEC, machine x86-64, version 1.
    file.extend_from_slice(&[2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [entry.address().as_usize() as u64, 64, 0] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    // Flags; sizes of this header and of a program header; one program header; no sections.
    file.extend_from_slice(&[0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    // LOAD, readable and executable.
    file.extend_from_slice(&[1, 0, 0, 0, 5, 0, 0, 0]);
    for word in [0, IMAGE_BASE, IMAGE_BASE, end, end, 0x1000] {
        file.extend_from_slice(&(word as u64).to_le_bytes());
    }
    file.resize(TOKENS_AT, 0);
    file.extend_from_slice(TOKENS.as_flattened());
    file
}

#[cfg(test)]
mod tests {
    use super::{IMAGE_BASE, TOKEN_LEN, Token, image};

    #[test]
    fn an_image_holds_each_token_where_its_address_says() {
        let file = image(Token(5));
        assert_eq!(
            u64::from_le_bytes(file[24..32].try_into().expect("eight bytes")),
            Token(5).address().as_usize() as u64
        );
        for token in [Token(0), Token(5), Token(1023)] {
            let at = token.address().as_usize() - IMAGE_BASE;
            let bytes: &[u8; TOKEN_LEN] = file[at..at + TOKEN_LEN].try_into().expect("inside");
            assert_eq!(Token::decode(bytes), Some(token));
        }
        assert_eq!(Token::decode(&[0x90; TOKEN_LEN]), None);
    }
}
