-- The logins of docker-compose.yml, at each start, so that data from before have them too. Each part has one of its own;
-- what it may do is for `taskyard migrate` to grant. Their passwords are as well known as those in docker-compose.yml.
\set ON_ERROR_STOP on
SELECT format('CREATE ROLE %I LOGIN', role)
  FROM unnest(ARRAY['taskyard_api', 'taskyard_dispatcher', 'taskyard_worker', 'metrics']) AS role
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role)
\gexec
ALTER ROLE taskyard_api PASSWORD 'taskyard_api';
ALTER ROLE taskyard_dispatcher PASSWORD 'taskyard_dispatcher';
ALTER ROLE taskyard_worker PASSWORD 'taskyard_worker';
ALTER ROLE metrics PASSWORD 'metrics' CONNECTION LIMIT 5;
GRANT pg_monitor TO metrics;
