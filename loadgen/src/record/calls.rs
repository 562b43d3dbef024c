//! What customers see, recorded as it happens, and made into `history.jsonl` afterwards.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::Arc;

use bank::{
    Answer, BranchId, CustomerId, Money, Operation, Outcome, Rejection, Seq, SessionId, StatusCode,
    Version, Write, WriteKind,
};
use history::{Header, HistoryWriter};
use history::{History, OperationRecord};
use replication::{Attempt, Receipt};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::spool::{Spool, Spooled};
use super::status::CallStatus;
use crate::interrupt::Interrupt;
use crate::scenario::Recording;

/// Records the operations of a run's customers. One thread at a time has it.
#[derive(Debug)]
pub struct Calls {
    spool: Option<Spool<CallRecord>>,
    /// How many more are to be recorded.
    left: u64,
    /// Operations that were left out on purpose.
    left_out: u64,
    begun: Instant,
}

/// An operation that has ended, as its customer saw it.
#[derive(Clone, Debug)]
pub struct Performed {
    /// Who asked.
    pub customer: CustomerId,
    /// The how-manieth operation of the customer it is, from 1.
    pub event: u64,
    /// What was asked.
    pub operation: Operation,
    /// Which branch.
    pub branch: BranchId,
    /// When it was due.
    pub due: Instant,
    /// When it was first sent.
    pub sent: Instant,
    /// When it was answered, or given up.
    pub ended: Instant,
    /// The attempt whose answer was taken, or the last one.
    pub attempt: Attempt,
    /// What was answered.
    pub answer: Answer,
    /// With which status it ended.
    pub status: CallStatus,
    /// What the answer was made from, where it said so.
    pub receipt: Option<Receipt>,
    /// The trace that shows it, if one was made.
    pub trace: Option<u128>,
}

/// An operation as it is spooled.
#[derive(Debug, Serialize, Deserialize)]
struct CallRecord {
    customer: u64,
    event: u64,
    session: u64,
    number: u64,
    attempt: u32,
    kind: Kind,
    amount: i64,
    branch: u32,
    /// Nanoseconds from the run's start.
    sent: u64,
    /// Nanoseconds from there to the answer, or until it was given up.
    took: u64,
    fate: Fate,
    /// The number of the gRPC status code.
    code: i32,
    /// The status word, if the contract does not define it.
    status: Option<String>,
    seq: Option<u64>,
    #[serde(with = "seqs")]
    version: Option<Arc<Version>>,
    #[serde(with = "seqs")]
    at_most: Option<Arc<Version>>,
    balance: Option<i64>,
    trace: Option<u128>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Kind {
    Query,
    Deposit,
    Withdraw,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Fate {
    Ok,
    /// By its place in [`Rejection::ALL`].
    Rejected(u8),
    Unknown,
}

/// A version as a list of numbers.
mod seqs {
    use std::sync::Arc;

    use bank::{Seq, Version};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    struct Seqs<'a>(&'a Version);

    impl Serialize for Seqs<'_> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeSeq;
            let mut seqs = to.serialize_seq(Some(self.0.members()))?;
            for (_, seq) in self.0.iter() {
                seqs.serialize_element(&seq.0)?;
            }
            seqs.end()
        }
    }

    #[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
    pub(super) fn serialize<S: Serializer>(
        version: &Option<Arc<Version>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        version.as_deref().map(Seqs).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Arc<Version>>, D::Error> {
        let seqs = Option::<Vec<u64>>::deserialize(from)?;
        Ok(seqs.map(|seqs| Arc::new(seqs.into_iter().map(Seq).collect())))
    }
}

impl Default for Calls {
    /// Records nothing.
    fn default() -> Self {
        Self { spool: None, left: 0, left_out: 0, begun: Instant::now() }
    }
}

impl Calls {
    /// Records as much as `recording` says, by way of a spool in `folder`, whose write errors go to `interrupt`.
    ///
    /// # Errors
    /// The spool cannot be begun.
    pub fn begin(folder: &Path, recording: Recording, interrupt: &Interrupt) -> io::Result<Self> {
        let left = match recording {
            Recording::All => u64::MAX,
            Recording::First(operations) => operations,
            Recording::Nothing => 0,
        };
        let spool = (left > 0).then(|| Spool::begin(folder, interrupt)).transpose()?;
        Ok(Self { spool, left, ..Self::default() })
    }

