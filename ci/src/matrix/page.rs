//! The matrix as one page of HTML that asks nobody for anything.

use std::fmt::Write as _;

use super::{Row, Subject};

/// The page without what is on it: `{{…}}` are the places.
const TEMPLATE: &str = include_str!("page.html");

/// Fills the page.
pub(super) fn page(subjects: &[Subject], rows: &[Row], commit: &str) -> String {
    let (mut head, mut sums, mut absent, mut body) = (String::new(), String::new(), String::new(), String::new());
    // Writing to a string cannot fail.
    for (at, subject) in subjects.iter().enumerate() {
        let _ = write!(head, "<th><button data-column=\"{}\">{}</button></th>", at + 1, subject.name);
        if let Some(why) = &subject.absent {
            let _ = write!(sums, "<td class=\"absent\">does not run here</td>");
            let _ = write!(absent, "<p><b>{}</b> does not run here: {}</p>", subject.name, escaped(why));
            continue;
        }
        let count = |word: &str| rows.iter().filter(|row| row.cells[at].word() == word).count();
        let words = ["passed", "known", "not run", "failed"].map(|word| (count(word), word));
        let told = words.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        let _ = write!(sums, "<td>{}</td>", told.collect::<Vec<_>>().join("<br>"));
    }
    for row in rows {
        let (family, sentence) = row.case.split_once("::").unwrap_or(("", &row.case));
        let words: Vec<&str> = row.cells.iter().map(super::Cell::word).collect();
        let (sentence, all) = (sentence.replace('_', " "), words.join(","));
        let _ = write!(body, "<tr data-words=\"{all}\"><th title=\"{}\"><i>{family}</i> {sentence}</th>", row.case);
        for cell in &row.cells {
            let (class, word) = (cell.word().replace(' ', "-"), cell.word());
            let _ = match cell.remark() {
                None => write!(body, "<td class=\"{class}\">{word}</td>"),
                Some((_, why)) => {
                    let why = escaped(why.trim());
                    write!(body, "<td class=\"{class}\"><details><summary>{word}</summary>{why}</details></td>")
                }
            };
        }
        body.push_str("</tr>\n");
    }
    let parts = [("head", head), ("sums", sums), ("absent", absent), ("rows", body), ("commit", escaped(commit))];
    let filled = parts
        .into_iter()
        .fold(TEMPLATE.to_string(), |page, (name, text)| page.replace(&format!("{{{{{name}}}}}"), &text));
    filled.replace("{{count}}", &rows.len().to_string())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::{Cell, Row, Subject};
    use super::page;

    #[test]
    fn a_page_holds_every_case_and_reason_and_leads_nowhere() {
        let subjects =
            [Subject { name: "host", absent: None }, Subject { name: "riscv64", absent: Some("no QEMU".into()) }];
        let cells = vec![Cell::Failed("1 < 2 & \"x\"".into()), Cell::Absent];
        let text = page(&subjects, &[Row { case: "file::one_two".into(), cells }], "abc");
        assert!(text.contains("<i>file</i> one two</th>"));
        assert!(text.contains("1 &lt; 2 &amp; &quot;x&quot;") && text.contains("no QEMU"));
        assert!(!text.contains("{{") && !text.contains("http"), "every place is filled, and nothing is fetched");
    }
}
