//! What branches log while customers are at work, recorded over real sockets: it must be all there is, and prove an
//! honest run right.

#![expect(
    clippy::disallowed_methods,
    reason = "a test ends with its tasks and need not repeat its names"
)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bank::{Ack, Read};
use bank::{
    BranchId, CustomerId, Entry, Member, Money, Operation, Outcome, Seq, SessionId, StatusCode,
    Version, Write, WriteKind,
};
use check::{Property, Verdict, judge};
use history::Header;
use history::{Extent, FinalState, History, Ledgers as Logs, Log, Logged, OperationRecord, Run};
use loadgen::Interrupt;
use loadgen::record::{Ledgers, LedgersError};
use passbook::cluster::ClusterSpec;
use passbook::wire::v1::bank_client::BankClient;
use passbook::wire::v1::inspect_client::InspectClient;
use passbook::wire::v1::{LogRequest, QueryRequest, WriteRequest};
use passbook::wire::{from_attempt, from_read, from_token, receipt_of, to_answer, to_receipt};
use replication::passbook::{Effect, Input, Passbook, Session, Settings, Timing};
use replication::{Fanout, Instant as TimePoint, Locking, Receipt, Replica, Replication, Scheme};
use support::folder;
use support::ledgers::{Channels, embedded, end, header, settled, started, written};
use testkit::forwarding::{ForwardingReplica, ReplicaFault};
use tokio::task::JoinSet;
use tonic::Code;

/// An operation as its customer saw it.
struct Seen {
    call: OperationRecord<'static>,
    receipt: Option<Receipt>,
}

/// A customer who roams, and asks for more than one branch has the rights to.
async fn customer(id: u64, events: u64, channels: Channels, begun: Instant) -> Vec<Seen> {
    let session = SessionId(rand::random());
    let mut carries = Session::new(session);
    let mut dice = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut seen = Vec::new();
    for event in 1..=events {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(id);
        let roll = dice >> 33;
        let place = usize::try_from(roll).expect("64 bits") % channels.len();
        let (branch, channel) = &channels[place];
        let amount = i64::try_from(roll / 16 % 60).expect("little");
        let operation = match roll / 1024 % 10 {
            0..4 => Operation::deposit(amount),
            4..8 => Operation::withdraw(amount),
            _ => Operation::Query,
        };
        let mut bank = BankClient::new(channel.clone());
        let attempt = carries.begin();
        let token = carries.token().map(from_token);
        let invoked = nanos(begun);
        let (outcome, balance, receipt) = match operation {
            Operation::Query => {
                let read = from_read(Read::Session);
                let request = QueryRequest { token, read };
                let reply = bank.query(request).await.expect("answered").into_inner();
                let receipt = reply.token.as_ref().map(receipt_of);
                (Outcome::Ok, Some(Money::new(reply.balance)), receipt)
            }
            Operation::Write(Write { kind, amount }) => {
                let request = WriteRequest {
                    amount: amount.minor_units(),
                    attempt: Some(from_attempt(attempt)),
                    token,
                    ..WriteRequest::default()
                };
                let reply = match kind {
                    WriteKind::Deposit => bank.deposit(request).await,
                    WriteKind::Withdraw => bank.withdraw(request).await,
                };
                let reply = reply.expect("answered").into_inner();
                let answer = to_answer(&reply);
                (answer.outcome, answer.balance, to_receipt(reply))
            }
        };
        carries.answered(attempt, outcome, receipt.as_ref()).expect("the last attempt");
        let call = OperationRecord {
            session,
            customer: CustomerId(id),
            number: attempt.request.number,
            position: event,
            attempt: 1,
            operation,
            branch: *branch,
            invoked,
            completed: Some(nanos(begun)),
            outcome,
            code: StatusCode::Ok,
            status: None,
            seq: receipt.as_ref().and_then(|receipt| receipt.seq),
            version: None,
            at_most: None,
            balance,
            trace: None,
        };
        seen.push(Seen { call, receipt });
    }
    seen
}

fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).expect("not for centuries")
}

/// A run as it was recorded.
struct Recorded {
    seen: Vec<Seen>,
    base: Option<Version>,
    header: Header,
    logs: Logs,
    finals: Vec<FinalState>,
}

