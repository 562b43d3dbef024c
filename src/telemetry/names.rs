//! Every metric, attribute and service name, once.

use super::{MetricKind, MetricName};

/// What spans carry.
pub mod attribute {
    /// Which process of the bank made the span: [`super::CUSTOMERS`] or `branch-<id>`.
    pub const NODE: &str = "bank.node";
    /// On a push's link to a write: microseconds from the write's place in the log to the sending.
    pub const WAIT_US: &str = "passbook.wait_us";
}

/// What spans are called that are no calls.
pub mod span {
    /// A write's way to all peers.
    pub const FANOUT: &str = "fanout";
    /// Rows on their way to one peer.
    pub const PUSH: &str = "push";
    /// A withdrawal's wait for rights.
    pub const BORROW: &str = "borrow";
    /// A proof.
    pub const COLLECT: &str = "collect";
}

/// The service name of all customers.
pub const CUSTOMERS: &str = "customers";

/// The service name of a branch.
pub fn branch_service(branch: bank::BranchId) -> String {
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
/// Response times of operations that were done, or refused for lack of money.
pub const CUSTOMER_RESPONSE: MetricName = metric(
    "passbook_customer_response_seconds",
    "Time from the instant an operation was due to its answer, of operations that were done or refused for lack of money",
    MetricKind::Histogram,
);
/// Service times of operations that were done, or refused for lack of money.
pub const CUSTOMER_SERVICE: MetricName = metric(
    "passbook_customer_service_seconds",
    "Time from the instant an operation was sent to its answer, of operations that were done or refused for lack of money",
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
    "Time from a propagation or a push to a peer to that peer's answer",
    MetricKind::Histogram,
);
/// Propagations by their end.
pub const PROPAGATIONS: MetricName = metric(
    "passbook_branch_propagations",
    "Propagations to a peer that ended, by result: applied or undelivered",
    MetricKind::Counter,
);
/// Frames by what became of them.
pub const FRAMES: MetricName = metric(
    "passbook_branch_frames",
    "Frames to peers, by result: sent, or dropped where a slow peer had no room",
    MetricKind::Counter,
);
/// How large a push is.
pub const PUSH_ROWS: MetricName =
    metric("passbook_branch_push_rows", "Rows in a push to a peer", MetricKind::Histogram);
/// How many writes share a push.
pub const PUSH_WRITES: MetricName = metric(
    "passbook_branch_push_writes",
    "Writes and grants of the branch that a push tells a peer for the first time",
    MetricKind::Histogram,
);
/// Questions for rights.
pub const BORROWS: MetricName = metric(
    "passbook_branch_borrows",
    "Questions for rights that the branch put to another",
    MetricKind::Counter,
);
/// Proofs, by who asks all.
pub const COLLECTS: MetricName = metric(
    "passbook_branch_collects",
    "Collects in which the branch asked all others, to prove a refusal or take a snapshot, for itself or for others",
    MetricKind::Counter,
);
/// Requests at a branch.
pub const WAITING: MetricName = metric(
    "passbook_branch_waiting_requests",
    "Customers' requests that the branch has taken in and not answered yet",
    MetricKind::Gauge,
);
/// What waits for the owner.
pub const QUEUED_COMMANDS: MetricName = metric(
    "passbook_branch_queued_commands",
    "Requests and messages that wait for the branch to take them in",
    MetricKind::Gauge,
);
/// What waits for a peer.
pub const QUEUED_MESSAGES: MetricName = metric(
    "passbook_branch_queued_messages",
    "Propagations or frames that wait to be sent to a peer",
    MetricKind::Gauge,
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
pub const ALL: [MetricName; 20] = [
    CUSTOMER_OPERATIONS,
    CUSTOMER_RESPONSE,
    CUSTOMER_SERVICE,
    CUSTOMERS_ACTIVE,
    BRANCH_REQUESTS,
    BRANCH_REQUEST,
    FANOUT,
    PROPAGATIONS,
    FRAMES,
    PUSH_ROWS,
    PUSH_WRITES,
    BORROWS,
    COLLECTS,
    WAITING,
    QUEUED_COMMANDS,
    QUEUED_MESSAGES,
    OUTSTANDING,
    BALANCE,
    LOWEST_BALANCE,
    SPANS,
];
