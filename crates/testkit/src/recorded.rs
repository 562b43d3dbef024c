//! Recorded runs that are right by construction, from a little model of a bank with rows, rights and tokens. It
//! shares nothing with the branches that it imitates, nor with the judge.

mod model;

use bank::{Ack, Read};
use bank::{
    BranchId, CustomerId, Entry, Member, Money, Operation, Outcome, Rejection, RequestId, Seq,
    SessionId, Version,
};
use check::{Judged, judge};
use history::{Customers, FinalState, Header, Logged, OperationRecord, Run, Server, Settings};

use model::Bank;

/// Random numbers (`SplitMix64`).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let below = u64::try_from(below.max(1)).expect("64 bits");
        usize::try_from((mixed ^ (mixed >> 31)) % below).expect("less than a usize")
    }

    pub fn percent(&mut self, chance: usize) -> bool {
        self.roll(100) < chance
    }
}

/// What a run is like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub branches: usize,
    pub sessions: usize,
    pub operations: usize,
    pub opening: i64,
    pub read: Read,
    /// Deposits and withdrawals in a hundred; the rest are queries.
    pub mix: (usize, usize),
    /// Writes in a hundred that are never answered.
    pub unanswered: usize,
}

/// One call, to be changed at will.
#[derive(Clone, Debug)]
pub struct RawCall {
    pub call: OperationRecord<'static>,
    pub member: usize,
    pub version: Option<Vec<u64>>,
    pub at_most: Option<Vec<u64>>,
}

/// One entry, to be changed at will.
#[derive(Clone, Debug)]
pub struct RawEntry {
    pub entry: Entry,
    pub request: Option<RequestId>,
    pub version: Vec<u64>,
}

/// A whole run.
#[derive(Clone, Debug)]
pub struct Recording {
    pub settings: Settings,
    pub opening: i64,
    pub calls: Vec<RawCall>,
    pub logs: Vec<Vec<RawEntry>>,
    pub balance: i64,
}

pub fn kept(seq: usize) -> u64 {
    u64::try_from(seq).expect("few")
}

pub fn change(entry: Entry) -> i64 {
    match entry {
        Entry::Deposit(amount) => amount.minor_units(),
        Entry::Withdraw(amount) => -amount.minor_units(),
        Entry::Grant { .. } => 0,
    }
}

impl Recording {
    pub fn branches(&self) -> Vec<BranchId> {
        (1..).take(self.logs.len()).map(BranchId).collect()
    }

    /// The run as loadgen would have recorded it.
    pub fn run(&self) -> Run {
        let header = Header::new(self.settings, Money::new(self.opening), self.branches());
        let mut run = Run::new(header);
        for raw in &self.calls {
            run.history.push(&raw.seen()).expect("a call that fits");
        }
        for (member, log) in (0..).map(Member).zip(&self.logs) {
            for (seq, raw) in (1..).zip(log) {
                let logged = raw.logged(seq);
                run.ledgers.push(member, &logged).expect("an entry that fits");
            }
            run.ledgers.whole(member);
        }
        let version: Version = self.logs.iter().map(|log| Seq(kept(log.len()))).collect();
        let finals = self.branches().into_iter().map(|branch| FinalState {
            branch,
            balance: Money::new(self.balance),
            lowest_balance: Some(Money::new(self.balance.min(self.opening))),
            settled: true,
            version: Some(version.clone()),
        });
        run.finals = finals.collect();
        run
    }

    pub fn judge(&self) -> Vec<Judged> {
        judge(&self.run())
    }
}

impl RawCall {
    pub fn seen(&self) -> OperationRecord<'_> {
        let (version, at_most) = (self.version.as_deref(), self.at_most.as_deref());
        OperationRecord { version, at_most, ..self.call }
    }
}

impl RawEntry {
    pub fn logged(&self, seq: u64) -> Logged<'_> {
        let Self { entry, request, version } = self;
        Logged { seq: Seq(seq), entry: *entry, request: *request, version: Some(version) }
    }
}

#[derive(Clone)]
enum Doing {
    Nothing,
    Asked(RawCall),
    Done(RawCall),
    Gone,
}

struct Customer {
    id: u64,
    number: u64,
    position: u64,
    token: Vec<u64>,
    doing: Doing,
}

/// The low bits of an amount by which customers who keep to themselves name their writes. Money counts above them.
pub const NAME_BITS: u32 = 32;

/// Runs the model, with customers who roam. The same seed is the same run.
pub fn record(shape: Shape, seed: u64) -> Recording {
    record_as(shape, false, seed)
}

