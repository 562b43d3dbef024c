//! Encodes the messages of the passbook scheme as messages of a frame, and decodes them.

use super::v1;
use super::v1::peer_message::Message as Encoded;
use bank::{BranchId, Chain, Grants, Member, Money, Row, Seq, Total, Version};
use replication::ClusterId;
use replication::passbook::{Configuration, Hello, Incarnation, Message, Priority, Round};

/// Encodes a message for a frame.
pub fn from_message(message: Message) -> v1::PeerMessage {
    let encoded = match message {
        Message::Hello(hello) => Encoded::Hello(v1::Hello {
            configuration: Some(from_configuration(&hello.configuration)),
            incarnation: hello.incarnation.0,
            yours: hello.yours.map(|incarnation| incarnation.0),
            durable: from_version(&hello.durable),
            your_seq: hello.your_log.0.0,
            your_chain: hello.your_log.1.0,
            heard: hello.heard,
        }),
        Message::Push { rows, unreachable } => Encoded::Push(v1::Push {
            rows: rows.iter().map(from_row).collect(),
            apart: unreachable.iter().map(|member| member.0.into()).collect(),
        }),
        Message::Acknowledge { incarnation, durable } => Encoded::Acknowledge(v1::Acknowledge {
            incarnation: incarnation.0,
            durable: from_version(&durable),
        }),
        Message::Borrow { id, priority, target } => {
            let (target, target_high) = halves(target);
            Encoded::Borrow(v1::Borrow {
                id,
                clock: priority.clock,
                member: priority.member.0.into(),
                target,
                target_high,
            })
        }
        Message::Decline { id } => Encoded::Decline(v1::Decline { id }),
        Message::Collect { id, round, known } => Encoded::Collect(v1::Collect {
            id,
            round: from_round(round),
            known: from_version(&known),
        }),
        Message::Held { cluster, held } => {
            Encoded::Held(v1::Held { cluster: cluster.0, held: from_version(&held) })
        }
        Message::Prove { id, known } => {
            Encoded::Prove(v1::Prove { id, known: from_version(&known) })
        }
        Message::Proved { id, first, second } => Encoded::Proved(v1::Proved {
            id,
            first: first.iter().map(from_row).collect(),
            second: second.iter().map(from_row).collect(),
        }),
        Message::Unproved { id } => Encoded::Unproved(v1::Unproved { id }),
        Message::Collected { id, round, rows } => Encoded::Collected(v1::Collected {
            id,
            round: from_round(round),
            rows: rows.iter().map(from_row).collect(),
        }),
    };
    v1::PeerMessage { message: Some(encoded) }
}

/// Decodes a message of a frame; `None` if no branch can have sent it.
pub fn to_message(message: v1::PeerMessage) -> Option<Message> {
    Some(match message.message? {
        Encoded::Hello(hello) => Message::Hello(Hello {
            configuration: to_configuration(hello.configuration?).into(),
            incarnation: Incarnation(hello.incarnation),
            yours: hello.yours.map(Incarnation),
            durable: to_version(&hello.durable),
            your_log: (Seq(hello.your_seq), Chain(hello.your_chain)),
            heard: hello.heard,
        }),
        Encoded::Push(push) => Message::Push {
            rows: to_rows(&push.rows)?,
            unreachable: push.apart.iter().map(|place| to_member(*place)).collect::<Option<_>>()?,
        },
        Encoded::Acknowledge(acknowledge) => Message::Acknowledge {
            incarnation: Incarnation(acknowledge.incarnation),
            durable: to_version(&acknowledge.durable),
        },
        Encoded::Borrow(borrow) => Message::Borrow {
            id: borrow.id,
            priority: Priority { clock: borrow.clock, member: to_member(borrow.member)? },
            target: whole(borrow.target, borrow.target_high),
        },
        Encoded::Decline(decline) => Message::Decline { id: decline.id },
        Encoded::Collect(collect) => Message::Collect {
            id: collect.id,
            round: to_round(collect.round())?,
            known: to_version(&collect.known),
        },
        Encoded::Held(held) => {
            Message::Held { cluster: ClusterId(held.cluster), held: to_version(&held.held) }
        }
        Encoded::Prove(prove) => Message::Prove { id: prove.id, known: to_version(&prove.known) },
        Encoded::Proved(proved) => Message::Proved {
            id: proved.id,
            first: to_rows(&proved.first)?,
            second: to_rows(&proved.second)?,
        },
        Encoded::Unproved(unproved) => Message::Unproved { id: unproved.id },
        Encoded::Collected(collected) => Message::Collected {
            id: collected.id,
            round: to_round(collected.round())?,
            rows: to_rows(&collected.rows)?,
        },
    })
}

fn from_configuration(configuration: &Configuration) -> v1::Configuration {
    let Configuration { branches, opening } = configuration;
    let branches = branches.iter().map(|branch| branch.0).collect();
    v1::Configuration { branches, opening_balance: opening.minor_units() }
}

fn to_configuration(configuration: v1::Configuration) -> Configuration {
    let v1::Configuration { branches, opening_balance } = configuration;
    let branches = branches.into_iter().map(BranchId).collect();
    Configuration { branches, opening: Money::new(opening_balance) }
}

/// A version as a message carries it.
pub fn from_version(version: &Version) -> Vec<u64> {
    version.iter().map(|(_, seq)| seq.0).collect()
}

