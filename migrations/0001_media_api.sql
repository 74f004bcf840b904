-- The Media API: accounts, their keys, what they stored, and the claims that keep an import single.
-- Portable dialect (docs/decisions/0001-portable-sql.md): TEXT, BIGINT, BOOLEAN; times are milliseconds UTC, set by the program.

CREATE TABLE account (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    subscription TEXT NOT NULL CHECK (subscription IN ('trialing', 'active', 'canceled', 'past_due', 'unpaid')),
    period_end BIGINT,
    role TEXT NOT NULL CHECK (role IN ('member', 'admin')),
    created BIGINT NOT NULL
);

CREATE TABLE api_key (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    digest TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    preview TEXT NOT NULL,
    created BIGINT NOT NULL,
    revoked BIGINT
);
CREATE INDEX api_key_of_account ON api_key (account_id, created);

CREATE TABLE media (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    filename TEXT NOT NULL,
    content_type TEXT NOT NULL,
    disposition TEXT NOT NULL CHECK (disposition IN ('inline', 'attachment')),
    size_bytes BIGINT NOT NULL CHECK (size_bytes >= 0),
    sha256 TEXT NOT NULL,
    source_url TEXT NOT NULL,
    created BIGINT NOT NULL
);
CREATE INDEX media_newest ON media (created, id);
CREATE INDEX media_newest_of_account ON media (account_id, created, id);

CREATE TABLE idempotency (
    account_id TEXT NOT NULL REFERENCES account (id),
    endpoint TEXT NOT NULL,
    claim_key TEXT NOT NULL,
    explicit BOOLEAN NOT NULL,
    payload_hash TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
    media_id TEXT REFERENCES media (id),
    owner TEXT NOT NULL,
    fence BIGINT NOT NULL,
    beat BIGINT NOT NULL,
    watched BOOLEAN NOT NULL,
    failure TEXT,
    failed_fence BIGINT,
    expires BIGINT NOT NULL,
    PRIMARY KEY (account_id, endpoint, claim_key),
    CHECK ((state = 'done') = (media_id IS NOT NULL))
);
CREATE INDEX idempotency_of_media ON idempotency (media_id) WHERE media_id IS NOT NULL;
CREATE INDEX idempotency_of_owner ON idempotency (owner) WHERE state = 'running';
CREATE INDEX idempotency_expiry ON idempotency (expires) WHERE state <> 'running';

CREATE TABLE rate_window (
    subject TEXT NOT NULL PRIMARY KEY,
    stamps TEXT NOT NULL,
    newest BIGINT NOT NULL
);
CREATE INDEX rate_window_age ON rate_window (newest);
