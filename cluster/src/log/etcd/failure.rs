//! What etcd's refusals and failures are as a [`LogError`].

use etcd_client::Error;

use crate::log::LogError;

/// gRPC's numbers, as far as they say something here.
mod code {
    pub(super) const INVALID_ARGUMENT: i32 = 3;
    pub(super) const PERMISSION_DENIED: i32 = 7;
    pub(super) const RESOURCE_EXHAUSTED: i32 = 8;
    pub(super) const FAILED_PRECONDITION: i32 = 9;
    pub(super) const OUT_OF_RANGE: i32 = 11;
    pub(super) const UNAUTHENTICATED: i32 = 16;
}

/// Returns what a failure of etcd means. Only what etcd has surely not done is a refusal. Of the text only
/// what etcd or the transport says is kept: neither is told the credentials in a form that it repeats.
pub(super) fn explain(error: Error) -> LogError {
    match error {
        Error::GRpcStatus(status) => match explain_status(status.code() as i32, status.message()) {
            LogError::Unavailable { reason } => {
                LogError::Unavailable { reason: with_cause(reason, &status) }
            }
            error => error,
        },
        // None of these is about a request that was sent.
        Error::InvalidArgs(reason) => LogError::Options { reason },
        Error::InvalidUri(_) => LogError::Options { reason: "an endpoint is no URI".into() },
        Error::InvalidMetadataValue(_) => {
            LogError::Denied { reason: "the token that etcd has given is no header".into() }
        }
        error => LogError::Unavailable { reason: error.to_string() },
    }
}

/// Returns whether etcd has been compacted already up to where it was to be.
pub(super) fn is_compacted(error: &Error) -> bool {
    matches!(error, Error::GRpcStatus(status) if status.code() as i32 == code::OUT_OF_RANGE)
}

/// Returns that a request has not been answered in time.
pub(super) fn too_late() -> LogError {
    LogError::Unavailable { reason: "no answer in time".into() }
}

/// Returns what etcd means by the text with which it ends a watch.
pub(super) fn explain_cancelled(reason: &str) -> LogError {
    match reason {
        "" => LogError::Unavailable { reason: "etcd has ended the watch".into() },
        denied if denied.contains("permission denied") => {
            LogError::Denied { reason: denied.to_owned() }
        }
        reason => LogError::Unavailable { reason: format!("etcd has ended the watch: {reason}") },
    }
}

/// Adds what is at the bottom of a failure of the transport, which says little itself.
fn with_cause(reason: String, status: &dyn std::error::Error) -> String {
    match std::iter::successors(status.source(), |error| error.source()).last() {
        Some(cause) => format!("{reason}: {cause}"),
        None => reason,
    }
}

fn explain_status(code: i32, message: &str) -> LogError {
    let reason = message.to_owned();
    let says = |text: &str| message.contains(text);
    match code {
        code::RESOURCE_EXHAUSTED if says("database space exceeded") => LogError::Full { reason },
        // The first is etcd's, and the second that of its server of gRPC, which has a bound of its own.
        // Whoever knows the entry puts in the numbers.
        code::INVALID_ARGUMENT | code::RESOURCE_EXHAUSTED
            if says("request is too large") || says("received message larger than max") =>
        {
            LogError::EntryTooLarge { bytes: 0, most: 0 }
        }
        code::UNAUTHENTICATED | code::PERMISSION_DENIED => LogError::Denied { reason },
        code::INVALID_ARGUMENT
            if says("authentication failed")
                || says("user name is empty")
                || says("user name not found") =>
        {
            LogError::Denied { reason }
        }
        code::FAILED_PRECONDITION
            if says("authentication is not enabled") || says("permission denied") =>
        {
            LogError::Denied { reason }
        }
        _ => LogError::Unavailable { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_etcd_has_surely_refused_is_a_refusal() {
        let denied = |reason: &str| LogError::Denied { reason: reason.into() };
        let unavailable = |reason: &str| LogError::Unavailable { reason: reason.into() };
        for (code, message, means) in [
            (
                8,
                "etcdserver: mvcc: database space exceeded",
                LogError::Full { reason: "etcdserver: mvcc: database space exceeded".into() },
            ),
            (3, "etcdserver: request is too large", LogError::EntryTooLarge { bytes: 0, most: 0 }),
            (
                8,
                "grpc: received message larger than max (3 vs. 2)",
                LogError::EntryTooLarge { bytes: 0, most: 0 },
            ),
            (16, "etcdserver: invalid auth token", denied("etcdserver: invalid auth token")),
            (7, "etcdserver: permission denied", denied("etcdserver: permission denied")),
            (
                3,
                "etcdserver: authentication failed, invalid user ID or password",
                denied("etcdserver: authentication failed, invalid user ID or password"),
            ),
            (8, "etcdserver: too many requests", unavailable("etcdserver: too many requests")),
            (14, "etcdserver: leader changed", unavailable("etcdserver: leader changed")),
            (14, "etcdserver: request timed out", unavailable("etcdserver: request timed out")),
            (
                3,
                "etcdserver: revision of auth store is old",
                unavailable("etcdserver: revision of auth store is old"),
            ),
            (4, "deadline", unavailable("deadline")),
            (1, "cancelled", unavailable("cancelled")),
            (2, "transport error", unavailable("transport error")),
        ] {
            assert_eq!(explain_status(code, message), means, "{code} {message}");
        }
    }
}
