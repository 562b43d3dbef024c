//! What happens in the simulated world, in words.

use super::customers::Said;
use super::disk::Left;
use super::judge::Violation;
use super::network::member;
use bank::{Answer, Entry, Member, Outcome, Row, Version};
use replication::passbook::{Corrupt, Hello, Input, Message, Record, Room, Round, Stop};
use replication::{Attempt, Receipt, Token};

/// A branch, by its number.
pub(super) fn branch(member: Member) -> String {
    format!("branch {}", u32::from(member.0) + 1)
}

fn customer(who: usize) -> String {
    format!("customer {}", who + 1)
}

/// Request 3, attempt 2: "#3.2".
fn attempt(attempt: Attempt) -> String {
    format!("#{}.{}", attempt.request.number, attempt.attempt)
}

/// A version: "[9 0 6]".
pub(super) fn version(version: &Version) -> String {
    version.to_string()
}

fn token(token: Option<&Token>) -> String {
    token.map_or("nothing".to_owned(), |token| version(&token.version))
}

/// What a log adds up to: "+5 -2 granted 3".
pub(super) fn totals(paid_in: u128, out: u128, granted: u128) -> String {
    match granted {
        0 => format!("+{paid_in} -{out}"),
        _ => format!("+{paid_in} -{out} granted {granted}"),
    }
}

/// One row, without its chain.
fn short(row: &Row) -> String {
    let totals = totals(row.deposited.0, row.withdrawn.0, row.granted.total().0);
    format!("{} up to {} ({totals})", branch(row.origin), row.seq)
}

/// One row with its chain.
pub(super) fn row(row: &Row) -> String {
    let granted = row.granted.totals().iter().map(|total| total.0).sum();
    let totals = totals(row.deposited.0, row.withdrawn.0, granted);
    format!("{totals} with the chain {:x}", row.chain.0)
}

/// Rows, without their chains.
pub(super) fn rows(rows: &[Row]) -> String {
    rows.iter().map(short).collect::<Vec<_>>().join(", ")
}

/// One of `many`, or several.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// What an entry does.
pub(super) fn entry(entry: &Entry) -> String {
    match entry {
        Entry::Deposit(amount) => format!("deposit {amount}"),
        Entry::Withdraw(amount) => format!("withdraw {amount}"),
        Entry::Grant { to, amount } => format!("grant {amount} to {}", branch(*to)),
    }
}

/// What a customer does.
pub(super) fn said(who: usize, said: &Said) -> String {
    let who = customer(who);
    match said {
        Said::Asks(asked) => format!(
            "{who} {} at {}: {} (ack {}, read {}), knowing {}",
            attempt(asked.attempt),
            branch(asked.branch),
            asked.operation,
            asked.ack.name(),
            asked.read.name(),
            token(asked.token.as_ref())
        ),
        Said::Retries { next, told: false } => {
            format!("{who} waits no longer and asks again: {}", attempt(*next))
        }
        Said::Retries { next, told: true } => {
            format!("{who} was told \"unknown\" and asks again: {}", attempt(*next))
        }
        Said::Takes { attempt: taken, answer: given, receipt, .. } => {
            format!("{who} {} takes {}", attempt(*taken), answer(given, receipt.as_ref()))
        }
    }
}

fn answer(answer: &Answer, receipt: Option<&Receipt>) -> String {
    let outcome = match answer.outcome {
        Outcome::Ok => "ok".to_owned(),
        Outcome::Rejected(why) => format!("rejected: {}", why.name()),
        Outcome::Unknown => "unknown".to_owned(),
    };
    let balance = answer.balance.map_or(String::new(), |balance| format!(", balance {balance}"));
    let shown = receipt.map_or(String::new(), |receipt| {
        let place = receipt.seq.map_or(String::new(), |seq| format!(" as entry {}", seq.0));
        let shown = version(&receipt.version);
        format!("{place}, showing {shown}, held by {}", receipt.achieved)
    });
    format!("\"{outcome}\"{balance}{shown}")
}

/// What a branch answers.
pub(super) fn replied(
    who: Member,
    to: usize,
    asked: Attempt,
    given: &Answer,
    receipt: Option<&Receipt>,
) -> String {
    let (to, asked) = (customer(to), attempt(asked));
    format!("{} answers {to} {asked} {}", branch(who), answer(given, receipt))
}

/// What a branch writes down.
pub(super) fn recorded(who: Member, record: &Record) -> String {
    let who = branch(who);
    match record {
        Record::Founded { incarnation, .. } => format!("{who} begins life {:x}", incarnation.0),
        Record::Bound { peer, incarnation } => {
            format!("{who} writes down that {} lives life {:x}", branch(*peer), incarnation.0)
        }
        Record::Own { seq, entry, request, .. } => {
            let for_whom = request.map_or(String::new(), |request| format!(" for {request}"));
            format!("{who} writes entry {seq}: {}{for_whom}", self::entry(entry))
        }
        Record::Received { rows: taken } => format!("{who} writes down {}", rows(taken)),
    }
}

