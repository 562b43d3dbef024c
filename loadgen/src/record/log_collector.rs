//! What branches log, taken from them while customers work.
//!
//! Each branch that keeps a log is asked every now and then for what it has written since, and that goes into a spool
//! as it came: nothing is taken apart before the run is over. A branch that does not answer any more, or whose log
//! was taken too slowly, keeps what was taken before: its log is cut.

use std::path::Path;
use std::time::Duration;

use bank::{BranchId, Member};
use futures_util::future::try_join_all;
use passbook::wire::v1::inspect_client::InspectClient;
use passbook::wire::v1::{LogReply, LogRequest};
use passbook::wire::{LogBegun, MarkingChannel, is_sent_by_server};
use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::ledger_file::{Logged, Source};
use super::spool::Spool;
use crate::interrupt::Interrupt;

/// Between two looks at a branch where there are few. A look is a call, so with many branches each is asked
/// less often: it writes less, too.
const PULL: Duration = Duration::from_millis(100);
/// So many branches are looked at in [`PULL`].
const LOOKS: u32 = 4;
/// How long a branch may take to answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Branches' logs cannot be recorded.
#[derive(Debug, Error)]
pub enum LedgersError {
    /// A branch does not answer as it should.
    #[error("branch {branch} does not record its log: {message}")]
    NoAnswer {
        /// Which.
        branch: BranchId,
        /// What came instead.
        message: String,
    },
    /// Branches know different things before the run begins.
    #[error(
        "somebody else is writing to this cluster: one branch knows more than another; wait until they are done and \
         all branches agree, or use another cluster"
    )]
    NotAtRest,
    /// There is no place for what they log.
    #[error("cannot keep what branches log: {0}")]
    Spool(std::io::Error),
}

/// Branches' logs while they are recorded.
#[derive(Debug)]
pub struct Ledgers {
    taking: AbortOnDropHandle<(Vec<Source>, Spool)>,
    ending: CancellationToken,
}

/// A branch whose log is recorded.
#[derive(Clone, Debug)]
struct Tapped {
    member: Member,
    log: u64,
    branch: InspectClient<MarkingChannel>,
}

/// What a branch answered to one look.
struct Looked {
    tapped: Tapped,
    part: Result<LogReply, Status>,
    /// There is nothing more to come.
    over: bool,
}

impl Ledgers {
    /// How long a branch may take to answer.
    pub const LIMIT: Duration = LIMIT;

    /// Begins to record at every branch; `channels` lead to all of a cluster. What is taken goes to a spool in
    /// `folder`, whose write errors go to `interrupt`. Branches must be at rest. A scheme that keeps no logs has none to record. Needs a runtime, on which it works
    /// until [`Ledgers::finish`].
    ///
    /// # Errors
    /// A branch does not answer as it should, branches are not at rest, or there is no place for the spool.
    pub async fn begin(
        channels: &[(BranchId, Channel)],
        folder: &Path,
        interrupt: &Interrupt,
    ) -> Result<Self, LedgersError> {
        let spool = Spool::begin(folder, interrupt).map_err(LedgersError::Spool)?;
        let mut channels = channels.to_vec();
        channels.sort_unstable_by_key(|(branch, _)| *branch);
        let branches = channels.len();
        // At once: one after another, the round trips of many branches add up.
        let begins = channels.into_iter().map(|(branch, channel)| async move {
            let client = InspectClient::new(MarkingChannel::new(channel));
            let mut client = client.accept_compressed(CompressionEncoding::Gzip);
            let begun = begin(&mut client, branch, branches).await?;
            Ok::<_, LedgersError>((branch, client, begun))
        });
        let (mut sources, mut tapped) = (Vec::new(), Vec::new());
        for (member, (branch, client, begun)) in (0..).map(Member).zip(try_join_all(begins).await?)
        {
            if let Some(LogBegun { log, .. }) = &begun {
                tapped.push(Tapped { member, log: *log, branch: client });
            }
            sources.push(Source::new(member, branch, begun));
        }
        if !Logged::are_at_rest(&sources) {
            return Err(LedgersError::NotAtRest);
        }
        let ending = CancellationToken::new();
        let hurry = interrupt.report().clone();
        let taking = take_all(sources, tapped, spool, ending.clone(), hurry);
        #[expect(clippy::disallowed_methods, reason = "the handle aborts it")]
        Ok(Self { taking: AbortOnDropHandle::new(tokio::spawn(taking)), ending })
    }