/// The same. Customers may keep to themselves: each has the branch of its number, asks nothing more after what was not
/// answered, and gives every amount a bit of its own below [`NAME_BITS`]. There are as many branches as sessions, and
/// fewer requests than such bits.
pub fn record_as(shape: Shape, apart: bool, seed: u64) -> Recording {
    let mut dice = Dice(seed);
    let mut bank = Bank::new(shape.opening, shape.branches);
    let mut calls = Vec::with_capacity(shape.operations);
    let new = |id: usize| Customer {
        id: kept(id) + 1,
        number: 0,
        position: 0,
        token: vec![0; shape.branches],
        doing: Doing::Nothing,
    };
    let mut customers: Vec<Customer> = (0..shape.sessions).map(new).collect();
    let (mut now, mut asked) = (0, 0);
    let here = |customer: &Customer| !matches!(customer.doing, Doing::Gone);
    while calls.len() < shape.operations && customers.iter().any(here) {
        now += 1 + kept(dice.roll(2_000));
        if dice.percent(40) {
            let heard = bank.known[dice.roll(shape.branches)].clone();
            bank.learn(dice.roll(shape.branches), &heard);
        }
        let customer = &mut customers[dice.roll(shape.sessions)];
        customer.doing = match std::mem::replace(&mut customer.doing, Doing::Nothing) {
            Doing::Gone => Doing::Gone,
            Doing::Nothing => {
                asked += 1;
                Doing::Asked(ask(&shape, &mut dice, customer, now, apart.then_some(asked)))
            }
            Doing::Asked(raw) => match carry_out(&shape, &mut dice, &mut bank, customer, raw) {
                (raw, true) => Doing::Done(raw),
                (raw, false) => {
                    calls.push(raw);
                    if apart { Doing::Gone } else { Doing::Nothing }
                }
            },
            Doing::Done(raw) => {
                let raw = answer(&bank, raw, now);
                for (known, shown) in customer.token.iter_mut().zip(raw.version.iter().flatten()) {
                    *known = (*known).max(*shown);
                }
                calls.push(raw);
                Doing::Nothing
            }
        };
    }
    // Those who are still waiting when the run ends are not told.
    for customer in customers {
        if let Doing::Asked(raw) | Doing::Done(raw) = customer.doing {
            let call =
                OperationRecord { outcome: Outcome::Unknown, seq: None, balance: None, ..raw.call };
            calls.push(RawCall { call, version: None, at_most: None, ..raw });
        }
    }
    let balance = bank.balance(&bank.all());
    let settings = Settings {
        server: Server::Passbook,
        ack: Ack::Local,
        read: shape.read,
        customers: Customers::Many,
    };
    Recording { settings, opening: shape.opening, calls, logs: bank.logs, balance }
}

fn ask(
    shape: &Shape,
    dice: &mut Dice,
    customer: &mut Customer,
    now: u64,
    apart: Option<u32>,
) -> RawCall {
    customer.number += 1 + kept(dice.roll(2));
    customer.position += 1;
    let amount = 1 + i64::try_from(dice.roll(100)).expect("small");
    let amount = apart.map_or(amount, |asked| (amount << NAME_BITS) + (1 << asked));
    let (deposits, withdrawals) = shape.mix;
    let operation = match dice.roll(100) {
        kind if kind < deposits => Operation::deposit(amount),
        kind if kind < deposits + withdrawals => Operation::withdraw(amount),
        _ => Operation::Query,
    };
    let member = match apart {
        None => dice.roll(shape.branches),
        Some(_) => usize::try_from(customer.id - 1).expect("few"),
    };
    let asked = OperationRecord::new(
        CustomerId(customer.id),
        customer.position,
        BranchId(u32::try_from(member + 1).expect("few")),
        operation,
        Outcome::Ok,
    );
    let call = OperationRecord {
        session: SessionId(customer.id * 7_919),
        number: customer.number,
        attempt: 1 + u32::from(dice.percent(5)),
        invoked: now,
        completed: None,
        trace: dice.percent(1).then_some(u128::from(now)),
        ..asked
    };
    RawCall { call, member, version: None, at_most: None }
}

/// Does it, and says whether there will be an answer.
fn carry_out(
    shape: &Shape,
    dice: &mut Dice,
    bank: &mut Bank,
    customer: &Customer,
    mut raw: RawCall,
) -> (RawCall, bool) {
    let branch = raw.member;
    if raw.call.operation != Operation::Query || shape.read != Read::Local {
        bank.learn(branch, &customer.token);
    }
    let lost = dice.percent(shape.unanswered);
    let request = Some(raw.call.request());
    if !(lost && dice.percent(50)) {
        match raw.call.write() {
            None if shape.read == Read::Snapshot => {
                let all = bank.all();
                bank.learn(branch, &all);
                raw.version = Some(all);
            }
            None => raw.version = Some(bank.known[branch].clone()),
            Some(write) => {
                let amount = write.amount;
                let entry = if raw.call.operation == Operation::deposit(amount.minor_units()) {
                    Some(Entry::Deposit(amount))
                } else {
                    bank.obtain(branch, amount.minor_units()).then_some(Entry::Withdraw(amount))
                };
                if let Some(entry) = entry {
                    raw.call.seq = Some(Seq(bank.append(branch, entry, request)));
                } else {
                    raw.call.outcome = Outcome::Rejected(Rejection::InsufficientFunds);
                    (raw.version, raw.at_most) = (Some(bank.all()), Some(bank.all()));
                }
            }
        }
    }
    if lost {
        let call = OperationRecord { outcome: Outcome::Unknown, seq: None, ..raw.call };
        raw = RawCall { call, version: None, at_most: None, ..raw };
    }
    (raw, !lost)
}

/// Answers a write from what is known by now; a query, and a refusal, from what was known when it was looked at.
fn answer(bank: &Bank, mut raw: RawCall, now: u64) -> RawCall {
    // The later the other end of a proof, the less it tells.
    if let (Some(write), Some(version), Some(_)) = (raw.call.write(), &raw.version, &raw.at_most)
        && bank.is_short(version, write.amount.minor_units())
    {
        raw.at_most = Some(bank.all());
    }
    let version = raw.version.take().unwrap_or_else(|| bank.known[raw.member].clone());
    raw.call.balance = Some(Money::new(bank.balance(&version)));
    raw.call.completed = Some(now);
    raw.version = Some(version);
    raw
}