    /// An operation has ended.
    pub fn take(&mut self, performed: Performed) {
        let Some(spool) = self.spool.as_mut().filter(|_| self.left > 0) else {
            self.left_out += 1;
            return;
        };
        self.left -= 1;
        let Performed { operation, sent, ended, attempt, answer, status, receipt, .. } = performed;
        let code = status.code.number();
        let word = status.failure.and_then(|failure| failure.word);
        let (kind, amount) = match operation {
            Operation::Query => (Kind::Query, Money::ZERO),
            Operation::Write(write) => match write.kind {
                WriteKind::Deposit => (Kind::Deposit, write.amount),
                WriteKind::Withdraw => (Kind::Withdraw, write.amount),
            },
        };
        let (seq, version, at_most) = receipt.map_or((None, None, None), |receipt| {
            (receipt.seq, Some(receipt.version), receipt.at_most)
        });
        let nanos = |from: Instant, to: Instant| {
            u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
        };
        spool.push(&CallRecord {
            customer: performed.customer.0,
            event: performed.event,
            session: attempt.request.session.0,
            number: attempt.request.number,
            attempt: attempt.attempt,
            kind,
            amount: amount.minor_units(),
            branch: performed.branch.0,
            sent: nanos(self.begun, sent),
            took: nanos(sent, ended),
            fate: Fate::of(answer.outcome),
            code,
            status: word.map(|undefined| undefined.word),
            seq: seq.map(|seq| seq.0),
            version,
            at_most,
            balance: answer.balance.map(Money::minor_units),
            trace: performed.trace,
        });
    }

    /// Ends it.
    ///
    /// # Errors
    /// The spool could not be written.
    pub fn finish(self) -> io::Result<Recorded> {
        let spooled = self.spool.map(Spool::finish).transpose()?;
        let lost = spooled.as_ref().map_or(0, |spooled| spooled.dropped);
        Ok(Recorded { spooled, left_out: self.left_out, lost })
    }
}

impl Fate {
    fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok => Self::Ok,
            Outcome::Unknown => Self::Unknown,
            Outcome::Rejected(reason) => {
                let place = Rejection::ALL.iter().position(|known| *known == reason);
                Self::Rejected(place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX))
            }
        }
    }

    fn outcome(self) -> Outcome {
        match self {
            Self::Ok => Outcome::Ok,
            Self::Unknown => Outcome::Unknown,
            Self::Rejected(place) => Rejection::ALL
                .get(usize::from(place))
                .map_or(Outcome::Unknown, |reason| Outcome::Rejected(*reason)),
        }
    }
}

/// What customers saw, as far as it was recorded.
#[derive(Debug)]
pub struct Recorded {
    spooled: Option<Spooled<CallRecord>>,
    /// Operations that were left out on purpose.
    pub left_out: u64,
    /// Operations that the disk was too slow for.
    pub lost: u64,
}

impl Recorded {
    /// Writes `history.jsonl` at `path`, counting entries of logs from `base`, which is what there was before the
    /// run; and gives what it wrote, without versions.
    ///
    /// # Errors
    /// The spool cannot be read, or the file cannot be written.
    pub fn write(
        self,
        path: &Path,
        header: &Header,
        base: Option<&Version>,
    ) -> io::Result<History> {
        let mut history = History::new(header.branches.iter().copied());
        let mut writer = HistoryWriter::new(BufWriter::new(File::create(path)?), header)?;
        let none = Version::zero(header.branches.len());
        let base = base.unwrap_or(&none);
        let (mut shown, mut at_most) = (Vec::new(), Vec::new());
        for record in self.spooled.into_iter().flatten() {
            let record = record?;
            let mut call = record.call();
            call.version = since(base, record.version.as_deref(), &mut shown);
            call.at_most = since(base, record.at_most.as_deref(), &mut at_most);
            if let (Some(seq), Some(member)) = (call.seq, history.member(call.branch)) {
                call.seq = Some(Seq(seq.0.saturating_sub(base.of(member).0)));
            }
            writer.write(&call)?;
            // Of what it was made from only the file has to know.
            let bare =
                OperationRecord { version: None, at_most: None, status: None, trace: None, ..call };
            history.push(&bare).map_err(io::Error::other)?;
        }
        let missing = self.left_out + self.lost;
        if missing > 0 {
            history.cut();
        }
        writer.finish(missing)?;
        Ok(history)
    }
}

/// A version counted from the run's start, in `room`. One that speaks of other branches than there are says nothing
/// of these.
fn since<'r>(
    base: &Version,
    version: Option<&Version>,
    room: &'r mut Vec<u64>,
) -> Option<&'r [u64]> {
    room.clear();
    let version = version.filter(|version| version.members() == base.members())?;
    room.extend(version.iter().map(|(of, seq)| seq.0.saturating_sub(base.of(of).0)));
    Some(room)
}

impl CallRecord {
    /// Without its versions.
    fn call(&self) -> OperationRecord<'_> {
        let amount = Money::new(self.amount);
        let operation = match self.kind {
            Kind::Query => Operation::Query,
            Kind::Deposit => Operation::Write(Write { kind: WriteKind::Deposit, amount }),
            Kind::Withdraw => Operation::Write(Write { kind: WriteKind::Withdraw, amount }),
        };
        let outcome = self.fate.outcome();
        let answered = outcome != Outcome::Unknown;
        OperationRecord {
            session: SessionId(self.session),
            customer: CustomerId(self.customer),
            number: self.number,
            position: self.event,
            attempt: self.attempt,
            operation,
            branch: BranchId(self.branch),
            invoked: self.sent,
            completed: answered.then(|| self.sent.saturating_add(self.took)),
            outcome,
            code: StatusCode::of_number(self.code),
            status: self.status.as_deref(),
            seq: self.seq.map(Seq),
            version: None,
            at_most: None,
            balance: self.balance.map(Money::new),
            trace: self.trace,
        }
    }
}