const fn round(round: Round) -> &'static str {
    match round {
        Round::First => "first",
        Round::Second => "second",
    }
}

/// What a branch says to another.
pub(super) fn sent(from: Member, to: Member, message: &Message) -> String {
    let (from, to) = (branch(from), branch(to));
    match message {
        Message::Hello(hello) => format!("{from} greets {to}: {}", greeting(hello)),
        Message::Push { rows: pushed, apart } => {
            format!("{from} pushes to {to}: {}", pushing(pushed, apart))
        }
        Message::Acknowledge { durable, .. } => {
            format!("{from} tells {to} that {from} holds {}", version(durable))
        }
        Message::Borrow { id, priority, target } => format!(
            "{from} asks {to} for rights (question {id:x}, priority {}.{}, {} in total)",
            priority.clock,
            u32::from(priority.member.0) + 1,
            target.0
        ),
        Message::Decline { id } => format!("{from} declines question {id:x} of {to}"),
        Message::Collect { id, round: which, .. } => {
            format!("{from} collects from {to} (collect {id:x}, {} round)", round(*which))
        }
        Message::Held { held, .. } => {
            format!("{from} tells {to} that its log is held by each: {held}")
        }
        Message::Prove { id, .. } => {
            format!("{from} asks {to} for a proof (question {id:x})")
        }
        Message::Proved { id, first, second } => format!(
            "{from} has a proof for {to} (question {id:x}): {}; then {}",
            rows(first),
            rows(second)
        ),
        Message::Unproved { id } => {
            format!("{from} has no proof for {to} (question {id:x})")
        }
        Message::Collected { id, round: which, rows: shown } => {
            format!("{from} shows {to} (collect {id:x}, {} round): {}", round(*which), rows(shown))
        }
    }
}

fn pushing(pushed: &[Row], apart: &[Member]) -> String {
    let apart: Vec<String> = apart.iter().copied().map(branch).collect();
    match (pushed, apart.is_empty()) {
        ([], true) => "nothing but that it is apart from nobody".to_owned(),
        ([], false) => format!("nothing but from whom it is apart ({})", apart.join(", ")),
        (_, true) => rows(pushed),
        (_, false) => format!("{}; it is apart from {}", rows(pushed), apart.join(", ")),
    }
}

fn greeting(hello: &Hello) -> String {
    format!(
        "life {:x}, yours {}, holds {}, your log up to {}{}",
        hello.incarnation.0,
        hello.yours.map_or("not known".to_owned(), |life| format!("{:x}", life.0)),
        version(&hello.durable),
        hello.your_log.0.0,
        if hello.heard { ", heard you" } else { "" }
    )
}

/// What comes to a branch, where that is not told already when it is sent.
pub(super) fn input(to: Member, input: &Input) -> Option<String> {
    let to = branch(to);
    let peer = |peer| member(peer).map_or("nobody".to_owned(), branch);
    match input {
        Input::Submit { ticket, request } => {
            let asked = request.attempt.map_or("a request".to_owned(), |asked| asked.to_string());
            let deadline = millis(request.deadline.0);
            Some(format!(
                "{to} gets {asked}: {} (ticket {}, until {deadline})",
                request.operation, ticket.0
            ))
        }
        Input::PeerUp { peer: which } => Some(format!("{to} has a stream to {}", peer(*which))),
        Input::PeerDown { peer: which } => {
            Some(format!("{to} has lost its stream to {}", peer(*which)))
        }
        Input::Peer { from, message } => {
            Some(format!("{to} hears {} of {}", kind(message), peer(*from)))
        }
        Input::Persisted { upto } => {
            Some(format!("{to} has {} on disk", counted(*upto, "record", "records")))
        }
        Input::Room(Room::Full) => Some(format!("{to} learns that its disk is full")),
        Input::Room(Room::Enough) => Some(format!("{to} learns that its disk has room")),
        Input::Abandon { ticket } => {
            Some(format!("{to} learns that ticket {} is given up", ticket.0))
        }
        Input::Tick => None,
    }
}

const fn kind(message: &Message) -> &'static str {
    match message {
        Message::Hello(_) => "the greeting",
        Message::Push { .. } => "a push",
        Message::Acknowledge { .. } => "an acknowledgement",
        Message::Borrow { .. } => "a question for rights",
        Message::Decline { .. } => "a decline",
        Message::Collect { .. } => "a collect",
        Message::Collected { .. } => "an answer to a collect",
        Message::Held { .. } => "who holds its log",
        Message::Prove { .. } => "a question for a proof",
        Message::Proved { .. } => "a proof",
        Message::Unproved { .. } => "that there is no proof",
    }
}

