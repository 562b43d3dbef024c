//! Between messages of the inspect service and entries of a branch's log.

use prost::{DecodeError, EncodeError, Message as _};
use thiserror::Error;

use super::peer_codec::{to_member, to_version};
use super::v1;
use super::v1::log_entry::What;
use bank::{Entry, Member, Money, RequestId, Seq, SessionId, Version};

/// A branch at the instant from which its log is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogBegun {
    /// Names the recording.
    pub log: u64,
    /// What is written down there.
    pub version: Version,
    /// What it may pay out without asking, in minor units.
    pub rights: i64,
}

/// An entry of a branch's own log as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place.
    pub seq: Seq,
    /// What it does.
    pub entry: Entry,
    /// Which request it carries out, if that has a name.
    pub request: Option<RequestId>,
    /// Whose logs the branch has come to know more of since the entry before, and how much it knows now.
    pub grown: Vec<(Member, Seq)>,
}

/// What came is none that a branch can have sent.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LogError {
    /// It cannot be decoded.
    #[error("these are no entries of a log: {0}")]
    Encoding(DecodeError),
    /// It does not say what an entry does, or speaks of money or branches that cannot be.
    #[error("entry {0} of a log says nothing that a branch can have written")]
    Entry(u64),
    /// A recording was to begin.
    #[error("the branch does not say from where on it records")]
    Begin,
}

/// What goes before each entry of [`v1::LogEntries`]: field 1, with a length.
const ENTRY: u8 = 1 << 3 | 2;

/// Encodes entries one by one. It keeps its room, so that an entry allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct LogEncoder(v1::LogEntry);

impl LogEncoder {
    /// Appends an entry to what [`to_log_entries`] reads. `grown` are the logs of which the branch has come to
    /// know more since the entry before.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn append(
        &mut self,
        (seq, entry, request): (Seq, Entry, Option<RequestId>),
        grown: impl Iterator<Item = (Member, Seq)>,
        to: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let one = &mut self.0;
        one.seq = seq.0;
        one.what = Some(match entry {
            Entry::Deposit(amount) => What::Deposit(amount.minor_units()),
            Entry::Withdraw(amount) => What::Withdraw(amount.minor_units()),
            Entry::Grant { to, amount } => {
                What::Grant(v1::LogGrant { to: to.0.into(), amount: amount.minor_units() })
            }
        });
        one.session = request.map(|request| request.session.0);
        one.number = request.map_or(0, |request| request.number);
        one.members.clear();
        one.seqs.clear();
        for (member, seq) in grown {
            one.members.push(member.0.into());
            one.seqs.push(seq.0);
        }
        let before = to.len();
        to.push(ENTRY);
        one.encode_length_delimited(to).inspect_err(|_| to.truncate(before))
    }
}

/// The entries that were encoded one after the other.
///
/// # Errors
/// They are none that a branch can have sent.
pub fn to_log_entries(bytes: &[u8]) -> Result<Vec<LogEntry>, LogError> {
    let decoded = v1::LogEntries::decode(bytes).map_err(LogError::Encoding)?;
    decoded.entries.into_iter().map(LogEntry::try_from).collect()
}

impl TryFrom<v1::LogEntry> for LogEntry {
    type Error = LogError;

    fn try_from(entry: v1::LogEntry) -> Result<Self, LogError> {
        let v1::LogEntry { seq, what, session, number, members, seqs } = entry;
        let strange = || LogError::Entry(seq);
        let money = |amount| Some(Money::new(amount)).filter(|amount| !amount.is_negative());
        let entry = match what {
            Some(What::Deposit(amount)) => money(amount).map(Entry::Deposit),
            Some(What::Withdraw(amount)) => money(amount).map(Entry::Withdraw),
            Some(What::Grant(v1::LogGrant { to, amount })) => {
                to_member(to).zip(money(amount)).map(|(to, amount)| Entry::Grant { to, amount })
            }
            None => None,
        };
        if members.len() != seqs.len() {
            return Err(strange());
        }
        let grown =
            members.iter().zip(seqs).map(|(place, seq)| Some((to_member(*place)?, Seq(seq))));
        Ok(Self {
            seq: Seq(seq),
            entry: entry.ok_or_else(strange)?,
            request: session.map(|session| RequestId { session: SessionId(session), number }),
            grown: grown.collect::<Option<_>>().ok_or_else(strange)?,
        })
    }
}

impl TryFrom<v1::LogReply> for LogBegun {
    type Error = LogError;

    fn try_from(reply: v1::LogReply) -> Result<Self, LogError> {
        let v1::LogBegin { version, rights } = reply.begin.ok_or(LogError::Begin)?;
        Ok(Self { log: reply.log, version: to_version(&version), rights })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> [LogEntry; 3] {
        let request = Some(RequestId { session: SessionId(u64::MAX), number: 7 });
        let grown = vec![(Member(2), Seq(9)), (Member(65_535), Seq(u64::MAX))];
        let grant = Entry::Grant { to: Member(3), amount: Money::new(i64::MAX) };
        [
            LogEntry { seq: Seq(1), entry: Entry::Deposit(Money::ZERO), request, grown },
            LogEntry { seq: Seq(2), entry: grant, request: None, grown: Vec::new() },
            LogEntry { seq: Seq(3), entry: Entry::Withdraw(Money::new(5)), request, grown: vec![] },
        ]
    }

    fn encoded(entries: &[LogEntry]) -> Vec<u8> {
        let (mut encoder, mut bytes) = (LogEncoder::default(), Vec::new());
        for LogEntry { seq, entry, request, grown } in entries {
            let grown = grown.iter().copied();
            encoder.append((*seq, *entry, *request), grown, &mut bytes).expect("room");
        }
        bytes
    }

    #[test]
    fn entries_survive_the_wire_also_as_parts_put_together() {
        let mut bytes = encoded(&entries()[..1]);
        bytes.extend(encoded(&entries()[1..]));
        assert_eq!(to_log_entries(&bytes), Ok(entries().to_vec()));
        assert_eq!(to_log_entries(&[]), Ok(Vec::new()));
        bytes.pop();
        assert!(matches!(to_log_entries(&bytes), Err(LogError::Encoding(_))));
    }

    #[test]
    fn what_no_branch_can_have_written_is_refused() {
        let fine = v1::LogEntry { seq: 4, what: Some(What::Deposit(1)), ..v1::LogEntry::default() };
        assert!(LogEntry::try_from(fine.clone()).is_ok());
        let beyond = v1::LogGrant { to: 65_536, amount: 1 };
        let strange = [
            v1::LogEntry { what: None, ..fine.clone() },
            v1::LogEntry { what: Some(What::Withdraw(-1)), ..fine.clone() },
            v1::LogEntry { what: Some(What::Grant(beyond)), ..fine.clone() },
            v1::LogEntry { members: vec![1], ..fine.clone() },
            v1::LogEntry { members: vec![65_536], seqs: vec![1], ..fine },
        ];
        for entry in strange {
            assert_eq!(LogEntry::try_from(entry), Err(LogError::Entry(4)));
        }
    }

    #[test]
    fn reply_without_a_beginning_is_refused() {
        assert_eq!(LogBegun::try_from(v1::LogReply::default()), Err(LogError::Begin));
    }
}
