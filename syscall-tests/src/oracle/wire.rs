//! What goes between the oracle and its workers: batches of programs in, an answer for each out.

use std::io::{self, Read, Write};

use super::run::Processes;

/// Longer texts are somebody's mistake.
const LEN_MAX: usize = 32 << 20;

/// Programs to run one after the other, as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// How long a program may take, by the subject's clock.
    pub patience_ms: u32,
    /// Which processes run them.
    pub processes: Processes,
    /// The programs.
    pub programs: Vec<Vec<u8>>,
}

/// What became of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It ran; this is its transcript, as bytes.
    Done(Vec<u8>),
    /// Its process ended with this wait status before it was through.
    Died(u32),
    /// It got nowhere and was killed.
    Hung,
    /// The subject could not run it.
    Broken(String),
    /// It was not run: no program makes this call.
    Refused(String),
}

impl Batch {
    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.patience_ms.to_ne_bytes());
        bytes.extend(u32::from(self.processes == Processes::Shared).to_ne_bytes());
        bytes.extend((self.programs.len() as u32).to_ne_bytes());
        for program in &self.programs {
            bytes.extend((program.len() as u32).to_ne_bytes());
            bytes.extend(program);
        }
        bytes
    }

    /// The next one; `None` at the end.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let patience_ms = match number(from) {
            Ok(number) => number,
            Err(problem) if problem.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(problem) => return Err(problem),
        };
        let processes = if number(from)? == 0 { Processes::OneEach } else { Processes::Shared };
        let count = number(from)?;
        let programs = (0..count).map(|_| bytes(from)).collect::<io::Result<_>>()?;
        Ok(Some(Self { patience_ms, processes, programs }))
    }
}

impl Answer {
    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let status;
        let (kind, text): (u32, &[u8]) = match self {
            Self::Done(bytes) => (0, bytes),
            Self::Died(number) => {
                status = number.to_ne_bytes();
                (1, &status)
            }
            Self::Hung => (2, &[]),
            Self::Broken(text) => (3, text.as_bytes()),
            Self::Refused(text) => (4, text.as_bytes()),
        };
        [&kind.to_ne_bytes(), &(text.len() as u32).to_ne_bytes(), text].concat()
    }

    /// Writes it.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.to_bytes())?;
        to.flush()
    }

    /// Reads one.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let kind = number(from)?;
        let bytes = bytes(from)?;
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        Ok(match kind {
            0 => Self::Done(bytes),
            1 => Self::Died(number(&mut &bytes[..])?),
            2 => Self::Hung,
            3 => Self::Broken(text()),
            4 => Self::Refused(text()),
            _ => return Err(io::Error::other("not an answer")),
        })
    }
}

fn number(from: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_ne_bytes(bytes))
}

fn bytes(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let len = number(from)? as usize;
    if len > LEN_MAX {
        return Err(io::Error::other("too long to be meant"));
    }
    let mut bytes = vec![0; len];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Answer, Batch, Processes};

    #[test]
    fn what_is_sent_arrives() {
        let batch = Batch { patience_ms: 7, processes: Processes::Shared, programs: vec![b"one".to_vec(), Vec::new()] };
        let bytes = batch.to_bytes();
        let mut from = &bytes[..];
        assert_eq!(Batch::read(&mut from).expect("readable"), Some(batch));
        assert_eq!(Batch::read(&mut from).expect("readable"), None);
        for answer in [
            Answer::Done(vec![1, 0]),
            Answer::Refused("sync".into()),
            Answer::Died(139),
            Answer::Hung,
            Answer::Broken("why".into()),
        ] {
            assert_eq!(Answer::read(&mut &answer.to_bytes()[..]).expect("readable"), answer);
        }
    }

    #[test]
    fn half_a_batch_is_an_error() {
        let bytes = Batch { patience_ms: 7, programs: vec![b"one".to_vec()], ..Batch::default() }.to_bytes();
        assert!(Batch::read(&mut &bytes[..bytes.len() - 1]).is_err());
    }
}
