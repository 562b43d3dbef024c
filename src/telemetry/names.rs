//! Every metric, attribute and service name, once.

use super::{MetricKind, MetricName};

/// What spans carry.
pub mod attribute {
    /// The process of the bank that made the span: [`super::CUSTOMERS`] or `branch-<id>`.
    pub const NODE: &str = "bank.node";
    /// The number of the branch that made the span, or that a customer called.
    pub const BRANCH: &str = "bank.branch";
    /// The number of the peer that a call or a push goes to.
    pub const PEER: &str = "bank.peer";
    /// The number of the customer.
    pub const CUSTOMER: &str = "bank.customer";
    /// The position of the operation among those of its customer.
    pub const NUMBER: &str = "bank.number";
    /// `query`, `deposit` or `withdraw`.
    pub const OPERATION: &str = "bank.operation";
    /// The amount of a write in minor units.
    pub const AMOUNT: &str = "bank.amount";
    /// What the customer was told.
    pub const OUTCOME: &str = "bank.outcome";
    /// The number of peers that a fan-out goes to.
    pub const FANOUT_WIDTH: &str = "bank.fanout.width";
    /// The number of peers that held the write when its customer was answered.
    pub const FANOUT_ACKED: &str = "bank.fanout.acked";
    /// The last peer that the customer waited for.
    pub const FANOUT_STRAGGLER: &str = "bank.fanout.straggler";
    /// How many of the acknowledged peers have the write from a relay.
    pub const FANOUT_RELAYED: &str = "bank.fanout.relayed";
    /// The relay that reported the last peers that the customer waited for.
    pub const FANOUT_VIA: &str = "bank.fanout.via";
    /// The number of rows in a push.
    pub const PUSH_ROWS: &str = "passbook.push.rows";
    /// The number of writes and grants that a push is the first to carry to its peer.
    pub const PUSH_WRITES: &str = "passbook.push.writes";
    /// On a push's link to a write: microseconds from the write's place in the log to the sending.
    pub const WAIT_US: &str = "passbook.wait_us";
    /// The number of borrow requests that were sent while a withdrawal waited.
    pub const BORROW_ASKS: &str = "passbook.borrow.asks";
    /// Whether the rights that came were enough.
    pub const BORROW_COVERED: &str = "passbook.borrow.covered";
    /// The number of requests that wait for a collect.
    pub const COLLECT_WAITING: &str = "passbook.collect.waiting";
    /// The branch that collects on behalf of this one.
    pub const COLLECT_PROVER: &str = "passbook.collect.prover";
    /// Always `grpc`.
    pub const RPC_SYSTEM: &str = "rpc.system.name";
    /// The method that is called.
    pub const RPC_METHOD: &str = "rpc.method";
    /// The name of the gRPC status code.
    pub const RPC_STATUS: &str = "rpc.response.status_code";
}

/// The names of spans that are not calls.
pub mod span {
    /// A write's way to all peers.
    pub const FANOUT: &str = "fanout";
    /// Rows on their way to one peer.
    pub const PUSH: &str = "push";
    /// A withdrawal's wait for rights.
    pub const BORROW: &str = "borrow";
    /// Two rounds over all branches that prove a refusal or a snapshot.
    pub const COLLECT: &str = "collect";
}

/// The service name of all customers.
pub const CUSTOMERS: &str = "customers";

/// The service name of a branch.
pub fn branch_service(branch: bank::BranchId) -> String {
    format!("branch-{branch}")
}

macro_rules! metrics {
    ($($metric:ident: $kind:ident $name:literal, $help:literal;)+) => {
        $(
            #[doc = $help]
            pub const $metric: MetricName =
                MetricName { name: $name, help: $help, kind: MetricKind::$kind };
        )+

        /// All of them, for tests of dashboards.
        pub const ALL: &[MetricName] = &[$($metric),+];
    };
}

metrics! {
    CUSTOMER_OPERATIONS: Counter "passbook_customer_operations",
        "Operations that customers ended, by operation and outcome";
    CUSTOMER_RESPONSE: Histogram "passbook_customer_response_seconds",
        "Time from the instant an operation was due to its answer, of operations that were done or refused for lack of money";
    CUSTOMER_SERVICE: Histogram "passbook_customer_service_seconds",
        "Time from the instant an operation was sent to its answer, of operations that were done or refused for lack of money";
    CUSTOMERS_ACTIVE: Gauge "passbook_customers_active",
        "Customers that are not done yet";
    BRANCH_REQUESTS: Counter "passbook_branch_requests",
        "Customers' requests that a branch answered, by operation and outcome";
    BRANCH_REQUEST: Histogram "passbook_branch_request_seconds",
        "Time from a customer's request to the branch's answer, propagation included where it is waited for";
    FANOUT: Histogram "passbook_branch_fanout_seconds",
        "Time from a propagation or a push to a peer to that peer's answer";
    PROPAGATIONS: Counter "passbook_branch_propagations",
        "Propagations to a peer that ended, by result: applied or undelivered";
    FRAMES: Counter "passbook_branch_frames",
        "Frames to peers, by result: sent, or dropped where a slow peer had no room";
    PUSH_ROWS: Histogram "passbook_branch_push_rows",
        "Rows in a push to a peer";
    PUSH_WRITES: Histogram "passbook_branch_push_writes",
        "Writes and grants of the branch that a push is the first to carry to its peer";
    BORROWS: Counter "passbook_branch_borrows",
        "Borrow requests that the branch sent to others";
    COLLECTS: Counter "passbook_branch_collects",
        "Collects in which the branch asked all others, to prove a refusal or take a snapshot, for itself or for others";
    WAITING: Gauge "passbook_branch_waiting_requests",
        "Customers' requests that the branch has received and not answered";
    QUEUED_COMMANDS: Gauge "passbook_branch_queued_commands",
        "Requests and messages that wait for the branch to handle them";
    QUEUED_MESSAGES: Gauge "passbook_branch_queued_messages",
        "Propagations or frames that wait to be sent to a peer";
    OUTSTANDING: Gauge "passbook_branch_outstanding_writes",
        "Accepted writes that some peer has not acknowledged";
    BALANCE: Gauge "passbook_branch_balance",
        "The balance in minor units";
    LOWEST_BALANCE: Gauge "passbook_branch_lowest_balance",
        "The lowest balance ever held, in minor units";
    SPANS: Counter "passbook_spans",
        "Ended spans, by fate: kept, beyond the limit on memory, exported, or failed to be exported";
}
