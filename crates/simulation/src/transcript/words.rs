//! What happens in the simulated world, in words. Branches and customers are numbered from 1.

use std::fmt;
use std::time::Duration;

use crate::customers::{CustomerEvent, CustomerRequest, Response};
use crate::disk::CrashRemains;
use crate::network::member;
use bank::{Entry, Member, Outcome, Row};
use replication::Attempt;
use replication::passbook::{Hello, Input, Message, Record, Room, Round};

pub(crate) fn branch(member: Member) -> String {
    format!("branch {}", u32::from(member.0) + 1)
}

pub(crate) fn branches(members: &[Member]) -> String {
    members.iter().copied().map(branch).collect::<Vec<_>>().join(", ")
}

fn customer(who: usize) -> String {
    format!("customer {}", who + 1)
}

/// Request 3, attempt 2: "#3.2".
fn attempt(attempt: Attempt) -> String {
    format!("#{}.{}", attempt.request.number, attempt.attempt)
}

/// What a log adds up to: "+5 -2 granted 3".
pub(crate) fn totals(deposited: u128, withdrawn: u128, granted: u128) -> String {
    match granted {
        0 => format!("+{deposited} -{withdrawn}"),
        _ => format!("+{deposited} -{withdrawn} granted {granted}"),
    }
}

fn row_totals(row: &Row) -> String {
    totals(row.deposited.0, row.withdrawn.0, row.granted.total().0)
}

/// One row with its chain.
pub(crate) fn row(row: &Row) -> String {
    format!("{} with the chain {:x}", row_totals(row), row.chain.0)
}

/// Rows, without their chains.
pub(crate) fn rows(rows: &[Row]) -> String {
    let short =
        |row: &Row| format!("{} up to {} ({})", branch(row.origin), row.seq, row_totals(row));
    rows.iter().map(short).collect::<Vec<_>>().join(", ")
}

pub(crate) fn counted<N>(number: N, one: &str, many: &str) -> String
where
    N: Copy + fmt::Display + PartialEq + From<u8>,
{
    if number == N::from(1) { format!("1 {one}") } else { format!("{number} {many}") }
}

