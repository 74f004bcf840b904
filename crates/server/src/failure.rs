//! Why an import did not come to be, in the words of the API's closed list: the one form in which a failure travels
//! from the room where it happened to all who waited for it, on this node or another.

use serde::{Deserialize, Serialize};
use soku_api::Reason;

/// A failed import. Carries nothing that a client may not see; the cause stays in the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failure {
    pub reason: Reason,
    /// With [`Reason::NotMedia`]: what the bytes are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_type: Option<String>,
    /// With [`Reason::TooLarge`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<u64>,
    /// With [`Reason::SourceStatus`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_status: Option<u16>,
    /// Whole seconds after which the source asked to be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Failure {
        Failure { reason, detected_type: None, limit_bytes: None, source_status: None, retry_after: None }
    }
}
