//! Records a branch's log as it is written.
//!
//! Off until a recorder asks for it. From then on each entry of the own log is encoded, with the rows that the branch has
//! received since the entry before: so a reader knows what was in the journal when the entry was appended. Entries are kept
//! until they are taken, within a bound: if nobody takes them, recording stops and reports that.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::wire::v1::{LogBegin, LogReply, LogRequest};
use crate::wire::{Failure, LogEncoder, from_version};
use bank::{Entry, Member, RequestId, Seq, Version};
use replication::StreamReplica;
use replication::passbook::Record;

/// Bytes of entries that may wait to be taken: some 230,000 entries at three branches. An entry that knows more of many
/// logs than the one before is longer.
const HELD_MAX: usize = 8 << 20;
/// A part is closed when it has so many bytes. With one entry more it is far below the 4 MiB of a message.
const PART_BYTES: usize = 1 << 18;

/// A request of a recorder.
#[derive(Debug)]
pub(super) struct LogCommand {
    pub(super) request: LogRequest,
    pub(super) reply: oneshot::Sender<Result<LogReply, Failure>>,
}

/// Records the log of a branch while somebody wants it.
#[derive(Debug, Default)]
pub(super) struct LogTap(Option<Box<Recording>>);

#[derive(Debug)]
struct Recording {
    log: u64,
    growth: Growth,
    encoder: LogEncoder,
    /// Closed ones, the oldest first.
    parts: VecDeque<Part>,
    open: Part,
    /// Bytes in all of them.
    held: usize,
    lost: bool,
}

#[derive(Debug, Default)]
struct Part {
    entries: Vec<u8>,
    count: u64,
}

/// The rows received since the last own entry.
#[derive(Debug)]
struct Growth {
    /// How much is known of each log.
    known: Vec<Seq>,
    /// Which of them have grown, each once.
    grown: Vec<Member>,
    has_grown: Vec<bool>,
}

impl LogTap {
    /// The recorder may be gone when the command is answered.
    pub(super) fn handle(&mut self, command: LogCommand, replica: &StreamReplica) {
        let LogCommand { request, reply } = command;
        let _ = reply.send(match request {
            LogRequest { log: None, .. } => self.begin(replica),
            LogRequest { log: Some(log), end: false } => self.of(log).map(Recording::take),
            LogRequest { log: Some(log), end: true } => self.end(log),
        });
    }

    fn begin(&mut self, replica: &StreamReplica) -> Result<LogReply, Failure> {
        let status = replica.log_status().ok_or(Failure::NoLog(replica.name()))?;
        #[expect(clippy::disallowed_methods, reason = "no other log has this name")]
        let log = rand::random();
        let most = if status.rights < 0 { i64::MIN } else { i64::MAX };
        let rights = i64::try_from(status.rights).unwrap_or(most);
        self.0 = Some(Box::new(Recording::new(log, &status.written)));
        let begin = LogBegin { version: from_version(&status.written), rights };
        Ok(LogReply { log, begin: Some(begin), ..LogReply::default() })
    }

    fn end(&mut self, log: u64) -> Result<LogReply, Failure> {
        self.of(log)?;
        self.0 = None;
        Ok(LogReply { log, ..LogReply::default() })
    }

    fn of(&mut self, log: u64) -> Result<&mut Recording, Failure> {
        let recording = self.0.as_deref_mut().filter(|recording| recording.log == log);
        recording.ok_or(Failure::NotRecording(log))
    }

    /// Records an appended record, if a recording is under way.
    pub(super) fn append(&mut self, record: &Record) {
        let Some(recording) = self.0.as_deref_mut().filter(|recording| !recording.lost) else {
            return;
        };
        match record {
            Record::Own { seq, entry, request, .. } => recording.entry(*seq, *entry, *request),
            Record::Received { rows } => {
                for row in rows {
                    recording.growth.received(row.origin, row.seq);
                }
            }
            Record::Founded { .. } | Record::Bound { .. } => {}
        }
    }
}

impl Recording {
    fn new(log: u64, version: &Version) -> Self {
        Self {
            log,
            growth: Growth::since(version),
            encoder: LogEncoder::default(),
            parts: VecDeque::new(),
            open: Part::default(),
            held: 0,
            lost: false,
        }
    }

    fn entry(&mut self, seq: Seq, entry: Entry, request: Option<RequestId>) {
        let before = self.open.entries.len();
        let grown = self.growth.take();
        let encoded = self.encoder.append((seq, entry, request), grown, &mut self.open.entries);
        self.open.count += 1;
        self.held += self.open.entries.len() - before;
        if self.open.entries.len() >= PART_BYTES {
            self.parts.push_back(std::mem::take(&mut self.open));
        }
        self.lost = encoded.is_err() || self.held >= HELD_MAX;
    }

    fn take(&mut self) -> LogReply {
        let Part { entries, count } = self.parts.pop_front().unwrap_or_else(|| {
            // About as much will come until the next time.
            let room = Vec::with_capacity(self.open.entries.len());
            std::mem::replace(&mut self.open, Part { entries: room, count: 0 })
        });
        self.held -= entries.len();
        let (log, more, lost) = (self.log, self.held > 0, self.lost);
        LogReply { log, begin: None, entries, count, more, lost }
    }
}

impl Growth {
    fn since(version: &Version) -> Self {
        let known: Vec<Seq> = version.iter().map(|(_, seq)| seq).collect();
        let has_grown = vec![false; known.len()];
        Self { known, grown: Vec::new(), has_grown }
    }