pub(crate) fn millis(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

/// What a customer does.
pub(crate) fn customer_event(who: usize, event: &CustomerEvent) -> String {
    let who = customer(who);
    match event {
        CustomerEvent::Begins(CustomerRequest { attempt: first, step, token }) => format!(
            "{who} {} at {}: {} (ack {}, read {}), knowing {}",
            attempt(*first),
            branch(step.branch),
            step.operation,
            step.ack.name(),
            step.read.name(),
            token.as_ref().map_or("nothing".to_owned(), |token| token.version.to_string())
        ),
        CustomerEvent::Retries { next, after_unknown: false } => {
            format!("{who} waits no longer and asks again: {}", attempt(*next))
        }
        CustomerEvent::Retries { next, after_unknown: true } => {
            format!("{who} was answered \"unknown\" and asks again: {}", attempt(*next))
        }
        CustomerEvent::Takes { response, .. } => {
            format!("{who} {} takes {}", attempt(response.attempt), answer(response))
        }
    }
}

fn answer(Response { answer, receipt, .. }: &Response) -> String {
    let outcome = match answer.outcome {
        Outcome::Ok => "ok".to_owned(),
        Outcome::Rejected(why) => format!("rejected: {}", why.name()),
        Outcome::Unknown => "unknown".to_owned(),
    };
    let balance = answer.balance.map_or(String::new(), |balance| format!(", balance {balance}"));
    let shown = receipt.as_ref().map_or(String::new(), |receipt| {
        let place = receipt.seq.map_or(String::new(), |seq| format!(" as entry {seq}"));
        format!("{place}, showing {}, held by {}", receipt.version, receipt.achieved)
    });
    format!("\"{outcome}\"{balance}{shown}")
}

/// What a branch answers.
pub(crate) fn replied(who: Member, to: usize, response: &Response) -> String {
    let (to, asked) = (customer(to), attempt(response.attempt));
    format!("{} answers {to} {asked} {}", branch(who), answer(response))
}

/// What a branch writes to its journal.
pub(crate) fn recorded(who: Member, record: &Record) -> String {
    let who = branch(who);
    match record {
        Record::Founded { incarnation, .. } => {
            format!("{who} begins incarnation {:x}", incarnation.0)
        }
        Record::Bound { peer, incarnation } => {
            format!("{who} writes down incarnation {:x} of {}", incarnation.0, branch(*peer))
        }
        Record::Own { seq, entry, request, .. } => {
            let entry = match entry {
                Entry::Deposit(amount) => format!("deposit {amount}"),
                Entry::Withdraw(amount) => format!("withdraw {amount}"),
                Entry::Grant { to, amount } => format!("grant {amount} to {}", branch(*to)),
            };
            let request = request.map_or(String::new(), |request| format!(" for {request}"));
            format!("{who} writes entry {seq}: {entry}{request}")
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

/// What a branch sends to another.
pub(crate) fn sent(from: Member, to: Member, message: &Message) -> String {
    let (from, to) = (branch(from), branch(to));
    match message {
        Message::Hello(hello) => format!("{from} greets {to}: {}", greeting(hello)),
        Message::Push { rows: pushed, unreachable } => {
            format!("{from} pushes to {to}: {}", pushing(pushed, unreachable))
        }
        Message::Acknowledge { durable, .. } => {
            format!("{from} reports to {to} that it holds {durable}")
        }
        Message::Borrow { id, priority, target } => format!(
            "{from} asks {to} for rights (borrow request {id:x}, priority {}.{}, {} in total)",
            priority.clock,
            u32::from(priority.member.0) + 1,
            target.0
        ),
        Message::Decline { id } => format!("{from} declines borrow request {id:x} of {to}"),
        Message::Collect { id, round: which, .. } => {
            format!("{from} collects from {to} (collect {id:x}, {} round)", round(*which))
        }
        Message::Held { held, .. } => {
            format!("{from} reports to {to} who holds how much of its log: {held}")
        }
        Message::Prove { id, .. } => format!("{from} asks {to} for a proof (proof {id:x})"),
        Message::Proved { id, first, second } => format!(
            "{from} has a proof for {to} (proof {id:x}): {}; then {}",
            rows(first),
            rows(second)
        ),
        Message::Unproved { id } => format!("{from} has no proof for {to} (proof {id:x})"),
        Message::Collected { id, round: which, rows: shown } => {
            format!("{from} shows {to} (collect {id:x}, {} round): {}", round(*which), rows(shown))
        }
    }
}

fn pushing(pushed: &[Row], unreachable: &[Member]) -> String {
    let rows = if pushed.is_empty() { "no rows".to_owned() } else { rows(pushed) };
    match unreachable {
        [] if pushed.is_empty() => "no rows; it reaches all branches".to_owned(),
        [] => rows,
        _ => format!("{rows}; it cannot reach {}", branches(unreachable)),
    }
}

fn greeting(hello: &Hello) -> String {
    format!(
        "incarnation {:x}, yours {}, holds {}, your log up to {}{}",
        hello.incarnation.0,
        hello.yours.map_or("not known".to_owned(), |yours| format!("{:x}", yours.0)),
        hello.durable,
        hello.your_log.0,
        if hello.heard { ", received your hello" } else { "" }
    )
}

/// What comes to a branch, unless its sending has a line already.
pub(crate) fn input(to: Member, input: &Input) -> Option<String> {
    let to = branch(to);
    let peer = |peer| member(peer).map_or("nobody".to_owned(), branch);
    Some(match input {
        Input::Submit { ticket, request } => {
            let attempt = request.attempt.map_or("a request".to_owned(), |it| it.to_string());
            let (deadline, ticket) = (millis(request.deadline.0), ticket.0);
            let operation = request.operation;
            format!("{to} gets {attempt}: {operation} (ticket {ticket}, until {deadline})")
        }
        Input::PeerUp { peer: which } => format!("{to} has a stream to {}", peer(*which)),
        Input::PeerDown { peer: which } => format!("{to} has lost its stream to {}", peer(*which)),
        Input::Peer { from, message } => {
            format!("{to} handles the {} of {}", kind(message), peer(*from))
        }
        Input::Persisted { upto } => {
            format!("{to} has {} on disk", counted(*upto, "record", "records"))
        }
        Input::Room(Room::Full) => format!("{to} learns that its disk is full"),
        Input::Room(Room::Enough) => format!("{to} learns that its disk has room"),
        Input::Abandon { ticket } => {
            format!("{to} learns that the customer of ticket {} has hung up", ticket.0)
        }
        Input::Tick => return None,
    })
}

const fn kind(message: &Message) -> &'static str {
    match message {
        Message::Hello(_) => "hello",
        Message::Push { .. } => "push",
        Message::Acknowledge { .. } => "acknowledgement",
        Message::Borrow { .. } => "borrow request",
        Message::Decline { .. } => "decline",
        Message::Collect { .. } => "collect",
        Message::Collected { .. } => "answer to a collect",
        Message::Held { .. } => "report of holders",
        Message::Prove { .. } => "proof request",
        Message::Proved { .. } => "proof",
        Message::Unproved { .. } => "failure to prove",
    }
}

/// A branch with a journal ends.
pub(crate) fn crashed(who: Member, how: &str, left: CrashRemains) -> String {
    let torn = if left.torn { ", after cutting a torn one" } else { "" };
    let are = if left.surviving == 1 { "is" } else { "are" };
    let records = counted(left.surviving, "record", "records");
    format!("{} {how}; {records} {are} left{torn}", branch(who))
}

/// Everything that can heal does.
pub(crate) fn healed(dead: &[Member]) -> String {
    match dead {
        [] => "everything heals".to_owned(),
        [one] => format!("everything heals but {}, which stays dead", branch(*one)),
        _ => format!("everything heals but {}, which stay dead", branches(dead)),
    }
}

pub(crate) fn pause(who: Member) -> String {
    format!("{} stands still", branch(who))
}

pub(crate) fn cut(from: Member, to: Member) -> String {
    format!("nothing gets from {} to {} any more", branch(from), branch(to))
}

pub(crate) fn reset(left: Member, right: Member) -> String {
    format!("the stream between {} and {} breaks", branch(left), branch(right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bank::{BranchId, RequestId, Seq, SessionId};
    use replication::passbook::Stop;

    #[test]
    fn names_are_the_same_in_transcripts_and_violations() {
        let request = RequestId { session: SessionId(0xbee), number: 3 };
        assert_eq!(request.to_string(), "request #3 of session bee");
        let second = Attempt { request, attempt: 2 };
        assert_eq!(second.to_string(), "request #3.2 of session bee");
        assert_eq!(attempt(second), "#3.2");
        assert_eq!(branch(Member(0)), "branch 1");
        let stop = Stop::LostEntries { peer: BranchId(2), theirs: Seq(5), ours: Seq(4) };
        assert!(stop.to_string().contains("holds 5 entries of this branch's log, which has 4;"));
    }

    #[test]
    fn branch_that_stays_dead_does_not_heal() {
        assert_eq!(healed(&[]), "everything heals");
        assert_eq!(healed(&[Member(1)]), "everything heals but branch 2, which stays dead");
        let two = "everything heals but branch 2, branch 3, which stay dead";
        assert_eq!(healed(&[Member(1), Member(2)]), two);
    }

    #[test]
    fn push_without_rows_names_whom_its_branch_cannot_reach() {
        assert_eq!(pushing(&[], &[Member(2)]), "no rows; it cannot reach branch 3");
        assert_eq!(pushing(&[], &[]), "no rows; it reaches all branches");
        assert_eq!(pushing(&[Row::empty(Member(0))], &[]), "branch 1 up to 0 (+0 -0)");
    }

    #[test]
    fn one_is_not_many() {
        let records = |number| counted(number, "record", "records");
        assert_eq!([0, 1, 2].map(records), ["0 records", "1 record", "2 records"]);
    }
}