pub(super) fn to_version(seqs: &[u64]) -> Version {
    seqs.iter().copied().map(Seq).collect()
}

pub(super) fn to_member(place: u32) -> Option<Member> {
    u16::try_from(place).ok().map(Member)
}

fn from_round(round: Round) -> i32 {
    match round {
        Round::First => v1::Round::First,
        Round::Second => v1::Round::Second,
    }
    .into()
}

const fn to_round(round: v1::Round) -> Option<Round> {
    match round {
        v1::Round::First => Some(Round::First),
        v1::Round::Second => Some(Round::Second),
        v1::Round::Unspecified => None,
    }
}

/// The lower and the upper 64 bits.
fn halves(total: Total) -> (u64, u64) {
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
    (half(total.0), half(total.0 >> 64))
}

fn whole(low: u64, high: u64) -> Total {
    Total(u128::from(high) << 64 | u128::from(low))
}

fn from_row(row: &Row) -> v1::Row {
    let (deposited, deposited_high) = halves(row.deposited);
    let (withdrawn, withdrawn_high) = halves(row.withdrawn);
    let granted = row.granted.totals();
    let mut granted_high: Vec<u64> = Vec::new();
    if granted.iter().any(|total| halves(*total).1 != 0) {
        granted_high.extend(granted.iter().map(|total| halves(*total).1));
    }
    v1::Row {
        origin: row.origin.0.into(),
        seq: row.seq.0,
        deposited,
        withdrawn,
        chain: row.chain.0,
        granted: granted.iter().map(|total| halves(*total).0).collect(),
        deposited_high,
        withdrawn_high,
        granted_high,
    }
}

fn to_rows(rows: &[v1::Row]) -> Option<Vec<Row>> {
    rows.iter().map(to_row).collect()
}

fn to_row(row: &v1::Row) -> Option<Row> {
    let high = row.granted_high.iter().copied().chain(std::iter::repeat(0));
    Some(Row {
        origin: to_member(row.origin)?,
        seq: Seq(row.seq),
        deposited: whole(row.deposited, row.deposited_high),
        withdrawn: whole(row.withdrawn, row.withdrawn_high),
        granted: row
            .granted
            .iter()
            .zip(high)
            .map(|(low, high)| whole(*low, high))
            .collect::<Grants>(),
        chain: Chain(row.chain),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use bank::Entry;

    fn survives(message: Message) {
        assert_eq!(to_message(from_message(message.clone())), Some(message));
    }

    #[test]
    fn every_message_survives_the_wire() {
        let mut row = Row::empty(Member(3));
        row.append(&Entry::Deposit(Money::new(i64::MAX)), None);
        row.append(&Entry::Grant { to: Member(1), amount: Money::new(7) }, None);
        for _ in 0..3 {
            row.append(&Entry::Deposit(Money::new(i64::MAX)), None);
            row.append(&Entry::Grant { to: Member(2), amount: Money::new(i64::MAX) }, None);
        }
        assert!(row.deposited.0 > u128::from(u64::MAX), "more than 64 bits");
        let rows = vec![row, Row::empty(Member(0))];
        let durable: Version = [4, 0, 9].map(Seq).into_iter().collect();
        let branches = vec![BranchId(3), BranchId(u32::MAX)];
        let configuration = Arc::new(Configuration { branches, opening: Money::new(i64::MAX) });
        for yours in [None, Some(Incarnation(5))] {
            survives(Message::Hello(Hello {
                configuration: Arc::clone(&configuration),
                incarnation: Incarnation(2),
                yours,
                durable: durable.clone(),
                your_log: (Seq(3), Chain(4)),
                heard: true,
            }));
        }
        survives(Message::Push { rows: rows.clone(), unreachable: vec![Member(2)] });
        let known = durable.clone();
        survives(Message::Acknowledge { incarnation: Incarnation(8), durable });
        let priority = Priority { clock: 6, member: Member(2) };
        let target = Total(u128::MAX);
        survives(Message::Borrow { id: 5, priority, target });
        survives(Message::Decline { id: 5 });
        survives(Message::Collect { id: 7, round: Round::First, known });
        let held: Version = [2, 7].map(Seq).into_iter().collect();
        survives(Message::Held { cluster: ClusterId(u64::MAX), held });
        survives(Message::Prove { id: 9, known: [1, 0].map(Seq).into_iter().collect() });
        survives(Message::Proved { id: 9, first: rows.clone(), second: rows[..1].to_vec() });
        survives(Message::Unproved { id: 9 });
        survives(Message::Collected { id: 7, round: Round::Second, rows });
    }

    #[test]
    fn impossible_message_is_not_decoded() {
        let nonsense = |said| to_message(v1::PeerMessage { message: said });
        assert_eq!(nonsense(None), None);
        let hello = v1::Hello::default();
        assert_eq!(nonsense(Some(Encoded::Hello(hello))), None, "of no configuration");
        assert_eq!(
            nonsense(Some(Encoded::Collect(v1::Collect { id: 1, round: 9, known: Vec::new() }))),
            None
        );
        let row = v1::Row { origin: 70_000, ..v1::Row::default() };
        let push = v1::Push { rows: vec![row], apart: Vec::new() };
        assert_eq!(nonsense(Some(Encoded::Push(push))), None);
        let borrow = v1::Borrow { member: 70_000, ..v1::Borrow::default() };
        assert_eq!(nonsense(Some(Encoded::Borrow(borrow))), None);
    }
}