/// A branch begins.
pub(super) fn started(who: Member, records: u64) -> String {
    format!("{} starts from {}", branch(who), counted(records, "record", "records"))
}

/// A journal is refused.
pub(super) fn refused(who: Member, why: Corrupt) -> String {
    format!("{} refuses to start: {why}", branch(who))
}

/// A branch ends.
pub(super) fn crashed(who: Member, how: &str, left: Left) -> String {
    let torn = if left.torn { ", after cutting a torn one" } else { "" };
    let are = if left.surviving == 1 { "is" } else { "are" };
    let records = counted(left.surviving, "record", "records");
    format!("{} {how}; {records} {are} left{torn}", branch(who))
}

/// A branch in memory ends.
pub(super) fn forgot(who: Member, how: &str, for_good: bool) -> String {
    let back = if for_good { "; it stays dead" } else { "" };
    format!("{} {how}, and its memory with it{back}", branch(who))
}

/// A fault that was planned does not strike.
pub(super) fn spared(who: Member, why: &str) -> String {
    format!("{} is spared: {why}", branch(who))
}

/// Everything that can heal does.
pub(super) fn healed(dead: &[Member]) -> String {
    let dead: Vec<String> = dead.iter().copied().map(branch).collect();
    match dead.as_slice() {
        [] => "everything heals".to_owned(),
        [one] => format!("everything heals but {one}, which stays dead"),
        _ => format!("everything heals but {}, which stay dead", dead.join(", ")),
    }
}

/// A branch has to stop.
pub(super) fn stopped(who: Member, why: &Stop) -> String {
    format!("{} has to stop: {why}", branch(who))
}

/// A branch stands still.
pub(super) fn paused(who: Member) -> String {
    format!("{} stands still", branch(who))
}

/// A branch goes on.
pub(super) fn resumed(who: Member) -> String {
    format!("{} goes on", branch(who))
}

/// A way is cut.
pub(super) fn cut(from: Member, to: Member) -> String {
    format!("nothing gets from {} to {} any more", branch(from), branch(to))
}

/// A way is open again.
pub(super) fn mended(from: Member, to: Member) -> String {
    format!("the way from {} to {} is mended", branch(from), branch(to))
}

/// A stream breaks.
pub(super) fn reset(left: Member, right: Member) -> String {
    format!("the stream between {} and {} breaks", branch(left), branch(right))
}

/// What must not be.
pub(super) fn violation(violation: &Violation) -> String {
    format!("VIOLATION of {:?}: {}", violation.property, violation.detail)
}

/// A time, in milliseconds.
pub(super) fn millis(time: std::time::Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bank::{BranchId, RequestId, Seq, SessionId};

    #[test]
    fn names_are_the_same_in_stories_and_in_violations() {
        let request = RequestId { session: SessionId(0xbee), number: 3 };
        assert_eq!(request.to_string(), "request #3 of session bee");
        let second = Attempt { request, attempt: 2 };
        assert_eq!(second.to_string(), "request #3.2 of session bee");
        assert_eq!(attempt(second), "#3.2");
        assert_eq!(version(&[9, 0, 6].map(Seq).into_iter().collect()), "[9 0 6]");
        assert_eq!(branch(Member(0)), "branch 1");
        let stop = Stop::LostEntries { peer: BranchId(2), theirs: Seq(5), ours: Seq(4) };
        assert!(stop.to_string().contains("holds 5 entries of this branch's log, which has 4;"));
    }

    #[test]
    fn who_stays_dead_is_not_said_to_heal() {
        assert_eq!(healed(&[]), "everything heals");
        assert_eq!(healed(&[Member(1)]), "everything heals but branch 2, which stays dead");
        let two = "everything heals but branch 2, branch 3, which stay dead";
        assert_eq!(healed(&[Member(1), Member(2)]), two);
    }

    #[test]
    fn a_push_without_rows_says_from_whom_its_branch_is_apart() {
        assert_eq!(pushing(&[], &[Member(2)]), "nothing but from whom it is apart (branch 3)");
        assert_eq!(pushing(&[], &[]), "nothing but that it is apart from nobody");
        assert_eq!(pushing(&[Row::empty(Member(0))], &[]), "branch 1 up to 0 (+0 -0)");
    }

    #[test]
    fn one_is_not_many() {
        let records = |number| counted(number, "record", "records");
        assert_eq!([0, 1, 2].map(records), ["0 records", "1 record", "2 records"]);
    }
}
