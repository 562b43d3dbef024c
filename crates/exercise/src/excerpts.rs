//! Parts of an output that may be the answers where the whole file is not.

use std::fmt;

use super::notation::Position;
use super::received::{Answer, CustomerAnswers, Received};

/// Lists of a file that are tried; more of them come from no mistake that is known.
const LISTS_TRIED: usize = 10;

/// What a file holds beside the answers in one part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// So many runs, of which this one is the part, from 1.
    Runs {
        /// How many.
        count: usize,
        /// Which one.
        index: usize,
    },
    /// Something before the part, which begins here.
    Before(Position),
    /// Every element or answer several times in a row.
    Copies {
        /// `element` or `answer`.
        of: &'static str,
        /// How many times each.
        count: usize,
    },
}

impl fmt::Display for Excess {
    /// A sentence for a part that is correct.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Runs { count, index } => {
                write!(f, "the file holds {count} runs one after another; ")?;
                if index == count {
                    f.write_str("the last one is correct")
                } else {
                    write!(f, "run {index} is correct, the last one is not")
                }
            }
            Self::Before(at) => {
                let line = at.line;
                write!(
                    f,
                    "the file holds more than one run; the last one, from line {line}, is correct"
                )
            }
            Self::Copies { of, count } => {
                let times = if count == 2 { "twice".to_owned() } else { format!("{count} times") };
                write!(f, "every {of} is there {times}; without the copies the answers are correct")
            }
        }
    }
}

impl Received {
    /// Parts with the `expected` number of answers, the likeliest first.
    pub fn excerpts(&self, expected: usize) -> Vec<(Excess, Self)> {
        let mut excerpts = self.lists_of(expected);
        let total = self.answers().count();
        if expected == 0 || total <= expected {
            return excerpts;
        }
        if total.is_multiple_of(expected) {
            let count = total / expected;
            if let Some(elements) = without_copies(&self.elements, count, CustomerAnswers::is_same)
            {
                excerpts.push((Excess::Copies { of: "element", count }, Self::of(elements)));
            }
            let elements = self.elements.iter().map(|element| {
                let answers = without_copies(&element.answers, count, Answer::is_same)?;
                Some(CustomerAnswers { answers, ..element.clone() })
            });
            if let Some(elements) = elements.collect() {
                excerpts.push((Excess::Copies { of: "answer", count }, Self::of(elements)));
            }
        }
        if let Some(last) = self.last_elements(expected) {
            let excess = self.excess_before(last);
            excerpts.push((excess, Self::of(last.to_vec())));
        }
        excerpts
    }

    /// What comes before the `last` elements: runs of the same customers, or something else.
    fn excess_before(&self, last: &[CustomerAnswers]) -> Excess {
        let customers = |run: &[CustomerAnswers]| -> Vec<u64> {
            run.iter().map(|element| element.customer).collect()
        };
        let expected = customers(last);
        let mut runs = self.elements.chunks(last.len().max(1));
        if runs.all(|run| customers(run) == expected) {
            let count = self.elements.len() / last.len().max(1);
            return Excess::Runs { count, index: count };
        }
        Excess::Before(last.first().map_or(Position { line: 1, column: 1 }, |first| first.at))
    }

    fn of(elements: Vec<CustomerAnswers>) -> Self {
        Self { elements, ..Self::default() }
    }

    /// The lists of a file of several, from the last, with this many answers.
    fn lists_of(&self, expected: usize) -> Vec<(Excess, Self)> {
        let count = self.lists.len();
        if count < 2 {
            return Vec::new();
        }
        let ends = self.lists.iter().skip(1).copied().chain([self.elements.len()]);
        let lists = self.lists.iter().zip(ends).map(|(begin, end)| self.elements.get(*begin..end));
        let lists: Vec<&[CustomerAnswers]> = lists.map(Option::unwrap_or_default).collect();
        let has_all = |(_, list): &(usize, &[CustomerAnswers])| {
            list.iter().map(|element| element.answers.len()).sum::<usize>() == expected
        };
        let numbered = (1..).zip(lists).collect::<Vec<_>>().into_iter().rev();
        numbered
            .filter(has_all)
            .take(LISTS_TRIED)
            .map(|(index, list)| (Excess::Runs { count, index }, Self::of(list.to_vec())))
            .collect()
    }

