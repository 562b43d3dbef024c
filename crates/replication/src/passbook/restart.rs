//! Start and restart: from a journal, or from nothing.
//!
//! What was replayed may never have been synced: a process that is killed leaves it in the page cache. So it
//! counts as durable, and anything else begins, only when the driver has synced the journal and says so.

use rand::SeedableRng as _;
use rand_pcg::Pcg64Mcg;

use super::answers::Answers;
use super::borrow::{Errand, Withdrawals};
use super::hub::Hub;
use super::journal::{Chains, Journal};
use super::peers::Peer;
use super::sessions::Sessions;
use super::{Corrupt, Effect, Mutant, Passbook, Record, Settings, Step, Storage};
use crate::Instant;
use bank::{Entry, Ledger, Member, Row, Write, WriteKind};

impl Passbook {
    /// Starts a branch from what its journal holds: nothing at all for a new one, and always in memory
    /// mode. The effects are what is to be done first. What was replayed counts as durable, and anything
    /// else begins, only after [`super::Input::Persisted`] covers it: sync the journal before.
    pub fn start(
        settings: Settings,
        journal: Vec<Record>,
        effects: &mut Vec<Effect>,
    ) -> Result<Self, Corrupt> {
        let mut replica = Self::new(settings);
        if journal.is_empty() {
            replica.found(effects);
        } else {
            replica.replay(journal)?;
        }
        replica.know_cluster();
        Ok(replica)
    }

    /// Starts a branch that keeps everything in memory.
    pub fn in_memory(settings: Settings) -> Self {
        let mut replica = Self::new(Settings { storage: Storage::Memory, ..settings });
        // There is no journal to write the beginning into.
        replica.found(&mut Vec::new());
        replica.know_cluster();
        replica
    }

    /// Begins a life.
    fn found(&mut self, effects: &mut Vec<Effect>) {
        let record = Record::Founded {
            incarnation: self.settings.incarnation,
            configuration: self.settings.configuration_hash(),
        };
        self.record_life(&mut Step { now: Instant::default(), effects }, record);
        self.journal.founded();
    }

    fn new(settings: Settings) -> Self {
        let members = settings.branches.len();
        let me = settings.member(settings.me).unwrap_or(Member(0));
        let visible = Ledger::new(settings.opening, members);
        let limits = settings.limits;
        let horizon = settings.timing.horizon;
        let keeps_last = settings.has(Mutant::DedupeKeepsLast);
        let mut random = Pcg64Mcg::seed_from_u64(settings.seed);
        Self {
            me,
            own: Row::empty(me),
            rights: visible.share(me),
            lowest: visible.total(),
            visible,
            journal: Journal::new(settings.storage, members),
            chains: Chains::new(limits.chains),
            cluster: None,
            peers: settings.branches.iter().map(|id| Peer::new(*id, members)).collect(),
            sessions: Sessions::new(horizon, limits.sessions, keeps_last),
            waiters: Vec::new(),
            answers: Answers::default(),
            holders: Vec::with_capacity(members),
            expired: Vec::new(),
            withdrawals: Withdrawals::new(),
            errand: Errand::Idle,
            asked: vec![false; members],
            richest: Vec::with_capacity(members),
            collect: None,
            askers: Vec::new(),
            snapshots: Vec::new(),
            clock: 0,
            // Questions of an earlier life have other numbers.
            last_id: u64::from(rand::Rng::next_u32(&mut random)) << 32,
            random,
            hub: Hub::new((members >= settings.hub_from).then_some(Member(0))),
            relays: false,
            news: false,
            armed: false,
            stopped: None,
            accepted: 0,
            applied: 0,
            settings,
        }
    }

    fn replay(&mut self, mut journal: Vec<Record>) -> Result<(), Corrupt> {
        let length = journal.len();
        if self.has(Mutant::ReuseSeqAfterRestart)
            && matches!(journal.last(), Some(Record::Own { .. }))
        {
            journal.pop();
        }
        if self.has(Mutant::JournalCutInTheMiddle) && length > 6 {
            journal.remove(length / 2);
        }
        for (number, record) in (1..).zip(journal) {
            self.replay_record(number, record)?;
        }
        self.journal.replayed(u64::try_from(length).unwrap_or(u64::MAX));
        if self.has(Mutant::NoSyncAfterReplay) {
            self.count_as_durable(u64::try_from(length).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn replay_record(&mut self, number: u64, record: Record) -> Result<(), Corrupt> {
        let broken = Corrupt::Broken { record: number };
        match record {
            Record::Founded { incarnation, configuration } => {
                if number != 1 {
                    return Err(Corrupt::Misplaced { record: number });
                }
                if configuration != self.settings.configuration_hash() {
                    return Err(Corrupt::OtherConfiguration);
                }
                self.settings.incarnation = incarnation;
            }
            _ if number == 1 => return Err(Corrupt::Misplaced { record: 1 }),
            Record::Bound { peer, incarnation } => {
                let peer = self.peers.get_mut(peer.index()).ok_or(broken)?;
                peer.incarnation = Some(incarnation);
            }
            Record::Own { seq, entry, request, chain } => {
                self.append_own(&entry, request);
                let continues = self.own.seq == seq && self.own.chain == chain;
                if !continues && !self.has(Mutant::JournalCutInTheMiddle) {
                    return Err(broken);
                }
                self.own.seq = seq;
                self.own.chain = chain;
                self.chains.publish(seq, chain);
                let content = match entry {
                    Entry::Deposit(amount) => Some(Write { kind: WriteKind::Deposit, amount }),
                    Entry::Withdraw(amount) => Some(Write { kind: WriteKind::Withdraw, amount }),
                    Entry::Grant { .. } => None,
                };
                if let (Some(request), Some(content)) = (request, content)
                    && !self.has(Mutant::DedupeLostAtRestart)
                {
                    self.sessions.replayed(request, content, seq);
                }
            }
            Record::Received { rows } => {
                for row in rows {
                    let held = self.visible.row(row.origin).ok_or(broken)?;
                    let granted_before = held.granted.to(self.me).signed();
                    if row.origin == self.me {
                        return Err(broken);
                    }
                    if self.visible.join(&row).map_err(|_| broken)? {
                        self.rights += row.granted.to(self.me).signed() - granted_before;
                    }
                }
            }
        }
        Ok(())
    }
}
