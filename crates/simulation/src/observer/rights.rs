//! No rights and no visible balance is below zero.

use super::truth::{Truth, signed};
use super::{Action, Violation, name, require};
use bank::{Member, Version};
use check::Property;

/// At a closed cut, nobody has paid out or granted what they had no right to, and there is no debt.
pub(super) fn are_kept(truth: &Truth, action: Action, version: &Version) -> Result<(), Violation> {
    let mut balance = truth.opening();
    for (member, seq) in version.iter() {
        let Some(totals) = truth.totals(member, seq) else {
            continue;
        };
        balance += totals.net();
        let granted: i128 = totals.granted.iter().copied().map(signed).sum();
        let rights =
            share(truth, member) + totals.net() - granted + received(truth, version, member);
        require(Property::Rights, rights >= 0, || {
            format!("{action} {}, where {} has rights of {rights}", version, name(member))
        })?;
    }
    require(Property::Rights, balance >= 0, || {
        format!("{action} {version}, where the balance is {balance}")
    })
}

/// An equal part of the opening balance; the first branches have one more if it does not divide.
fn share(truth: &Truth, member: Member) -> i128 {
    let members = i128::try_from(truth.members()).unwrap_or(i128::MAX);
    let (each, rest) = (truth.opening() / members, truth.opening() % members);
    if i128::from(member.0) < rest { each + 1 } else { each }
}

fn received(truth: &Truth, version: &Version, member: Member) -> i128 {
    let totals = version.iter().filter_map(|(from, seq)| truth.totals(from, seq));
    totals.filter_map(|totals| totals.granted.get(member.index())).copied().map(signed).sum()
}

#[cfg(test)]
mod tests {
    use super::super::truth::tests::{version, write};
    use super::*;
    use bank::{Entry, Money};

    fn found(truth: &Truth, seqs: &[u64]) -> Option<Property> {
        let action = Action::of(Member(0), "shows");
        are_kept(truth, action, &version(seqs)).err().map(|violation| violation.property)
    }

    #[test]
    fn paying_out_more_than_the_own_rights_is_found_even_if_there_is_enough_in_all() {
        let mut truth = Truth::new(3, Money::new(100));
        write(&mut truth, 0, Entry::Withdraw(Money::new(34)), &[0, 0, 0]);
        assert_eq!(found(&truth, &[1, 0, 0]), None, "the first share is one more");
        write(&mut truth, 1, Entry::Withdraw(Money::new(34)), &[0, 0, 0]);
        assert_eq!(found(&truth, &[1, 1, 0]), Some(Property::Rights));
    }

    #[test]
    fn granted_rights_count_once_and_where_they_went() {
        let mut truth = Truth::new(2, Money::new(20));
        write(&mut truth, 0, Entry::Grant { to: Member(1), amount: Money::new(10) }, &[0, 0]);
        write(&mut truth, 1, Entry::Withdraw(Money::new(20)), &[1, 0]);
        assert_eq!(found(&truth, &[1, 1]), None);
        assert_eq!(found(&truth, &[0, 1]), Some(Property::Rights), "the grant is not seen");
        write(&mut truth, 0, Entry::Withdraw(Money::new(1)), &[1, 0]);
        assert_eq!(found(&truth, &[2, 0]), Some(Property::Rights), "it was given away");
    }

    #[test]
    fn a_debt_from_the_start_is_found() {
        assert_eq!(found(&Truth::new(1, Money::new(-1)), &[0]), Some(Property::Rights));
        let truth = Truth::new(2, Money::new(-1));
        assert_eq!(found(&truth, &[0, 0]), Some(Property::Rights), "too little for a share");
    }
}
