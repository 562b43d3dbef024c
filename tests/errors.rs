//! Errors as a user sees them.

use std::io;
use std::path::PathBuf;

use bank::BranchId;
use passbook::address::AddressError;
use passbook::branch::ServeError;
use passbook::cluster::{ClusterError, ProcessError};
use passbook::telemetry::SetupError;
use prost::Message;
use tonic::transport::Endpoint;

fn cause() -> io::Error {
    io::Error::other("the cause")
}

/// An error either names its cause or returns it as its source, never both.
#[test]
fn nested_error_prints_its_cause_once() {
    let branch = BranchId(1);
    let errors: [anyhow::Error; 6] = [
        AddressError::Unresolved { host: "nowhere".to_owned(), cause: cause() }.into(),
        ClusterError::Bind { branch, cause: cause() }.into(),
        ClusterError::SharedPort(cause()).into(),
        ProcessError::Spawn { branch, binary: PathBuf::from("branch"), cause: cause() }.into(),
        SetupError::Runtime(cause()).into(),
        exercise::FileError::Unreadable { name: "input".to_owned(), cause: cause() }.into(),
    ];
    for error in errors {
        let text = format!("{:#}", error.context("failed to start"));
        assert_eq!(text.matches("the cause").count(), 1, "{text}");
    }
}

#[tokio::test]
async fn serve_error_in_a_cluster_prints_its_root_cause_once() {
    let endpoint = Endpoint::from_static("http://127.0.0.1:1");
    let refused = ServeError::from(endpoint.connect().await.expect_err("nobody listens"));
    let undecodable = prost_types::FileDescriptorSet::decode(&b"\xff"[..]).expect_err("no set");
    let undecodable_text = undecodable.to_string();
    for (cause, text) in [
        (refused, "connection refused"),
        (ServeError::Descriptors(undecodable), undecodable_text.as_str()),
    ] {
        let error = ClusterError::Serve { branch: BranchId(1), cause };
        let printed = format!("{:#}", anyhow::Error::from(error));
        assert_eq!(printed.matches(text).count(), 1, "{printed}");
    }
}
