//! Package `BankService`: a call for each operation, and one for all of them.

use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::super::services::{Services, deadline, end};
use super::services::Caller;
use crate::wire::exercise::bankservice::bank_service_server::BankService;
use crate::wire::exercise::bankservice::{
    BalanceQuery, BranchRequest, CustomerRequest, ResponseMessage,
};
use crate::wire::exercise::{INVALID_EVENT, SUCCESS, Word};
use crate::wire::to_write_reply;
use crate::wire::v1::WriteResult;
use bank::WriteKind;

type Answered = Result<Response<ResponseMessage>, Status>;

fn refused(why: &str) -> ResponseMessage {
    ResponseMessage { message: why.to_owned(), success: false }
}

impl Services {
    /// Does what `word` asks for; without one the event is none.
    async fn respond(
        &self,
        metadata: &MetadataMap,
        method: &'static str,
        word: Option<Word>,
        amount: i32,
    ) -> Answered {
        let span = self.span(metadata, method);
        let caller = Caller { deadline: deadline(metadata), trace: span.context() };
        let answer = async {
            let Some(word) = word else {
                return Ok(refused(INVALID_EVENT));
            };
            let reply = to_write_reply(self.perform(word, amount, caller).await?, None)?;
            if reply.result() != WriteResult::Success {
                return Ok(refused("Insufficient funds."));
            }
            let message = match word {
                Word::Query => reply.balance.to_string(),
                Word::Write(_) | Word::Propagate(_) => SUCCESS.to_owned(),
            };
            Ok(ResponseMessage { message, success: true })
        };
        end(span, answer.await)
    }
}

#[tonic::async_trait]
impl BankService for Services {
    async fn msg_delivery(&self, request: Request<CustomerRequest>) -> Answered {
        let word = Word::parse(&request.get_ref().event);
        let amount = request.get_ref().amount;
        let method = "BankService.BankService/MsgDelivery";
        self.respond(request.metadata(), method, word, amount).await
    }

    async fn withdraw(&self, request: Request<CustomerRequest>) -> Answered {
        let word = Some(Word::Write(WriteKind::Withdraw));
        let amount = request.get_ref().amount;
        self.respond(request.metadata(), "BankService.BankService/Withdraw", word, amount).await
    }

    async fn deposit(&self, request: Request<CustomerRequest>) -> Answered {
        let word = Some(Word::Write(WriteKind::Deposit));
        let amount = request.get_ref().amount;
        self.respond(request.metadata(), "BankService.BankService/Deposit", word, amount).await
    }

    async fn query(&self, request: Request<BalanceQuery>) -> Answered {
        let word = Some(Word::Query);
        self.respond(request.metadata(), "BankService.BankService/Query", word, 0).await
    }

    async fn propagate_withdraw(&self, request: Request<BranchRequest>) -> Answered {
        let word = Some(Word::Propagate(WriteKind::Withdraw));
        let amount = request.get_ref().amount;
        let method = "BankService.BankService/Propagate_Withdraw";
        self.respond(request.metadata(), method, word, amount).await
    }

    async fn propagate_deposit(&self, request: Request<BranchRequest>) -> Answered {
        let word = Some(Word::Propagate(WriteKind::Deposit));
        let amount = request.get_ref().amount;
        let method = "BankService.BankService/Propagate_Deposit";
        self.respond(request.metadata(), method, word, amount).await
    }
}
