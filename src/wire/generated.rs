//! The code that `build.rs` generates from `proto/`.

/// The contracts in `proto/passbook/v1`.
pub mod v1 {
    tonic::include_proto!("passbook.v1");
}

/// Package `bank` in `proto/exercise`.
pub mod bank {
    tonic::include_proto!("bank");
}

/// Package `BankService` in `proto/exercise`.
pub mod bankservice {
    tonic::include_proto!("bank_service");
}
