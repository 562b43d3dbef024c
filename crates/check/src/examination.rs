//! What a check reports, and the one place in which that becomes a verdict.

use super::{Finding, Property, Verdict, Violation};

/// The part of the evidence that is missing. Where several are, the first of them is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gap {
    /// Branches that could not be asked at the end.
    FinalStates,
    /// Branches that were still propagating at the end.
    Propagation,
    /// Logs, or their ends.
    Ledgers,
    /// Orders of the operations that were not tried.
    Orders,
    /// What answers or log entries leave out.
    Answers,
    /// Outcomes of operations.
    Outcomes,
    /// Exact values, where only bounds are known.
    Values,
    /// Whether failures are the fault of the bank.
    Blame,
    /// Operations.
    History,
}

/// What a check found in a run. The order of the calls that fill it does not matter.
#[derive(Debug, Default)]
pub(crate) struct Examination {
    violations: Vec<Violation>,
    violations_total: u64,
    gaps: Vec<(Gap, String)>,
    not_applicable: Option<String>,
    no_evidence: Option<String>,
    holds: String,
    fails: String,
}

impl Examination {
    /// An examination that did not take place, whatever the run holds.
    pub(crate) fn not_applicable(reason: &str) -> Self {
        Self { not_applicable: Some(reason.to_owned()), ..Self::default() }
    }

    /// Adds a violation, which is described only if it is among the first.
    pub(crate) fn violate(&mut self, describe: impl FnOnce() -> Violation) {
        self.violations_total += 1;
        if self.violations.len() < Finding::KEPT {
            self.violations.push(describe());
        }
    }

    /// Adds a gap, because of which a property that is not violated is unknown.
    pub(crate) fn gap(&mut self, gap: Gap, note: impl Into<String>) {
        self.gaps.push((gap, note.into()));
    }

    /// Adds a gap if `note` names one.
    pub(crate) fn gap_if(&mut self, gap: Gap, note: Option<String>) {
        self.gaps.extend(note.map(|note| (gap, note)));
    }

    /// Adds a gap if there are any: `what` follows their number.
    pub(crate) fn gap_of(&mut self, gap: Gap, count: u64, what: &str) {
        self.gap_if(gap, (count > 0).then(|| format!("{count} {what}")));
    }

    /// Reports whether the run has anything that could violate the property; `missing` names it.
    pub(crate) fn needs_evidence(&mut self, is_there: bool, missing: &str) {
        if !is_there && self.no_evidence.as_deref().is_none_or(|first| missing < first) {
            self.no_evidence = Some(missing.to_owned());
        }
    }

    /// Sets the notes of a property that holds and of one that does not.
    pub(crate) fn summarize(&mut self, holds: impl Into<String>, fails: impl Into<String>) {
        (self.holds, self.fails) = (holds.into(), fails.into());
    }

    /// The verdict. A violation counts whatever is missing; a gap counts more than that there was nothing to examine,
    /// which may be in the gap.
    pub(crate) fn conclude(self, property: Property) -> Finding {
        let Self { violations, violations_total, gaps, not_applicable, no_evidence, .. } = self;
        let gap = gaps.into_iter().min().map(|(_, note)| note);
        let (verdict, note) = match (violations_total, not_applicable, gap, no_evidence) {
            (1.., ..) => (Verdict::Fail, self.fails),
            (0, Some(reason), ..) => (Verdict::NotJudged, reason),
            (0, None, Some(gap), _) => (Verdict::Unknown, gap),
            (0, None, None, Some(missing)) => (Verdict::NotJudged, missing),
            (0, None, None, None) => (Verdict::Pass, self.holds),
        };
        Finding { property, verdict, violations, violations_total, note }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violate(examination: &mut Examination) {
        examination
            .violate(|| Violation { operations: Vec::new(), description: "2 is not 3".to_owned() });
    }

    /// Each step, in every order of the steps, comes to one verdict and note.
    fn concluded(steps: &[fn(&mut Examination)]) -> (Verdict, String) {
        let conclude = |steps: &mut dyn Iterator<Item = &fn(&mut Examination)>| {
            let mut examination = Examination::default();
            steps.for_each(|step| step(&mut examination));
            let finding = examination.conclude(Property::Value);
            (finding.verdict, finding.note)
        };
        let first = conclude(&mut steps.iter());
        assert_eq!(conclude(&mut steps.iter().rev()), first);
        first
    }

    #[test]
    fn verdict_does_not_depend_on_the_order_of_reports() {
        let summary: fn(&mut Examination) = |it| it.summarize("all is well", "2 of 3 are wrong");
        let ledgers: fn(&mut Examination) = |it| it.gap(Gap::Ledgers, "a log is missing");
        let history: fn(&mut Examination) = |it| it.gap(Gap::History, "the end is missing");
        let nothing: fn(&mut Examination) = |it| it.needs_evidence(false, "nobody asked");
        for (steps, verdict, note) in [
            (&[summary][..], Verdict::Pass, "all is well"),
            (&[summary, nothing], Verdict::NotJudged, "nobody asked"),
            (&[summary, nothing, history], Verdict::Unknown, "the end is missing"),
            (&[history, summary, ledgers], Verdict::Unknown, "a log is missing"),
            (&[nothing, violate, history, summary], Verdict::Fail, "2 of 3 are wrong"),
        ] {
            assert_eq!(concluded(steps), (verdict, note.to_owned()));
        }
    }

    #[test]
    fn not_applicable_is_not_judged_whatever_is_missing() {
        let mut examination = Examination::not_applicable("turned off");
        examination.gap(Gap::History, "the end is missing");
        let finding = examination.conclude(Property::Availability);
        assert_eq!((finding.verdict, &finding.note[..]), (Verdict::NotJudged, "turned off"));
    }

    #[test]
    fn violations_are_counted_and_the_first_are_kept() {
        let mut examination = Examination::default();
        (0..20).for_each(|_| violate(&mut examination));
        let finding = examination.conclude(Property::Value);
        assert_eq!((finding.violations_total, finding.violations.len()), (20, Finding::KEPT));
    }
}