    /// Takes what is left. To be called when customers have ended and branches have settled: whatever is written
    /// later is not recorded. A branch that does not answer costs ten seconds, several at once no more, and none once
    /// the run is to report at once.
    ///
    /// # Errors
    /// What was recorded is lost.
    pub async fn finish(self) -> Result<Logged, LedgersError> {
        self.ending.cancel();
        let (sources, spool) =
            self.taking.await.map_err(|died| LedgersError::Spool(std::io::Error::other(died)))?;
        Ok(Logged::new(sources, spool))
    }
}

/// Begins to record at one branch; nothing if it keeps no log.
async fn begin(
    client: &mut InspectClient<MarkingChannel>,
    branch: BranchId,
    branches: usize,
) -> Result<Option<LogBegun>, LedgersError> {
    let no_answer = |message: String| LedgersError::NoAnswer { branch, message };
    let reply = match ask(client, LogRequest::default()).await {
        Err(status) if status.code() == Code::Unimplemented && is_sent_by_server(&status) => {
            return Ok(None);
        }
        reply => reply.map_err(|status| no_answer(status.message().to_owned()))?,
    };
    let begun = LogBegun::try_from(reply).map_err(|error| no_answer(error.to_string()))?;
    match begun.version.members() {
        members if members == branches => Ok(Some(begun)),
        members => Err(no_answer(format!(
            "its version speaks of {members} branches, there are {branches}"
        ))),
    }
}

async fn ask(
    client: &mut InspectClient<MarkingChannel>,
    request: LogRequest,
) -> Result<LogReply, Status> {
    match timeout(LIMIT, client.log(request)).await {
        Ok(reply) => reply.map(tonic::Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded(format!("no answer within {LIMIT:?}"))),
    }
}

impl Tapped {
    /// Looks after `wait`, or at once when the run is over.
    async fn look(mut self, wait: Duration, ending: CancellationToken) -> Looked {
        ending.run_until_cancelled(sleep(wait)).await;
        let last = ending.is_cancelled();
        let request = LogRequest { log: Some(self.log), end: false };
        let part = ask(&mut self.branch, request).await;
        let over = part.as_ref().is_ok_and(|part| !part.more && (last || part.lost));
        if over {
            // If it does not hear of it, it goes on until it holds as much as it may.
            let _ = ask(&mut self.branch, LogRequest { log: Some(self.log), end: true }).await;
        }
        Looked { tapped: self, part, over }
    }
}

/// Looks at every branch again and again until the run is over and nothing is left, or until `hurry`.
async fn take_all(
    mut sources: Vec<Source>,
    tapped: Vec<Tapped>,
    mut spool: Spool,
    ending: CancellationToken,
    hurry: CancellationToken,
) -> (Vec<Source>, Spool) {
    let branches = u32::try_from(tapped.len()).unwrap_or(u32::MAX).max(1);
    let interval = PULL * branches.div_ceil(LOOKS);
    let mut looks = JoinSet::new();
    for (place, tapped) in (1..).zip(tapped) {
        // Not all at once.
        looks.spawn(tapped.look(interval * place / branches, ending.clone()));
    }
    while let Some(Some(looked)) = hurry.run_until_cancelled(looks.join_next()).await {
        // What is not there to the end is not whole.
        let Ok(Looked { tapped, part: Ok(part), over }) = looked else { continue };
        let LogReply { entries, count, more, lost, .. } = part;
        let Some(source) = sources.get_mut(tapped.member.index()) else { continue };
        if count > 0 {
            spool.push(&source.piece(count, entries));
        }
        if over {
            source.ended(lost);
        } else {
            let wait = if more { Duration::ZERO } else { interval };
            looks.spawn(tapped.look(wait, ending.clone()));
        }
    }
    (sources, spool)
}
