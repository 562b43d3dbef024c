//! What was found, property by property, for people.

use std::fmt::Write;

use check::{Judged, NO_VERSIONS, Verdict, Violation, grouped, has_evidence};
use history::Server;

use super::ExitCode;
use super::numbers::{count, counted};
use crate::record::judge::{Counterexample, JudgedRun};

/// Longer lines go on below.
const WIDTH: usize = 100;
/// Where the note of a property begins.
const NOTE: usize = 44;

impl JudgedRun {
    /// What a process that judged the run is to end with.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::of(self.verdict())
    }

    /// The verdict, all properties at a glance, and the first broken promise as a story. Writing into a
    /// `String` cannot fail, so results are ignored here.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let settings = self.header.settings;
        let branches = counted(count(self.header.branches.len()), "branch", "branches");
        // How another program replicates is not known.
        let replication = match settings.server {
            Server::Foreign => "unknown replication".to_owned(),
            Server::Passbook | Server::Broadcast => format!(
                "{}, ack {}, read {}",
                settings.server.name(),
                settings.ack.name(),
                settings.read.name()
            ),
        };
        let _ = writeln!(
            text,
            "{}  {} recorded operations, {branches} at {}, {replication}",
            self.verdict().name().to_uppercase(),
            grouped(count(self.operations)),
            self.header.opening,
        );
        self.missing_evidence(&mut text);
        if !self.is_whole {
            text.push_str(
                "      not all operations of the run are in history.jsonl: what is missing is not checked\n",
            );
        }
        text.push_str("\nchecks (of history.jsonl, ledger.jsonl and output.json)\n");
        table(&mut text, &self.checks, self.counterexample.as_ref());
        counterexample(&mut text, self.counterexample.as_ref());
        text
    }

    /// Why the verdict is unknown although no check is, if no promised property of the bank was judged.
    pub(super) fn missing_evidence(&self, text: &mut String) {
        if has_evidence(&self.checks) || self.verdict() != Verdict::Unknown {
            return;
        }
        let mut promised = self.checks.iter().filter(|check| check.promised);
        let is_file_judged = promised.any(|check| check.finding.verdict != Verdict::NotJudged);
        text.push_str(match self.operations {
            _ if is_file_judged => {
                "      nothing was judged but output.json, which is no evidence about the bank\n"
            }
            0 => "      nothing was judged: no operation was sent\n",
            _ => "      nothing was judged: no operation was answered\n",
        });
    }
}

/// A row for each property: what was found, whether the settings promise it, and what that rests on. Below a broken
/// promise stands the first violation, unless it is `told` elsewhere. Where answers carry balances only, one line names the
/// properties that need more; if a promise is broken there, a balance out of bounds that was only observed is shown too, because
/// it can be the cause.
pub(super) fn table<'a>(
    text: &mut String,
    checks: impl IntoIterator<Item = &'a Judged>,
    told: Option<&Counterexample>,
) {
    let checks: Vec<&Judged> = checks.into_iter().collect();
    let is_beyond_wire = |judged: &&Judged| {
        !judged.promised
            && judged.finding.verdict == Verdict::NotJudged
            && judged.finding.note == NO_VERSIONS
    };
    let is_any_broken = |promised| {
        let verdict = |judged: &&Judged| (judged.promised, judged.finding.verdict);
        checks.iter().any(|judged| verdict(judged) == (promised, Verdict::Fail))
    };
    let beyond_wire = checks.iter().copied().filter(is_beyond_wire);
    let beyond_wire: Vec<&str> = beyond_wire.map(|judged| judged.finding.property.name()).collect();
    let shows_observed = !beyond_wire.is_empty() && is_any_broken(true);
    let has_observed = is_any_broken(false);
    for (place, judged) in checks.into_iter().enumerate() {
        if is_beyond_wire(&judged) {
            continue;
        }
        let Judged { finding, promised } = judged;
        // What is promised is what the verdict depends on.
        let (verdict, said) = if *promised {
            (finding.verdict.name().to_uppercase(), "promised")
        } else {
            (finding.verdict.name().to_owned(), "observed")
        };
        let begin = format!("  {verdict:<12}{:<20}{said}  ", finding.property.name());
        let note = match finding.violations_total {
            0 => finding.note.clone(),
            n => format!("{} ({})", finding.note, counted(n, "violation", "violations")),
        };
        wrapped(text, &begin, NOTE, &note);
        let is_told = told.is_some_and(|told| told.check == place);
        let broken = (*promised || shows_observed) && finding.verdict == Verdict::Fail && !is_told;
        if let Some(violation) = finding.violations.first().filter(|_| broken) {
            let story = format!("{}{}", violation.description, traces(violation));
            wrapped(text, &" ".repeat(10), 12, &story);
        }
    }
    if !beyond_wire.is_empty() {
        let names = format!("{} ({NO_VERSIONS})", beyond_wire.join(", "));
        wrapped(text, "  not judged over this wire: ", 4, &names);
    }
    if has_observed {
        let _ = writeln!(
            text,
            "  observed: not promised by these settings; summary.json names the operations"
        );
    }
}