    /// The last elements, with this many answers together.
    fn last_elements(&self, expected: usize) -> Option<&[CustomerAnswers]> {
        let mut answers = 0;
        let begin = self.elements.iter().rposition(|element| {
            answers += element.answers.len();
            answers >= expected
        })?;
        self.elements.get(begin..).filter(|_| answers == expected)
    }
}

/// The first of each `count` items, if all of them are the same.
fn without_copies<T: Clone>(
    items: &[T],
    count: usize,
    is_same: impl Fn(&T, &T) -> bool,
) -> Option<Vec<T>> {
    let copies = items.chunks(count).map(|chunk| {
        let first = chunk.first()?;
        let is_whole = chunk.len() == count;
        (is_whole && chunk.iter().all(|item| is_same(first, item))).then(|| first.clone())
    });
    copies.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const ONE: &str = r#"{"id":1,"recv":[{"interface":"query","balance":1}]}"#;
    const TWO: &str = r#"{"id":2,"recv":[{"interface":"query","balance":2}]}"#;

    fn excerpts(text: &str, expected: usize) -> Vec<(String, Vec<u64>)> {
        let received = Received::parse(Path::new("out"), text.as_bytes()).expect("read");
        let customers = |part: &Received| part.elements.iter().map(|e| e.customer).collect();
        let all = received.excerpts(expected);
        all.iter().map(|(excess, part)| (excess.to_string(), customers(part))).collect()
    }

    fn first(text: &str, expected: usize) -> (String, Vec<u64>) {
        excerpts(text, expected).into_iter().next().expect("an excerpt")
    }

    #[test]
    fn runs_and_copies_are_told_apart() {
        for (text, sentence) in [
            (
                format!("[{ONE},{TWO}][{ONE},{TWO}]"),
                "the file holds 2 runs one after another; the last one is correct",
            ),
            (
                format!("{ONE}\n{TWO}\n{ONE}\n{TWO}\n{ONE}\n{TWO}"),
                "the file holds 3 runs one after another; the last one is correct",
            ),
            (
                format!("[{ONE},{ONE},{TWO},{TWO}]"),
                "every element is there twice; without the copies the answers are correct",
            ),
            (
                format!("[{ONE},{ONE},{ONE},{TWO},{TWO},{TWO}]"),
                "every element is there 3 times; without the copies the answers are correct",
            ),
            (
                format!("{ONE}\n{ONE}\n{TWO}\n\n{ONE}\n{TWO}"),
                "the file holds more than one run; the last one, from line 5, is correct",
            ),
        ] {
            assert_eq!(first(&text, 2), (sentence.to_owned(), vec![1, 2]), "{text}");
        }
        let twice = ONE.replace("[{", r#"[{"interface":"query","balance":1},{"#);
        assert_eq!(
            first(&twice, 1).0,
            "every answer is there twice; without the copies the answers are correct"
        );
        let earlier = excerpts(&format!("[{ONE},{TWO}][{ONE},{TWO}]"), 2);
        assert_eq!(
            earlier[1].0,
            "the file holds 2 runs one after another; run 1 is correct, the last one is not"
        );
    }

    #[test]
    fn a_file_without_excess_has_no_excerpts() {
        for (text, expected) in [
            (format!("[{ONE},{TWO}]"), 2),
            (format!("[{ONE},{TWO}]"), 3),
            (format!("{ONE}\n{TWO}"), 2),
            ("[]".to_owned(), 0),
            (format!("[{ONE}]"), 0),
        ] {
            assert_eq!(excerpts(&text, expected), [], "{text}");
        }
    }
}
