//! The methods that a branch serves, and the answer to a call of any other.

use std::collections::HashSet;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::Status;
use tower_layer::Layer;
use tower_service::Service;

use crate::wire::DESCRIPTORS;

/// Characters of an unknown method that are repeated in the answer.
const PATH_MAX: usize = 200;

/// Descriptors of everything that a branch serves, encoded.
pub(super) const CONTRACTS: [&[u8]; 4] = [
    DESCRIPTORS,
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

/// The paths of the methods of some contracts. As a layer it answers calls of other methods by itself, so that the
/// caller sees what is served: the generated services answer them with a bare status.
#[derive(Clone, Debug)]
pub(super) struct Methods(Arc<HashSet<String>>);

impl Methods {
    /// The methods of encoded file descriptor sets.
    ///
    /// # Errors
    /// One of them is not a file descriptor set.
    pub(super) fn of(contracts: &[&[u8]]) -> Result<Self, prost::DecodeError> {
        let mut paths = HashSet::new();
        for contract in contracts {
            for file in FileDescriptorSet::decode(*contract)?.file {
                for service in &file.service {
                    let (package, name) = (file.package(), service.name());
                    let methods = service.method.iter();
                    paths.extend(methods.map(|call| format!("/{package}.{name}/{}", call.name())));
                }
            }
        }
        Ok(Self(Arc::new(paths)))
    }

    /// Rejects a call of `path`, which is not among the methods.
    fn reject(&self, path: &str) -> Status {
        let path: String = path.chars().take(PATH_MAX).collect();
        let mut served: Vec<&str> =
            self.0.iter().map(|path| path.trim_start_matches('/')).collect();
        served.sort_unstable();
        Status::unimplemented(format!(
            "no method {path} here; this branch serves {}",
            served.join(", ")
        ))
    }
}

impl<S> Layer<S> for Methods {
    type Service = ServedMethods<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ServedMethods { methods: self.clone(), inner }
    }
}

/// Passes calls of served methods to `inner`, and answers the others.
#[derive(Clone, Debug)]
pub(super) struct ServedMethods<S> {
    methods: Methods,
    inner: S,
}

impl<S, Q, A: Default> Service<http::Request<Q>> for ServedMethods<S>
where
    S: Service<http::Request<Q>, Response = http::Response<A>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Q>) -> Self::Future {
        let path = request.uri().path();
        if self.methods.0.contains(path) {
            Either::Left(self.inner.call(request))
        } else {
            Either::Right(ready(Ok(self.methods.reject(path).into_http())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_those_of_all_served_contracts() {
        let methods = Methods::of(&CONTRACTS).expect("descriptors");
        for path in [
            "/passbook.v1.Bank/Deposit",
            "/passbook.v1.Peer/Link",
            "/passbook.v1.Inspect/State",
            "/bank.Bank/MsgDelivery",
            "/BankService.BankService/Propagate_Deposit",
            "/grpc.health.v1.Health/Check",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ] {
            assert!(methods.0.contains(path), "{path} is served");
        }
        assert!(!methods.0.contains("/passbook.v1.Bank/Transfer"));
        assert!(Methods::of(&[b"\xff"]).is_err(), "not a descriptor set");
    }

    #[test]
    fn rejection_of_a_long_path_is_bounded() {
        let methods = Methods::of(&CONTRACTS).expect("descriptors");
        let long = "/x".repeat(10_000);
        assert!(methods.reject(&long).message().len() < 2_000);
    }
}
