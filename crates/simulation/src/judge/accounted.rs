//! I4: the log holds every acknowledged write, no refused one, and each request once.

use std::collections::BTreeMap;

use super::timeline::Moment;
use super::truth::Truth;
use super::{Asked, Property, Violation, name, or_nothing, words};
use bank::{Entry, Member, Operation, RequestId, Seq, Version, WriteKind};
use replication::Instant;

/// One operation of a customer, and what became of it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) asked: Asked,
    /// When it was asked.
    pub(super) since: Moment,
    /// The session's acknowledged writes before it.
    pub(super) written: Version,
    /// What the session had been shown before it.
    pub(super) read: Version,
    /// The latest instant until which any attempt was to be answered; nothing before the first arrives.
    pub(super) deadline: Option<Instant>,
    /// The entry that carries it out.
    logged: Option<Seq>,
    refused: bool,
    pub(super) taken: bool,
}

/// All operations of all customers.
#[derive(Debug, Default)]
pub(super) struct Requests(BTreeMap<RequestId, Known>);

impl Requests {
    pub(super) fn ask(&mut self, asked: Asked, since: Moment, read: Version, written: Version) {
        let request = asked.attempt.request;
        let (deadline, logged, refused, taken) = (None, None, false, false);
        let known = Known { asked, since, written, read, deadline, logged, refused, taken };
        self.0.entry(request).or_insert(known);
    }

    pub(super) fn get(&self, request: RequestId) -> Option<&Known> {
        self.0.get(&request)
    }

    pub(super) fn get_mut(&mut self, request: RequestId) -> Option<&mut Known> {
        self.0.get_mut(&request)
    }

    /// A branch writes an entry: a grant, or what exactly one customer asked of it and was not refused.
    pub(super) fn write(
        &mut self,
        branch: Member,
        seq: Seq,
        entry: &Entry,
        request: Option<RequestId>,
    ) -> Result<(), Violation> {
        let who = || format!("entry {seq} of {}, {}", name(branch), words::entry(entry));
        let (Entry::Deposit(amount) | Entry::Withdraw(amount) | Entry::Grant { amount, .. }) =
            *entry;
        Property::Accounted.unless(!amount.is_negative(), || format!("{}, is negative", who()))?;
        let grant = matches!(entry, Entry::Grant { .. });
        let Some(request) = request else {
            return Property::Accounted.unless(grant, || format!("{}, was asked by nobody", who()));
        };
        let Some(known) = self.0.get_mut(&request) else {
            let detail = format!("{}, carries out {request}, which nobody asked", who());
            return Err(Property::Accounted.violated(detail));
        };
        let asked = &known.asked;
        Property::Accounted.unless(
            asked.branch == branch && is_it(entry, asked.operation),
            || {
                format!(
                    "{}, carries out {request}, which asked {} for: {}",
                    who(),
                    name(asked.branch),
                    asked.operation
                )
            },
        )?;
        Property::Accounted.unless(!known.refused, || {
            format!("{}, carries out {request}, which was told that it was rejected", who())
        })?;
        Property::Accounted.unless(known.logged.is_none(), || {
            format!(
                "{}, carries out {request} again, after entry {}",
                who(),
                or_nothing(known.logged)
            )
        })?;
        known.logged = Some(seq);
        Ok(())
    }

    /// The entry that carried it out was lost before anybody had seen it.
    pub(super) fn vanish(&mut self, request: RequestId) {
        if let Some(known) = self.0.get_mut(&request) {
            known.logged = None;
        }
    }

    /// A customer takes it for definite that a request was not carried out.
    pub(super) fn refuse(&mut self, request: RequestId) -> Result<(), Violation> {
        let Some(known) = self.0.get_mut(&request) else {
            return Ok(());
        };
        known.refused = true;
        Property::Accounted.unless(known.logged.is_none(), || {
            format!(
                "{request} is told that it was rejected, and is entry {} of {}",
                or_nothing(known.logged),
                name(known.asked.branch)
            )
        })
    }
}

fn is_it(entry: &Entry, operation: Operation) -> bool {
    let Operation::Write(write) = operation else {
        return false;
    };
    match *entry {
        Entry::Deposit(amount) => write.kind == WriteKind::Deposit && write.amount == amount,
        Entry::Withdraw(amount) => write.kind == WriteKind::Withdraw && write.amount == amount,
        Entry::Grant { .. } => false,
    }
}

/// A write that was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acknowledged {
    pub(super) request: RequestId,
    pub(super) branch: Member,
    pub(super) seq: Seq,
    /// How many branches held it then.
    pub(super) achieved: usize,
}

