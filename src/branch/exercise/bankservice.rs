//! Package `BankService`: a call for each operation, and one for all of them.

use tonic::{Request, Response, Status};

use super::super::services::Services;
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
    async fn respond<Q>(
        &self,
        method: &'static str,
        request: Request<Q>,
        word: Option<Word>,
        amount: i32,
    ) -> Answered {
        self.answer(method, request, |_, caller| async move {
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
        })
        .await
    }
}

#[tonic::async_trait]
impl BankService for Services {
    async fn msg_delivery(&self, request: Request<CustomerRequest>) -> Answered {
        let word = Word::parse(&request.get_ref().event);
        let amount = request.get_ref().amount;
        let method = "BankService.BankService/MsgDelivery";
        self.respond(method, request, word, amount).await
    }

    async fn withdraw(&self, request: Request<CustomerRequest>) -> Answered {
        let word = Some(Word::Write(WriteKind::Withdraw));
        let amount = request.get_ref().amount;
        self.respond("BankService.BankService/Withdraw", request, word, amount).await
    }

    async fn deposit(&self, request: Request<CustomerRequest>) -> Answered {
        let word = Some(Word::Write(WriteKind::Deposit));
        let amount = request.get_ref().amount;
        self.respond("BankService.BankService/Deposit", request, word, amount).await
    }

    async fn query(&self, request: Request<BalanceQuery>) -> Answered {
        let word = Some(Word::Query);
        self.respond("BankService.BankService/Query", request, word, 0).await
    }

    async fn propagate_withdraw(&self, request: Request<BranchRequest>) -> Answered {
        let word = Some(Word::Propagate(WriteKind::Withdraw));
        let amount = request.get_ref().amount;
        let method = "BankService.BankService/Propagate_Withdraw";
        self.respond(method, request, word, amount).await
    }

    async fn propagate_deposit(&self, request: Request<BranchRequest>) -> Answered {
        let word = Some(Word::Propagate(WriteKind::Deposit));
        let amount = request.get_ref().amount;
        let method = "BankService.BankService/Propagate_Deposit";
        self.respond(method, request, word, amount).await
    }
}