    fn received(&mut self, origin: Member, seq: Seq) {
        let place = origin.index();
        let (Some(known), Some(has_grown)) =
            (self.known.get_mut(place), self.has_grown.get_mut(place))
        else {
            return;
        };
        if seq > *known {
            *known = seq;
            if !std::mem::replace(has_grown, true) {
                self.grown.push(origin);
            }
        }
    }

    fn take(&mut self) -> impl Iterator<Item = (Member, Seq)> {
        let Self { known, grown, has_grown } = self;
        grown.drain(..).map(|member| {
            has_grown[member.index()] = false;
            (member, known[member.index()])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{LogBegun, LogEntry, to_log_entries};
    use bank::{BranchId, Chain, Money, Row, SessionId};
    use replication::Passbook;
    use replication::passbook::Settings;

    fn passbook() -> Passbook {
        let branches = [1, 2, 3].map(BranchId);
        Passbook::in_memory(Settings::in_memory(BranchId(2), &branches, Money::new(100), 7))
    }

    fn begun() -> (LogTap, u64) {
        let mut tap = LogTap::default();
        let reply = tap.begin(&passbook()).expect("a log");
        let LogBegun { log, version, rights } = reply.try_into().expect("a beginning");
        assert_eq!((version, rights), (Version::zero(3), 33));
        (tap, log)
    }

    fn own(seq: u64) -> Record {
        let request = Some(RequestId { session: SessionId(seq), number: 1 });
        let entry = Entry::Deposit(Money::new(5));
        Record::Own { seq: Seq(seq), entry, request, chain: Chain::default() }
    }

    fn received(rows: &[(u16, u64)]) -> Record {
        let row = |&(origin, seq)| Row { seq: Seq(seq), ..Row::empty(Member(origin)) };
        Record::Received { rows: rows.iter().map(row).collect() }
    }

    fn taken(tap: &mut LogTap, log: u64) -> (Vec<LogEntry>, LogReply) {
        let part = tap.of(log).map(Recording::take).expect("the one that is under way");
        let entries = to_log_entries(&part.entries).expect("entries");
        assert_eq!(u64::try_from(entries.len()), Ok(part.count));
        (entries, LogReply { entries: Vec::new(), count: 0, ..part })
    }

    #[test]
    fn entry_reports_growth_of_other_logs_once() {
        let (mut tap, log) = begun();
        let records = [
            received(&[(0, 1), (2, 4)]),
            received(&[(0, 3)]),
            own(1),
            own(2),
            received(&[(2, 5), (9, 1)]),
            own(3),
            received(&[(0, 4)]),
        ];
        for record in &records {
            tap.append(record);
        }
        let (entries, rest) = taken(&mut tap, log);
        let grown: Vec<Vec<(u16, u64)>> = entries
            .iter()
            .map(|entry| entry.grown.iter().map(|(member, seq)| (member.0, seq.0)).collect())
            .collect();
        assert_eq!(grown, [vec![(0, 3), (2, 4)], vec![], vec![(2, 5)]]);
        assert_eq!(entries.iter().map(|entry| entry.seq.0).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(entries[1].request.map(|request| request.session), Some(SessionId(2)));
        assert_eq!(rest, LogReply { log, ..LogReply::default() });
        // What came after the last entry belongs to the next, whenever that is taken.
        tap.append(&own(4));
        assert_eq!(taken(&mut tap, log).0[0].grown, [(Member(0), Seq(4))]);
        assert_eq!(taken(&mut tap, log), (Vec::new(), rest));
    }

    #[test]
    fn untaken_entries_are_bounded_and_reported_as_lost() {
        let (mut tap, log) = begun();
        let mut written = 0;
        while tap.of(log).is_ok_and(|recording| !recording.lost) {
            written += 1;
            tap.append(&own(written));
        }
        tap.append(&own(written + 1));
        assert!(tap.of(log).is_ok_and(|recording| recording.held < HELD_MAX + 64));
        let mut seen = 0;
        loop {
            let (entries, part) = taken(&mut tap, log);
            let last = entries.last().expect("entries");
            seen += u64::try_from(entries.len()).expect("few");
            assert_eq!((last.seq.0, part.lost), (seen, true));
            if !part.more {
                break;
            }
        }
        assert_eq!(seen, written, "what came after it is not recorded");
        // There is room again, but what lies between is not known.
        tap.append(&own(written + 2));
        assert_eq!(
            taken(&mut tap, log),
            (Vec::new(), LogReply { log, lost: true, ..LogReply::default() })
        );
    }

    #[test]
    fn superseded_recording_is_refused() {
        let (mut tap, first) = begun();
        tap.append(&own(1));
        assert_eq!(tap.of(first ^ 1).err(), Some(Failure::NotRecording(first ^ 1)));
        let second = tap.begin(&passbook()).expect("a log").log;
        let refused = tap.of(first).expect_err("another has begun");
        let words = format!("recording {first:016x} of this branch's log is over: somebody else");
        assert!(refused.to_string().starts_with(&words), "{refused}");
        let (reply, mut answer) = oneshot::channel();
        let end = |log| LogRequest { log: Some(log), end: true };
        tap.handle(LogCommand { request: end(first), reply }, &passbook());
        assert_eq!(answer.try_recv(), Ok(Err(Failure::NotRecording(first))));
        assert_eq!(taken(&mut tap, second).0, []);
        let (reply, mut answer) = oneshot::channel();
        tap.handle(LogCommand { request: end(second), reply }, &passbook());
        let ended = LogReply { log: second, ..LogReply::default() };
        assert_eq!(answer.try_recv(), Ok(Ok(ended)));
        assert_eq!(tap.of(second).err(), Some(Failure::NotRecording(second)));
    }
}
