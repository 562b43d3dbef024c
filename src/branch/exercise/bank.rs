//! Package `bank`: one call, told apart by a word.

use tonic::{Request, Response, Status};

use super::super::services::Services;
use crate::wire::exercise::bank::bank_server::Bank;
use crate::wire::exercise::bank::{TransactionRequest, TransactionResponse};
use crate::wire::exercise::{FAIL, SUCCESS, Word, to_int32};
use crate::wire::v1::WriteResult;
use crate::wire::{Failure, to_write_reply};
use bank::Money;

#[tonic::async_trait]
impl Bank for Services {
    async fn msg_delivery(
        &self,
        request: Request<TransactionRequest>,
    ) -> Result<Response<TransactionResponse>, Status> {
        self.answer("bank.Bank/MsgDelivery", request, |message, caller| async move {
            let word = Word::parse(&message.operation).ok_or_else(|| {
                Failure::BadRequest(format!(
                    "there is no operation {:?}; expected query, deposit, withdraw, \
                     propagate_deposit or propagate_withdraw",
                    message.operation
                ))
            })?;
            let reply = to_write_reply(self.perform(word, message.amount, caller).await?, None)?;
            let status = if reply.result() == WriteResult::Success { SUCCESS } else { FAIL };
            let balance = to_int32(Money::new(reply.balance))?;
            Ok(TransactionResponse { status: status.to_owned(), balance })
        })
        .await
    }
}