/// Customers at work while logs are recorded.
async fn record(channels: &Channels, customers: u64) -> Recorded {
    let home = folder();
    let opening = settled(channels).await[0].balance;
    let ledgers =
        Ledgers::begin(channels, home.path(), &Interrupt::default()).await.expect("begun");
    let begun = Instant::now();
    let mut at_work = JoinSet::new();
    for id in 1..=customers {
        at_work.spawn(customer(id, 60, channels.clone(), begun));
    }
    let seen = at_work.join_all().await.into_iter().flatten().collect();
    let finals = settled(channels).await;
    let logged = ledgers.finish().await.expect("ended");
    let header = header(channels, opening, &logged);
    let base = logged.base().cloned();
    let (logs, finals) = written(&home, &header, logged, &finals);
    Recorded { seen, base, header, logs, finals }
}

impl Recorded {
    fn since(&self, version: &Version) -> Vec<u64> {
        let before = |member| self.base.as_ref().map_or(0, |base| base.of(member).0);
        version.iter().map(|(member, seq)| seq.0 - before(member)).collect()
    }

    fn history(&self) -> History {
        let mut history = History::new(self.header.branches.iter().copied());
        for Seen { call, receipt } in &self.seen {
            let version = receipt.as_ref().map(|receipt| self.since(&receipt.version));
            let member = history.member(call.branch).expect("a branch");
            let before = self.base.as_ref().map_or(0, |base| base.of(member).0);
            let seq = call.seq.map(|seq| Seq(seq.0 - before));
            let at_most = receipt.as_ref().and_then(|receipt| receipt.at_most.as_ref());
            let at_most = at_most.map(|version| self.since(version));
            let (version, at_most) = (version.as_deref(), at_most.as_deref());
            let call = OperationRecord { version, at_most, seq, ..*call };
            history.push(&call).expect("a call that fits");
        }
        history
    }

    /// The verdict on each property.
    fn judged(&self, logs: &Logs) -> Vec<(Property, Verdict, String)> {
        let run = Run {
            header: self.header.clone(),
            history: self.history(),
            ledgers: logs.clone(),
            finals: self.finals.clone(),
        };
        let judged = judge(&run).into_iter().map(|judged| judged.finding);
        judged.map(|found| (found.property, found.verdict, format!("{found:?}"))).collect()
    }

    fn proves_the_run_right(&self) {
        for (member, log) in (0..).map(Member).zip(self.logs.logs()) {
            assert_eq!(log.extent(), Extent::Whole);
            let length = u64::try_from(log.len()).expect("few");
            assert!(log.entries().map(|entry| entry.seq.0).eq(1..=length));
            for last in &self.finals {
                let version = last.version.as_ref().expect("told");
                assert_eq!(version.of(member).0, length);
            }
        }
        let entries = || self.logs.logs().iter().flat_map(Log::entries);
        let grants = entries().filter(|logged| matches!(logged.entry, Entry::Grant { .. }));
        assert!(grants.count() > 0, "rights were to move");
        let net: i64 = entries()
            .map(|logged| match logged.entry {
                Entry::Deposit(amount) => amount.minor_units(),
                Entry::Withdraw(amount) => -amount.minor_units(),
                Entry::Grant { .. } => 0,
            })
            .sum();
        let held = self.finals[0].balance.minor_units();
        assert_eq!(held, self.header.opening.minor_units() + net);
        for (property, verdict, finding) in self.judged(&self.logs) {
            let holds = match property {
                Property::Linearizable => continue,
                // Every balance has a version, so only refusals are judged, if there are any.
                Property::BalanceBounds => verdict <= Verdict::Pass,
                _ => verdict == Verdict::Pass,
            };
            assert!(holds, "{property:?}: {finding}");
        }
    }
}

