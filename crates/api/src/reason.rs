//! The closed list of `details.reason`, each with its sentence, cause and mend: the documents are made from it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ErrorCode;

/// Declares the list once: the name, its spelling, its code, and the three texts.
macro_rules! reasons {
    ($($name:ident $spelling:literal $code:ident { message: $message:literal, cause: $cause:literal, mend: $mend:literal })*) => {
        /// Why a request was refused or failed. Never renamed.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Reason {
            $(#[doc = $cause] $name,)*
        }

        impl Reason {
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// As JSON spells it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $spelling,)* }
            }

            /// The code that this reason is sent with.
            #[must_use]
            pub fn code(self) -> ErrorCode {
                match self { $(Reason::$name => ErrorCode::$code,)* }
            }

            /// The sentence for the client.
            #[must_use]
            pub fn message(self) -> &'static str {
                match self { $(Reason::$name => $message,)* }
            }

            /// What brings it about.
            #[must_use]
            pub fn cause(self) -> &'static str {
                match self { $(Reason::$name => $cause,)* }
            }

            /// What can be done about it.
            #[must_use]
            pub fn mend(self) -> &'static str {
                match self { $(Reason::$name => $mend,)* }
            }
        }
    };
}

reasons! {
    InvalidJson "invalid_json" ValidationError {
        message: "The request body must be a JSON object with a 'url' field.",
        cause: "The body is not one JSON object: not JSON, not UTF-8, nested too deep, or with a doubled field.",
        mend: "Send `{\"url\": \"https://…\"}`."
    }
    MissingField "missing_field" ValidationError {
        message: "The 'url' field must be a valid HTTP or HTTPS URL.",
        cause: "The body has no `url`.",
        mend: "Send `url`."
    }
    InvalidType "invalid_type" ValidationError {
        message: "The 'url' field must be a valid HTTP or HTTPS URL.",
        cause: "`url` is not a string.",
        mend: "Send `url` as a string."
    }
    InvalidUrl "invalid_url" ValidationError {
        message: "The 'url' field must be a valid HTTP or HTTPS URL.",
        cause: "`url` is no absolute http(s) URL with a host, has a zone id, or is longer than 8,192 bytes.",
        mend: "Send the direct link to the file, with `http://` or `https://`."
    }
    CredentialsInUrl "credentials_in_url" ValidationError {
        message: "The URL contains a user name or password. Use a publicly accessible link, such as a signed URL, instead.",
        cause: "The URL, or a redirect of it, contains a user name or password.",
        mend: "Use a link that needs no password, such as a signed one."
    }
    AddressNotPublic "address_not_public" ValidationError {
        message: "The URL does not lead to a public address on the internet.",
        cause: "The host is, or leads to, an address that is not on the public internet.",
        mend: "Use a public host. An operator can allow a network of their own with `SOKU_FETCH_ALLOW_NETWORKS`."
    }
    PortBlocked "port_blocked" ValidationError {
        message: "The URL names a port that media are not fetched from.",
        cause: "The URL, or a redirect of it, names a port that media are not fetched from.",
        mend: "Use port 80, 443, 8080 or 8443. An operator can change the list with `SOKU_FETCH_ALLOW_PORTS`."
    }
    RedirectRefused "redirect_refused" ValidationError {
        message: "The source redirects to something that is not an HTTP or HTTPS URL.",
        cause: "The source redirects to something other than http or https.",
        mend: "Use the link that the redirects end at."
    }
    NotMedia "not_media" ValidationError {
        message: "The URL does not lead to an image, video or audio file.",
        cause: "The bytes are no image, video or audio; `detectedType` says what they are. An empty file too.",
        mend: "Use the direct link to the file: a share page, a login page and an error page are web pages."
    }
    TooLarge "too_large" ValidationError {
        message: "The file is larger than this server accepts.",
        cause: "The file is larger than `limitBytes`, as declared, as sent or as decoded.",
        mend: "Use a smaller file. An operator can raise `SOKU_FETCH_MAX_BYTES`."
    }
    InvalidIdempotencyKey "invalid_idempotency_key" ValidationError {
        message: "The 'Idempotency-Key' header must be 1 to 255 printable ASCII characters.",
        cause: "`Idempotency-Key` is empty, doubled, longer than 255 characters, or has others than printable ASCII.",
        mend: "Use 1 to 255 printable ASCII characters, such as a UUID."
    }
    DnsFailed "dns_failed" InternalError {
        message: "The source's host name could not be resolved.",
        cause: "The host's name could not be resolved.",
        mend: "Check the host's spelling; if it is right, send the request again later."
    }
    ConnectFailed "connect_failed" InternalError {
        message: "The connection to the source could not be made.",
        cause: "The source refused the connection.",
        mend: "Check that the source is up, then send the request again."
    }
    ConnectTimeout "connect_timeout" InternalError {
        message: "The connection to the source was not accepted in time.",
        cause: "The source did not accept a connection in time.",
        mend: "Check that the source is up, then send the request again."
    }
    TlsFailed "tls_failed" InternalError {
        message: "A secure connection to the source could not be made.",
        cause: "The source's certificate or TLS is not valid for this host.",
        mend: "The source's operator must mend the certificate."
    }
    TlsTimeout "tls_timeout" InternalError {
        message: "The source did not finish the TLS handshake in time.",
        cause: "The source did not finish the TLS handshake in time.",
        mend: "Send the request again later."
    }
    FirstByteTimeout "first_byte_timeout" InternalError {
        message: "The source did not answer in time.",
        cause: "The source accepted the request but did not begin to answer in time.",
        mend: "Send the request again later."
    }
    ConnectionLost "connection_lost" InternalError {
        message: "The source closed the connection before it answered.",
        cause: "The source closed the connection before a full answer head.",
        mend: "Send the request again later."
    }
    SourceStatus "source_status" InternalError {
        message: "The source did not answer with the file.",
        cause: "The source answered with `sourceStatus`, which brings no file.",
        mend: "403 and 404 often mean that a link expired: make a new one. Others pass: send the request again later."
    }
    TooManyRedirects "too_many_redirects" InternalError {
        message: "The source redirects too many times.",
        cause: "The source redirects more often than is followed.",
        mend: "Use the link that the redirects end at."
    }
    HeadersTooLarge "headers_too_large" InternalError {
        message: "The source's answer has too many or too large headers.",
        cause: "The head of the source's answer is larger than is read.",
        mend: "The source's operator must mend its answer."
    }
    BadResponse "bad_response" InternalError {
        message: "The source's answer is not valid HTTP.",
        cause: "The source's answer breaks HTTP: differing lengths, a bad chunk, an unreadable `Location` or coding.",
        mend: "The source's operator must mend its answer."
    }
    UnsupportedEncoding "unsupported_encoding" InternalError {
        message: "The source sent the file in a content coding that is not supported.",
        cause: "The source applied more than one content coding.",
        mend: "The source's operator must send the file with one coding or none."
    }
    CompressionRatio "compression_ratio" InternalError {
        message: "The source's compressed answer unpacks to too large a file.",
        cause: "The compressed body unpacks to more than 100 times its size.",
        mend: "Use an uncompressed file."
    }
    Truncated "truncated" InternalError {
        message: "The source stopped before the whole file was sent.",
        cause: "The source ended before the whole file was sent, again and again.",
        mend: "Send the request again later."
    }
    BodyStalled "body_stalled" InternalError {
        message: "The source stopped sending the file.",
        cause: "The source stopped sending in the middle of the file.",
        mend: "Send the request again later."
    }
    TooSlow "too_slow" InternalError {
        message: "The source sends the file too slowly.",
        cause: "The source sends slower than the slowest pace that is accepted.",
        mend: "Use a faster source."
    }
    FetchTimeout "fetch_timeout" InternalError {
        message: "The download took too long.",
        cause: "The whole download took longer than is allowed.",
        mend: "Use a faster source or a smaller file."
    }
    StorageFull "storage_full" InternalError {
        message: "The media library has no room for the file.",
        cause: "The disk or bucket of this server is full.",
        mend: "The operator must free space; then send the request again."
    }
    StorageFailed "storage_failed" InternalError {
        message: "The file could not be stored.",
        cause: "The file could not be written or recorded.",
        mend: "Send the request again; the operator finds the cause in the log under the request id."
    }
    Interrupted "interrupted" InternalError {
        message: "The download was interrupted.",
        cause: "The server stopped, or lost its claim, in the middle of the download.",
        mend: "Send the request again."
    }
    ShuttingDown "shutting_down" ServiceUnavailable {
        message: "The server is shutting down.",
        cause: "The server is stopping.",
        mend: "Send the request again after `Retry-After` seconds."
    }
    QueueFull "queue_full" ServiceUnavailable {
        message: "Too many downloads are waiting.",
        cause: "Too many downloads are waiting, or this one waited too long.",
        mend: "Send the request again after `Retry-After` seconds."
    }
    NotReady "not_ready" ServiceUnavailable {
        message: "The server is not ready to take work.",
        cause: "The database or the storage of this server cannot be reached, or it has too many files and connections open.",
        mend: "Send the request again after `Retry-After` seconds."
    }
}

impl Reason {
    /// The inverse of [`Reason::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Reason> {
        Reason::ALL.iter().copied().find(|reason| reason.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_spelt_as_serde_spells_it() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).expect("a reason is a string"), reason.as_str());
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
        }
    }
}