/// The first broken promise as a story, if one is.
pub(super) fn counterexample(text: &mut String, told: Option<&Counterexample>) {
    let Some(Counterexample { lines, .. }) = told else { return };
    text.push_str("\ncounterexample\n");
    for (place, line) in lines.iter().enumerate() {
        let indent = if place == 0 { "  " } else { "    " };
        wrapped(text, indent, 6, line);
    }
}

/// The trace of the operation that cannot be, if there is one.
fn traces(violation: &Violation) -> String {
    let trace = violation.operations.first().and_then(|operation| operation.trace);
    trace.map_or_else(String::new, |trace| format!(", trace {trace:032x}"))
}

/// `words` after `begin`, in lines of at most [`WIDTH`] characters where words are not longer than that; all but
/// the first are indented.
pub(super) fn wrapped(text: &mut String, begin: &str, indent: usize, words: &str) {
    let mut line = begin.to_owned();
    let mut is_empty = true;
    for word in words.split(' ') {
        let length = line.chars().count() + word.chars().count() + usize::from(!is_empty);
        if length > WIDTH && !is_empty {
            let _ = writeln!(text, "{}", line.trim_end());
            line = " ".repeat(indent);
        } else if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

#[cfg(test)]
mod tests {
    use bank::CustomerId;
    use check::{Finding, Named, Property};

    use super::*;

    fn judged(promised: bool) -> Judged {
        let named = Named { customer: CustomerId(7), position: 9, trace: Some(0xabc), place: 0 };
        let violation = Violation {
            operations: vec![named],
            description: "held at their lowest: branch 1 at -3".to_owned(),
        };
        let finding = Finding {
            property: Property::Overdraft,
            verdict: Verdict::Fail,
            violations: vec![violation],
            violations_total: 1,
            note: "lowest balance -3".to_owned(),
        };
        Judged { finding, promised }
    }

    #[test]
    fn a_broken_promise_shows_its_violation_and_what_is_observed_does_not() {
        let shown = |promised| {
            let mut text = String::new();
            table(&mut text, &[judged(promised)], None);
            text
        };
        assert_eq!(
            shown(true),
            "  FAIL        overdraft           promised  lowest balance -3 (1 violation)\n          \
             held at their lowest: branch 1 at -3, trace 00000000000000000000000000000abc\n"
        );
        assert_eq!(
            shown(false),
            "  fail        overdraft           observed  lowest balance -3 (1 violation)\n  \
             observed: not promised by these settings; summary.json names the operations\n"
        );
    }

    fn beyond_wire(property: Property) -> Judged {
        let finding = Finding {
            property,
            verdict: Verdict::NotJudged,
            violations: Vec::new(),
            violations_total: 0,
            note: NO_VERSIONS.to_owned(),
        };
        Judged { finding, promised: false }
    }

    #[test]
    fn what_answers_cannot_show_is_in_one_line() {
        let mut text = String::new();
        let missing = [Property::Value, Property::Durability].map(beyond_wire);
        table(&mut text, &missing, None);
        assert_eq!(
            text,
            "  not judged over this wire: value, durability (no branch has a ledger in which a version \
             could be\n    resolved)\n"
        );
        // A promised property, or one without other evidence, keeps its row.
        let mut promised = beyond_wire(Property::Value);
        promised.promised = true;
        let mut silent = beyond_wire(Property::Linearizable);
        "no query was answered".clone_into(&mut silent.finding.note);
        let mut rows = String::new();
        table(&mut rows, &[promised, silent], None);
        assert!(
            rows.starts_with("  NOT JUDGED  value               promised  no branch"),
            "{rows}"
        );
        assert!(rows.contains("\n  not judged  linearizable        observed  no query"), "{rows}");
    }

    #[test]
    fn an_observed_violation_is_shown_where_it_can_explain() {
        let mut broken = judged(true);
        broken.finding.property = Property::Conservation;
        let mut observed = judged(false);
        "was shown 3; it must be 4 to 5"
            .clone_into(&mut observed.finding.violations[0].description);
        let shown = |checks: &[Judged]| {
            let mut text = String::new();
            table(&mut text, checks, None);
            text.contains("was shown 3; it must be 4 to 5")
        };
        let wire = beyond_wire(Property::Value);
        assert!(shown(&[broken.clone(), observed.clone(), wire.clone()]));
        assert!(!shown(&[broken, observed.clone()]), "versions name the cause");
        assert!(!shown(&[observed, wire]), "nothing is to be explained");
    }

    #[test]
    fn the_counterexample_is_told_once() {
        let told = Counterexample { check: 0, lines: vec!["a".to_owned(), "b".to_owned()] };
        let mut text = String::new();
        table(&mut text, &[judged(true)], Some(&told));
        counterexample(&mut text, Some(&told));
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.ends_with("\ncounterexample\n  a\n    b\n"), "{text}");
    }

    #[test]
    fn lines_stay_readable() {
        let mut text = String::new();
        wrapped(&mut text, "  begin ", 4, &"word ".repeat(60));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH && !line.ends_with(' ')));
        assert!(text.lines().skip(1).all(|line| line.starts_with("    word")), "{text}");
        assert_eq!(text.matches("word").count(), 60);
    }
}
