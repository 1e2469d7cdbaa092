//! What the command line asks for: which tests, and from where on.

use alloc::string::String;
use alloc::vec::Vec;

/// The tests to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// `only=`: parts of names; without any, every test.
    pub(crate) only: Vec<String>,
    /// `after=`: the test that an earlier boot did not survive. What comes behind it is still to be run.
    pub(crate) after: Option<String>,
}

impl Plan {
    /// Reads the image's command line. Other words on it are somebody else's.
    pub(crate) fn read(line: &[u8]) -> Self {
        let line = String::from_utf8_lossy(line);
        let of = |key: &str| {
            let words: Vec<_> = line.split(' ').filter_map(|word| word.strip_prefix(key)).map(String::from).collect();
            words
        };
        Self { only: of("only="), after: of("after=").pop() }
    }

    /// Those of `names` to be run: in order, behind where an earlier boot ended.
    pub(crate) fn of<'a>(&self, names: &[&'a str]) -> Vec<&'a str> {
        let wanted = |name: &&&str| self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()));
        let first = match &self.after {
            None => 0,
            Some(after) => names.iter().position(|name| name == after).map_or(names.len(), |at| at + 1),
        };
        names[first..].iter().filter(wanted).copied().collect()
    }

    /// The words for the program that has the cases, when `names` are those of all other tests, which come before.
    pub(crate) fn words_for_cases(&self, names: &[&str]) -> Vec<Vec<u8>> {
        let mut words = Vec::from([b"/cases".to_vec()]);
        if let Some(after) = self.after.as_deref().filter(|after| !names.contains(after)) {
            words.extend([b"--after".to_vec(), after.as_bytes().to_vec()]);
        }
        words.extend(self.only.iter().map(|part| part.as_bytes().to_vec()));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::Plan;

    const NAMES: &[&str] = &["a::one", "a::two", "b::one"];

    #[test]
    fn tests_are_chosen_by_parts_of_their_names() {
        assert_eq!(Plan::read(b"").of(NAMES), NAMES);
        assert_eq!(Plan::read(b"only=b:: x=y only=two").of(NAMES), ["a::two", "b::one"]);
    }

    #[test]
    fn what_an_earlier_boot_has_run_is_not_run_again() {
        assert_eq!(Plan::read(b"after=a::one").of(NAMES), ["a::two", "b::one"]);
        assert_eq!(Plan::read(b"after=a::one only=one").of(NAMES), ["b::one"]);
        assert_eq!(Plan::read(b"after=c::beyond").of(NAMES), [""; 0]);
        let words = |line: &str| Plan::read(line.as_bytes()).words_for_cases(NAMES).join(&b' ');
        assert_eq!(words("after=a::one only=x only=y"), b"/cases x y");
        assert_eq!(words("after=c::beyond only=x"), b"/cases --after c::beyond x");
    }
}
