CREATE TABLE api_keys (
    id           text        NOT NULL CONSTRAINT api_keys_pk PRIMARY KEY,
    name         text        NOT NULL CONSTRAINT api_keys_name_ck CHECK (char_length(name) BETWEEN 1 AND 200),
    hash         bytea       NOT NULL CONSTRAINT api_keys_hash_ck CHECK (octet_length(hash) = 32),
    scopes       text[]      NOT NULL,
    rate_per_s   double precision CONSTRAINT api_keys_rate_ck CHECK (rate_per_s > 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    created_by   text        NOT NULL,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);
COMMENT ON TABLE  api_keys IS 'Who may use the API. The keys themselves are nowhere: only their hashes.';
COMMENT ON COLUMN api_keys.id IS 'The first 12 characters of the key, by which it is found; they are no secret.';
COMMENT ON COLUMN api_keys.hash IS 'SHA-256 of the whole key, which is random and long enough for that.';
COMMENT ON COLUMN api_keys.scopes IS 'What it may do.';
COMMENT ON COLUMN api_keys.rate_per_s IS 'Requests a second that it may send; NULL: the API''s default.';
COMMENT ON COLUMN api_keys.created_by IS 'Who made it: another key, or somebody at the command line.';
COMMENT ON COLUMN api_keys.last_used_at IS 'When it was last used, to about a minute.';

CREATE TABLE audit (
    id         bigint      GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_pk PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor      text        NOT NULL,
    action     text        NOT NULL,
    task_ids   bigint[]    NOT NULL DEFAULT '{}',
    queue      text,
    key_id     text,
    source     text,
    request_id text,
    detail     jsonb
);
CREATE INDEX audit_task_ix ON audit ((task_ids[1])) WHERE task_ids <> '{}';
CREATE INDEX audit_batch_ix ON audit USING gist (int8range(task_ids[1], task_ids[cardinality(task_ids)], '[]'))
    WHERE cardinality(task_ids) > 1;
CREATE INDEX audit_at_ix ON audit (at);
CREATE INDEX audit_rare_ix ON audit (id) WHERE action NOT IN ('task.submit', 'task.submit_batch');
COMMENT ON TABLE  audit IS 'Who did what to which task, queue or key, from where, and when. Rows are only added.';
COMMENT ON COLUMN audit.actor IS 'The id of the key, cli:user for the command line, or anonymous where the API asks for no key.';
COMMENT ON COLUMN audit.task_ids IS 'The tasks that it was done to, ascending; many where they were submitted as a batch.';
COMMENT ON COLUMN audit.key_id IS 'The key that it was done to.';
COMMENT ON COLUMN audit.source IS 'The address that the request came from.';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'rows of ' || TG_TABLE_NAME || ' are only added';
END
$$;
CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit EXECUTE FUNCTION refuse_change();

ALTER TABLE kinds ADD COLUMN redact text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN kinds.redact IS 'Names of the members of payload and result that only those see who may read payloads.';
-- As its worker will say; the API hides them before the first one has started.
UPDATE kinds SET redact = '{headers.authorization,headers.proxy-authorization,headers.cookie,headers.x-api-key}'
 WHERE name = 'http.request';

CREATE TABLE passes (
    id          bigint      GENERATED ALWAYS AS IDENTITY CONSTRAINT passes_pk PRIMARY KEY,
    started_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    counted_at  timestamptz,
    examined    bigint      NOT NULL DEFAULT 0,
    violations  integer     NOT NULL DEFAULT 0
);
COMMENT ON TABLE  passes IS 'Passes of the consistency check over the record; the newest few.';
COMMENT ON COLUMN passes.counted_at IS 'When it compared the counters with a full count; NULL after its end: that took too long.';
COMMENT ON COLUMN passes.examined IS 'Tasks that it looked at.';

CREATE TABLE violations (
    id        bigint      GENERATED ALWAYS AS IDENTITY CONSTRAINT violations_pk PRIMARY KEY,
    found_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    rule      text        NOT NULL,
    task_id   bigint,
    queue     text,
    detail    text        NOT NULL,
    mended_at timestamptz
);
CREATE UNIQUE INDEX violations_standing_uq ON violations (rule, coalesce(task_id, 0), coalesce(queue, ''))
    WHERE mended_at IS NULL;
COMMENT ON TABLE  violations IS 'What the consistency check found; the newest few.';
COMMENT ON COLUMN violations.seen_at IS 'When it was last seen.';
COMMENT ON COLUMN violations.mended_at IS 'When it was put right, or a pass did not see it any more; NULL where that is for a person to decide.';

CREATE TABLE verify_writes (
    task_id    bigint      NOT NULL,
    attempt    integer     NOT NULL,
    worker     text        NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX verify_writes_task_ix ON verify_writes (task_id);
COMMENT ON TABLE  verify_writes IS 'One row for each time that a handler of verify.write ran: what really happened, apart from the record.';