impl Acknowledged {
    /// The entry that the answer names carries out the request.
    pub(super) fn is_logged(&self, truth: &Truth) -> Result<(), Violation> {
        let logged = truth.entry(self.branch, self.seq).and_then(|logged| logged.request);
        Property::Accounted.unless(logged == Some(self.request), || {
            format!(
                "{} is told that it is entry {} of {}, which carries out {}",
                self.request,
                self.seq,
                name(self.branch),
                or_nothing(logged)
            )
        })
    }

    /// With `dead` branches gone for good, what more than those held is in the final ledger.
    pub(super) fn is_kept(&self, dead: usize, last: &Version) -> Result<(), Violation> {
        let kept = self.achieved <= dead || last.of(self.branch) >= self.seq;
        Property::Accounted.unless(kept, || {
            format!(
                "{} was told that entry {} of {} is on {} branches; {dead} are gone, and the others know {} entries",
                self.request,
                self.seq.0,
                name(self.branch),
                self.achieved,
                last.of(self.branch).0
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{question, request};
    use super::super::truth::tests::version;
    use super::*;
    use bank::{Chain, Money};

    const DEPOSIT: Entry = Entry::Deposit(Money::new(5));

    fn requests() -> Requests {
        let mut requests = Requests::default();
        let nothing = Version::zero(2);
        let deposit = question(request(1, 1), 0, Operation::deposit(5));
        requests.ask(deposit, 0, nothing.clone(), nothing);
        requests
    }

    fn refused(result: Result<(), Violation>) {
        assert_eq!(result.expect_err("not accounted for").property, Property::Accounted);
    }

    #[test]
    fn a_request_is_carried_out_once_and_as_it_was_asked() {
        let asked = Some(request(1, 1));
        let mut requests = requests();
        let grant = Entry::Grant { to: Member(1), amount: Money::new(5) };
        requests.write(Member(0), Seq(1), &grant, None).expect("nobody asks for grants");
        refused(requests.write(Member(0), Seq(2), &grant, asked));
        refused(requests.write(Member(0), Seq(2), &DEPOSIT, None));
        refused(requests.write(Member(0), Seq(2), &DEPOSIT, Some(request(1, 2))));
        refused(requests.write(Member(1), Seq(2), &DEPOSIT, asked));
        refused(requests.write(Member(0), Seq(2), &Entry::Withdraw(Money::new(5)), asked));
        refused(requests.write(Member(0), Seq(2), &Entry::Deposit(Money::new(6)), asked));
        requests.write(Member(0), Seq(2), &DEPOSIT, asked).expect("as asked");
        refused(requests.write(Member(0), Seq(3), &DEPOSIT, asked));
        requests.vanish(request(1, 1));
        requests.write(Member(0), Seq(2), &DEPOSIT, asked).expect("the first was lost");
    }

    #[test]
    fn money_is_never_negative() {
        let mut requests = requests();
        let grant = Entry::Grant { to: Member(1), amount: Money::new(-5) };
        refused(requests.write(Member(0), Seq(1), &grant, None));
    }

    #[test]
    fn a_refused_request_is_never_carried_out_neither_before_nor_after() {
        let mut before = requests();
        before.write(Member(0), Seq(1), &DEPOSIT, Some(request(1, 1))).expect("as asked");
        refused(before.refuse(request(1, 1)));
        let mut after = requests();
        after.refuse(request(1, 1)).expect("not carried out");
        refused(after.write(Member(0), Seq(1), &DEPOSIT, Some(request(1, 1))));
    }

    #[test]
    fn an_acknowledged_write_is_in_the_log_and_in_the_end() {
        let mut truth = Truth::new(2, Money::ZERO);
        let asked = Some(request(1, 1));
        let chain = Chain::default().after(Seq(1), &DEPOSIT, asked);
        truth
            .append(Member(0), (Seq(1), chain), (&DEPOSIT, asked), version(&[0, 0]))
            .expect("next");
        let (branch, seq) = (Member(0), Seq(1));
        let right = Acknowledged { request: request(1, 1), branch, seq, achieved: 2 };
        right.is_logged(&truth).expect("it is");
        refused(Acknowledged { request: request(1, 2), ..right }.is_logged(&truth));
        refused(Acknowledged { seq: Seq(2), ..right }.is_logged(&truth));
        right.is_kept(0, &version(&[1, 0])).expect("it is");
        right.is_kept(2, &version(&[0, 0])).expect("both who held it are gone");
        refused(right.is_kept(1, &version(&[0, 0])));
    }
}
