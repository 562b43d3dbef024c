//! Every metric, attribute and service name, once.

use super::{MetricKind, MetricName};

/// What spans carry.
pub mod attribute {
    /// Which process of the bank made the span: [`super::CUSTOMERS`] or `branch-<id>`.
    pub const NODE: &str = "bank.node";
}

/// The service name of all customers.
pub const CUSTOMERS: &str = "customers";

/// The service name of a branch.
pub fn branch_service(branch: crate::bank::BranchId) -> String {
    format!("branch-{branch}")
}

const fn metric(name: &'static str, help: &'static str, kind: MetricKind) -> MetricName {
    MetricName { name, help, kind }
}

/// Operations that customers ended.
pub const CUSTOMER_OPERATIONS: MetricName = metric(
    "passbook_customer_operations",
    "Operations that customers ended, by operation and outcome",
    MetricKind::Counter,
);
/// Response times of customers.
pub const CUSTOMER_RESPONSE: MetricName = metric(
    "passbook_customer_response_seconds",
    "Time from the instant an operation was due to its answer",
    MetricKind::Histogram,
);
/// Service times of customers.
pub const CUSTOMER_SERVICE: MetricName = metric(
    "passbook_customer_service_seconds",
    "Time from the instant an operation was sent to its answer",
    MetricKind::Histogram,
);
/// Customers at work.
pub const CUSTOMERS_ACTIVE: MetricName =
    metric("passbook_customers_active", "Customers that are not done yet", MetricKind::Gauge);
/// Requests that a branch answered.
pub const BRANCH_REQUESTS: MetricName = metric(
    "passbook_branch_requests",
    "Customers' requests that a branch answered, by operation and outcome",
    MetricKind::Counter,
);
/// How long a branch took.
pub const BRANCH_REQUEST: MetricName = metric(
    "passbook_branch_request_seconds",
    "Time from a customer's request to the branch's answer, propagation included where it is waited for",
    MetricKind::Histogram,
);
/// How long a peer took.
pub const FANOUT: MetricName = metric(
    "passbook_branch_fanout_seconds",
    "Time from the propagation of a write to a peer to that peer's answer",
    MetricKind::Histogram,
);
/// Propagations by their end.
pub const PROPAGATIONS: MetricName = metric(
    "passbook_branch_propagations",
    "Propagations to a peer that ended, by result: applied or undelivered",
    MetricKind::Counter,
);
/// Writes on their way.
pub const OUTSTANDING: MetricName = metric(
    "passbook_branch_outstanding_writes",
    "Accepted writes that some peer has not answered yet",
    MetricKind::Gauge,
);
/// The balance.
pub const BALANCE: MetricName =
    metric("passbook_branch_balance", "The balance in minor units", MetricKind::Gauge);
/// The lowest balance.
pub const LOWEST_BALANCE: MetricName = metric(
    "passbook_branch_lowest_balance",
    "The lowest balance ever held, in minor units",
    MetricKind::Gauge,
);
/// Spans by what became of them.
pub const SPANS: MetricName = metric(
    "passbook_spans",
    "Ended spans, by what became of them: kept, beyond_bound, exported, export_failed",
    MetricKind::Counter,
);

/// All of them, for tests of dashboards.
pub const ALL: [MetricName; 12] = [
    CUSTOMER_OPERATIONS,
    CUSTOMER_RESPONSE,
    CUSTOMER_SERVICE,
    CUSTOMERS_ACTIVE,
    BRANCH_REQUESTS,
    BRANCH_REQUEST,
    FANOUT,
    PROPAGATIONS,
    OUTSTANDING,
    BALANCE,
    LOWEST_BALANCE,
    SPANS,
];