/// The same logs, but for what `change` makes of one entry of the first.
fn changed(logs: &Logs, change: impl Fn(&mut Logged<'_>) -> bool) -> Logs {
    let mut other = Logs::missing(logs.logs().len());
    for (member, log) in (0..).map(Member).zip(logs.logs()) {
        for mut logged in log.entries() {
            if change(&mut logged) {
                other.push(member, &logged).expect("a branch").expect("an entry that fits");
            }
        }
        other.whole(member);
    }
    other
}

/// Members are in the order of the branches' numbers, addresses need not be.
#[tokio::test]
async fn what_branches_log_proves_an_honest_run_right_also_on_a_cluster_that_was_used_before() {
    let (cluster, channels) = embedded(&[5, 2, 9], Scheme::Passbook, 90).await;
    let first = record(&channels, 12).await;
    assert_eq!((&first.base, &first.header.rights), (&None, &None));
    first.proves_the_run_right();

    let second = record(&channels, 12).await;
    let base = second.base.as_ref().expect("it was used before");
    assert_eq!(Some(base), first.finals[0].version.as_ref());
    let rights = second.header.rights.as_ref().expect("it was used before");
    assert_eq!(rights.iter().sum::<i64>(), second.header.opening.minor_units());
    second.proves_the_run_right();

    // It would not prove another one right.
    let verdict = |logs: &Logs, wanted: Property| {
        let judged = first.judged(logs).into_iter().find(|(property, ..)| *property == wanted);
        judged.expect("judged").1
    };
    let forgotten = changed(&first.logs, |logged| match logged.entry {
        Entry::Grant { .. } => true,
        _ => logged.seq.0 > 1,
    });
    assert_eq!(verdict(&forgotten, Property::Conservation), Verdict::Fail);
    drop(channels);
    end(cluster).await;
}

/// Where there are many branches, one passes on what the others write.
#[tokio::test]
async fn what_came_by_way_of_the_hub_is_logged_as_what_came_directly() {
    let ids: Vec<u32> = (1..=9).collect();
    let (cluster, channels) = embedded(&ids, Scheme::Passbook, 90).await;
    record(&channels, 12).await.proves_the_run_right();
    drop(channels);
    end(cluster).await;
}

#[tokio::test]
async fn one_recorder_takes_the_place_of_another_and_leaves_none_behind() {
    let (cluster, channels) = embedded(&[5, 2, 9], Scheme::Passbook, 90).await;
    let home = folder();
    let first = Ledgers::begin(&channels, home.path(), &Interrupt::default()).await.expect("begun");
    let second =
        Ledgers::begin(&channels, home.path(), &Interrupt::default()).await.expect("begun");
    let finals = settled(&channels).await;
    let (first, second) = (first.finish().await, second.finish().await);
    for (logged, extent) in [(first, Extent::Missing), (second, Extent::Whole)] {
        let logged = logged.expect("ended");
        let header = header(&channels, Money::new(90), &logged);
        let (logs, _) = written(&home, &header, logged, &finals);
        assert!(logs.logs().iter().all(|log| log.extent() == extent), "{extent:?}");
    }

    let mut inspect = InspectClient::new(channels[0].1.clone());
    let begun = inspect.log(LogRequest::default()).await.expect("begun").into_inner();
    let go_on = LogRequest { log: Some(begun.log), end: false };
    let other = LogRequest { log: Some(begun.log ^ 1), end: false };
    let refused = inspect.log(other).await.expect_err("another's");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let part = inspect.log(go_on).await.expect("taken").into_inner();
    assert_eq!((part.count, part.more, part.lost, part.begin), (0, false, false, None));
    inspect.log(LogRequest { log: Some(begun.log), end: true }).await.expect("ended");
    let refused = inspect.log(go_on).await.expect_err("it is over");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    drop((inspect, channels));
    end(cluster).await;
}

#[tokio::test]
async fn a_scheme_without_logs_has_none_to_record() {
    let fanout = Fanout::Parallel;
    let scheme = Scheme::Broadcast { fanout, locking: Locking::Unlocked };
    let (cluster, channels) = embedded(&[5, 2, 9], scheme, 90).await;
    let home = folder();
    let logged = Ledgers::begin(&channels, home.path(), &Interrupt::default())
        .await
        .expect("begun")
        .finish()
        .await;
    let logged = logged.expect("ended");
    let finals = settled(&channels).await;
    assert!(finals.iter().all(|last| last.version.is_none()));
    let header = header(&channels, Money::new(90), &logged);
    let (logs, read) = written(&home, &header, logged, &finals);
    assert!(logs.is_missing());
    assert_eq!(read, finals);
    drop(channels);
    end(cluster).await;
}

#[tokio::test]
async fn a_branch_that_is_gone_before_it_begins_is_named() {
    let (cluster, mut channels) = embedded(&[5, 2, 9], Scheme::Passbook, 90).await;
    let (other, gone) = embedded(&[5], Scheme::Passbook, 90).await;
    end(other).await;
    channels.splice(..1, gone);
    let home = folder();
    let refused =
        Ledgers::begin(&channels, home.path(), &Interrupt::default()).await.expect_err("gone");
    assert!(matches!(refused, LedgersError::NoAnswer { branch: BranchId(5), .. }), "{refused}");
    drop(channels);
    end(cluster).await;
}

/// Peers are not heard before the replica was woken so many times.
struct Late {
    wakes_left: u32,
    held_back: Vec<Input>,
}

impl ReplicaFault<Passbook> for Late {
    fn on(
        &mut self,
        replica: &mut Passbook,
        now: TimePoint,
        input: Input,
        effects: &mut Vec<Effect>,
    ) {
        if self.wakes_left == 0 {
            return replica.on(now, input, effects);
        }
        match input {
            Input::PeerUp { .. } | Input::PeerDown { .. } | Input::Peer { .. } => {
                self.held_back.push(input);
            }
            Input::Tick => {
                self.wakes_left -= 1;
                replica.on(now, input, effects);
            }
            _ => replica.on(now, input, effects),
        }
        if self.wakes_left == 0 {
            for input in self.held_back.drain(..) {
                replica.on(now, input, effects);
            }
        } else {
            effects.push(Effect::WakeAt(now.after(Duration::from_millis(1))));
        }
    }
}

#[tokio::test]
async fn started_cluster_makes_the_first_write_of_each_branch() {
    let ids = [5, 2, 9].map(BranchId).to_vec();
    let spec = ClusterSpec {
        replica: Arc::new(|id, peers| {
            let branches: Vec<BranchId> = peers.into_iter().chain([id]).collect();
            let settings = Settings::in_memory(id, &branches, Money::ZERO, rand::random());
            let settings = Settings { timing: Timing::on_streams(), ..settings };
            let replica = Passbook::in_memory(settings);
            let fault = Late { wakes_left: 200, held_back: Vec::new() };
            Replica::passbook(ForwardingReplica { replica, fault })
        }),
        ..ClusterSpec::new(ids, Money::ZERO, Scheme::Passbook)
    };
    let (cluster, channels) = started(spec).await;
    for (branch, channel) in &channels {
        let request = WriteRequest { amount: 1, ..WriteRequest::default() };
        let made = BankClient::new(channel.clone()).deposit(request).await;
        made.unwrap_or_else(|refused| panic!("branch {branch}: {refused}"));
    }
    drop(channels);
    end(cluster).await;
}

/// A branch in a process of its own can be killed.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_log_of_a_branch_that_is_killed_is_cut() {
    use support::branches::Addresses;
    use testkit::processes::signal;
    use tonic::transport::Endpoint;

    let addresses = Addresses::reserve(3);
    let serve = |id: usize| {
        let peers: Vec<usize> = (1..=3).filter(|peer| *peer != id).collect();
        addresses.serve(id, &peers, &["--replication", "passbook"])
    };
    let mut processes: Vec<_> = (1..=3).map(serve).collect();
    let all = (1..).map(BranchId).zip(addresses.all.iter().map(ToString::to_string));
    let lazy = all.map(|(branch, address)| {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URI");
        (branch, endpoint.connect_lazy())
    });
    let channels: Channels = lazy.collect();
    let deposit = async |place: usize, ack: Ack| {
        let ack = passbook::wire::from_ack(ack);
        let request = WriteRequest { amount: 1, ack, ..WriteRequest::default() };
        loop {
            let mut bank = BankClient::new(channels[place].1.clone());
            let made = bank.deposit(request.clone()).await;
            if made.is_ok_and(|reply| to_answer(reply.get_ref()).outcome == Outcome::Ok) {
                return;
            }
        }
    };
    for place in 0..3 {
        deposit(place, Ack::All).await;
    }
    settled(&channels).await;
    let home = folder();
    let ledgers =
        Ledgers::begin(&channels, home.path(), &Interrupt::default()).await.expect("begun");
    for _ in 0..20 {
        deposit(1, Ack::All).await;
    }
    let killed = processes.remove(1);
    signal(killed.pid(), "-KILL");
    killed.ended();
    for _ in 0..20 {
        deposit(0, Ack::Majority).await;
        deposit(2, Ack::Majority).await;
    }
    let rest = vec![channels[0].clone(), channels[2].clone()];
    let finals = settled(&rest).await;
    let logged = ledgers.finish().await.expect("ended");
    let header = header(&channels, Money::new(1_000_003), &logged);
    let (logs, finals) = written(&home, &header, logged, &finals);
    let [first, killed, third] = logs.logs() else { panic!("of three branches") };
    for log in [first, third] {
        assert_eq!((log.extent(), log.len()), (Extent::Whole, 20));
    }
    assert_ne!(killed.extent(), Extent::Whole);
    let length = u64::try_from(killed.len()).expect("few");
    assert!(killed.entries().map(|entry| entry.seq.0).eq(1..=length));
    let told = finals[0].version.as_ref().expect("told");
    assert_eq!((told.of(Member(0)).0, told.of(Member(2)).0), (20, 20));
    assert!(told.of(Member(1)).0 >= length);
}
